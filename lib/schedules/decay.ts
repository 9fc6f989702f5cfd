// Schedules that fall: exponential, 1/t, in steps, by a table, along a polynomial, along a cosine.

import { ArgumentError, checkInteger, checkList, checkNumber, checkOptions, expected } from '../errors.js';
import { keepNames } from '../names.js';
import { exp } from '../ops/elementwise.js';
import { Tensor } from '../tensor.js';
import { alongCosine, between, power } from './arithmetic.js';
import { Schedule, type ScheduleOptions } from './schedule.js';

/** Options of {@link ExponentialDecay}: `k` or `factor`. */
export interface ExponentialDecayOptions extends ScheduleOptions {
  /** The course's k: `initial·e^(−k·t)`. */
  k?: number;
  /** What each epoch or step multiplies by, `e^(−k)`. */
  factor?: number;
}

/**
 * `initial·e^(−k·t)`, or `initial·factor^t`. PyTorch's ExponentialLR has `factor` as gamma; Keras divides t by `decay_steps`. Course row I01.
 *
 * @throws {@link ArgumentError} unless exactly one of the two is given, at least 0.
 * @example
 * ```ts
 * import { ExponentialDecay } from 'nodegrad';
 * new ExponentialDecay(0.1, { k: 0.1 }).at(10); // 0.0367879…
 * ```
 */
export class ExponentialDecay extends Schedule {
  /** The value at 0. */
  readonly initial: number;
  /** What each epoch or step multiplies by. */
  readonly factor: number;

  constructor(initial: number, options: ExponentialDecayOptions) {
    const { k, factor, ...rest } = checkOptions<ExponentialDecayOptions>(options, 'options', ['k', 'factor', 'per']);
    super(rest);
    this.initial = checkNumber(initial, 'initial');
    if ((k === undefined) === (factor === undefined)) throw new ArgumentError('ExponentialDecay takes either `k` or `factor`');
    this.factor =
      k === undefined ? checkNumber(factor, 'options.factor', 0) : exp(Tensor.from(Float64Array.of(-checkNumber(k, 'options.k', 0)))).item();
  }

  at(t: number): number {
    return this.initial * power(this.factor, checkInteger(t, 't', 0));
  }
}

/** Options of {@link InverseTimeDecay}. */
export interface InverseTimeDecayOptions extends ScheduleOptions {
  /** How fast it falls. */
  k: number;
}

/**
 * `initial / (1 + k·t)`: 1/t decay. Per step and with `k` it is also the `lr_decay` of PyTorch's Adagrad. Course row I02.
 *
 * @throws {@link ArgumentError} for a k below 0.
 * @example
 * ```ts
 * import { InverseTimeDecay } from 'nodegrad';
 * new InverseTimeDecay(0.1, { k: 0.1 }).at(10); // 0.05
 * ```
 */
export class InverseTimeDecay extends Schedule {
  /** The value at 0. */
  readonly initial: number;
  /** How fast it falls. */
  readonly k: number;

  constructor(initial: number, options: InverseTimeDecayOptions) {
    const { k, ...rest } = checkOptions<InverseTimeDecayOptions>(options, 'options', ['k', 'per']);
    super(rest);
    this.initial = checkNumber(initial, 'initial');
    this.k = checkNumber(k, 'options.k', 0);
  }

  at(t: number): number {
    return this.initial / (1 + this.k * checkInteger(t, 't', 0));
  }
}

/** Options of {@link StepDecay}. */
export interface StepDecayOptions extends ScheduleOptions {
  /** Epochs or steps between two cuts. */
  every: number;
  /** What each cut multiplies by. Default 0.1. */
  factor?: number;
}

/**
 * Multiplied by `factor` every so many epochs or steps: PyTorch's StepLR. Course row I03.
 *
 * @throws {@link ArgumentError} for an `every` below 1 or a factor below 0.
 * @example
 * ```ts
 * import { StepDecay } from 'nodegrad';
 * new StepDecay(0.1, { every: 10, factor: 0.5 }).at(25); // 0.025
 * ```
 */
export class StepDecay extends Schedule {
  /** The value at 0. */
  readonly initial: number;
  /** Epochs or steps between two cuts. */
  readonly every: number;
  /** What each cut multiplies by. */
  readonly factor: number;

  constructor(initial: number, options: StepDecayOptions) {
    const { every, factor = 0.1, ...rest } = checkOptions<StepDecayOptions>(options, 'options', ['every', 'factor', 'per']);
    super(rest);
    this.initial = checkNumber(initial, 'initial');
    this.every = checkInteger(every, 'options.every', 1);
    this.factor = checkNumber(factor, 'options.factor', 0);
  }

  at(t: number): number {
    return this.initial * power(this.factor, Math.floor(checkInteger(t, 't', 0) / this.every));
  }
}

/** Options of {@link MultiStepDecay}. */
export interface MultiStepDecayOptions extends ScheduleOptions {
  /** Where the value is cut, in ascending order. */
  milestones: readonly number[];
  /** What each cut multiplies by. Default 0.1. */
  factor?: number;
}

/**
 * Multiplied by `factor` at each milestone: `initial·factor^(milestones at or before t)`, PyTorch's MultiStepLR.
 *
 * @throws {@link ArgumentError} for milestones that are not whole numbers of at least 0 in ascending order, or a factor below 0.
 * @example
 * ```ts
 * import { MultiStepDecay } from 'nodegrad';
 * new MultiStepDecay(0.1, { milestones: [60, 120, 160], factor: 0.2 }).at(130); // 0.004
 * ```
 */
export class MultiStepDecay extends Schedule {
  /** The value at 0. */
  readonly initial: number;
  /** Where the value is cut. */
  readonly milestones: readonly number[];
  /** What each cut multiplies by. */
  readonly factor: number;

  constructor(initial: number, options: MultiStepDecayOptions) {
    const { milestones, factor = 0.1, ...rest } = checkOptions<MultiStepDecayOptions>(options, 'options', ['milestones', 'factor', 'per']);
    super(rest);
    this.initial = checkNumber(initial, 'initial');
    let last = 0;
    const list = Array.from(checkList<number>(milestones, 'options.milestones', 'an array of epochs or steps'), (at, i) => {
      last = checkInteger(at, `options.milestones[${i}]`, last);
      return last;
    });
    this.milestones = Object.freeze(list);
    this.factor = checkNumber(factor, 'options.factor', 0);
  }

  at(t: number): number {
    checkInteger(t, 't', 0);
    return this.initial * power(this.factor, this.milestones.filter((milestone) => milestone <= t).length);
  }
}

/**
 * Values set by hand: each holds from its t on. Course row I05.
 *
 * @throws {@link ArgumentError} for a table without a value at 0, or with what is no whole number or no number in it.
 * @example
 * ```ts
 * import { PiecewiseConstant } from 'nodegrad';
 * new PiecewiseConstant({ 0: 0.1, 30: 0.01, 60: 0.001 }).at(45); // 0.01
 * ```
 */
export class PiecewiseConstant extends Schedule {
  /** Where each value begins, and the value. */
  readonly table: readonly (readonly [number, number])[];

  constructor(table: Readonly<Record<number, number>>, options: ScheduleOptions = {}) {
    super(checkOptions<ScheduleOptions>(options, 'options', ['per']));
    if (typeof table !== 'object' || table === null)
      throw new ArgumentError(expected('an object such as { 0: 0.1, 30: 0.01 }', 'table', table));
    const rows = Object.entries(table).map(
      ([at, value]) => [checkInteger(Number(at), `table, key '${at}'`, 0), checkNumber(value, `table[${at}]`)] as const,
    );
    rows.sort(([a], [b]) => a - b);
    if (rows[0]?.[0] !== 0) throw new ArgumentError(expected('a value at 0', 'table', table));
    this.table = Object.freeze(rows);
  }

  at(t: number): number {
    checkInteger(t, 't', 0);
    return (this.table.findLast(([from]) => from <= t) as readonly [number, number])[1];
  }
}

/** Options of {@link PolynomialDecay} and {@link CosineDecay}. */
export interface FiniteDecayOptions extends ScheduleOptions {
  /** Epochs or steps until the end. */
  length: number;
  /** The value at the end and from then on. Default 0. */
  final?: number;
}

/** Options of {@link PolynomialDecay}. */
export interface PolynomialDecayOptions extends FiniteDecayOptions {
  /** Degree, a whole number; 1 is a straight line. Default 1. */
  power?: number;
}

/**
 * `final + (initial − final)·(1 − t/length)^power`, and `final` from `length` on. With the default power it falls in a line. PyTorch's
 * PolynomialLR ends at 0; Keras's PolynomialDecay ends at 1e-4 unless told otherwise.
 *
 * @throws {@link ArgumentError} for a length or a power that are not whole numbers of at least 1.
 * @example
 * ```ts
 * import { PolynomialDecay } from 'nodegrad';
 * new PolynomialDecay(0.1, { length: 40 }).at(10); // 0.075
 * ```
 */
export class PolynomialDecay extends Schedule {
  /** The value at 0. */
  readonly initial: number;
  /** Epochs or steps until the end. */
  readonly length: number;
  /** The value at the end. */
  readonly final: number;
  /** Degree. */
  readonly power: number;

  constructor(initial: number, options: PolynomialDecayOptions) {
    const known = ['length', 'final', 'power', 'per'];
    const { length, final = 0, power: degree = 1, ...rest } = checkOptions<PolynomialDecayOptions>(options, 'options', known);
    super(rest);
    this.initial = checkNumber(initial, 'initial');
    this.length = checkInteger(length, 'options.length', 1);
    this.final = checkNumber(final, 'options.final');
    this.power = checkInteger(degree, 'options.power', 1);
  }

  at(t: number): number {
    return between(this.final, this.initial, power(Math.max(0, 1 - checkInteger(t, 't', 0) / this.length), this.power));
  }
}

/**
 * `final + (initial − final)·(1 + cos(π·t/length))/2`, and `final` from `length` on (Loshchilov & Hutter 2017, without restarts). PyTorch's
 * CosineAnnealingLR climbs again behind `T_max`; this one stays.
 *
 * @throws {@link ArgumentError} for a length that is no whole number of at least 1.
 * @example
 * ```ts
 * import { CosineDecay } from 'nodegrad';
 * new CosineDecay(0.1, { length: 200 }).at(100); // 0.05
 * ```
 */
export class CosineDecay extends Schedule {
  /** The value at 0. */
  readonly initial: number;
  /** Epochs or steps until the end. */
  readonly length: number;
  /** The value at the end. */
  readonly final: number;

  constructor(initial: number, options: FiniteDecayOptions) {
    const { length, final = 0, ...rest } = checkOptions<FiniteDecayOptions>(options, 'options', ['length', 'final', 'per']);
    super(rest);
    this.initial = checkNumber(initial, 'initial');
    this.length = checkInteger(length, 'options.length', 1);
    this.final = checkNumber(final, 'options.final');
  }

  at(t: number): number {
    return alongCosine(this.initial, this.final, checkInteger(t, 't', 0) / this.length);
  }
}

keepNames({ ExponentialDecay, InverseTimeDecay, StepDecay, MultiStepDecay, PiecewiseConstant, PolynomialDecay, CosineDecay });
