// What an observed step saw: numbers by layer and by parameter, and a picture of them for a terminal.

import { ArgumentError, checkInteger, checkNumber, checkOptions, expected } from '../errors.js';
import { statisticsEdges } from '../ops/statistics.js';

/** The elements of a tensor in numbers. All but `nonFinite` and `zeros` are about the finite ones; NaN where there is none. */
export interface Distribution {
  /** Mean. */
  readonly mean: number;
  /** Standard deviation of the population. */
  readonly std: number;
  /** Least element. */
  readonly min: number;
  /** Largest element. */
  readonly max: number;
  /** Share of elements that are exactly zero, 0 to 1. */
  readonly zeros: number;
  /** How many elements are NaN or infinite. */
  readonly nonFinite: number;
  /** Counts by {@link histogramEdges}; {@link linearHistogram} makes bins of equal width of them. */
  readonly histogram: readonly number[];
}

/**
 * The output of a layer in one step. Course rows C27, J27.
 *
 * Healthy activations keep a standard deviation of about the same size from layer to layer: one that falls towards 0 means first weights that
 * are too small, one that grows means too large ones; tanh and sigmoid outputs that crowd at their ends are saturated. A ReLU layer has
 * about half zeros; far more in step after step may be dead units, which {@link deadUnits} tells apart (rows A19, J26).
 */
export interface LayerObservation extends Distribution {
  /** Path in the model. */
  readonly path: string;
  /** Class of the layer. */
  readonly type: string;
  /** Shape of the output. */
  readonly shape: readonly number[];
}

/**
 * A parameter in one step. Course rows J24, J25.
 *
 * The ratio of update to weights is to be about 1e-3: {@link judgeUpdateRatio} says when it is far off; a learning rate that is too low or
 * too high shows here first.
 */
export interface ParameterObservation {
  /** Path in the model. */
  readonly path: string;
  /** Shape. */
  readonly shape: readonly number[];
  /** Root of the sum of squares, before the update. */
  readonly weightNorm: number;
  /** The same of the gradient, before clipping; not finite when an element is not. */
  readonly gradientNorm: number;
  /** The same of what the update changed. */
  readonly updateNorm: number;
  /** `updateNorm / weightNorm`: infinite for a bias that begins at zero. */
  readonly updateRatio: number;
  /** How many elements of the gradient are NaN or infinite. */
  readonly gradientNonFinite: number;
}

/** What an observed step saw; see {@link observed}. */
export interface Observation {
  /** The step. */
  readonly step: number;
  /** Layers, in the order of their forwards. */
  readonly layers: readonly LayerObservation[];
  /** Parameters that were updated. */
  readonly parameters: readonly ParameterObservation[];
}

/**
 * Ends of the 256 bins of {@link Distribution.histogram}: each octave of magnitudes from 2⁻²⁴ to 2⁸ has four bins, of either sign. Smaller
 * magnitudes are in the two bins beside 0, larger ones in the outermost two. Fixed, so that one pass over the data suffices, and fine
 * enough for activations near 1 and gradients near 1e-7 alike.
 */
export const histogramEdges: readonly number[] = statisticsEdges;

/** Options of {@link linearHistogram}. */
export interface LinearHistogramOptions {
  /** How many bins of equal width. Default 30. */
  bins?: number;
  /** Lower and upper end. Default: the least and the largest element. */
  range?: readonly [number, number];
}

/**
 * A histogram with bins of equal width, as the course draws it (row C27: 30 bins over (−1, 1)), from the one of a {@link Distribution}. A
 * bin that spans several shares its count among them by width, so the counts are no whole numbers; their sum is exact.
 *
 * @throws {@link ArgumentError} for anything but a distribution, or a range that does not grow.
 * @example
 * ```ts
 * import { type LayerObservation, linearHistogram } from 'nodegrad';
 * const draw = (layer: LayerObservation) => linearHistogram(layer, { bins: 30, range: [-1, 1] });
 * ```
 */
export function linearHistogram(distribution: Distribution, options: LinearHistogramOptions = {}): number[] {
  const { histogram, min, max } = checkDistribution(distribution, 'distribution');
  checkOptions(options, 'options', ['bins', 'range']);
  const bins = checkInteger(options.bins ?? 30, 'options.bins', 1, 1 << 16);
  const range: unknown = options.range ?? [min, max];
  if (!Array.isArray(range) || range.length !== 2) throw new ArgumentError(expected('a pair [low, high]', 'options.range', range));
  if (options.range !== undefined && !(checkNumber(range[0], 'options.range[0]') < checkNumber(range[1], 'options.range[1]')))
    throw new ArgumentError(`expected \`options.range\` to grow, received [${range[0]}, ${range[1]}]`);
  const [low, high] = range as [number, number];
  const counts = new Array<number>(bins).fill(0);
  const width = (high - low) / bins;
  histogram.forEach((count, i) => {
    if (count === 0) return;
    // No element lies beyond the ends.
    const from = Math.max(histogramEdges[i], min);
    const to = Math.min(histogramEdges[i + 1], max);
    if (!(to > from) || !(width > 0)) {
      // One value, or a sliver at an end.
      if (from >= low && from <= high) counts[width > 0 ? Math.min(bins - 1, Math.floor((from - low) / width)) : bins >> 1] += count;
      return;
    }
    const last = Math.min(bins - 1, Math.floor((to - low) / width));
    for (let bin = Math.max(0, Math.floor((from - low) / width)); bin <= last; bin++) {
      const overlap = Math.min(to, low + (bin + 1) * width) - Math.max(from, low + bin * width);
      counts[bin] += (count * Math.max(0, overlap)) / (to - from);
    }
  });
  return counts;
}

/**
 * A table of an observation for people: layers with mean, standard deviation, share of zeros and a small histogram from the least to the
 * largest output; parameters with the norms of weights and gradients, and the ratio of update to weights.
 *
 * @throws {@link ArgumentError} for anything but an observation.
 * @example
 * ```ts
 * import { type Observation, describeObservation } from 'nodegrad';
 * const onObserve = (observation: Observation) => console.log(describeObservation(observation));
 * ```
 */
export function describeObservation(observation: Observation): string {
  const { step, layers, parameters } = checkObservation(observation);
  const layerRows = layers.map((layer) => [
    layer.path,
    layer.type,
    layer.shape.join('×'),
    short(layer.mean),
    short(layer.std),
    `${(100 * layer.zeros).toFixed(1)} %`,
    ...spread(layer),
  ]);
  const parameterRows = parameters.map(({ path, shape, weightNorm, gradientNorm, updateNorm, updateRatio, gradientNonFinite }) => [
    path,
    shape.join('×'),
    short(weightNorm),
    short(gradientNorm),
    short(updateNorm),
    Number.isFinite(updateRatio) ? updateRatio.toExponential(1) : '–',
    ...(gradientNonFinite > 0 ? [`${gradientNonFinite} not finite`] : []),
  ]);
  return [
    `step ${step}`,
    ...table(3, [['layer', '', 'output', 'mean', 'std', 'zeros', 'least', '', 'largest'], ...layerRows]),
    '',
    ...table(2, [['parameter', 'shape', 'weights', 'gradient', 'update', 'update/weights'], ...parameterRows]),
  ].join('\n');
}

const blocks = '▁▂▃▄▅▆▇█';

// Least element, a histogram of twenty bins, largest element.
function spread(distribution: Distribution): string[] {
  const { min, max, nonFinite } = distribution;
  const counts = linearHistogram(distribution, { bins: 20 });
  const most = Math.max(...counts);
  const bars = counts.map((count) => (count > 0 ? blocks[Math.min(7, Math.floor((8 * count) / most))] : ' ')).join('');
  return [short(min), bars, short(max), ...(nonFinite > 0 ? [`${nonFinite} not finite`] : [])];
}

function short(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? '–' : String(value);
  const size = Math.abs(value);
  return size === 0 || (size >= 1e-3 && size < 1e5) ? String(Number(value.toPrecision(3))) : value.toExponential(1);
}

// The first columns are names and stand left, the others are numbers and stand right.
function table(names: number, rows: string[][]): string[] {
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, c) => Math.max(...rows.map((row) => row[c]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, c) => (c < names ? cell.padEnd(widths[c]) : cell.padStart(widths[c])))
      .join('  ')
      .trimEnd(),
  );
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
const areNumbers = (value: Record<string, unknown>, names: readonly string[]): boolean =>
  names.every((name) => typeof value[name] === 'number');
const isShape = (value: unknown): boolean => Array.isArray(value) && value.length <= 64 && value.every((one) => typeof one === 'number');

function isDistribution(value: unknown): value is Distribution {
  if (!isObject(value) || !areNumbers(value, ['mean', 'std', 'min', 'max', 'zeros', 'nonFinite'])) return false;
  const { histogram } = value;
  return Array.isArray(histogram) && histogram.length === 256 && Array.from(histogram).every((count) => typeof count === 'number');
}

function checkDistribution(value: unknown, argument: string): Distribution {
  if (!isDistribution(value)) throw new ArgumentError(expected('a distribution of an observation', argument, value));
  return value;
}

function checkObservation(value: unknown): Observation {
  const list = (items: unknown, fits: (item: Record<string, unknown>) => boolean): boolean =>
    Array.isArray(items) &&
    items.length < 2 ** 20 &&
    Array.from(items).every((item) => isObject(item) && typeof item['path'] === 'string' && isShape(item['shape']) && fits(item));
  const fits =
    isObject(value) &&
    typeof value['step'] === 'number' &&
    list(value['layers'], (layer) => typeof layer['type'] === 'string' && isDistribution(layer)) &&
    list(value['parameters'], (one) => areNumbers(one, ['weightNorm', 'gradientNorm', 'updateNorm', 'updateRatio', 'gradientNonFinite']));
  if (!fits) throw new ArgumentError(expected('what decodeObservation() gives', 'observation', value));
  return value as unknown as Observation;
}
