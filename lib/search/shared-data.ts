// Data sets for other threads: their tensors lie in shared memory, once for all.

import type { AnyDataset, Dataset, DatasetSplit } from '../data/dataset.js';
import { TensorDataset, TreeDataset, isInMemory } from '../data/dataset.js';
import { memoryOf } from '../data/contract.js';
import { partOf } from '../data/parts.js';
import type { DType, TypedArray } from '../dtype.js';
import { ArgumentError, expected } from '../errors.js';
import { isPlainObject, isSharedArrayBuffer } from '../foreign.js';
import { allocateShared } from '../native.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { type TensorTree, tensorsOf } from '../tree.js';

/** A tensor as another thread gets it. */
interface SharedTensor {
  readonly values: TypedArray;
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/** A data set as another thread gets it. */
interface SharedDataset {
  readonly name: string;
  readonly classes?: readonly string[];
  readonly split?: DatasetSplit;
  readonly inputs: unknown;
  readonly targets: unknown;
  readonly weights?: unknown;
  readonly rows: Int32Array | null;
}

/** Data for workers: data sets by name, in shared memory. */
export type SharedData = Readonly<Record<string, SharedDataset>> | null;

/** Moves memory to where threads share it, each array once. */
class Mover {
  readonly #moved = new Map<TypedArray, TypedArray>();

  move<A extends TypedArray>(values: A, dtype: DType): A {
    if (isSharedArrayBuffer(values.buffer)) return values;
    const known = this.#moved.get(values);
    if (known !== undefined) return known as A;
    const shared = allocateShared(values.length, dtype) as TypedArray;
    shared.set(values);
    this.#moved.set(values, shared);
    return shared as A;
  }

  tree(tree: TensorTree): unknown {
    const { leaves, structure } = tensorsOf(tree, 'data');
    return structure.rebuild(
      leaves.map(({ data, shape, dtype }): SharedTensor => ({ values: this.move(data as TypedArray, dtype), shape, dtype: dtype as DType })),
    );
  }
}

/**
 * Data sets as other threads get them.
 *
 * @throws {ArgumentError} for anything but data sets that lie in memory as they are
 */
export function shareData(data: unknown): SharedData {
  if (data === undefined) return null;
  const mover = new Mover();
  if (!isPlainObject(data)) throw new ArgumentError(expected('an object of data sets, such as { train, validation },', 'options.data', data));
  return Object.fromEntries(Object.entries(data).map(([name, set]) => [name, shareOne(mover, set as AnyDataset, `options.data.${name}`)]));
}

function shareOne(mover: Mover, set: AnyDataset, argument: string): SharedDataset {
  const way = 'Threads share sets that lie in memory as tensors; load others in the module of the objective';
  if (typeof set !== 'object' || set === null || !isInMemory(set))
    throw new ArgumentError(expected('a data set in memory', argument, set, way));
  const { inputs, targets, weights, rows } = memoryOf(set as Dataset<never, never>) as unknown as Record<
    'inputs' | 'targets' | 'weights',
    TensorTree
  > & {
    rows: Int32Array | null;
  };
  if ('into' in inputs) throw new ArgumentError(expected('a data set whose inputs are not made anew in each epoch', argument, set, way));
  const { name, classes, split } = set;
  return {
    name,
    ...(classes && { classes: [...classes] }),
    ...(split && { split }),
    inputs: mover.tree(inputs),
    targets: mover.tree(targets),
    ...(weights && { weights: mover.tree(weights) }),
    rows: rows === null ? null : mover.move(rows, 'int32'),
  };
}

/** The data sets of {@link shareData} in the thread that got them, on the same memory. */
export function openData(shared: SharedData): Record<string, AnyDataset> | undefined {
  if (shared === null) return undefined;
  return Object.fromEntries(Object.entries(shared).map(([name, set]) => [name, openOne(set)]));
}

function openOne({ name, classes, split, inputs, targets, weights, rows }: SharedDataset): AnyDataset {
  const open = (tree: unknown): TensorTree => {
    const isShared = (value: unknown): value is SharedTensor => isPlainObject(value) && ArrayBuffer.isView(value.values);
    if (isShared(tree)) return Tensor.from(tree.values as never, tree.shape, { dtype: tree.dtype as 'bfloat16' });
    if (Array.isArray(tree)) return tree.map(open);
    return Object.fromEntries(Object.entries(tree as object).map(([key, value]) => [key, open(value)]));
  };
  const [x, y] = [open(inputs), open(targets)];
  const isPlain = x instanceof Tensor && y instanceof Tensor && weights === undefined;
  const whole = (
    isPlain
      ? new TensorDataset(x as Tensor, y as Tensor<'int32'>, { name, classes, split })
      : new TreeDataset({ inputs: x, targets: y, name, ...(weights !== undefined && { weights: open(weights) as AnyTensor }) })
  ) as Dataset;
  return (rows === null ? whole : partOf(whole, rows, name, split as DatasetSplit)) as unknown as AnyDataset;
}
