// Pictures of our own: layers over time as heat maps, the confusion matrix, and examples.

import { colourOf, el, isDark, numberOf, percent, shown, table } from './dom.js';

/**
 * @typedef {import('../../training/run-log.js').LoggedObservation} LoggedObservation
 * @typedef {import('../../training/run-log.js').LoggedLayer} LoggedLayer
 * @typedef {import('../examine.js').Examination} Examination
 * @typedef {import('../examine.js').ExaminedExample} ExaminedExample
 */

const heatRows = 40;

/**
 * Counts of a layer in bins of equal width.
 *
 * @param {LoggedLayer} layer
 * @param {readonly number[]} edges - Of the bins of the log.
 * @param {number} low
 * @param {number} high
 */
function equalBins({ histogram: { first, counts }, min, max }, edges, low, high) {
  const bins = new Float64Array(heatRows);
  const width = (high - low) / heatRows;
  const place = (/** @type {number} */ value) => Math.max(0, Math.min(heatRows - 1, Math.floor((value - low) / width)));
  for (const [i, count] of counts.entries()) {
    const from = Math.max(edges[first + i], numberOf(min));
    const to = Math.min(edges[first + i + 1], numberOf(max));
    if (!(to > from)) bins[place(from)] += count;
    else {
      for (let bin = place(from); bin <= place(to); bin++) {
        const overlap =
          Math.min(to, bin === heatRows - 1 ? Infinity : low + (bin + 1) * width) - Math.max(from, bin === 0 ? -Infinity : low + bin * width);
        bins[bin] += (count * Math.max(0, overlap)) / (to - from);
      }
    }
  }
  return bins;
}

/**
 * The value below which a share of the elements lies.
 *
 * @param {LoggedLayer} layer
 * @param {readonly number[]} edges
 * @param {number} share
 */
function quantile({ histogram: { first, counts }, min, max }, edges, share) {
  let rest = share * counts.reduce((sum, count) => sum + count, 0);
  for (const [i, count] of counts.entries()) {
    rest -= count;
    if (rest <= 0) return Math.max(numberOf(min), Math.min(numberOf(max), edges[first + i + (share > 0.5 ? 1 : 0)]));
  }
  return numberOf(max);
}

/**
 * The outputs of a layer over time: a column for each observed step, dark where many are.
 *
 * @param {string} path
 * @param {string} type
 * @param {readonly { step: number, layer: LoggedLayer }[]} seen
 * @param {readonly number[]} edges
 */
export function heatMap(path, type, seen, edges) {
  const finite = seen.filter(({ layer }) => Number.isFinite(numberOf(layer.mean)));
  let low = Math.min(...finite.map(({ layer }) => quantile(layer, edges, 0.002)));
  let high = Math.max(...finite.map(({ layer }) => quantile(layer, edges, 0.998)));
  if (!(high > low)) [low, high] = [Number.isFinite(low) ? low - 1 : -1, Number.isFinite(high) ? high + 1 : 1];
  const canvas = /** @type {HTMLCanvasElement} */ (el('canvas', { width: seen.length, height: heatRows, 'aria-hidden': 'true' }));
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  const image = context.createImageData(seen.length, heatRows);
  const [empty, full] = isDark()
    ? [
        [25, 31, 38],
        [134, 198, 255],
      ]
    : [
        [255, 255, 255],
        [16, 66, 122],
      ];
  for (const [x, { layer }] of seen.entries()) {
    const bins = equalBins(layer, edges, low, high);
    // The zeros of ReLU would leave everything else pale: a bin counts against the second highest.
    const [, second] = [...bins].sort((a, b) => b - a);
    for (let bin = 0; bin < heatRows; bin++) {
      const share = Math.sqrt(Math.min(1, bins[bin] / Math.max(second, 1e-9)));
      const at = ((heatRows - 1 - bin) * seen.length + x) * 4;
      for (let c = 0; c < 3; c++) image.data[at + c] = empty[c] + (full[c] - empty[c]) * share;
      image.data[at + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
  const [begin, end] = [seen[0].layer, seen[seen.length - 1].layer];
  const std = `std ${shown(begin.std)} → ${shown(end.std)}`;
  const zeros = end.zeros > 0.001 ? `, zeros ${percent(end.zeros)}` : '';
  return el(
    'figure',
    {},
    el(
      'div',
      { class: 'heat' },
      el('div', { class: 'ends' }, el('span', {}, shown(high)), el('span', {}, shown(low))),
      canvas,
      el('div', { class: 'time' }, el('span', {}, `step ${seen[0].step}`), el('span', {}, String(seen[seen.length - 1].step))),
    ),
    el('figcaption', {}, el('strong', {}, path === '' ? 'output' : path), ` ${type}: ${std}${zeros}`),
  );
}

/** Classes that are shown in full; of more, the pairs that are confused most. */
const mostClasses = 30;

/**
 * A confusion matrix as a table whose cells are shaded by their share of the row.
 *
 * @param {readonly (readonly number[])[]} matrix
 * @param {readonly string[]} names
 */
export function confusionTable(matrix, names) {
  if (matrix.length > mostClasses) {
    const pairs = matrix.flatMap((row, t) => row.map((count, p) => ({ count, t, p }))).filter(({ count, t, p }) => count > 0 && t !== p);
    const most = pairs.sort((a, b) => b.count - a.count).slice(0, 30);
    return table(
      'What is confused most',
      ['true', 'taken for', 'times'],
      most.map(({ count, t, p }) => [names[t], names[p], String(count)]),
    );
  }
  const head = el(
    'tr',
    {},
    el('th', { scope: 'col' }, 'true \\ taken for'),
    ...names.map((name) => el('th', { scope: 'col' }, name)),
    el('th', { scope: 'col' }, 'right'),
  );
  const rows = matrix.map((row, t) => {
    const total = row.reduce((sum, count) => sum + count, 0);
    const cells = row.map((count, p) => {
      const cell = el('td', { class: count === 0 ? 'none' : null }, count === 0 ? '·' : String(count));
      // Never so dark that the figure could not be read; errors are seldom many, and are shown at four times their share.
      const shade = total === 0 ? 0 : Math.min(0.45, (t === p ? 0.45 : 1.8) * (count / total));
      if (count > 0) cell.style.backgroundColor = `rgb(${colourOf(t === p ? '--cell' : '--miss')} / ${shade.toFixed(3)})`;
      return cell;
    });
    return el('tr', {}, el('th', { scope: 'row' }, names[t]), ...cells, el('td', {}, total === 0 ? '' : percent(row[t] / total)));
  });
  const content = el(
    'table',
    { class: 'matrix' },
    el('caption', {}, 'Rows: what it is. Columns: what the model takes it for.'),
    el('thead', {}, head),
    el('tbody', {}, ...rows),
  );
  return el('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Confusion matrix' }, content);
}

/**
 * An example as an image, or null.
 *
 * @param {ExaminedExample} example
 * @param {string} says
 */
function exampleImage({ input }, says) {
  if (input?.kind !== 'image') return null;
  const { height, width, channels, pixels } = input;
  const bytes = Uint8Array.from(atob(pixels), (letter) => letter.charCodeAt(0));
  const canvas = /** @type {HTMLCanvasElement} */ (el('canvas', { width, height, role: 'img', 'aria-label': says }));
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  const image = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = bytes[i * channels + (channels === 3 ? c : 0)];
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/**
 * Examples with what they are and what the model takes them for.
 *
 * @param {readonly ExaminedExample[]} list
 * @param {readonly string[] | null} classes
 * @param {string} title
 */
export function exampleList(list, classes, title) {
  const name = (/** @type {number} */ value) => (classes === null ? shown(value) : (classes[value] ?? String(value)));
  const sure = (/** @type {ExaminedExample} */ { share }) => (share === null ? '' : percent(share));
  if (!list.every(({ input }) => input?.kind === 'image')) {
    const names =
      list.map(({ input }) => (input?.kind === 'row' ? input.values.map(([column]) => column) : [])).find((columns) => columns.length > 0) ??
      [];
    const rows = list.map((one) => {
      const values =
        one.input?.kind === 'row'
          ? one.input.values.map(([, value]) => (typeof value === 'string' ? value : shown(value)))
          : names.map(() => '');
      return [one.file ?? String(one.index), name(one.target), name(one.prediction), ...(classes === null ? [] : [sure(one)]), ...values];
    });
    return table(title, ['example', 'is', 'taken for', ...(classes === null ? [] : ['share']), ...names], rows);
  }
  const cards = list.map((one) => {
    const says = one.target === one.prediction ? `${name(one.target)}` : `${name(one.target)} taken for ${name(one.prediction)}`;
    const caption = el('figcaption', {}, el('strong', {}, says), el('br'), `${sure(one)} · ${one.file ?? `no. ${one.index}`}`);
    return el('figure', {}, exampleImage(one, `example ${one.index}: ${says}`), caption);
  });
  return el('div', { class: 'examples' }, ...cards);
}
