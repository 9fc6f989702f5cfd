// Elements, numbers and tables: whatever a run says becomes text here, never markup.

/**
 * An element with attributes and children; `null` children are left out.
 *
 * @param {string} name
 * @param {Readonly<Record<string, string | number | boolean | null | (() => void)>>} [attributes] - Functions are listeners: `{ click: … }`.
 * @param {...(Node | string | null)} children
 * @returns {HTMLElement}
 */
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === 'function') node.addEventListener(key, value);
    else if (value !== null && value !== false) node.setAttribute(key, value === true ? '' : String(value));
  }
  for (const child of children) if (child !== null) node.append(child);
  return node;
}

/**
 * Puts children in the place of those that are there.
 *
 * @param {Element} node
 * @param {...(Node | string | null)} children
 */
export function fill(node, ...children) {
  node.replaceChildren(...children.filter((child) => child !== null));
}

/**
 * A number of a log, where NaN and infinities are text.
 *
 * @param {unknown} value
 */
export const numberOf = (value) => (typeof value === 'number' || typeof value === 'string' ? Number(value) : Number.NaN);

/**
 * A number as people read it: 0.0123, 12.35, 1.2e-5.
 *
 * @param {unknown} value
 * @returns {string}
 */
export function shown(value) {
  const number = numberOf(value);
  if (!Number.isFinite(number)) return Number.isNaN(number) ? 'NaN' : number > 0 ? '∞' : '−∞';
  const size = Math.abs(number);
  if (Number.isInteger(number) && size < 1e6) return String(number);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return number.toExponential(2);
  return String(Number(number.toPrecision(4)));
}

/** @param {number} share */
export const percent = (share) => `${Number((100 * share).toFixed(share > 0.999 || share < 0.001 ? 3 : 1))} %`;

/**
 * Seconds as 0.4 s, 12 s, 3 min 5 s or 1 h 2 min.
 *
 * @param {number} seconds
 */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return '?';
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor(whole / 60) % 60} min`;
}

/** Rows that a table shows at most; of more, every second, third … and the last. */
const mostRows = 200;

/**
 * A table in a part of the page that scrolls by itself and can be reached by keyboard.
 *
 * @param {string} caption
 * @param {readonly string[]} heads
 * @param {readonly (readonly (string | Node)[])[]} rows
 */
export function table(caption, heads, rows) {
  const every = Math.ceil(rows.length / mostRows);
  const some = rows.filter((_, i) => i % every === 0 || i === rows.length - 1);
  const head = el('tr', {}, ...heads.map((text) => el('th', { scope: 'col' }, text)));
  const body = some.map((row) => el('tr', {}, ...row.map((cell, i) => el(i === 0 ? 'th' : 'td', i === 0 ? { scope: 'row' } : {}, cell))));
  const note = every > 1 ? `${caption}, one row of ${every}` : caption;
  const content = el('table', {}, el('caption', {}, note), el('thead', {}, head), el('tbody', {}, ...body));
  return el('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': caption }, content);
}

/**
 * The numbers of a picture as a table, made when somebody opens it.
 *
 * @param {() => HTMLElement} make
 * @returns {{ node: HTMLElement, update: () => void }}
 */
export function numbersOf(make) {
  const place = el('div');
  const node = /** @type {HTMLDetailsElement} */ (el('details', {}, el('summary', {}, 'The numbers as a table'), place));
  const update = () => {
    if (node.open) fill(place, make());
  };
  node.addEventListener('toggle', update);
  return { node, update };
}

/** @param {string} name */
export const colourOf = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export const isDark = () => document.documentElement.dataset['theme'] === 'dark';

const lightColours = ['#2268ac', '#b8500f', '#22754f', '#8a3f9c', '#8a6300', '#b0303f', '#2b7388', '#5a6470'];
const darkColours = ['#78b4ee', '#f2a05c', '#6fcea3', '#cd9adf', '#e2be58', '#f48f98', '#7fcadd', '#aab4c0'];

/** @param {number} i */
export const seriesColour = (i) => (isDark() ? darkColours : lightColours)[i % lightColours.length];
