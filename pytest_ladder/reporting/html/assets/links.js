// Links to a case: `#case=…&rung=…` opens it, and what is open is in the address.

const link_of = (one, rung) => {
  const [source, id] = explorer.cases[one];
  const twin = explorer.cases.filter((other) => other[1] === id).length > 1;
  const parts = { case: id || source, ...(twin ? { source } : {}), rung: data.rungs[rung].id };
  return "#" + new URLSearchParams(parts);
};

const put_address = (hash) => history.replaceState(null, "", location.pathname + location.search + hash);

function open_linked() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  if (!wanted.has("case")) return;
  const one = explorer.cases.findIndex(([source, id]) => (id || source) === wanted.get("case") && source === (wanted.get("source") ?? source));
  const rung = data.rungs.findIndex(({ id }) => id === (wanted.get("rung") || view().hero.rung));
  if (one >= 0) return open_detail(one, Math.max(0, rung));
  $("cases-count").textContent = `This report has no case ${wanted.get("case")}.`;
  $("cases").scrollIntoView();
}

function copy_button(one, rung) {
  const button = el("button", { type: "button", class: "quiet" }, "Copy link");
  button.addEventListener("click", async () => {
    const link = location.href.split("#")[0] + link_of(one, rung);
    button.textContent = (await copied(link)) ? "Copied" : link;
  });
  return button;
}

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
