// Operations on images beside convolution and pooling with a kernel, as gradient-check cases and as native calls.
import {
  adaptiveMaxPool2d,
  fractionalMaxPool2d,
  localResponseNorm,
  pad2d,
  Random,
  type Size2d,
  type Tensor,
  type Upsample2dOptions,
  upsample2d,
} from '../../lib/index.js';
import { columnsOf, type Maker, one, state, uniform } from '../native/calls.js';
import { f64 } from './build.js';
import type { GradientCase } from './gradients.js';
import { Seeded } from './seeded.js';

type Double = Tensor<'float64'>;

const size = (shape: readonly number[]) => shape.reduce((product, length) => product * length, 1);
const point = (seed: number, shape: readonly number[]): Double => f64(new Seeded(seed).uniform(size(shape), -2, 2), shape);

/** Sizes below, at and above the channels, odd and even; exponents with a formula of their own and without. */
const responses = [
  [[2, 3, 7], 5, { alpha: 0.4 }],
  [[3, 19], 4, { alpha: 2, beta: 0.6, k: 2 }],
  [[2, 2], 5, { alpha: 1, beta: 1.5, k: 0.5 }],
  [[2, 1, 2, 3], 1, { alpha: 0.3, beta: 0 }],
  [[0, 4], 3, {}],
] as const;

/** Images and numbers of windows: fewer, as many, and more than pixels. */
const adaptive: readonly (readonly [readonly number[], Size2d])[] = [
  [[2, 5, 4, 2], [2, 3]],
  [[1, 3, 2, 17], [5, 4]],
  [[1, 1, 1, 1], 1],
  [[0, 3, 3, 2], 2],
]; // biome-ignore format: pairs
const distinct = (seed: number, shape: readonly number[]): Double => f64(new Seeded(seed).distinct(size(shape), -2, 2), shape);

function windowMaxCases(): GradientCase[] {
  return [
    ...adaptive.map(([shape, out], i) => ({
      name: `[${shape}] into ${out}`,
      fn: (x: Double) => adaptiveMaxPool2d(x, out),
      inputs: [distinct(i + 1, shape)],
    })),
    ...(['random', 'pseudorandom', 'fixed'] as const).flatMap((sequence) =>
      [false, true].map((overlapping) => ({
        name: `fractional, ${sequence}${overlapping ? ', overlapping' : ''}`,
        fn: (x: Double) => fractionalMaxPool2d(x, [3, 4], { sequence, overlapping, random: new Random(5) }),
        inputs: [distinct(9, [2, 5, 7, 2])],
      })),
    ),
  ];
}

const paddings = [
  [[2, 3, 4, 2], 1],
  [[1, 4, 3, 17], [[3, 1], [0, 2]]],
  [[1, 2, 2, 1], [1, 0]],
  [[0, 3, 3, 2], 2],
] as const; // biome-ignore format: pairs

/** Larger, smaller, one row, the same. */
const sizes: readonly (readonly [readonly number[], Omit<Upsample2dOptions, 'mode'>])[] = [
  [[2, 2, 3, 2], { scaleFactor: 2 }],
  [[1, 3, 4, 17], { outputSize: [5, 3] }],
  [[1, 4, 5, 1], { outputSize: [1, 2] }],
  [[1, 1, 1, 2], { scaleFactor: [3, 2] }],
  [[1, 3, 2, 2], { outputSize: [3, 2] }],
  [[0, 2, 2, 2], { scaleFactor: 2 }],
];

/** The gradient-check cases of these operations, by native op. */
export const imageCases: Record<string, () => GradientCase[]> = {
  local_response_norm: () =>
    responses.map(([shape, count, options], i) => ({
      name: `[${shape}] over ${count} ${JSON.stringify(options)}`,
      fn: (x: Double) => localResponseNorm(x, count, options),
      inputs: [point(i + 1, shape)],
    })),
  window_max_pool2d: windowMaxCases,
  take_pixels: () => [
    ...paddings.flatMap(([shape, padding], i) =>
      (['constant', 'reflect', 'replicate'] as const).map((mode) => ({
        name: `[${shape}] padded by ${padding}, ${mode}`,
        fn: (x: Double) => pad2d(x, padding, { mode, value: 0.5 }),
        inputs: [point(i + 1, shape)],
      })),
    ),
    ...sizes.map(([shape, options], i) => ({
      name: `[${shape}] to ${JSON.stringify(options)}`,
      fn: (x: Double) => upsample2d(x, options),
      inputs: [point(i + 1, shape)],
    })),
  ],
  interpolate2d: () =>
    sizes.flatMap(([shape, options], i) =>
      [false, true].map((alignCorners) => ({
        name: `[${shape}] to ${JSON.stringify({ ...options, alignCorners })}`,
        fn: (x: Double) => upsample2d(x, { ...options, mode: 'bilinear', alignCorners }),
        inputs: [point(i + 1, shape)],
      })),
    ),
};

function response(op: string): Maker {
  return (n, dtype, random) =>
    [1, 2, 5, 40].flatMap((count) =>
      [0.75, 0.5].map((beta) => {
        const channels = n > 100 ? columnsOf(n) : n;
        const rows = n > 100 ? n / channels : 2;
        const values = () => uniform(random, dtype, rows * channels);
        return {
          op,
          form: `${rows}×${channels} over ${count} to the power ${beta}`,
          outputs: one(dtype, rows * channels),
          inputs: op.endsWith('_backward') ? [values(), values()] : [values()],
          ints: [rows, channels, count],
          reals: [0.7, beta, 1.5],
        };
      }),
    );
}

// [rows in, columns in, rows out, columns out]
const windowed = [
  [1, 1, 1, 1],
  [5, 4, 2, 3],
  [3, 6, 4, 2],
];

function windowMax(op: string): Maker {
  return (n, dtype, random) =>
    windowed.flatMap(([h, w, rows, columns]) =>
      [false, true].map((own) => {
        const channels = n > 100 ? columnsOf(n) : n;
        const images = n > 100 ? Math.min(n / channels, 30) : 2;
        const sets = own ? images : 1;
        const [x, y] = [images * h * w * channels, images * rows * columns * channels];
        const pair = (limit: number): number[] => {
          const begin = random.integer(limit);
          return [begin, begin + 1 + random.integer(limit - begin)];
        };
        const set = () => [...Array.from({ length: rows }, () => pair(h)), ...Array.from({ length: columns }, () => pair(w))].flat();
        const windows = Int32Array.from(Array.from({ length: sets }, set).flat());
        const places = Int32Array.from({ length: y }, () => random.integer(h * w));
        const [values, ints] = [(length: number) => uniform(random, dtype, length), [images, h, w, rows, columns, channels, sets]];
        const [outputs, inputs] = op.endsWith('_backward')
          ? [one(dtype, x), [values(y), places, windows]]
          : [
              [...one(dtype, y), ...one('int32', y)],
              [values(x), windows],
            ];
        return { op, form: `${ints}`, outputs, inputs, ints, reals: [] };
      }),
    );
}

function fractionalWindows(op: string): Maker {
  return (n, _dtype, random) =>
    [0, 1].flatMap((shuffled) =>
      [0, 1].map((overlap) => {
        const [rows, columns] = [1 + random.integer(40), 1 + random.integer(9)];
        const ints = [n, rows + 1 + random.integer(2 * rows), columns + 1, rows, columns, overlap, shuffled];
        return { op, form: `${ints}`, outputs: one('int32', 2 * n * (rows + columns)), inputs: [state(random)], ints, reals: [] };
      }),
    );
}

// Any pixels, in any order: more than padding and resizing ask for.
function resampled(op: string): Maker {
  return (n, dtype, random) =>
    [
      [1, 1, 1, 1],
      [3, 4, 5, 7],
      [4, 3, 2, 1],
    ].map(([h, w, rows, columns]) => {
      const channels = n > 100 ? columnsOf(n) : n;
      const images = n > 100 ? Math.min(n / channels, 30) : 2;
      const [x, y] = [images * h * w * channels, images * rows * columns * channels];
      const ints = [images, h, w, rows, columns, channels];
      const isTaken = op.startsWith('take');
      const axis = (count: number, limit: number) =>
        Array.from({ length: isTaken ? count : 2 * count }, () => random.integer(isTaken ? limit + 1 : limit) - (isTaken ? 1 : 0));
      const places = Int32Array.from([...axis(rows, h), ...axis(columns, w)]);
      const weights = isTaken ? [] : [uniform(random, dtype, places.length)];
      const [to, from] = op.endsWith('_backward') ? [x, y] : [y, x];
      const inputs = [uniform(random, dtype, from), places, ...weights];
      return { op, form: `${ints}`, outputs: one(dtype, to), inputs, ints, reals: op === 'take_pixels' ? [0.5] : [] };
    });
}

/** Native calls of these operations. */
export const imageMakers: Record<string, Maker> = {
  local_response_norm: response('local_response_norm'),
  local_response_norm_backward: response('local_response_norm_backward'),
  window_max_pool2d: windowMax('window_max_pool2d'),
  window_max_pool2d_backward: windowMax('window_max_pool2d_backward'),
  ...Object.fromEntries(['take_pixels', 'take_pixels_backward', 'interpolate2d', 'interpolate2d_backward'].map((op) => [op, resampled(op)])),
  fractional_windows: fractionalWindows('fractional_windows'),
};
