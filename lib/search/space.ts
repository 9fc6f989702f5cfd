// What a search chooses from: a dimension for each parameter, with the type of its values, and how positions from 0 to 1 become values.

import { ArgumentError, checkInteger, checkList, checkNumber, describe, expected } from '../errors.js';
import { isPlainObject, ours } from '../foreign.js';
import { keepNames } from '../names.js';
import { exponential, logarithm } from './numbers.js';

/** What a choice may be, so that logs and other threads can hold it: text, numbers, truth values, null, and lists and objects of those. */
export type Plain = string | number | boolean | null | readonly Plain[] | { readonly [name: string]: Plain };

/** When a parameter has a value at all. */
export interface Condition {
  /** The parameter that it depends on. */
  readonly parameter: string;
  /** The values of that one beside which it counts. */
  readonly values: readonly Plain[];
}

/** A {@link Dimension} as it stands in logs. */
export interface DimensionJSON {
  /** `'uniform'`, `'logUniform'`, `'integer'`, `'logInteger'` or `'choice'`. */
  readonly kind: string;
  /** Lower bound of a range. */
  readonly low?: number;
  /** Upper bound of a range. */
  readonly high?: number;
  /** What a choice is made from. */
  readonly values?: readonly Plain[];
  /** When there is a value at all. */
  readonly when?: Condition;
}

/**
 * One parameter of a search space. `at` and `positionOf` take positions from 0 to 1 to values and back, so that all strategies draw in the unit
 * cube. Made by the functions of {@link space}.
 *
 * @example
 * ```ts
 * import { space } from 'nodegrad';
 * space.logUniform(1e-6, 1e-3).at(0.5); // 3.16e-5
 * ```
 */
export abstract class Dimension<T = unknown> {
  /** The value at a position from 0 (inclusive) to 1. */
  abstract at(position: number): T;
  /** Where a value stands, from 0 to 1; of whole numbers and choices the middle of their stretch. */
  abstract positionOf(value: unknown): number;
  /** `count` values for a grid, both ends included; of whole numbers no more than there are, of choices all. */
  abstract points(count: number): T[];
  /** How it stands in logs; `dimensionFromJSON` is the way back. */
  abstract toJSON(): DimensionJSON;

  /** When it has a value; null: always. */
  get condition(): Condition | null {
    return null;
  }

  /** The dimension without its condition. */
  get inner(): Dimension {
    return this;
  }
}

/**
 * Numbers between two bounds, on a linear or a logarithmic scale, real or whole.
 *
 * @example
 * ```ts
 * import { space } from 'nodegrad';
 * space.integer(1, 4).points(10); // [1, 2, 3, 4]
 * ```
 */
export class NumberRange extends Dimension<number> {
  readonly #from: number;
  readonly #to: number;

  /** @internal */
  constructor(
    /** Lower bound, inclusive. */
    readonly low: number,
    /** Upper bound, inclusive. */
    readonly high: number,
    /** Whether equal factors, not equal differences, are equally likely. */
    readonly isLog: boolean,
    /** Whether values are whole numbers. */
    readonly isWhole: boolean,
  ) {
    super();
    // Each whole number has a stretch of its own.
    const end = isWhole ? high + 1 : high;
    [this.#from, this.#to] = isLog ? [logarithm(low), logarithm(end)] : [low, end];
    Object.freeze(this);
  }

  at(position: number): number {
    const place = along(this.#from, this.#to, position);
    const value = this.isLog ? exponential(place) : place;
    return Math.min(this.high, Math.max(this.low, this.isWhole ? Math.floor(value) : value));
  }

  positionOf(value: unknown): number {
    const number = (value as number) + (this.isWhole ? 0.5 : 0);
    const place = this.isLog ? logarithm(number) : number;
    return Math.min(1, Math.max(0, shareOf(this.#from, this.#to, place)));
  }

  /** How far a value is along the range: 0 at the lower bound and 1 at the upper one, whole numbers included. */
  shareOf(value: number): number {
    const [low, high, at] = this.isLog ? [this.low, this.high, value].map(logarithm) : [this.low, this.high, value];
    return high === low ? 0.5 : shareOf(low, high, at);
  }

  points(count: number): number[] {
    checkInteger(count, 'count', 1, 1e6);
    if (count === 1 || this.low === this.high) return [this.low === this.high ? this.low : this.at(0.5)];
    const [from, to] = this.isLog ? [logarithm(this.low), logarithm(this.high)] : [this.low, this.high];
    const values = Array.from({ length: count }, (_, i) => {
      if (i === 0 || i === count - 1) return i === 0 ? this.low : this.high;
      const place = along(from, to, i / (count - 1));
      const value = this.isLog ? exponential(place) : place;
      return this.isWhole ? Math.round(value) : value;
    });
    return [...new Set(values)];
  }

  toJSON(): DimensionJSON {
    const kind = this.isLog ? (this.isWhole ? 'logInteger' : 'logUniform') : this.isWhole ? 'integer' : 'uniform';
    return { kind, low: this.low, high: this.high };
  }
}

/** Widths that overflow are halved on the way. */
const isHuge = (from: number, to: number): boolean => !Number.isFinite(to - from);

/** The number at a share of the way. */
function along(from: number, to: number, share: number): number {
  return isHuge(from, to) ? 2 * along(from / 2, to / 2, share) : from + share * (to - from);
}

/** The share of the way at which a number is. */
function shareOf(from: number, to: number, place: number): number {
  return isHuge(from, to) ? shareOf(from / 2, to / 2, place / 2) : (place - from) / (to - from);
}

/**
 * One of several values, all equally likely.
 *
 * @example
 * ```ts
 * import { space } from 'nodegrad';
 * space.choice(['sgd', 'adam']).at(0.7); // 'adam'
 * ```
 */
export class Choice<T extends Plain = Plain> extends Dimension<T> {
  readonly #keys: readonly string[];

  /** @internal */
  constructor(
    /** The values. */
    readonly values: readonly T[],
  ) {
    super();
    this.#keys = values.map((value) => JSON.stringify(value));
    Object.freeze(this);
  }

  at(position: number): T {
    return this.values[Math.min(this.values.length - 1, Math.floor(position * this.values.length))];
  }

  positionOf(value: unknown): number {
    return (this.indexOf(value) + 0.5) / this.values.length;
  }

  /** Which of the values this is, compared by content; −1 for none. */
  indexOf(value: unknown): number {
    return this.#keys.indexOf(JSON.stringify(value));
  }

  points(): T[] {
    return [...this.values];
  }

  toJSON(): DimensionJSON {
    return { kind: 'choice', values: this.values };
  }
}

/**
 * A dimension that has a value only where another parameter has a certain one.
 *
 * @example
 * ```ts
 * import { space } from 'nodegrad';
 * space.when('optimizer', 'sgd', space.uniform(0.5, 0.99)).condition; // { parameter: 'optimizer', values: ['sgd'] }
 * ```
 */
export class Conditional<T = unknown> extends Dimension<T | undefined> {
  readonly #inner: Dimension<T>;
  readonly #condition: Condition;

  /** @internal */
  constructor(condition: Condition, inner: Dimension<T>) {
    super();
    this.#condition = condition;
    this.#inner = inner;
    Object.freeze(this);
  }

  override get condition(): Condition {
    return this.#condition;
  }

  override get inner(): Dimension {
    return this.#inner;
  }

  at(position: number): T {
    return this.#inner.at(position);
  }

  positionOf(value: unknown): number {
    return this.#inner.positionOf(value);
  }

  points(count: number): T[] {
    return this.#inner.points(count);
  }

  toJSON(): DimensionJSON {
    return { ...this.#inner.toJSON(), when: this.condition };
  }
}

/** A dimension for each parameter, by its name. What depends on another parameter stands behind it. */
// biome-ignore lint/suspicious/noExplicitAny: of whatever values.
export type Space = Readonly<Record<string, Dimension<any>>>;

/** The parameters that a trial over such a space gets. One that is conditional is `undefined`, and not there, where its condition is not met. */
export type ParamsOf<S extends Space> = { readonly [Name in keyof S]: S[Name] extends Dimension<infer T> ? T : never };

/** Parameters of any space. */
export type Params = Readonly<Record<string, unknown>>;

function range(low: unknown, high: unknown, isLog: boolean, isWhole: boolean): NumberRange {
  const check = isWhole ? checkInteger : checkNumber;
  const bounds = [check(low, 'low'), check(high, 'high')].sort((a, b) => a - b) as [number, number];
  const least = isWhole ? 1 : Number.MIN_VALUE;
  if (isLog && bounds[0] < least) throw new ArgumentError(expected('bounds above 0, of a logarithmic scale,', 'low', bounds[0]));
  if (!isWhole && bounds[0] === bounds[1]) throw new ArgumentError(expected('two different bounds', 'high', high));
  return new NumberRange(bounds[0], bounds[1], isLog, isWhole);
}

/** Whether a value is plain data: what JSON gives back as it was. */
function isPlain(value: unknown, depth = 0): value is Plain {
  if (typeof value === 'number') return Number.isFinite(value);
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true;
  if (depth > 8) return false;
  if (Array.isArray(value)) return value.every((item) => isPlain(item, depth + 1));
  return isPlainObject(value) && Object.values(value).every((item) => isPlain(item, depth + 1));
}

function choice<const T extends Plain>(values: readonly T[]): Choice<T> {
  const list = checkList<T>(values, 'values', 'an array of choices');
  if (list.length === 0) throw new ArgumentError(expected('at least one choice', 'values', values));
  for (const [i, value] of list.entries())
    if (!isPlain(value))
      throw new ArgumentError(
        expected('plain data', `values[${i}]`, value, 'Choose between names, and let the objective make what they stand for'),
      );
  const made = new Choice<T>(Object.freeze([...list]));
  if (new Set(list.map((value) => JSON.stringify(value))).size < list.length)
    throw new ArgumentError(expected('different choices', 'values', values));
  return made;
}

function when<T>(parameter: string, values: Plain | readonly Plain[], dimension: Dimension<T>): Conditional<T> {
  if (typeof parameter !== 'string') throw new ArgumentError(expected('the name of a parameter', 'parameter', parameter));
  const list = (Array.isArray(values) ? values : [values]) as readonly Plain[];
  if (list.length === 0 || !list.every((value) => isPlain(value))) throw new ArgumentError(expected('a value, or several', 'values', values));
  if (!(dimension instanceof Dimension) || dimension instanceof Conditional)
    throw new ArgumentError(expected('a dimension without a condition', 'dimension', dimension));
  return new Conditional<T>(Object.freeze({ parameter, values: Object.freeze([...list]) }), dimension);
}

/**
 * The dimensions of a search space (course rows K01, K04). Bounds may come in either order, and are both inclusive. A rate multiplies the
 * gradient, so its effect is multiplicative: it belongs on a logarithmic scale (course rows K06, K08).
 *
 * @example
 * ```ts
 * import { space } from 'nodegrad';
 * const wanted = {
 *   lr: space.logUniform(1e-5, 1e-1),
 *   layers: space.integer(1, 3),
 *   optimizer: space.choice(['momentum', 'adam']),
 *   momentum: space.when('optimizer', 'momentum', space.uniform(0.5, 0.99)),
 * };
 * ```
 */
export const space = Object.freeze({
  /** Real numbers between two bounds, equally likely. */
  uniform: (low: number, high: number): NumberRange => range(low, high, false, false),
  /** `10^uniform(log10 low, log10 high)`: each decade equally likely. For rates. */
  logUniform: (low: number, high: number): NumberRange => range(low, high, true, false),
  /** Whole numbers between two bounds, equally likely. */
  integer: (low: number, high: number): NumberRange => range(low, high, false, true),
  /** Whole numbers from 1, small ones more often, as for sizes of layers: the integer part of `logUniform(low, high + 1)`. */
  logInteger: (low: number, high: number): NumberRange => range(low, high, true, true),
  /** One of these values: plain data, such as names, numbers and lists of them. */
  choice,
  /** A dimension that counts only where `parameter` has this value, or one of these; a value that is a list itself stands in a list. */
  when,
});

/** @internal Checks a space, and that what parameters depend on stands before them. */
export function checkSpace(value: unknown, argument = 'space'): Space {
  if (!isPlainObject(value) || Object.keys(value).length === 0)
    throw new ArgumentError(expected('an object with a dimension for each parameter', argument, value));
  const before = new Map<string, Dimension>();
  for (const [name, dimension] of Object.entries(value)) {
    if (!(dimension instanceof Dimension))
      throw new ArgumentError(expected('a dimension, such as space.uniform(0, 1),', `${argument}.${name}`, dimension));
    const { condition } = dimension;
    if (condition) {
      const parent = before.get(condition.parameter)?.inner;
      if (parent === undefined)
        throw new ArgumentError(expected('the name of a parameter that stands before it', `${argument}.${name}.when`, condition.parameter));
      for (const wanted of condition.values)
        if (parent instanceof Choice && parent.indexOf(wanted) < 0)
          throw new ArgumentError(
            expected(
              `one of the choices of '${condition.parameter}', ${parent.values.map(describe).join(', ')},`,
              `${argument}.${name}.when`,
              wanted,
            ),
          );
    }
    before.set(name, dimension);
  }
  return value as Space;
}

/** Whether a parameter has a value beside those that were chosen before it. */
export function isActive({ condition }: Dimension, params: Params): boolean {
  if (!condition) return true;
  const value = JSON.stringify(params[condition.parameter]);
  return condition.values.some((wanted) => JSON.stringify(wanted) === value);
}

/** Parameters at a position for each name; those whose condition is not met are left out. */
export function paramsAt(of: Space, position: (name: string, dimension: Dimension) => number): Params {
  const params: Record<string, unknown> = {};
  for (const [name, dimension] of Object.entries(of)) if (isActive(dimension, params)) params[name] = dimension.at(position(name, dimension));
  return params;
}

/** @internal A dimension from its place in a log. */
export function dimensionFromJSON({ kind, low, high, values, when: condition }: DimensionJSON): Dimension {
  const isLog = kind.startsWith('log');
  const inner = kind === 'choice' ? choice(values ?? []) : range(low, high, isLog, kind.toLowerCase().endsWith('integer'));
  return condition === undefined ? inner : when(condition.parameter, condition.values, inner as Dimension);
}

/** @internal A space from its place in a log. */
export const spaceFromJSON = (json: Readonly<Record<string, DimensionJSON>>): Space =>
  Object.fromEntries(Object.entries(json).map(([name, dimension]) => [name, dimensionFromJSON(dimension)]));

keepNames({ Dimension, NumberRange, Choice, Conditional });
ours(Dimension);
