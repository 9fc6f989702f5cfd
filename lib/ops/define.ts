// What an operation is on this side: a shape rule and a gradient rule under the name of a line of native/ops/ops.def.

import type { DType } from '../dtype.js';
import { NativeError } from '../errors.js';
import { nativeOps } from '../native.js';
import type { AnyTensor } from '../tensor/core.js';
import type { GradientNode, Remade } from './destination.js';

/** Shape and element type of one output. */
export interface OutputSpecification {
  /** Its shape. */
  shape: readonly number[];
  /** Its element type. */
  dtype: DType;
}

/** What a shape rule gives: the outputs and the attributes of the native call. */
export interface Plan {
  outputs: OutputSpecification[];
  ints: readonly number[];
  reals: readonly number[];
}

/** What a gradient rule sees. */
export interface GradientContext<A> {
  inputs: readonly AnyTensor[];
  outputs: readonly AnyTensor[];
  attributes: A;
  /** Gradient of the loss by the first output (the upstream gradient). */
  upstream: AnyTensor;
  /** The same by each output that may have one, null where nothing came: for operations with several. */
  upstreams: readonly (AnyTensor | null)[];
  /** Which inputs need a gradient: the others may be skipped. */
  needs: readonly boolean[];
  /** The gradient of input i when it is a leaf that has one: a rule may add into it in place and return null for it. */
  target: (i: number) => AnyTensor | null;
}

/** Gradients by the inputs, in their order; null where there is none. */
export type GradientRule<A> = (context: GradientContext<A>) => (AnyTensor | null)[];

export interface OpDefinition<A> {
  /** Checks shapes and dtypes of the inputs and says what comes out. Throws typed errors for people. */
  shape: (inputs: readonly AnyTensor[], attributes: A) => Plan;
  /** How many of the outputs, from the first, the loss may depend on. Default 1. */
  differentiable?: number;
  /** Multiply-accumulates with weights, of those operations that have any. */
  products?: (inputs: readonly AnyTensor[], outputs: readonly AnyTensor[]) => number;
  /** Backward makes the output again, so that it is not kept. */
  isRemade?: boolean;
  /** Runs what made the output once more: `backward()` goes on along the tape that this leaves. In place of the gradient rule. */
  remake?: (node: GradientNode) => Remade;
  /** Only composes operations. `'none'` where the result does not depend smoothly on any input. */
  gradient: GradientRule<A> | 'none';
  /** Outputs that may lie in the memory of an input of their size: what it reads of that input it reads before it writes there. */
  overwrites?: readonly { readonly output: number; readonly input: number }[];
}

export interface Op<A> extends OpDefinition<A> {
  readonly name: string;
  /** Place in the native list; −1 for a view, which runs nothing. */
  readonly index: number;
}

const defined = new Map<string, Op<never>>();

/** Names of all operations that lib defines: the architecture test compares them with the native list. */
export function definedOps(): readonly string[] {
  return [...defined.keys()];
}

/** The definition behind a name. */
export function definedOp(name: string): Op<never> | undefined {
  return defined.get(name);
}

/** Binds a shape rule and a gradient rule to a native operation; an unknown name fails at import. */
export function defineOp<A = undefined>(name: string, definition: OpDefinition<A>): Op<A> {
  const index = nativeOps.findIndex((op) => op.name === name);
  if (index < 0) throw new NativeError(`the native part has no operation named '${name}': lib and addon are of different versions`);
  const op: Op<A> = { ...definition, name, index };
  defined.set(name, op as unknown as Op<never>);
  return op;
}

/** The operand whose contents an operation looks at before it runs, and may refuse; −1: none. */
export function guardedOperand({ index }: Op<unknown>): number {
  return index < 0 ? -1 : nativeOps[index].guarded;
}

/** The operand of an optimizer's update that holds the gradients, behind weights and state; −1 for other operations. */
export function gradientOperand({ index }: Op<unknown>): number {
  const signature = index < 0 ? '' : nativeOps[index].signature;
  return signature.endsWith(':TD*') ? signature.indexOf(':') : -1;
}

/** Whether an operation is a map y = f(x) per element with at most two parameters, the backward of one (dx from dy and x or y), or neither. */
export function mapKind({ index, name }: Op<unknown>): 'map' | 'backward' | null {
  const { signature, ints, reals } = nativeOps[index];
  if (ints !== 0 || reals > 2 || name === 'accumulate') return null;
  return signature === 'S:S' ? 'map' : signature === 'S:SS' ? 'backward' : null;
}

/** The letters of an operation's outputs and of its inputs; see native/ops/op.h. */
export function signatureOf({ index }: Op<unknown>): readonly [outputs: string, inputs: string] {
  const [outputs, inputs] = nativeOps[index].signature.split(';')[0].split(':');
  return [outputs, inputs];
}

/** Whether calls of an operation may carry a descriptor; see lib/ops/fused.ts. */
export function takesDescriptor({ index }: Op<unknown>): boolean {
  return index >= 0 && nativeOps[index].signature.includes(';');
}

/** The operation at a place of the native list, and how many reals it takes. */
export function operationAt(index: number): { op: Op<unknown>; reals: number } {
  const { name, reals } = nativeOps[index];
  return { op: defined.get(name) as unknown as Op<unknown>, reals };
}

/** The same native operation under another shape rule and gradient rule, such as a matrix product with a bias. */
export function variantOf<A, B>(op: Op<A>, definition: OpDefinition<B>): Op<B> {
  return { products: op.products, ...definition, name: op.name, index: op.index };
}

/** An operation without native work: its output shares the memory of its input. */
export function defineView<A>(name: string, gradient: GradientRule<A>): Op<A> {
  return { name, index: -1, gradient, shape: () => ({ outputs: [], ints: [], reals: [] }) };
}
