// Geometries of convolutions, and their three directions as native calls.
import type { TypedArray } from '../../lib/dtype.js';
import { Seeded } from '../helpers/seeded.js';
import { type Float, one, runSample, uniform } from './calls.js';

export interface Geometry {
  readonly n: number;
  readonly h: number;
  readonly w: number;
  readonly c: number;
  readonly k: number;
  readonly kernel: readonly [number, number];
  readonly stride?: readonly [number, number];
  /** Top, left, bottom, right. */
  readonly pad?: readonly [number, number, number, number];
  readonly dilation?: readonly [number, number];
  readonly groups?: number;
}

export const exact = 1;
export const im2col = 2;

export function outputOf(g: Geometry): [number, number] {
  const { stride = [1, 1], pad = [0, 0, 0, 0], dilation = [1, 1] } = g;
  const size = (d: 0 | 1, image: number) => Math.floor((image + pad[d] + pad[d + 2] - dilation[d] * (g.kernel[d] - 1) - 1) / stride[d]) + 1;
  return [size(0, g.h), size(1, g.w)];
}

export function intsOf(g: Geometry, choice: number): number[] {
  const { stride = [1, 1], pad = [0, 0, 0, 0], dilation = [1, 1], groups = 1 } = g;
  const [oh, ow] = outputOf(g);
  return [g.n, g.h, g.w, g.c, oh, ow, g.k, ...g.kernel, ...stride, pad[0], pad[1], ...dilation, groups, choice];
}

export const nameOf = (g: Geometry) => JSON.stringify(g);

/** x, w, bias, dy of a geometry. */
export function operandsOf(g: Geometry, dtype: Float, seed: number) {
  const random = new Seeded(seed);
  const [oh, ow] = outputOf(g);
  return {
    x: uniform(random, dtype, g.n * g.h * g.w * g.c, -1, 1),
    w: uniform(random, dtype, ((g.kernel[0] * g.kernel[1] * g.c) / (g.groups ?? 1)) * g.k, -1, 1),
    bias: uniform(random, dtype, g.k, -1, 1),
    dy: uniform(random, dtype, g.n * oh * ow * g.k, -1, 1),
  };
}

export type Operands = ReturnType<typeof operandsOf>;

export const directions: Record<string, (g: Geometry, o: Operands, dtype: Float, choice: number) => TypedArray> = {
  conv2d: (g, { x, w, dy }, dtype, choice) =>
    runSample({ op: 'conv2d', form: '', outputs: one(dtype, dy.length), inputs: [x, w], ints: intsOf(g, choice), reals: [] })[0],
  'conv2d + bias': (g, { x, w, bias, dy }, dtype, choice) =>
    runSample({ op: 'conv2d + bias', form: '', outputs: one(dtype, dy.length), inputs: [x, w, bias], ints: intsOf(g, choice), reals: [] })[0],
  conv2d_input_gradient: (g, { x, w, dy }, dtype, choice) =>
    runSample({ op: 'conv2d_input_gradient', form: '', outputs: one(dtype, x.length), inputs: [dy, w], ints: intsOf(g, choice), reals: [] })[0],
};

export function weightGradient(
  g: Geometry,
  { x, w, dy }: Operands,
  dtype: Float,
  choice: number,
  initial?: TypedArray,
  first = false,
): TypedArray {
  const op = `conv2d_weight_gradient${initial === undefined ? '' : first ? ' + overwrite' : ' + accumulate'}`;
  return runSample({ op, form: '', outputs: [{ dtype, length: w.length, initial }], inputs: [x, dy], ints: intsOf(g, choice), reals: [] })[0];
}

export const geometries: Geometry[] = [];
for (const stride of [1, 2, 3, 4])
  for (const size of [1, 2, 3, 5, 7, 11])
    geometries.push({
      n: 2,
      h: 13,
      w: 12,
      c: 3,
      k: 5,
      kernel: [size, size],
      stride: [stride, stride],
      pad: [size >> 1, size >> 1, size >> 1, size >> 1],
    });
geometries.push(
  { n: 3, h: 9, w: 14, c: 5, k: 18, kernel: [3, 2], stride: [1, 2], pad: [0, 1, 2, 0] },
  { n: 2, h: 8, w: 10, c: 17, k: 33, kernel: [1, 5], stride: [2, 1], pad: [1, 3, 0, 4] },
  { n: 1, h: 11, w: 11, c: 4, k: 7, kernel: [3, 3], dilation: [2, 3], pad: [2, 3, 2, 3] },
  { n: 1, h: 12, w: 12, c: 4, k: 7, kernel: [3, 4], dilation: [2, 2], stride: [2, 4], pad: [2, 3, 2, 3] },
  { n: 2, h: 10, w: 9, c: 6, k: 4, kernel: [3, 3], dilation: [3, 2], stride: [2, 3], pad: [1, 0, 3, 4] },
  { n: 2, h: 7, w: 7, c: 6, k: 9, kernel: [3, 3], groups: 3, pad: [1, 1, 1, 1] },
  { n: 2, h: 8, w: 7, c: 32, k: 64, kernel: [3, 3], groups: 2, stride: [2, 2], pad: [1, 1, 1, 1] },
  { n: 2, h: 7, w: 9, c: 19, k: 19, kernel: [3, 3], groups: 19, pad: [1, 1, 1, 1] },
  { n: 2, h: 9, w: 8, c: 16, k: 16, kernel: [3, 3], groups: 16, stride: [2, 2], pad: [1, 1, 1, 1] },
  { n: 1, h: 9, w: 8, c: 20, k: 20, kernel: [5, 5], groups: 20, stride: [1, 2], pad: [2, 2, 2, 2] },
  { n: 2, h: 6, w: 6, c: 5, k: 15, kernel: [3, 3], groups: 5, pad: [1, 1, 1, 1] },
  { n: 1, h: 12, w: 12, c: 18, k: 18, kernel: [3, 2], groups: 18, dilation: [2, 3], pad: [2, 1, 2, 1] },
  { n: 0, h: 5, w: 5, c: 3, k: 4, kernel: [3, 3] },
  { n: 2, h: 3, w: 3, c: 2, k: 3, kernel: [3, 3], stride: [2, 2], pad: [4, 4, 4, 4] },
  { n: 1, h: 2, w: 1, c: 1, k: 1, kernel: [1, 1], stride: [3, 3] },
  { n: 3, h: 14, w: 14, c: 6, k: 16, kernel: [5, 5] },
  { n: 2, h: 12, w: 12, c: 64, k: 64, kernel: [1, 1], stride: [2, 2] },
  { n: 1, h: 5, w: 5, c: 512, k: 70, kernel: [3, 3], pad: [1, 1, 1, 1] },
  { n: 1, h: 7, w: 6, c: 40, k: 512, kernel: [3, 3], stride: [2, 2], pad: [1, 1, 1, 1] },
  { n: 2, h: 50, w: 50, c: 3, k: 8, kernel: [3, 3], pad: [1, 1, 1, 1] },
  { n: 2, h: 28, w: 28, c: 1, k: 6, kernel: [5, 5], pad: [2, 2, 2, 2] },
  { n: 1, h: 100, w: 170, c: 6, k: 5, kernel: [3, 3], pad: [1, 1, 1, 1] },
  { n: 2, h: 9, w: 33, c: 3, k: 24, kernel: [3, 3], pad: [1, 1, 1, 1] },
  { n: 1, h: 8, w: 17, c: 150, k: 40, kernel: [2, 3], pad: [0, 1, 0, 1] },
  { n: 2, h: 7, w: 9, c: 70, k: 300, kernel: [1, 1], stride: [2, 2] },
  { n: 5, h: 2, w: 2, c: 70, k: 45, kernel: [3, 3], pad: [1, 1, 1, 1] },
  { n: 3, h: 4, w: 3, c: 40, k: 36, kernel: [3, 3], stride: [2, 1], pad: [0, 1, 2, 1] },
  { n: 2, h: 5, w: 6, c: 130, k: 66, kernel: [2, 3], dilation: [2, 3], stride: [1, 2], groups: 2, pad: [1, 3, 0, 3] },
  { n: 3, h: 12, w: 7, c: 300, k: 12, kernel: [1, 1] },
  { n: 1, h: 10, w: 11, c: 40, k: 8, kernel: [2, 3], groups: 2, dilation: [1, 3], stride: [1, 2], pad: [1, 3, 0, 2] },
  { n: 1, h: 6, w: 40, c: 3, k: 4, kernel: [2, 20], pad: [0, 9, 0, 10] },
);
