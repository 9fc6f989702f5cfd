// Maxima over windows that an operand places: as many as are asked for (adaptive), or drawn anew for each image (fractional).

import type { FloatDType } from '../dtype.js';
import { ArgumentError, ShapeError, checkChoice, checkFlag, checkOptions, describeShape, expected } from '../errors.js';
import { Random } from '../random.js';
import { defaultRandom } from '../seed.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { type Size2d, checkSize2d } from './convolution.js';
import { defineOp } from './define.js';
import { emitOne } from './emit.js';
import { checkExtent, checkImages } from './pooling.js';
import { reserveState } from './random.js';

type Size = readonly [number, number];

interface Placed {
  readonly out: Size;
  /** Of the images. */
  readonly shape: readonly number[];
  /** How many sets of windows there are: one for each image, or one. */
  readonly sets: number;
}

const intsOf = ({ shape: [n, h, w, c], out, sets }: Placed): number[] => [n, h, w, ...out, c, sets];

const windowMaxBackwardOp = defineOp<Placed>('window_max_pool2d_backward', {
  shape: ([dy], placed) => ({ outputs: [{ shape: placed.shape, dtype: dy.dtype }], ints: intsOf(placed), reals: [] }),
  gradient: 'none',
});
const windowMaxOp = defineOp<Placed>('window_max_pool2d', {
  shape: ([x], placed) => {
    const shape = [placed.shape[0], ...placed.out, placed.shape[3]];
    // The second output is the number of the pixel that was taken.
    return { outputs: [{ shape, dtype: x.dtype }, { shape, dtype: 'int32' }], ints: intsOf(placed), reals: [] }; // biome-ignore format: one line
  },
  gradient: ({ inputs: [, windows], outputs: [, places], upstream, attributes }) => [
    emitOne(windowMaxBackwardOp, [upstream, places, windows], attributes),
    null,
  ],
});

/** One set of windows for all images: begin and end of every row, then of every column. */
function windowsFor(
  name: string,
  [, h, w]: readonly number[],
  out: Size,
  along: (size: number, count: number, o: number) => [number, number],
): AnyTensor {
  checkExtent(name, out);
  const axis = (size: number, count: number): number[] => Array.from({ length: count }, (_, o) => along(size, count, o)).flat();
  const pairs = Int32Array.from([...axis(h, out[0]), ...axis(w, out[1])]);
  return Tensor.wrap(pairs, [1, pairs.length], 'int32');
}

/**
 * Maxima of `outputSize` windows that share out the image: window o covers rows `⌊o·H/H'⌋` to `⌈(o+1)·H/H'⌉ − 1`, columns alike.
 *
 * Of equal numbers the first pixel gets the gradient; a NaN wins.
 *
 * @param x - Images [N, H, W, C], float32 or float64.
 * @param outputSize - Number of windows, [H', W'] or one number for both.
 * @returns [N, H', W', C].
 * @throws {@link ShapeError} when `x` is no batch of images or has no pixels, {@link ArgumentError} for sizes below 1.
 * @example
 * ```ts
 * import { adaptiveMaxPool2d, ones } from 'nodegrad';
 * adaptiveMaxPool2d(ones([16, 13, 13, 256]), 6).shape; // [16, 6, 6, 256]
 * ```
 */
export function adaptiveMaxPool2d<D extends FloatDType>(x: Tensor<D>, outputSize: Size2d): Tensor<D> {
  const name = 'adaptiveMaxPool2d';
  const input = checkImages<D>(name, x);
  const placed = { out: checkSize2d(outputSize, 'outputSize', 1), shape: input.shape, sets: 1 };
  const share = (size: number, count: number, o: number): [number, number] => [
    Math.floor((o * size) / count),
    Math.ceil(((o + 1) * size) / count),
  ];
  return emitOne(windowMaxOp, [input, windowsFor(name, input.shape, placed.out, share)], placed);
}

interface Drawn extends Placed {
  readonly overlapping: boolean;
  readonly shuffled: boolean;
}

const fractionalWindowsOp = defineOp<Drawn>('fractional_windows', {
  shape: (_, { sets, shape: [, h, w], out: [rows, columns], overlapping, shuffled }) => ({
    outputs: [{ shape: [sets, 2 * (rows + columns)], dtype: 'int32' }],
    ints: [sets, h, w, rows, columns, overlapping ? 1 : 0, shuffled ? 1 : 0],
    reals: [],
  }),
  gradient: 'none',
});

/** Where the windows of {@link fractionalMaxPool2d} begin. */
export type FractionalSequence = 'random' | 'pseudorandom' | 'fixed';

/** Options of {@link FractionalMaxPool2d}. */
export interface FractionalPoolOptions {
  /**
   * `'random'`: steps of ⌊α⌋ and ⌈α⌉ pixels in any order; `'pseudorandom'`: `⌊α·o + u⌋` with one u in [0, 1) for each image and axis;
   * `'fixed'`: that with u = ½. Default `'random'`.
   */
  sequence?: FractionalSequence;
  /** Whether a window takes the first row and column of the next as well. Default true. */
  overlapping?: boolean;
}

/** Options of {@link fractionalMaxPool2d}. */
export interface FractionalMaxPool2dOptions extends FractionalPoolOptions {
  /** Whose numbers to draw. Default: the generator that {@link setSeed} restarts. */
  random?: Random;
}

/** @internal Number and kind of the windows of a fractional pooling, checked. */
export interface Fractional {
  readonly outputSize: Size;
  readonly sequence: FractionalSequence;
  readonly overlapping: boolean;
}

/** @internal */
export function checkFractional(outputSize: unknown, options: FractionalPoolOptions): Fractional {
  const { sequence = 'random', overlapping = true } = options;
  return {
    outputSize: checkSize2d(outputSize, 'outputSize', 1),
    sequence: checkChoice(sequence, 'options.sequence', ['random', 'pseudorandom', 'fixed']),
    overlapping: checkFlag(overlapping, 'options.overlapping'),
  };
}

/**
 * Maxima of `outputSize` windows whose sizes differ, so that an image shrinks by a factor α between 1 and 2, or any other.
 *
 * The windows of an axis begin at a₀ = 0 and go on by steps of ⌊α⌋ or ⌈α⌉ to a_H' = H − 1, with α = (H − 1) / H': window o covers rows
 * a_o to a_(o+1) − 1, or with `overlapping` to a_(o+1); columns alike. Windows that do not overlap leave out the last row and column, as
 * in the paper. Each image gets windows of its own, the same for all of its channels.
 *
 * Graham, Fractional Max-Pooling, 2014; course row F10. PyTorch's function of that name draws other windows, all of one size.
 *
 * @param x - Images [N, H, W, C], float32 or float64.
 * @param outputSize - Number of windows, [H', W'] or one number for both, below H and W.
 * @returns [N, H', W', C].
 * @throws {@link ShapeError} when `x` is no batch of images or has not more pixels than windows along an axis, {@link ArgumentError} for
 * sizes below 1 or wrong options.
 * @example
 * ```ts
 * import { fractionalMaxPool2d, ones } from 'nodegrad';
 * fractionalMaxPool2d(ones([16, 25, 25, 32]), 18).shape; // [16, 18, 18, 32]
 * ```
 */
export function fractionalMaxPool2d<D extends FloatDType>(
  x: Tensor<D>,
  outputSize: Size2d,
  options: FractionalMaxPool2dOptions = {},
): Tensor<D> {
  const name = 'fractionalMaxPool2d';
  const input = checkImages<D>(name, x);
  const given = checkOptions<FractionalMaxPool2dOptions>(options, 'options', ['sequence', 'overlapping', 'random']);
  const { random = defaultRandom() } = given;
  if (!(random instanceof Random)) throw new ArgumentError(expected('a Random', 'options.random', random));
  const { sequence, overlapping, outputSize: windows } = checkFractional(outputSize, given);
  const [n, h, w] = input.shape;
  if (windows[0] >= h || windows[1] >= w) {
    throw new ShapeError(
      `[${name}] expected more rows than ${windows[0]} and columns than ${windows[1]}, received shape ${describeShape(input.shape)}`,
    );
  }
  const drawn = { out: windows, shape: input.shape, sets: sequence === 'fixed' ? 1 : n, overlapping, shuffled: sequence === 'random' };
  if (sequence !== 'fixed') {
    const state = reserveState(random, n * (windows[0] + windows[1]));
    return emitOne(windowMaxOp, [input, emitOne(fractionalWindowsOp, [state], drawn)], drawn);
  }
  const begin = (size: number, count: number, o: number): number => Math.floor((2 * o * (size - 1) + count) / (2 * count));
  const middle = (size: number, count: number, o: number): [number, number] => [
    begin(size, count, o),
    begin(size, count, o + 1) + (overlapping ? 1 : 0),
  ];
  return emitOne(windowMaxOp, [input, windowsFor(name, input.shape, windows, middle)], drawn);
}
