// Proves lib/search/sobol.ts: the sequence of Joe & Kuo, and points that stay even when they are scrambled.
import test from 'ava';
import { RandomSearch, SobolSearch, space } from '../../lib/index.js';
import { sobolWord } from '../../lib/search/sobol.js';
import { view } from '../helpers/search.js';

test('the first points are those of the published sequence', (t) => {
  const points = (dimension: number): number[] => Array.from({ length: 8 }, (_, i) => sobolWord(i, dimension) / 2 ** 32);
  // In the plain order of indices, not that of Gray codes.
  t.deepEqual(points(0), [0, 0.5, 0.25, 0.75, 0.125, 0.625, 0.375, 0.875]);
  t.deepEqual(points(1), [0, 0.5, 0.75, 0.25, 0.625, 0.125, 0.375, 0.875]);
  t.deepEqual(points(2), [0, 0.5, 0.75, 0.25, 0.375, 0.875, 0.625, 0.125]);
});

const of = Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`p${i}`, space.uniform(0, 1)]));

/** Positions of the first points, parameter by parameter. */
function columns(seed: number, count: number): number[][] {
  const points = Array.from({ length: count }, (_, number) => new SobolSearch().draw(view({ space: of, seed, number })));
  return Object.keys(of).map((name) => points.map((params) => params[name] as number));
}

test('of 64 points each of 64 stretches of every one of 21 parameters gets exactly one, with every seed', (t) => {
  for (const seed of [0, 1, 99]) for (const values of columns(seed, 64)) t.is(new Set(values.map((value) => Math.floor(value * 64))).size, 64);
});

test('of 64 points each of 8 × 8 squares over the first two parameters gets exactly one; random points leave a third of them empty', (t) => {
  const squares = (xs: readonly number[], ys: readonly number[]): number =>
    new Set(xs.map((x, i) => Math.floor(x * 8) * 8 + Math.floor(ys[i] * 8))).size;
  const [x, y] = columns(7, 64);
  t.is(squares(x, y), 64);
  const random = Array.from({ length: 64 }, (_, number) => new RandomSearch().draw(view({ space: of, seed: 7, number })));
  t.true(squares(random.map(({ p0 }) => p0 as number), random.map(({ p1 }) => p1 as number)) < 50); // biome-ignore format: one line
});

test('seeds scramble differently, the same seed alike, and a space of 22 parameters is refused', (t) => {
  t.deepEqual(columns(3, 8), columns(3, 8));
  t.notDeepEqual(columns(3, 8), columns(4, 8));
  t.throws(() => new SobolSearch().check({ ...of, more: space.uniform(0, 1) }), { message: /has 21 dimensions, and the space has 22/ });
});
