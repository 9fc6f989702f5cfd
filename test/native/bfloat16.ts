// Operands of bfloat16 for tests of native products, and the products as native calls.
import type { TypedArray } from '../../lib/dtype.js';
import { bitsOfBfloat16, numberOfBfloat16 } from '../helpers/bfloat16.js';
import { Seeded } from '../helpers/seeded.js';
import { runSample } from './calls.js';
import { type Geometry, geometries, intsOf, outputOf } from './convolutions.js';

/** Bits of bfloat16: numbers around 1, any bits at all, and exponents that bring sums to the edges of float32. */
export const kinds = {
  usual: (random: Seeded) => bitsOfBfloat16(random.uniform(1)[0]),
  any: (random: Seeded) => random.integer(65536),
  wide: (random: Seeded) => (random.integer(65536) & 0x807f) | ((107 + random.integer(40)) << 7),
  'near underflow': (random: Seeded) => (random.integer(65536) & 0x807f) | ((58 + random.integer(10)) << 7),
  'near overflow': (random: Seeded) => (random.integer(65536) & 0x807f) | ((188 + random.integer(6)) << 7),
  denormal: (random: Seeded) => (random.integer(65536) & 0x807f) | ((random.integer(3) * (random.integer(4) === 0 ? 63 : 1)) << 7),
};
export type Kind = keyof typeof kinds;

export function drawn(random: Seeded, count: number, kind: Kind = 'usual'): Uint16Array {
  return Uint16Array.from({ length: count }, () => kinds[kind](random));
}
export const numbersOf = (bits: Uint16Array): number[] => Array.from(bits, numberOfBfloat16);

export interface Product {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
}

/** a·b as float32 or bfloat16; `op` may say what else the product does, with more inputs. */
export function multiply(
  { m, n, k, transposeA, transposeB }: Product,
  a: Uint16Array | Float32Array,
  b: Uint16Array | Float32Array,
  dtype: 'float32' | 'bfloat16' = 'float32',
  op = 'matmul',
  more: TypedArray[] = [],
  initial?: TypedArray,
): TypedArray {
  const ints = [m, n, k, transposeA ? 1 : 0, transposeB ? 1 : 0];
  return runSample({ op, form: '', outputs: [{ dtype, length: m * n, initial }], inputs: [a, b, ...more], ints, reals: [] })[0];
}

/** Those of float32, and what algorithms of bfloat16 tell apart besides: taps far apart, long rows, few channels, rows of whole steps. */
export const narrowGeometries: readonly Geometry[] = [
  ...geometries,
  { n: 1, h: 6, w: 5, c: 4, k: 7, kernel: [3, 2], dilation: [40, 50], pad: [40, 25, 40, 25] },
  { n: 2, h: 2, w: 2500, c: 2, k: 3, kernel: [2, 3], pad: [0, 1, 0, 1] },
  { n: 2, h: 5, w: 7, c: 20, k: 150, kernel: [1, 1] },
  { n: 1, h: 6, w: 6, c: 6, k: 40, kernel: [1, 1], groups: 2 },
  { n: 40, h: 1, w: 1, c: 24, k: 20, kernel: [3, 3], pad: [1, 1, 1, 1] },
  { n: 1, h: 45, w: 5, c: 1, k: 3, kernel: [40, 2] },
  { n: 1, h: 16, w: 32, c: 24, k: 7, kernel: [3, 3], pad: [1, 1, 1, 1] },
  { n: 2, h: 16, w: 32, c: 12, k: 17, kernel: [3, 3], dilation: [2, 1], pad: [2, 1, 2, 1] },
  { n: 2, h: 6, w: 7, c: 16, k: 16, kernel: [3, 3], pad: [1, 1, 1, 1] },
  { n: 3, h: 9, w: 5, c: 16, k: 48, kernel: [5, 3], stride: [2, 3], pad: [2, 1, 2, 0] },
  { n: 5, h: 7, w: 7, c: 48, k: 32, kernel: [3, 3], pad: [1, 1, 1, 1] },
  { n: 2, h: 8, w: 9, c: 64, k: 96, kernel: [3, 3], groups: 2, dilation: [2, 1], pad: [2, 1, 2, 1] },
  { n: 2, h: 23, w: 1, c: 16, k: 24, kernel: [5, 1], stride: [2, 1], pad: [2, 0, 2, 0] },
  { n: 9, h: 3, w: 1, c: 32, k: 32, kernel: [2, 2], pad: [1, 1, 0, 0] },
  { n: 2, h: 6, w: 5, c: 1, k: 6, kernel: [1, 1], stride: [2, 2] },
];

/** x, w, dy of a geometry. */
export function operandsOf(g: Geometry, seed: number) {
  const random = new Seeded(seed);
  const [oh, ow] = outputOf(g);
  return {
    x: drawn(random, g.n * g.h * g.w * g.c),
    w: drawn(random, ((g.kernel[0] * g.kernel[1] * g.c) / (g.groups ?? 1)) * g.k),
    dy: drawn(random, g.n * oh * ow * g.k),
  };
}
export type Operands = ReturnType<typeof operandsOf>;

const call = (op: string, dtype: 'float32' | 'bfloat16', length: number, inputs: TypedArray[], g: Geometry): TypedArray =>
  runSample({ op, form: '', outputs: [{ dtype, length }], inputs, ints: intsOf(g, 0), reals: [] })[0];

export const directions: Record<string, (g: Geometry, o: Operands, dtype?: 'float32' | 'bfloat16') => TypedArray> = {
  conv2d: (g, { x, w, dy }, dtype = 'float32') => call('conv2d', dtype, dy.length, [x, w], g),
  conv2d_input_gradient: (g, { x, w, dy }, dtype = 'float32') => call('conv2d_input_gradient', dtype, x.length, [dy, w], g),
  conv2d_weight_gradient: (g, { x, w, dy }) => call('conv2d_weight_gradient', 'float32', w.length, [x, dy], g),
};

/** What one output of a direction adds up, in the order of k: the function calls `put` with the two factors. */
type Terms = (at: number, put: (a: number, b: number) => void) => void;

/** The terms of each output of the three directions, by plain loops. */
export function termsOf(g: Geometry, { x, w, dy }: Operands): Record<keyof typeof directions, Terms> {
  const { stride = [1, 1], pad = [0, 0, 0, 0], dilation = [1, 1], groups = 1 } = g;
  const [oh, ow] = outputOf(g);
  const [kh, kw] = g.kernel;
  const inputs = g.c / groups;
  const outputs = g.k / groups;
  const [xs, ws, dys] = [x, w, dy].map(numbersOf);
  const pixel = (n: number, i: number, j: number, c: number) =>
    i < 0 || i >= g.h || j < 0 || j >= g.w ? 0 : xs[((n * g.h + i) * g.w + j) * g.c + c];
  const weight = (a: number, b: number, c: number, o: number) => ws[((a * kw + b) * inputs + c) * g.k + o];
  return {
    conv2d(at, put) {
      const o = at % g.k;
      const place = Math.floor(at / g.k);
      const [n, i, j] = [Math.floor(place / (oh * ow)), Math.floor(place / ow) % oh, place % ow];
      const first = Math.floor(o / outputs) * inputs;
      for (let a = 0; a < kh; a++)
        for (let b = 0; b < kw; b++)
          for (let c = 0; c < inputs; c++)
            put(pixel(n, i * stride[0] - pad[0] + a * dilation[0], j * stride[1] - pad[1] + b * dilation[1], first + c), weight(a, b, c, o));
    },
    conv2d_input_gradient(at, put) {
      const c = at % g.c;
      const place = Math.floor(at / g.c);
      const [n, i, j] = [Math.floor(place / (g.h * g.w)), Math.floor(place / g.w) % g.h, place % g.w];
      const first = Math.floor(c / inputs) * outputs;
      for (let a = 0; a < kh; a++)
        for (let b = 0; b < kw; b++) {
          const u = (i + pad[0] - a * dilation[0]) / stride[0];
          const v = (j + pad[1] - b * dilation[1]) / stride[1];
          if (!Number.isInteger(u) || !Number.isInteger(v)) continue; // no output of this remainder reads this tap
          const inside = u >= 0 && u < oh && v >= 0 && v < ow;
          for (let o = 0; o < outputs; o++)
            put(inside ? dys[((n * oh + u) * ow + v) * g.k + first + o] : 0, weight(a, b, c % inputs, first + o));
        }
    },
    conv2d_weight_gradient(at, put) {
      const o = at % g.k;
      const c = Math.floor(at / g.k) % inputs;
      const tap = Math.floor(at / g.k / inputs);
      const [a, b] = [Math.floor(tap / kw), tap % kw];
      const first = Math.floor(o / outputs) * inputs;
      for (let n = 0; n < g.n; n++)
        for (let i = 0; i < oh; i++)
          for (let j = 0; j < ow; j++)
            put(
              pixel(n, i * stride[0] - pad[0] + a * dilation[0], j * stride[1] - pad[1] + b * dilation[1], first + c),
              dys[((n * oh + i) * ow + j) * g.k + o],
            );
    },
  };
}
