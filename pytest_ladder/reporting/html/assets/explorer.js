// The explorer: a grid of cases by rungs, filtered, and filled as far as one looks.

// As many cases as a window is high; texts as long as two lines of the widest.
const FIRST = 12;
const MOST_BESIDE = 200;
const CHUNK = 60;
const PASSED = 0;
const MISSED = 1;
const ERROR = 2;

let explorer = null;

async function load_cases() {
  const columns = JSON.parse(await unpacked("data-cases"));
  explorer = { ...columns, cells: [], results: [], level: 0, found: [], shown: 0, active: null };
  const { case: cases = [], rung: rungs = [], level: levels = [] } = columns.rows;
  // Rows by level, case and rung.
  cases.forEach((one, row) => (((explorer.cells[levels[row]] ||= [])[one] ||= [])[rungs[row]] ||= []).push(row));
  $("cases-note").textContent = columns.note;
  load_before();
  set_up_filters();
  filter_cases();
  open_linked();
}

const value_of = (name, row) => explorer.rows[name][row];

// Replies, prompts and bills, for the case that is opened and the word that is looked for.
const with_replies = once_unpacked("data-replies", (text) => {
  const { rows, texts, ...rest } = JSON.parse(text);
  Object.assign(explorer, rest, { rows: { ...explorer.rows, ...rows }, texts: explorer.texts.concat(texts) });
  for (const row of $("grid").tBodies[0].rows) fill_answer(row);
});

function set_up_filters() {
  const levels = explorer.levels;
  fill("f-level", ...levels.map((level, n) => el("option", { value: n }, level)));
  $("f-level").value = Math.max(0, levels.indexOf(state.level));
  const tags = [...new Set(explorer.cases.flatMap((one) => one[2]))].sort();
  fill("f-tag", el("option", { value: "" }, "any"), ...tags.map((tag) => el("option", { value: tag }, tag)));
  const whys = [...new Set(explorer.rows.why)].filter(Boolean).sort();
  fill("f-why", el("option", { value: "" }, "any"), ...whys.map((why) => el("option", { value: why }, why)));
  $("f-why").parentElement.hidden = !whys.length;
  $("f-show").querySelector('[value="disputed"]').hidden = levels.length < 2;
  let waiting = 0;
  $("filters").addEventListener("input", (event) => {
    clearTimeout(waiting);
    waiting = setTimeout(filter_cases, event.target.id === "f-text" ? 150 : 0);
  });
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("more").addEventListener("click", () => add_cases());
  $("csv").addEventListener("click", save_csv);
  $("detail").addEventListener("close", () => put_address(""));
  addEventListener("hashchange", open_linked);
  $("grid-box").addEventListener("scroll", () => {
    const box = $("grid-box");
    if (box.scrollTop + 2 * box.clientHeight > box.scrollHeight) add_cases();
  });
  $("grid").addEventListener("click", open_cell);
  $("grid").addEventListener("keydown", move_in_grid);
}

const NONE = [];
const rows_at = (one, rung) => explorer.cells[explorer.level]?.[one]?.[rung] || NONE;

// A test that gives a score and asserts nothing passes, also with nothing right.
const is_zero = (row) => value_of("outcome", row) === PASSED && value_of("score", row) === 0;

// What the rows of one cell come to: an error if one is, else the mean score.
function result_of(rows) {
  if (!rows.length) return null;
  const { outcome, score } = explorer.rows;
  let passed = true;
  for (const row of rows) {
    if (outcome[row] === ERROR) return { error: true };
    if (outcome[row] !== PASSED || is_zero(row)) passed = false;
  }
  let sum = 0;
  for (const row of rows) sum += score[row] ?? Number(passed);
  return { passed, score: sum / rows.length };
}

// What each rung made of a case at the level that is shown; worked out once.
function results_at(one) {
  const of_level = (explorer.results[explorer.level] ||= []);
  return (of_level[one] ||= data.rungs.map((_, rung) => result_of(rows_at(one, rung))));
}

const SHOWN = {
  all: () => true,
  missed: (results) => results.some((one) => one && !one.passed && !one.error),
  "all-missed": (results) => results.every((one) => !one || (!one.passed && !one.error)),
  split: (results) => results.some((one) => one && one.passed) && results.some((one) => one && !one.passed),
  picked: (results) => {
    const picked = results[data.rungs.findIndex((rung) => rung.id === view().hero.rung)];
    return Boolean(picked) && !picked.passed && !picked.error;
  },
  disputed: (results, one) => results.some((result, rung) => result && is_disputed(one, rung)),
  error: (results) => results.some((one) => one && one.error),
  broken: (_, one) => moved_on(one, true).length > 0,
  fixed: (_, one) => moved_on(one, false).length > 0,
};

// Whether one level passed what another one missed, such as cheap checks and a judge.
function is_disputed(one, rung) {
  const found = explorer.cells.map((of_level) => result_of(of_level?.[one]?.[rung] || NONE));
  return new Set(found.filter((result) => result && !result.error).map((result) => result.passed)).size > 1;
}

async function filter_cases() {
  const wanted = $("f-text").value.trim();
  if (wanted) await with_replies();
  explorer.level = Number($("f-level").value);
  const tag = $("f-tag").value;
  const why = $("f-why").value;
  const shown = SHOWN[$("f-show").value];
  const has_text = text_filter(wanted);
  const found = [];
  explorer.cases.forEach((one, n) => {
    if (tag && !one[2].includes(tag)) return;
    const cells = explorer.cells[explorer.level]?.[n];
    if (!cells) return;
    if (why && !cells.flat().some((row) => value_of("why", row) === why)) return;
    if (shown !== SHOWN.all && !shown(results_at(n), n)) return;
    if (has_text(n, cells)) found.push(n);
  });
  explorer.found = found;
  explorer.shown = 0;
  grid_head();
  add_cases(FIRST);
}

// Each text is looked through once at most: many cells share it.
function text_filter(wanted) {
  if (!wanted) return () => true;
  const pattern = new RegExp(wanted.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&"), "i");
  const holds = (text) => pattern.test(text);
  const texts = once((n) => holds(explorer.texts[n]));
  const lines = once((n) => holds(explorer.lines[n]));
  const talks = once((n) => explorer.talks[n].some(([, ...said]) => said.some(lines)));
  const { text, reason, said } = explorer.rows;
  const says = (row) => texts(text[row]) || texts(reason[row]) || said[row].some(talks);
  return (n, cells) =>
    explorer.cases[n].slice(0, 4).flat().some(holds) ||
    explorer.cases[n].slice(4).some(texts) ||
    cells.some((rows) => rows.some(says));
}

function once(answer) {
  const known = [];
  return (n) => (known[n] ??= answer(n));
}

// The head stays as it is while a reader filters: names on end are slow to lay out.
function grid_head() {
  explorer.columns = text_columns();
  const picked = view().hero.rung;
  const said = [picked, ...explorer.columns.map(([name]) => name)].join();
  if (explorer.head === said) return;
  explorer.head = said;
  const heads = data.rungs.map(({ id }) => el("th", { scope: "col", class: id === picked ? "picked" : "" }, el("span", {}, id)));
  const grid = $("grid");
  grid.tHead.replaceChildren(el("tr", {}, el("th", { scope: "col" }, "case"), ...text_heads(), ...heads));
  grid.style.setProperty("--rungs", heads.length);
}

function add_cases(count = CHUNK) {
  const { found, shown } = explorer;
  const chunk = found.slice(shown, shown + count);
  const rows = chunk.map(grid_row);
  if (shown === 0) $("grid").tBodies[0].replaceChildren(...rows);
  else $("grid").tBodies[0].append(...rows);
  explorer.shown += chunk.length;
  const left = found.length - explorer.shown;
  $("more").hidden = left === 0;
  $("more").textContent = `Show ${number(Math.min(CHUNK, left))} more`;
  const all = explorer.cases.length;
  const filtered = found.length < all ? ` of ${number(all)}` : "";
  $("cases-count").textContent = found.length === 1 ? `1 case${filtered}` : `${number(found.length)}${filtered} cases`;
  if (shown === 0) {
    const first = $("grid").querySelector(".cell");
    if (first) first.tabIndex = 0;
  }
}

function grid_row(n) {
  const [source, id, tags] = explorer.cases[n];
  const name = el("th", { scope: "row", title: id || source }, id || source);
  if (tags.length) name.append(el("small", {}, tags.join(" ")));
  const cells = results_at(n).map((result, rung) => case_cell(n, rung, result));
  return el("tr", {}, name, ...case_texts(n), ...cells);
}

// Beside a case, where the screen is wide: what it asks and expects, and one answer.
function text_heads() {
  const head = (name) => (name === "answer" ? `answer of ${answering().id}` : name);
  return explorer.columns.map(([name]) => el("th", { scope: "col", class: `text ${name}` }, head(name)));
}

const answering = () => data.rungs.find((rung) => rung.id === view().hero.rung) || data.rungs.find((rung) => rung.current) || data.rungs[0];

// Names of the columns of texts that some case has, with what gives the text of a case.
function text_columns() {
  const has = (place) => explorer.cases.some((one) => explorer.texts[one[place]]);
  const rung = data.rungs.indexOf(answering());
  const answer = (n) => {
    const [row] = rows_at(n, rung);
    return row === undefined || !explorer.rows.text ? "" : explorer.texts[value_of("text", row)];
  };
  const columns = {
    asked: has(4) && ((n) => own_lines(explorer.texts[explorer.cases[n][4]])),
    expected: has(5) && ((n) => explorer.texts[explorer.cases[n][5]]),
    answer: rung >= 0 && data.texts !== false && answer,
  };
  return Object.entries(columns).filter(([, text]) => text);
}

// What many cases begin with, such as an instruction, says nothing beside one of them.
function own_lines(text) {
  const lines = text.split("\n");
  const first = lines.findIndex((said) => !shared_lines().has(said));
  return first > 0 ? `… ${lines.slice(first).join("\n")}` : text;
}

function shared_lines() {
  if (explorer.shared) return explorer.shared;
  const times = new Map();
  for (const one of explorer.cases)
    for (const said of new Set(explorer.texts[one[4]].split("\n"))) times.set(said, (times.get(said) || 0) + 1);
  const often = Math.max(3, explorer.cases.length / 10);
  explorer.shared = new Set([...times.keys()].filter((said) => times.get(said) >= often));
  return explorer.shared;
}

const case_texts = (n) =>
  explorer.columns.map(([name, text]) => el("td", { class: `text ${name}` }, el("div", { dir: "auto" }, text(n).slice(0, MOST_BESIDE))));

// Replies come after the first cases are shown.
function fill_answer(row) {
  const cell = row.querySelector(".answer div");
  const [, answer] = explorer.columns.find(([name]) => name === "answer") || [];
  if (cell && answer) cell.textContent = answer(explorer.found[row.sectionRowIndex]).slice(0, MOST_BESIDE);
}

// A cell is its own button: there may be thousands, and each box costs.
function case_cell(n, rung, result) {
  const cell = document.createElement("td");
  if (!result) return cell;
  const [look, mark, said] = look_of(result);
  cell.className = `cell ${look}`;
  cell.tabIndex = -1;
  cell.textContent = mark;
  if (look === "k-part") cell.style.setProperty("--share", mark + "%");
  cell.setAttribute("aria-label", `${explorer.cases[n][1]}, ${data.rungs[rung].id}: ${said}`);
  return cell;
}

function look_of({ error, score, passed }) {
  if (error) return ["k-error", "!", "error"];
  if (score === 1) return ["k-pass", "", "passed"];
  if (score === 0) return ["k-miss", "×", "missed"];
  const per_cent = Math.round(100 * score);
  return ["k-part", String(per_cent), `${per_cent} %, ${passed ? "passed" : "missed"}`];
}

const first_column = () => 1 + explorer.columns.length;

function open_cell(event) {
  const cell = event.target.closest(".cell");
  if (!cell) return;
  activate(cell);
  open_detail(explorer.found[cell.parentElement.sectionRowIndex], cell.cellIndex - first_column());
}

function activate(cell) {
  for (const other of $("grid").querySelectorAll('.cell[tabindex="0"]')) other.tabIndex = -1;
  cell.tabIndex = 0;
  cell.focus();
}

function move_in_grid(event) {
  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -Infinity], End: [0, Infinity], Enter: [], " ": [] };
  const cell = event.target.closest(".cell");
  const step = steps[event.key];
  if (!cell || !step) return;
  event.preventDefault();
  if (!step.length) return open_cell(event);
  const row = cell.parentElement;
  const body = row.parentElement;
  const [down, right] = step;
  const at = row.sectionRowIndex + down;
  if (at >= body.rows.length) add_cases();
  const column = Math.min(row.cells.length - 1, Math.max(first_column(), cell.cellIndex + right));
  const next = body.rows[at]?.cells[column];
  if (next?.matches(".cell")) activate(next);
}
