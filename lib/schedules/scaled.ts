// A schedule whose values are all multiplied by one factor.

import { ArgumentError, checkNumber, checkOptions, expected } from '../errors.js';
import { keepNames } from '../names.js';
import { Schedule } from './schedule.js';

/** Options of {@link ScaledSchedule}. */
export interface ScaledScheduleOptions {
  /** What each value is multiplied by. */
  factor: number;
}

/**
 * Another schedule times a factor: `factor · schedule(t)`. It counts and remembers as the other does. `sitter: 'fix'` puts it in the place of a
 * schedule whose rates are too high.
 *
 * @throws {@link ArgumentError} for anything but a schedule, a factor below 0, or unknown options.
 * @example
 * ```ts
 * import { CosineDecay, ScaledSchedule } from 'nodegrad';
 * new ScaledSchedule(new CosineDecay(0.1, { length: 90 }), { factor: 0.5 }).at(0); // 0.05
 * ```
 */
export class ScaledSchedule extends Schedule {
  /** The schedule as it was. */
  readonly inner: Schedule;
  /** What its values are multiplied by. */
  readonly factor: number;

  constructor(schedule: Schedule, options: ScaledScheduleOptions) {
    if (!(schedule instanceof Schedule)) throw new ArgumentError(expected('a schedule', 'schedule', schedule));
    const { factor } = checkOptions<ScaledScheduleOptions>(options, 'options', ['factor']);
    super({ per: schedule.per });
    this.inner = schedule;
    this.factor = checkNumber(factor, 'options.factor', 0);
  }

  at(t: number): number {
    return this.factor * this.inner.at(t);
  }

  override observe(score: number): void {
    this.inner.observe?.(score);
  }

  override stateDict(): Record<string, unknown> {
    return this.inner.stateDict();
  }

  override loadStateDict(state: Record<string, unknown>): void {
    this.inner.loadStateDict(state);
  }
}

keepNames({ ScaledSchedule });
