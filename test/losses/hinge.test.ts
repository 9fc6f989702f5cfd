// The multiclass hinge: a sum over the wrong classes.
import test from 'ava';
import { MulticlassHingeLoss, multiclassHingeLoss } from '../../lib/index.js';
import { lossContract } from '../contracts/loss.js';
import { f64, i32 } from '../helpers/build.js';
import { close } from '../helpers/close.js';

const scores = [3.2, 5.1, -1.7, 1.3, 4.9, 2.0, 2.2, 2.5, -3.1];
const given = {
  prediction: scores,
  shape: [3, 3],
  target: [0, 1, 2],
  classes: true,
  printed: 0.5e-6,
  refuses: [
    { shape: [3, 3], target: [0, 1] },
    { shape: [3, 3], target: [0, 1, 3] },
    { shape: [3, 3], target: [0, -1, 2] },
    { shape: [], target: [0] },
  ],
};

test('MulticlassHingeLoss keeps the loss contract, plain and squared', (t) => {
  lossContract(t, { ...given, create: () => new MulticlassHingeLoss(), value: 5.266667 });
  lossContract(t, { ...given, create: () => new MulticlassHingeLoss({ squared: true }), value: (8.41 + 83.25) / 3 });
});

test('the margin is what the right class has to lead by', (t) => {
  const loss = multiclassHingeLoss(f64(scores, [3, 3]), i32([0, 1, 2]), { margin: 2, reduction: 'none' });
  close(t, loss, [3.9, 0, 14.9], { absolute: 1e-12 });
});

test('a model that knows nothing misses the margin for every wrong class', (t) => {
  t.is(new MulticlassHingeLoss().chance(10), 9);
  t.is(new MulticlassHingeLoss({ margin: 2, squared: true }).chance(10), 36);
  t.is(multiclassHingeLoss(f64(new Float64Array(10), [1, 10]), i32([3])).item(), 9);
  t.is(new MulticlassHingeLoss({ reduction: 'sum' }).chance(10), null);
});
