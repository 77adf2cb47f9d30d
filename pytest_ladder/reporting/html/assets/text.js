// Text and elements. What a model wrote only ever becomes a text node.

const $ = (id) => document.getElementById(id);

function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (name === "class") node.className = value;
    else if (name in node) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function fill(id, ...children) {
  $(id).replaceChildren(...children.filter((child) => child !== null));
}

// Rungs of a model differ at the end.
function middle(text, most = 21) {
  if (text.length <= most) return text;
  const head = Math.floor((most - 1) / 2);
  return text.slice(0, head) + "…" + text.slice(head - most + 1);
}

// Locales take a browser long to load: whole numbers need none.
const number = (value) =>
  Number.isInteger(value) ? String(value).replace(/\B(?=(\d{3})+$)/g, ",") : value.toLocaleString("en-US");

function usd(value) {
  if (value === null || value === undefined) return "unknown";
  if (value === 0) return "$0";
  if (value >= 100) return "$" + number(Math.round(value));
  // So little is read more easily for a million of them.
  if (value < 1e-3) return usd(1e6 * value) + " per million replies";
  const digits = Math.max(2, 2 - Math.floor(Math.log10(value)));
  return "$" + value.toFixed(digits);
}

function seconds(value) {
  if (value === null || value === undefined) return "n/a";
  if (value < 0.0005) return "<1 ms";
  return value < 0.0995 ? Math.round(value * 1000) + " ms" : value.toPrecision(2) + " s";
}

const per_cent = (share) => (100 * share).toFixed(1) + " %";

function shape(path, colour) {
  return svg("0 0 12 12", "shape", drawn("path", { d: path, fill: colour }));
}

// A picture that only repeats what stands beside it in words.
function svg(box, kind, ...children) {
  const node = drawn("svg", { viewBox: box, class: kind, "aria-hidden": "true" });
  node.append(...children);
  return node;
}

function drawn(tag, attributes) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}
