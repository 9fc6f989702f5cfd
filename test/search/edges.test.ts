// Proves lib/search/edges.ts: which best values are at an edge, and that it says nothing where there is nothing to say.
import test from 'ava';
import { type NumberRange, space } from '../../lib/index.js';
import { edgeWarnings, formatValue } from '../../lib/search/edges.js';
import { ended } from '../helpers/search.js';

/** Warnings about trials with these values, best first. */
const warningsOf = (range: NumberRange, values: readonly number[]) =>
  edgeWarnings({ p: range }, values.map((p, score) => ended(score, { p }, score)), 'minimize'); // biome-ignore format: one line

test('within 5 % of an end, on the scale of the range, is the edge: the next range is as wide, with the end in its middle', (t) => {
  const cases: [NumberRange, number, unknown][] = [
    [space.logUniform(1e-4, 1), 1.4e-4, [1e-6, 1e-2]],
    [space.logUniform(1e-4, 1), 1.7e-4, undefined],
    [space.logUniform(1e-4, 1), 0.7, [1e-2, 100]],
    [space.uniform(0.2, 0.6), 0.59, [0.4, 0.8]],
    [space.uniform(0.2, 0.6), 0.21, [0, 0.4]],
    [space.uniform(0.5, 0.9), 0.89, [0.7, 1]],
    [space.integer(2, 6), 6, [4, 8]],
    [space.integer(2, 6), 5, undefined],
    [space.integer(3, 9), 3, [1, 6]],
    [space.logInteger(16, 256), 256, [64, 1024]],
  ];
  for (const [range, best, next] of cases) {
    const middle = range.at(0.5);
    t.deepEqual(warningsOf(range, [best, middle, middle])[0]?.next, next as never, `${best} of ${JSON.stringify(range)}`);
  }
});

test('ends that nothing lies beyond are no edges: 0 and 1 of a share, 0 and 1 of a count', (t) => {
  t.deepEqual(warningsOf(space.uniform(0, 1), [0.99, 0.98, 0.97]), []);
  t.deepEqual(warningsOf(space.uniform(0, 0.5), [0, 0.01, 0.02]), []);
  t.deepEqual(warningsOf(space.integer(1, 5), [1, 1, 1]), []);
  t.is(warningsOf(space.uniform(0, 0.5), [0.5, 0.49, 0.48]).length, 1);
});

test('one good trial at the edge among many is chance, two of the best three are not, and two trials say nothing', (t) => {
  const range = space.logUniform(1e-4, 1);
  const rest = new Array(9).fill(1e-2);
  t.deepEqual(warningsOf(range, [1e-4, 1e-2, 1e-2, ...rest]), []);
  t.is(warningsOf(range, [1e-4, 5e-4, 1e-2, ...rest]).length, 1);
  t.deepEqual(warningsOf(range, [1e-4, 1e-4]), []);
});

test('values are shown with the digits that one reads', (t) => {
  t.deepEqual([0, 3, 0.123456, 1.23456e-5, 1234567, 'adam', [64, 32], true, undefined].map(formatValue), ['0', '3', '0.123', '1.23e-5', '1.23e+6', 'adam', '[64,32]', 'true', '–']); // biome-ignore format: one line
});
