// People: which rung they prefer, each against each, and what they think of replies.

function show_people() {
  const people = data.people;
  $("people").hidden = $("people-link").hidden = !people;
  if (!people) return;
  $("people-lead").textContent = people.lead;
  show_reviewed("preferred", ["rung", "preferred", "95 % CI", "votes", "against what ships"], people.preferred);
  show_reviewed("graded", ["rung", "score", "95 % CI", "cases", "against what ships"], people.graded);
  show_grid(people.grid);
  fill("people-said", ...people.said.map((text) => el("li", {}, text)));
}

function show_reviewed(name, heads, lines) {
  $(`people-${name}`).hidden = lines.length === 0;
  const head = el("tr", {}, ...heads.map((text) => el("th", { scope: "col" }, text)));
  fill(`${name}-table`, el("thead", {}, head), el("tbody", {}, ...lines.map(reviewed_line)));
  sortable(`${name}-table`);
}

function reviewed_line({ cells, bar, ships }) {
  const [rung, value, between, n, against, ends] = cells;
  const [low, quality, high] = bar || [];
  const top = el("div", { class: "quality" }, bar && meter({ low, quality, high }), value);
  const held = ships ? el("td", {}, "ships") : el("td", {}, against, ends ? el("small", {}, ends) : null);
  return el("tr", {}, el("th", { scope: "row" }, rung), el("td", {}, top), el("td", {}, between), el("td", {}, n), held);
}

const MARKS = { pass: "✓", fail: "✗", undecided: "?" };

function show_grid(lines) {
  $("people-grid").hidden = lines.length < 2;
  const head = el("tr", {}, el("th", { scope: "col" }, "rung"), ...lines.map(({ rung }) => el("th", { scope: "col" }, rung)));
  const rows = lines.map(({ rung, cells }) => el("tr", {}, el("th", { scope: "row" }, rung), ...cells.map(grid_cell)));
  fill("grid-table", el("thead", {}, head), el("tbody", {}, ...rows));
}

function grid_cell(cell) {
  if (!cell) return el("td", {}, el("span", { class: "off" }, "–"));
  const mark = MARKS[cell.kind] ? el("span", { class: `chip small ${cell.kind}` }, MARKS[cell.kind]) : null;
  return el("td", { title: cell.words, ariaLabel: cell.words }, el("b", {}, cell.text), " ", mark, el("small", {}, cell.note));
}
