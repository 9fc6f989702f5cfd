// Curves of losses: kept in a bounded number of points, and told apart by their shapes as the course draws them.

import { ArgumentError, expected } from '../errors.js';

/** The shapes of a loss curve. Course rows J15–J19. */
export type CurveShape = 'exploding' | 'flat' | 'plateau' | 'good' | 'late' | 'unclear';

/** Thresholds of {@link classifyLossCurve}. */
export const curveThresholds = Object.freeze({
  /** A loss above this many times the first has exploded. */
  exploded: 3,
  /** A curve that falls by less than this share of its first loss is flat. */
  flat: 0.01,
  /** Of a fall, the share that comes in the first third of a curve which then stays. */
  steep: 0.85,
  /** What a curve that stays may still fall from one point to the next, by its whole fall. */
  rest: 0.05,
  /** The share of a curve that is flat before a late fall. */
  late: 0.4,
});

/**
 * The shape of a loss curve: `'exploding'` (the rate is too high), `'flat'` (too low), `'plateau'` (a steep fall, then nothing: probably too
 * high), `'good'` (steep, and still falling), `'late'` (flat, then falling: the first weights were poor), `'unclear'` for anything else and
 * for fewer than three losses. Course rows J15–J20.
 *
 * @param losses - By step or by epoch.
 * @throws {@link ArgumentError} for anything but an array of numbers.
 * @example
 * ```ts
 * import { classifyLossCurve } from 'nodegrad';
 * classifyLossCurve([2.3, 2.299, 2.298]); // 'flat'
 * ```
 */
export function classifyLossCurve(losses: readonly number[]): CurveShape {
  if (!Array.isArray(losses) || losses.some((loss) => typeof loss !== 'number'))
    throw new ArgumentError(expected('an array of losses', 'losses', losses));
  const { exploded, flat, steep, rest, late } = curveThresholds;
  const [first] = losses;
  if (losses.some((loss) => !Number.isFinite(loss) || loss > exploded * Math.abs(first) * (1 + 1e-12))) return 'exploding';
  if (losses.length < 3) return 'unclear';
  const last = losses[losses.length - 1];
  const fall = first - last;
  const size = Math.max(Math.abs(first), Number.MIN_VALUE);
  if (Math.max(...losses) - Math.min(...losses) < flat * size) return 'flat';
  if (fall <= flat * size) return 'unclear';
  const third = Math.max(1, Math.floor(losses.length / 3));
  const until = losses.findIndex((loss) => loss < first - 2 * flat * size);
  if (until - 1 >= late * (losses.length - 1) && until - 1 >= 2) return 'late';
  const lastStep = losses[losses.length - 2] - last;
  const early = (first - losses[third]) / fall;
  if (losses.length >= 4 && early >= steep && Math.abs(lastStep) <= rest * fall) return 'plateau';
  return lastStep > 0 ? 'good' : 'unclear';
}

/**
 * Verdict on the scores of training and validation, where higher is better: a wide gap is overfitting, which more regularization or more
 * data help; no gap at a low score is underfitting, which more capacity helps. Course rows J22, J23.
 *
 * @param training - Score of training, such as accuracy, 0 to 1.
 * @param validation - The same of validation.
 * @param chance - Score of a model that knows nothing; default 0.5.
 * @throws {@link ArgumentError} for anything but numbers.
 * @example
 * ```ts
 * import { judgeGap } from 'nodegrad';
 * judgeGap(0.98, 0.6); // 'overfitting'
 * ```
 */
export function judgeGap(training: number, validation: number, chance = 0.5): 'overfitting' | 'underfitting' | 'good' {
  for (const [argument, value] of Object.entries({ training, validation, chance }))
    if (typeof value !== 'number') throw new ArgumentError(expected('a number', argument, value));
  if (training - validation > gapThresholds.wide) return 'overfitting';
  return training - chance < gapThresholds.aboveChance * (1 - chance) ? 'underfitting' : 'good';
}

/** Thresholds of {@link judgeGap}. */
export const gapThresholds = Object.freeze({
  /** A gap of accuracies above this is wide. */
  wide: 0.2,
  /** A score nearer to chance than this share of the way to 1 is low. */
  aboveChance: 0.2,
});

/** A batch that is smaller than this share of the others is not compared with them by itself. */
export const tellingShare = 0.5;

/** How large the batch of a step is beside the others: the last one of an epoch may have a few examples. */
export function shareOf(
  step: number,
  {
    stepsPerEpoch,
    batchSize,
    data,
  }: { readonly stepsPerEpoch: number; readonly batchSize: number; readonly data: { readonly length: number } },
): number {
  const rest = data.length - (stepsPerEpoch - 1) * batchSize;
  return stepsPerEpoch > 1 && step % stepsPerEpoch === 0 && rest > 0 && rest < batchSize ? rest / batchSize : 1;
}

/** Most points of a {@link LossCurve}. */
const mostPoints = 512;

/** A {@link LossCurve} as plain data. */
export interface LossCurveState {
  /** Means of whole blocks. */
  readonly points: readonly number[];
  /** Steps of a block. */
  readonly block: number;
  /** Sum of the losses of the block in progress, each by the share of its batch. */
  readonly sum: number;
  /** Steps of the block in progress, a smaller batch as a part of one. */
  readonly count: number;
  /** Loss of the first step, largest and least of any. */
  readonly bounds: readonly [first: number, highest: number, lowest: number];
}

/** The losses of a run by step, as means over blocks of steps that grow with the run. */
export class LossCurve {
  readonly #points: number[] = [];
  #block = 1;
  #sum = 0;
  #count = 0;
  /** Loss of the first step; NaN before it. */
  first = Number.NaN;
  /** Largest loss of any step. */
  highest = Number.NEGATIVE_INFINITY;
  /** Least loss of any step. */
  lowest = Number.POSITIVE_INFINITY;

  /** Takes in a step; `share` says how large its batch is beside the others: the loss of a few left over says little. */
  add(loss: number, share = 1): void {
    if (Number.isNaN(this.first)) this.first = loss;
    if (loss > this.highest && (share >= tellingShare || loss === Number.POSITIVE_INFINITY)) this.highest = loss;
    if (loss < this.lowest) this.lowest = loss;
    this.#sum += loss * share;
    this.#count += share;
    if (this.#count < this.#block) return;
    this.#points.push(this.#sum / this.#count);
    this.#sum = 0;
    this.#count = 0;
    if (this.#points.length < mostPoints) return;
    for (let i = 0; i < mostPoints / 2; i++) this.#points[i] = (this.#points[2 * i] + this.#points[2 * i + 1]) / 2;
    this.#points.length = mostPoints / 2;
    this.#block *= 2;
  }

  /** The curve as plain data. */
  stateDict(): LossCurveState {
    return {
      points: [...this.#points],
      block: this.#block,
      sum: this.#sum,
      count: this.#count,
      bounds: [this.first, this.highest, this.lowest],
    };
  }

  /** The curve of which that was taken. */
  static from({ points, block, sum, count, bounds }: LossCurveState): LossCurve {
    const curve = new LossCurve();
    curve.#points.push(...points);
    [curve.#block, curve.#sum, curve.#count] = [block, sum, count];
    [curve.first, curve.highest, curve.lowest] = bounds;
    return curve;
  }

  /** Means of whole blocks, first to last. */
  get points(): readonly number[] {
    return this.#points;
  }

  /** The curve in at most `count` points, each a mean over about as many steps. */
  means(count: number): number[] {
    const { length } = this.#points;
    const parts = Math.min(count, length);
    const at = (part: number): number => Math.floor((part * length) / parts);
    return Array.from({ length: parts }, (_, i) => meanOf(this.#points.slice(at(i), at(i + 1))));
  }

  /** Mean of the last tenth, of at least one point. */
  get latest(): number {
    return meanOf(this.#points.slice(-Math.max(1, Math.floor(this.#points.length / 10))));
  }
}

export const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);

/** Standard deviation. */
export function deviationOf(values: readonly number[]): number {
  const mean = meanOf(values);
  return Math.sqrt(meanOf(values.map((value) => (value - mean) * (value - mean))));
}
