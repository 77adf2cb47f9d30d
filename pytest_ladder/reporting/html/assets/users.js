// Users: outcomes by rung, experiments, comparisons, and whether levels predict them.

function show_users() {
  const users = data.users;
  $("users").hidden = $("users-link").hidden = !users;
  if (!users) return;
  $("users-lead").textContent = users.lead;
  show_problems(users);
  show_outcomes(users);
  show_list("experiments", users.experiments.map(experiment_card));
  show_list("comparisons", users.comparisons.map(forest));
  show_list("proxies", users.proxies.map(proxy_card));
  $("users-left").hidden = users.left_out.length === 0;
  fill("users-left-list", ...users.left_out.map((text) => el("li", {}, text)));
}

function show_list(name, children) {
  $(`users-${name}`).hidden = children.length === 0;
  fill(`${name}-list`, ...children);
}

function show_problems({ alarms, problems, missing }) {
  $("users-problems").hidden = problems.length === 0;
  const broken = alarms.map((name) => `The split of ${name} is broken: nothing is decided by it.`);
  $("users-alarm").textContent = "✗ " + (broken.join(" ") || "Not all of this may decide");
  $("users-problems").classList.toggle("broken", broken.length > 0);
  fill("users-problems-list", ...problems.map((text) => el("li", {}, text)));
  fill("users-missing", ...missing.map((text) => el("li", {}, text)));
}

function show_outcomes({ outcomes, rungs }) {
  $("users-box").hidden = $("users-key").hidden = rungs.length === 0;
  const heads = outcomes.map(({ name, notes, scale }) =>
    el("th", { scope: "col" }, name, ...[...notes, scale].filter(Boolean).map((text) => el("small", {}, text))),
  );
  const lines = rungs.map(([rung, cells]) =>
    el("tr", {}, el("th", { scope: "row" }, rung), ...cells.map(outcome_cell)),
  );
  fill("users-table", el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "rung"), ...heads)), el("tbody", {}, ...lines));
}

function outcome_cell(cell) {
  if (!cell) return el("td", {}, el("span", { class: "off" }, "–"));
  const [low, quality, high] = cell.bar || [];
  const top = el("div", { class: "quality" }, cell.bar && meter({ low, quality, high }), cell.text);
  const stale = cell.stale ? el("small", { class: "doubt" }, cell.stale) : null;
  return el("td", {}, top, el("small", {}, cell.note), stale);
}

function experiment_card(one) {
  const heads = ["variant", "units", "share", "planned"].map((text) => el("th", { scope: "col" }, text));
  const lines = one.variants.map((each) => {
    const name = el("th", { scope: "row" }, each.variant, el("small", {}, each.rung));
    const share = el("td", {}, el("div", { class: "quality" }, meter({ low: 0, high: each.bar[0], quality: each.bar[1] }), each.got));
    return el("tr", {}, name, el("td", {}, each.units), share, el("td", {}, each.planned));
  });
  return el(
    "article",
    { class: one.broken ? "card broken" : "card" },
    el("h4", {}, one.name, one.dates ? el("small", {}, one.dates) : null),
    el("div", { class: "scroll", tabIndex: 0, role: "group", ariaLabel: `Variants of ${one.name}` }, el("table", {}, el("thead", {}, el("tr", {}, ...heads)), el("tbody", {}, ...lines))),
    el("dl", { class: "facts" }, ...one.facts.flatMap(([label, text]) => [el("dt", {}, label), el("dd", {}, text)])),
    looks_line(one.looks),
  );
}

// Units over the days of the looks.
function looks_line(looks) {
  if (!looks.length) return null;
  const places = looks.map(([x, y]) => [4 + 232 * x, 38 - 34 * y]);
  const dots = places.map(([cx, cy]) => drawn("circle", { cx, cy, r: 2.5 }));
  return svg("0 0 240 42", "looks", drawn("path", { d: "M" + places.join("L") }), ...dots);
}

function forest({ outcome, open, reach, margin, margin_text, lines, notes }) {
  const ends = el("div", { class: "ends", "aria-hidden": "true" }, el("span", {}, `← ${reach} worse`), el("span", {}, "0"), el("span", {}, `${reach} better →`));
  const more = [margin_text, open ? "" : `${lines.length} comparisons`].filter(Boolean).join(", ");
  const name = el("summary", {}, el("h4", {}, outcome, el("small", {}, more)));
  const against = lines.map(({ sentence, verdict, marks, looks }) =>
    el("div", { class: "against" }, el("p", {}, el("span", { class: `chip small ${CHIPS[verdict] || ""}` }, verdict), " ", sentence), difference(marks, margin), seen_at(looks, margin)),
  );
  return el("details", { open, class: "forest" }, name, el("div", { class: "against head" }, el("span"), ends), ...against, ...notes.map((text) => el("p", { class: "fine" }, text)));
}

const CHIPS = { better: "pass", worse: "fail", undecided: "undecided" };

function difference([low, quality, high], margin) {
  const node = meter({ low, quality, high });
  node.classList.add("difference");
  node.prepend(el("s", { class: "zero" }));
  if (margin !== null) {
    const line = el("s", { class: "margin" });
    line.style.left = 100 * margin + "%";
    node.prepend(line);
  }
  return node;
}

// What each look at the running experiment told, the first one on top.
function seen_at(looks, margin) {
  if (!looks.length) return null;
  const lines = looks.map(([words, marks]) => el("li", {}, el("small", {}, words), difference(marks, margin)));
  return el("details", { class: "seen" }, el("summary", {}, `${looks.length} looks`), el("ol", {}, ...lines));
}

function proxy_card(one) {
  const says = `${one.title}; the same numbers are in the table below.`;
  return el(
    "article",
    { class: "card proxy" },
    el("h4", {}, one.title),
    one.place ? el("div", { class: "plot small", id: `plot-${one.place}`, role: "img", ariaLabel: says }) : null,
    el("p", {}, one.sentence),
    one.rungs.length ? proxy_table(one) : null,
    one.columns.length ? el("p", { class: "fine" }, pairs_key(one.level)) : null,
  );
}

// Each rung with its number in the picture, and the triangle of pairs beside it.
function proxy_table({ title, level, outcome, rungs, columns }) {
  const heads = ["rung", level, outcome, ...columns].map((text) => el("th", { scope: "col" }, text));
  const lines = rungs.map(({ name, score, value, stale, pairs }) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, name, stale ? el("small", { class: "doubt" }, stale) : null),
      ...[score, value].map((text) => el("td", {}, ...in_lines(text))),
      ...columns.map((_, n) => pair_cell(pairs[n])),
    ),
  );
  return el("div", { class: "scroll", tabIndex: 0, role: "group", ariaLabel: `Rungs and pairs, ${title}` }, el("table", { class: "triangle" }, el("thead", {}, el("tr", {}, ...heads)), el("tbody", {}, ...lines)));
}

function in_lines([first, ...rest]) {
  return [first, ...rest.map((text) => el("small", {}, text))];
}

function pair_cell(pair) {
  if (!pair) return el("td");
  const [sign, mark, words] = pair;
  return el("td", { class: "pair", title: words, ariaLabel: words }, el("b", {}, sign), mark);
}

const pairs_key = (level) =>
  `Pairs: + users of the row's rung fare better than those of the column's, \u2212 worse, ? not told apart; ✓ ${level} says so too, ✗ the opposite, = it scores both alike.`;
