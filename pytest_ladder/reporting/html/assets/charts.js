// Charts: the specifications come with the data; here they get a size and a theme.

const plots = {};
let chart_engine = null;

let printing = false;

const is_dark = () => {
  if (printing) return false;
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};

const colour_of = (strategy) => {
  const palette = data.palettes[is_dark() ? "dark" : "light"];
  return palette[data.strategies.indexOf(strategy) % palette.length];
};

const with_engine = once_unpacked("data-charts", (text) => {
  const script = document.createElement("script");
  script.textContent = text;
  document.head.append(script);
  chart_engine = globalThis.ladderCharts;
});

// A chart costs more than all else of the page: first those that are seen, the others
// once nothing else is to be done.
const stale = new Set();

function is_seen(name) {
  const { top, bottom } = $("plot-" + name).getBoundingClientRect();
  return top < innerHeight && bottom > 0;
}

async function draw_seen() {
  const wanted = (name) => printing || is_seen(name);
  if (![...stale].some(wanted)) return;
  // Paper does not wait.
  if (!chart_engine) await with_engine();
  for (const name of stale) if (wanted(name)) draw(name);
}

async function draw_when_idle() {
  await with_engine();
  while (stale.size) {
    await idle();
    const [name] = stale;
    if (name) draw(name);
  }
}

const shape_of = (strategy) => data.shapes[data.strategies.indexOf(strategy)];

const is_narrow = () => !printing && innerWidth < 560;

// Which of the places that names were given: for a window, a tablet or paper, a phone.
const size_of = () => (is_narrow() ? 2 : printing || innerWidth < 1000 ? 1 : 0);

// As wide as a sheet, and half of one: a window's width would make letters too small.
const PAPER = { wide: 890, small: 390 };

function draw_charts() {
  for (const name of Object.keys(data.specs)) stale.add(name);
  $("plot-roi").hidden = view().data.steps.length === 0;
  if (document.documentElement.dataset.ready) draw_when_idle();
  return draw_seen();
}

const signals = () => ({ narrow: is_narrow(), size: size_of(), ticks: view().data.ticks });

// Records of the named data that follow level and volume. Vega marks what it takes in,
// so each chart gets its own.
function records(names) {
  const found = view().data;
  const moving = names.filter((name) => name in found);
  return Object.fromEntries(moving.map((name) => [name, found[name].map((one) => ({ ...one }))]));
}

// Vega-Lite warns that a chart with rows of a fixed height is not fitted in height.
const silent = new Proxy({}, { get: (_, name) => (name === "level" ? () => 0 : () => silent) });

function draw(name) {
  stale.delete(name);
  const spec = structuredClone(data.specs[name]);
  if (name !== "latency") Object.assign(spec.datasets, records(Object.keys(spec.datasets)));
  for (const param of spec.params || []) param.value = signals()[param.name];
  const config = structuredClone(data.themes[is_dark() ? "dark" : "light"]);
  if (is_narrow()) {
    config.axisY = { labelLimit: name === "quality" ? 60 : 116 };
    config.axis.labelFontSize = 11;
    if (name === "quality") spec.height = 330;
  }
  // Many rungs on paper stand closer.
  if (printing && name === "latency" && data.rungs.length > 16) {
    spec.height = { step: 13 };
    config.axisY = { labelFontSize: 9, labelLimit: 170 };
  }
  const container = $("plot-" + name);
  const paper = container.classList.contains("small") ? PAPER.small : PAPER.wide;
  const width = printing ? paper : "container";
  const { spec: compiled } = chart_engine.compile({ ...spec, width, config }, { logger: silent });
  const runtime = chart_engine.parse(compiled, undefined, { ast: true });
  if (plots[name]) plots[name].finalize();
  container.replaceChildren();
  plots[name] = new chart_engine.View(runtime, {
    expr: chart_engine.expressionInterpreter,
    renderer: "svg",
    container,
    hover: true,
    tooltip: show_tip,
  });
  plots[name].run();
  container.querySelector("svg").setAttribute("aria-hidden", "true");
}

function update_charts() {
  if (!chart_engine) return;
  for (const name of ["quality", "roi"].filter((one) => !stale.has(one))) {
    const moving = records(Object.keys(data.specs[name].datasets));
    for (const [table, values] of Object.entries(moving)) plots[name].data(table, values);
    if (name === "quality") plots[name].signal("ticks", signals().ticks);
    plots[name].resize().runAsync();
  }
  $("plot-roi").hidden = view().data.steps.length === 0;
}

function show_tip(_handler, event, _item, value) {
  $("tip").hidden = !value;
  if (!value) return;
  const { clientX: x, clientY: y } = event.touches ? event.touches[0] || {} : event;
  tell_at(value, x, y);
}

function tell_at(value, x, y) {
  const tip = $("tip");
  tip.hidden = false;
  const { rung, ...facts } = value;
  const lines = Object.entries(facts).filter(([, text]) => text);
  tip.replaceChildren(
    el("b", {}, rung),
    ...lines.map(([label, text]) => el("div", {}, `${label}: ${text}`)),
  );
  const left = Math.min(x + 14, innerWidth - tip.offsetWidth - 12);
  const above = y + 18 + tip.offsetHeight > innerHeight;
  tip.style.left = Math.max(12, left) + "px";
  tip.style.top = (above ? Math.max(8, y - tip.offsetHeight - 12) : y + 18) + "px";
}

// The numbers of the points, model by model.
function show_legend() {
  const picked = view().hero.rung;
  const models = data.key.map(({ model, tier, rungs }) =>
    el(
      "li",
      {},
      el("b", {}, model, el("small", {}, tier === model ? "" : tier)),
      el("ol", {}, ...rungs.map(([number, strategy, id]) => el("li", { class: id === picked ? "picked" : "", title: id }, shape(shape_of(strategy), colour_of(strategy)), el("i", {}, number), strategy))),
    ),
  );
  fill("legend", ...models);
}

// Charts by the keyboard: the arrows go from mark to mark, and what a pointer would be
// told of it is shown and said.
function set_up_marks(name) {
  const container = $("plot-" + name);
  container.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return leave_mark();
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const marks = marks_of(container);
    if (!marks.length || !(step || event.key === "Home" || event.key === "End")) return;
    event.preventDefault();
    const at = marks.findIndex((mark) => mark.classList.contains("at"));
    const next = event.key === "Home" ? 0 : event.key === "End" ? marks.length - 1 : Math.min(marks.length - 1, Math.max(0, at + step));
    enter_mark(marks[next]);
  });
  container.addEventListener("blur", leave_mark);
}

// One mark of each rung, as they lie from left to right, or from the top.
function marks_of(container) {
  const found = new Map();
  for (const node of container.querySelectorAll("path, line, rect")) {
    const told = node.__data__?.tooltip;
    if (told?.rung && !found.has(told.rung)) found.set(told.rung, node);
  }
  const place = (node) => node.getBoundingClientRect();
  const across = container.id === "plot-quality";
  return [...found.values()].sort((a, b) => (across ? place(a).x - place(b).x || place(b).y - place(a).y : place(a).y - place(b).y));
}

function enter_mark(mark) {
  leave_mark();
  mark.classList.add("at");
  mark.scrollIntoView({ block: "nearest" });
  follow_mark();
  $("said").textContent = $("tip").innerText.replaceAll("\n", "; ");
}

// What is told stays with its mark when the page scrolls; of a pointer's it ends.
function follow_mark() {
  const mark = document.querySelector(".plot .at");
  if (!mark) return ($("tip").hidden = true);
  const { x, y, width, height } = mark.getBoundingClientRect();
  tell_at(mark.__data__.tooltip, x + width / 2, y + height / 2);
}

function leave_mark() {
  for (const mark of document.querySelectorAll(".plot .at")) mark.classList.remove("at");
  $("tip").hidden = true;
}
