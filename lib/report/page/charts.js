// Curves: uPlot with the colours of the page, marks where something was found, and the same numbers as a table.

import { colourOf, el, isDark, numbersOf, shown, table } from './dom.js';

/**
 * @typedef {import('uplot')} UPlot
 * @typedef {{ label: string, x: readonly number[], y: readonly (number | null)[], colour: string, dash?: number[], width?: number, faint?: boolean, points?: boolean }} Line
 * @typedef {{ at: number, text: string, name: string, verdict: string, target: string }} Mark
 * @typedef {{ lines: readonly Line[], marks?: readonly Mark[], isLog?: boolean, guide?: number, hasLegend?: boolean, xName: string }} Curves
 */

/** Stands above in the same page. */
const uPlot = /** @type {{ uPlot: typeof import('uplot') }} */ (/** @type {unknown} */ (globalThis)).uPlot;

/** A figure with curves; `show` draws other ones into it. */
export class Chart {
  /**
   * @param {string} title
   * @param {string} note - What is to be seen.
   */
  constructor(title, note = '') {
    /** @type {Curves} */
    this.curves = { lines: [], xName: 'epoch' };
    /** @type {UPlot | null} */
    this.plot = null;
    this.layout = '';
    this.title = title;
    this.place = el('div', { class: 'chart' });
    this.numbers = numbersOf(() => this.table());
    const caption = el('figcaption', {}, el('strong', {}, title), note === '' ? null : ` – ${note}`);
    this.node = el('figure', {}, caption, this.place, this.numbers.node);
    new ResizeObserver(() => this.resize()).observe(this.place);
  }

  /** @param {Curves} curves */
  show(curves) {
    this.curves = curves;
    const isLog = curves.isLog === true;
    const lines = curves.lines.filter(({ x }) => x.length > 0);
    this.node.hidden = lines.length === 0;
    if (lines.length === 0) return;
    // No logarithm has zero or less, and uPlot finds no ticks for numbers far below 1: such points are left out.
    const kept = (/** @type {number | null} */ y) => (y === null || !Number.isFinite(y) || (isLog && y < 1e-12) ? null : y);
    const data = uPlot.join(lines.map(({ x, y }) => [[...x], y.map(kept)]));
    const layout = JSON.stringify([
      isDark(),
      isLog,
      curves.guide,
      curves.hasLegend,
      lines.map(({ label, colour, dash }) => [label, colour, dash]),
    ]);
    if (this.plot !== null && layout === this.layout) this.plot.setData(data);
    else this.draw(lines, data, isLog);
    this.layout = layout;
    this.numbers.update();
  }

  /**
   * @param {readonly Line[]} lines
   * @param {import('uplot').AlignedData} data
   * @param {boolean} isLog
   */
  draw(lines, data, isLog) {
    this.plot?.destroy();
    const [text, grid] = [colourOf('--quiet'), colourOf('--line')];
    const axis = { stroke: text, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 }, font: '12px system-ui, sans-serif' };
    const series = lines.map(({ label, colour, dash, width = 2, faint = false, points = false }) => ({
      label,
      stroke: faint ? `${colour}66` : colour,
      width,
      dash,
      spanGaps: true,
      points: { show: points, size: 6, fill: colour },
      value: (/** @type {unknown} */ _, /** @type {number | null} */ value) => (value === null ? '' : shown(value)),
    }));
    const values = (/** @type {unknown} */ _, /** @type {(number | null)[]} */ splits) =>
      splits.map((value) => (value === null ? '' : shown(value)));
    this.plot = new uPlot(
      {
        ...this.size(),
        scales: { x: { time: false }, y: { distr: isLog ? 3 : 1 } },
        axes: [
          { ...axis, label: this.curves.xName, labelSize: 18, labelFont: '12px system-ui, sans-serif', size: 34 },
          { ...axis, size: 62, values },
        ],
        series: [{ label: this.curves.xName }, ...series],
        legend: { show: this.curves.hasLegend !== false },
        cursor: { points: { size: 7 }, drag: { x: true, y: false } },
        hooks: { draw: [(/** @type {UPlot} */ plot) => this.mark(plot)] },
      },
      data,
      this.place,
    );
    // The picture is for the eyes; the table beside it says the same.
    this.plot.root.querySelector('canvas')?.setAttribute('aria-hidden', 'true');
  }

  /** @param {UPlot} plot */
  mark(plot) {
    const { guide, marks = [] } = this.curves;
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.lineWidth = 1;
    ctx.setLineDash([4, 4]);
    ctx.strokeStyle = colourOf('--quiet');
    if (guide !== undefined) {
      const y = Math.round(plot.valToPos(guide, 'y', true)) + 0.5;
      if (y >= bbox.top && y <= bbox.top + bbox.height) stroke(ctx, bbox.left, y, bbox.left + bbox.width, y);
    }
    const anchors = new Map([...plot.over.querySelectorAll('a')].map((node) => [node.getAttribute('href'), node]));
    /** @type {number[]} */
    const taken = [];
    for (const { at, text, name, verdict, target } of marks) {
      const x = plot.valToPos(at, 'x');
      const isInside = x >= -1 && x <= plot.over.clientWidth + 1;
      const node = anchors.get(`#${target}`) ?? markOf(target, text, name, verdict);
      anchors.delete(`#${target}`);
      node.hidden = !isInside;
      if (!node.isConnected) plot.over.append(node);
      if (!isInside) continue;
      // Marks of one place stand below each other.
      const row = taken.filter((other) => Math.abs(other - x) < 24).length;
      taken.push(x);
      node.style.left = `${x}px`;
      node.style.top = `${4 + 25 * row}px`;
      ctx.strokeStyle = colourOf(`--${verdict}`);
      const along = Math.round(plot.valToPos(at, 'x', true)) + 0.5;
      stroke(ctx, along, bbox.top, along, bbox.top + bbox.height);
    }
    for (const node of anchors.values()) node.remove();
    ctx.restore();
  }

  size() {
    const width = Math.max(200, Math.floor(this.place.clientWidth));
    return { width, height: Math.round(Math.max(200, Math.min(320, width * 0.5))) };
  }

  resize() {
    if (this.plot === null || this.place.clientWidth === 0) return;
    const size = this.size();
    if (size.width !== this.plot.width) this.plot.setSize(size);
  }

  table() {
    const lines = this.curves.lines.filter(({ faint }) => faint !== true);
    /** @type {Map<number, string[]>} */
    const rows = new Map();
    for (const [i, { x, y }] of lines.entries()) {
      for (const [k, at] of x.entries()) {
        const row = rows.get(at) ?? lines.map(() => '');
        row[i] = y[k] === null ? '' : shown(y[k]);
        rows.set(at, row);
      }
    }
    const sorted = [...rows].sort(([a], [b]) => a - b);
    return table(
      this.title,
      [this.curves.xName, ...lines.map(({ label }) => label)],
      sorted.map(([at, row]) => [shown(at), ...row]),
    );
  }
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {number} x1
 * @param {number} y1
 * @param {number} x2
 * @param {number} y2
 */
function stroke(ctx, x1, y1, x2, y2) {
  ctx.beginPath();
  ctx.moveTo(x1, y1);
  ctx.lineTo(x2, y2);
  ctx.stroke();
}

/**
 * A mark in a curve, which leads to the text of what was found there.
 *
 * @param {string} target
 * @param {string} text
 * @param {string} name
 * @param {string} verdict
 */
function markOf(target, text, name, verdict) {
  const go = () => document.getElementById(target)?.focus();
  return el('a', { class: `marker ${verdict}`, href: `#${target}`, 'aria-label': name, title: name, click: go }, text);
}
