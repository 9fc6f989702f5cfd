// The tensor: a shape over a typed array, row-major and contiguous; `data` is the memory itself.

import { isPromise, ours } from '../foreign.js';
import { type DType, type TypedArray, type TypedArrayOf, dtypeOf, dtypes, elementAt, isFloat } from '../dtype.js';
import { ArgumentError, DTypeError, ShapeError, checkChoice, checkOptions, describe, describeShape, expected } from '../errors.js';
import type { GradientNode, Stamp } from '../ops/destination.js';
import { sizeOf, withoutGradients } from '../ops/emit.js';
import { type StateKind, isWatched, makes, opens, reads, usesGradient, writes } from '../recording.js';
import { keepNames } from '../names.js';
import { nameHint, showAs } from '../words.js';
import { headOf, tensorText } from './text.js';

/** A tensor of any element type. */
// biome-ignore lint/suspicious/noExplicitAny: methods are contravariant in D, so `Tensor<DType>` would accept no tensor.
export type AnyTensor = Tensor<any>;

/** Nested arrays of numbers, as deep as the tensor's rank. */
export type NestedNumbers = number | readonly NestedNumbers[];

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
  #isWidened = false;
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
   * @param data - Float32Array, Float64Array, Int32Array or Uint8Array on an ArrayBuffer or SharedArrayBuffer of fixed length; or, with
   *   `{ dtype: 'bfloat16' }` behind the shape, a Uint16Array of the bits of bfloat16.
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
  static from(data: Uint16Array, shape: readonly number[] | undefined, options: { dtype: 'bfloat16' }): Tensor<'bfloat16'>;
  static from<D extends DType>(data: TypedArrayOf<D>, shape?: readonly number[]): Tensor<D>;
  static from(data: TypedArray, shape?: readonly number[], options?: { dtype?: 'bfloat16' }): AnyTensor {
    const wanted = options === undefined ? undefined : checkOptions<{ dtype?: 'bfloat16' }>(options, 'options', ['dtype']).dtype;
    const dtype = dtypeOf(data, 'data', wanted === undefined ? wanted : checkChoice(wanted, 'options.dtype', dtypes));
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
        expected('a Tensor', argument, value, nameHint(value) || 'Numbers and arrays go through tensor(), typed arrays through Tensor.from()'),
      );
    }
    return value as unknown as AnyTensor;
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
    throw new ArgumentError('this tensor has no values');
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

  /** @internal Whether arithmetic gets it widened to float32: parameters that are stored as bfloat16, and what was only moved out of them. */
  get isWidened(): boolean {
    return this.#isWidened;
  }

  /** @internal */
  set isWidened(value: boolean) {
    this.#isWidened = value;
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
    return elementAt(this.data, 0, this.dtype);
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
      if (axis === this.rank) return elementAt(this.data, at, this.dtype);
      const step = sizeOf(this.shape.slice(axis + 1));
      return Array.from({ length: this.shape[axis] }, (_, i) => build(axis + 1, at + i * step));
    };
    return build(0, 0) as A;
  }

  /** What JSON holds of a tensor: the numbers of {@link Tensor.toArray}. JSON has no NaN and no infinity, and writes null for them. */
  toJSON(): NestedNumbers {
    return this.toArray();
  }

  // ---- conversion to other types of JavaScript ----

  /**
   * Element type, shape and a table of the numbers, as `console.log` shows a tensor too: of more than 200 numbers, three from each end of every axis.
   * Numbers have one form in a table: whole ones as they are, others with four digits behind the point, or as `1.2346e-5` where a small one would be 0.0000.
   *
   * @example
   * ```ts
   * import { tensor } from 'nodegrad';
   * console.log(tensor([[1, 2.5], [10, 0.25]]));
   * // Tensor(float32 [2, 2])
   * // [[ 1.00,  2.50],
   * //  [10.00,  0.25]]
   * ```
   */
  toString(): string {
    return tensorText(this as AnyTensor);
  }

  /** @internal Whether there are numbers to show: a tensor of a step that is being recorded has none. */
  get hasValues(): boolean {
    return this.#data !== null;
  }

  /** In a text a tensor is its table; a number it is not: `a + b` on tensors is always a mistake. */
  [Symbol.toPrimitive](hint: string): string {
    if (hint === 'string') return this.toString();
    throw new ArgumentError('a tensor cannot be used as a number. Use .item() for one element, .add() and its kin for arithmetic');
  }
}
ours(Tensor);

showAs(Tensor, (tensor: AnyTensor, depth) => (depth < 0 ? headOf(tensor) : tensorText(tensor)));

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
