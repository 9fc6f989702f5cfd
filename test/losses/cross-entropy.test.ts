// Softmax cross-entropy: the contract with the course's worked numbers, and what its options change.
import test from 'ava';
import { CrossEntropyLoss, crossEntropy, MSELoss } from '../../lib/index.js';
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

test('classes may be uint8, as image data sets store them', (t) => {
  const scores = f32([1, 2, 3, 3, 2, 1], [2, 3]);
  const bytes = f32([2, 0]).to('uint8');
  t.is(crossEntropy(scores, bytes).item(), crossEntropy(scores, i32([2, 0])).item());
});

test('smoothing with class weights spreads the weighted share over all classes', (t) => {
  const scores = f64([3.2, 5.1, -1.7], [1, 3]);
  const weights = [0.5, 2, 4];
  const each = [0, 1, 2].map((label) => crossEntropy(scores, i32([label])).item());
  const [sum] = [each.reduce((total, one, c) => total + weights[c] * one, 0)];
  const loss = crossEntropy(scores, i32([1]), { labelSmoothing: 0.25, classWeights: weights, reduction: 'sum' });
  close(t, [loss.item()], [0.75 * 2 * each[1] + (0.25 / 3) * sum], { relative: 1e-14 });
});

test('the chance loss of a classifier is ln C', (t) => {
  close(t, [new CrossEntropyLoss().chance(10) as number], [Math.LN10], { relative: 1e-15 });
  t.is(new MSELoss().chance(10), null);
});
