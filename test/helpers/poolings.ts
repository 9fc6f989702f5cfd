// Poolings for tests: windows of every class, as gradient-check cases and as native calls.
import {
  adaptiveAvgPool2d,
  type AvgPool2dOptions,
  avgPool2d,
  globalAvgPool2d,
  type MaxPool2dOptions,
  maxPool2d,
  type Size2d,
  type Tensor,
} from '../../lib/index.js';
import { columnsOf, type Float, type Maker, one, type Sample, uniform } from '../native/calls.js';
import { f64 } from './build.js';
import type { GradientCase } from './gradients.js';
import { Seeded } from './seeded.js';

type Double = Tensor<'float64'>;
type Shape = readonly [number, number, number, number];

const size = (shape: readonly number[]) => shape.reduce((product, length) => product * length, 1);
/** Numbers far enough apart that the step of the gradient check changes no maximum. */
export const distinct = (seed: number, shape: readonly number[]): Double => f64(new Seeded(seed).distinct(size(shape), -2, 2), shape);

const windows: readonly (readonly [Shape, Size2d, MaxPool2dOptions])[] = [
  [[1, 1, 1, 1], 1, {}],
  [[0, 4, 4, 2], 2, {}],
  [[2, 4, 6, 2], 2, {}],
  [[1, 5, 5, 17], 2, {}],
  [[1, 5, 7, 2], 3, { stride: 2, padding: 1 }],
  [[1, 6, 5, 3], 3, { stride: 2, ceilMode: true }],
  [[1, 5, 4, 1], 3, { stride: 1, padding: 1 }],
  [[2, 5, 6, 2], [1, 3], { stride: [2, 1], padding: [0, 1] }],
  [[1, 7, 5, 2], 2, { stride: 3, ceilMode: true }],
];
const dilated: typeof windows = [
  [[1, 7, 6, 2], [3, 2], { stride: [1, 2], dilation: [2, 3] }],
  [[1, 6, 6, 1], 2, { stride: 1, dilation: 2, padding: 1, ceilMode: true }],
];
const divisors: readonly AvgPool2dOptions[] = [{}, { countIncludePad: false }, { divisorOverride: 3 }];
const adaptive: readonly (readonly [Shape, Size2d])[] = [
  [[1, 1, 1, 1], 1],
  [
    [2, 5, 4, 2],
    [2, 3],
  ],
  [
    [1, 3, 2, 17],
    [5, 4],
  ],
  [[1, 4, 4, 2], 2],
  [[0, 3, 3, 2], 2],
];

const say = (shape: Shape, kernel: Size2d, options: object) => `[${shape}] by ${kernel} ${JSON.stringify(options)}`;

/** The gradient-check cases of pooling, by native op. */
export const poolingCases: Record<string, () => GradientCase[]> = {
  max_pool2d: () =>
    [...windows, ...dilated].map(([shape, kernel, options], i) => ({
      name: say(shape, kernel, options),
      fn: (x) => maxPool2d(x, kernel, options),
      inputs: [distinct(i + 1, shape)],
    })),
  avg_pool2d: () =>
    windows.flatMap(([shape, kernel, options], i) =>
      divisors.map((divisor) => ({
        name: say(shape, kernel, { ...options, ...divisor }),
        fn: (x: Double) => avgPool2d(x, kernel, { ...options, ...divisor }),
        inputs: [distinct(i + 1, shape)],
      })),
    ),
  adaptive_avg_pool2d: () => [
    ...adaptive.map(([shape, out], i) => ({
      name: say(shape, out, {}),
      fn: (x: Double) => adaptiveAvgPool2d(x, out),
      inputs: [distinct(i + 1, shape)],
    })),
    { name: 'global', fn: globalAvgPool2d, inputs: [distinct(9, [2, 3, 2, 3])] },
  ],
};

// [in, kernel, stride, padding, dilation] of rows and of columns
const native: readonly (readonly [readonly number[], readonly number[]])[] = [
  [[1, 1, 1, 0, 1], [1, 1, 1, 0, 1]], // biome-ignore format: one line
  [[4, 2, 2, 0, 1], [5, 2, 2, 0, 1]], // biome-ignore format: one line
  [[5, 3, 2, 1, 1], [3, 3, 2, 1, 1]], // biome-ignore format: one line
  [[3, 2, 3, 1, 1], [5, 2, 1, 0, 3]], // biome-ignore format: one line
];

const windowsOf = ([length, kernel, stride, padding, dilation]: readonly number[]): number =>
  Math.floor((length + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1;

/** Native calls of one direction. Channels are n, so that every width of a row is met. */
export function poolingMaker(op: string): Maker {
  return (n: number, dtype: Float, random: Seeded): Sample[] =>
    native
      .filter(([rows, columns]) => op.startsWith('max') || (rows[4] === 1 && columns[4] === 1))
      .map(([rows, columns]) => {
        const channels = n > 100 ? columnsOf(n) : n;
        const images = n > 100 ? Math.min(n / channels, 30) : 2;
        const [down, across] = [windowsOf(rows), windowsOf(columns)];
        const [x, y] = [images * rows[0] * columns[0] * channels, images * down * across * channels];
        const axis = ([length, ...rest]: readonly number[], out: number): number[] => [length, out, ...rest];
        const ints = [images, ...axis(rows, down), ...axis(columns, across), channels];
        const values = (length: number) => uniform(random, dtype, length);
        const taps = () => Uint8Array.from({ length: y }, () => random.integer(rows[1] * columns[1]));
        const parts: Record<string, Pick<Sample, 'outputs' | 'inputs' | 'ints' | 'reals'>> = {
          max_pool2d: { outputs: [...one(dtype, y), ...one('uint8', y)], inputs: [values(x)], ints, reals: [] },
          max_pool2d_backward: { outputs: one(dtype, x), inputs: [values(y), taps()], ints, reals: [] },
          avg_pool2d: { outputs: one(dtype, y), inputs: [values(x)], ints: [...ints, n % 2], reals: [n % 3] },
          avg_pool2d_backward: { outputs: one(dtype, x), inputs: [values(y)], ints: [...ints, n % 2], reals: [n % 3] },
        };
        return { op, form: `${images} images of [${rows}] by [${columns}]`, ...parts[op] };
      });
}

/** Native calls of adaptive pooling. */
export function adaptiveMaker(op: string): Maker {
  return (n: number, dtype: Float, random: Seeded): Sample[] =>
    adaptive.map(([[, h, w], out]) => {
      const [rows, columns] = typeof out === 'number' ? [out, out] : out;
      const channels = n > 100 ? columnsOf(n) : n;
      const images = n > 100 ? Math.min(n / channels, 30) : 2;
      const [x, y] = [images * h * w * channels, images * rows * columns * channels];
      const [to, from] = op.endsWith('_backward') ? [x, y] : [y, x];
      const ints = [images, h, w, rows, columns, channels];
      return { op, form: `${ints}`, outputs: one(dtype, to), inputs: [uniform(random, dtype, from)], ints, reals: [] };
    });
}
