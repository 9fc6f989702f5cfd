// Schedules one after the other.

import { ArgumentError, checkInteger, checkList, checkOptions, expected } from '../errors.js';
import { keepNames } from '../names.js';
import { Schedule } from './schedule.js';

/** Options of {@link SequentialSchedule}. */
export interface SequentialScheduleOptions {
  /** Where the second schedule begins, the third, and so on, in ascending order: one less than there are schedules. */
  milestones: readonly number[];
}

/**
 * One schedule after the other. Each counts its t from its own beginning, as in PyTorch's SequentialLR. All count the same, steps or epochs.
 *
 * @throws {@link ArgumentError} for schedules that count differently, or another number of milestones.
 * @example
 * ```ts
 * import { CosineDecay, LinearWarmup, SequentialSchedule } from 'nodegrad';
 * const schedule = new SequentialSchedule(
 *   [new LinearWarmup(0.1, { length: 5 }), new CosineDecay(0.1, { length: 95 })],
 *   { milestones: [5] },
 * );
 * schedule.at(5); // 0.1
 * ```
 */
export class SequentialSchedule extends Schedule {
  /** The schedules, in their order. */
  readonly schedules: readonly Schedule[];
  /** Where each of them but the first begins. */
  readonly milestones: readonly number[];

  constructor(schedules: readonly Schedule[], options: SequentialScheduleOptions) {
    const list = [...checkList<Schedule>(schedules, 'schedules', 'an array of schedules')];
    for (const [i, one] of list.entries())
      if (!(one instanceof Schedule)) throw new ArgumentError(expected('a schedule', `schedules[${i}]`, one));
    if (list.length === 0) throw new ArgumentError(expected('at least one schedule', 'schedules', schedules));
    super({ per: list[0].per });
    const odd = list.findIndex(({ per }) => per !== this.per);
    if (odd > 0) throw new ArgumentError(`\`schedules[${odd}]\` counts by the ${list[odd].per}, \`schedules[0]\` by the ${this.per}`);
    const { milestones } = checkOptions<SequentialScheduleOptions>(options, 'options', ['milestones']);
    let last = 0;
    const places = Array.from(checkList<number>(milestones, 'options.milestones', 'an array of epochs or steps'), (at, i) => {
      last = checkInteger(at, `options.milestones[${i}]`, last);
      return last;
    });
    if (places.length !== list.length - 1)
      throw new ArgumentError(expected(`${list.length - 1} milestones for ${list.length} schedules`, 'options.milestones', milestones));
    this.schedules = Object.freeze(list);
    this.milestones = Object.freeze(places);
  }

  at(t: number): number {
    checkInteger(t, 't', 0);
    const which = this.milestones.filter((milestone) => milestone <= t).length;
    return this.schedules[which].at(t - (which === 0 ? 0 : this.milestones[which - 1]));
  }

  override observe(score: number): void {
    for (const schedule of this.schedules) schedule.observe?.(score);
  }

  override stateDict(): Record<string, unknown> {
    return { schedules: this.schedules.map((schedule) => schedule.stateDict()) };
  }

  override loadStateDict(state: Record<string, unknown>): void {
    const states = checkList<Record<string, unknown>>(state?.['schedules'], 'state.schedules', 'an array of states');
    if (states.length !== this.schedules.length)
      throw new ArgumentError(expected(`the states of ${this.schedules.length} schedules`, 'state.schedules', states));
    for (const [i, one] of this.schedules.entries()) one.loadStateDict(states[i]);
  }
}

keepNames({ SequentialSchedule });
