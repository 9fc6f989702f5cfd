// Strategies that know all their trials beforehand: a list by hand, and a grid.

import { ArgumentError, checkInteger, checkList, checkOptions, describe, expected } from '../errors.js';
import { isPlainObject } from '../foreign.js';
import { keepNames } from '../names.js';
import { Choice, NumberRange, type Params, type Space, isActive } from './space.js';
import { type Proposal, Strategy, type StudyView } from './strategy.js';

abstract class FixedList extends Strategy {
  readonly #lists = new WeakMap<Space, readonly Params[]>();

  /** @internal The trials' parameters. */
  protected abstract listIn(space: Space): readonly Params[];

  /** The list of a space, made once. */
  #list(space: Space): readonly Params[] {
    const list = this.#lists.get(space) ?? this.listIn(space);
    this.#lists.set(space, list);
    return list;
  }

  next({ space, number }: StudyView): Proposal | 'done' {
    const params = this.#list(space)[number];
    return params === undefined ? 'done' : { params, config: number, budget: null };
  }

  override trialsIn(space: Space): number {
    return this.#list(space).length;
  }
}

/**
 * A list of configurations by hand, each tried once in its order (course row K02).
 *
 * @example
 * ```ts
 * import { ManualSearch, search, space } from 'nodegrad';
 * const strategy = new ManualSearch([{ lr: 0.1 }, { lr: 0.01 }]);
 * await search({ lr: space.logUniform(1e-3, 1) }, ({ lr }) => lr, { strategy });
 * ```
 */
export class ManualSearch extends FixedList {
  readonly #list: readonly Params[];

  /** @throws {ArgumentError} for an empty list. */
  constructor(list: readonly Params[]) {
    super();
    const what = 'an array of configurations';
    if (checkList(list, 'list', what).length === 0) throw new ArgumentError(expected(what, 'list', list));
    for (const [i, params] of list.entries())
      if (!isPlainObject(params)) throw new ArgumentError(expected('an object with a value for each parameter', `list[${i}]`, params));
    this.#list = list.map((params) => Object.freeze({ ...params }));
  }

  /** @internal */
  protected listIn(): readonly Params[] {
    return this.#list;
  }

  /** @throws {ArgumentError} where a configuration has a value that the space does not hold, or lacks one. */
  override check(space: Space): void {
    for (const [i, params] of this.#list.entries()) {
      const unknown = Object.keys(params).find((name) => !(name in space));
      if (unknown !== undefined)
        throw new ArgumentError(`list[${i}] has '${unknown}', which is not in the space: ${Object.keys(space).join(', ')}`);
      for (const [name, dimension] of Object.entries(space)) {
        if (!isActive(dimension, params)) continue;
        const { inner } = dimension;
        const value = params[name];
        const isFit =
          inner instanceof Choice
            ? inner.indexOf(value) >= 0
            : inner instanceof NumberRange &&
              typeof value === 'number' &&
              value >= inner.low &&
              value <= inner.high &&
              (!inner.isWhole || Number.isInteger(value));
        if (!isFit) throw new ArgumentError(expected(`a value of the space's ${describeRange(inner)}`, `list[${i}].${name}`, value));
      }
    }
  }

  override toJSON(): Readonly<Record<string, unknown>> {
    return { ...super.toJSON(), list: this.#list };
  }
}

const describeRange = (dimension: unknown): string =>
  dimension instanceof NumberRange
    ? `range from ${dimension.low} to ${dimension.high}`
    : `choices ${(dimension as Choice).values.map(describe).join(', ')}`;

/** Options of {@link GridSearch}. */
export interface GridSearchOptions {
  /** Points of each range, or for each parameter by its name; default 3. Of choices all are taken. */
  readonly points?: number | Readonly<Record<string, number>>;
}

/** More would not end. */
const mostPoints = 1e6;

/**
 * All combinations of evenly spaced points, both ends included; on a logarithmic scale evenly in the logarithm (course rows K03, K07). The
 * parameter that stands last changes fastest. Conditional parameters multiply only where their condition is met.
 *
 * @throws {ArgumentError} for numbers of points that are no counts.
 * @example
 * ```ts
 * import { GridSearch, search, space } from 'nodegrad';
 * const wanted = { lr: space.logUniform(1e-3, 1), dropout: space.uniform(0, 0.5) };
 * await search(wanted, ({ lr, dropout }) => lr + dropout, { strategy: new GridSearch({ points: { lr: 4, dropout: 2 } }) }); // 8 trials
 * ```
 */
export class GridSearch extends FixedList {
  readonly #points: number | Readonly<Record<string, number>>;

  constructor(options: GridSearchOptions = {}) {
    super();
    const { points = 3 } = checkOptions<GridSearchOptions>(options, 'options', ['points']);
    if (typeof points === 'number') checkInteger(points, 'options.points', 1, mostPoints);
    else if (!isPlainObject(points)) throw new ArgumentError(expected('a number, or numbers by parameter,', 'options.points', points));
    else for (const [name, count] of Object.entries(points)) checkInteger(count, `options.points.${name}`, 1, mostPoints);
    this.#points = typeof points === 'number' ? points : Object.freeze({ ...points });
  }

  /** @throws {ArgumentError} where points are given for parameters that the space lacks, or the grid has more than a million. */
  override check(space: Space): void {
    const unknown = typeof this.#points === 'number' ? undefined : Object.keys(this.#points).find((name) => !(name in space));
    if (unknown !== undefined)
      throw new ArgumentError(`options.points has '${unknown}', which is not in the space: ${Object.keys(space).join(', ')}`);
    const most = Object.entries(space).reduce((product, [name, dimension]) => product * this.#pointsOf(name, dimension).length, 1);
    if (most > mostPoints) throw new ArgumentError(`a grid of ${most} points is too large: at most ${mostPoints}`);
  }

  /** @internal */
  protected listIn(space: Space): readonly Params[] {
    let list: Params[] = [{}];
    for (const [name, dimension] of Object.entries(space)) {
      const values = this.#pointsOf(name, dimension);
      list = list.flatMap((params) => (isActive(dimension, params) ? values.map((value) => ({ ...params, [name]: value })) : [params]));
    }
    return list;
  }

  #pointsOf(name: string, dimension: Space[string]): unknown[] {
    return dimension.points(typeof this.#points === 'number' ? this.#points : (this.#points[name] ?? 3));
  }

  override toJSON(): Readonly<Record<string, unknown>> {
    return { ...super.toJSON(), points: this.#points };
  }
}

keepNames({ ManualSearch, GridSearch });
