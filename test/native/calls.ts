// What a native call is for tests, how it runs with room around its outputs, and what its operands are made of.
import type { DType, TypedArray } from '../../lib/dtype.js';
import { arrayTypes } from '../../lib/dtype.js';
import { nativeOps, run } from '../../lib/native.js';
import type { Op } from '../../lib/ops/define.js';
import { describedBy, type Fused as Descriptor, type Prior } from '../../lib/ops/fused.js';
import type { Seeded } from '../helpers/seeded.js';

export type Float = 'float32' | 'float64';

/** A call as the binding takes it, but that `op` may say what it does besides: `matmul + bias + relu`. Outputs that are updated in place start from `initial`. */
export interface Sample {
  readonly op: string;
  /** What tells this sample from others of its op. */
  readonly form: string;
  readonly outputs: readonly { readonly dtype: DType; readonly length: number; readonly initial?: TypedArray }[];
  readonly inputs: readonly TypedArray[];
  readonly ints: readonly number[];
  readonly reals: readonly number[];
  /** The output may be the memory of the first input: the kernel reads an element before it writes it. */
  readonly aliases?: boolean;
}

const indices = new Map(nativeOps.map((op, index) => [op.name, index]));

/** Place of an operation in the native list. */
export function indexOf(op: string): number {
  const index = indices.get(op);
  if (index === undefined) throw new Error(`there is no native operation ${op}`);
  return index;
}

const ops = new Map(nativeOps.map(({ name }, index) => [name, { name, index } as Op<unknown>]));
const opOf = (name: string): Op<unknown> => ops.get(name) ?? ({ name, index: indexOf(name) } as Op<unknown>);

/** The call that a title such as `matmul + accumulate` is of; parameters of a map, and a divisor, are its last reals. */
export function callOf(title: string, ints: readonly number[], reals: readonly number[]): ReturnType<typeof describedBy> {
  const [name, ...parts] = title.split(' + ');
  const fused: { -readonly [K in keyof Descriptor]: Descriptor[K] } = {};
  let count = 0;
  for (const part of parts) {
    const [word, more] = part.split(' ');
    if (word === 'accumulate' || word === 'overwrite') fused.prior = word;
    else if (word === 'sums') fused.sums = more as Prior;
    else if (word === 'columns') fused.row = Number(part.split(' ')[2]);
    else if (more !== undefined) fused.mask = more as 'kept';
    else if (word === 'bias' || word === 'residual') fused[word] = true;
    else if (word === 'gradient') fused.divisor = reals[reals.length - (count = 1)];
    else {
      fused.map = opOf(word);
      count = nativeOps[fused.map.index].reals;
      fused.parameters = reals.slice(reals.length - count);
    }
  }
  const plain = { op: opOf(name), ints, reals: reals.slice(0, reals.length - count) };
  return parts.length === 0 ? plain : describedBy(plain, fused);
}

const margin = 64;

/** Runs a sample into outputs of its own, with room around them, so that a kernel that writes too far fails a test and not the process. */
export function runSample(sample: Sample): TypedArray[] {
  const outputs = sample.outputs.map(({ dtype, length, initial }) => {
    const array = new arrayTypes[dtype](length + 2 * margin).subarray(margin, margin + length);
    if (initial !== undefined) array.set(initial);
    return array;
  });
  runInto(sample, outputs, sample.inputs);
  return outputs;
}

/** Runs a sample on given memory. */
export function runInto(sample: Sample, outputs: readonly TypedArray[], inputs: readonly TypedArray[]): void {
  const { op, ints, reals } = callOf(sample.op, sample.ints, sample.reals);
  run(op.index, [...outputs, ...inputs], ints, reals);
}

export type Maker = (n: number, dtype: Float, random: Seeded) => Sample[];

const floats = (dtype: Float, values: ArrayLike<number>): TypedArray =>
  dtype === 'float32' ? Float32Array.from(values) : Float64Array.from(values);
export const uniform = (random: Seeded, dtype: Float, n: number, low = -4, high = 4): TypedArray => floats(dtype, random.uniform(n, low, high));
export const one = (dtype: DType, length: number) => [{ dtype, length }];

// The columns of a matrix of n elements: the largest of these that divides n.
export const columnsOf = (n: number): number => [16, 10, 7, 5, 3, 2].find((width) => n % width === 0) ?? 1;

export const state = (random: Seeded): Int32Array => Int32Array.from({ length: 6 }, (_, i) => (i === 3 ? 0 : random.integer(2 ** 24)));

/** A call of a fused operation, and its outputs by separate ones. */
export interface Fused {
  sample: Sample;
  apart: () => TypedArray[];
}

/** Calls of a fused operation whose output has about n elements. */
export type FusedMaker = (n: number, dtype: Float, random: Seeded) => Fused[];

/** Runs a plain operation into new memory, or into a copy of `initial`. */
export function apply(
  op: string,
  dtype: Float,
  size: number,
  inputs: TypedArray[],
  ints: number[] = [],
  reals: number[] = [],
  initial?: TypedArray,
): TypedArray {
  const y = initial?.slice() ?? new arrayTypes[dtype](size);
  runInto({ op, form: '', outputs: [], inputs, ints, reals }, [y], inputs);
  return y;
}
