// Ways out that errors of shapes name: right where they stand, and absent where nobody knows what was meant.
import test from 'ava';
import * as lib from '../../lib/index.js';
import { says, saysNot } from '../helpers/words.js';

const { zeros, ones } = lib;

test('a target of the same numbers in another shape comes with its reshape, for any number of examples', async (t) => {
  await says(t, () => lib.mseLoss(zeros([32, 1]), zeros([32])), '[32, 1]', 'target.reshape([-1, 1])');
  await says(t, () => lib.mseLoss(zeros([32]), zeros([32, 1])), 'target.reshape([-1])');
  await says(t, () => lib.mseLoss(zeros([8, 784]), zeros([8, 28, 28, 1])), 'target.reshape([-1, 784])');
  await says(t, () => lib.mseLoss(zeros([8, 28, 28, 1]), zeros([8, 784])), 'target.reshape([-1, 28, 28, 1])');
  await says(t, () => lib.crossEntropy(zeros([15, 3]), lib.Tensor.from(new Int32Array(15), [15, 1])), 'target.reshape([-1])');
  await says(t, () => new lib.Accuracy().update(zeros([15, 3]), lib.Tensor.from(new Int32Array(15), [15, 1])), 'target.reshape([-1])');
  // A transposed target has as many numbers, in another order; and other sizes cannot be reshaped at all.
  await saysNot(t, () => lib.mseLoss(zeros([10, 4]), zeros([4, 10])), 'reshape');
  await saysNot(t, () => lib.mseLoss(zeros([10, 6]), zeros([10, 3, 4])), 'reshape');
  await saysNot(t, () => lib.mseLoss(zeros([10, 2, 6]), zeros([10, 3, 4])), 'reshape');
  await saysNot(t, () => lib.crossEntropy(zeros([15, 3]), lib.Tensor.from(new Int32Array(14))), 'reshape');
});

test('an input without its batch or feature axis comes with its reshape', async (t) => {
  for (const bias of [true, false]) {
    const one = new lib.Linear(1, 2, { bias });
    await says(t, () => one.forward(ones([6])), '[6]', 'x.reshape([-1, 1])');
    const wide = new lib.Linear(784, 2, { bias });
    await says(t, () => wide.forward(ones([28, 28])), '[28, 28]', 'x.reshape([1, 784])');
    await says(t, () => wide.forward(ones([28, 28, 1])), 'x.reshape([1, 784])');
    await says(t, () => wide.forward(ones([5, 28, 28, 1])), 'Flatten');
    await saysNot(t, () => wide.forward(ones([5, 700])), 'reshape', 'Flatten');
    await saysNot(t, () => new lib.Linear(1, 2, { bias }).forward(ones([6, 3])), 'reshape', 'Flatten');
  }
});

test('images without a batch or channel axis, as rows, or with channels first, come with what makes them images', async (t) => {
  const grey = new lib.Conv2d(1, 2, 3);
  const colour = new lib.Conv2d(3, 2, 3);
  await says(t, () => grey.forward(ones([300, 28, 28])), 'x.reshape([-1, 28, 28, 1])');
  await says(t, () => grey.forward(ones([28, 28, 1])), 'x.reshape([1, 28, 28, 1])');
  await says(t, () => grey.forward(ones([28, 28])), 'x.reshape([1, 28, 28, 1])');
  await says(t, () => grey.forward(ones([32, 784])), 'x.reshape([-1, 28, 28, 1])');
  await says(t, () => grey.forward(ones([64, 64])), 'x.reshape([-1, 8, 8, 1])', 'x.reshape([1, 64, 64, 1])');
  await says(t, () => colour.forward(ones([32, 30, 3])), 'x.reshape([1, 32, 30, 3])');
  await says(t, () => colour.forward(ones([3, 32, 30])), 'x.transpose([1, 2, 0]).reshape([1, 32, 30, 3])');
  await says(t, () => colour.forward(ones([8, 3, 32, 32])), 'x.transpose([0, 2, 3, 1])');
  await saysNot(t, () => colour.forward(ones([300, 28, 28])), 'reshape');
  // Rows of three channels may hold them side by side or one after the other.
  await saysNot(t, () => colour.forward(ones([32, 3072])), 'reshape');
});

test('one-hot rows of bytes or int32 are told from class indices', async (t) => {
  const logits = zeros([2, 3]);
  const rows = lib.Tensor.from(Uint8Array.of(1, 0, 0, 0, 1, 0), [2, 3]);
  for (const target of [rows, rows.to('int32')]) {
    await says(t, () => lib.crossEntropy(logits, target), 'One-hot', "target.to('float32')");
    await says(t, () => new lib.Accuracy().update(logits, target), 'One-hot', "target.to('float32')");
    await says(t, () => lib.crossEntropy(logits.to('float64'), target), "target.to('float64')");
  }
});

test('what other frameworks call so is named where an argument too many or too few comes', async (t) => {
  const x = ones([2, 3]);
  await says(t, () => x.gather(-1 as never, lib.tensor([0, 1]) as never), 'pick(x, index)');
  await says(t, () => x.clip(0, undefined as never), 'x.clip(low, Infinity)');
  await says(t, () => ones([4, 2, 3]).matmul(ones([4, 3, 5])), 'stack(Array.from({ length: 4 }', 'a.slice(i, i + 1).reshape([2, 3])');
  await says(t, () => ones([4, 2, 3]).matmul(ones([3, 5])), 'x.reshape([-1, 3])');
  await saysNot(t, () => ones([3]).matmul(ones([3, 5])), 'stack');
  await says(t, () => new lib.Parameter(x as never, {} as never), '{ init }', 'parameter.data.set(x.data)');
  await says(t, () => new lib.Buffer(x as never), 'buffer.data.set(x.data)', '{ value }');
  const model = new lib.Linear(3, 2);
  const named = { 'net.weight': ones([3, 2]), 'net.bias': ones([2]) };
  await says(t, () => model.loadStateDict(named, { prefix: 'net' }), "'net.'");
  t.deepEqual(model.loadStateDict(named, { prefix: 'net.' }).matched, ['weight', 'bias']);
});
