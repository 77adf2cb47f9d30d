// One case: what was asked and answered, on one rung or on two side by side.

const OUTCOMES = ["pass", "missed", "error"];
let opened = { one: 0, rungs: [0, null] };

function open_detail(one, rung) {
  opened = { one, rungs: [rung, opened.rungs[1] === rung ? null : opened.rungs[1]] };
  show_detail();
  if (!$("detail").open) $("detail").showModal();
}

function show_detail() {
  const [source, id, tags, cluster] = explorer.cases[opened.one];
  const facts = [source, cluster && `cluster ${cluster}`].filter(Boolean).join(", ");
  const at = explorer.found.indexOf(opened.one);
  const head = el(
    "div",
    { class: "d-head" },
    el("h2", { id: "detail-title" }, id || source, el("small", {}, id ? facts : "")),
    tags.length ? el("span", { class: "tags" }, ...tags.map((tag) => el("span", {}, tag))) : null,
    step_button("Previous case", "←", explorer.found[at - 1]),
    step_button("Next case", "→", explorer.found[at + 1]),
    el("button", { type: "button", class: "quiet", onclick: () => $("detail").close() }, "Close"),
  );
  const body = el("div", { class: "d-body" }, asked(), side(0, "Rung"), side(1, "Beside"));
  fill("detail", el("div", { class: "d-in" }, head, body));
}

// What the case asks: the shortest of its prompts, which is the one with least around it.
function asked() {
  const prompts = data.rungs
    .flatMap((_, rung) => all_rows(opened.one, rung))
    .flatMap((row) => value_of("said", row))
    .map((talk) => explorer.talks[talk].filter(([role]) => role === "user").at(-1))
    .filter(Boolean)
    .map(([, ...lines]) => lines.map((n) => explorer.lines[n]).join("\n"));
  if (!prompts.length) return null;
  const shortest = prompts.reduce((best, text) => (text.length < best.length ? text : best));
  return el("div", { class: "d-asked" }, el("h4", {}, "Asked"), said(shortest, "said reply"));
}

function step_button(label, text, one) {
  const go = () => {
    opened.one = one;
    show_detail();
    $("detail").querySelector(`button[aria-label="${label}"]`).focus();
  };
  return el("button", { type: "button", ariaLabel: label, disabled: one === undefined, onclick: go }, text);
}

function side(place, label) {
  const chosen = opened.rungs[place];
  const options = data.rungs.map((rung, n) => el("option", { value: n }, rung.id));
  if (place) options.unshift(el("option", { value: "" }, "compare with another rung …"));
  const select = el("select", { id: `d-rung-${place}` }, ...options);
  select.value = chosen === null ? "" : chosen;
  select.addEventListener("change", () => {
    opened.rungs[place] = select.value === "" ? null : Number(select.value);
    show_detail();
    $(select.id).focus();
  });
  const rows = chosen === null ? [] : all_rows(opened.one, chosen);
  const none = chosen !== null && !rows.length ? el("p", { class: "fine" }, "No row of this rung.") : null;
  return el(
    "div",
    { class: "d-side" },
    el("label", { class: "d-pick" }, label, select),
    none,
    ...rows.map(result),
  );
}

const all_rows = (one, rung) =>
  explorer.levels.flatMap((_, level) => explorer.byCell.get(`${level} ${one} ${rung}`) || []);

function result(row) {
  const get = (name) => value_of(name, row);
  const sample = get("sample") > 1 ? `, sample ${get("sample")}` : "";
  const outcome = OUTCOMES[get("outcome")];
  const mark = { pass: "pass", missed: "fail", error: "undecided" }[outcome];
  const head = el(
    "header",
    {},
    el("span", { class: `chip small ${mark}` }, outcome === "pass" ? "passed" : outcome),
    el("span", {}, explorer.levels[get("level")]),
    el("span", {}, explorer.tests[get("test")] + sample),
  );
  const reason = explorer.texts[get("reason")];
  return el(
    "article",
    { class: "d-row" },
    head,
    reason ? el("p", { dir: "auto" }, reason) : null,
    el("h4", {}, get("flag") ? `Reply (${get("flag")})` : "Reply"),
    said(explorer.texts[get("text")], "said reply"),
    figures(get),
    retrieved(get("retrieved")),
    ...get("said").map((talk) => conversation(talk, "What the model was sent")),
    ...get("judged").map((talk) => conversation(talk, "What the judge was sent", true)),
  );
}

const said = (text, kind = "said") => el("div", { class: kind, dir: "auto" }, text || "(empty)");

function figures(get) {
  const named = Object.entries(get("scores") || {}).map(([name, score]) => [name, per_cent(score)]);
  const pairs = [
    ["score", get("score") === null ? "none" : per_cent(get("score"))],
    ...named,
    ["cost", usd(get("cost"))],
    ["latency", seconds(get("latency")) + (get("live") ? "" : ", recorded")],
    get("ttft") === null ? null : ["first token", seconds(get("ttft"))],
    ["tokens", `${number(get("input"))} in, ${number(get("output"))} out`],
    get("judging") === null ? null : ["judging", usd(get("judging"))],
  ].filter(Boolean);
  return el("p", { class: "pairs" }, ...pairs.map(([label, text]) => el("span", {}, `${label} `, el("b", {}, text))));
}

function retrieved(sources) {
  if (!sources.length) return null;
  const names = sources.map((n, rank) => el("span", {}, `${rank + 1}. ${explorer.sources[n]}`));
  return el("div", {}, el("h4", {}, "Retrieved"), el("div", { class: "tags" }, ...names));
}

function conversation(talk, title, answered = false) {
  const messages = explorer.talks[talk].filter(([role]) => role || answered);
  const parts = messages.flatMap(([role, ...lines]) => [
    el("h4", {}, role || "answer"),
    said(lines.map((n) => explorer.lines[n]).join("\n")),
  ]);
  return el("details", {}, el("summary", {}, title), ...parts);
}
