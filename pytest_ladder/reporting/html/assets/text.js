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

const number = (value) => value.toLocaleString("en-US");

function usd(value) {
  if (value === null || value === undefined) return "unknown";
  if (value === 0) return "$0";
  if (value >= 100) return "$" + number(Math.round(value));
  const digits = Math.max(2, 2 - Math.floor(Math.log10(value)));
  return "$" + value.toFixed(Math.min(digits, 9));
}

function seconds(value) {
  if (value === null || value === undefined) return "n/a";
  return value < 0.0995 ? Math.round(value * 1000) + " ms" : value.toPrecision(2) + " s";
}

const per_cent = (share) => (100 * share).toFixed(1) + " %";

const SHAPES = {
  circle: "M6 1.2a4.8 4.8 0 1 0 .01 0z",
  square: "M1.6 1.6h8.8v8.8H1.6z",
  diamond: "M6 .4 11 6 6 11.6 1 6z",
  "triangle-up": "M6 1 11.4 10.6H.6z",
};

function shape(name, colour) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 12 12");
  svg.setAttribute("class", "shape");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", SHAPES[name] || SHAPES.circle);
  path.setAttribute("fill", colour);
  svg.append(path);
  return svg;
}
