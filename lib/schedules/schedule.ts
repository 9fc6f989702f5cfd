// Learning-rate schedules: a factor on each group's base rate as a function of the epoch (or of whatever `step` counts).

import { ours } from '../foreign.js';
import { ArgumentError, checkInteger, checkList, checkNumber, checkOptions, expected } from '../errors.js';
import { exp } from '../ops/elementwise.js';
import { perStep } from '../ops/emit.js';
import { beforeFirstStep } from '../optimizers/first.js';
import { Optimizer } from '../optimizers/optimizer.js';
import { makes, refuseInStep } from '../recording.js';
import { Tensor } from '../tensor.js';
import { keepNames } from '../names.js';

/** What `stateDict` of a schedule gives. */
export interface ScheduleState {
  /** Steps taken. */
  epoch: number;
  /** Base learning rate by group. */
  baseRates: number[];
}

/**
 * Base class of schedules: `step()` after each epoch sets `lr = base·factor(epoch)` in every group. `factor(0)` holds from the optimizer's
 * first step on, and from the beginning of `fit`; a rate that was set by hand before stays until the next `step()`.
 *
 * @example
 * ```ts
 * import { Schedule } from 'nodegrad';
 * class WarmUp extends Schedule {
 *   factor(epoch: number): number {
 *     return Math.min(1, (epoch + 1) / 5);
 *   }
 * }
 * ```
 */
export abstract class Schedule {
  /** The optimizer whose rates are set. */
  readonly optimizer: Optimizer;
  #epoch = 0;
  #begun = false;
  #baseRates: number[];

  // biome-ignore lint/suspicious/noExplicitAny: options of the optimizer do not matter here.
  constructor(optimizer: Optimizer<any>) {
    if (!(optimizer instanceof Optimizer)) throw new ArgumentError(expected('an optimizer', 'optimizer', optimizer));
    makes(this, 'a schedule');
    this.optimizer = optimizer as Optimizer;
    this.#baseRates = this.optimizer.groups.map((group) => group.options.lr);
    // Not now: factor() may need fields that a subclass sets when this constructor is done.
    beforeFirstStep(this.optimizer, this, () => this.#begin());
  }

  // Sets the rates of epoch 0, unless a step, a state or a hand has set others.
  #begin(): void {
    if (this.#begun) return;
    const factor = this.factor(0);
    this.#begun = true;
    if (this.optimizer.groups.every(({ options }, i) => options.lr === this.#baseRates[i])) this.#setRates(factor);
  }

  /** What the base rate is multiplied by at `epoch`, which counts from 0. */
  abstract factor(epoch: number): number;

  /** Epochs gone by. */
  get epoch(): number {
    refuseInStep('`schedule.epoch` was read', 'Pass the number to the step as an argument, or read it afterwards');
    return this.#epoch;
  }

  /** Goes on to the next epoch and sets the rates. Inside {@link compileStep} it does so in every step, at its place among the updates. */
  step(): void {
    perStep({
      advance: () => {
        this.#epoch += 1;
        this.#apply();
      },
      mark: () => {
        const epoch = this.#epoch;
        const rates = this.optimizer.groups.map(({ options }) => options.lr);
        return () => {
          this.#epoch = epoch;
          this.optimizer.groups.forEach(({ options }, i) => {
            options.lr = rates[i];
          });
        };
      },
      discount: () => {
        this.#epoch -= 1;
        this.#apply();
      },
    });
  }

  #apply(): void {
    this.#begun = true;
    this.#setRates(this.factor(this.#epoch));
  }

  #setRates(factor: number): void {
    this.optimizer.groups.forEach((group, i) => {
      group.options.lr = this.#baseRates[i] * factor;
    });
  }

  /** Where the schedule stands. */
  stateDict(): ScheduleState {
    refuseInStep('the state of a schedule was taken', 'Take it between two steps');
    return { epoch: this.#epoch, baseRates: [...this.#baseRates] };
  }

  /** Continues where `stateDict` was taken. */
  loadStateDict(state: ScheduleState): void {
    refuseInStep('the state of a schedule was loaded', 'Load it between two steps');
    if (typeof state !== 'object' || state === null || !Array.isArray(state.baseRates) || state.baseRates.length !== this.#baseRates.length) {
      throw new ArgumentError(expected(`the state of a schedule over ${this.#baseRates.length} groups`, 'state', state));
    }
    const epoch = checkInteger(state.epoch, 'state.epoch', 0);
    this.#baseRates = state.baseRates.map((rate, i) => checkNumber(rate, `state.baseRates[${i}]`, 0));
    this.#epoch = epoch;
    this.#apply();
  }
}

/** `base^exponent` by repeated squaring: the same bits in every engine, and as fast for any epoch. */
function power(base: number, exponent: number): number {
  let result = 1;
  for (let square = base, rest = exponent; rest > 0; rest = Math.floor(rest / 2), square *= square) if (rest % 2 === 1) result *= square;
  return result;
}

/**
 * The base rate for ever.
 *
 * @example
 * ```ts
 * import { ConstantLR, Linear, SGD } from 'nodegrad';
 * new ConstantLR(new SGD(new Linear(2, 1), { lr: 0.1 }));
 * ```
 */
export class ConstantLR extends Schedule {
  factor(): number {
    return 1;
  }
}

/** Options of {@link StepLR}. */
export interface StepLROptions {
  /** Epochs between two cuts. */
  stepSize: number;
  /** Factor of each cut. Default 0.1. */
  gamma?: number;
}

/**
 * Multiplies the rate by `gamma` every `stepSize` epochs. Course row I03.
 *
 * @example
 * ```ts
 * import { Linear, SGD, StepLR } from 'nodegrad';
 * const schedule = new StepLR(new SGD(new Linear(2, 1), { lr: 0.1 }), { stepSize: 10, gamma: 0.5 });
 * schedule.factor(25); // 0.25
 * ```
 */
export class StepLR extends Schedule {
  /** Epochs between two cuts. */
  readonly stepSize: number;
  /** Factor of each cut. */
  readonly gamma: number;

  // biome-ignore lint/suspicious/noExplicitAny: see Schedule.
  constructor(optimizer: Optimizer<any>, options: StepLROptions) {
    super(optimizer);
    const { stepSize, gamma = 0.1 } = checkOptions<Partial<StepLROptions>>(options, 'options', ['stepSize', 'gamma']);
    this.stepSize = checkInteger(stepSize, 'stepSize', 1);
    this.gamma = checkNumber(gamma, 'gamma', 0);
  }

  factor(epoch: number): number {
    return power(this.gamma, Math.floor(checkInteger(epoch, 'epoch', 0) / this.stepSize));
  }
}

/** Options of {@link MultiStepLR}. */
export interface MultiStepLROptions {
  /** Epochs at which the rate is cut, in ascending order. */
  milestones: readonly number[];
  /** Factor of each cut. Default 0.1. */
  gamma?: number;
}

/**
 * Multiplies the rate by `gamma` at each of the given epochs: `lr = base·gamma^(milestones at or before the epoch)`. Course row I05.
 *
 * @throws {@link ArgumentError} for milestones that are not whole numbers of at least 0 in ascending order, or a gamma below 0.
 * @example
 * ```ts
 * import { Linear, MultiStepLR, SGD } from 'nodegrad';
 * const schedule = new MultiStepLR(new SGD(new Linear(2, 1), { lr: 0.1 }), { milestones: [60, 120, 160], gamma: 0.2 });
 * schedule.factor(130); // 0.04
 * ```
 */
export class MultiStepLR extends Schedule {
  /** Epochs of the cuts. */
  readonly milestones: readonly number[];
  /** Factor of each cut. */
  readonly gamma: number;

  // biome-ignore lint/suspicious/noExplicitAny: see Schedule.
  constructor(optimizer: Optimizer<any>, options: MultiStepLROptions) {
    super(optimizer);
    const { milestones, gamma = 0.1 } = checkOptions<Partial<MultiStepLROptions>>(options, 'options', ['milestones', 'gamma']);
    let last = 0;
    this.milestones = Array.from(checkList<number>(milestones, 'milestones', 'an array of epochs'), (epoch, i) => {
      last = checkInteger(epoch, `milestones[${i}]`, last);
      return last;
    });
    this.gamma = checkNumber(gamma, 'gamma', 0);
  }

  factor(epoch: number): number {
    checkInteger(epoch, 'epoch', 0);
    return power(this.gamma, this.milestones.filter((milestone) => milestone <= epoch).length);
  }
}

/** Options of {@link PolynomialLR}. */
export interface PolynomialLROptions {
  /** Epochs until the rate is 0. */
  epochs: number;
  /** Degree; 1 is a straight line. Default 1. */
  power?: number;
}

/**
 * Brings the rate to 0 along a polynomial: `lr = base·(1 − epoch / epochs)^power`, and 0 from then on. With the default power it falls
 * in a line.
 *
 * @throws {@link ArgumentError} for epochs or a power that are not whole numbers of at least 1.
 * @example
 * ```ts
 * import { Linear, PolynomialLR, SGD } from 'nodegrad';
 * new PolynomialLR(new SGD(new Linear(2, 1), { lr: 0.1 }), { epochs: 40 }).factor(10); // 0.75
 * ```
 */
export class PolynomialLR extends Schedule {
  /** Epochs until the rate is 0. */
  readonly epochs: number;
  /** Degree. */
  readonly power: number;

  // biome-ignore lint/suspicious/noExplicitAny: see Schedule.
  constructor(optimizer: Optimizer<any>, options: PolynomialLROptions) {
    super(optimizer);
    const { epochs, power: degree = 1 } = checkOptions<Partial<PolynomialLROptions>>(options, 'options', ['epochs', 'power']);
    this.epochs = checkInteger(epochs, 'epochs', 1);
    this.power = checkInteger(degree, 'power', 1);
  }

  factor(epoch: number): number {
    return power(Math.max(0, 1 - checkInteger(epoch, 'epoch', 0) / this.epochs), this.power);
  }
}

/** Options of {@link ExponentialLR}: one of the two. */
export interface ExponentialLROptions {
  /** Factor of each epoch. */
  gamma?: number;
  /** The course's k: `lr = base·e^(−k·epoch)`, so gamma = e^(−k). */
  k?: number;
}

/**
 * Multiplies the rate by `gamma` after every epoch: `lr = base·gamma^epoch = base·e^(−k·epoch)`. Course row I01.
 *
 * @example
 * ```ts
 * import { ExponentialLR, Linear, SGD } from 'nodegrad';
 * new ExponentialLR(new SGD(new Linear(2, 1), { lr: 0.1 }), { k: 0.1 }).factor(10); // 0.3678794…
 * ```
 */
export class ExponentialLR extends Schedule {
  /** Factor of each epoch. */
  readonly gamma: number;

  // biome-ignore lint/suspicious/noExplicitAny: see Schedule.
  constructor(optimizer: Optimizer<any>, options: ExponentialLROptions) {
    super(optimizer);
    const { gamma, k } = checkOptions<ExponentialLROptions>(options, 'options', ['gamma', 'k']);
    if ((gamma === undefined) === (k === undefined)) throw new ArgumentError('ExponentialLR takes either `gamma` or `k`');
    this.gamma = gamma === undefined ? exp(Tensor.from(Float64Array.of(-checkNumber(k, 'k', 0)))).item() : checkNumber(gamma, 'gamma', 0);
  }

  factor(epoch: number): number {
    return power(this.gamma, checkInteger(epoch, 'epoch', 0));
  }
}

keepNames({ Schedule, ConstantLR, StepLR, MultiStepLR, PolynomialLR, ExponentialLR });

ours(Schedule);
