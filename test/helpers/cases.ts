// How to call each op of the golden file through the public API: the one place where the file's names meet the library's.
import {
  adaptiveAvgPool2d,
  adaptiveMaxPool2d,
  avgPool2d,
  concat,
  conv2d,
  convTranspose2d,
  crossEntropy,
  exp,
  log,
  localResponseNorm,
  logSoftmax,
  maxPool2d,
  pad2d,
  upsample2d,
  mseLoss,
  relu,
  sigmoid,
  softmax,
  sqrt,
  stack,
  Tensor,
  tanh,
  where,
} from '../../lib/index.js';
import { type GoldenArray, type OpCase, values } from './golden.js';

/** A tensor of either floating-point type. One call serves both, but the methods of a union do not unify: the types below name one. */
export type Real = Tensor<'float32'>;

interface Attributes {
  readonly axes: number[] | null;
  readonly axis: number;
  readonly keepDims: boolean;
  readonly correction: number;
  readonly exponent: number;
  readonly min: number;
  readonly max: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly labelSmoothing?: number;
  readonly shape: number[];
  readonly permutation: number[];
  readonly sizes: number[];
  readonly part: number;
  readonly begin: number[];
  readonly end: number[];
  readonly before: number[];
  readonly after: number[];
  readonly value: number;
  readonly stride: [number, number];
  readonly padding: never;
  readonly outputPadding: [number, number];
  readonly dilation: [number, number];
  readonly groups: number;
  readonly kernel: [number, number];
  readonly ceilMode: boolean;
  readonly countIncludePad: boolean;
  readonly divisorOverride?: number;
  readonly out: [number, number];
  readonly size: number;
  readonly alpha: number;
  readonly beta: number;
  readonly k: number;
  readonly frame: [[number, number], [number, number]];
  readonly mode: string;
  readonly alignCorners: boolean;
}

type Call = (inputs: Real[], attributes: Attributes, constants: Tensor<never>[]) => unknown;

const axesOf = ({ axes }: Attributes) => axes ?? undefined;

const calls: Record<string, Call> = {
  add: ([a, b]) => a.add(b),
  sub: ([a, b]) => a.sub(b),
  mul: ([a, b]) => a.mul(b),
  div: ([a, b]) => a.div(b),
  minimum: ([a, b]) => a.minimum(b),
  maximum: ([a, b]) => a.maximum(b),
  pow: ([a, b]) => a.pow(b),
  powScalar: ([a], { exponent }) => a.pow(exponent),
  where: ([a, b], _, [mask]) => where(mask, a, b),
  neg: ([a]) => a.neg(),
  abs: ([a]) => a.abs(),
  clip: ([a], { min, max }) => a.clip(min, max),
  relu: ([a]) => relu(a),
  sigmoid: ([a]) => sigmoid(a),
  tanh: ([a]) => tanh(a),
  exp: ([a]) => exp(a),
  log: ([a]) => log(a),
  sqrt: ([a]) => sqrt(a),
  matmul: ([a, b], { transposeA, transposeB }) => a.matmul(b, { transposeA, transposeB }),
  sum: ([a], at) => a.sum(axesOf(at), { keepDims: at.keepDims }),
  mean: ([a], at) => a.mean(axesOf(at), { keepDims: at.keepDims }),
  var: ([a], at) => a.var(axesOf(at), { keepDims: at.keepDims, correction: at.correction }),
  std: ([a], at) => a.std(axesOf(at), { keepDims: at.keepDims, correction: at.correction }),
  max: ([a], at) => a.max(axesOf(at), { keepDims: at.keepDims }),
  min: ([a], at) => a.min(axesOf(at), { keepDims: at.keepDims }),
  argmax: ([a], { axis }) => a.argmax(axis),
  argmin: ([a], { axis }) => a.argmin(axis),
  softmax: ([a], { axis }) => softmax(a, axis),
  logSoftmax: ([a], { axis }) => logSoftmax(a, axis),
  crossEntropy: ([a], { labelSmoothing = 0 }, [target]) => crossEntropy(a, target, { labelSmoothing }),
  mse: ([a, b]) => mseLoss(a, b),
  reshape: ([a], { shape }) => a.reshape(shape),
  transpose: ([a], { permutation }) => a.transpose(permutation),
  concat: (all, { axis }) => concat(all, axis),
  stack: (all, { axis }) => stack(all, axis),
  split: ([a], { sizes, axis, part }) => a.split(sizes, axis)[part],
  slice: ([a], { begin, end }) => a.slice(begin, end),
  pad: ([a], { before, after, value }) =>
    a.pad(
      before.map((size, axis) => [size, after[axis]]),
      value,
    ),
  gather: ([a], _, [indices]) => a.gather(indices),
  conv2d: ([x, w, b = null], { stride, padding, dilation, groups }) => conv2d(x, w, b, { stride, padding, dilation, groups }),
  convTranspose2d: ([x, w, b], { stride, padding, outputPadding, dilation, groups }) =>
    convTranspose2d(x, w, b, { stride, padding, outputPadding, dilation, groups }),
  maxPool2d: ([x], { kernel, stride, padding, dilation, ceilMode }) => maxPool2d(x, kernel, { stride, padding, dilation, ceilMode }),
  avgPool2d: ([x], { kernel, stride, padding, ceilMode, countIncludePad, divisorOverride }) =>
    avgPool2d(x, kernel, { stride, padding, ceilMode, countIncludePad, ...(divisorOverride === undefined ? {} : { divisorOverride }) }),
  adaptiveAvgPool2d: ([x], { out }) => adaptiveAvgPool2d(x, out),
  adaptiveMaxPool2d: ([x], { out }) => adaptiveMaxPool2d(x, out),
  pad2d: ([x], { frame, mode, value }) => pad2d(x, frame, { mode: mode as 'constant', value }),
  upsample2d: ([x], { out, mode, alignCorners }) => upsample2d(x, { outputSize: out, mode: mode as 'nearest', alignCorners }),
  localResponseNorm: ([x], { size, alpha, beta, k }) => localResponseNorm(x, size, { alpha, beta, k }),
};

/** Names of all ops that can be called. */
export const callable: readonly string[] = Object.keys(calls);

/** Runs one golden case on tensors made by `inputsOf`. */
export function callCase(one: OpCase, inputs: readonly Real[]): Real {
  const call = calls[one.op];
  if (call === undefined) throw new Error(`no call is written for the golden op ${one.op}`);
  const dtype = inputs[0].dtype as 'float32' | 'float64';
  const constants = one.constants.map((array) => tensorOf(array, array.dtype === 'float32' ? dtype : array.dtype));
  return call([...inputs], one.attributes as unknown as Attributes, constants as unknown as Tensor<never>[]) as Real;
}

/** A golden array as a tensor of the given dtype. */
export function tensorOf(array: GoldenArray, dtype: 'float32' | 'float64' | 'int32' | 'uint8'): Real {
  return Tensor.from(values(array, dtype), [...array.shape]) as unknown as Real;
}

/** The inputs of a golden case in the given dtype. */
export function inputsOf(one: OpCase, dtype: 'float32' | 'float64', requiresGrad: boolean): Real[] {
  return one.inputs.map((array) => {
    const tensor = tensorOf(array, dtype);
    tensor.requiresGrad = requiresGrad;
    return tensor;
  });
}
