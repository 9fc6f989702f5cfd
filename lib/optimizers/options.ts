// Options of optimizers: checks of numbers that may be schedules, and what a list of options makes of those that a group has.

import { ArgumentError, checkNumber, checkOptions, expected } from '../errors.js';
import { type Check, type OptionList, needed, number } from '../options.js';
import { Schedule, type Scheduled } from '../schedules/schedule.js';

/** A number of at least 0. */
export const notNegative = number(0);

/** What `check` takes, or a schedule: its values are checked at each step. */
export const orSchedule =
  (check: Check<number>): Check<Scheduled> =>
  (value, argument) =>
    value instanceof Schedule ? value : check(value, argument);

/** A rate, or a schedule of it. */
export const scheduled = orSchedule(notNegative);

/** A number from 0 to below 1: how much of an average stays. */
export const belowOne: Check<number> = (value, argument) => {
  if (value === 1) throw new ArgumentError(expected('a number below 1', argument, value));
  return checkNumber(value, argument, 0, 1);
};

/** A pair. */
export const pair =
  <A, B>(first: Check<A>, second: Check<B>): Check<readonly [A, B]> =>
  (value, argument) => {
    if (!Array.isArray(value) || value.length !== 2) throw new ArgumentError(expected('a pair of numbers', argument, value));
    return [first(value[0], `${argument}[0]`), second(value[1], `${argument}[1]`)];
  };

/** Two numbers from 0 to below 1, or schedules of them. */
export const pairBelowOne = pair(orSchedule(belowOne), orSchedule(belowOne));

/**
 * What the constructor of {@link Optimizer} wants to know of options: those that were given, what throws where all of a group's are out of range,
 * and the defaults.
 *
 * @param together - Throws where options do not go with each other.
 */
export function optionArguments<O extends object>(
  given: Partial<O>,
  list: OptionList<O>,
  together?: (options: Required<O>) => void,
): [given: Partial<O>, check: (options: O) => void, defaults: Partial<O>] {
  const entries = Object.entries<readonly [unknown, Check<unknown>]>(list);
  const known = Object.keys(list);
  const defaults = Object.fromEntries(entries.flatMap(([name, [initial]]) => (initial === needed ? [] : [[name, initial]])));
  const check = (options: O): void => {
    const all = checkOptions<Record<string, unknown>>(options, 'options', known);
    for (const [name, [initial, checkOption]] of entries)
      if (all[name] !== undefined || initial !== undefined) checkOption(all[name], `options.${name}`);
    together?.(options as Required<O>);
  };
  return [checkOptions<Partial<O>>(given, 'options', known), check, defaults as Partial<O>];
}
