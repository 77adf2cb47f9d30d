// Tables are sorted by a click on the head of a column: down, up, as they came.

const sorted_by = {};
const as_they_came = {};

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
  as_they_came[id] = [...$(id).tBodies[0].rows];
  if (sorted_by[id]) sort_table(id);
}

function sort_table(id) {
  const { column, down } = sorted_by[id] || {};
  const rows = as_they_came[id];
  const texts = rows.map((row) => row.cells[column]?.textContent.trim() || "");
  const numbers = column ? texts.map(amount) : [];
  const is_numeric = numbers.some((one) => one !== null);
  const places = [...rows.keys()];
  if (is_numeric) {
    // What has no number comes last, whichever way.
    const least = (place) => numbers[place] ?? (down ? -Infinity : Infinity);
    places.sort((a, b) => (down ? least(b) - least(a) : least(a) - least(b)) || 0);
  } else if (column !== undefined) {
    const { compare } = new Intl.Collator("en", { numeric: true });
    places.sort((a, b) => (down ? compare(texts[a], texts[b]) : compare(texts[b], texts[a])));
  }
  $(id).tBodies[0].replaceChildren(...places.map((place) => rows[place]));
  [...$(id).tHead.rows[0].cells].forEach((head, n) => {
    if (n === column) head.setAttribute("aria-sort", down === is_numeric ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  });
}
