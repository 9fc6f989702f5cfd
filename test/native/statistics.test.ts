// Norms against plain JavaScript in float64: lengths around lanes, blocks and tiles, every number of threads.
import test from 'ava';
import { getNumThreads, setNumThreads } from '../../lib/index.js';
import { Seeded } from '../helpers/seeded.js';
import { type Float, runSample } from './samples.js';

const floats = (dtype: Float, values: ArrayLike<number>) => (dtype === 'float32' ? Float32Array.from(values) : Float64Array.from(values));
const lengths = [0, 1, 2, 15, 16, 17, 31, 32, 33, 47, 48, 49, 100, 4095, 4096, 4097, 8192, 12289, 32768, 32769, 100_003];

const squares = (x: ArrayLike<number>): number => Array.from(x).reduce((sum, value) => sum + value * value, 0);

function sumOf(op: string, ...inputs: (Float32Array | Float64Array)[]): number {
  return runSample({ op, form: '', outputs: [{ dtype: 'float64', length: 1 }], inputs, ints: [], reals: [] })[0][0];
}

for (const dtype of ['float32', 'float64'] as const) {
  test(`sums of squares and of squared differences are those of float64 at every length, in ${dtype}`, (t) => {
    for (const n of lengths) {
      const random = new Seeded(n + 1);
      const a = floats(dtype, random.uniform(n, -3, 3));
      const b = floats(dtype, random.uniform(n, -3, 3));
      const difference = Float64Array.from(a, (value, i) => value - b[i]);
      for (const [found, wanted] of [
        [sumOf('sum_squares', a), squares(a)],
        [sumOf('sum_squares_difference', a, b), squares(difference)],
      ]) {
        t.true(Math.abs(found - wanted) <= 1e-12 * wanted, `${n}: ${found} instead of ${wanted}`);
      }
    }
  });

  test(`the difference of close weights loses nothing, in ${dtype}`, (t) => {
    const step = dtype === 'float32' ? 2 ** -20 : 2 ** -40;
    const before = floats(dtype, new Array<number>(5000).fill(1));
    const after = floats(dtype, new Array<number>(5000).fill(1 + step));
    t.is(sumOf('sum_squares_difference', after, before), 5000 * step * step);
  });
}

test('a sum of squares of float32 overflows nowhere, and what is not finite stays visible', (t) => {
  t.true(Number.isFinite(sumOf('sum_squares', new Float32Array(10_000).fill(3e38))));
  for (const at of [0, 31, 4096, 9999]) {
    const x = new Float32Array(10_000).fill(1);
    x[at] = -Infinity;
    t.is(sumOf('sum_squares', x), Infinity);
    x[at] = NaN;
    t.is(sumOf('sum_squares', x), NaN);
    t.is(sumOf('sum_squares_difference', x, new Float32Array(10_000)), NaN);
  }
});

test.serial('norms have the same bits with 1, 2, 3 and 7 threads', (t) => {
  const before = getNumThreads();
  const x = floats('float32', new Seeded(5).uniform(500_009));
  const y = floats('float32', new Seeded(6).uniform(500_009));
  const results = [1, 2, 3, 7].map((threads) => {
    setNumThreads(threads);
    return [sumOf('sum_squares', x), sumOf('sum_squares_difference', x, y)];
  });
  setNumThreads(before);
  for (const result of results) t.deepEqual(result, results[0]);
});
