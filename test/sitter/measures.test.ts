// Proves lib/sitter/measures.ts: native measures of a tensor are those of plain loops over its numbers.

import test from 'ava';
import { Tensor } from '../../lib/index.js';
import { columnMoments, rootMeanSquare, rowsOf, spreadOf, spreadOfAll } from '../../lib/sitter/measures.js';

const near = (a: number, b: number): boolean => Object.is(a, b) || Math.abs(a - b) <= 1e-6 * Math.max(1, Math.abs(b));

/** Numbers far from zero beside their deviation, with some that are not finite. */
const values = (count: number, others: readonly number[] = []): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => (i < others.length ? others[i] : 100 + ((i * 7919) % 1000) / 250));

test('the spread of a tensor is that of a loop over its numbers, whatever is not finite', (t) => {
  const kinds = [values(4099), values(4099, [NaN, Infinity, -Infinity]), Float32Array.of(NaN, Infinity), Float32Array.of(3)];
  for (const data of [...kinds, Int32Array.of(3, 5, 8), new Float32Array(0)]) {
    const [seen, loop] = [spreadOfAll(Tensor.from(data as Float32Array, [data.length])), spreadOf(data, 0, 1)];
    for (const key of ['min', 'max', 'mean', 'std', 'rms', 'nonFinite'] as const)
      t.true(near(seen[key], loop[key]), `${data.length} numbers, ${key}: ${seen[key]} and ${loop[key]}`);
  }
});

test('columns have the means and variances of loops over them; one that is not finite says so', (t) => {
  const data = values(30 * 7, [NaN]);
  const { mean, variance } = columnMoments(rowsOf(Tensor.from(data, [5, 6, 7]), 7));
  t.true(Number.isNaN(mean[0]));
  for (let j = 1; j < 7; j++) {
    const loop = spreadOf(data, j, 7);
    t.true(near(mean[j], loop.mean), `${j}: ${mean[j]} and ${loop.mean}`);
    t.true(near(Math.sqrt(variance[j]), loop.std), `${j}: ${variance[j]} and ${loop.std}`);
  }
});

test('of a tensor with many rows, some from all over it stand for the others', (t) => {
  const rows = rowsOf(
    Tensor.from(
      Float32Array.from({ length: 400 }, (_, i) => i),
      [100, 4],
    ),
    4,
    40,
  );
  t.deepEqual(rows.shape, [10, 4]);
  t.deepEqual([...rows.data].filter((_, i) => i % 4 === 0), [0, 40, 80, 120, 160, 200, 240, 280, 320, 360]); // biome-ignore format: one line
});

test('a root of the mean square is that of all numbers, and 0 of none', (t) => {
  t.is(rootMeanSquare(Tensor.from(Float32Array.of(3, 4, 0, 0), [4])), 2.5);
  t.is(rootMeanSquare(null), 0);
});
