// Examples as rows of memory: what one is made of, room for many of one form, and the batch that they are.

import { type NestedValues, tensor } from '../create.js';
import { type DType, type TypedArray, arrayDType, arrayTypes } from '../dtype.js';
import { ArgumentError, ShapeError, describeShape, expected } from '../errors.js';
import { isPlainObject } from '../foreign.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { type Structure, type TensorTree, leavesOf, sortedNames } from '../tree.js';
import type { Batch, BatchPart, ShapeTree } from './dataset.js';

/** Numbers of an example, where they lie. */
interface Leaf {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly values: ArrayLike<number>;
}

/** Inputs or targets of an example. */
export interface ExamplePart {
  readonly leaves: readonly Leaf[];
  /** How the leaves make it up; null where it is one. */
  readonly structure: Structure | null;
}

/** An example; its memory is its giver's, who may write there again. */
export interface ExampleParts {
  readonly inputs: ExamplePart;
  readonly targets: ExamplePart;
  readonly weight?: number;
}

/** The numbers that somebody gave for inputs or targets. */
export function partOf(values: unknown, argument: string): ExamplePart {
  if (!isPlainObject(values)) return { leaves: [leafOf(values, argument)], structure: null };
  const { leaves, paths, structure } = leavesOf<unknown>(values, (value) => !isPlainObject(value), argument, sortedNames);
  return { leaves: leaves.map((one, i) => leafOf(one, paths[i])), structure };
}

/** A number of an integer type. */
export const integerPart = (value: number): ExamplePart => ({ leaves: [{ dtype: 'int32', shape: [], values: [value] }], structure: null });

function leafOf(values: unknown, argument: string): Leaf {
  if (typeof values === 'number') return { dtype: 'float32', shape: [], values: [values] };
  if (values instanceof Tensor) {
    const { dtype, shape, data } = values as AnyTensor;
    return { dtype, shape, values: data as TypedArray };
  }
  if (Array.isArray(values)) {
    if (values.every((value) => typeof value === 'number')) return { dtype: 'float32', shape: [values.length], values };
  } else if (ArrayBuffer.isView(values)) {
    const dtype = arrayDType(values);
    if (dtype !== null && dtype !== 'bfloat16') return { dtype, shape: [(values as TypedArray).length], values: values as TypedArray };
  } else throw new ArgumentError(expected('numbers, a typed array or a tensor', argument, values));
  const made = tensor(values as NestedValues) as AnyTensor;
  return { dtype: made.dtype, shape: made.shape, values: made.data as TypedArray };
}

/** The shapes of a part. */
export const shapesOf = ({ leaves, structure }: ExamplePart): ShapeTree =>
  structure === null ? leaves[0].shape : (structure.rebuild(leaves.map(({ shape }) => shape)) as ShapeTree);

const sizeOf = ({ shape }: Leaf): number => shape.reduce((product, side) => product * side, 1);

/** Room for examples of one form. */
export class ExampleRows {
  /** One of them, whose numbers may be others by now. */
  readonly form: ExampleParts;
  readonly capacity: number;
  readonly #data: readonly TypedArray[];
  readonly #sizes: readonly number[];
  readonly #weights: Float32Array | null;

  /** With the rows of `before`, which has fewer. */
  constructor(form: ExampleParts, capacity: number, before: ExampleRows | null = null) {
    [this.form, this.capacity] = [form, capacity];
    const leaves = [...form.inputs.leaves, ...form.targets.leaves];
    this.#sizes = leaves.map(sizeOf);
    this.#data = leaves.map(({ dtype }, i) => new arrayTypes[dtype](capacity * this.#sizes[i]));
    this.#weights = form.weight === undefined ? null : new Float32Array(capacity);
    if (before === null) return;
    for (const [i, data] of this.#data.entries()) data.set(before.#data[i] as never);
    this.#weights?.set(before.#weights as Float32Array);
  }

  /** Copies an example into a row. */
  set(row: number, example: ExampleParts): void {
    let at = 0;
    for (const { leaves } of [example.inputs, example.targets])
      for (const { values } of leaves) {
        this.#data[at].set(values as never, row * this.#sizes[at]);
        at += 1;
      }
    if (this.#weights !== null) this.#weights[row] = example.weight as number;
  }

  /** Copies a row of others of the same form into one of these. */
  copy(row: number, from: ExampleRows, place: number): void {
    for (const [i, data] of this.#data.entries()) {
      const size = this.#sizes[i];
      data.set(from.#data[i].subarray(place * size, (place + 1) * size) as never, row * size);
    }
    if (this.#weights !== null) this.#weights[row] = (from.#weights as Float32Array)[place];
  }

  /** The first rows as a batch on this memory. */
  batch(count: number): Batch<BatchPart, BatchPart> {
    let at = 0;
    const part = ({ leaves, structure }: ExamplePart): TensorTree => {
      const tensors = leaves.map((leaf) => {
        const [data, length] = [this.#data[at], count * this.#sizes[at]];
        at += 1;
        const rows = data.length === length ? data : data.slice(0, length);
        return Tensor.wrap(rows as never, [count, ...leaf.shape], leaf.dtype) as AnyTensor;
      });
      return structure === null ? tensors[0] : (structure.rebuild(tensors) as TensorTree);
    };
    const [inputs, targets] = [part(this.form.inputs), part(this.form.targets)];
    const weights = this.#weights === null ? {} : { weights: Tensor.from(this.#weights.slice(0, count)) };
    return { inputs, targets, ...weights } as Batch<BatchPart, BatchPart>;
  }
}

/** Refuses an example of another form than the first one. */
export function checkAlike(example: ExampleParts, first: ExampleParts): void {
  if ((example.weight === undefined) !== (first.weight === undefined))
    throw new ArgumentError('expected a weight for each example, or for none of them');
  for (const name of ['inputs', 'targets'] as const) {
    const [one, other] = [example[name], first[name]];
    if (one.structure?.key === other.structure?.key && one.leaves.every((leaf, i) => isAlike(leaf, other.leaves[i]))) continue;
    const describe = ({ leaves }: ExamplePart): string => leaves.map(({ dtype, shape }) => `${dtype} ${describeShape(shape)}`).join(', ');
    throw new ShapeError(`expected ${name} like those of the first example, ${describe(other)}, received ${describe(one)}`);
  }
}

const isAlike = (one: Leaf, other: Leaf): boolean =>
  one.dtype === other.dtype && one.shape.length === other.shape.length && one.shape.every((side, i) => side === other.shape[i]);
