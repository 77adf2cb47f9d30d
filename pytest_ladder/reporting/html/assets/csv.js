// The rows of the cases that are shown, as a file for a spreadsheet.

const CSV_HEADS = ["case", "source", "tags", "rung", "level", "test", "sample", "outcome", "score", "why", "reason", "reply", "cost_usd", "latency_s"];

// A spreadsheet takes what begins so for a formula.
const csv_cell = (value) => {
  const text = typeof value === "string" && /^[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/.test(value) ? `'${value}` : String(value ?? "");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

function shown_rows() {
  const cells = explorer.found.flatMap((one) => data.rungs.flatMap((_, rung) => rows_at(one, rung)));
  return cells.map((row) => {
    const get = (name) => value_of(name, row);
    const [source, id, tags] = explorer.cases[get("case")];
    return [id, source, tags.join(" "), data.rungs[get("rung")].id, explorer.levels[get("level")], explorer.tests[get("test")], get("sample"), OUTCOMES[get("outcome")], get("score"), get("why"), explorer.texts[get("reason")], explorer.texts[get("text")], get("cost"), get("latency")];
  });
}

async function save_csv() {
  await with_replies();
  const lines = [CSV_HEADS, ...shown_rows()].map((cells) => cells.map(csv_cell).join(","));
  const file = new Blob(["\ufeff", lines.join("\r\n"), "\r\n"], { type: "text/csv" });
  const link = el("a", { href: URL.createObjectURL(file), download: "cases.csv" });
  link.click();
  URL.revokeObjectURL(link.href);
}
