// Start: the decision first, then the charts, then the cases.

const THEMES = { "": "as the system", light: "light", dark: "dark" };

function set_up_theme() {
  const root = document.documentElement;
  const order = Object.keys(THEMES);
  const show = (theme) => {
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
    $("theme").setAttribute("aria-label", `Colours: ${THEMES[theme]}`);
    $("theme").title = `Colours: ${THEMES[theme]}`;
    repaint();
  };
  $("theme").addEventListener("click", () => {
    const now = root.dataset.theme || "";
    show(order[(order.indexOf(now) + 1) % order.length]);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
}

function repaint() {
  show_legend();
  show_matrix();
  draw_charts();
}

function set_up_sizes() {
  let size = size_of();
  addEventListener("resize", () => {
    if (size === size_of()) return;
    size = size_of();
    draw_charts();
  });
  addEventListener("scroll", () => (follow_mark(), draw_seen()), { passive: true });
}

function set_up_paper() {
  let folded = [];
  let focused = null;
  addEventListener("beforeprint", () => {
    printing = true;
    repaint();
    for (const plot of Object.values(plots)) plot.run();
    folded = [...document.querySelectorAll("main details:not([open])")];
    for (const one of folded) one.open = true;
    if (explorer) add_cases(explorer.found.length);
    focused = document.activeElement;
    // What lies over a page ends with the first sheet, so an open case leaves its dialog.
    if ($("detail").open) document.body.append($("detail").firstChild);
  });
  addEventListener("afterprint", () => {
    printing = false;
    if ($("detail").open) $("detail").append(document.body.lastChild);
    focused.focus();
    for (const one of folded) one.open = false;
    repaint();
  });
}

const after_paint = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));

async function start() {
  data = JSON.parse(await unpacked("data-summary"));
  to_start();
  set_up_controls();
  set_up_theme();
  set_up_sizes();
  set_up_paper();
  for (const name of ["quality", "roi", "latency"]) set_up_marks(name);
  show_legend();
  show_decision();
  show_matrix();
  show_steps();
  show_rest();
  await after_paint();
  await load_cases();
  performance.mark("ready");
  document.documentElement.dataset.ready = "yes";
  await after_paint();
  await draw_charts();
  for (const rest of [draw_when_idle, with_views, with_replies]) {
    await idle();
    await rest();
  }
  document.documentElement.dataset.drawn = "yes";
}

start();
