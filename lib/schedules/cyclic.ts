// Schedules that rise: warm-up, one cycle, triangles, and cosines that start again.

import { checkChoice, checkInteger, checkNumber, checkOptions } from '../errors.js';
import { keepNames } from '../names.js';
import { alongCosine, between, power } from './arithmetic.js';
import { Schedule, type ScheduleOptions } from './schedule.js';

/** Options of {@link LinearWarmup}. */
export interface LinearWarmupOptions extends ScheduleOptions {
  /** Epochs or steps until the peak. */
  length: number;
  /** The value at 0. Default 0. */
  initial?: number;
}

/**
 * From `initial` in a line to the peak, which it reaches at `length` and keeps (Goyal et al. 2017). Put another schedule behind it with
 * {@link SequentialSchedule}.
 *
 * @throws {@link ArgumentError} for a length that is no whole number of at least 1.
 * @example
 * ```ts
 * import { LinearWarmup } from 'nodegrad';
 * new LinearWarmup(0.4, { length: 5, initial: 0.1 }).at(1); // 0.16
 * ```
 */
export class LinearWarmup extends Schedule {
  /** The value from `length` on. */
  readonly peak: number;
  /** Epochs or steps until the peak. */
  readonly length: number;
  /** The value at 0. */
  readonly initial: number;

  constructor(peak: number, options: LinearWarmupOptions) {
    const { length, initial = 0, ...rest } = checkOptions<LinearWarmupOptions>(options, 'options', ['length', 'initial', 'per']);
    super(rest);
    this.peak = checkNumber(peak, 'peak');
    this.length = checkInteger(length, 'options.length', 1);
    this.initial = checkNumber(initial, 'options.initial');
  }

  at(t: number): number {
    return between(this.initial, this.peak, checkInteger(t, 't', 0) / this.length);
  }
}

/** Options of {@link OneCycle}. */
export interface OneCycleOptions extends ScheduleOptions {
  /** Epochs or steps of the whole cycle. */
  length: number;
  /** The value at 0. Default `peak/25`. */
  initial?: number;
  /** The value at the end. Default `initial/10000`. */
  final?: number;
  /** Share of the cycle that rises. Default 0.3. */
  rise?: number;
  /** Along half a cosine wave each, or in straight lines. Default `'cosine'`. */
  shape?: 'cosine' | 'linear';
}

/**
 * One cycle (Smith & Topin 2018): from `initial` to the peak, which is reached at `rise·length − 1`, and down to `final` at `length − 1`;
 * PyTorch's OneCycleLR. Momentum goes the other way: `momentum: new OneCycle(0.85, { length, initial: 0.95, final: 0.95 })`.
 *
 * @throws {@link ArgumentError} for a length below 2, or a `rise` outside of 0 … 1.
 * @example
 * ```ts
 * import { Linear, OneCycle, SGD } from 'nodegrad';
 * const cycle = { length: 1000, per: 'step' } as const;
 * new SGD(new Linear(2, 1), {
 *   lr: new OneCycle(0.5, cycle),
 *   momentum: new OneCycle(0.85, { ...cycle, initial: 0.95, final: 0.95 }),
 * });
 * ```
 */
export class OneCycle extends Schedule {
  /** The highest value, or for momentum the lowest. */
  readonly peak: number;
  /** Epochs or steps of the whole cycle. */
  readonly length: number;
  /** The value at 0. */
  readonly initial: number;
  /** The value at the end. */
  readonly final: number;
  /** Share of the cycle that rises. */
  readonly rise: number;
  /** How it goes between. */
  readonly shape: 'cosine' | 'linear';

  constructor(peak: number, options: OneCycleOptions) {
    const known = ['length', 'initial', 'final', 'rise', 'shape', 'per'];
    const { length, initial, final, rise = 0.3, shape = 'cosine', ...rest } = checkOptions<OneCycleOptions>(options, 'options', known);
    super(rest);
    this.peak = checkNumber(peak, 'peak');
    this.length = checkInteger(length, 'options.length', 2);
    this.initial = checkNumber(initial ?? this.peak / 25, 'options.initial');
    this.final = checkNumber(final ?? this.initial / 10_000, 'options.final');
    this.rise = checkNumber(rise, 'options.rise', 0, 1);
    this.shape = checkChoice(shape, 'options.shape', ['cosine', 'linear']);
  }

  at(t: number): number {
    const top = this.rise * this.length - 1;
    const along = this.shape === 'cosine' ? alongCosine : between;
    if (checkInteger(t, 't', 0) < top) return along(this.initial, this.peak, t / top);
    const rest = this.length - 1 - top;
    return along(this.peak, this.final, rest === 0 ? 1 : (t - top) / rest);
  }
}

/** Options of {@link TriangularCycle}. */
export interface TriangularCycleOptions extends ScheduleOptions {
  /** The value at the top. */
  high: number;
  /** Epochs or steps from the bottom to the top. Default 2000. */
  rise?: number;
  /** Epochs or steps from the top to the bottom. Default: as many as up. */
  fall?: number;
  /** What the height of each cycle is of the one before: 1 keeps it, 0.5 halves it (triangular2). Default 1. */
  shrink?: number;
}

/**
 * Up and down between two values in straight lines, again and again (Smith 2017): PyTorch's CyclicLR.
 *
 * @throws {@link ArgumentError} for a rise or fall that are no whole numbers of at least 1, or a shrink below 0.
 * @example
 * ```ts
 * import { TriangularCycle } from 'nodegrad';
 * new TriangularCycle(0.001, { high: 0.006, rise: 4, per: 'step' }).at(2); // 0.0035
 * ```
 */
export class TriangularCycle extends Schedule {
  /** The value at the bottom. */
  readonly low: number;
  /** The value at the top. */
  readonly high: number;
  /** Epochs or steps up. */
  readonly rise: number;
  /** Epochs or steps down. */
  readonly fall: number;
  /** What the height of each cycle is of the one before. */
  readonly shrink: number;

  constructor(low: number, options: TriangularCycleOptions) {
    const known = ['high', 'rise', 'fall', 'shrink', 'per'];
    const { high, rise = 2000, fall = rise, shrink = 1, ...rest } = checkOptions<TriangularCycleOptions>(options, 'options', known);
    super(rest);
    this.low = checkNumber(low, 'low');
    this.high = checkNumber(high, 'options.high');
    this.rise = checkInteger(rise, 'options.rise', 1);
    this.fall = checkInteger(fall, 'options.fall', 1);
    this.shrink = checkNumber(shrink, 'options.shrink', 0);
  }

  at(t: number): number {
    const length = this.rise + this.fall;
    const within = checkInteger(t, 't', 0) % length;
    const share = within <= this.rise ? within / this.rise : (length - within) / this.fall;
    return between(this.low, this.low + (this.high - this.low) * power(this.shrink, Math.floor(t / length)), share);
  }
}

/** Options of {@link CosineRestarts}. */
export interface CosineRestartsOptions extends ScheduleOptions {
  /** Epochs or steps of the first cycle. */
  length: number;
  /** What the length of each cycle is of the one before, a whole number. Default 1. */
  growth?: number;
  /** What each cycle falls to. Default 0. */
  final?: number;
}

/**
 * A cosine that falls from `initial` towards `final`, and starts again at `initial` (SGDR; Loshchilov & Hutter 2017): the schedule of
 * snapshot ensembles (Huang et al. 2017), which keep the weights of the end of each cycle, where `endsCycle(t)` is true. PyTorch's
 * CosineAnnealingWarmRestarts. Course row I08.
 *
 * @throws {@link ArgumentError} for a length or growth that are no whole numbers of at least 1.
 * @example
 * ```ts
 * import { CosineRestarts } from 'nodegrad';
 * const schedule = new CosineRestarts(0.1, { length: 10 });
 * schedule.at(20); // 0.1
 * schedule.endsCycle(19); // true
 * ```
 */
export class CosineRestarts extends Schedule {
  /** The value at the start of each cycle. */
  readonly initial: number;
  /** Epochs or steps of the first cycle. */
  readonly length: number;
  /** What the length of each cycle is of the one before. */
  readonly growth: number;
  /** What each cycle falls to. */
  readonly final: number;

  constructor(initial: number, options: CosineRestartsOptions) {
    const known = ['length', 'growth', 'final', 'per'];
    const { length, growth = 1, final = 0, ...rest } = checkOptions<CosineRestartsOptions>(options, 'options', known);
    super(rest);
    this.initial = checkNumber(initial, 'initial');
    this.length = checkInteger(length, 'options.length', 1);
    this.growth = checkInteger(growth, 'options.growth', 1);
    this.final = checkNumber(final, 'options.final');
  }

  at(t: number): number {
    const { begin, length } = this.#cycleOf(t);
    return alongCosine(this.initial, this.final, (t - begin) / length);
  }

  /** Whether t is the last of its cycle: the moment of a snapshot. */
  endsCycle(t: number): boolean {
    const { begin, length } = this.#cycleOf(t);
    return t === begin + length - 1;
  }

  #cycleOf(t: number): { begin: number; length: number } {
    checkInteger(t, 't', 0);
    if (this.growth === 1) return { begin: t - (t % this.length), length: this.length };
    let [begin, length] = [0, this.length];
    while (t >= begin + length) {
      begin += length;
      length *= this.growth;
    }
    return { begin, length };
  }
}

keepNames({ LinearWarmup, OneCycle, TriangularCycle, CosineRestarts });
