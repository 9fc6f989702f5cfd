// The experiment on first weights as a picture: a row of histograms for each setting, in one SVG that needs nothing else.

import { ArgumentError, checkList, checkOptions, expected } from '../errors.js';
import { colours, number, page, short, text, wrap } from '../pictures/svg.js';
import type { ActivationExperiment, ActivationLayer } from './activation-experiment.js';

/** A row of the picture. */
export interface ActivationPictureRow {
  /** The setting, such as `tanh, weights of std 0.01`. */
  readonly title: string;
  /** What is to be seen; default: nothing. */
  readonly remark?: string;
  /** What was measured. */
  readonly experiment: ActivationExperiment;
}

/** Options of {@link activationPicture}. */
export interface ActivationPictureOptions {
  /** Heading; default: `What first weights do to 10 layers of 500 units`. */
  readonly title?: string;
}

/** Sizes in units of the picture, which is 1600 wide. */
const width = 1600;
const left = 300;
const gap = 12;
const top = 122;
const plot = 84;
const rowHeight = 170;
const bottom = 44;
/** A bar that is so many times as high as the next lower one is cut, or the zeros of ReLU would flatten all others. */
const towering = 3;

/**
 * Draws experiments, a row each: histograms of the outputs of each layer, with their standard deviation and the size of the gradient that reaches
 * the layer's inputs.
 *
 * @param rows - At most 12.
 * @returns An SVG document, 1600 wide, that refers to no other file.
 * @throws {@link ArgumentError} for anything but rows of one number of layers.
 * @example
 * ```ts
 * import { writeFileSync } from 'node:fs';
 * import { Normal, activationExperiment, activationPicture } from 'nodegrad';
 * const small = activationExperiment({ init: new Normal({ std: 0.01 }) });
 * writeFileSync('weights.svg', activationPicture([{ title: 'tanh, std 0.01', experiment: small }]));
 * ```
 */
export function activationPicture(rows: readonly ActivationPictureRow[], options: ActivationPictureOptions = {}): string {
  checkList(rows, 'rows', 'an array of titles and experiments');
  if (rows.length === 0 || rows.length > 12) throw new ArgumentError(expected('1 to 12 rows', 'rows', rows));
  for (const row of rows) {
    if (typeof row?.title !== 'string' || !isExperiment(row.experiment) || typeof (row.remark ?? '') !== 'string')
      throw new ArgumentError(expected('a title and what activationExperiment() gave', 'rows', row));
  }
  const [{ experiment }] = rows;
  const count = experiment.layers.length;
  if (rows.some((row) => row.experiment.layers.length !== count))
    throw new ArgumentError('the experiments in `rows` have different numbers of layers');
  const { title = `What first weights do to ${count} layers of ${experiment.features} units` } = checkOptions<ActivationPictureOptions>(
    options,
    'options',
    ['title'],
  );
  if (typeof title !== 'string') throw new ArgumentError(expected('a text', 'options.title', title));
  const height = top + rows.length * rowHeight + bottom;
  const panel = (width - left - 40 - (count - 1) * gap) / count;
  const place = (layer: number): number => left + layer * (panel + gap);
  const parts = [
    text(40, 52, title, 30, 'bold'),
    text(
      40,
      82,
      `${experiment.examples} unit normal inputs: the outputs of each layer as a histogram, and the size of the gradient on its way back`,
      18,
      'quiet',
    ),
    ...experiment.layers.map((_, layer) => text(place(layer) + panel / 2, top - 8, `layer ${layer + 1}`, 15, 'quiet middle')),
    ...rows.flatMap((row, i) => drawRow(row, i, place, panel)),
    text(
      40,
      height - 18,
      "std: standard deviation of the outputs. grad: root mean square of the gradient at the layer's inputs, 1 at the outputs of the last layer. A bar with a lighter end is cut: it towers over the others.",
      13,
      'quiet',
    ),
  ];
  return page(width, height, title, parts);
}

function isExperiment(value: Partial<ActivationExperiment> | null | undefined): boolean {
  const areNumbers = (list: unknown): boolean => Array.isArray(list) && list.length > 0 && list.every(Number.isFinite);
  const layers = value?.layers;
  const isLayer = (layer: Partial<ActivationLayer> | null): boolean =>
    areNumbers(layer?.histogram) && typeof layer?.std === 'number' && typeof layer.gradientRms === 'number';
  return areNumbers(value?.range) && Array.isArray(layers) && layers.length > 0 && layers.length <= 1000 && layers.every(isLayer);
}

function drawRow(
  { title, remark = '', experiment }: ActivationPictureRow,
  i: number,
  place: (layer: number) => number,
  panel: number,
): string[] {
  const y = top + i * rowHeight;
  const colour = colours[i % colours.length];
  const [low, high] = experiment.range;
  const parts = [
    i === 0 ? '' : `<line x1="40" x2="${width - 40}" y1="${y - 2}" y2="${y - 2}" stroke="#e3e7ec"/>`,
    `<rect x="40" y="${y + 14}" width="5" height="${plot - 2}" fill="${colour}"/>`,
    ...wrap(title, 24).map((line, k) => text(58, y + 32 + 25 * k, line, 20, 'bold')),
    ...wrap(remark, 30).map((line, k) => text(58, y + 34 + 25 * wrap(title, 24).length + 20 * k, line, 15, 'quiet')),
    text(left - 12, y + 14 + plot + 34, 'std', 14, 'quiet end'),
    text(left - 12, y + 14 + plot + 53, 'grad', 14, 'quiet end'),
  ];
  for (const [layer, measured] of experiment.layers.entries()) {
    const x = place(layer);
    const base = y + 14 + plot;
    parts.push(
      ...bars(measured, x, base, panel, colour),
      `<line x1="${x.toFixed(1)}" x2="${(x + panel).toFixed(1)}" y1="${base}" y2="${base}" stroke="#8a94a0"/>`,
      text(x, base + 14, number(low), 11, 'quiet'),
      text(x + panel, base + 14, number(high), 11, 'quiet end'),
      text(x + panel / 2, base + 34, number(measured.std), 15, 'middle bold'),
      text(x + panel / 2, base + 53, number(measured.gradientRms), 14, 'middle quiet'),
    );
  }
  return parts.filter((part) => part !== '');
}

function bars({ histogram }: ActivationLayer, x: number, base: number, panel: number, colour: string): string[] {
  const [highest, second = 0] = [...histogram].sort((a, b) => b - a);
  const cut = second > 0 && highest > towering * second ? towering * second : Math.max(1, highest);
  const step = panel / histogram.length;
  const [whole, ends]: [string[], string[]] = [[], []];
  for (const [bin, count] of histogram.entries()) {
    if (count === 0) continue;
    const height = Math.max(1, Math.min(1, count / cut) * plot);
    const bar = (from: number, size: number): string =>
      `M${short(x + bin * step)} ${short(base - from)}v${short(-size)}h${short(Math.max(1, step - 0.5))}v${short(size)}z`;
    whole.push(bar(0, count <= cut ? height : height - 10));
    if (count > cut) ends.push(bar(height - 10, 10));
  }
  const path = (shapes: readonly string[], more = ''): string =>
    shapes.length === 0 ? '' : `<path fill="${colour}"${more} d="${shapes.join('')}"/>`;
  return [path(whole), path(ends, ' fill-opacity="0.35"')];
}
