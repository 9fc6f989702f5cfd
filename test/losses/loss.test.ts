// Losses: reductions, and refusals that people run into.
import test from 'ava';
import { ArgumentError, CrossEntropyLoss, crossEntropy, DTypeError, mseLoss, ShapeError } from '../../lib/index.js';
import { f32, f64, i32 } from '../helpers/build.js';
import { close } from '../helpers/close.js';

test('a loss sums, averages or gives one number per example, as asked', (t) => {
  const [x, y] = [f64([1, 2, 3, 4], [2, 2]), f64([1, 4, 0, 4], [2, 2])];
  t.is(mseLoss(x, y).item(), 13 / 4);
  t.is(mseLoss(x, y, { reduction: 'sum' }).item(), 13);
  t.deepEqual([...mseLoss(x, y, { reduction: 'none' }).data], [0, 4, 9, 0]);
  const scores = f64([0, 0, 0, 0], [2, 2]);
  close(t, [crossEntropy(scores, i32([0, 1]), { reduction: 'sum' }).item()], [2 * Math.LN2], { relative: 1e-15 });
  close(t, crossEntropy(scores, i32([0, 1]), { reduction: 'none' }), [Math.LN2, Math.LN2], { relative: 1e-15 });
});

test('labels and predictions of the wrong kind are refused in words', (t) => {
  t.throws(() => crossEntropy(f32([1, 2], [1, 2]), f64([1, 0], [1, 2]) as never), { instanceOf: DTypeError });
  t.throws(() => crossEntropy(i32([1, 2], [1, 2]) as never, i32([0])), { instanceOf: DTypeError });
  t.throws(() => crossEntropy(f32([1, 2], [1, 2]), [0] as never), { instanceOf: ArgumentError, message: /target/ });
  t.throws(() => crossEntropy(f32([1, 2], [1, 2]), i32([0]), { reduction: 'average' as never }), {
    instanceOf: ArgumentError,
    message: /reduction/,
  });
  t.throws(() => crossEntropy(f32([1, 2], [1, 2]), i32([0]), { labelSmoothing: 1.5 }), {
    instanceOf: ArgumentError,
    message: /labelSmoothing/,
  });
  t.throws(() => new CrossEntropyLoss({ smoothing: 0.1 } as never), { instanceOf: ArgumentError, message: /smoothing/ });
  t.throws(() => mseLoss(f32([1]), f64([1]) as never), { instanceOf: DTypeError });
  t.throws(() => mseLoss(f32([1, 2]), f32([1])), { instanceOf: ShapeError });
});
