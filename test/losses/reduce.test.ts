// How losses become one number, with and without weights of examples.
import test from 'ava';
import { BinaryCrossEntropyLoss, CosineEmbeddingLoss, type Loss, MSELoss, TripletLoss, mseLoss, tensor } from '../../lib/index.js';
import { f64 } from '../helpers/build.js';
import { close } from '../helpers/close.js';

const [x, y] = [f64([1, 2, 3, 4, 5, 6], [3, 2]), f64([1, 4, 0, 4, 5, 7], [3, 2])];

test('the weighted mean is that of data in which examples stand as often as they weigh', (t) => {
  const weights = f64([2, 0, 1]);
  const repeated = [0, 0, 2].flatMap((row) => [...x.data.slice(2 * row, 2 * row + 2)]);
  const targets = [0, 0, 2].flatMap((row) => [...y.data.slice(2 * row, 2 * row + 2)]);
  for (const reduction of ['mean', 'sum'] as const)
    close(t, mseLoss(x, y, { reduction }, weights), mseLoss(f64(repeated, [3, 2]), f64(targets, [3, 2]), { reduction }), { relative: 1e-15 });
  t.deepEqual([...mseLoss(x, y, { reduction: 'none' }, weights).data], [0, 8, 0, 0, 0, 1]);
});

test('weights of 0 alone give a loss of 0, and weights of 1 the loss without', (t) => {
  t.is(mseLoss(x, y, {}, f64([0, 0, 0])).item(), 0);
  close(t, mseLoss(x, y, {}, f64([1, 1, 1])), mseLoss(x, y), { relative: 1e-15 });
});

test('every class of losses passes weights on', (t) => {
  const none = f64([0, 0, 0]);
  const all: [Loss, unknown, unknown][] = [
    [new MSELoss(), x, y],
    [new BinaryCrossEntropyLoss(), x, y],
    [new CosineEmbeddingLoss(), [x, y], f64([1, 1, 1])],
    [new TripletLoss({ margin: 9 }), [x, y, x], null],
  ];
  for (const [loss, prediction, target] of all) {
    t.not(loss.forward(prediction as never, target as never).item(), 0);
    t.is(loss.forward(prediction as never, target as never, none).item(), 0);
  }
});

test('a prediction of several numbers beside a target of one says what it mostly means', (t) => {
  const wide = f64(
    Array.from({ length: 20 }, () => 0),
    [2, 10],
  );
  t.throws(() => mseLoss(wide, f64([1, 2], [2, 1])), { message: /the model gives 10 numbers for each example.*`classes: 1`/ });
  t.throws(() => mseLoss(wide, tensor([1, 2], { dtype: 'int32' }) as never), { message: /class indices go with new CrossEntropyLoss\(\)$/ });
  t.throws(() => mseLoss(f64([1, 2], [2, 1]), f64([1, 2], [2])), { message: /reshape/ });
});
