// Proves lib/sitter/curve.ts: the course's curves by their shapes, gaps of scores, and curves in bounded memory.

import test from 'ava';
import { ArgumentError, classifyLossCurve, judgeGap } from '../../lib/index.js';
import { LossCurve } from '../../lib/sitter/curve.js';

test('[J15] a curve that goes up to infinity explodes', (t) => {
  t.is(classifyLossCurve([2.3, 9, 80, Infinity]), 'exploding');
  t.is(classifyLossCurve([2.3, 2.2, NaN]), 'exploding');
  t.is(classifyLossCurve([2.3, 7]), 'exploding');
});

test('[J16] a curve that falls by less than a hundredth is flat', (t) => {
  t.is(classifyLossCurve([2.3, 2.299, 2.298]), 'flat');
  t.is(classifyLossCurve([2.3, 2.3, 2.3, 2.3]), 'flat');
});

test('[J17] a steep fall and then nothing is a plateau: the rate is probably high', (t) => {
  t.is(classifyLossCurve([2.3, 1.6, 1.55, 1.55, 1.55]), 'plateau');
});

test('[J18] steep, and still falling, is good', (t) => {
  t.is(classifyLossCurve([2.3, 1.6, 1.2, 0.95, 0.78]), 'good');
  t.is(classifyLossCurve([2.3, 1.9, 1.5, 1.2, 1, 0.8, 0.7]), 'good');
});

test('[J19] flat for a while and then falling points at the first weights', (t) => {
  t.is(classifyLossCurve([2.3, 2.3, 2.3, 2.3, 2.3, 1.9, 1.4, 1]), 'late');
});

test('[J20] rates, a poor start and a gap are told apart by their curves, and what says nothing is unclear', (t) => {
  const curves = { exploding: [2.3, 40, 900], flat: [2.3, 2.299, 2.298], plateau: [2.3, 1.2, 1.18, 1.18, 1.18], good: [2.3, 1.7, 1.3, 1] };
  for (const [shape, losses] of Object.entries(curves)) t.is(classifyLossCurve(losses), shape as never);
  t.is(judgeGap(0.98, 0.6), 'overfitting');
  for (const losses of [[], [2.3], [2.3, 1.9], [2.3, 1.9, 2.5, 1.7, 2.2]]) t.is(classifyLossCurve(losses), 'unclear');
  for (const bad of [null, 'x', [1, '2']]) t.throws(() => classifyLossCurve(bad as never), { instanceOf: ArgumentError });
});

test('[J22] training at 0.98 and validation at 0.6 asks for regularization', (t) => {
  t.is(judgeGap(0.98, 0.6), 'overfitting');
  t.is(judgeGap(0.98, 0.97), 'good');
});

test('[J23] training at 0.52 and validation at 0.51 asks for capacity', (t) => {
  t.is(judgeGap(0.52, 0.51), 'underfitting');
  t.is(judgeGap(0.52, 0.51, 0.1), 'good');
  t.throws(() => judgeGap('1' as never, 0.5), { instanceOf: ArgumentError });
});

test('the few examples of a last batch weigh what they are, and are no peak; what is not finite is one', (t) => {
  const curve = new LossCurve();
  for (const [loss, share] of [
    [1, 1],
    [2, 1],
    [50, 1 / 16],
    [3, 1],
    [4, 1],
    [60, 1 / 16],
  ])
    curve.add(loss, share);
  t.is(curve.highest, 4);
  t.deepEqual(curve.points, [1, 2, (50 / 16 + 3) / (17 / 16), 4], 'it waits for the next step');
  const again = LossCurve.from(curve.stateDict());
  again.add(5);
  t.is(again.points.at(-1), (60 / 16 + 5) / (17 / 16));
  curve.add(Number.POSITIVE_INFINITY, 1 / 16);
  t.is(curve.highest, Number.POSITIVE_INFINITY);
});

test('a curve of a hundred thousand losses keeps its means in a few hundred points', (t) => {
  const curve = new LossCurve();
  for (let i = 0; i < 100_000; i++) curve.add(i < 50_000 ? 2 : 1);
  t.true(curve.points.length <= 512 && curve.points.length >= 200, `${curve.points.length} points`);
  t.is(curve.first, 2);
  t.is(curve.latest, 1);
  t.deepEqual([curve.highest, curve.lowest], [2, 1]);
  const means = curve.means(4);
  t.is(means.length, 4);
  t.is(means[0], 2);
  t.is(means[3], 1);
});
