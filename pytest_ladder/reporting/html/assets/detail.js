// One case: what was asked and answered, on one rung or on two side by side.

let opened = { one: 0, rungs: [0, null] };

async function open_detail(one, rung) {
  await with_replies();
  opened = { one, rungs: [rung, opened.rungs[1] === rung ? null : opened.rungs[1]] };
  show_detail();
  if (!$("detail").open) $("detail").showModal();
}

function show_detail() {
  const [source, id, tags, cluster] = explorer.cases[opened.one];
  const facts = [source, cluster && `cluster ${cluster}`].filter(Boolean).join(", ");
  const at = explorer.found.indexOf(opened.one);
  const head = el(
    "div",
    { class: "d-head" },
    el("h3", { id: "detail-title" }, id || source, el("small", {}, id ? facts : "")),
    tags.length ? el("span", { class: "tags" }, ...tags.map((tag) => el("span", {}, tag))) : null,
    step_button("Previous case", "←", explorer.found[at - 1]),
    step_button("Next case", "→", explorer.found[at + 1]),
    copy_button(opened.one, opened.rungs[0]),
    el("button", { type: "button", class: "quiet", onclick: () => $("detail").close() }, "Close"),
  );
  const body = el("div", { class: "d-body" }, asked(), side(0, "Rung"), side(1, "Beside"));
  fill("detail", el("div", { class: "d-in" }, head, body));
  put_address(link_of(opened.one, opened.rungs[0]));
}

// What the case asks and expects, as the report keeps it.
function asked() {
  const [, , , , input, expected] = explorer.cases[opened.one];
  const question = explorer.texts[input] || shortest_prompt();
  const wanted = explorer.texts[expected];
  if (!question && !wanted) return null;
  const block = (title, text) => (text ? el("div", {}, el("h3", {}, title), said(text, "said reply")) : null);
  return el("div", { class: "d-asked" }, block("Asked", question), block("Expected", wanted));
}

// Of a report of an earlier version: the prompt with the least around what is asked.
function shortest_prompt() {
  const prompts = data.rungs
    .flatMap((_, rung) => all_rows(opened.one, rung))
    // Of several calls the first: later ones ask about what was answered.
    .flatMap((row) => value_of("said", row).slice(0, 1))
    .map((talk) => explorer.talks[talk].filter(([role]) => role === "user").at(-1))
    .filter(Boolean)
    .map(([, ...lines]) => text_of(lines));
  return prompts.reduce((best, text) => (best && best.length <= text.length ? best : text), "");
}

function step_button(label, text, one) {
  const go = () => {
    opened.one = one;
    show_detail();
    $("detail").querySelector(`button[aria-label="${label}"]`).focus();
  };
  return el("button", { type: "button", ariaLabel: label, disabled: one === undefined, onclick: go }, text);
}

function side(place, label) {
  const chosen = opened.rungs[place];
  const options = data.rungs.map((rung, n) => el("option", { value: n }, rung.id));
  if (place) options.unshift(el("option", { value: "" }, "compare with another rung …"));
  const select = el("select", { id: `d-rung-${place}` }, ...options);
  select.value = chosen === null ? "" : chosen;
  select.addEventListener("change", () => {
    opened.rungs[place] = select.value === "" ? null : Number(select.value);
    show_detail();
    $(select.id).focus();
  });
  const rows = chosen === null ? [] : all_rows(opened.one, chosen);
  const other = opened.rungs[1 - place];
  const others = other === null || chosen === null ? [] : all_rows(opened.one, other);
  const before = chosen === null ? [] : before_of(opened.one, chosen).map(({ text }) => explorer.texts[text]);
  const none = chosen !== null && !rows.length ? el("p", { class: "fine" }, "No row of this rung.") : null;
  return el(
    "div",
    { class: "d-side" },
    el("label", { class: "d-pick" }, label, select),
    none,
    ...by_reply(rows).map((one) => reply_card(one, others.length ? twin_in(others, one[0]) : before[0], place || !others.length ? "+" : "-")),
    ...(chosen === null ? before_beside() : []),
  );
}

// Where no other rung stands beside it: the reply of the run before, if the case moved.
function before_beside() {
  const [rung] = opened.rungs;
  const [row] = all_rows(opened.one, rung);
  return before_cards(opened.one, rung, row === undefined ? undefined : explorer.texts[value_of("text", row)]);
}

const all_rows = (one, rung) =>
  explorer.levels.flatMap((_, level) => explorer.cells[level]?.[one]?.[rung] || NONE);
