// The tensor: a shape over a typed array, row-major and contiguous; `data` is the memory itself.

import { isPromise, ours } from './foreign.js';
import { type DType, type FloatDType, type TypedArray, type TypedArrayOf, dtypeOf, dtypes, isFloat } from './dtype.js';
import { ArgumentError, DTypeError, ShapeError, checkChoice, checkOptions, describe, describeShape, expected } from './errors.js';
import { backward } from './ops/backward.js';
import {
  type Operand,
  abs,
  add,
  clip,
  div,
  equal,
  greater,
  greaterEqual,
  less,
  lessEqual,
  maximum,
  minimum,
  mul,
  neg,
  notEqual,
  pow,
  sign,
  sub,
} from './ops/elementwise.js';
import { type GradientNode, type Stamp, sizeOf, withoutGradients } from './ops/emit.js';
import { type MatmulOptions, matmul } from './ops/matmul.js';
import { type ReduceOptions, type VarianceOptions, argmax, argmin, max, mean, min, standardDeviation, sum, variance } from './ops/reduce.js';
import { cast, copy, gather, pad, reshape, slice, split, transpose } from './ops/shape.js';
import { type StateKind, isWatched, makes, opens, reads, usesGradient, writes } from './recording.js';
import { keepNames } from './names.js';

export type { DType, FloatDType, TypedArray, TypedArrayOf } from './dtype.js';

/** A tensor of any element type. */
// biome-ignore lint/suspicious/noExplicitAny: methods are contravariant in D, so `Tensor<DType>` would accept no tensor.
export type AnyTensor = Tensor<any>;

/** Nested arrays of numbers, as deep as the tensor's rank. */
export type NestedNumbers = number | readonly NestedNumbers[];

// An intersection and not a condition, which functions of a generic dtype could not fulfil.
type FloatOnly<D extends DType> = D & FloatDType;

/** Most axes that a tensor can have. */
export const maxRank = 8;
const maxElements = 2 ** 40;
/** The shape that was frozen last: those of results are often their inputs'. */
let lastShape: readonly number[] | null = null;
const maxNested = 2 ** 26;

/**
 * A multi-dimensional array: a shape over a typed array.
 *
 * Memory is row-major and contiguous, and `data` is that memory, zero-copy in both directions. Reshaping and slices of the first axis
 * are views. Element types never mix silently. Operations on tensors with `requiresGrad` are remembered, and `backward()` walks back.
 *
 * @example
 * ```ts
 * import { Tensor, tensor } from 'nodegrad';
 * const shared = Tensor.from(Float32Array.of(1, 2, 3, 4), [2, 2]); // no copy
 * const w = tensor([[1], [1]]);
 * w.requiresGrad = true;
 * shared.matmul(w).sum().backward();
 * w.grad?.toArray(); // [[4], [6]]
 * ```
 */
export class Tensor<D extends DType = 'float32'> {
  /** Length along each axis; frozen. */
  readonly shape: readonly number[];
  /** Element type. */
  readonly dtype: D;
  /** Number of elements. */
  readonly size: number;
  #node: GradientNode | null = null;
  #stamp: Stamp | null = null;
  #data: TypedArrayOf<D> | null;
  #requiresGrad = false;
  #grad: Tensor<D> | null = null;

  /** @internal Use {@link tensor} or {@link Tensor.from}. */
  protected constructor(data: TypedArrayOf<D> | null, shape: readonly number[], dtype: D) {
    if (dtype === undefined || Array.isArray(data))
      throw new ArgumentError(
        'a tensor is made by a function: tensor([…]) copies numbers, Tensor.from(typedArray, shape) takes memory as it is',
      );
    this.#data = data;
    // Tensors share shapes: whoever wrote into one would bend the others. To freeze one again takes longer than to know it.
    if (shape !== lastShape) lastShape = Object.freeze(shape);
    this.shape = shape;
    this.dtype = dtype;
    this.size = data === null ? sizeOf(shape) : data.length;
  }

  /**
   * A tensor on the memory of a typed array; nothing is copied.
   *
   * @param data - Float32Array, Float64Array, Int32Array or Uint8Array on an ArrayBuffer or SharedArrayBuffer of fixed length.
   * @param shape - Default `[data.length]`.
   * @throws {@link ArgumentError} for other arrays and resizable buffers, {@link ShapeError} when the shape does not fit the length.
   * @example
   * ```ts
   * import { Tensor } from 'nodegrad';
   * const x = Tensor.from(new Float32Array(6), [2, 3]);
   * x.data[0] = 1; // writes into the tensor
   * ```
   */
  static from(data: Float32Array, shape?: readonly number[]): Tensor<'float32'>;
  static from(data: Float64Array, shape?: readonly number[]): Tensor<'float64'>;
  static from(data: Int32Array, shape?: readonly number[]): Tensor<'int32'>;
  static from(data: Uint8Array, shape?: readonly number[]): Tensor<'uint8'>;
  static from<D extends DType>(data: TypedArrayOf<D>, shape?: readonly number[]): Tensor<D>;
  static from(data: TypedArray, shape?: readonly number[]): AnyTensor {
    const dtype = dtypeOf(data);
    const buffer = data.buffer as ArrayBuffer & { resizable?: boolean; growable?: boolean };
    if (buffer.resizable === true || buffer.growable === true) {
      throw new ArgumentError('expected a buffer of fixed length for `data`: a resizable buffer could shrink under a running operation');
    }
    const dimensions = shape === undefined ? [data.length] : checkShape(shape);
    if (sizeOf(dimensions) !== data.length) {
      throw new ShapeError(`shape ${describeShape(dimensions)} has ${sizeOf(dimensions)} elements, but \`data\` has ${data.length}`);
    }
    const made = new Tensor(data, dimensions, dtype);
    makes(made);
    return made;
  }

  /** @internal Without checks. */
  static wrap<D extends DType>(data: TypedArrayOf<D>, shape: readonly number[], dtype: D): Tensor<D> {
    return new Tensor(data, shape, dtype);
  }

  /** @internal `value` as a tensor, or an error that names the argument. */
  static check(value: unknown, argument: string): AnyTensor {
    // The private field and not the prototype: a proxy of a tensor, or an object made on its prototype, has none.
    if (typeof value !== 'object' || value === null || !(#data in value)) {
      throw new ArgumentError(
        expected('a Tensor', argument, value, 'Numbers and arrays go through tensor(), typed arrays through Tensor.from()'),
      );
    }
    return value;
  }

  /**
   * The memory, `size` elements, row-major: reading and writing it reads and writes the tensor. Nobody hears of what is written here:
   * a `backward()` that comes afterwards uses the new values.
   */
  get data(): TypedArrayOf<D> {
    if (isWatched()) opens(this);
    return this.memory;
  }

  /** @internal The same, for whom a recording need not hear of. */
  get memory(): TypedArrayOf<D> {
    this.#data ??= this.materialize();
    return this.#data;
  }

  /** @internal Where the memory of a tensor without any comes from: parameters draw their values at first use. */
  protected materialize(): TypedArrayOf<D> {
    throw new ArgumentError('this tensor has no memory');
  }

  /** @internal Moves a leaf to other memory, which already holds its values. */
  protected moveTo(data: TypedArrayOf<D> | null): void {
    this.#data = data;
    this.stamp = null;
  }

  /** @internal Where the tape adds this leaf's gradient: memory that is already there, or null. */
  gradientTarget(): Tensor<D> | null {
    return this.grad;
  }

  /** The gradient that `backward()` has added up, or null. Setting it to null forgets it. */
  get grad(): Tensor<D> | null {
    if (isWatched()) usesGradient(this);
    return this.#grad;
  }

  set grad(value: Tensor<D> | null) {
    if (isWatched()) usesGradient(this);
    if (value !== null && (Tensor.check(value, 'grad').size !== this.size || value.dtype !== this.dtype)) {
      throw new ShapeError(`expected a gradient of shape ${describeShape(this.shape)} and dtype ${this.dtype}`);
    }
    this.#grad = value;
  }

  /** @internal The operation that made this tensor; null for a leaf. */
  get node(): GradientNode | null {
    return this.#node;
  }

  /** @internal When this memory was last updated in place; null: never since it could matter. */
  get stamp(): Stamp | null {
    return this.#stamp;
  }

  /** @internal */
  set stamp(value: Stamp | null) {
    this.#stamp = value;
  }

  /** Number of axes. */
  get rank(): number {
    return this.shape.length;
  }

  /** Whether gradients flow to this tensor. Setting it is for leaves of float dtype. */
  get requiresGrad(): boolean {
    if (isWatched()) reads(Tensor.#trained, this);
    return this.#requiresGrad;
  }

  set requiresGrad(value: boolean) {
    if (value && !isFloat(this.dtype)) throw new DTypeError(`expected a float tensor for \`requiresGrad\`, received ${this.dtype}`);
    if (this.node !== null) throw new ArgumentError('`requiresGrad` can only be set on a leaf; use .detach() to cut a result off the tape');
    writes(Tensor.#trained, this);
    this.#requiresGrad = value;
  }

  static readonly #trained: StateKind<AnyTensor> = {
    get: (tensor) => tensor.#requiresGrad,
    set: (tensor, value) => {
      tensor.#requiresGrad = value;
    },
  };

  /** @internal */
  attachNode(node: GradientNode): void {
    this.#node = node;
    this.#requiresGrad = true;
  }

  // ---- differentiation ----

  /**
   * Adds the gradients of this tensor by all leaves with `requiresGrad` to their `grad`. The tape is used up.
   *
   * @param upstream - Gradient by this tensor; may be left out when it has one element.
   * @throws {@link ShapeError} without `upstream` for more than one element, {@link ArgumentError} when nothing requires a gradient.
   * @example
   * ```ts
   * import { tensor } from 'nodegrad';
   * const w = tensor([3]);
   * w.requiresGrad = true;
   * w.mul(w).sum().backward();
   * w.grad?.item(); // 6
   * ```
   */
  backward(upstream?: Tensor<D>): void {
    backward(this, upstream === undefined ? undefined : Tensor.check(upstream, 'upstream'));
  }

  /** The same memory, off the tape. */
  detach(): Tensor<D> {
    return withoutGradients(() => reshape(this, this.shape));
  }

  // ---- reading ----

  /**
   * The one element as a number.
   *
   * @throws {@link ShapeError} when there are more or fewer.
   * @example
   * ```ts
   * import { tensor } from 'nodegrad';
   * tensor([1, 2, 3]).sum().item(); // 6
   * ```
   */
  item(): number {
    if (this.size !== 1) throw new ShapeError(`item() needs exactly one element, received shape ${describeShape(this.shape)}`);
    return this.data[0];
  }

  /**
   * Nested arrays of numbers, a copy. A rank-0 tensor gives a number. How deep they are depends on the shape, which TypeScript does not know:
   * a declared type says so.
   *
   * @throws {@link ArgumentError} for a tensor too large for arrays.
   * @example
   * ```ts
   * import { tensor } from 'nodegrad';
   * const rows: number[][] = tensor([[1, 2], [3, 4]]).toArray();
   * tensor([[1, 2], [3, 4]]).toArray()[1][0]; // 3
   * ```
   */
  // biome-ignore lint/suspicious/noExplicitAny: indices and array methods work on it, and it fits any type that is declared.
  toArray<A extends NestedNumbers = any>(): A {
    // Arrays are made for dimensions beside a 0 too, and take much more memory than numbers.
    const cells = this.shape.reduce((product, dimension) => product * Math.max(1, dimension), 1);
    if (cells > maxNested) throw new ArgumentError(`toArray() of shape ${describeShape(this.shape)} would fill the memory: read .data instead`);
    const build = (axis: number, at: number): NestedNumbers => {
      if (axis === this.rank) return this.data[at];
      const step = sizeOf(this.shape.slice(axis + 1));
      return Array.from({ length: this.shape[axis] }, (_, i) => build(axis + 1, at + i * step));
    };
    return build(0, 0) as A;
  }

  /** What JSON holds of a tensor: the numbers of {@link Tensor.toArray}. JSON has no NaN and no infinity, and writes null for them. */
  toJSON(): NestedNumbers {
    return this.toArray();
  }

  /**
   * A copy in new memory; the gradient flows through. {@link Tensor.detach} is the opposite: the same memory, no gradient.
   */
  clone(): Tensor<D> {
    return copy(this);
  }

  /**
   * The same values in another element type; the same tensor when it has it already. Float to integer truncates and saturates;
   * NaN, which is no integer, is refused. The gradient flows between float32 and float64.
   *
   * @throws {@link ArgumentError} for an unknown dtype, or NaN where an integer is asked for.
   * @example
   * ```ts
   * import { tensor } from 'nodegrad';
   * tensor([1.9, -1.9, 300]).to('uint8').toArray(); // [1, 0, 255]
   * ```
   */
  to<E extends DType>(dtype: E): Tensor<E> {
    return cast(this, checkChoice(dtype, 'dtype', dtypes) as E);
  }

  // ---- arithmetic, broadcasting ----

  /**
   * `this + other`, broadcasting: dimensions are compared from the last one backwards and must be equal or 1.
   *
   * Gradients: `dy` for both, summed over the axes along which an operand was stretched.
   *
   * @param other - A tensor of the same dtype, or a number.
   * @throws {@link ShapeError} when the shapes do not broadcast, {@link DTypeError} when the dtypes differ or are not float.
   * @example
   * ```ts
   * import { tensor } from 'nodegrad';
   * tensor([[1, 2], [3, 4]]).add(tensor([10, 20])).toArray(); // [[11, 22], [13, 24]]
   * ```
   */
  add(this: Tensor<FloatOnly<D>>, other: Operand<FloatOnly<D>>): Tensor<D> {
    return add(this, other) as Tensor<D>;
  }
  /**
   * `this − other`, broadcasting. Gradients: `dy` and `−dy`.
   *
   * @param other - A tensor of the same dtype, or a number.
   * @throws {@link ShapeError} when the shapes do not broadcast, {@link DTypeError} when the dtypes differ or are not float.
   */
  sub(this: Tensor<FloatOnly<D>>, other: Operand<FloatOnly<D>>): Tensor<D> {
    return sub(this, other) as Tensor<D>;
  }
  /**
   * `this · other` per element, broadcasting. Gradients: `dy·other` and `dy·this`. For the matrix product see {@link Tensor.matmul}.
   *
   * @param other - A tensor of the same dtype, or a number.
   * @throws {@link ShapeError} when the shapes do not broadcast, {@link DTypeError} when the dtypes differ or are not float.
   */
  mul(this: Tensor<FloatOnly<D>>, other: Operand<FloatOnly<D>>): Tensor<D> {
    return mul(this, other) as Tensor<D>;
  }
  /**
   * `this / other`, broadcasting. Gradients: `dy/other` and `−dy·y/other`.
   *
   * @param other - A tensor of the same dtype, or a number.
   * @throws {@link ShapeError} when the shapes do not broadcast, {@link DTypeError} when the dtypes differ or are not float.
   */
  div(this: Tensor<FloatOnly<D>>, other: Operand<FloatOnly<D>>): Tensor<D> {
    return div(this, other) as Tensor<D>;
  }
  /**
   * `this ^ other`, broadcasting: repeated multiplication for whole exponents, `e^(other·ln this)` for others; NaN for a negative base
   * with a fractional exponent. Gradients: `dy·other·this^(other−1)`, which is 0 for the exponent 0, and `dy·y·ln this`.
   *
   * @param other - A tensor of the same dtype, or a number.
   * @throws {@link ShapeError} when the shapes do not broadcast, {@link DTypeError} when the dtypes differ or are not float.
   * @example
   * ```ts
   * import { tensor } from 'nodegrad';
   * tensor([1, 2, 3]).pow(2).toArray(); // [1, 4, 9]
   * ```
   */
  pow(this: Tensor<FloatOnly<D>>, other: Operand<FloatOnly<D>>): Tensor<D> {
    return pow(this, other) as Tensor<D>;
  }
  /**
   * The smaller of both, broadcasting; a NaN in either stays. The gradient goes to the smaller one; ties share it in halves.
   *
   * @throws {@link ShapeError} when the shapes do not broadcast, {@link DTypeError} when the dtypes differ or are not float.
   */
  minimum(this: Tensor<FloatOnly<D>>, other: Operand<FloatOnly<D>>): Tensor<D> {
    return minimum(this, other) as Tensor<D>;
  }
  /**
   * The larger of both, broadcasting; a NaN in either stays. The gradient goes to the larger one; ties share it in halves.
   *
   * @throws {@link ShapeError} when the shapes do not broadcast, {@link DTypeError} when the dtypes differ or are not float.
   * @example
   * ```ts
   * import { tensor } from 'nodegrad';
   * tensor([-2, 3]).maximum(0).toArray(); // [0, 3]
   * ```
   */
  maximum(this: Tensor<FloatOnly<D>>, other: Operand<FloatOnly<D>>): Tensor<D> {
    return maximum(this, other) as Tensor<D>;
  }
  /** `−this`. */
  neg(this: Tensor<FloatOnly<D>>): Tensor<D> {
    return neg(this) as Tensor<D>;
  }
  /** Absolute value; its gradient at 0 is 0. */
  abs(this: Tensor<FloatOnly<D>>): Tensor<D> {
    return abs(this) as Tensor<D>;
  }
  /** −1, 0 or 1; NaN stays. */
  sign(this: Tensor<FloatOnly<D>>): Tensor<D> {
    return sign(this) as Tensor<D>;
  }
  /**
   * Limits elements to [low, high]; a NaN stays. The gradient is `dy` inside and at the ends, 0 outside.
   *
   * @throws {@link ArgumentError} unless `low ≤ high`.
   * @example
   * ```ts
   * import { tensor } from 'nodegrad';
   * tensor([-5, 0.5, 5]).clip(-1, 1).toArray(); // [-1, 0.5, 1]
   * ```
   */
  clip(this: Tensor<FloatOnly<D>>, low: number, high: number): Tensor<D> {
    if (typeof low !== 'number' || typeof high !== 'number' || !(low <= high)) {
      throw new ArgumentError(`expected \`low\` ≤ \`high\`, received ${describe(low)} and ${describe(high)}`);
    }
    return clip(this, low, high) as Tensor<D>;
  }

  // ---- comparison: uint8, 1 where it holds ----

  /**
   * 1 where both are equal, else 0, broadcasting; a NaN equals nothing. No gradient.
   *
   * A float32 tensor takes a number in its own precision; an integer tensor is compared with the number as it is, fractions and all.
   *
   * @throws {@link ShapeError} when the shapes do not broadcast, {@link DTypeError} when the dtypes differ.
   * @example
   * ```ts
   * import { Tensor } from 'nodegrad';
   * Tensor.from(Int32Array.of(1, 2, 3)).equal(2).toArray(); // [0, 1, 0]
   * ```
   */
  equal(other: Tensor<D> | number): Tensor<'uint8'> {
    return equal(this, other);
  }
  /** 1 where they differ (also where either is NaN), broadcasting. */
  notEqual(other: Tensor<D> | number): Tensor<'uint8'> {
    return notEqual(this, other);
  }
  /** 1 where `this < other`, broadcasting. */
  less(other: Tensor<D> | number): Tensor<'uint8'> {
    return less(this, other);
  }
  /** 1 where `this ≤ other`, broadcasting. */
  lessEqual(other: Tensor<D> | number): Tensor<'uint8'> {
    return lessEqual(this, other);
  }
  /** 1 where `this > other`, broadcasting. */
  greater(other: Tensor<D> | number): Tensor<'uint8'> {
    return greater(this, other);
  }
  /** 1 where `this ≥ other`, broadcasting. */
  greaterEqual(other: Tensor<D> | number): Tensor<'uint8'> {
    return greaterEqual(this, other);
  }

  // ---- products ----

  /**
   * Matrix product `[m, k]·[k, n] → [m, n]`, each operand transposed on request. Every output adds its k products in order with fused
   * multiply-add, so it does not depend on threads or on the other rows. Gradients: `dA = dy·Bᵀ`, `dB = Aᵀ·dy`.
   *
   * @throws {@link ShapeError} when the operands are no matrices or their inner dimensions differ, {@link DTypeError} when dtypes differ.
   * @example
   * ```ts
   * import { ones } from 'nodegrad';
   * ones([32, 784]).matmul(ones([784, 10])).shape; // [32, 10]
   * ones([32, 784]).matmul(ones([32, 10]), { transposeA: true }).shape; // [784, 10]
   * ```
   */
  matmul(this: Tensor<FloatOnly<D>>, other: Tensor<FloatOnly<D>>, options?: MatmulOptions): Tensor<D> {
    return matmul(this, other, options) as Tensor<D>;
  }

  // ---- reductions ----

  /**
   * Sum over all axes, or over the given ones, in one fixed order: 64 virtual lanes, then a tree. The gradient of every element is the gradient of its sum.
   *
   * @param axes - One axis or several; negative ones count from the end. Default all.
   * @throws {@link ShapeError} for an axis that is not there, {@link DTypeError} when the dtype is not float.
   * @example
   * ```ts
   * import { tensor } from 'nodegrad';
   * const x = tensor([[1, 2], [3, 4]]);
   * x.sum().item(); // 10
   * x.sum(0).toArray(); // [4, 6]
   * x.sum(1, { keepDims: true }).shape; // [2, 1]
   * ```
   */
  sum(this: Tensor<FloatOnly<D>>, axes?: number | readonly number[], options?: ReduceOptions): Tensor<D> {
    return sum(this, axes, options) as Tensor<D>;
  }
  /**
   * Mean over all axes, or over the given ones: `sum / count`.
   *
   * @param axes - One axis or several; negative ones count from the end. Default all.
   * @throws {@link ShapeError} for an axis that is not there, {@link DTypeError} when the dtype is not float.
   * @example
   * ```ts
   * import { tensor } from 'nodegrad';
   * tensor([[1, 2], [3, 4]]).mean(0).toArray(); // [2, 3]
   * ```
   */
  mean(this: Tensor<FloatOnly<D>>, axes?: number | readonly number[], options?: ReduceOptions): Tensor<D> {
    return mean(this, axes, options) as Tensor<D>;
  }
  /**
   * Variance `Σ(x − mean)² / (count − correction)`, in two passes. The default correction 1 is PyTorch's; NumPy, Keras and batch
   * normalization divide by the count: correction 0. A correction above the count makes the divisor 0.
   *
   * @param axes - One axis or several; negative ones count from the end. Default all.
   * @throws {@link ShapeError} for an axis that is not there, {@link DTypeError} when the dtype is not float.
   * @example
   * ```ts
   * import { tensor } from 'nodegrad';
   * tensor([1, 2, 3, 4]).var().item(); // 1.6666666269302368
   * tensor([1, 2, 3, 4]).var(undefined, { correction: 0 }).item(); // 1.25
   * ```
   */
  var(this: Tensor<FloatOnly<D>>, axes?: number | readonly number[], options?: VarianceOptions): Tensor<D> {
    return variance(this, axes, checkOptions(options, 'options', ['keepDims', 'correction'])) as Tensor<D>;
  }
  /** Standard deviation, the root of {@link Tensor.var}; where all elements are equal, its gradient is 0. */
  std(this: Tensor<FloatOnly<D>>, axes?: number | readonly number[], options?: VarianceOptions): Tensor<D> {
    return standardDeviation(this, axes, checkOptions(options, 'options', ['keepDims', 'correction'])) as Tensor<D>;
  }
  /**
   * Largest element over all axes, or over the given ones. A NaN wins; the first of equals gets the gradient.
   *
   * @param axes - One axis or several; negative ones count from the end. Default all.
   * @throws {@link ShapeError} for an axis that is not there, or one without elements.
   */
  max(this: Tensor<FloatOnly<D>>, axes?: number | readonly number[], options?: ReduceOptions): Tensor<D> {
    return max(this, axes, options) as Tensor<D>;
  }
  /**
   * Smallest element over all axes, or over the given ones. A NaN wins; the first of equals gets the gradient.
   *
   * @param axes - One axis or several; negative ones count from the end. Default all.
   * @throws {@link ShapeError} for an axis that is not there, or one without elements.
   */
  min(this: Tensor<FloatOnly<D>>, axes?: number | readonly number[], options?: ReduceOptions): Tensor<D> {
    return min(this, axes, options) as Tensor<D>;
  }
  /**
   * Index of the first largest element along an axis, or in the flattened tensor. A NaN wins. No gradient.
   *
   * @throws {@link ShapeError} for an axis that is not there, or one without elements.
   * @example
   * ```ts
   * import { tensor } from 'nodegrad';
   * tensor([[0.1, 0.9], [0.8, 0.2]]).argmax(-1).toArray(); // [1, 0]
   * ```
   */
  argmax(this: Tensor<FloatOnly<D>>, axis?: number, options?: ReduceOptions): Tensor<'int32'> {
    return argmax(this as unknown as Tensor<FloatDType>, axis, options);
  }
  /** Index of the first smallest element along an axis, or in the flattened tensor. */
  argmin(this: Tensor<FloatOnly<D>>, axis?: number, options?: ReduceOptions): Tensor<'int32'> {
    return argmin(this as unknown as Tensor<FloatDType>, axis, options);
  }

  // ---- shape and indexing ----

  /**
   * A view with another shape of the same size: the memory is shared. One dimension may be −1, it follows from the others.
   *
   * @throws {@link ShapeError} when the sizes differ.
   * @example
   * ```ts
   * import { ones } from 'nodegrad';
   * ones([32, 28, 28, 1]).reshape([32, -1]).shape; // [32, 784]
   * ```
   */
  reshape(shape: readonly number[]): Tensor<D> {
    return reshape(this, shape);
  }
  /**
   * Permutes the axes, a copy: axis `i` of the result is axis `order[i]`. Without an order the axes are reversed. A product needs no
   * copy: {@link Tensor.matmul} transposes in passing.
   *
   * @throws {@link ShapeError} when the order does not name every axis once.
   * @example
   * ```ts
   * import { ones } from 'nodegrad';
   * ones([8, 3, 32, 32]).transpose([0, 2, 3, 1]).shape; // images NCHW to NHWC: [8, 32, 32, 3]
   * ```
   */
  transpose(order?: readonly number[]): Tensor<D> {
    return transpose(this, order);
  }
  /**
   * Elements [begin, end) of the leading axes; negative bounds count from the end. A slice of the first axis alone is a view, others copy.
   *
   * @throws {@link ShapeError} for bounds outside of the tensor, {@link ArgumentError} for a third argument.
   * @example
   * ```ts
   * import { ones } from 'nodegrad';
   * const x = ones([10, 4]);
   * x.slice(2, 5).shape; // [3, 4], on the same memory
   * x.slice([0, 1], [10, 3]).shape; // [10, 2], a copy
   * ```
   */
  slice(begin: number | readonly number[], end?: number | readonly number[], more?: never): Tensor<D> {
    if (more !== undefined) refuseMore(more, 'slice', '2 arguments, begin and end, both counted from 0: no size, no step');
    return slice(this, begin, end);
  }
  /**
   * Cuts along `axis` (default 0) into `parts` equal pieces, or into pieces of the given sizes.
   *
   * @throws {@link ShapeError} when the pieces do not add up to the axis.
   * @example
   * ```ts
   * import { ones } from 'nodegrad';
   * ones([6, 2]).split(3).length; // 3 pieces of [2, 2]
   * ones([6, 2]).split([1, 5])[1].shape; // [5, 2]
   * ```
   */
  split(parts: number | readonly number[], axis = 0): Tensor<D>[] {
    return split(this, parts, axis);
  }
  /**
   * Surrounds with `value` (default 0): `padding[d]` is [before, after] of axis d. The gradient is the inner part of `dy`.
   *
   * @throws {@link ShapeError} unless there is one pair for each axis, {@link ArgumentError} for a value that the dtype does not hold.
   * @example
   * ```ts
   * import { ones } from 'nodegrad';
   * ones([1, 2]).pad([[0, 1], [1, 1]]).toArray(); // [[0, 1, 1, 0], [0, 0, 0, 0]]
   * ```
   */
  pad(padding: readonly (readonly [number, number])[], value = 0): Tensor<D> {
    return pad(this, padding, value);
  }
  /**
   * Rows of the first axis by index: `y[i] = this[indices[i]]`. Repeated rows add up in the gradient.
   *
   * @throws {@link IndexError} for an index outside of the first axis, {@link ArgumentError} for indices that are not int32, or an axis.
   * @example
   * ```ts
   * import { tensor } from 'nodegrad';
   * tensor([[1, 2], [3, 4], [5, 6]]).gather([2, 0]).toArray(); // [[5, 6], [1, 2]]
   * ```
   */
  gather(indices: Tensor<'int32'> | readonly number[], more?: never): Tensor<D> {
    if (more !== undefined) refuseMore(more, 'gather', '1 argument, indices of the first axis: transpose() brings another one there');
    return gather(this, indices);
  }

  // ---- conversion to other types of JavaScript ----

  /** A tensor is no number: `a + b` on tensors is always a mistake. */
  [Symbol.toPrimitive](): never {
    throw new ArgumentError('a tensor cannot be used as a number or string. Use .item() for one element, .add() and its kin for arithmetic');
  }
}
ours(Tensor);

// What console.log shows. The symbol is `util.inspect.custom`, whose type only projects with Node's types know.
Object.defineProperty(Tensor.prototype, Symbol.for('nodejs.util.inspect.custom'), { value: summary, writable: true, configurable: true });

/** A short text: dtype, shape and a few values. */
function summary(this: AnyTensor): string {
  const few = Array.from(this.data.subarray(0, 6), (value) => String(Math.fround(value) === value ? Number(value.toPrecision(6)) : value)).join(
    ', ',
  );
  const grad = this.requiresGrad ? ', requiresGrad' : '';
  return `Tensor(${this.dtype} ${describeShape(this.shape)}${grad}) [${few}${this.size > 6 ? ', …' : ''}]`;
}

/** Refuses an argument that other libraries have and this method has not: dropped, it would change the result in silence. */
function refuseMore(given: unknown, name: string, what: string): never {
  throw new ArgumentError(`${name}() takes ${what}. It also received ${describe(given)}`);
}

/** Checks an array of dimensions; a frozen copy. */
export function checkShape(shape: unknown, argument = 'shape'): readonly number[] {
  if (!Array.isArray(shape)) throw new ArgumentError(expected('an array of dimensions', argument, shape));
  if (shape.length > maxRank) throw new ShapeError(`expected at most ${maxRank} dimensions for \`${argument}\`, received ${shape.length}`);
  let size = 1;
  const copied: number[] = [];
  for (const dimension of shape as unknown[]) {
    if (typeof dimension !== 'number' || !Number.isSafeInteger(dimension) || dimension < 0) {
      throw new ShapeError(`expected whole dimensions of at least 0 for \`${argument}\`, received ${describe(dimension)}`);
    }
    copied.push(dimension);
    // A dimension of 0 makes a tensor empty, not its other dimensions harmless: loops run over them too.
    size *= Math.max(1, dimension);
  }
  if (!(size <= maxElements)) throw new ShapeError(`a tensor of shape ${describe(shape)} would have too many elements`);
  return Object.freeze(copied);
}

/**
 * Runs `body` without recording operations for `backward()`: for evaluation, and for changing parameters by hand.
 *
 * @throws {@link ArgumentError} when `body` is asynchronous: the switch is off again before it continues.
 * @example
 * ```ts
 * import { noGrad, tensor } from 'nodegrad';
 * const x = tensor([1]);
 * x.requiresGrad = true;
 * noGrad(() => x.mul(2)).requiresGrad; // false
 * ```
 */
export function noGrad<R>(body: () => R): R {
  if (typeof body !== 'function') throw new ArgumentError(expected('a function', 'body', body));
  const result = withoutGradients(body);
  if (isPromise(result)) throw new ArgumentError('noGrad() takes a synchronous function; call it inside the asynchronous one');
  return result;
}

keepNames({ Tensor });
