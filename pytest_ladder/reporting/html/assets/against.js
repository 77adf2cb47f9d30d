// What moved since another run: by rung, by case, and the reply before beside today's.

const MOST_MOVED = 12;

function show_against() {
  $("against").hidden = $("against-link").hidden = !data.against;
  if (!data.against) return;
  const { lead, verdict, gate, heads, lines, changes } = data.against;
  $("against-lead").textContent = lead;
  $("against-gate").hidden = !gate;
  if (gate) fill("against-gate", chip(verdict, true), el("span", {}, ` ${gate}`));
  table("against-table", heads, lines.map((cells) => line(...cells.map(in_two))));
  $("against-table").parentElement.hidden = !lines.length;
  fill("against-changes", ...changes.map((text) => el("li", {}, text)));
  $("against-changed").hidden = !changes.length;
}

// What was and is now, and below it by how much it moved.
function in_two(text) {
  const [values, ...change] = text.split(", ");
  if (!change.length || !text.includes("→")) return text;
  const cell = el("span", { class: "moved" }, values);
  cell.append(el("small", {}, change.join(", ")));
  return cell;
}

// By case and rung: what was before, of each test whose score moved by half or more.
function load_before() {
  explorer.beforeOf = new Map();
  for (const [one, rung, test, was, is, text, reason] of explorer.before) {
    const key = `${one} ${rung}`;
    if (!explorer.beforeOf.has(key)) explorer.beforeOf.set(key, []);
    explorer.beforeOf.get(key).push({ one, rung, test, was, is, text, reason });
  }
  if (!data.against) return;
  for (const [value, text] of [["broken", "broken since the other run"], ["fixed", "fixed since the other run"]])
    $("f-show").append(el("option", { value }, text));
  show_moved();
}

const before_of = (one, rung) => explorer.beforeOf.get(`${one} ${rung}`) || [];

// Whether a case got worse on a rung: on one test is enough; null where it did not move.
function is_broken(one, rung) {
  const flips = before_of(one, rung);
  return flips.length ? flips.some(({ was, is }) => is < was) : null;
}

const moved_on = (one, broke) => data.rungs.flatMap((_, rung) => (is_broken(one, rung) === broke ? [rung] : []));

function show_moved() {
  const cases = [...new Set(explorer.before.map(([one]) => one))].map((one) => ({ one, broken: moved_on(one, true), fixed: moved_on(one, false) }));
  cases.sort((a, b) => b.broken.length - a.broken.length || b.fixed.length - a.fixed.length || a.one - b.one);
  const named = (rungs) => (rungs.length > (is_narrow() ? 1 : 4) ? `${rungs.length} rungs` : rungs.map((rung) => data.rungs[rung].id).join(", "));
  const lines = cases.slice(0, MOST_MOVED).map(({ one, broken, fixed }) => {
    const open = () => open_detail(one, [...broken, ...fixed][0]);
    const name = explorer.cases[one][1] || explorer.cases[one][0];
    const made = line(el("button", { type: "button", class: "quiet case", onclick: open }, name), named(broken), named(fixed));
    for (const cell of made.cells) cell.className = "left";
    return made;
  });
  table("moved-table", ["case", "broken on", "fixed on"], lines, 3);
  $("moved").hidden = !lines.length;
  const more = cases.length - lines.length;
  const how = el("span", { class: "by-hand" }, "; filter the cases below by what is broken or fixed since the other run");
  fill("moved-more", ...(more ? [`And ${number(more)} more`, how, "."] : []));
}

function before_cards(one, rung, today) {
  const replies = new Map();
  for (const flip of before_of(one, rung)) {
    if (!replies.has(flip.text)) replies.set(flip.text, []);
    replies.get(flip.text).push(flip);
  }
  return [...replies.entries()].map(([text, flips]) => {
    const lines = flips.map(({ test, was, is, reason }) =>
      el(
        "li",
        {},
        el("span", { class: `chip small ${is < was ? "fail" : "pass"}` }, is < was ? "broken" : "fixed"),
        el("span", {}, el("b", {}, short_test(test)), ` ${per_cent(was)} → ${per_cent(is)}`),
        explorer.texts[reason] ? el("p", { dir: "auto" }, explorer.texts[reason]) : null,
      ),
    );
    const reply = data.texts === false ? [] : [el("h4", {}, "Reply before"), reply_text(explorer.texts[text], today, "-")];
    return el("article", { class: "d-row before" }, el("ul", { class: "d-verdicts" }, ...lines), ...reply);
  });
}
