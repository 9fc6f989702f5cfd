// Squared, absolute, Huber and smooth L1 errors: the contract, corners, and what options change.
import test from 'ava';
import {
  ArgumentError,
  HuberLoss,
  huberLoss,
  L1Loss,
  l1Loss,
  type Loss,
  MSELoss,
  mseLoss,
  SmoothL1Loss,
  smoothL1Loss,
} from '../../lib/index.js';
import { lossContract } from '../contracts/loss.js';
import { f64, gradientOf } from '../helpers/build.js';
import { close } from '../helpers/close.js';

const [prediction, target] = [
  [12, 24, 42, 23, 34.25, 32],
  [15, 20, 40, 25, 34, 32.5],
];
const losses: Record<string, { create: () => Loss; value: number }> = {
  MSELoss: { create: () => new MSELoss(), value: (9 + 16 + 4 + 4 + 0.0625 + 0.25) / 6 },
  L1Loss: { create: () => new L1Loss(), value: (3 + 4 + 2 + 2 + 0.25 + 0.5) / 6 },
  HuberLoss: { create: () => new HuberLoss({ delta: 2.5 }), value: (2.5 * 1.75 + 2.5 * 2.75 + 2 + 2 + 0.03125 + 0.125) / 6 },
  SmoothL1Loss: { create: () => new SmoothL1Loss({ beta: 2.5 }), value: (1.75 + 2.75 + 0.8 + 0.8 + 0.0125 + 0.05) / 6 },
};

for (const [name, { create, value }] of Object.entries(losses)) {
  test(`${name} keeps the loss contract`, (t) =>
    lossContract(t, {
      create,
      prediction,
      shape: [2, 3],
      target,
      classes: false,
      value,
      printed: 0,
      refuses: [
        { shape: [2, 3], target: [1, 2, 3], targetShape: [3] },
        { shape: [2, 1], target: [1, 2], targetShape: [2] },
      ],
    }));
}

test('smooth L1 is the loss of Huber divided by beta, and the L1 loss where beta is 0', (t) => {
  const [x, y] = [f64([0.5, -4, 3, 1.5]), f64([0, 0, 1, 1])];
  for (const beta of [0.5, 1, 2])
    close(t, smoothL1Loss(x, y, { beta, reduction: 'none' }), huberLoss(x, y, { delta: beta, reduction: 'none' }).div(beta), {
      relative: 1e-15,
    });
  t.deepEqual([...smoothL1Loss(x, y, { beta: 0, reduction: 'none' }).data], [0.5, 4, 2, 0.5]);
});

test('the slope of Huber is the error up to delta and delta beyond it, on both sides', (t) => {
  const slopes = gradientOf((x) => huberLoss(x, f64([0, 0, 0, 0, 0]), { delta: 2, reduction: 'sum' }), [-5, -1, 0, 1.5, 9]);
  t.deepEqual(
    [...slopes].map((slope) => slope + 0),
    [-2, -1, 0, 1.5, 2],
  );
});

test('options that make no loss are refused', (t) => {
  t.throws(() => new HuberLoss({ delta: 0 }), { instanceOf: ArgumentError, message: /options\.delta/ });
  t.throws(() => new SmoothL1Loss({ beta: -1 }), { instanceOf: ArgumentError, message: /options\.beta/ });
  t.throws(() => l1Loss(f64([1]), f64([1]), { reduction: 'max' as never }), { message: /options\.reduction/ });
  t.throws(() => mseLoss(f64([1]), f64([1]), { delta: 1 } as never), { message: /delta/ });
});
