// The data of the page: JSON as it is, or compressed and in base64.

async function unpacked(id) {
  const node = $(id);
  const text = node.textContent.trim();
  node.remove();
  if (text.startsWith("{")) return text;
  const stream = new Blob([bytes_of(text)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

function bytes_of(base64) {
  // Newer browsers do it ten times as fast.
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const letters = atob(base64);
  const bytes = new Uint8Array(letters.length);
  for (let n = 0; n < letters.length; n++) bytes[n] = letters.charCodeAt(n);
  return bytes;
}

// What need not be there at once is unpacked when it is first asked for, or when idle.
function once_unpacked(id, use) {
  let waiting = null;
  return () => (waiting ||= unpacked(id).then(use));
}

// Safari has no such callback.
const idle = () => new Promise((done) => (globalThis.requestIdleCallback ? requestIdleCallback(() => done()) : setTimeout(done, 50)));

let data = null;
const state = { level: "", at: 0 };

// What is decided at other levels and volumes than the configured ones: of each level one
// view for each volume, or one for all of them.
let views = null;
const with_views = once_unpacked("data-views", (text) => (views = JSON.parse(text)));

const view = () => {
  if (as_configured()) return data.view;
  const of_level = views[state.level];
  return of_level[of_level.length > 1 ? state.at : 0];
};

async function vary(change) {
  await with_views();
  Object.assign(state, change);
  follow();
}

const level_name = (level) => data.levels[level];

const as_configured = () =>
  state.level === data.start.level && data.volumes[state.at] === data.start.volume;

const here = () => `at ${number(data.volumes[state.at])} calls`;

let next_frame = 0;

// Draw what follows level and volume once per frame, however fast the slider moves.
function follow() {
  if (next_frame) return;
  next_frame = requestAnimationFrame(() => {
    next_frame = 0;
    show_decision();
    show_legend();
    show_matrix();
    show_steps();
    update_charts();
  });
}
