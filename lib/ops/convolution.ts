// Two-dimensional convolution and its transpose: images are [N, H, W, C], weights [kernel height, kernel width, in / groups, out].

import { type Context, context } from '../context.js';
import type { FloatDType } from '../dtype.js';
import { variableChoice } from '../environment.js';
import { ArgumentError, ShapeError, checkChoice, checkInteger, checkOptions, describeShape, expected } from '../errors.js';
import { type StateKind, reads, writes } from '../recording.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { type Op, defineOp, variantOf } from './define.js';
import { add, requireFloat } from './elementwise.js';
import { emitInPlace, emitOne } from './emit.js';
import { descriptor } from './fused.js';
import { channelsHint, imagesHint } from './hints.js';
import { sum } from './reduce.js';
import { reshape } from './shape.js';
import { plural } from '../words.js';

/** A size along the height and along the width; one number is both. */
export type Size2d = number | readonly [number, number];

/**
 * Rows and columns of zeros around an image: one number for all sides, [top and bottom, left and right], or
 * [[top, bottom], [left, right]]. `'same'` gives ⌈size / stride⌉ outputs, the odd one of the padding below and to the right;
 * `'valid'` is 0.
 */
export type Padding2d = Size2d | readonly [readonly [number, number], readonly [number, number]] | 'same' | 'valid';

/**
 * Which algorithms may compute a convolution: those of a table by shape and instruction set (`'auto'`), all but Winograd's
 * (`'direct'`: the arithmetic of a matrix product), or patches and a matrix product alone (`'im2col'`).
 */
export type ConvolutionAlgorithm = 'auto' | 'direct' | 'im2col';

/** @internal */
export const convolutionAlgorithms: readonly ConvolutionAlgorithm[] = ['auto', 'direct', 'im2col'];

/** Options of {@link conv2d}. */
export interface Conv2dFunctionOptions {
  /** Step between windows. Default 1. */
  stride?: Size2d;
  /** Zeros around the image. Default 0. */
  padding?: Padding2d;
  /** Distance between the taps of a kernel. Default 1. */
  dilation?: Size2d;
  /** Groups that inputs and outputs are split into; as many as inputs: depthwise. Default 1. */
  groups?: number;
  /** See {@link setConvolution}, whose choice is the default. */
  conv?: ConvolutionAlgorithm;
}

/** Options of {@link convTranspose2d}. */
export interface ConvTranspose2dFunctionOptions extends Omit<Conv2dFunctionOptions, 'padding'> {
  /** Rows and columns that are taken off around the result. Default 0. */
  padding?: Size2d;
  /** Rows and columns that are added below and to the right, less than the stride or the dilation. Default 0. */
  outputPadding?: Size2d;
}

/** What an operation needs to know beside its inputs. Padding below and to the right follows from `out`. */
interface Geometry {
  image: readonly [number, number];
  out: readonly [number, number];
  stride: readonly [number, number];
  pad: readonly [number, number];
  dilation: readonly [number, number];
  groups: number;
  algorithm: number;
}

const preset = variableChoice('NODEGRAD_CONV', convolutionAlgorithms) ?? 'auto';
const choice: StateKind<Context> = {
  get: ({ convolution }) => convolution,
  set: (all, convolution) => {
    all.convolution = convolution;
  },
};

/**
 * Chooses the algorithms of all convolutions whose options do not.
 *
 * `'auto'` follows a table by shape and instruction set, never by batch size or timing: 3×3 convolutions go through Winograd's
 * F(4×4, 3×3), whose results differ from exact arithmetic by a few units in the last place of the largest numbers. `'direct'` leaves
 * Winograd out; `'im2col'` is one algorithm for everything. Default: `NODEGRAD_CONV`, else `'auto'`. Compiled steps are
 * recorded anew when it changes.
 *
 * @throws {@link ArgumentError} for anything else.
 * @example
 * ```ts
 * import { setConvolution } from 'nodegrad';
 * setConvolution('direct');
 * ```
 */
export function setConvolution(algorithm: ConvolutionAlgorithm): void {
  const checked = checkChoice(algorithm, 'algorithm', convolutionAlgorithms);
  writes(choice, context);
  context.convolution = checked;
}

/** The number of the algorithm that an option asks for, or everybody. */
function algorithmOf(conv: ConvolutionAlgorithm | undefined): number {
  if (conv === undefined) reads(choice, context);
  return convolutionAlgorithms.indexOf(checkChoice(conv ?? context.convolution ?? preset, 'options.conv', convolutionAlgorithms));
}

const intsOf = (
  { image, out, stride, pad, dilation, groups, algorithm }: Geometry,
  n: number,
  c: number,
  k: number,
  kernel: readonly number[],
) => [n, ...image, c, ...out, k, ...kernel, ...stride, ...pad, ...dilation, groups, algorithm];

function outputOf(x: AnyTensor, w: AnyTensor, geometry: Geometry): readonly number[] {
  return [x.shape[0], ...geometry.out, w.shape[3]];
}

// dw from x, dy
const weightGradientOp = defineOp<Geometry & { kernel: readonly [number, number] }>('conv2d_weight_gradient', {
  shape: ([x, dy], geometry) => {
    const [c, k] = [x.shape[3], dy.shape[3]];
    const ints = intsOf(geometry, x.shape[0], c, k, geometry.kernel);
    return { outputs: [{ shape: [...geometry.kernel, c / geometry.groups, k], dtype: x.dtype }], ints, reals: [] };
  },
  gradient: 'none',
});

const accumulate = descriptor({ prior: 'accumulate' });
const weightAccumulateOp = variantOf<Geometry & { kernel: readonly [number, number] }, { ints: readonly number[] }>(weightGradientOp, {
  shape: (_inputs, { ints }) => ({ outputs: [], ints, reals: [] }),
  gradient: 'none',
});

/** Weight gradients of several shards, added along their tree: made after recording, by lib/program/passes/shard-gradients.ts. */
export const shardGradientsOp: Op<unknown> = defineOp<unknown>('conv2d_weight_gradient_shards', {
  shape: () => ({ outputs: [], ints: [], reals: [] }),
  gradient: 'none',
});

// dw of one convolution, added where it stays when there is a place.
function weightGradient(x: Tensor, dy: Tensor, w: AnyTensor, geometry: Geometry, into: AnyTensor | null): Tensor | null {
  const kernel = [w.shape[0], w.shape[1]] as const;
  if (into === null) return emitOne(weightGradientOp, [x, dy], { ...geometry, kernel });
  const ints = [...intsOf(geometry, x.shape[0], x.shape[3], w.shape[3], kernel), accumulate];
  emitInPlace(weightAccumulateOp, [into], [x, dy], { ints });
  return null;
}

// Every number of y takes as many products as its channel of the weight has elements.
const productsOf = (y: AnyTensor, w: AnyTensor): number => (y.size * w.size) / w.shape[3];

// dx from dy, w. As an operation of its own it is the transposed convolution, whose gradients are the other two directions.
const inputGradientOp: Op<Geometry> = defineOp<Geometry>('conv2d_input_gradient', {
  shape: (inputs, geometry) => {
    const dtype = requireFloat('conv_transpose2d', inputs);
    const [dy, w] = inputs;
    const c = w.shape[2] * geometry.groups;
    const shape = [dy.shape[0], ...geometry.image, c];
    return { outputs: [{ shape, dtype }], ints: intsOf(geometry, dy.shape[0], c, w.shape[3], w.shape.slice(0, 2)), reals: [] };
  },
  products: ([dy, w]) => productsOf(dy, w),
  gradient: ({ inputs, upstream, attributes, needs, target }) => {
    const [x, w] = inputs as Tensor[];
    const dy = upstream as Tensor;
    return [
      needs[0] ? emitOne<Geometry, 'float32'>(conv2dOp, [dy, w], attributes) : null,
      needs[1] ? weightGradient(dy, x, w, attributes, target(1)) : null,
    ];
  },
});

function shapeOf(inputs: readonly AnyTensor[], geometry: Geometry) {
  const dtype = requireFloat('conv2d', inputs);
  const [x, w] = inputs;
  const shape = outputOf(x, w, geometry);
  return { outputs: [{ shape, dtype }], ints: intsOf(geometry, x.shape[0], x.shape[3], w.shape[3], w.shape.slice(0, 2)), reals: [] };
}

const conv2dOp: Op<Geometry> = defineOp<Geometry>('conv2d', {
  shape: shapeOf,
  products: ([, w], [y]) => productsOf(y, w),
  gradient: ({ inputs, upstream, attributes, needs, target }) => {
    const [x, w] = inputs as Tensor[];
    const dy = upstream as Tensor;
    return [
      needs[0] ? emitOne<Geometry, 'float32'>(inputGradientOp, [dy, w], attributes) : null,
      needs[1] ? weightGradient(x, dy, w, attributes, target(1)) : null,
    ];
  },
});

const withBias = descriptor({ bias: true });
const conv2dBiasOp = variantOf<Geometry, Geometry>(conv2dOp, {
  shape: (inputs, geometry) => {
    const plan = shapeOf(inputs, geometry);
    plan.ints.push(withBias);
    return plan;
  },
  gradient: ({ inputs, upstream, attributes, needs, target }) => {
    const [x, w] = inputs as Tensor[];
    const dy = upstream as Tensor;
    const rows = dy.size / Math.max(1, dy.shape[3]);
    return [
      needs[0] ? emitOne<Geometry, 'float32'>(inputGradientOp, [dy, w], attributes) : null,
      needs[1] ? weightGradient(x, dy, w, attributes, target(1)) : null,
      needs[2] ? sum(reshape(dy, [rows, dy.shape[3]]), 0) : null,
    ];
  },
});

/** Both numbers of a size option, frozen: layers hand them out. */
export function checkSize2d(value: unknown, name: string, least: number): readonly [number, number] {
  if (Array.isArray(value)) {
    if (value.length !== 2) throw new ArgumentError(expected('a number or [height, width]', name, value));
    return Object.freeze([checkInteger(value[0], `${name}[0]`, least, 2 ** 30), checkInteger(value[1], `${name}[1]`, least, 2 ** 30)] as const);
  }
  const both = checkInteger(value, name, least, 2 ** 30);
  return Object.freeze([both, both] as const);
}

/** Checks a padding option and gives it back: `'same'`, or [[top, bottom], [left, right]]. */
export function checkPadding2d(
  value: unknown,
  name = 'options.padding',
): 'same' | readonly [readonly [number, number], readonly [number, number]] {
  if (value === 'same') return 'same';
  if (value === 'valid') return checkPadding2d(0);
  if (typeof value === 'string') throw new ArgumentError(expected("numbers, 'same' or 'valid'", name, value));
  if (Array.isArray(value) && value.length === 2 && value.some(Array.isArray)) {
    return Object.freeze([checkSize2d(value[0], `${name}[0]`, 0), checkSize2d(value[1], `${name}[1]`, 0)] as const);
  }
  const [height, width] = checkSize2d(value, name, 0);
  return Object.freeze([Object.freeze([height, height] as const), Object.freeze([width, width] as const)] as const);
}

function checkOperands(name: string, x: AnyTensor, w: AnyTensor, channels: number, weightIn: string): void {
  if (x.shape.length !== 4) {
    throw new ShapeError(`[${name}] expected images [N, H, W, C], received shape ${describeShape(x.shape)}${imagesHint(channels, x.shape)}`);
  }
  if (w.shape.length !== 4) {
    throw new ShapeError(
      `[${name}] expected a weight [kernel height, kernel width, ${weightIn}, out], received shape ${describeShape(w.shape)}`,
    );
  }
  if (w.shape[0] === 0 || w.shape[1] === 0) {
    throw new ShapeError(`[${name}] the kernel is empty: weight of shape ${describeShape(w.shape)}`);
  }
  if (x.shape[3] !== channels) {
    throw new ShapeError(
      `[${name}] expected ${plural(channels, 'channel')} (the last dimension) for a weight of shape ${describeShape(w.shape)}, received shape ${describeShape(x.shape)}${channelsHint(channels, x.shape)}`,
    );
  }
}

// Places in an image are 32-bit numbers in native code, padding included.
function checkLimits(name: string, { image, out, pad }: Geometry): void {
  if (Math.max(...pad) >= 2 ** 30) throw new ArgumentError(`[${name}] expected padding below 2^30, received ${Math.max(...pad)}`);
  if (Math.max(...image, ...out) >= 2 ** 31) {
    throw new ShapeError(`[${name}] expected images below 2^31 pixels a side, received ${describeShape(image)} and ${describeShape(out)}`);
  }
}

/**
 * Two-dimensional convolution: `y[n, i, j, o] = b[o] + Σ x[n, i·stride + a·dilation − padding, j·stride + b·dilation − padding, c]·w[a, b, c, o]`.
 *
 * As everywhere in deep learning the kernel is not flipped (cross-correlation). Output size: `⌊(size + padding − dilation·(kernel − 1) − 1) / stride⌋ + 1`.
 * Course row M01.
 *
 * @param x - Images [N, H, W, C].
 * @param weight - [kernel height, kernel width, C / groups, out]; PyTorch stores [out, C / groups, kernel height, kernel width].
 * @param bias - [out], or null.
 * @throws {@link ShapeError} when the shapes do not fit each other or the kernel is larger than the padded image; {@link ArgumentError}
 *   for wrong options.
 * @example
 * ```ts
 * import { conv2d, ones } from 'nodegrad';
 * conv2d(ones([1, 32, 32, 3]), ones([5, 5, 3, 6])).shape; // [1, 28, 28, 6]
 * ```
 */
export function conv2d<D extends FloatDType>(
  x: Tensor<D>,
  weight: Tensor<D>,
  bias: Tensor<D> | null = null,
  options: Conv2dFunctionOptions = {},
): Tensor<D> {
  checkOptions(options, 'options', ['stride', 'padding', 'dilation', 'groups', 'conv']);
  const input = Tensor.check(x, 'x');
  const w = Tensor.check(weight, 'weight');
  const groups = checkInteger(options.groups ?? 1, 'options.groups', 1);
  checkOperands('conv2d', input, w, w.shape.length === 4 ? w.shape[2] * groups : 0, 'in / groups');
  if (w.shape[3] % groups !== 0) throw new ShapeError(`[conv2d] ${groups} groups do not divide ${w.shape[3]} output channels`);
  const stride = checkSize2d(options.stride ?? 1, 'options.stride', 1);
  const dilation = checkSize2d(options.dilation ?? 1, 'options.dilation', 1);
  const padding = checkPadding2d(options.padding ?? 0);
  const out: [number, number] = [0, 0];
  const pad: [number, number] = [0, 0];
  for (const d of [0, 1]) {
    const [size, kernel] = [input.shape[1 + d], w.shape[d]];
    const reach = dilation[d] * (kernel - 1) + 1;
    if (padding === 'same') {
      out[d] = Math.ceil(size / stride[d]);
      pad[d] = Math.floor(Math.max(0, (out[d] - 1) * stride[d] + reach - size) / 2);
    } else {
      const padded = size + padding[d][0] + padding[d][1];
      if (reach > padded) {
        const what = d === 0 ? 'height' : 'width';
        throw new ShapeError(
          `[conv2d] a kernel of ${what} ${reach}${dilation[d] > 1 ? ' (dilated)' : ''} does not fit into images of ${what} ${size}${padded > size ? ` (${padded} with padding)` : ''}`,
        );
      }
      out[d] = Math.floor((padded - reach) / stride[d]) + 1;
      pad[d] = padding[d][0];
    }
  }
  const algorithm = algorithmOf(options.conv);
  const image = [input.shape[1], input.shape[2]] as const;
  const geometry = { image, out, stride, pad, dilation, groups, algorithm };
  checkLimits('conv2d', geometry);
  if (bias === null) return emitOne(conv2dOp, [input, w], geometry);
  const b = Tensor.check(bias, 'bias');
  if (b.shape.length !== 1 || b.shape[0] !== w.shape[3]) {
    throw new ShapeError(`[conv2d] expected a bias of shape [${w.shape[3]}], received ${describeShape(b.shape)}`);
  }
  return emitOne(conv2dBiasOp, [input, w, b], geometry);
}

/**
 * Transposed convolution (fractionally strided, "deconvolution"): the gradient of {@link conv2d} by its input, as a function of its own.
 * Output size: `(size − 1)·stride − 2·padding + dilation·(kernel − 1) + outputPadding + 1`.
 *
 * @param x - Images [N, H, W, C].
 * @param weight - [kernel height, kernel width, out / groups, C], the weight of the convolution that it transposes; PyTorch stores
 *   [C, out / groups, kernel height, kernel width].
 * @param bias - [out], or null.
 * @throws {@link ShapeError} when the shapes do not fit each other; {@link ArgumentError} for wrong options.
 * @example
 * ```ts
 * import { convTranspose2d, ones } from 'nodegrad';
 * convTranspose2d(ones([1, 7, 7, 16]), ones([4, 4, 8, 16]), null, { stride: 2, padding: 1 }).shape; // [1, 14, 14, 8]
 * ```
 */
export function convTranspose2d<D extends FloatDType>(
  x: Tensor<D>,
  weight: Tensor<D>,
  bias: Tensor<D> | null = null,
  options: ConvTranspose2dFunctionOptions = {},
): Tensor<D> {
  checkOptions(options, 'options', ['stride', 'padding', 'outputPadding', 'dilation', 'groups', 'conv']);
  const input = Tensor.check(x, 'x');
  const w = Tensor.check(weight, 'weight');
  const groups = checkInteger(options.groups ?? 1, 'options.groups', 1);
  checkOperands('convTranspose2d', input, w, w.shape.length === 4 ? w.shape[3] : 0, 'out / groups');
  if (w.shape[3] % groups !== 0) throw new ShapeError(`[convTranspose2d] ${groups} groups do not divide ${w.shape[3]} input channels`);
  const stride = checkSize2d(options.stride ?? 1, 'options.stride', 1);
  const dilation = checkSize2d(options.dilation ?? 1, 'options.dilation', 1);
  const pad = checkSize2d(options.padding ?? 0, 'options.padding', 0);
  const extra = checkSize2d(options.outputPadding ?? 0, 'options.outputPadding', 0);
  const image: [number, number] = [0, 0];
  for (const d of [0, 1]) {
    if (extra[d] >= Math.max(stride[d], dilation[d])) {
      throw new ArgumentError(`options.outputPadding must be less than the stride or the dilation, received ${extra[d]}`);
    }
    image[d] = (input.shape[1 + d] - 1) * stride[d] - 2 * pad[d] + dilation[d] * (w.shape[d] - 1) + extra[d] + 1;
    if (image[d] < 1) throw new ShapeError(`[convTranspose2d] nothing is left of images ${describeShape(input.shape)} with padding ${pad[d]}`);
  }
  const algorithm = algorithmOf(options.conv);
  const out = [input.shape[1], input.shape[2]] as const;
  const geometry = { image, out, stride, pad, dilation, groups, algorithm };
  checkLimits('convTranspose2d', geometry);
  const y = emitOne<Geometry, D>(inputGradientOp, [input, w], geometry);
  if (bias === null) return y;
  const b = Tensor.check(bias, 'bias');
  const channels = w.shape[2] * groups;
  if (b.shape.length !== 1 || b.shape[0] !== channels) {
    throw new ShapeError(`[convTranspose2d] expected a bias of shape [${channels}], received ${describeShape(b.shape)}`);
  }
  return add(y as never, b as never) as Tensor<D>;
}
