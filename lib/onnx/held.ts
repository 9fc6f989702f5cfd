// Values while a graph of ONNX runs here: tensors, images also with their channels last, and numbers that shapes are computed from.

import type { DType } from '../dtype.js';
import { ArgumentError, describeShape } from '../errors.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { channelsFirst, channelsLast } from './graph.js';

/** Numbers that are known when a graph runs, whatever its inputs hold: shapes and what is made of them. */
export interface Numbers {
  readonly shape: readonly number[];
  readonly data: readonly number[];
  readonly isReal: boolean;
}

/** More numbers than shapes and constants of shapes have. */
export const mostNumbers = 65536;

export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, dimension) => product * dimension, 1);

/** What is known of a tensor from how it was made, which its numbers would have to be looked at for. */
export interface Facts {
  /** It is a mask of attention: 1 or 0 (as truth values), or 0 and so little that nothing is left behind a softmax (as numbers to add). */
  readonly sees?: Sees;
  /** It is 1 − this. */
  readonly complementOf?: Held;
}

/** Who sees whom: keys that are kept, all where there is no `keep`, and under a causal mask those up to the query's own place. */
export interface Sees {
  /** Truth values, stretched to the mask's shape. */
  readonly keep: Held | null;
  readonly isCausal: boolean;
}

/** A value of a graph, whose axes are in the order of the file. */
export class Held {
  #plain: AnyTensor | null;
  #last: AnyTensor | null;
  #later: { readonly shape: readonly number[]; readonly dtype: DType; make(): AnyTensor } | null = null;
  readonly numbers: Numbers | null;
  readonly facts: Facts;

  private constructor(plain: AnyTensor | null, last: AnyTensor | null, numbers: Numbers | null, facts: Facts = {}) {
    this.#plain = plain;
    this.#last = last;
    this.numbers = numbers;
    this.facts = facts;
  }

  /** What is made when somebody asks for its numbers: whoever knows what to make of its facts does not. */
  static later(shape: readonly number[], dtype: DType, make: () => Held, facts: Facts): Held {
    const held = new Held(null, null, null, facts);
    held.#later = { shape, dtype, make: () => make().plain };
    return held;
  }

  /** The same with facts, of a tensor in the order of the file. */
  knowing(facts: Facts): Held {
    return this.numbers !== null || this.isLast ? this : new Held(this.plain, null, null, facts);
  }

  /** A tensor in the order of the file. */
  static plain(tensor: AnyTensor): Held {
    return new Held(tensor, null, null);
  }

  /** Images whose channels are last, as nodegrad has them. */
  static last(tensor: AnyTensor): Held {
    return new Held(null, tensor, null);
  }

  static of(numbers: Numbers): Held {
    return new Held(null, null, numbers);
  }

  /** Whole numbers. */
  static ints(data: readonly number[], shape: readonly number[] = [data.length]): Held {
    return Held.of({ data, shape, isReal: false });
  }

  /** Whether images stand here with their channels last only. */
  get isLast(): boolean {
    return this.#plain === null && this.#last !== null;
  }

  get shape(): readonly number[] {
    if (this.#plain !== null) return this.#plain.shape;
    if (this.#last !== null) return channelsFirst.map((axis) => (this.#last as AnyTensor).shape[axis]);
    if (this.#later !== null) return this.#later.shape;
    return (this.numbers as Numbers).shape;
  }

  /** The element type of a tensor; of numbers that are known, that of one of them. */
  get dtype(): DType {
    return (this.#plain ?? this.#last ?? this.#later)?.dtype ?? ((this.numbers as Numbers).isReal ? 'float32' : 'int32');
  }

  /** The tensor in the order of the file. */
  get plain(): AnyTensor {
    if (this.#plain !== null) return this.#plain;
    if (this.#last !== null) return (this.#plain = movedTo(this.#last, channelsFirst));
    if (this.#later !== null) return (this.#plain = this.#later.make());
    const { data, shape, isReal } = this.numbers as Numbers;
    return (this.#plain = Tensor.from(isReal ? Float32Array.from(data) : Int32Array.from(data), shape) as AnyTensor);
  }

  /** Images with their channels last. */
  get last(): AnyTensor {
    if (this.#last !== null) return this.#last;
    const { shape } = this.plain;
    if (shape.length !== 4) throw new ArgumentError(`expected images [N, C, H, W], received shape ${describeShape(shape)}`);
    return (this.#last = movedTo(this.plain, channelsLast));
  }

  /** Floats in the order of the file. */
  get floats(): Tensor {
    const { plain } = this;
    return (plain.dtype === 'float32' || plain.dtype === 'float64' ? plain : plain.to('float32')) as Tensor;
  }

  /** Indices. */
  get indices(): Tensor<'int32'> {
    return this.plain.to('int32') as Tensor<'int32'>;
  }

  /** The value if it is one number. */
  get single(): number | null {
    return this.numbers !== null && this.numbers.data.length === 1 ? this.numbers.data[0] : null;
  }

  /** Numbers that must be known when the graph runs. */
  known(what: string): readonly number[] {
    if (this.numbers === null) throw new ArgumentError(`${what} depends on the values of the inputs, which nodegrad has no form for`);
    return this.numbers.data;
  }
}

/** A shape that is broadcast to another. */
export function stretched(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  const [left, right] = [a, b].map((shape) => [...new Array<number>(rank - shape.length).fill(1), ...shape]);
  return left.map((dimension, d) => (dimension === 1 ? right[d] : dimension));
}

/** Behind a softmax nothing is left of a score that this much was added to. */
export const almostNothing = -1e4;

/** Whether a mask [queries, keys], alone or behind axes of 1, leaves each query the keys up to its own place. */
export function isCausalMask(shape: readonly number[], data: ArrayLike<number>, form: 'add' | 'truth'): boolean {
  const [queries, keys] = shape.slice(-2);
  if (shape.length < 2 || data.length !== queries * keys || data.length === 0) return false;
  for (let i = 0; i < data.length; i++) {
    const sees = i % keys <= Math.floor(i / keys);
    if (form === 'truth' ? (data[i] !== 0) !== sees : sees ? data[i] !== 0 : !(data[i] <= almostNothing)) return false;
  }
  return true;
}

/** What a value is as a mask; null where that is not known. Truth values are one, whatever made them. */
export function seesOf(held: Held): Sees | null {
  const { facts, numbers, dtype } = held;
  if (facts.sees !== undefined) return facts.sees;
  if (numbers === null) return dtype === 'uint8' ? { keep: held, isCausal: false } : null;
  const isTruth = !numbers.isReal;
  return isCausalMask(numbers.shape, numbers.data, isTruth ? 'truth' : 'add') ? { keep: null, isCausal: true } : null;
}

/** What two masks leave together; null where that is neither of them. */
export function bothSee(one: Sees | null, other: Sees | null): Sees | null {
  if (one === null || other === null || (one.keep !== null && other.keep !== null)) return null;
  return { keep: one.keep ?? other.keep, isCausal: one.isCausal || other.isCausal };
}

// One pixel, or one channel: the numbers lie in the same order.
function movedTo(x: AnyTensor, order: readonly number[]): AnyTensor {
  const shape = order.map((axis) => x.shape[axis]);
  const [channels, pixels] = order === channelsLast ? [x.shape[1], x.shape[2] * x.shape[3]] : [x.shape[3], x.shape[1] * x.shape[2]];
  return channels === 1 || pixels === 1 ? x.reshape(shape) : x.transpose(order);
}

/** What a node of a plan has besides its inputs. */
export type PlanAttributes = Readonly<Record<string, number | string | readonly number[] | readonly string[]>>;

/** An operator of a graph that is to run. */
export interface PlanNode {
  readonly op: string;
  readonly name: string;
  /** '' for an input that is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: PlanAttributes;
  /** Names of the layers that do it. */
  readonly layers: readonly string[];
}

/** What runs an operator. */
export interface StepContext {
  readonly node: PlanNode;
  /** Version of the set of operators. */
  readonly version: number;
  /** Null for an input that is left out. */
  readonly inputs: readonly (Held | null)[];
}

/** Runs an operator. */
export type Step = (context: StepContext) => Held | readonly Held[];

/** Operators by name. */
export type Steps = Readonly<Record<string, Step>>;

/** An input that must be there. */
export function input({ inputs, node }: StepContext, at: number): Held {
  const held = inputs[at] ?? null;
  if (held === null) throw new ArgumentError(`${node.op} has no input ${at}`);
  return held;
}

/** Attributes by kind, with their defaults. */
export function int({ attributes }: PlanNode, name: string, otherwise: number): number {
  const value = attributes[name] ?? otherwise;
  if (typeof value !== 'number') throw new ArgumentError(`attribute '${name}' is no number`);
  return value;
}

export function ints<T extends readonly number[] | null>({ attributes }: PlanNode, name: string, otherwise: T): readonly number[] | T {
  const value = attributes[name];
  if (value === undefined) return otherwise;
  if (!Array.isArray(value) || value.some((item) => typeof item !== 'number'))
    throw new ArgumentError(`attribute '${name}' is no list of numbers`);
  return value as readonly number[];
}

export function text({ attributes }: PlanNode, name: string, otherwise: string): string {
  const value = attributes[name] ?? otherwise;
  if (typeof value !== 'string') throw new ArgumentError(`attribute '${name}' is no text`);
  return value;
}

/** Numbers of an input, or of the attribute that older versions have in its place; null where there is neither. */
export function numbersOf(context: StepContext, at: number, attribute: string): readonly number[] | null {
  const held = context.inputs[at] ?? null;
  return held === null ? ints(context.node, attribute, null) : held.known(`input ${at}, ${attribute}`);
}

/** An axis that may count from the end. */
export function axisOf(axis: number, rank: number): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank) throw new ArgumentError(`axis ${axis} does not exist among ${rank}`);
  return axis < 0 ? axis + rank : axis;
}

/** The place of an axis of the file among the axes of images whose channels are last. */
export const lastAxis = (axis: number): number => channelsLast.indexOf(axis as 0);

/** The element types that casts name. */
export const castTypes: Readonly<Record<number, DType | 'bool'>> = {
  1: 'float32',
  2: 'uint8',
  3: 'int32',
  6: 'int32',
  7: 'int32',
  9: 'bool',
  10: 'float32',
  11: 'float32',
  16: 'float32',
};
