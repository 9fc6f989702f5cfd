// Curves: panels of lines and points in one SVG, and the same panels as text for a terminal.

import { ArgumentError, checkChoice, checkInteger, checkList, checkNumber, checkObject, checkOptions, expected } from '../errors.js';
import { colours, escape, number, page, raised, short, text, wrap } from './svg.js';

/** Curves and points of one panel. */
export interface ChartSeries {
  /** What it is called in the legend. */
  readonly name: string;
  /** Places along the horizontal axis. */
  readonly x: readonly number[];
  /** Values; one that is NaN or infinite leaves a gap. */
  readonly y: readonly number[];
  /** A line (default), points, or a line of steps with a point at each. */
  readonly kind?: 'line' | 'points' | 'path';
}

/** A place on the horizontal axis that is marked by a line with a name. */
export interface ChartMark {
  /** Where it stands. */
  readonly x: number;
  /** What is written beside it. */
  readonly name: string;
}

/** One set of axes. */
export interface ChartPanel {
  /** What it shows. */
  readonly title: string;
  /** What is to be seen; default: nothing. */
  readonly remark?: string;
  /** The horizontal axis. */
  readonly xLabel: string;
  /** The vertical axis. */
  readonly yLabel: string;
  /** Default `'linear'`. */
  readonly xScale?: 'linear' | 'log';
  /** Default `'linear'`. */
  readonly yScale?: 'linear' | 'log';
  /** The values that the vertical axis spans: curves that leave it are cut. Default: those that there are. */
  readonly yRange?: readonly [low: number, high: number];
  /** Curves and points, at most 12. */
  readonly series: readonly ChartSeries[];
  /** Marked places; default: none. */
  readonly marks?: readonly ChartMark[];
}

/** Options of {@link chart}. */
export interface ChartOptions {
  /** Heading; default: none. */
  readonly title?: string;
  /** A line below the heading; default: none. */
  readonly subtitle?: string;
  /** Panels side by side; default: all, at most 3. */
  readonly columns?: number;
}

const width = 1600;
const margin = 40;
const gap = 36;
const axis = 74;
const plot = 330;
/** What stands below a plot: numbers, the axis's name, and up to three lines of legend. */
const foot = 120;

/**
 * Draws panels of curves as one SVG, 1600 wide, that refers to no other file.
 *
 * @throws {@link ArgumentError} for panels that are none, or series whose x and y differ in length.
 * @example
 * ```ts
 * import { writeFileSync } from 'node:fs';
 * import { chart } from 'nodegrad';
 * const series = [{ name: 'loss', x: [1, 2, 3], y: [2.3, 0.9, 0.5] }];
 * writeFileSync('loss.svg', chart([{ title: 'training', xLabel: 'epoch', yLabel: 'loss', series }]));
 * ```
 */
export function chart(panels: readonly ChartPanel[], options: ChartOptions = {}): string {
  checkPanels(panels);
  const {
    title = '',
    subtitle = '',
    columns = Math.min(3, panels.length),
  } = checkOptions<ChartOptions>(options, 'options', ['title', 'subtitle', 'columns']);
  for (const [name, value] of Object.entries({ title, subtitle })) checkText(value, `options.${name}`);
  checkInteger(columns, 'options.columns', 1, 4);
  const top = title === '' && subtitle === '' ? 20 : subtitle === '' ? 84 : 116;
  const side = (width - 2 * margin - (columns - 1) * gap) / columns;
  const rows = Math.ceil(panels.length / columns);
  const head = headOf(panels, side);
  const rowHeight = head + plot + foot;
  const parts = [text(margin, 54, title, 30, 'bold'), text(margin, 86, subtitle, 18, 'quiet')].filter((line) => !line.includes('></text>'));
  for (const [i, panel] of panels.entries())
    parts.push(...drawPanel(panel, margin + (i % columns) * (side + gap), top + Math.floor(i / columns) * rowHeight, side, head, i));
  return page(width, top + rows * rowHeight, title === '' ? panels[0].title : title, parts);
}

function checkPanels(panels: readonly ChartPanel[]): void {
  checkList(panels, 'panels', 'an array of panels');
  if (panels.length === 0 || panels.length > 24) throw new ArgumentError(expected('1 to 24 panels', 'panels', panels));
  for (const given of panels) {
    const panel = checkObject<ChartPanel>(given, 'panels', 'panels');
    for (const key of ['title', 'xLabel', 'yLabel'] as const) checkText(panel[key], `panels.${key}`);
    checkText(panel.remark ?? '', 'panels.remark');
    for (const key of ['xScale', 'yScale'] as const) checkChoice(panel[key] ?? 'linear', `panels.${key}`, ['linear', 'log']);
    const [low, high] = checkNumbers(panel.yRange ?? [0, 1], 'panels.yRange', 2);
    if (!(low < high)) throw new ArgumentError(expected('two ascending numbers', 'panels.yRange', panel.yRange));
    for (const mark of checkList(panel.marks ?? [], 'panels.marks', 'an array of marks')) {
      const { x, name } = checkObject<ChartMark>(mark, 'panels.marks', 'a place and a name');
      checkNumber(x, 'panels.marks.x');
      checkText(name, 'panels.marks.name');
    }
    const list = checkList<ChartSeries>(panel.series, 'panels.series', 'an array of curves');
    if (list.length > 12) throw new ArgumentError(expected('at most 12 curves', 'panels.series', list));
    for (const one of list) {
      const { name, x, y, kind } = checkObject<ChartSeries>(one, 'panels.series', 'a name, places and values');
      checkText(name, 'panels.series.name');
      checkChoice(kind ?? 'line', 'panels.series.kind', ['line', 'points', 'path']);
      checkNumbers(y, 'panels.series.y', checkNumbers(x, 'panels.series.x').length);
    }
  }
}

function checkText(value: unknown, argument: string): void {
  if (typeof value !== 'string') throw new ArgumentError(expected('a text', argument, value));
}

/** Numbers, which may be NaN or infinite, and as many as asked for. */
function checkNumbers(value: unknown, argument: string, count?: number): readonly number[] {
  const list = checkList<number>(value, argument, 'an array of numbers');
  const wrong = list.find((one) => typeof one !== 'number');
  if (wrong !== undefined || list.includes(undefined as never)) throw new ArgumentError(expected('numbers', argument, wrong));
  if (count !== undefined && list.length !== count) throw new ArgumentError(expected(`${count} numbers`, argument, list));
  return list;
}

/** One axis: which numbers it spans, where a number stands from 0 to 1, and the numbers that are written beside it. */
interface Axis {
  readonly low: number;
  readonly high: number;
  readonly at: (value: number) => number;
  readonly ticks: readonly { readonly value: number; readonly label: string }[];
}

function axisOf(values: readonly number[], scale: 'linear' | 'log', counts = false, count = 5): Axis {
  const isLog = scale === 'log';
  const seen = values.filter((value) => Number.isFinite(value) && (!isLog || value > 0));
  let low = seen.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  let high = seen.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  if (seen.length === 0) [low, high] = isLog ? [0.1, 1] : [0, 1];
  if (low === high) [low, high] = isLog ? [low / 2, high * 2] : [low - 0.5, high + 0.5];
  if (isLog) {
    const [from, to] = [Math.log10(low), Math.log10(high)];
    const every = Math.max(1, Math.ceil((to - from) / (count + 2)));
    // Over less than three decades 2 and 5 help.
    const factors = to - from < 2.5 ? [1, 2, 5] : [1];
    const ticks: { value: number; label: string }[] = [];
    for (let power = Math.floor(from); power <= to; power += every)
      for (const factor of factors) {
        const value = Number(`${factor}e${power}`);
        if (value < low * 0.999 || value > high * 1.001) continue;
        ticks.push({
          value,
          label: factor === 1 && Math.abs(power) > 2 ? `10${raised(power)}` : Math.abs(power) > 2 ? number(value) : String(value),
        });
      }
    return { low, high, at: (value) => (Math.log10(value) - from) / (to - from), ticks };
  }
  const rough = (high - low) / count;
  const unit = Number(`1e${Math.floor(Math.log10(rough))}`);
  const step = Math.max(counts && seen.every(Number.isInteger) ? 1 : 0, unit * ([1, 2, 5, 10].find((factor) => factor * unit >= rough) ?? 10));
  const ticks: { value: number; label: string }[] = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) {
    const value = Number((k * step).toPrecision(12));
    ticks.push({ value, label: Math.abs(value) >= 10_000 ? value.toLocaleString('en') : number(value) });
  }
  return { low, high, at: (value) => (value - low) / (high - low), ticks };
}

const axesOf = ({ series, xScale = 'linear', yScale = 'linear', yRange, marks = [] }: ChartPanel): [Axis, Axis] => [
  axisOf([...series.flatMap(({ x }) => x), ...marks.map(({ x }) => x)], xScale, true),
  axisOf(yRange ?? series.flatMap(({ y }) => y), yScale),
];

/** The heading of panels of this width: their titles, and the most lines that one of their remarks takes. */
const headOf = (panels: readonly ChartPanel[], side: number): number =>
  56 + 21 * Math.max(0, ...panels.map(({ remark = '' }) => remarkLines(remark, side).length));

const remarkLines = (remark: string, side: number): string[] => wrap(remark, Math.floor(side / 7.6)).slice(0, 2);

function drawPanel(panel: ChartPanel, left: number, top: number, side: number, head: number, id: number): string[] {
  const [across, up] = axesOf(panel);
  const [from, to, floor, ceiling] = [left + axis, left + side - 8, top + head + plot, top + head];
  const xOf = (value: number): number => from + across.at(value) * (to - from);
  const yOf = (value: number): number => floor - up.at(value) * plot;
  const parts = [
    `<clipPath id="panel${id}"><rect x="${short(from - 5)}" y="${ceiling - 5}" width="${short(to - from + 10)}" height="${plot + 10}"/></clipPath>`,
    text(left, top + 26, panel.title, 21, 'bold'),
    ...remarkLines(panel.remark ?? '', side).map((line, k) => text(left, top + 50 + 21 * k, line, 16, 'quiet')),
    `<g id="axes${id}">`,
    ...up.ticks.flatMap(({ value, label }) => [
      `<line x1="${short(from)}" x2="${short(to)}" y1="${short(yOf(value))}" y2="${short(yOf(value))}" stroke="#e3e7ec"/>`,
      text(from - 9, yOf(value) + 5, label, 14, 'quiet end'),
    ]),
    ...across.ticks.map(({ value, label }) => text(xOf(value), floor + 22, label, 14, 'quiet middle')),
    `<line x1="${short(from)}" x2="${short(to)}" y1="${floor}" y2="${floor}" stroke="#8a94a0"/>`,
    text((from + to) / 2, floor + 44, panel.xLabel, 15, 'quiet middle'),
    `<text transform="translate(${short(left + 14)} ${short((floor + ceiling) / 2)}) rotate(-90)" font-size="15" class="quiet middle">${escape(panel.yLabel)}</text>`,
    '</g>',
    ...(panel.marks ?? []).map(
      ({ x }) => `<line x1="${short(xOf(x))}" x2="${short(xOf(x))}" y1="${ceiling}" y2="${floor}" stroke="#5b6572" stroke-dasharray="5 4"/>`,
    ),
    `<g clip-path="url(#panel${id})">`,
    ...panel.series.flatMap((one, k) => drawSeries(one, xOf, yOf, colours[k % colours.length], k >= colours.length)),
    '</g>',
    ...(panel.marks ?? []).map(({ x, name }, k) => {
      const isRight = across.at(x) > 0.6;
      return text(xOf(x) + (isRight ? -7 : 7), ceiling + 16 + 20 * k, name, 14, isRight ? 'end halo' : 'halo');
    }),
  ];
  let at = from;
  let line = floor + 70;
  for (const [k, { name, kind }] of panel.series.entries()) {
    const room = 34 + name.length * 8.2;
    if (at > from && at + room > to + 20) [at, line] = [from, line + 22];
    const dashes = k >= colours.length ? ' stroke-dasharray="7 4"' : '';
    parts.push(
      kind === 'points'
        ? dot(at + 10, line - 5, colours[k % colours.length], k >= colours.length)
        : `<line x1="${short(at)}" x2="${short(at + 20)}" y1="${line - 5}" y2="${line - 5}" stroke="${colours[k % colours.length]}" stroke-width="4"${dashes}/>`,
      text(at + 27, line, name, 15),
    );
    at += room + 12;
  }
  return parts;
}

function drawSeries(
  { x, y, kind = 'line' }: ChartSeries,
  xOf: (value: number) => number,
  yOf: (value: number) => number,
  colour: string,
  isDashed: boolean,
): string[] {
  const places = x.map((value, i) => [xOf(value), yOf(y[i])] as const);
  const isThere = ([a, b]: readonly [number, number]): boolean => Number.isFinite(a) && Number.isFinite(b);
  const drawn: string[] = [];
  if (kind !== 'points') {
    let path = '';
    for (const [i, place] of places.entries()) {
      if (!isThere(place)) continue;
      path += `${i > 0 && isThere(places[i - 1]) ? 'L' : 'M'}${short(place[0])} ${short(Math.max(-1e5, Math.min(1e5, place[1])))}`;
    }
    const dashes = isDashed ? ' stroke-dasharray="7 4"' : '';
    drawn.push(
      `<path d="${path}" fill="none" stroke="${colour}" stroke-width="${kind === 'path' ? 1.6 : 2.6}" stroke-linejoin="round"${dashes}/>`,
    );
  }
  if (kind !== 'line' || places.length === 1) for (const [a, b] of places.filter(isThere)) drawn.push(dot(a, b, colour, isDashed));
  return drawn;
}

/** A point; hollow where the colours begin anew. */
const dot = (x: number, y: number, colour: string, isHollow: boolean): string => {
  const look = isHollow ? `fill="#ffffff" stroke="${colour}" stroke-width="2.4"` : `fill="${colour}" fill-opacity="0.8"`;
  return `<circle cx="${short(x)}" cy="${short(y)}" r="4.2" ${look}/>`;
};

const signs = ['●', '○', '+', '×', '◆', '◇', '■', '□', '▲', '△', '*', '·'];

/**
 * A panel as lines of text for a terminal: a sign for each curve, the ends of both axes, and a legend.
 *
 * @param panel - As for {@link chart}.
 * @param columns - Characters across, 20 to 400; default 72.
 * @param rows - Lines of the plot, 4 to 100; default 12.
 * @throws {@link ArgumentError} as {@link chart}.
 * @example
 * ```ts
 * import { plotText } from 'nodegrad';
 * const series = [{ name: 'loss', x: [1, 2, 3], y: [2.3, 0.9, 0.5] }];
 * console.log(plotText({ title: 'training', xLabel: 'epoch', yLabel: 'loss', series }).join('\n'));
 * ```
 */
export function plotText(panel: ChartPanel, columns = 72, rows = 12): string[] {
  checkPanels([panel]);
  checkInteger(columns, 'columns', 20, 400);
  checkInteger(rows, 'rows', 4, 100);
  const [across, up] = axesOf(panel);
  const edge = Math.max(...[up.low, up.high].map((value) => number(value).length));
  const room = columns - edge - 2;
  const grid = Array.from({ length: rows }, () => new Array<string>(room).fill(' '));
  for (const [k, { x, y, kind = 'line' }] of panel.series.entries()) {
    const put = (a: number, b: number): void => {
      if (!(a >= 0 && a <= 1 && b >= 0 && b <= 1)) return;
      grid[rows - 1 - Math.round(b * (rows - 1))][Math.round(a * (room - 1))] = signs[k % signs.length];
    };
    for (let i = 0; i < x.length; i++) {
      const [a, b] = [across.at(x[i]), up.at(y[i])];
      put(a, b);
      if (kind !== 'line' || i === 0) continue;
      const [before, from] = [across.at(x[i - 1]), up.at(y[i - 1])];
      const between = Math.ceil(Math.abs(a - before) * room);
      if (between < 10_000) for (let j = 1; j < between; j++) put(before + ((a - before) * j) / between, from + ((b - from) * j) / between);
    }
  }
  const side = (row: number): string => (row === 0 ? number(up.high) : row === rows - 1 ? number(up.low) : '').padStart(edge);
  const [first, last] = [number(across.low), number(across.high)];
  return [
    `${panel.title}: ${panel.yLabel}`,
    ...grid.map((cells, row) => `${side(row)} │${cells.join('').trimEnd()}`),
    `${' '.repeat(edge)} └${'─'.repeat(room)}`,
    `${' '.repeat(edge + 2)}${first}${panel.xLabel.padStart(Math.floor((room - first.length - last.length + panel.xLabel.length) / 2)).padEnd(room - first.length - last.length)}${last}`,
    ...wrapped(
      panel.series.map(({ name }, k) => `${signs[k % signs.length]} ${name}`),
      columns - edge - 2,
    ).map((line) => `${' '.repeat(edge + 2)}${line}`),
  ];
}

function wrapped(items: readonly string[], most: number): string[] {
  const lines: string[] = [];
  for (const item of items) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 3 + item.length <= most) lines[lines.length - 1] = `${last}   ${item}`;
    else lines.push(item);
  }
  return lines;
}
