// Tables are sorted by a click on the head of a column: down, up, as they came.

const sorted_by = {};

// What a cell counts for: its first number, as money, shares and durations are written.
const UNITS = { ms: 1e-3, s: 1, min: 60, h: 3600 };
const amount = (text) => {
  const found = text.replaceAll(",", "").match(/^[^\d\w-]*(-?[\d.]+(?:e[+-]?\d+)?)(?:\s(ms|s|min|h)\b)?/i);
  return found ? Number(found[1]) * (UNITS[found[2]] || 1) : null;
};

function sortable(id) {
  const heads = [...$(id).tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = el("button", { type: "button", class: "sort" }, ...head.childNodes);
    button.addEventListener("click", () => {
      const { column: before, down } = sorted_by[id] || {};
      if (before !== column) sorted_by[id] = { column, down: true };
      else if (down) sorted_by[id] = { column, down: false };
      else delete sorted_by[id];
      sort_table(id);
    });
    head.replaceChildren(button);
  });
  const body = $(id).tBodies[0];
  [...body.rows].forEach((row, n) => (row.dataset.place = n));
  if (sorted_by[id]) sort_table(id);
}

function sort_table(id) {
  const { column, down } = sorted_by[id] || {};
  const body = $(id).tBodies[0];
  const rows = [...body.rows];
  const text = (row) => row.cells[column]?.textContent.trim() || "";
  const place = (row) => Number(row.dataset.place);
  const numbers = new Map(rows.map((row) => [row, column === undefined ? place(row) : amount(text(row))]));
  const is_numeric = rows.some((row) => numbers.get(row) !== null) && column !== 0;
  // What has no number comes last, whichever way.
  const least = (row) => numbers.get(row) ?? (down ? -Infinity : Infinity);
  const compare = (a, b) => {
    if (column === undefined) return place(a) - place(b);
    const by = is_numeric ? least(b) - least(a) : text(a).localeCompare(text(b), "en", { numeric: true });
    return (down === is_numeric ? by : -by) || place(a) - place(b);
  };
  body.append(...rows.sort(compare));
  [...$(id).tHead.rows[0].cells].forEach((head, n) => {
    if (n === column) head.setAttribute("aria-sort", down === is_numeric ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  });
}
