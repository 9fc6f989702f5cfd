// Options, each declared once: its name, what it is when nothing is said, and its check. An interface beside the list has their texts.

import { checkChoice, checkFlag, checkInteger, checkNumber, checkOptions } from './errors.js';

/** Gives the value of an option, or throws where it is none. */
export interface Check<T> {
  (value: unknown, argument: string): T;
  /** Whether null is a value of the option, and not a default. */
  readonly takesNull?: boolean;
}

/** In the place of a default: the option must be given. */
export const needed = Symbol('needed');

/**
 * The options of an interface: for each its default, which passes the check, too, and its check. The default is `needed` where there is none, and
 * undefined where leaving the option out means something of its own. A name that the interface lacks, or the list, does not compile:
 * `{ eps: [1e-5, number(0)] } satisfies OptionList<NormOptions>`.
 */
export type OptionList<O> = {
  readonly [K in keyof Required<O>]: readonly [initial: Required<O>[K] | typeof needed | undefined, check: Check<Required<O>[K]>];
};

/** What {@link readOptions} gives. */
export type ReadOptions<L> = {
  -readonly [K in keyof L]: L[K] extends readonly [infer I, Check<infer T>] ? (undefined extends I ? T | undefined : T) : never;
};

/**
 * All options of a list, checked, defaults where nothing was given: `readOptions(options, { eps: [1e-5, number(0)], affine: [true, flag] })`. A
 * list that others need, too, stands beside its interface, with `satisfies`.
 *
 * @throws {@link ArgumentError} for an unknown option, one out of range, and one that is needed and not there.
 */
export function readOptions<O extends object, const L extends OptionList<O>>(
  given: O | undefined,
  list: L & Record<Exclude<keyof L, keyof O>, never>,
): ReadOptions<L> {
  const entries = Object.entries<readonly [unknown, Check<unknown>]>(list);
  const nullable = entries.filter(([, [, check]]) => check.takesNull).map(([name]) => name);
  const options = checkOptions<Record<string, unknown>>(given, 'options', Object.keys(list), nullable);
  const read = entries.map(([name, [initial, check]]) => {
    const value = options[name] === undefined && initial !== needed ? initial : options[name];
    return [name, value === undefined && initial === undefined ? undefined : check(value, `options.${name}`)];
  });
  return Object.fromEntries(read) as ReadOptions<L>;
}

/** A finite number from `minimum` to `maximum`. */
export const number =
  (minimum?: number, maximum?: number): Check<number> =>
  (value, argument) =>
    checkNumber(value, argument, minimum, maximum);

/** A whole number from `minimum` to `maximum`. */
export const integer =
  (minimum?: number, maximum?: number): Check<number> =>
  (value, argument) =>
    checkInteger(value, argument, minimum, maximum);

/** A number from 0 to 1. */
export const probability = number(0, 1);

/** true or false. */
export const flag: Check<boolean> = checkFlag;

/** One of these names. */
export const choice =
  <T extends string>(choices: readonly T[]): Check<T> =>
  (value, argument) =>
    checkChoice(value, argument, choices);

/** What `check` takes, or null. */
export const orNull = <T>(check: Check<T>): Check<T | null> =>
  Object.assign((value: unknown, argument: string) => (value === null ? null : check(value, argument)), { takesNull: true });
