// Columns of a table found by their names: what one table has, as a transform that learned from another takes it.

import { type ColumnSchema, checkSchema, someNames } from '../data/columns.js';
import type { FloatDType } from '../dtype.js';
import { ArgumentError } from '../errors.js';
import { Tensor } from '../tensor.js';
import { Transform, type TransformFitter } from './transform.js';

/** Where a wanted column stands, and the wanted code of each of its categories; null where the values stay. */
interface Place {
  readonly place: number;
  readonly codes: Float64Array | null;
}

/** Puts columns in the wanted order and gives categories the wanted codes; other columns are left out. */
export class ByName extends Transform {
  readonly #places: readonly Place[];

  constructor(width: number, places: readonly Place[]) {
    super();
    this.#places = places;
    this.settle([width], {});
  }

  protected fitter(): TransformFitter {
    return { add() {}, learned: () => ({}) };
  }

  protected apply({ data, shape }: Tensor<FloatDType>): Tensor<FloatDType> {
    const [rows, width] = shape;
    const count = this.#places.length;
    const found = new Float64Array(rows * count);
    for (const [j, { place, codes }] of this.#places.entries())
      for (let row = 0; row < rows; row++) {
        const value = data[row * width + place];
        found[row * count + j] = codes === null || Number.isNaN(value) ? value : (codes[value] ?? noCode(value, codes.length));
      }
    return Tensor.from(found, [rows, count]) as Tensor<FloatDType>;
  }

  protected override outputOf(): readonly number[] {
    return [this.#places.length];
  }

  config(): unknown {
    return {};
  }
}

const noCode = (value: number, count: number): never => {
  throw new ArgumentError(`a column of ${count} categories has the code ${value}`);
};

/**
 * What brings the columns of a data set to those that are wanted; null where they are the same.
 *
 * @throws {@link ArgumentError} where names and categories do not say it exactly: a column that is not there, one of another kind, and a
 *   category that is not among the wanted ones.
 */
export function byName(name: string, given: readonly ColumnSchema[], wanted: readonly ColumnSchema[]): ByName | null {
  checkSchema(given, `features of data set '${name}'`);
  const places = wanted.map((column): Place => {
    const place = given.findIndex((one) => one.name === column.name);
    const names = given.map((one) => one.name);
    if (place < 0)
      throw mismatch(`data set '${name}' has no column '${column.name}', which the preprocessing takes; it has ${someNames(names)}`);
    return { place, codes: codesFor(name, given[place], column) };
  });
  const isSame = given.length === wanted.length && places.every(({ place, codes }, i) => place === i && codes === null);
  return isSame ? null : new ByName(given.length, places);
}

/** @throws {@link ArgumentError} for class indices that count other categories than the wanted ones. */
export function checkSameClasses(name: string, given: ColumnSchema | undefined, wanted: ColumnSchema | null): void {
  if (given === undefined || wanted === null || given.name !== wanted.name || given.kind !== 'category') return;
  if (wanted.kind !== 'category' || codesFor(name, given, wanted) !== null)
    throw mismatch(
      `the target '${given.name}' of data set '${name}' has the categories ${someNames(given.categories ?? [])}, that of the preprocessing ${
        wanted.kind === 'category' ? someNames(wanted.categories ?? []) : 'is a number'
      }`,
    );
}

function codesFor(name: string, given: ColumnSchema, wanted: ColumnSchema): Float64Array | null {
  const [has, takes] = [given.categories ?? [], wanted.categories ?? []];
  // A column without any value has no category, whatever it is a column of.
  if (given.kind === 'category' && has.length === 0) return null;
  if (given.kind !== wanted.kind) {
    const what = (kind: ColumnSchema['kind']): string => (kind === 'number' ? 'numbers' : 'categories');
    throw mismatch(`column '${given.name}' of data set '${name}' holds ${what(given.kind)}, and the preprocessing takes ${what(wanted.kind)}`);
  }
  if (has.every((category, code) => category === takes[code])) return null;
  return Float64Array.from(has, (category) => {
    const code = takes.indexOf(category);
    if (code >= 0) return code;
    throw mismatch(
      `column '${given.name}' of data set '${name}' has the category '${category}', and the preprocessing knows ${someNames(takes)}`,
    );
  });
}

const mismatch = (what: string): ArgumentError =>
  new ArgumentError(`${what}. Read the table with { schema: model.preprocessing }, which asks for the columns that the model knows`);
