// Class indices: ignored ones, classes and examples that weigh more, and words for those that name no class.
import test from 'ava';
import {
  Accuracy,
  ArgumentError,
  CrossEntropyLoss,
  crossEntropy,
  DTypeError,
  IndexError,
  multiclassHingeLoss,
  nllLoss,
  ShapeError,
  Tensor,
} from '../../lib/index.js';
import { f32, f64, gradientOf, i32 } from '../helpers/build.js';
import { close } from '../helpers/close.js';

const numbers = [3.2, 5.1, -1.7, 1.3, 4.9, 2.0, 2.2, 2.5, -3.1, 0, 1, 2];
const scores = f64(numbers, [4, 3]);
const losses = { crossEntropy, nllLoss, multiclassHingeLoss };

for (const [name, loss] of Object.entries(losses)) {
  test(`${name} leaves ignored labels out of the sum, of the mean and of the gradient`, (t) => {
    const [few, labels] = [f64(numbers.slice(0, 6), [2, 3]), i32([0, 1])];
    for (const [ignoreIndex, some] of [
      [-1, [0, 1, -1, -1]],
      [255, [0, 1, 255, 255]],
    ] as const) {
      for (const reduction of ['mean', 'sum'] as const)
        close(t, loss(scores, i32(some), { ignoreIndex, reduction }), loss(few, labels, { reduction }), { relative: 1e-15 });
      const gradient = gradientOf((x) => loss(x, i32(some), { ignoreIndex }), numbers, 1, [4, 3]);
      close(
        t,
        gradient.slice(0, 6),
        gradientOf((x) => loss(x, labels), numbers.slice(0, 6), 1, [2, 3]),
        { relative: 1e-14 },
      );
      t.deepEqual([...gradient.slice(6)].map(Math.abs), new Array(6).fill(0));
    }
    t.is(loss(scores, i32([-1, -1, -1, -1]), { ignoreIndex: -1 }).item(), 0, 'nothing counts');
    t.is(loss(scores, Tensor.from(Uint8Array.of(9, 9, 9, 9)), { ignoreIndex: 9 }).item(), 0, 'bytes');
  });

  test(`${name} counts classes and examples as often as their weights say`, (t) => {
    const labels = i32([0, 1, 1, 2]);
    const each = [...loss(scores, labels, { reduction: 'none' }).data];
    const mean = (weights: number[]) => each.reduce((sum, one, i) => sum + one * weights[i], 0) / weights.reduce((sum, one) => sum + one);
    const classWeights = [0.5, 2, 4];
    close(t, [loss(scores, labels, { classWeights }).item()], [mean([0.5, 2, 2, 4])], { relative: 1e-14 });
    const examples = [1, 0, 3, 0.25];
    close(t, [loss(scores, labels, {}, f64(examples)).item()], [mean(examples)], { relative: 1e-14 });
    close(t, [loss(scores, labels, { classWeights }, f64(examples)).item()], [mean([0.5, 0, 6, 1])], { relative: 1e-14 });
    const kept = loss(scores, labels, { classWeights, ignoreIndex: 1 }, f64(examples));
    close(t, [kept.item()], [mean([0.5, 0, 0, 1])], { relative: 1e-14 });
  });

  test(`${name} names the row and the value of a label that names no class`, (t) => {
    for (const [labels, value, row] of [
      [[0, 1, 7, 2], 7, 2],
      [[-2, 1, 0, 2], -2, 0],
    ] as const) {
      for (const options of [{}, { ignoreIndex: -1 }, { classWeights: [1, 2, 3] }]) {
        const error = t.throws(() => loss(scores, i32(labels), options), { instanceOf: IndexError });
        t.deepEqual([error?.value, error?.position], [value, row]);
        t.true(error?.message.startsWith(`[${name}]`), error?.message);
      }
    }
  });
}

test('labels of another shape or type, and weights that fit nothing, are refused in words', (t) => {
  t.throws(() => nllLoss(scores, i32([0, 1])), { instanceOf: ShapeError, message: /\[nllLoss\].*\[4\]/ });
  t.throws(() => multiclassHingeLoss(scores, f64([0, 1, 2, 0]) as never), { instanceOf: DTypeError, message: /to\('int32'\)/ });
  t.throws(() => crossEntropy(scores, i32([0, 1, 2, 0]), { classWeights: [1, 2] }), { instanceOf: ArgumentError, message: /3 numbers/ });
  t.throws(() => new CrossEntropyLoss({ classWeights: [1, -2, 3] }), { instanceOf: ArgumentError, message: /options\.classWeights/ });
  t.throws(() => new CrossEntropyLoss({ ignoreIndex: 0.5 }), { instanceOf: ArgumentError, message: /options\.ignoreIndex/ });
  t.throws(() => crossEntropy(scores, scores, { ignoreIndex: -1 }), { instanceOf: ArgumentError, message: /ignoreIndex/ });
  t.throws(() => crossEntropy(scores, i32([0, 1, 2, 0]), {}, f64([1, 2])), { instanceOf: ShapeError, message: /`weights`/ });
  t.throws(() => crossEntropy(scores, i32([0, 1, 2, 0]), {}, f32([1, 2, 3, 4])), { instanceOf: DTypeError, message: /`weights`/ });
});

test('an accuracy leaves ignored labels out', (t) => {
  const accuracy = new Accuracy({ ignoreIndex: 0 });
  accuracy.update(f32([2, 1, 1, 2, 2, 1, 1, 2], [4, 2]), i32([0, 1, 1, 0]));
  t.is(accuracy.result(), 0.5);
});
