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

async function load_charts() {
  const script = document.createElement("script");
  script.textContent = await unpacked("data-charts");
  document.head.append(script);
  chart_engine = globalThis.ladderCharts;
  draw_charts();
}

const is_narrow = () => innerWidth < 560;

function draw_charts() {
  if (!chart_engine) return;
  for (const name of Object.keys(data.specs)) draw(name);
  $("plot-roi").hidden = view().data.steps.length === 0;
}

// Rungs that cost nothing lie left of all prices, where the axis has no labels.
function signals() {
  const points = view().data.points;
  const priced = points.filter((point) => !point.free).map((point) => point.usd_low);
  const least = priced.length === points.length ? 0 : 0.7 * Math.min(...priced, 1e300);
  return { narrow: is_narrow(), priced: least };
}

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
  const spec = structuredClone(data.specs[name]);
  if (name !== "latency") Object.assign(spec.datasets, records(Object.keys(spec.datasets)));
  for (const param of spec.params || []) param.value = signals()[param.name];
  const config = structuredClone(data.themes[is_dark() ? "dark" : "light"]);
  if (is_narrow()) {
    config.axisY = { labelLimit: name === "quality" ? 60 : 116 };
    config.axis.labelFontSize = 11;
    if (name === "quality") spec.height = 330;
  }
  const { spec: compiled } = chart_engine.compile({ ...spec, width: "container", config }, { logger: silent });
  const runtime = chart_engine.parse(compiled, undefined, { ast: true });
  if (plots[name]) plots[name].finalize();
  const container = $("plot-" + name);
  container.replaceChildren();
  plots[name] = new chart_engine.View(runtime, {
    expr: chart_engine.expressionInterpreter,
    renderer: "svg",
    container,
    hover: true,
    tooltip: show_tip,
  });
  plots[name].run();
}

function update_charts() {
  if (!chart_engine) return;
  for (const name of ["quality", "roi"]) {
    const moving = records(Object.keys(data.specs[name].datasets));
    for (const [table, values] of Object.entries(moving)) plots[name].data(table, values);
    if (name === "quality") plots[name].signal("priced", signals().priced);
    plots[name].resize().runAsync();
  }
  $("plot-roi").hidden = view().data.steps.length === 0;
}

function show_tip(_handler, event, _item, value) {
  const tip = $("tip");
  tip.hidden = !value;
  if (!value) return;
  const { rung, ...facts } = value;
  const lines = Object.entries(facts).filter(([, text]) => text);
  tip.replaceChildren(
    el("b", {}, rung),
    ...lines.map(([label, text]) => el("div", {}, `${label}: ${text}`)),
  );
  const { clientX: x, clientY: y } = event.touches ? event.touches[0] || {} : event;
  const left = Math.min(x + 14, innerWidth - tip.offsetWidth - 12);
  const above = y + 18 + tip.offsetHeight > innerHeight;
  tip.style.left = Math.max(12, left) + "px";
  tip.style.top = (above ? Math.max(8, y - tip.offsetHeight - 12) : y + 18) + "px";
}

function show_legend() {
  const palette = data.strategies.map((name) =>
    el("span", {}, shape("circle", colour_of(name)), name),
  );
  const tiers = Object.entries(data.tiers).map(([name, form]) =>
    el("span", {}, shape(form, "currentColor"), name),
  );
  const parts = tiers.length > 1 ? [el("span", { class: "gap" }), ...tiers] : [];
  fill("legend", ...palette, ...parts);
}
