// The base class of schedules: a hyperparameter as a function of the step or of the epoch.

import { checkChoice, checkObject } from '../errors.js';
import { ours } from '../foreign.js';
import { keepNames } from '../names.js';

/** What every schedule can be told. */
export interface ScheduleOptions {
  /**
   * What t counts: epochs (`fit` ends them, a loop of your own calls `optimizer.nextEpoch()`), or steps of the optimizer.
   * Default `'epoch'`.
   */
  per?: 'epoch' | 'step';
}

/** A schedule as plain data: its class, its numbers, and what it remembers. */
export interface ScheduleJSON {
  /** Class of the schedule. */
  schedule: string;
  /** What `stateDict` of the schedule gives. */
  state: Record<string, unknown>;
  /** Its options. */
  [option: string]: unknown;
}

/**
 * Base class of schedules: the value of a hyperparameter at t, which counts from 0. A schedule stands where the number would: as `lr`,
 * `momentum` or `weightDecay` of an optimizer or of one of its groups. It knows no optimizer, and most remember nothing: `at` is a pure
 * function, so a compiled step, a resumed run and a plot of it get the same values.
 *
 * @example
 * ```ts
 * import { Linear, SGD, Schedule } from 'nodegrad';
 * class Sawtooth extends Schedule {
 *   at(t: number): number {
 *     return 0.1 / (1 + (t % 5));
 *   }
 * }
 * new SGD(new Linear(2, 1), { lr: new Sawtooth({ per: 'step' }) });
 * ```
 */
export abstract class Schedule {
  /** What t counts. */
  readonly per: 'epoch' | 'step';

  constructor(options: ScheduleOptions = {}) {
    const { per = 'epoch' } = checkObject<ScheduleOptions>(options, 'options');
    this.per = checkChoice(per, 'options.per', ['epoch', 'step']);
  }

  /** The value at t, a whole number from 0. */
  abstract at(t: number): number;

  /** Hears the score of an epoch, see {@link Optimizer.nextEpoch}. Most schedules do not listen. */
  observe?(score: number): void;

  /** What the schedule remembers, as plain data; `{}` for a pure function. */
  stateDict(): Record<string, unknown> {
    return {};
  }

  /** Takes up what `stateDict` gave. Nothing changes when it does not fit. */
  loadStateDict(state: Record<string, unknown>): void {
    checkObject(state, 'state');
  }

  /** The schedule as plain data, as it stands in logs and checkpoints. */
  toJSON(): ScheduleJSON {
    return { ...plainOptions(this), schedule: this.constructor.name, state: this.stateDict() };
  }
}

/** A number that stays, or a schedule. */
export type Scheduled = number | Schedule;

/** The type of options at one step: numbers where schedules may stand. */
export type Valued<T> = T extends Schedule ? never : T extends readonly unknown[] ? { readonly [K in keyof T]: Valued<T[K]> } : T;

/** Options with a number in the place of every schedule. */
export type Values<O> = { readonly [K in keyof O]: Valued<O[K]> };

/** Options with `value(schedule)` in the place of every schedule; themselves where there is none. */
export function valuesOf<O extends object>(options: O, value: (schedule: Schedule) => number): Values<O> {
  const found: Record<string, unknown> = {};
  let count = 0;
  for (const [name, option] of Object.entries(options)) {
    // Numbers, nearly always.
    if (typeof option !== 'object') continue;
    if (option instanceof Schedule) found[name] = value(option);
    else if (Array.isArray(option) && option.some((one) => one instanceof Schedule))
      found[name] = option.map((one: unknown) => (one instanceof Schedule ? value(one) : one));
    else continue;
    count += 1;
  }
  return (count === 0 ? options : { ...options, ...found }) as Values<O>;
}

/** The schedules among options. */
export function schedulesOf(options: object): Schedule[] {
  return Object.values(options)
    .flat()
    .filter((one) => one instanceof Schedule);
}

/** Options as plain data: schedules as they stand in logs and checkpoints. */
export function plainOptions(options: object): Record<string, unknown> {
  const plain = (value: unknown): unknown =>
    value instanceof Schedule ? value.toJSON() : Array.isArray(value) ? Object.freeze(value.map(plain)) : value;
  return Object.fromEntries(Object.entries(options).map(([name, value]) => [name, plain(value)]));
}

keepNames({ Schedule });

ours(Schedule);
