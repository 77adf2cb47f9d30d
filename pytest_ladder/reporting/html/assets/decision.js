// The decision: what the first screen says, and the two things one can vary.

const VERDICTS = { pass: "✓ pass", fail: "✗ fail", undecided: "? undecided" };

function chip(verdict, small = false) {
  return el("span", { class: `chip ${verdict}${small ? " small" : ""}` }, VERDICTS[verdict] || "");
}

function show_decision() {
  const { hero, notes } = view();
  $("hero-lead").textContent = hero.title;
  $("hero-rung").textContent = hero.rung || "";
  $("hero-verdict").className = `chip ${hero.verdict}`;
  $("hero-verdict").textContent = VERDICTS[hero.verdict] || "";
  $("hero-reason").textContent = hero.reason.replaceAll(" %", "\u00a0%");
  fill("hero-users", ...hero.users.map((text) => el("li", {}, text)));
  show_stats("hero-stats", hero.stats);
  show_next(hero);
  show_changes(hero);
  show_controls();
  $("chart-at").textContent = `At ${level_name(state.level)}, ${number(data.volumes[state.at])} calls.`;
  fill("notes", ...notes.map((text) => el("li", {}, text)));
}

function show_stats(id, stats) {
  const cards = stats.map(([label, figure, note]) =>
    el("div", {}, el("dt", {}, label), el("dd", { class: "figure" }, figure), el("dd", { class: "note" }, note)),
  );
  fill(id, ...cards);
}

function show_next(hero) {
  const step = hero.next;
  const shipped = hero.shipped ? el("p", { class: "fine" }, hero.shipped) : null;
  $("next").hidden = !step && !shipped;
  if (!step) return fill("next-body", el("p", {}, hero.last), shipped);
  fill(
    "next-body",
    el("p", { class: "big" }, step.rung),
    el("p", {}, [step.gain, step.price].filter(Boolean).join(", for ")),
    step.note ? el("p", { class: "doubt" }, step.note) : null,
    shipped,
  );
}

function show_changes(hero) {
  $("changes").hidden = hero.changes.length === 0;
  fill("changes-list", ...hero.changes.map((text) => el("li", {}, text)));
}

function show_controls() {
  const volume = number(data.volumes[state.at]);
  $("volume-text").textContent = `${volume} calls`;
  $("volume").value = state.at;
  $("volume").setAttribute("aria-valuetext", `${volume} calls`);
  for (const radio of $("levels").querySelectorAll("input")) radio.checked = radio.value === state.level;
  $("reset").disabled = as_configured();
  $("whatif").hidden = as_configured();
  const { level, volume: given } = data.start;
  $("whatif").textContent = `What if: ${level_name(state.level)}, ${volume} calls (configured: ${level_name(level)}, ${number(given)})`;
}

function set_up_controls() {
  $("objective").textContent = data.objective;
  const levels = data.measured;
  const choices = levels.map((level) =>
    el(
      "label",
      {},
      el("input", { type: "radio", name: "level", value: level, autocomplete: "off" }),
      el("span", {}, level_name(level)),
    ),
  );
  $("levels").append(el("div", { class: "choices" }, ...choices));
  $("levels").hidden = levels.length < 2;
  $("levels").addEventListener("change", (event) => vary({ level: event.target.value }));
  $("volume").max = data.volumes.length - 1;
  $("volume").addEventListener("input", () => vary({ at: Number($("volume").value) }));
  $("controls").addEventListener("submit", (event) => event.preventDefault());
  $("controls").addEventListener("reset", (event) => {
    event.preventDefault();
    to_start();
    follow();
  });
}

function to_start() {
  state.level = data.start.level;
  state.at = data.volumes.indexOf(data.start.volume);
}
