// Functions that make tensors: from numbers, or filled with one.

import { types } from 'node:util';
import { type DType, type DTypeOf, type TypedArray, type TypedArrayOf, checkElement, dtypeOf, dtypes, isReal } from './dtype.js';
import { ArgumentError, ShapeError, checkChoice, checkNumber, checkOptions, describe, expected } from './errors.js';
import { allocate } from './native.js';
import { sizeOf } from './ops/emit.js';
import { cast, filled } from './ops/shape.js';
import { type AnyTensor, Tensor, checkShape, maxRank } from './tensor.js';
import { nameHint } from './words.js';

/** Nested arrays of numbers, of which the innermost may be typed arrays. */
export type NestedValues = number | TypedArray | readonly NestedValues[];

function isRow(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && 'length' in value);
}

/** Options of the functions that make tensors: always the last argument. */
export interface CreateOptions<D extends DType = 'float32'> {
  /** Element type. Default `'float32'`; {@link tensor} keeps that of a typed array. */
  dtype?: D;
}

/**
 * A tensor of numbers, nested to any depth, or flat with a shape; the numbers are copied.
 *
 * Float types round what they cannot hold. Integer types take whole numbers of their range only: what would be cut is an error.
 * A typed array keeps its element type, unless `dtype` asks for another.
 *
 * @param values - A number, nested arrays of equal lengths, or a typed array. Arrays may hold typed arrays, which are numbers like others.
 * @param shape - Only for a flat array; default: the nesting. May be left out before the options.
 * @param options - `dtype`, default `'float32'`, or that of the typed array.
 * @throws {@link ShapeError} for ragged arrays or a shape that does not fit, {@link ArgumentError} for anything but numbers, and for numbers
 *   that an integer type does not hold.
 * @example
 * ```ts
 * import { tensor } from 'nodegrad';
 * tensor([[1, 2], [3, 4]]).shape; // [2, 2]
 * tensor([1, 2, 3, 4], [2, 2]).shape; // the same
 * tensor([0, 1], { dtype: 'int32' }).data; // Int32Array [0, 1]
 * ```
 */
export function tensor<const D extends DType = 'float32'>(
  values: NestedValues | ArrayBufferView,
  shape: readonly number[] | undefined,
  options: CreateOptions<D>,
): Tensor<D>;
export function tensor<const D extends DType = 'float32'>(values: NestedValues | ArrayBufferView, options: CreateOptions<D>): Tensor<D>;
export function tensor<A extends TypedArray>(values: A, shape?: readonly number[]): Tensor<DTypeOf<A>>;
export function tensor(values: NestedValues, shape?: readonly number[]): Tensor;
export function tensor(
  values: NestedValues | ArrayBufferView,
  shapeOrOptions?: readonly number[] | CreateOptions<DType>,
  lastOptions?: CreateOptions<DType>,
): Tensor<never> {
  const isOptions = typeof shapeOrOptions === 'object' && shapeOrOptions !== null && !Array.isArray(shapeOrOptions);
  if (isOptions && lastOptions !== undefined) throw new ArgumentError(expected('an array of dimensions', 'shape', shapeOrOptions));
  const options = checkOptions<CreateOptions<DType>>(isOptions ? shapeOrOptions : lastOptions, 'options', ['dtype']);
  const wanted = options.dtype === undefined ? undefined : checkChoice(options.dtype, 'options.dtype', dtypes);
  const shape = isOptions ? undefined : (shapeOrOptions as readonly number[] | undefined);
  // Numbers that are rounded to bfloat16 come as float64: native code rounds, and once.
  const isRounded = wanted === 'bfloat16';
  const held = isRounded ? 'float64' : wanted;
  const { data, nesting } = ArrayBuffer.isView(values) ? ofTyped(values, held) : ofNested(values, held ?? 'float32');
  const made = Tensor.from(data as Float32Array, shape ?? nesting) as AnyTensor;
  return (isRounded ? cast(made, 'bfloat16') : made) as unknown as Tensor<never>;
}

interface Numbers {
  data: TypedArrayOf<DType>;
  nesting: number[];
}

function ofNested(values: NestedValues, dtype: DType): Numbers {
  const nesting: number[] = [];
  for (let level: unknown = values; isRow(level); level = level[0]) {
    nesting.push(level.length);
    if (nesting.length > maxRank) throw new ShapeError(`expected at most ${maxRank} levels of nesting`);
  }
  const data = allocate(sizeOf(checkShape(nesting)), dtype);
  let at = 0;
  const path: number[] = [];
  const read = (level: unknown, depth: number): void => {
    if (depth === nesting.length) {
      if (typeof level !== 'number') throw new ArgumentError(expected('numbers', 'values', level, nameHint([level])));
      data[at++] = isReal(dtype) ? level : checkElement(level, dtype, `values${path.map((index) => `[${index}]`).join('')}`);
      return;
    }
    if (!isRow(level) || level.length !== nesting[depth]) {
      throw new ShapeError(`expected nested arrays of equal lengths (${nesting[depth]} at depth ${depth}), received ${describe(level)}`);
    }
    for (let i = 0; i < level.length; i++) {
      path[depth] = i;
      read(level[i], depth + 1);
    }
  };
  read(values, 0);
  return { data, nesting };
}

function ofTyped(values: ArrayBufferView, wanted: DType | undefined): Numbers {
  const dtype = wanted ?? dtypeOf(values, 'values');
  const numbers = values as TypedArray;
  if (types.isDataView(values) || typeof numbers[0] === 'bigint') throw new ArgumentError(expected('numbers', 'values', values));
  try {
    const data = allocate(numbers.length, dtype);
    if (!isReal(dtype)) for (let i = 0; i < numbers.length; i++) checkElement(numbers[i], dtype, `values[${i}]`);
    data.set(numbers);
    return { data, nesting: [numbers.length] };
  } catch (error) {
    if (error instanceof ArgumentError) throw error;
    throw new ArgumentError('the array in `values` cannot be copied: its ArrayBuffer was transferred or shrunk', { cause: error });
  }
}

/**
 * A tensor with every element `value`.
 *
 * @throws {@link ShapeError} for a malformed shape, {@link ArgumentError} for a value that an integer type does not hold.
 * @example
 * ```ts
 * import { full } from 'nodegrad';
 * full([2, 2], 0.5).toArray(); // [[0.5, 0.5], [0.5, 0.5]]
 * ```
 */
export function full<const D extends DType = 'float32'>(shape: readonly number[], value: number, options: CreateOptions<D> = {}): Tensor<D> {
  checkOptions(options, 'options', ['dtype']);
  if (typeof value !== 'number') checkNumber(value, 'value');
  const dtype = checkChoice(options.dtype ?? 'float32', 'options.dtype', dtypes) as D;
  return filled(checkShape(shape), checkElement(value, dtype, 'value'), dtype);
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
export function zeros<const D extends DType = 'float32'>(shape: readonly number[], options: CreateOptions<D> = {}): Tensor<D> {
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
export function ones<const D extends DType = 'float32'>(shape: readonly number[], options: CreateOptions<D> = {}): Tensor<D> {
  return full(shape, 1, options);
}
