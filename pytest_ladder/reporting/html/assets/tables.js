// Tables: the steps, the matrix, the spend, how it was run.

function table(id, heads, lines, left = 1) {
  const cells = heads.map((text, n) => el("th", { scope: "col", class: n < left ? "left" : "" }, text));
  fill(id, el("thead", {}, el("tr", {}, ...cells)), el("tbody", {}, ...lines));
}

const line = (first, ...rest) =>
  el("tr", {}, el("th", { scope: "row" }, first), ...rest.map((text) => el("td", {}, text)));

function show_steps() {
  const steps = view().steps;
  $("steps-table").parentElement.hidden = steps.length === 0;
  $("steps-at").textContent = steps.length ? `At ${state.level}, ${number(data.volumes[state.at])} calls.` : "There is only one rung on the front.";
  const optional = [6, 7].filter((n) => steps.some((step) => step[n]));
  const heads = ["from", "to", "quality gained", "more per 1,000 calls", "return", "$ per extra good answer", "points per build hour", "cheaper from"];
  const kept = (cells) => cells.filter((_, n) => n < 6 || optional.includes(n));
  const lines = steps.map((step) => line(...kept(step)));
  for (const one of lines) one.cells[1].className = "left";
  table("steps-table", kept(heads), lines, 2);
}

function show_matrix() {
  const shown = view();
  const levels = Object.keys(data.views);
  const heads = ["rung", ...levels, "verdict", "$ per 1,000 calls", "latency p50 / p95", "stands", "tokens in / out", "calls live / replayed"];
  const rungs = new Map(data.rungs.map((rung) => [rung.id, rung]));
  const lines = shown.order.map((id) => matrix_line(rungs.get(id), shown, levels));
  table("matrix-table", heads, lines);
  $("matrix-at").textContent = here();
}

function matrix_line(rung, shown, levels) {
  const picked = rung.id === shown.hero.rung;
  const notes = [picked && "recommended", rung.current && "ships", rung.state !== "run" && rung.state].filter(Boolean);
  const name = el("th", { scope: "row" }, shape(data.tiers[rung.tier], colour_of(rung.strategy)), rung.id);
  if (notes.length) name.append(el("small", {}, notes.join(", ")));
  const verdict = shown.verdicts[rung.id];
  const cells = [
    ...levels.map((level) => quality_cell(rung.levels[level])),
    el("td", {}, verdict ? chip(verdict, true) : ""),
    cost_cell(rung, shown.costs[rung.id]),
    el("td", {}, rung.latency),
    el("td", { class: "stands" }, [shown.standings[rung.id] || rung.state, rung.why].filter(Boolean).join("; ")),
    ...[rung.tokens, rung.calls].map((text) => el("td", {}, text)),
  ];
  return el("tr", { class: picked ? "picked" : "" }, name, ...cells);
}

function cost_cell(rung, cost) {
  const measured = Object.keys(rung.levels).length > 0;
  const node = el("td", {}, measured ? cost : "");
  if (!rung.build) return node;
  if (measured) node.append(el("small", {}, `to use ${rung.serve}`));
  node.append(el("small", {}, `to build ${rung.build}`));
  return node;
}

function quality_cell(cell) {
  if (!cell) return el("td", {}, el("span", { class: "off" }, "–"));
  const top = el("div", { class: "quality" }, cell.quality === null ? null : meter(cell), cell.text);
  const errors = cell.errors ? `, ${number(cell.errors)} error${cell.errors === 1 ? "" : "s"}` : "";
  const small = cell.coverage < 0.95 ? el("small", {}, `coverage ${per_cent(cell.coverage)}`) : null;
  return el("td", {}, top, el("small", {}, `${cell.interval}, n = ${number(cell.n)}${errors}`), small);
}

function meter({ quality, low, high }) {
  const range = el("i");
  const mark = el("b");
  const [from, to] = low === null ? [quality, quality] : [low, high];
  range.style.left = 100 * from + "%";
  range.style.width = 100 * (to - from) + "%";
  mark.style.left = 100 * quality + "%";
  return el("div", { class: "meter", "aria-hidden": "true" }, range, mark);
}

function show_rest() {
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
