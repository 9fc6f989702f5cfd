// Losses: the contract with the course's worked numbers, reductions, and refusals that people run into.
import test from 'ava';
import { ArgumentError, CrossEntropyLoss, crossEntropy, DTypeError, MSELoss, mseLoss, ShapeError } from '../../lib/index.js';
import { lossContract } from '../contracts/loss.js';
import { f32, f64, i32 } from '../helpers/build.js';
import { close } from '../helpers/close.js';

test('CrossEntropyLoss keeps the loss contract', (t) =>
  lossContract(t, {
    create: () => new CrossEntropyLoss(),
    prediction: [3.2, 5.1, -1.7, 1.3, 4.9, 2.0, 2.2, 2.5, -3.1],
    shape: [3, 3],
    target: [0, 1, 2],
    classes: true,
    value: 2.758655,
    printed: 0.5e-6,
    refuses: [
      { shape: [3, 3], target: [0, 1] },
      { shape: [3, 3], target: [0, 1, 3] },
      { shape: [3, 3], target: [0, -1, 2] },
      { shape: [], target: [0] },
    ],
  }));

test('CrossEntropyLoss with label smoothing keeps the loss contract', (t) =>
  lossContract(t, {
    create: () => new CrossEntropyLoss({ labelSmoothing: 0.1 }),
    prediction: [3.2, 5.1, -1.7, 1.3, 4.9, 2.0, 2.2, 2.5, -3.1],
    shape: [3, 3],
    target: [0, 1, 2],
    classes: true,
    value: 2.743099,
    printed: 0.5e-6,
    refuses: [],
  }));

test('CrossEntropyLoss with probabilities keeps the loss contract', (t) =>
  lossContract(t, {
    create: () => new CrossEntropyLoss(),
    prediction: [3.2, 5.1, -1.7],
    shape: [1, 3],
    target: [1, 0, 0],
    classes: false,
    value: 2.040355,
    printed: 0.5e-6,
    refuses: [{ shape: [1, 3], target: [1, 0], targetShape: [1, 2] }],
  }));

test('label smoothing mixes with the uniform distribution over all classes: 2.140355, 0.295798 and 5.793144', (t) => {
  const losses = crossEntropy(f64([3.2, 5.1, -1.7, 1.3, 4.9, 2.0, 2.2, 2.5, -3.1], [3, 3]), i32([0, 1, 2]), {
    labelSmoothing: 0.1,
    reduction: 'none',
  });
  close(t, losses, [2.140355, 0.295798, 5.793144], { absolute: 0.5e-6 });
});

test('MSELoss keeps the loss contract', (t) =>
  lossContract(t, {
    create: () => new MSELoss(),
    prediction: [12, 24, 42, 23, 34, 32],
    shape: [2, 3],
    target: [15, 20, 40, 25, 34, 32],
    classes: false,
    value: 5.5,
    printed: 0,
    refuses: [
      { shape: [2, 3], target: [1, 2, 3], targetShape: [3] },
      { shape: [2, 1], target: [1, 2], targetShape: [2] },
    ],
  }));

test('a loss sums, averages or gives one number per example, as asked', (t) => {
  const [x, y] = [f64([1, 2, 3, 4], [2, 2]), f64([1, 4, 0, 4], [2, 2])];
  t.is(mseLoss(x, y).item(), 13 / 4);
  t.is(mseLoss(x, y, { reduction: 'sum' }).item(), 13);
  t.deepEqual([...mseLoss(x, y, { reduction: 'none' }).data], [0, 4, 9, 0]);
  const scores = f64([0, 0, 0, 0], [2, 2]);
  close(t, [crossEntropy(scores, i32([0, 1]), { reduction: 'sum' }).item()], [2 * Math.LN2], { relative: 1e-15 });
  close(t, crossEntropy(scores, i32([0, 1]), { reduction: 'none' }), [Math.LN2, Math.LN2], { relative: 1e-15 });
});

test('classes may be uint8, as image data sets store them', (t) => {
  const scores = f32([1, 2, 3, 3, 2, 1], [2, 3]);
  const bytes = f32([2, 0]).to('uint8');
  t.is(crossEntropy(scores, bytes).item(), crossEntropy(scores, i32([2, 0])).item());
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

test('the chance loss of a classifier is ln C', (t) => {
  close(t, [new CrossEntropyLoss().chance(10) as number], [Math.LN10], { relative: 1e-15 });
  t.is(new MSELoss().chance(10), null);
});
