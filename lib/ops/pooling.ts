// Pooling of images [N, H, W, C] over windows: maxima and means, with given windows or a given number of them.

import type { FloatDType } from '../dtype.js';
import { ArgumentError, ShapeError, checkFlag, checkInteger, checkOptions, describeShape, expected } from '../errors.js';
import { Tensor } from '../tensor.js';
import { type Size2d, checkSize2d } from './convolution.js';
import { defineOp } from './define.js';
import { requireFloat } from './elementwise.js';
import { emitOne } from './emit.js';
import { max } from './reduce.js';
import { reshape } from './shape.js';

/** Where windows lie, for all kinds of pooling with a kernel. */
export interface PoolOptions {
  /** Distance from window to window. Default: the kernel, so that windows neither overlap nor leave gaps. */
  stride?: Size2d;
  /** Rows and columns around the image that no maximum takes; at most half of the kernel. Default 0. */
  padding?: Size2d;
  /** Round the number of windows up, so that the last one may reach over the edge; it must begin inside or in the padding before. Default false. */
  ceilMode?: boolean;
}

/** Options of {@link maxPool2d}. */
export interface MaxPool2dOptions extends PoolOptions {
  /** Distance from tap to tap within a window. Default 1. */
  dilation?: Size2d;
}

/** Options of {@link avgPool2d}. */
export interface AvgPool2dOptions extends PoolOptions {
  /** Whether places in the padding count in the divisor. Default true, as in PyTorch. */
  countIncludePad?: boolean;
  /** What sums are divided by instead of the number of places. */
  divisorOverride?: number;
}

/** The windows of one pooling, checked: rows, then columns. */
export interface Pooling {
  /** Size of the window. */
  readonly kernelSize: readonly [number, number];
  /** Step between windows. */
  readonly stride: readonly [number, number];
  /** Places added on each side. */
  readonly padding: readonly [number, number];
  /** Distance between the taps of a window. */
  readonly dilation: readonly [number, number];
  /** Whether a last window that reaches beyond the padding counts. */
  readonly ceilMode: boolean;
}

/** @internal A tensor of images, channels last, with pixels. */
export function checkImages<D extends FloatDType>(op: string, x: unknown): Tensor<D> {
  const input = Tensor.check(x, 'x') as Tensor<D>;
  requireFloat(op, [input]);
  if (input.shape.length !== 4) {
    throw new ShapeError(`[${op}] expected images of shape [N, H, W, C], received shape ${describeShape(input.shape)}`);
  }
  if (input.shape[1] < 1 || input.shape[2] < 1) {
    throw new ShapeError(`[${op}] expected images with at least one pixel, received shape ${describeShape(input.shape)}`);
  }
  return input;
}

/** @internal Lists with an entry for each row and column must stay short, also for images without channels. */
export function checkExtent(op: string, out: readonly [number, number]): void {
  if (Math.max(...out) > 2 ** 20) throw new ShapeError(`[${op}] expected at most 1048576 rows and columns, received ${describeShape(out)}`);
}

const poolNames = ['stride', 'padding', 'ceilMode'];
const mostTaps = 256;

function checkPooling(kernelSize: unknown, options: MaxPool2dOptions): Pooling {
  const size = checkSize2d(kernelSize, 'kernelSize', 1);
  const padding = checkSize2d(options.padding ?? 0, 'options.padding', 0);
  const dilation = checkSize2d(options.dilation ?? 1, 'options.dilation', 1);
  for (const d of [0, 1]) {
    const reach = (size[d] - 1) * dilation[d] + 1;
    if (2 * padding[d] > reach) throw new ArgumentError(expected(`at most half of the window's ${reach}`, 'options.padding', options.padding));
  }
  return {
    kernelSize: size,
    stride: options.stride === undefined ? size : checkSize2d(options.stride, 'options.stride', 1),
    padding,
    dilation,
    ceilMode: checkFlag(options.ceilMode ?? false, 'options.ceilMode'),
  };
}

/** @internal The windows of {@link maxPool2d}, checked. */
export function checkMaxPool2d(kernelSize: unknown, options: unknown): Pooling {
  const pooling = checkPooling(kernelSize, checkOptions<MaxPool2dOptions>(options, 'options', [...poolNames, 'dilation']));
  const taps = pooling.kernelSize[0] * pooling.kernelSize[1];
  if (taps > mostTaps)
    throw new ArgumentError(
      expected(`a window of at most ${mostTaps} taps`, 'kernelSize', kernelSize, 'See globalMaxPool2d and adaptiveMaxPool2d.'),
    );
  return pooling;
}

/** @internal The windows of {@link avgPool2d}, checked, and what is divided by. */
export function checkAvgPool2d(kernelSize: unknown, options: unknown): Pooling & { countIncludePad: boolean; divisorOverride: number } {
  const given = checkOptions<AvgPool2dOptions>(options, 'options', [...poolNames, 'countIncludePad', 'divisorOverride']);
  const { countIncludePad = true, divisorOverride } = given;
  return {
    ...checkPooling(kernelSize, given),
    countIncludePad: checkFlag(countIncludePad, 'options.countIncludePad'),
    divisorOverride: divisorOverride === undefined ? 0 : checkInteger(divisorOverride, 'options.divisorOverride', 1, 2 ** 31 - 1),
  };
}

/** How many windows lie along an axis of `size`. */
function windowsAlong(op: string, size: number, pooling: Pooling, d: 0 | 1, shape: readonly number[]): number {
  const [kernelSize, stride, padding, dilation] = [pooling.kernelSize[d], pooling.stride[d], pooling.padding[d], pooling.dilation[d]];
  const room = size + 2 * padding - (dilation * (kernelSize - 1) + 1);
  const floor = Math.floor((room + (pooling.ceilMode ? stride - 1 : 0)) / stride) + 1;
  const windows = pooling.ceilMode && (floor - 1) * stride >= size + padding ? floor - 1 : floor;
  if (windows < 1) {
    const axis = d === 0 ? 'height' : 'width';
    const reach = dilation === 1 ? `${kernelSize}` : `${kernelSize} with dilation ${dilation}`;
    const around = padding === 0 ? '' : ` and padding ${padding}`;
    throw new ShapeError(`[${op}] a kernel of ${reach} does not fit into ${axis} ${size}${around} of shape ${describeShape(shape)}`);
  }
  return windows;
}

interface Windows {
  readonly name: string;
  readonly pooling: Pooling;
  /** Of the images. */
  readonly shape: readonly number[];
}

function pooledShape({ name, pooling, shape: [n, h, w, c], shape }: Windows): number[] {
  return [n, windowsAlong(name, h, pooling, 0, shape), windowsAlong(name, w, pooling, 1, shape), c];
}

function poolInts(windows: Windows): number[] {
  const { kernelSize, stride, padding, dilation } = windows.pooling;
  const [n, rows, columns, c] = pooledShape(windows);
  const axis = (d: 0 | 1, out: number): number[] => [windows.shape[1 + d], out, kernelSize[d], stride[d], padding[d], dilation[d]];
  return [n, ...axis(0, rows), ...axis(1, columns), c];
}

const maxPoolBackwardOp = defineOp<Windows>('max_pool2d_backward', {
  shape: ([dy], windows) => ({ outputs: [{ shape: windows.shape, dtype: dy.dtype }], ints: poolInts(windows), reals: [] }),
  gradient: 'none',
});
const maxPoolOp = defineOp<Windows>('max_pool2d', {
  shape: ([x], windows) => {
    const shape = pooledShape(windows);
    // The second output is the tap that was taken, row by row within its window.
    return { outputs: [{ shape, dtype: x.dtype }, { shape, dtype: 'uint8' }], ints: poolInts(windows), reals: [] }; // biome-ignore format: one line
  },
  gradient: ({ outputs, upstream, attributes }) => [emitOne(maxPoolBackwardOp, [upstream, outputs[1]], attributes)],
});

/**
 * The maximum of each window: `y[n, i, j, c] = max x[n, i·stride − padding + a·dilation, j·stride − padding + b·dilation, c]` over the
 * taps (a, b) of the kernel that lie inside.
 *
 * Of equal numbers the first tap gets the gradient; a NaN wins. Its relatives are {@link adaptiveMaxPool2d} and {@link fractionalMaxPool2d}.
 *
 * @param x - Images [N, H, W, C], float32 or float64.
 * @param kernelSize - Size of the window, at most 256 taps.
 * @returns [N, H', W', C] with `H' = ⌊(H + 2·padding − dilation·(kernelSize − 1) − 1) / stride⌋ + 1`, or ⌈ ⌉ with `ceilMode`.
 * @throws {@link ShapeError} when `x` is no batch of images or smaller than a window, {@link ArgumentError} for a padding above half of
 * the window, a window of more than 256 taps, or an unknown option.
 * @example
 * ```ts
 * import { maxPool2d, ones } from 'nodegrad';
 * maxPool2d(ones([16, 28, 28, 6]), 2).shape; // [16, 14, 14, 6]
 * maxPool2d(ones([16, 112, 112, 64]), 3, { stride: 2, padding: 1 }).shape; // [16, 56, 56, 64]
 * ```
 */
export function maxPool2d<D extends FloatDType>(x: Tensor<D>, kernelSize: Size2d, options: MaxPool2dOptions = {}): Tensor<D> {
  const input = checkImages<D>('maxPool2d', x);
  return emitOne(maxPoolOp, [input], { name: 'maxPool2d', pooling: checkMaxPool2d(kernelSize, options), shape: input.shape });
}

interface Means extends Windows {
  readonly countIncludePad: boolean;
  readonly divisorOverride: number;
}

const meanPlan = (means: Means, shape: readonly number[], dtype: FloatDType) => ({
  outputs: [{ shape, dtype }],
  ints: [...poolInts(means), means.countIncludePad ? 1 : 0],
  reals: [means.divisorOverride],
});
const avgPoolBackwardOp = defineOp<Means>('avg_pool2d_backward', {
  shape: ([dy], means) => meanPlan(means, means.shape, dy.dtype as FloatDType),
  gradient: 'none',
});
const avgPoolOp = defineOp<Means>('avg_pool2d', {
  shape: ([x], means) => meanPlan(means, pooledShape(means), x.dtype as FloatDType),
  gradient: ({ upstream, attributes }) => [emitOne(avgPoolBackwardOp, [upstream], attributes)],
});

/**
 * The mean of each window: its sum divided by the kernel's size. With `ceilMode` places beyond the padding do not count, with
 * `countIncludePad: false` no padding does; `divisorOverride` is the divisor instead.
 *
 * @param x - Images [N, H, W, C], float32 or float64.
 * @param kernelSize - Size of the window.
 * @returns [N, H', W', C] as in {@link maxPool2d}.
 * @throws {@link ShapeError} when `x` is no batch of images or smaller than a window, {@link ArgumentError} for a padding above half of
 * the window or an unknown option.
 * @example
 * ```ts
 * import { avgPool2d, ones } from 'nodegrad';
 * avgPool2d(ones([16, 28, 28, 6]), 2).shape; // [16, 14, 14, 6]
 * ```
 */
export function avgPool2d<D extends FloatDType>(x: Tensor<D>, kernelSize: Size2d, options: AvgPool2dOptions = {}): Tensor<D> {
  const input = checkImages<D>('avgPool2d', x);
  const { countIncludePad, divisorOverride, ...pooling } = checkAvgPool2d(kernelSize, options);
  return emitOne(avgPoolOp, [input], { name: 'avgPool2d', pooling, shape: input.shape, countIncludePad, divisorOverride });
}

// ---- a given number of windows ----

interface Adaptive {
  readonly name: string;
  readonly out: readonly [number, number];
  readonly shape: readonly number[];
}

const adaptiveInts = ({ shape: [n, h, w, c], out }: Adaptive): number[] => [n, h, w, ...out, c];
const adaptiveShape = ({ shape: [n, , , c], out }: Adaptive): number[] => [n, ...out, c];

const adaptiveAvgBackwardOp = defineOp<Adaptive>('adaptive_avg_pool2d_backward', {
  shape: ([dy], adaptive) => ({ outputs: [{ shape: adaptive.shape, dtype: dy.dtype }], ints: adaptiveInts(adaptive), reals: [] }),
  gradient: 'none',
});
const adaptiveAvgOp = defineOp<Adaptive>('adaptive_avg_pool2d', {
  shape: ([x], adaptive) => ({ outputs: [{ shape: adaptiveShape(adaptive), dtype: x.dtype }], ints: adaptiveInts(adaptive), reals: [] }),
  gradient: ({ upstream, attributes }) => [emitOne(adaptiveAvgBackwardOp, [upstream], attributes)],
});

/**
 * Means of `outputSize` windows that share out the image: window o covers rows `⌊o·H/H'⌋` to `⌈(o+1)·H/H'⌉ − 1`, columns alike.
 *
 * @param x - Images [N, H, W, C], float32 or float64.
 * @param outputSize - Number of windows, [H', W'] or one number for both.
 * @returns [N, H', W', C].
 * @throws {@link ShapeError} when `x` is no batch of images or has no pixels, {@link ArgumentError} for sizes below 1.
 * @example
 * ```ts
 * import { adaptiveAvgPool2d, ones } from 'nodegrad';
 * adaptiveAvgPool2d(ones([16, 13, 13, 256]), 6).shape; // [16, 6, 6, 256]
 * ```
 */
export function adaptiveAvgPool2d<D extends FloatDType>(x: Tensor<D>, outputSize: Size2d): Tensor<D> {
  const name = 'adaptiveAvgPool2d';
  const input = checkImages<D>(name, x);
  return emitOne(adaptiveAvgOp, [input], { name, out: checkSize2d(outputSize, 'outputSize', 1), shape: input.shape });
}

/**
 * The mean of each channel over the whole image: [N, H, W, C] → [N, C]. `adaptiveAvgPool2d(x, 1)` keeps the shape [N, 1, 1, C].
 *
 * Network in Network (Lin, Chen, Yan, 2013) ends in it; course row M16.
 *
 * @param x - Images [N, H, W, C], float32 or float64.
 * @throws {@link ShapeError} when `x` is no batch of images or has no pixels.
 * @example
 * ```ts
 * import { globalAvgPool2d, ones } from 'nodegrad';
 * globalAvgPool2d(ones([16, 7, 7, 512])).shape; // [16, 512]
 * ```
 */
export function globalAvgPool2d<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
  const input = checkImages<D>('globalAvgPool2d', x);
  return reshape(adaptiveAvgPool2d(input, 1), [input.shape[0], input.shape[3]]);
}

/**
 * The maximum of each channel over the whole image: [N, H, W, C] → [N, C].
 *
 * Of equal numbers the first pixel gets the gradient.
 *
 * @param x - Images [N, H, W, C], float32 or float64.
 * @throws {@link ShapeError} when `x` is no batch of images or has no pixels.
 * @example
 * ```ts
 * import { globalMaxPool2d, ones } from 'nodegrad';
 * globalMaxPool2d(ones([16, 7, 7, 512])).shape; // [16, 512]
 * ```
 */
export function globalMaxPool2d<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
  const input = checkImages<D>('globalMaxPool2d', x);
  const [n, h, w, c] = input.shape;
  return max(reshape(input, [n, h * w, c]), 1);
}
