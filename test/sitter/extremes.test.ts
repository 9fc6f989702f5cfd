// Proves lib/sitter/extremes.ts and its rule: a target far from all others is named with its value and row, and long tails are left alone.

import test from 'ava';
import {
  Adam,
  MSELoss,
  ReLU,
  Linear,
  Sequential,
  SGD,
  Sitter,
  StandardScaler,
  TargetScaler,
  Tensor,
  TensorDataset,
  preflight,
  setSeed,
  split,
  transformed,
} from '../../lib/index.js';
import { extremesOf } from '../../lib/sitter/extremes.js';
import { Seeded } from '../helpers/seeded.js';
import { normals } from '../helpers/sick.js';
import { quiet } from '../helpers/training.js';

const column = (values: ArrayLike<number>): Tensor => Tensor.from(Float32Array.from(values), [values.length, 1]);
const setOf = (targets: ArrayLike<number>): TensorDataset<'float32', 'float32'> =>
  new TensorDataset(column(normals(new Seeded(3), targets.length)), column(targets));

/** Prices between 60,000 and about a million, of which some are another number. */
function prices(count: number, others: Readonly<Record<number, number>> = {}): Float64Array {
  const noise = normals(new Seeded(5), count);
  return Float64Array.from(noise, (value, i) => others[i] ?? Math.round(400_000 + 100_000 * value));
}

test('one to three targets that are far from all others are found, farthest first, over all rows and not a sample', (t) => {
  t.like(extremesOf(setOf(prices(3000, { 2699: 39_999_999 }))), { rows: [2699], values: [40_000_000] });
  t.like(extremesOf(setOf(prices(3000, { 7: 39_999_999, 8: -90_000_000, 2001: 50_000_000 }))), { rows: [8, 2001, 7] });
  t.is(extremesOf(setOf(prices(3000))), null);
});

test('long tails, numbers that are mostly the same, a few rows and classes have no extremes', (t) => {
  const tail = normals(new Seeded(1), 3000);
  t.is(extremesOf(setOf(tail.map((value) => Math.exp(2 * value)))), null);
  t.is(extremesOf(setOf(tail.map((_, i) => Number(i % 100 === 0) * (i + 1)))), null);
  t.is(extremesOf(setOf([1, 2, 3, 4, 5000])), null);
  t.is(extremesOf(new TensorDataset(column(tail), Tensor.from(Int32Array.from(tail, (_, i) => i % 3)))), null);
});

test('of scaled targets, and of a part of a set, value and row are those of the data themselves', (t) => {
  const data = setOf(prices(3000, { 2699: 39_999_999 }));
  const parts = split(data, [0.8, 0.2], { seed: 1 });
  const [part] = parts.filter((one) => extremesOf(one) !== null);
  t.like(extremesOf(part), { rows: [2699] });
  t.like(extremesOf(new TargetScaler().fit(data).scaled(part)), { rows: [2699], values: [40_000_000] });
  const scaledPart = new TargetScaler().fit(data).scaled(part);
  t.like(extremesOf(transformed(scaledPart, new StandardScaler().fit(scaledPart))), { rows: [2699], values: [40_000_000] });
  t.is(extremesOf(new TargetScaler({ log: true }).fit(data).scaled(data)), null, 'logarithms bring it near');
});

test('it is said before the first step, with the number to look for, and does not end the run as an explosion of its rate', async (t) => {
  const data = setOf(prices(3000, { 2699: 39_999_999 }));
  const scaled = new TargetScaler().fit(data).scaled(data);
  setSeed(1);
  const model = new Sequential([new Linear(1, 8), new ReLU(), new Linear(8, 1)]);
  const optimizer = new Adam(model, { lr: 1e-3 });
  const [before] = await preflight(model, scaled, { loss: new MSELoss(), optimizer });
  t.is(before.id, 'extreme-target');
  t.regex(before.text, /^one target is far from all others, which go from \d+ to \d+: 40000000 in row 2699 of the data \(rows count from 0\)/);
  const sitter = new Sitter({ observe: false, stop: true });
  const history = await model.fit(scaled, { ...quiet, loss: new MSELoss(), optimizer, epochs: 2, sitter });
  t.is(history.stopped, null);
  t.deepEqual(
    history.findings.map(({ id }) => id),
    ['extreme-target'],
  );
});

test('a run that explodes and stays so is ended beside such a target as well', async (t) => {
  const data = setOf(prices(3000, { 2699: 39_999_999 }));
  const scaled = new TargetScaler().fit(data).scaled(data);
  const model = new Sequential([new Linear(1, 8), new ReLU(), new Linear(8, 1)]);
  const sitter = new Sitter({ observe: false, stop: true });
  const optimizer = new SGD(model, { lr: 5 });
  const history = await model.fit(scaled, { ...quiet, loss: new MSELoss(), optimizer, epochs: 5, sitter }).catch(({ history: seen }) => seen);
  t.true(history.stopped !== null || history.epochs.length < 5);
});
