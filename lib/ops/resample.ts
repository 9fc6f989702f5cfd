// Images of another size: padding by zeros, mirrored or repeated pixels, and enlarging by nearest neighbours or bilinear interpolation.

import { type FloatDType, arrayTypes } from '../dtype.js';
import { ArgumentError, ShapeError, checkChoice, checkFlag, checkNumber, checkOptions, describeShape, expected } from '../errors.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { type Padding2d, type Size2d, checkPadding2d, checkSize2d } from './convolution.js';
import { defineOp } from './define.js';
import { emitOne } from './emit.js';
import { checkExtent, checkImages } from './pooling.js';

type Size = readonly [number, number];

interface Resampling {
  readonly out: Size;
  /** Of the images. */
  readonly shape: readonly number[];
  /** What pixels from nowhere are. */
  readonly value: number;
}

const intsOf = ({ shape: [n, h, w, c], out }: Resampling): number[] => [n, h, w, ...out, c];
const madeShape = ({ shape: [n, , , c], out }: Resampling): number[] => [n, ...out, c];

const takePixelsBackwardOp = defineOp<Resampling>('take_pixels_backward', {
  shape: ([dy], resampling) => ({ outputs: [{ shape: resampling.shape, dtype: dy.dtype }], ints: intsOf(resampling), reals: [] }),
  gradient: 'none',
});
const takePixelsOp = defineOp<Resampling>('take_pixels', {
  shape: ([x], resampling) => ({
    outputs: [{ shape: madeShape(resampling), dtype: x.dtype }],
    ints: intsOf(resampling),
    reals: [resampling.value],
  }),
  gradient: ({ inputs: [, places], upstream, attributes }) => [emitOne(takePixelsBackwardOp, [upstream, places], attributes), null],
});

const interpolateBackwardOp = defineOp<Resampling>('interpolate2d_backward', {
  shape: ([dy], resampling) => ({ outputs: [{ shape: resampling.shape, dtype: dy.dtype }], ints: intsOf(resampling), reals: [] }),
  gradient: 'none',
});
const interpolateOp = defineOp<Resampling>('interpolate2d', {
  shape: ([x], resampling) => ({ outputs: [{ shape: madeShape(resampling), dtype: x.dtype }], ints: intsOf(resampling), reals: [] }),
  gradient: ({ inputs: [, places, weights], upstream, attributes }) => [
    emitOne(interpolateBackwardOp, [upstream, places, weights], attributes),
    null,
    null,
  ],
});

/** The row that each new row comes from, then the column of each column; −1 for none. */
function taken<D extends FloatDType>(
  x: Tensor<D>,
  out: Size,
  value: number,
  from: (place: number, size: number, axis: 0 | 1) => number,
): Tensor<D> {
  const axis = (d: 0 | 1): number[] => Array.from({ length: out[d] }, (_, place) => from(place, x.shape[1 + d], d));
  const places = Int32Array.from([...axis(0), ...axis(1)]);
  return emitOne(takePixelsOp, [x, Tensor.wrap(places, [places.length], 'int32')], { out, shape: x.shape, value });
}

// ---- padding ----

/** What stands around an image: a value, its pixels mirrored at the edge (the edge itself once), or its edge again and again. */
export type PaddingMode = 'constant' | 'reflect' | 'replicate';

/** Options of {@link pad2d}. */
export interface Pad2dOptions {
  /** Default `'constant'`. */
  mode?: PaddingMode;
  /** What `'constant'` fills in. Default 0. */
  value?: number;
}

/** @internal A padding, checked: [[top, bottom], [left, right]]. */
export interface Frame {
  readonly padding: readonly [Size, Size];
  readonly mode: PaddingMode;
  readonly value: number;
}

/** @internal */
export function checkFrame(padding: unknown, options: unknown): Frame {
  const { mode = 'constant', value = 0 } = checkOptions<Pad2dOptions>(options, 'options', ['mode', 'value']);
  if (typeof padding === 'string') throw new ArgumentError(expected('numbers', 'padding', padding));
  return {
    padding: checkPadding2d(padding, 'padding') as readonly [Size, Size],
    mode: checkChoice(mode, 'options.mode', ['constant', 'reflect', 'replicate']),
    value: checkNumber(value, 'options.value'),
  };
}

const sources: Record<PaddingMode, (place: number, size: number) => number> = {
  constant: (place, size) => (place >= 0 && place < size ? place : -1),
  reflect: (place, size) => (place < 0 ? -place : place < size ? place : 2 * (size - 1) - place),
  replicate: (place, size) => Math.min(Math.max(place, 0), size - 1),
};

/**
 * Images with a frame: `y[n, i, j, c] = x[n, i − top, j − left, c]` inside, and in the frame a value, mirrored or repeated pixels.
 *
 * @param x - Images [N, H, W, C], float32 or float64.
 * @param padding - Width of the frame: one number, [top and bottom, left and right], or [[top, bottom], [left, right]].
 * @returns [N, top + H + bottom, left + W + right, C].
 * @throws {@link ShapeError} when `x` is no batch of images, has no pixels, or not more of them along an axis than `'reflect'` mirrors;
 * {@link ArgumentError} for wrong options.
 * @example
 * ```ts
 * import { ones, pad2d } from 'nodegrad';
 * pad2d(ones([16, 32, 32, 3]), 4, { mode: 'reflect' }).shape; // [16, 40, 40, 3]
 * ```
 */
export function pad2d<D extends FloatDType>(x: Tensor<D>, padding: Exclude<Padding2d, string>, options: Pad2dOptions = {}): Tensor<D> {
  const input = checkImages<D>('pad2d', x);
  const { padding: frame, mode, value } = checkFrame(padding, options);
  const widest = [Math.max(...frame[0]), Math.max(...frame[1])];
  if (mode === 'reflect' && (widest[0] >= input.shape[1] || widest[1] >= input.shape[2])) {
    throw new ShapeError(
      `[pad2d] expected more rows than ${widest[0]} and columns than ${widest[1]} to mirror, received shape ${describeShape(input.shape)}`,
    );
  }
  const out: Size = [input.shape[1] + frame[0][0] + frame[0][1], input.shape[2] + frame[1][0] + frame[1][1]];
  checkExtent('pad2d', out);
  return taken(input, out, value, (place, size, axis) => sources[mode](place - frame[axis][0], size));
}

// ---- another size ----

/** Options of {@link upsample2d}: either `scaleFactor` or `outputSize`. */
export interface Upsample2dOptions {
  /** How many times larger, rows and columns: whole numbers. */
  scaleFactor?: Size2d;
  /** The new number of rows and columns. */
  outputSize?: Size2d;
  /** Default `'nearest'`. */
  mode?: 'nearest' | 'bilinear';
  /**
   * For `'bilinear'`: whether the centres of the corner pixels stay where they are (true), or the outer edges of the image (false). Default
   * false.
   */
  alignCorners?: boolean;
}

/** @internal A new size, checked. */
export type Upsampling = Required<Pick<Upsample2dOptions, 'mode' | 'alignCorners'>> &
  ({ readonly scaleFactor: Size } | { readonly outputSize: Size });

/** @internal */
export function checkUpsampling(options: unknown): Upsampling {
  const given = checkOptions<Upsample2dOptions>(options, 'options', ['scaleFactor', 'outputSize', 'mode', 'alignCorners']);
  const { scaleFactor, outputSize, mode = 'nearest', alignCorners = false } = given;
  if ((scaleFactor === undefined) === (outputSize === undefined))
    throw new ArgumentError(expected('either `scaleFactor` or `outputSize`', 'options', options));
  const how = {
    mode: checkChoice(mode, 'options.mode', ['nearest', 'bilinear']),
    alignCorners: checkFlag(alignCorners, 'options.alignCorners'),
  };
  if (how.alignCorners && how.mode === 'nearest')
    throw new ArgumentError(expected("false with mode 'nearest'", 'options.alignCorners', alignCorners));
  return outputSize === undefined
    ? { ...how, scaleFactor: checkSize2d(scaleFactor, 'options.scaleFactor', 1) }
    : { ...how, outputSize: checkSize2d(outputSize, 'options.outputSize', 1) };
}

/** Two neighbours and their weights, for each place along an axis. */
function between(size: number, count: number, alignCorners: boolean): { places: number[]; weights: number[] } {
  const places: number[] = [];
  const weights: number[] = [];
  for (let o = 0; o < count; o++) {
    // The place among the old centres, as a fraction: exact at whole numbers.
    const [above, below] = alignCorners ? [o * (size - 1), Math.max(1, count - 1)] : [Math.max(0, (2 * o + 1) * size - count), 2 * count];
    const first = Math.min(Math.floor(above / below), size - 1);
    const part = first === size - 1 ? 0 : (above - first * below) / below;
    places.push(first, part === 0 ? first : first + 1);
    weights.push(1 - part, part);
  }
  return { places, weights };
}

/**
 * Images of another size. `'nearest'`: new row i is old row `⌊i·H/H'⌋`. `'bilinear'`: the mean of the four pixels around `(i + ½)·H/H' − ½`,
 * or with `alignCorners` around `i·(H − 1)/(H' − 1)`, weighted by how near they are; columns alike.
 *
 * @param x - Images [N, H, W, C], float32 or float64.
 * @returns [N, H', W', C].
 * @throws {@link ShapeError} when `x` is no batch of images or has no pixels, {@link ArgumentError} for wrong options.
 * @example
 * ```ts
 * import { ones, upsample2d } from 'nodegrad';
 * upsample2d(ones([16, 14, 14, 64]), { scaleFactor: 2, mode: 'bilinear' }).shape; // [16, 28, 28, 64]
 * ```
 */
export function upsample2d<D extends FloatDType>(x: Tensor<D>, options: Upsample2dOptions): Tensor<D> {
  const input = checkImages<D>('upsample2d', x);
  const upsampling = checkUpsampling(options);
  const [, h, w] = input.shape;
  const out: Size = 'outputSize' in upsampling ? upsampling.outputSize : [h * upsampling.scaleFactor[0], w * upsampling.scaleFactor[1]];
  checkExtent('upsample2d', out);
  if (upsampling.mode === 'nearest') return taken(input, out, 0, (place, size, axis) => Math.floor((place * size) / out[axis]));
  const [rows, columns] = [between(h, out[0], upsampling.alignCorners), between(w, out[1], upsampling.alignCorners)];
  const places = Int32Array.from([...rows.places, ...columns.places]);
  const weights = arrayTypes[input.dtype].from([...rows.weights, ...columns.weights]);
  const operands: AnyTensor[] = [Tensor.wrap(places, [places.length], 'int32'), Tensor.wrap(weights as never, [weights.length], input.dtype)];
  return emitOne(interpolateOp, [input, ...operands], { out, shape: input.shape, value: 0 });
}
