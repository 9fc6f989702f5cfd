// Proves lib/sitter/probe.ts: plain learners tell classes that have a meaning, and are no better than chance at those that have none.

import test from 'ava';
import { Tensor } from '../../lib/index.js';
import { probe } from '../../lib/sitter/probe.js';
import { surplusOf } from '../../lib/sitter/rules/data-and-net.js';
import { Seeded } from '../helpers/seeded.js';
import { cloudSet, clouds, normals } from '../helpers/sick.js';

const pair = (inputs: Tensor, targets: unknown) => [inputs, targets, undefined] as never;
const table = (data: Float32Array, width: number): Tensor => Tensor.from(data, [data.length / width, width]);
const drawn = (count: number, classes: number): Int32Array => {
  const random = new Seeded(7);
  return Int32Array.from({ length: count }, () => random.integer(classes));
};

test('classes with a meaning are told by their neighbours and by the means of the others', (t) => {
  const { inputs, targets } = cloudSet(400) as unknown as { inputs: Tensor; targets: Tensor };
  const seen = probe(pair(inputs, targets));
  t.is(seen?.examples, 400);
  t.true((seen?.neighbours.share ?? 0) > 0.9 && (seen?.means.share ?? 0) > 0.9 && (seen?.vote ?? 0) > 0.9);
  t.true(surplusOf(seen!) > 10);
});

test('classes without one are not, whether they are alike in number or not', (t) => {
  const { x } = clouds(600);
  for (const labels of [drawn(600, 4), drawn(600, 10).map((label) => Number(label === 0))])
    t.true(surplusOf(probe(pair(table(x, 10), Tensor.from(labels)))!) < 3);
});

test('chance is that of two examples drawn from the same classes, and of a guess among them', (t) => {
  const labels = Int32Array.from({ length: 100 }, (_, i) => Number(i % 4 === 0));
  const seen = probe(pair(table(normals(new Seeded(3), 500), 5), Tensor.from(labels)));
  t.true(Math.abs((seen?.neighbours.chance ?? 0) - (25 * 24 + 75 * 74) / (100 * 99)) < 1e-12);
  t.is(seen?.means.chance, 0.5);
});

test('a border that is no line is told by neighbours, and one-hot rows are the classes they stand for', (t) => {
  const x = normals(new Seeded(4), 1200);
  const labels = Int32Array.from({ length: 600 }, (_, i) => Number(x[2 * i] * x[2 * i + 1] > 0));
  const byIndex = probe(pair(table(x, 2), Tensor.from(labels)))!;
  t.true(byIndex.vote > 0.9 && byIndex.means.share < 0.6);
  const rows = Float32Array.from({ length: 1200 }, (_, i) => Number(labels[Math.floor(i / 2)] === i % 2));
  t.deepEqual(probe(pair(table(x, 2), table(rows, 2))), byIndex);
});

test('labels of yes and no are asked about one by one', (t) => {
  const x = normals(new Seeded(5), 1600);
  const y = Float32Array.from({ length: 800 }, (_, i) => Number(x[4 * Math.floor(i / 2) + (i % 2)] > 0));
  t.true((probe(pair(table(x, 4), table(y, 2)))?.means.share ?? 0) > 0.75);
});

test('nobody is asked about numbers, images, codes, few rows or missing values', (t) => {
  const x = normals(new Seeded(6), 600);
  const labels = drawn(200, 2);
  const whole = table(x, 3);
  t.not(probe(pair(whole, Tensor.from(labels))), null);
  t.is(probe(pair(whole, table(normals(new Seeded(1), 200), 1))), null);
  t.is(probe(pair(whole.reshape([200, 3, 1]), Tensor.from(labels))), null);
  t.is(probe(pair(table(x.map(Math.sign), 3), Tensor.from(labels))), null);
  t.is(probe(pair(table(x.slice(0, 120), 3), Tensor.from(labels.slice(0, 40)))), null);
  t.is(probe(pair(table(x.with(7, Number.NaN), 3), Tensor.from(labels))), null);
});
