// A transform for each group of columns of a table, and what becomes of them side by side.

import { type ColumnSchema, checkSchema, schemaOf } from '../data/columns.js';
import type { AnyDataset } from '../data/dataset.js';
import type { DType, FloatDType } from '../dtype.js';
import { ArgumentError, checkList, checkObject, expected } from '../errors.js';
import { concat } from '../ops/shape.js';
import { isHollow } from '../ops/trace.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { tensorOf } from './affine.js';
import { byName, checkSameClasses } from './by-name.js';
import { OneHotEncoder } from './encoders.js';
import { type Examples, mapExamples } from './examples.js';
import { stateBelow } from './pipeline.js';
import { preprocessingFor } from './presets.js';
import { Transform, type TransformDescription, type TransformFitter, buildTransform, registerTransforms } from './transform.js';
import { transformed } from './transformed.js';

/** Some columns of a table, and what is done to them together. */
export interface ColumnGroup {
  /** Names of the columns. */
  readonly columns: readonly string[];
  /** What is done to them, as examples [number of columns]. */
  readonly transform: Transform;
}

/**
 * Gives each group of columns of a table to a transform of its own, and puts what comes out side by side, in the order of the groups, as
 * float32. Columns that stand in no group are left out. {@link tablePreprocessing} makes the usual one.
 *
 * It carries the names, kinds and categories of the columns, and of the target: a model that is saved with it knows what to ask of a new file,
 * as `schema: model.preprocessing`. Of numbers it learns the range, too, which {@link Table.outside} asks for. The columns of any other table, and of its parts, are found by their names.
 *
 * @throws {@link ArgumentError} for columns that the table does not have, or that stand in two groups.
 * @example
 * ```ts
 * import { ColumnTransform, Imputer, OneHotEncoder, readCsv } from 'nodegrad';
 * const data = (await readCsv('houses.csv')).dataset({ target: 'price' });
 * const transform = new ColumnTransform(data.features, [
 *   { columns: ['rooms', 'area'], transform: new Imputer() },
 *   { columns: ['city'], transform: new OneHotEncoder({ unknown: 'none' }) },
 * ]);
 * ```
 */
export class ColumnTransform extends Transform {
  /** The groups. */
  readonly groups: readonly ColumnGroup[];
  /** What is predicted from them; null where that was not said. A model that is trained on a table says it of its own. */
  readonly target: ColumnSchema | null;
  readonly #columns: readonly ColumnSchema[];
  readonly #places: readonly (readonly number[])[];

  constructor(columns: readonly ColumnSchema[], groups: readonly ColumnGroup[], target: ColumnSchema | null = null) {
    super();
    this.#columns = Object.freeze(checkSchema(columns, 'columns').map(schemaOf));
    this.groups = Object.freeze([...checkList<ColumnGroup>(groups, 'groups', 'an array of groups of columns')]);
    if (this.groups.length === 0) throw new ArgumentError('`groups` is empty: no column would be left');
    if (target !== null) checkSchema([target], 'target');
    this.target = target;
    const taken = new Set<number>();
    this.#places = this.groups.map((group) => {
      const { columns: names, transform } = checkObject<ColumnGroup>(group ?? null, 'groups', 'groups of columns');
      if (!(transform instanceof Transform)) throw new ArgumentError(expected('a transform, such as new Imputer()', 'groups', transform));
      return checkList<string>(names, 'groups', 'names of columns').map((name) => {
        const place = this.#columns.findIndex((column) => column.name === name);
        if (place < 0) throw new ArgumentError(expected('names of the columns', 'groups', name));
        if (taken.has(place)) throw new ArgumentError(`column '${name}' stands in two groups`);
        taken.add(place);
        return place;
      });
    });
  }

  /** The columns of the inputs, in their order; once it is fitted, those of numbers with their `range`. */
  override get columns(): readonly ColumnSchema[] {
    const own = super.stateDict();
    const [least, greatest] = [own.get('least')?.data, own.get('greatest')?.data];
    // A file of an older version has no ranges.
    if (least === undefined || greatest === undefined) return this.#columns;
    return this.#columns.map((column, i) =>
      column.kind === 'number' && least[i] <= greatest[i] ? { ...column, range: [least[i], greatest[i]] as const } : column,
    );
  }

  override adapted<D extends AnyDataset>(data: D): D {
    const { features } = (data as AnyDataset | null) ?? {};
    const change = Array.isArray(features) ? byName(data.name, features, this.#columns) : null;
    return change === null ? data : (transformed(data as AnyDataset<DType>, change) as unknown as D);
  }

  override checkTarget({ name, target }: AnyDataset): void {
    checkSameClasses(name, target, this.target);
  }

  override namesAfter(): readonly string[] | null {
    const parts = this.groups.map(({ columns, transform }) => this.#categoriesOf(columns, transform) ?? transform.namesAfter(columns));
    return parts.some((names) => names === null) ? null : parts.flatMap((names) => names ?? []);
  }

  /** Of a column of categories that has one of its own for each: `city = Bonn`. */
  #categoriesOf([name, ...more]: readonly string[], transform: Transform): readonly string[] | null {
    const { categories } = this.#columns.find((column) => column.name === name) ?? {};
    if (!(transform instanceof OneHotEncoder) || more.length > 0 || transform.outputShape[0] !== categories?.length) return null;
    return categories.map((category) => `${name} = ${category}`);
  }

  override withTarget(target: ColumnSchema): Transform {
    if (this.target !== null) return this;
    const twin = new ColumnTransform(this.#columns, this.groups, target);
    if (this.inputShape !== null) twin.settle(this.inputShape, Object.fromEntries(super.stateDict())); // the rest is in the groups
    return twin;
  }

  override learn(examples: Examples): void | Promise<void> {
    const { length } = this.#columns;
    if (examples.shape.length !== 1 || examples.shape[0] !== length)
      throw new ArgumentError(`${examples.name} has examples of shape [${examples.shape.join(', ')}], the columns are ${length}`);
    // Numbers that JSON has, where there is no value.
    const least = new Float64Array(length).fill(Number.MAX_VALUE);
    const greatest = new Float64Array(length).fill(-Number.MAX_VALUE);
    const look = ({ data }: AnyTensor): void => {
      for (let at = 0; at < data.length; )
        for (let j = 0; j < length; j++, at++) {
          if (data[at] < least[j]) least[j] = data[at];
          if (data[at] > greatest[j]) greatest[j] = data[at];
        }
    };
    const from = (i: number): void | Promise<void> => {
      if (i === this.groups.length)
        return this.settle(examples.shape, { least: tensorOf(least, [length]), greatest: tensorOf(greatest, [length]) });
      const places = this.#places[i];
      const learning = this.groups[i].transform.learn(
        mapExamples(examples, [places.length], (batch) => pick(batch as Tensor<FloatDType>, places)),
      );
      return learning === undefined ? from(i + 1) : learning.then(() => from(i + 1));
    };
    const looking = examples.each(look);
    return looking === undefined ? from(0) : looking.then(() => from(0));
  }

  protected fitter(): TransformFitter {
    return { add() {}, learned: () => ({}) };
  }

  protected apply(x: Tensor<FloatDType>): Tensor<FloatDType> {
    if (isHollow(x)) {
      const parts = this.groups.map(({ transform }, i) => transform.transform(pickTraced(x, this.#places[i])) as Tensor<FloatDType>);
      return concat(parts, 1).to('float32') as Tensor<FloatDType>;
    }
    const rows = x.shape[0];
    const width = this.outputShape[0];
    const joined = new Float32Array(rows * width);
    let start = 0;
    for (const [i, { transform }] of this.groups.entries()) {
      const { data, shape } = transform.transform(pick(x, this.#places[i])) as Tensor<FloatDType>;
      for (let row = 0; row < rows; row++) for (let j = 0; j < shape[1]; j++) joined[row * width + start + j] = data[row * shape[1] + j];
      start += shape[1];
    }
    return Tensor.from(joined, [rows, width]) as Tensor<FloatDType>;
  }

  protected override outputOf(): readonly number[] {
    return [this.groups.reduce((sum, { transform }) => sum + transform.outputShape.reduce((product, side) => product * side, 1), 0)];
  }

  override stateDict(): Map<string, Tensor<'float64'>> {
    const below = this.groups.flatMap(({ transform }, i) =>
      [...transform.stateDict()].map(([name, value]) => [`${i}.${name}`, value] as const),
    );
    return new Map([...super.stateDict(), ...below]);
  }

  override restore(inputShape: readonly number[], state: ReadonlyMap<string, Tensor<'float64'>>): void {
    for (const [i, { transform }] of this.groups.entries()) transform.restore([this.#places[i].length], stateBelow(`${i}`, state));
    this.settle(inputShape, Object.fromEntries([...state].filter(([name]) => name === 'least' || name === 'greatest')));
  }

  config(): unknown {
    const groups = this.groups.map(({ columns, transform }) => ({ columns, transform: transform.describe() }));
    return { columns: this.#columns, groups, target: this.target };
  }

  /** The transform that `config()` describes. */
  static fromConfig(config: {
    readonly columns: readonly ColumnSchema[];
    readonly groups: readonly { readonly columns: readonly string[]; readonly transform: TransformDescription }[];
    readonly target: ColumnSchema | null;
  }): ColumnTransform {
    const groups = checkList<{ columns: readonly string[]; transform: TransformDescription }>(
      config.groups,
      'groups',
      'an array of groups of columns',
    );
    return new ColumnTransform(
      config.columns,
      groups.map(({ columns, transform }) => ({ columns, transform: buildTransform(transform) })),
      config.target,
    );
  }
}

/** Some columns of [n, columns]. */
function pick({ data, shape }: Tensor<FloatDType>, places: readonly number[]): Tensor<FloatDType> {
  const [rows, width] = shape;
  const picked = new Float64Array(rows * places.length);
  for (let row = 0, at = 0; row < rows; row++) for (const place of places) picked[at++] = data[row * width + place];
  return Tensor.from(picked, [rows, places.length]) as Tensor<FloatDType>;
}

/** The same by operations, for a trace: neighbouring columns at once. */
function pickTraced(x: Tensor<FloatDType>, places: readonly number[]): Tensor<FloatDType> {
  const runs: [first: number, end: number][] = [];
  for (const place of places) {
    const last = runs.at(-1);
    if (last?.[1] === place) last[1] += 1;
    else runs.push([place, place + 1]);
  }
  const parts = runs.map(([first, end]) => x.slice([0, first], [x.shape[0], end]));
  return parts.length === 1 ? parts[0] : concat(parts, 1);
}

/**
 * The usual preprocessing of a table: missing numbers become the median of their column, then each column of numbers gets mean 0 and standard
 * deviation 1; categories become one-hot, a missing one zeros.
 *
 * @param columns - The features, such as `features` of a {@link TableDataset}.
 * @param target - What is predicted from them, for whoever loads the model. Default: what the model is trained on.
 * @throws {@link ArgumentError} for anything else.
 * @example
 * ```ts
 * import { mlp, readCsv, split, tablePreprocessing } from 'nodegrad';
 * const data = (await readCsv('houses.csv')).dataset({ target: 'price' });
 * const [train, test] = split(data, [0.8, 0.2]);
 * const preprocessing = tablePreprocessing(data.features, data.target).fit(train);
 * const model = mlp({ inputShape: preprocessing.outputShape, hidden: [64, 64], classes: 1 });
 * model.preprocessing = preprocessing;
 * ```
 */
export function tablePreprocessing(columns: readonly ColumnSchema[], target: ColumnSchema | null = null): ColumnTransform {
  const numbers = checkSchema(columns, 'columns').filter(({ kind }) => kind === 'number');
  const groups: ColumnGroup[] = columns
    .filter(({ kind }) => kind === 'category')
    .map(({ name, categories = [] }) => {
      const encoder = new OneHotEncoder({ categories: Math.max(1, categories.length), unknown: 'none' });
      return { columns: [name], transform: encoder };
    });
  if (numbers.length > 0) groups.unshift({ columns: numbers.map(({ name }) => name), transform: preprocessingFor('features') });
  return new ColumnTransform(columns, groups, target);
}

registerTransforms({ ColumnTransform });
