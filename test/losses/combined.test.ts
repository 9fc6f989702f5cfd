// Several losses as one.
import test from 'ava';
import { ArgumentError, CombinedLoss, CrossEntropyLoss, crossEntropy, L1Loss, l1Loss, MSELoss, mseLoss } from '../../lib/index.js';
import { f64, gradientOf, i32 } from '../helpers/build.js';
import { close } from '../helpers/close.js';

const [x, y] = [f64([1, 2, 3], [3, 1]), f64([1, 4, 0], [3, 1])];

test('a combined loss and its gradient are the weighted sums of those of its losses', (t) => {
  const both = new CombinedLoss([[new MSELoss(), 0.75], [new L1Loss({ reduction: 'sum' }), 2], new L1Loss()]);
  const value = 0.75 * mseLoss(x, y).item() + 2 * l1Loss(x, y, { reduction: 'sum' }).item() + l1Loss(x, y).item();
  close(t, [both.forward(x, y).item()], [value], { relative: 1e-15 });
  const slopes = (loss: (p: typeof x) => unknown) => [...gradientOf((p) => loss(p) as typeof x, x.data, 1, [3, 1])];
  const [squared, absolute] = [slopes((p) => mseLoss(p, y)), slopes((p) => l1Loss(p, y))];
  close(
    t,
    slopes((p) => both.forward(p, y)),
    squared.map((one, i) => 0.75 * one + 7 * absolute[i]),
    { relative: 1e-15 },
  );
});

test('losses by name see the outputs and targets of their names', (t) => {
  const heads = new CombinedLoss({ price: [new L1Loss(), 0.5], kind: new CrossEntropyLoss() });
  const scores = f64([1, 2, 0, 1, 3, 3], [3, 2]);
  const labels = i32([0, 1, 1]);
  const value = 0.5 * l1Loss(x, y).item() + crossEntropy(scores, labels).item();
  close(t, [heads.forward({ kind: scores, price: x }, { price: y, kind: labels }).item()], [value], { relative: 1e-15 });
  t.throws(() => heads.forward({ price: x }, { price: y, kind: labels }), {
    instanceOf: ArgumentError,
    message: /'kind'.*`prediction`.*price/,
  });
  t.throws(() => heads.forward({ kind: scores, price: x }, labels), { instanceOf: ArgumentError, message: /`target`/ });
});

test('what is no loss, and no loss at all, is refused', (t) => {
  for (const wrong of [[], {}, null, 3, [[new MSELoss(), Number.NaN]], [new MSELoss(), 3], { price: 'mse' }])
    t.throws(() => new CombinedLoss(wrong as never), { instanceOf: ArgumentError }, JSON.stringify(wrong));
});
