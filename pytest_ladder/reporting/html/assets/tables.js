// Tables: the steps, the matrix, the spend, how it was run.

const MOST_TAG = 44;
const FEW_RUNGS = 4;

function table(id, heads, lines, left = 1) {
  const cells = heads.map((text, n) => el("th", { scope: "col", class: n < left ? "left" : "" }, text));
  fill(id, el("thead", {}, el("tr", {}, ...cells)), el("tbody", {}, ...lines));
  sortable(id);
}

// Model and strategy, each without its middle where it is long, and a line of its own.
function named(name) {
  const [model, ...rest] = name.split("/");
  const parts = rest.length ? [model + "/", rest.join("/")] : [model];
  const short = parts.map((text) => middle(text));
  const node = el("span", { class: "name" });
  node.append(...short.flatMap((text, n) => (n ? [el("wbr"), el("span", {}, text)] : [el("span", {}, text)])));
  if (short.join("") !== name) node.title = name;
  return [node];
}

// `first` is the name of a rung, or a node.
const line = (first, ...rest) =>
  el("tr", {}, el("th", { scope: "row" }, ...(first.nodeType ? [first] : named(first))), ...rest.map((text) => el("td", {}, text)));

function show_steps() {
  const steps = view().steps;
  $("steps-table").parentElement.hidden = steps.length === 0;
  $("steps-at").textContent = steps.length ? `At ${level_name(state.level)}, ${number(data.volumes[state.at])} calls.` : "There is only one rung on the front.";
  const optional = [6, 7].filter((n) => steps.some((step) => step[n]));
  const heads = ["from", "to", "quality gained", `$ more per ${data.calls} calls`, "return", "$ per 1,000 extra good answers", "points per build hour", "cheaper from"];
  const kept = (cells) => cells.filter((_, n) => n < 6 || optional.includes(n));
  const lines = steps.map((step) => line(...kept(step)));
  lines.forEach((one, n) => {
    one.cells[1].className = "left";
    one.cells[1].replaceChildren(...named(steps[n][1]));
  });
  table("steps-table", kept(heads), lines, 2);
}

function show_matrix() {
  const shown = view();
  const levels = data.measured;
  const heads = ["rung", ...levels.map(level_name), "verdict", `$ per ${data.calls} calls`, "latency p50 / p95", "stands", "tokens in / out", "calls live / replayed"];
  const rungs = new Map(data.rungs.map((rung) => [rung.id, rung]));
  const lines = shown.order.map((id) => matrix_line(rungs.get(id), shown, levels));
  table("matrix-table", heads, lines);
  $("matrix-table").tHead.rows[0].cells[heads.indexOf("stands")].className = "left";
  $("matrix-at").textContent = here();
}

function matrix_line(rung, shown, levels) {
  const picked = rung.id === shown.hero.rung;
  const notes = [picked && "recommended", rung.current && "ships", rung.state !== "run" && rung.state].filter(Boolean);
  const name = el("th", { scope: "row" }, shape(shape_of(rung.strategy), colour_of(rung.strategy)), el("i", { class: "number" }, data.numbers[rung.id]), ...named(rung.id));
  if (notes.length) name.append(el("small", {}, notes.join(", ")));
  const verdict = shown.verdicts[rung.id];
  const cells = [
    ...levels.map((level) => quality_cell(rung.levels[level])),
    el("td", {}, verdict ? chip(verdict, true) : ""),
    cost_cell(rung, shown.costs[rung.id]),
    pair_of(rung.latency),
    el("td", { class: "stands" }, [shown.standings[rung.id] || rung.state, rung.why].filter(Boolean).join("; ")),
    ...[rung.tokens, rung.calls].map(pair_of),
  ];
  return el("tr", { class: picked ? "picked" : "" }, name, ...cells);
}

// Two figures with a slash between them, which a narrow column breaks there.
const pair_of = (text) => el("td", { class: "pair" }, text.replaceAll(" ", "\u00a0").replace("/\u00a0", "/ "));

function cost_cell(rung, cost) {
  const measured = Object.keys(rung.levels).length > 0;
  const node = el("td", { class: "cost" }, measured ? cost : "");
  if (!rung.build) return node;
  if (measured) node.append(el("small", {}, `to use ${rung.serve}`));
  node.append(el("small", {}, `to build ${rung.build.replace(" h", "\u00a0h")}`));
  return node;
}

function quality_cell(cell) {
  if (!cell) return el("td", {}, el("span", { class: "off" }, "–"));
  const top = el("div", { class: "quality" }, cell.quality === null ? null : meter(cell), cell.text);
  const errors = cell.errors ? `, ${number(cell.errors)} error${cell.errors === 1 ? "" : "s"}` : "";
  const small = cell.coverage < 0.95 ? el("small", {}, `coverage ${per_cent(cell.coverage)}`) : null;
  const notes = (cell.notes || []).map((text) => el("small", {}, text));
  return el("td", { class: "measured" }, top, el("small", {}, `${cell.interval}, n\u00a0=\u00a0${number(cell.n)}${cell.units || ""}${errors}`), small, ...notes);
}

// One box with two backgrounds, the value over its range: tables have many of them. A
// background at 30 % has 30 % of what it leaves free on its left.
function meter({ quality, low, high }) {
  const [from, to] = low === null ? [quality, quality] : [low, high];
  const free = 1 - (to - from);
  const node = el("div", { class: "meter", "aria-hidden": "true" });
  node.style.backgroundPosition = `calc(${100 * quality}% + ${3 * quality - 1.5}px) 50%, ${free ? (100 * from) / free : 0}% 50%`;
  node.style.backgroundSize = `3px var(--mark), ${100 * (to - from)}% var(--range)`;
  return node;
}

function show_tags() {
  const { heads, lines, worst, notes } = data.tags;
  $("tags").hidden = $("tags-link").hidden = lines.length === 0;
  const made = lines.map(([tag, ...rest]) => line(new Text(middle(tag, MOST_TAG)), ...rest));
  made.forEach((one, n) => {
    one.cells[0].title = lines[n][0];
    one.cells[1].className = "left";
  });
  for (const [n, level] of worst) {
    const cell = made[n].cells[2 + level];
    cell.classList.add("worst");
    cell.append(" ", el("small", {}, "lowest of what ships"));
  }
  const lowest = worst.map(([n, level]) => `${lines[n][0]}, ${lines[n][2 + level]} at ${heads[2 + level]}`);
  $("tags-worst").textContent = worst.length ? `Lowest on ${lines[worst[0][0]][1]}, which ships: ${lowest.join("; ")}.` : "";
  table("tags-table", heads, made, 2);
  offer_rungs(lines, made);
  $("tags-note").textContent = notes.join(" ");
}

// One rung at a time, so that sorting by quality says where it is worst; of many rungs
// those that matter come first, on paper too. Lines name their rung second.
function offer_rungs(lines, made) {
  const picker = $("tags-rung");
  const there = new Set(lines.map((cells) => cells[1]));
  const offered = data.rungs.filter(({ id }) => there.has(id));
  const picked = ({ id }) => id === view().hero.rung;
  const ours = offered.filter((rung) => rung.current || picked(rung)).map(({ id }) => id);
  const said = (rung) => rung.id + (rung.current ? " (ships)" : picked(rung) ? " (recommended)" : "");
  const options = [["", "all rungs"], ...(ours.length > 1 ? [["ours", "recommended and shipped"]] : []), ...offered.map((rung) => [rung.id, said(rung)])];
  picker.replaceChildren(...options.map(([value, text]) => el("option", { value }, text)));
  picker.parentElement.hidden = there.size < 2;
  if (there.size > FEW_RUNGS) picker.value = ours.length > 1 ? "ours" : (ours[0] ?? "");
  picker.onchange = () => {
    const shown = picker.value === "ours" ? ours : [picker.value];
    made.forEach((one, n) => (one.hidden = Boolean(picker.value) && !shown.includes(lines[n][1])));
  };
  picker.onchange();
}

function show_rest() {
  show_users();
  show_people();
  show_against();
  show_tags();
  $("remarks").hidden = data.remarks.length === 0;
  $("remarks").open = data.remarks.length <= 4;
  $("remarks-count").textContent = data.remarks.length === 1 ? "1 remark" : `${data.remarks.length} remarks`;
  fill("remarks-list", ...data.remarks.map((text) => el("li", {}, text)));
  $("spend-line").textContent = data.ledger.line;
  show_stats("spend-cards", data.ledger.cards);
  const heads = ["rung", "product", "evaluation", "saved by replaying", "live calls", "replayed", "of unknown cost"];
  const unknown = data.ledger.rungs.some((cells) => cells[6]);
  const kept = (cells) => (unknown ? cells : cells.slice(0, 6));
  table("spend-table", kept(heads), data.ledger.rungs.map((cells) => line(...kept(cells))));
  fill("facts", ...data.how.flatMap(([label, text]) => [el("dt", {}, label), el("dd", {}, text)]));
  $("looks").hidden = data.looks.length === 0;
  fill("looks-list", ...data.looks.map((text) => el("li", {}, text)));
}
