// What differs between two texts, word by word: Myers' shortest edit script (1986).

const MOST_EDITS = 800;
const LEAST_SAME = 0.2;

// Words of any script, as the browser knows them.
function words_of(text) {
  if (!Intl.Segmenter) return text.match(/\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) || [];
  return [...new Intl.Segmenter(undefined, { granularity: "word" }).segment(text)].map((one) => one.segment);
}

// Pairs of "=", "-" or "+" and a text; null where nearly everything differs.
function differences(before, after) {
  const a = words_of(before);
  const b = words_of(after);
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a.at(-1 - end) === b.at(-1 - end)) end++;
  const middle = edits(a.slice(start, a.length - end), b.slice(start, b.length - end));
  if (!middle) return null;
  const parts = [["=", a.slice(0, start).join("")], ...middle, ["=", a.slice(a.length - end).join("")]];
  return joined_parts(parts.filter(([, text]) => text));
}

function edits(a, b) {
  const most = Math.min(a.length + b.length, MOST_EDITS);
  let best = new Map([[1, 0]]);
  const trace = [];
  for (let d = 0; d <= most; d++) {
    trace.push(best);
    const next = new Map();
    for (let k = -d; k <= d; k += 2) {
      const down = k === -d || (k !== d && best.get(k - 1) < best.get(k + 1));
      let x = down ? best.get(k + 1) : best.get(k - 1) + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
      next.set(k, x);
      if (x >= a.length && x - k >= b.length) return walked_back(a, b, trace, d);
    }
    best = next;
  }
  return null;
}

function walked_back(a, b, trace, steps) {
  const parts = [];
  let [x, y] = [a.length, b.length];
  for (let d = steps; d >= 0; d--) {
    const best = trace[d];
    const k = x - y;
    const down = k === -d || (k !== d && best.get(k - 1) < best.get(k + 1));
    const before = down ? k + 1 : k - 1;
    const [from_x, from_y] = [best.get(before), best.get(before) - before];
    while (x > from_x && y > from_y) {
      parts.push(["=", a[--x]]);
      y--;
    }
    if (d) parts.push(down ? ["+", b[from_y]] : ["-", a[from_x]]);
    [x, y] = [from_x, from_y];
  }
  return parts.reverse();
}

function joined_parts(parts) {
  const joined = [];
  for (const [kind, text] of parts) {
    if (joined.at(-1)?.[0] === kind) joined.at(-1)[1] += text;
    else joined.push([kind, text]);
  }
  return joined;
}

// A text with what another one lacks of it marked; `side` is "-" for the earlier one.
// Null where so much differs that marks would only be in the way of reading.
function marked(before, after, side) {
  const parts = differences(before, after);
  if (!parts) return null;
  const same = parts.filter(([kind]) => kind === "=").reduce((sum, [, text]) => sum + text.length, 0);
  if (same < LEAST_SAME * Math.max(before.length, after.length)) return null;
  const tag = side === "-" ? "del" : "ins";
  return parts.filter(([kind]) => kind === "=" || kind === side).map(([kind, text]) => (kind === "=" ? text : el(tag, {}, text)));
}
