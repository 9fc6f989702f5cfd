// Convolutions by Winograd's transforms against patches and a matrix product: every shape class and direction.
import test from 'ava';
import { arrayTypes, type TypedArray } from '../../lib/dtype.js';
import { Seeded } from '../helpers/seeded.js';
import { type Float, firstDifference, runSample, type Sample } from './samples.js';
import { beside, result } from './child.js';
import { choices, convolutionSample, type Direction, directions, type Geometry, geometries } from './winograd.js';

/** √(Σ(a − b)² / Σb²): the error relative to the size of the outputs. */
function distance(a: TypedArray, b: TypedArray): number {
  let difference = 0;
  let size = 0;
  for (let i = 0; i < b.length; i++) {
    difference += (a[i] - b[i]) ** 2;
    size += b[i] ** 2;
  }
  return size === 0 ? Math.sqrt(difference) : Math.sqrt(difference / size);
}

const bounds: Record<Float, number> = { float32: 2e-6, float64: 4e-15 };

for (const direction of directions) {
  test(`Winograd's ${direction} gives what patches and a matrix product give, in every shape class`, (t) => {
    let worst = 0;
    let others = 0;
    for (const [index, geometry] of geometries().entries()) {
      const make = (dtype: Float, choice: number): Sample => convolutionSample(direction, geometry, dtype, choice, index);
      const exact = runSample(make('float64', choices.im2col))[0];
      for (const dtype of ['float32', 'float64'] as const) {
        const y = runSample(make(dtype, choices.automatic))[0];
        const error = distance(y, exact);
        t.true(error <= bounds[dtype], `${JSON.stringify(geometry)} in ${dtype}: ${error}`);
        if (dtype === 'float32') worst = Math.max(worst, error);
        if (firstDifference(y, runSample(make(dtype, choices.direct))[0]) >= 0) others++;
      }
    }
    t.true(others > geometries().length, 'Winograd served hardly anything');
    t.log(`largest error relative to the outputs: ${worst}`);
  });
}

/** The part of image `i` of an operand of `n` images. */
const imageOf = (array: TypedArray, n: number, i: number): TypedArray => array.subarray((array.length / n) * i, (array.length / n) * (i + 1));

test('an image alone gives the bits that it has in any batch, forward and for the input gradient', (t) => {
  for (const direction of ['forward', 'input gradient'] as const satisfies readonly Direction[]) {
    for (const [c, k, h, n] of [
      [16, 16, 9, 40],
      [40, 24, 14, 9],
      [64, 64, 7, 70],
      [200, 264, 8, 33],
      [33, 50, 3, 300],
    ] as const) {
      const geometry: Geometry = { n, h, w: h, c, k, pad: [1, 1, 1, 1] };
      const batch = convolutionSample(direction, geometry, 'float32', choices.automatic, 1);
      const together = runSample(batch)[0];
      for (const i of [0, 1, n - 1]) {
        const alone = convolutionSample(direction, { ...geometry, n: 1 }, 'float32', choices.automatic, 1);
        const y = runSample({ ...alone, inputs: [imageOf(batch.inputs[0], n, i), batch.inputs[1]] })[0];
        t.is(firstDifference(y, imageOf(together, n, i)), -1, `${direction} ${JSON.stringify(geometry)}, image ${i}`);
      }
    }
  }
});

test('a NaN in an input reaches every output whose window holds it', (t) => {
  const geometry: Geometry = { n: 1, h: 9, w: 11, c: 20, k: 17, pad: [1, 1, 1, 1] };
  const sample = convolutionSample('forward', geometry, 'float32', choices.automatic, 3);
  for (const [row, column] of [
    [0, 0],
    [4, 5],
    [3, 4],
    [8, 10],
    [8, 0],
  ]) {
    const x = sample.inputs[0].slice();
    x[(row * 11 + column) * 20 + 19] = Number.NaN;
    const y = runSample({ ...sample, inputs: [x, sample.inputs[1]] })[0];
    for (let i = Math.max(0, row - 1); i <= Math.min(8, row + 1); i++)
      for (let j = Math.max(0, column - 1); j <= Math.min(10, column + 1); j++)
        for (let o = 0; o < 17; o++) t.true(Number.isNaN(y[(i * 11 + j) * 17 + o]), `${row}, ${column} → ${i}, ${j}, ${o}`);
  }
});

test('a bias is added to every output, and a weight gradient to what is there', (t) => {
  const geometry: Geometry = { n: 2, h: 7, w: 10, c: 18, k: 37, pad: [1, 1, 0, 2] };
  const plain = convolutionSample('forward', geometry, 'float32', choices.automatic, 4);
  const bias = Float32Array.from(new Seeded(9).uniform(37));
  const y = runSample(plain)[0];
  const biased = runSample({ ...plain, op: 'conv2d + bias', inputs: [...plain.inputs, bias] })[0];
  t.is(
    firstDifference(
      biased,
      y.map((value, i) => Math.fround(value + bias[i % 37])),
    ),
    -1,
  );
  const gradient = convolutionSample('weight gradient', geometry, 'float32', choices.automatic, 4);
  const dw = runSample(gradient)[0];
  const old = Float32Array.from(new Seeded(10).uniform(dw.length));
  const onto = (prior: string): TypedArray =>
    runSample({ ...gradient, op: `conv2d_weight_gradient + ${prior}`, outputs: [{ ...gradient.outputs[0], initial: old }] })[0];
  t.is(
    firstDifference(
      onto('accumulate'),
      dw.map((value, i) => Math.fround(old[i] + value)),
    ),
    -1,
  );
  t.is(
    firstDifference(
      onto('overwrite'),
      dw.map((value) => 0 + value),
    ),
    -1,
  );
});

test('the bits are the same for scalar, AVX2, AVX-512 and NEON kernels and for any number of threads', async (t) => {
  const script = beside(import.meta.url, 'winograd.child.js');
  const runs = [];
  for (const [isa, count] of [
    ['scalar', '2'],
    ['avx2', '1'],
    ['avx512', '1'],
    ['avx512', '2'],
    ['avx512', '3'],
    ['neon', '2'],
  ])
    runs.push(await result<{ hash: string; isa: string }>(script, { env: { NODEGRAD_ISA: isa, NODEGRAD_NUM_THREADS: count } }));
  for (const run of runs) t.is(run.hash, runs[0].hash, run.isa);
});

test('the sample of a convolution has the lengths that its geometry says', (t) => {
  const sample = convolutionSample('forward', { n: 2, h: 5, w: 4, c: 3, k: 7, pad: [2, 1, 0, 1] }, 'float64', choices.direct, 1);
  t.deepEqual([sample.outputs[0].length, ...sample.inputs.map((x) => x.length)], [2 * 6 * 3 * 7, 2 * 5 * 4 * 3, 9 * 3 * 7]);
  t.true(sample.inputs[0] instanceof arrayTypes.float64);
});
