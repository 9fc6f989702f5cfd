// Norms and statistics against plain JavaScript in float64: lengths around lanes, blocks and tiles, every number of threads.
import test, { type ExecutionContext } from 'ava';
import { getNumThreads, setNumThreads } from '../../lib/index.js';
import { statisticsEdges } from '../../lib/ops/statistics.js';
import { Seeded } from '../helpers/seeded.js';
import { type Float, runSample } from './samples.js';

const floats = (dtype: Float, values: ArrayLike<number>) => (dtype === 'float32' ? Float32Array.from(values) : Float64Array.from(values));
const lengths = [0, 1, 2, 15, 16, 17, 31, 32, 33, 47, 48, 49, 100, 4095, 4096, 4097, 8192, 12289, 32768, 32769, 100_003];

const squares = (x: ArrayLike<number>): number => Array.from(x).reduce((sum, value) => sum + value * value, 0);

function sumsOf(op: string, ...inputs: (Float32Array | Float64Array)[]): [number, number] {
  const sum = { dtype: 'float64', length: 1 } as const;
  const [[a], [b]] = runSample({ op, form: '', outputs: [sum, sum], inputs, ints: [], reals: [] });
  return [a, b];
}

for (const dtype of ['float32', 'float64'] as const) {
  test(`sums of squares and of squared differences are those of float64 at every length, in ${dtype}`, (t) => {
    for (const n of lengths) {
      const random = new Seeded(n + 1);
      const a = floats(dtype, random.uniform(n, -3, 3));
      const b = floats(dtype, random.uniform(n, -3, 3));
      const difference = Float64Array.from(a, (value, i) => value - b[i]);
      for (const [found, wanted] of [
        [sumsOf('sum_squares', a)[0], squares(a)],
        [sumsOf('sum_squares_difference', a, b)[0], squares(difference)],
      ]) {
        t.true(Math.abs(found - wanted) <= 1e-12 * wanted, `${n}: ${found} instead of ${wanted}`);
      }
      t.is(sumsOf('sum_squares_difference', a, b)[1], sumsOf('sum_squares', b)[0], 'the norm beside the difference has the same bits');
    }
  });

  test(`a sum of squares in two halves has the bits of one, in ${dtype}`, (t) => {
    for (const n of lengths) {
      const x = floats(dtype, new Seeded(n + 1).uniform(n, -3, 3));
      const [blocks] = runSample({
        op: 'sum_squares_blocks',
        form: '',
        outputs: [{ dtype: 'float64', length: Math.ceil(n / 4096) }],
        inputs: [x],
        ints: [],
        reals: [],
      });
      const [[sum]] = runSample({
        op: 'sum_blocks',
        form: '',
        outputs: [{ dtype: 'float64', length: 1 }],
        inputs: [blocks as Float64Array],
        ints: [],
        reals: [],
      });
      t.is(sum, sumsOf('sum_squares', x)[0], `${n}`);
    }
  });

  test(`the difference of close weights loses nothing, in ${dtype}`, (t) => {
    const step = dtype === 'float32' ? 2 ** -20 : 2 ** -40;
    const before = floats(dtype, new Array<number>(5000).fill(1));
    const after = floats(dtype, new Array<number>(5000).fill(1 + step));
    t.is(sumsOf('sum_squares_difference', after, before)[0], 5000 * step * step);
  });
}

test('a sum of squares of float32 overflows nowhere, and what is not finite stays visible and is counted', (t) => {
  t.true(Number.isFinite(sumsOf('sum_squares', new Float32Array(10_000).fill(3e38))[0]));
  for (const at of [0, 31, 4096, 9999]) {
    const x = new Float32Array(10_000).fill(1);
    t.deepEqual(sumsOf('sum_squares', x), [10_000, 0]);
    x[at] = -Infinity;
    t.deepEqual(sumsOf('sum_squares', x), [Infinity, 1]);
    x[at] = NaN;
    x[5000] = Infinity;
    t.deepEqual(sumsOf('sum_squares', x), [NaN, 2]);
    t.is(sumsOf('sum_squares_difference', x, new Float32Array(10_000))[0], NaN);
  }
  t.deepEqual(sumsOf('sum_squares', Float64Array.of(1e200)), [Infinity, 0]);
});

// ---- statistics ----

interface Found {
  readonly numbers: readonly number[];
  readonly counts: readonly number[];
}

function statisticsOf(x: Float32Array | Float64Array): Found {
  const outputs = [{ dtype: 'float64', length: 6 } as const, { dtype: 'int32', length: 256 } as const];
  const [numbers, counts] = runSample({ op: 'statistics', form: '', outputs, inputs: [x], ints: [], reals: [] });
  return { numbers: [...numbers], counts: [...counts] };
}

/** In plain JavaScript: two passes for the moments, a search for the bin. */
function plainly(x: Float32Array | Float64Array): Found {
  const finite = [...x].filter(Number.isFinite);
  const n = finite.length;
  const mean = finite.reduce((sum, value) => sum + value, 0) / n;
  const std = Math.sqrt(finite.reduce((sum, value) => sum + (value - mean) * (value - mean), 0) / n);
  const counts = new Array<number>(256).fill(0);
  for (const value of finite) {
    const size = Math.abs(value);
    let bin = statisticsEdges.findIndex((edge, i) => i >= 128 && size < statisticsEdges[i + 1] && size >= edge);
    if (value < 0) bin = 255 - bin;
    counts[bin]++;
  }
  const [low, high] = n === 0 ? [NaN, NaN] : finite.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [Infinity, -Infinity]);
  return { numbers: [x.length - n, finite.filter((value) => value === 0).length, mean, std, low + 0, high + 0], counts };
}

function agree(t: ExecutionContext, x: Float32Array | Float64Array, about: string, tolerance = 1e-13): void {
  const [found, wanted] = [statisticsOf(x), plainly(x)];
  t.deepEqual(found.counts, wanted.counts, about);
  for (const i of [0, 1, 4, 5]) t.is(found.numbers[i], wanted.numbers[i], `${about}: number ${i}`);
  const scale = Math.max(...[...x].filter(Number.isFinite).map(Math.abs), 0);
  for (const i of [2, 3]) {
    const same = Object.is(found.numbers[i], wanted.numbers[i]) || Math.abs(found.numbers[i] - wanted.numbers[i]) <= tolerance * scale;
    t.true(same, `${about}: number ${i} is ${found.numbers[i]} instead of ${wanted.numbers[i]}`);
  }
}

for (const dtype of ['float32', 'float64'] as const) {
  test(`statistics agree with plain JavaScript at every length, in ${dtype}`, (t) => {
    for (const n of lengths) {
      const values = new Seeded(n + 1).uniform(n, -2, 3);
      agree(t, floats(dtype, values), `${n} numbers`);
      agree(t, floats(dtype, values.map((value) => Math.max(0, value))), `${n} numbers through a ReLU`); // biome-ignore format: one line
    }
  });

  test(`statistics count what is not finite, and describe the others, in ${dtype}`, (t) => {
    const values = [...new Seeded(3).uniform(9000, -1, 1)];
    for (const at of [0, 17, 4095, 4096, 8999]) values[at] = [NaN, Infinity, -Infinity][at % 3];
    agree(t, floats(dtype, values), 'five of them');
    agree(t, floats(dtype, new Array<number>(5000).fill(NaN)), 'nothing else');
    agree(t, floats(dtype, [...new Array<number>(4096).fill(Infinity), 2, 4]), 'a whole block of them');
    agree(t, floats(dtype, []), 'no element');
    agree(t, floats(dtype, [-0, 0, -0]), 'zeros of both signs');
  });

  test(`every magnitude has its bin, and the ends take what lies outside, in ${dtype}`, (t) => {
    const edges = statisticsEdges.filter((edge) => Number.isFinite(edge) && edge > 0);
    const below = edges.map((edge) => edge * (1 - (dtype === 'float32' ? 2 ** -24 : 2 ** -53)));
    const extremes = dtype === 'float32' ? [1e-45, 1e-30, 1e30, 3.4e38] : [5e-324, 1e-300, 1e300];
    const all = [...edges, ...below, ...extremes];
    // Squares of 1e300 overflow: moments have their own tests.
    for (const x of [...all, ...all.map((value) => -value)].map((value) => floats(dtype, [value])))
      t.deepEqual(statisticsOf(x).counts, plainly(x).counts, `${x[0]}`);
  });
}

test('the standard deviation survives a mean that is a million times larger', (t) => {
  const values = [...new Seeded(4).uniform(70_000, -1, 1)].map((value) => Math.round(value * 2 ** 10) / 2 ** 10);
  const { numbers } = statisticsOf(Float64Array.from(values, (value) => value + 1e6));
  const [, , mean, std] = plainly(Float64Array.from(values)).numbers;
  t.true(Math.abs(numbers[2] - 1e6 - mean) < 1e-9);
  t.true(Math.abs(numbers[3] - std) < 1e-9 * std);
  // An outlier where a shift would be taken from: the first of each block.
  const spoiled = Float64Array.from(values, (value, i) => (i % 4096 === 0 ? 1e8 : value));
  const wanted = plainly(spoiled).numbers;
  t.true(Math.abs(statisticsOf(spoiled).numbers[3] - wanted[3]) < 1e-12 * wanted[3]);
});

test.serial('norms and statistics have the same bits with 1, 2, 3 and 7 threads', (t) => {
  const before = getNumThreads();
  const x = floats('float32', new Seeded(5).uniform(500_009));
  const y = floats('float32', new Seeded(6).uniform(500_009));
  const results = [1, 2, 3, 7].map((threads) => {
    setNumThreads(threads);
    return [sumsOf('sum_squares', x), sumsOf('sum_squares_difference', x, y), statisticsOf(x)];
  });
  setNumThreads(before);
  for (const result of results) t.deepEqual(result, results[0]);
});
