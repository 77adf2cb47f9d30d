// Cards: one for each reply of a rung to a case, with all that was said of it.

const FLAGS = {
  tied: "votes are tied: the first answer counts",
  "no answer": "no answer was found in what was said",
  unfinished: "the loop ended before an answer",
};
const odd = (flag) => flag.split(", ").map((part) => FLAGS[part] || part).join("; ");
const OUTCOMES = ["pass", "missed", "error"];
const OUTCOME_CHIPS = { pass: "pass", missed: "fail", error: "undecided" };

const said = (text, kind = "said") => el("div", { class: kind, dir: "auto" }, text || "(empty)");

// Rows of one reply: the same sample, text and bill. An error without a reply is alone.
function by_reply(rows) {
  const replies = new Map();
  for (const row of rows) {
    const get = (name) => value_of(name, row);
    const none = get("outcome") === ERROR && !explorer.texts[get("text")];
    const key = none ? `error ${row}` : ["sample", "text", "cost", "latency"].map(get).join(" ");
    if (!replies.has(key)) replies.set(key, []);
    replies.get(key).push(row);
  }
  return [...replies.values()];
}

// The reply among some rows that is the counterpart of one: that of the same sample.
function twin_in(rows, row) {
  const twin = rows.find((other) => value_of("sample", other) === value_of("sample", row));
  return twin === undefined ? undefined : explorer.texts[value_of("text", twin)];
}

// What differs is marked against the text `theirs`, if there is one.
function reply_card(rows, theirs, side) {
  const get = (name) => value_of(name, rows[0]);
  const text = explorer.texts[get("text")];
  const sample = get("sample") > 1 ? `, sample ${get("sample")}` : "";
  const shown = reply_text(text, theirs, side);
  const unknown = !text && data.texts === false;
  return el(
    "article",
    { class: "d-row" },
    el("ul", { class: "d-verdicts" }, ...rows.map(verdict_line)),
    unknown ? null : el("h4", {}, (get("flag") ? `Reply (${odd(get("flag"))})` : "Reply") + sample),
    unknown ? null : shown,
    figures(get),
    retrieved(get("retrieved")),
    ...steps(get("said"), text),
    ...rows.flatMap((row) => value_of("judged", row)).map((talk) => conversation(talk, "What the judge was sent", true)),
  );
}

// The earlier of two replies is the left one, or that of the run before.
function reply_text(text, theirs, side) {
  if (theirs === undefined || theirs === text) return said(text, "said reply");
  const [before, after] = side === "-" ? [text, theirs] : [theirs, text];
  const parts = marked(before, after, side);
  if (!parts) return said(text, "said reply");
  return el("div", { class: "said reply", dir: "auto" }, ...(parts.length ? parts : ["(empty)"]));
}

const short_test = (n) => explorer.tests[n].split("::").slice(1).join("::") || explorer.tests[n];

function verdict_line(row) {
  const get = (name) => value_of(name, row);
  const outcome = OUTCOMES[get("outcome")];
  const named = Object.entries(get("scores") || {}).map(([name, score]) => `${name} ${per_cent(score)}`);
  const score = get("score");
  const graded = score !== null && score !== 0 && score !== 1 ? [per_cent(score)] : [];
  const word = is_zero(row) ? "scored 0 %" : outcome === "pass" ? "passed" : outcome;
  const test = explorer.tests[get("test")];
  return el(
    "li",
    {},
    el("span", { class: `chip small ${is_zero(row) ? "fail" : OUTCOME_CHIPS[outcome]}` }, word),
    el("span", { title: test }, el("b", {}, short_test(get("test"))), ` ${explorer.levels[get("level")]}`),
    ...[...graded, ...named, get("why"), get("judging") === null ? "" : `judging ${usd(get("judging"))}`].filter(Boolean).map((text) => el("span", {}, text)),
    explorer.texts[get("reason")] ? el("p", { dir: "auto" }, explorer.texts[get("reason")]) : null,
  );
}

function figures(get) {
  const pairs = [
    ["cost", usd(get("cost"))],
    ["latency", seconds(get("latency")) + (get("live") ? "" : ", recorded")],
    get("ttft") === null ? null : ["first token", seconds(get("ttft"))],
    ["tokens", `${number(get("input"))} in, ${number(get("output"))} out`],
  ].filter(Boolean);
  return el("p", { class: "pairs" }, ...pairs.map(([label, text]) => el("span", {}, `${label} `, el("b", {}, text))));
}

function retrieved(sources) {
  if (!sources.length) return null;
  const names = sources.map((n, rank) => el("span", {}, `${rank + 1}. ${explorer.sources[n]}`));
  return el("div", {}, el("h4", {}, "Retrieved"), el("div", { class: "tags" }, ...names));
}

// The calls behind a reply, each with its answer where that is not the reply itself.
function steps(talks, reply) {
  if (talks.length > 1) {
    return talks.map((talk, n) =>
      conversation(talk, `Call ${n + 1} of ${talks.length}`, true, n ? sent_before(talks[n - 1], talk) : 0),
    );
  }
  const answer = (talk) => explorer.talks[talk].filter(([role]) => !role).map(([, ...lines]) => text_of(lines));
  return talks.map((talk) => {
    const differs = answer(talk).some((text) => text.trim() !== reply.trim());
    return conversation(talk, "What the model was sent", differs);
  });
}

// How many messages at the beginning of a call were sent in the one before it, too.
function sent_before(earlier, talk) {
  const [first, second] = [earlier, talk].map((n) => explorer.talks[n].filter(([role]) => role).map(String));
  const differs = second.findIndex((message, n) => message !== first[n]);
  return differs < 0 ? second.length : differs;
}

const text_of = (lines) => lines.map((n) => explorer.lines[n]).join("\n");

function conversation(talk, title, answered = false, skipped = 0) {
  const messages = explorer.talks[talk].filter(([role]) => role || answered).slice(skipped);
  const parts = messages.flatMap(([role, ...lines]) => [
    el("h4", {}, role || "answer"),
    said(text_of(lines)),
  ]);
  return el("details", {}, el("summary", {}, title), ...parts);
}
