// How far each convolution algorithm is from float64 on normal numbers: the figures of native/kernels/README.md.
import test from 'ava';
import type { TypedArray } from '../../lib/dtype.js';
import { Seeded } from '../helpers/seeded.js';
import type { Float } from './calls.js';
import { directions, exact, type Geometry, im2col, type Operands, outputOf, weightGradient } from './convolutions.js';
import { firstDifference } from './samples.js';

const automatic = 0;
const channels = [16, 64, 256, 512];
const square = (n: number, side: number, c: number): Geometry => ({ n, h: side, w: side, c, k: c, kernel: [3, 3], pad: [1, 1, 1, 1] });

interface Algorithm {
  readonly geometry: (c: number) => Geometry;
  readonly choice: number;
  /** Of the largest output: forward and input gradient, then weight gradient. */
  readonly bounds: readonly [number, number];
}

// 576 pixels each: a sum of so many makes a weight gradient.
const algorithms: Readonly<Record<string, Algorithm>> = {
  im2col: { geometry: (c) => square(4, 12, c), choice: im2col, bounds: [4e-6, 4e-6] },
  direct: { geometry: (c) => square(4, 12, c), choice: exact, bounds: [4e-6, 4e-6] },
  pointwise: { geometry: (c) => ({ n: 4, h: 12, w: 12, c, k: c, kernel: [1, 1] }), choice: automatic, bounds: [2e-6, 2e-6] },
  depthwise: { geometry: (c) => ({ ...square(4, 12, c), groups: c }), choice: automatic, bounds: [1e-6, 2e-6] },
  'Winograd F(4×4, 3×3)': { geometry: (c) => square(4, 12, c), choice: automatic, bounds: [1e-5, 1e-5] },
  'Winograd F(2×2, 3×3)': { geometry: (c) => square(16, 6, c), choice: automatic, bounds: [2e-6, 2e-6] },
};

function normalOperands(g: Geometry): Operands {
  const random = new Seeded(g.c);
  const [oh, ow] = outputOf(g);
  const normal = (count: number): Float32Array => Float32Array.from(random.normal(count));
  const weights = (g.kernel[0] * g.kernel[1] * g.c * g.k) / (g.groups ?? 1);
  return { x: normal(g.n * g.h * g.w * g.c), w: normal(weights), bias: normal(g.k), dy: normal(g.n * oh * ow * g.k) };
}
const widened = (o: Operands): Operands => ({
  x: Float64Array.from(o.x),
  w: Float64Array.from(o.w),
  bias: Float64Array.from(o.bias),
  dy: Float64Array.from(o.dy),
});

type Compute = (g: Geometry, operands: Operands, dtype: Float, choice: number) => TypedArray;
const computations: Readonly<Record<string, Compute>> = {
  forward: directions.conv2d,
  'input gradient': directions.conv2d_input_gradient,
  'weight gradient': weightGradient,
};

function largestError(found: TypedArray, truth: TypedArray): number {
  let [worst, largest] = [0, 0];
  for (let i = 0; i < truth.length; i++) {
    worst = Math.max(worst, Math.abs(found[i] - truth[i]));
    largest = Math.max(largest, Math.abs(truth[i]));
  }
  return worst / largest;
}

for (const [name, { geometry, choice, bounds }] of Object.entries(algorithms)) {
  test(`errors of ${name} stay below the bound that native/kernels/README.md gives`, (t) => {
    for (const [direction, compute] of Object.entries(computations)) {
      const bound = bounds[Number(direction === 'weight gradient')];
      const errors = channels.map((c) => {
        const g = geometry(c);
        const operands = normalOperands(g);
        const found = compute(g, operands, 'float32', choice);
        if (name.startsWith('Winograd'))
          t.true(firstDifference(found, compute(g, operands, 'float32', exact)) >= 0, 'another algorithm served');
        return largestError(found, compute(g, widened(operands), 'float64', im2col));
      });
      t.log(`| ${name} | ${direction} | ${errors.map((error) => error.toExponential(1)).join(' | ')} | ${bound.toExponential()} |`);
      for (const [i, error] of errors.entries()) t.true(error <= bound, `${direction}, ${channels[i]} channels: ${error}`);
    }
  });
}
