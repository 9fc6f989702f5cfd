// Functions that make tensors: from numbers, or filled with one.

import { type DType, type TypedArray, dtypeOf, dtypes } from './dtype.js';
import { ArgumentError, ShapeError, checkChoice, checkNumber, checkOptions, describe, expected } from './errors.js';
import { allocate } from './native.js';
import { sizeOf } from './ops/emit.js';
import { filled } from './ops/shape.js';
import { Tensor, checkShape, maxRank } from './tensor.js';

/** Nested arrays of numbers, of which the innermost may be typed arrays. */
export type NestedValues = number | TypedArray | readonly NestedValues[];

function isRow(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && 'length' in value);
}

/**
 * A float32 tensor from numbers, nested to any depth, or flat with a shape; the numbers are copied.
 *
 * @param values - A number, or nested arrays of equal lengths; the innermost may be typed arrays.
 * @param shape - Only for a flat array; default: the nesting.
 * @throws {@link ShapeError} for ragged arrays or a shape that does not fit, {@link ArgumentError} for anything but numbers.
 * @example
 * ```ts
 * import { tensor } from 'nodegrad';
 * tensor([[1, 2], [3, 4]]).shape; // [2, 2]
 * tensor([1, 2, 3, 4], [2, 2]).shape; // the same
 * ```
 */
export function tensor(values: NestedValues, shape?: readonly number[]): Tensor {
  if (ArrayBuffer.isView(values)) {
    dtypeOf(values);
    return Tensor.from(copyOf(values as TypedArray), shape);
  }
  const nesting: number[] = [];
  for (let level: unknown = values; isRow(level); level = level[0]) {
    nesting.push(level.length);
    if (nesting.length > maxRank) throw new ShapeError(`expected at most ${maxRank} levels of nesting`);
  }
  const data = allocate(sizeOf(checkShape(nesting)), 'float32');
  let at = 0;
  const read = (level: unknown, depth: number): void => {
    if (depth === nesting.length) {
      if (typeof level !== 'number') throw new ArgumentError(expected('numbers', 'values', level));
      data[at++] = level;
      return;
    }
    if (!isRow(level) || level.length !== nesting[depth]) {
      throw new ShapeError(`expected nested arrays of equal lengths (${nesting[depth]} at depth ${depth}), received ${describe(level)}`);
    }
    for (let i = 0; i < level.length; i++) read(level[i], depth + 1);
  };
  read(values, 0);
  return Tensor.from(data, shape === undefined ? nesting : shape) as Tensor;
}

function copyOf(values: TypedArray): Float32Array {
  try {
    return Float32Array.from(values);
  } catch (error) {
    throw new ArgumentError('the array in `values` cannot be copied: its ArrayBuffer was transferred or shrunk, or there is no memory', {
      cause: error,
    });
  }
}

/** Options of the functions that make tensors. */
export interface CreateOptions<D extends DType = 'float32'> {
  /** Element type. Default `'float32'`. */
  dtype?: D;
}

/**
 * A tensor with every element `value`.
 *
 * @throws {@link ShapeError} for a malformed shape.
 * @example
 * ```ts
 * import { full } from 'nodegrad';
 * full([2, 2], 0.5).toArray(); // [[0.5, 0.5], [0.5, 0.5]]
 * ```
 */
export function full<D extends DType = 'float32'>(shape: readonly number[], value: number, options: CreateOptions<D> = {}): Tensor<D> {
  checkOptions(options, 'options', ['dtype']);
  if (typeof value !== 'number') checkNumber(value, 'value');
  return filled(checkShape(shape), value, checkChoice(options.dtype ?? 'float32', 'dtype', dtypes) as D);
}

/**
 * A tensor of zeros.
 *
 * @throws {@link ShapeError} for a malformed shape.
 * @example
 * ```ts
 * import { zeros } from 'nodegrad';
 * zeros([3], { dtype: 'int32' }).data; // Int32Array [0, 0, 0]
 * ```
 */
export function zeros<D extends DType = 'float32'>(shape: readonly number[], options: CreateOptions<D> = {}): Tensor<D> {
  return full(shape, 0, options);
}

/**
 * A tensor of ones.
 *
 * @throws {@link ShapeError} for a malformed shape.
 * @example
 * ```ts
 * import { ones } from 'nodegrad';
 * ones([2]).toArray(); // [1, 1]
 * ```
 */
export function ones<D extends DType = 'float32'>(shape: readonly number[], options: CreateOptions<D> = {}): Tensor<D> {
  return full(shape, 1, options);
}
