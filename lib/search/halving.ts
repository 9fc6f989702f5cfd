// Strategies that give many configurations little and the good ones more: successive halving, Hyperband, and ASHA.

import { ArgumentError, checkInteger, checkOptions, expected } from '../errors.js';
import { keepNames } from '../names.js';
import type { Space } from './space.js';
import { type Proposal, RandomSearch, Sampler, Strategy, type StudyView } from './strategy.js';
import { type TrialRecord, ranked } from './trial-record.js';

/** A round of a bracket: so many configurations, each with that budget. */
export interface Rung {
  /** Configurations that are tried; fewer where earlier ones failed. */
  readonly trials: number;
  /** What each may spend in all, with what it spent in the rungs before. */
  readonly budget: number;
}

/** Options that {@link SuccessiveHalving}, {@link Hyperband} and {@link Asha} have in common. */
export interface HalvingOptions {
  /** What a trial may spend at most, such as epochs: a whole number. */
  readonly budget: number;
  /** One of so many goes on to the next rung, with so many times the budget; default 3. */
  readonly reduction?: number;
  /** Where new configurations come from; default {@link RandomSearch}. */
  readonly sampler?: Sampler;
}

/** Options of {@link SuccessiveHalving}. */
export interface SuccessiveHalvingOptions extends HalvingOptions {
  /** Configurations to begin with; default: as many as leave one at the end. */
  readonly configs?: number;
  /** What each may spend in the first rung; default 1. */
  readonly minBudget?: number;
}

/** Options of {@link Asha}. */
export interface AshaOptions extends HalvingOptions {
  /** What each may spend in the first rung; default 1. */
  readonly minBudget?: number;
}

/** Checks the options that halving strategies share. */
function checkHalving<O extends HalvingOptions>(given: O, more: readonly (keyof O & string)[]): O & Required<HalvingOptions> {
  const options = checkOptions<O>(given, 'options', ['budget', 'reduction', 'sampler', ...more]);
  const { budget, reduction = 3, sampler = new RandomSearch() } = options;
  checkInteger(budget, 'options.budget', 1, 2 ** 31);
  checkInteger(reduction, 'options.reduction', 2, 1000);
  if (!(sampler instanceof Sampler)) throw new ArgumentError(expected('a sampler, such as new RandomSearch(),', 'options.sampler', sampler));
  return { ...options, budget, reduction, sampler };
}

/** Budgets from the smallest to `budget`, each `reduction` times the one before, in whole numbers: the last one is `budget` itself. */
function budgetsOf(minBudget: number, budget: number, reduction: number): number[] {
  const budgets = [budget];
  for (let divisor = reduction; Math.floor(budget / divisor) >= minBudget; divisor *= reduction) budgets.unshift(Math.floor(budget / divisor));
  return budgets;
}

/** Strategies that run brackets one after the other, and in each rung after rung. */
abstract class Brackets extends Strategy {
  /** The brackets in their order, each with its rungs. */
  abstract readonly brackets: readonly (readonly Rung[])[];
  /** @internal Where new configurations come from. */
  protected abstract readonly sampler: Sampler;

  next(view: StudyView): Proposal | 'wait' | 'done' {
    let first = 0;
    for (const bracket of this.brackets) {
      let before: readonly TrialRecord[] = [];
      for (const [i, { trials, budget }] of bracket.entries()) {
        const survivors = i === 0 ? [] : ranked(before, view.direction).slice(0, trials);
        const count = i === 0 ? trials : survivors.length;
        if (view.number < first + count) {
          if (i > 0) return { params: survivors[view.number - first].params, config: survivors[view.number - first].config, budget };
          return { params: this.sampler.draw(view), config: view.number, budget };
        }
        before = view.trials.slice(first, first + count);
        first += count;
        const isLast = i === bracket.length - 1;
        if (!isLast && before.some(({ state }) => state === 'running')) return 'wait';
      }
    }
    return 'done';
  }

  override trialsIn(): number {
    return this.brackets.flat().reduce((sum, { trials }) => sum + trials, 0);
  }

  override check(space: Space): void {
    this.sampler.check(space);
  }

  override toJSON(): Readonly<Record<string, unknown>> {
    return { ...super.toJSON(), brackets: this.brackets, sampler: this.sampler.toJSON() };
  }
}

/**
 * Successive halving (Jamieson & Talwalkar 2016): n configurations with a small budget, the best third of them with three times as much, and so
 * on to the full one. A trial that goes on has the seed and the folder of the one before, so that it can continue from its checkpoints.
 *
 * @throws {ArgumentError} for options out of range.
 * @example
 * ```ts
 * import { SuccessiveHalving } from 'nodegrad';
 * new SuccessiveHalving({ budget: 9 }).brackets; // [[9 trials with budget 1, 3 with 3, 1 with 9]]
 * ```
 */
export class SuccessiveHalving extends Brackets {
  readonly brackets: readonly (readonly Rung[])[];
  /** @internal */
  protected readonly sampler: Sampler;

  constructor(options: SuccessiveHalvingOptions) {
    super();
    const { budget, reduction, sampler, configs, minBudget = 1 } = checkHalving(options, ['configs', 'minBudget']);
    const budgets = budgetsOf(checkInteger(minBudget, 'options.minBudget', 1, budget), budget, reduction);
    const first = checkInteger(configs ?? wholePower(reduction, budgets.length - 1), 'options.configs', 1, 1e6);
    this.sampler = sampler;
    this.brackets = Object.freeze([rungsOf(first, budgets, reduction)]);
  }
}

/** Rungs that begin with `first` configurations; without those that nothing is left for. */
function rungsOf(first: number, budgets: readonly number[], reduction: number): readonly Rung[] {
  const rungs = budgets.map((budget, i) => Object.freeze({ trials: Math.floor(first / wholePower(reduction, i)), budget }));
  return Object.freeze(rungs.filter(({ trials }) => trials > 0));
}

function wholePower(base: number, exponent: number): number {
  let result = 1;
  for (let i = 0; i < exponent; i++) result *= base;
  return result;
}

/**
 * Hyperband (Li et al., JMLR 2018): brackets of successive halving, from many configurations with little to few with the full budget, for when
 * nobody knows how early a good one shows. With budget R and reduction η the brackets are s = s_max … 0 with s_max = ⌊log_η R⌋; bracket s begins
 * with ⌈(s_max + 1) η^s / (s + 1)⌉ configurations, and its rung i keeps ⌊n / η^i⌋ of them with budget ⌊R / η^(s − i)⌋. All of it is counted in
 * whole numbers: the logarithm of 243 to the base 3 in floating point is below 5.
 *
 * @throws {ArgumentError} for options out of range.
 * @example
 * ```ts
 * import { Hyperband } from 'nodegrad';
 * new Hyperband({ budget: 81 }).brackets.map(([{ trials }]) => trials); // [81, 34, 15, 8, 5]
 * ```
 */
export class Hyperband extends Brackets {
  readonly brackets: readonly (readonly Rung[])[];
  /** @internal */
  protected readonly sampler: Sampler;

  constructor(options: HalvingOptions) {
    super();
    const { budget, reduction, sampler } = checkHalving(options, []);
    this.sampler = sampler;
    let largest = 0;
    for (let power = reduction; power <= budget; power *= reduction) largest += 1;
    this.brackets = Object.freeze(
      Array.from({ length: largest + 1 }, (_, i) => {
        const s = largest - i;
        const budgets = Array.from({ length: s + 1 }, (_, rung) => Math.floor(budget / wholePower(reduction, s - rung)));
        return rungsOf(Math.ceil(((largest + 1) * wholePower(reduction, s)) / (s + 1)), budgets, reduction);
      }),
    );
  }
}

/**
 * Asynchronous successive halving (Li et al., MLSys 2020): whenever there is room, a configuration of the best third of its rung goes on to the
 * next one, else a new one begins; nothing waits for a rung to fill. The study's `trials` counts every trial, also those that go on.
 *
 * With one trial at a time, a study that goes on equals one that was never stopped. With several, which one goes on depends on which ended first.
 *
 * @throws {ArgumentError} for options out of range.
 * @example
 * ```ts
 * import { Asha } from 'nodegrad';
 * new Asha({ budget: 27 }).budgets; // [1, 3, 9, 27]
 * ```
 */
export class Asha extends Strategy {
  /** What a trial may spend, rung by rung. */
  readonly budgets: readonly number[];
  readonly #reduction: number;
  readonly #sampler: Sampler;

  constructor(options: AshaOptions) {
    super();
    const { budget, reduction, sampler, minBudget = 1 } = checkHalving(options, ['minBudget']);
    this.budgets = Object.freeze(budgetsOf(checkInteger(minBudget, 'options.minBudget', 1, budget), budget, reduction));
    this.#reduction = reduction;
    this.#sampler = sampler;
  }

  next(view: StudyView): Proposal {
    for (let rung = this.budgets.length - 2; rung >= 0; rung--) {
      const order = ranked(
        view.trials.filter(({ budget }) => budget === this.budgets[rung]),
        view.direction,
      );
      const budget = this.budgets[rung + 1];
      const gone = new Set(view.trials.filter((trial) => trial.budget === budget).map(({ config }) => config));
      const next = order.slice(0, Math.floor(order.length / this.#reduction)).find(({ config }) => !gone.has(config));
      if (next !== undefined) return { params: next.params, config: next.config, budget };
    }
    return { params: this.#sampler.draw(view), config: view.number, budget: this.budgets[0] };
  }

  override check(space: Space): void {
    this.#sampler.check(space);
  }

  override toJSON(): Readonly<Record<string, unknown>> {
    return { ...super.toJSON(), budgets: this.budgets, reduction: this.#reduction, sampler: this.#sampler.toJSON() };
  }
}

keepNames({ SuccessiveHalving, Hyperband, Asha });
