// What targets may be and what they are taken for: one output, class indices of either integer type, labels that count from 1.
import test from 'ava';
import * as lib from '../../lib/index.js';
import { says, saysNot } from '../helpers/words.js';

const silent = { progress: false, log: false } as const;
const { tensor, zeros, ones } = lib;
const indices = (...values: number[]): lib.Tensor<'int32'> => lib.Tensor.from(Int32Array.from(values));
const bytes = (values: number[], shape: number[]): lib.Tensor<'uint8'> => lib.Tensor.from(Uint8Array.from(values), shape);

test('accuracy and cross-entropy refuse scores of one class, of which the first is always the best', async (t) => {
  const targets = tensor([[1], [0], [1]]);
  const scores = tensor([[0.9], [0.1], [0.8]]);
  for (const target of [targets, indices(0, 0, 0)]) {
    await says(t, () => new lib.Accuracy().update(scores, target), '[3, 1]', 'at least two classes', 'Linear(…, 2)', 'CrossEntropyLoss');
    await says(t, () => lib.crossEntropy(scores, target as never), '[3, 1]', 'at least two classes', 'Linear(…, 2)', 'mseLoss');
  }
  const x = ones([8, 4]);
  const binary = new lib.Sequential([new lib.Linear(4, 1), new lib.Sigmoid()]);
  const optimizer = new lib.SGD(binary, { lr: 0.1 });
  const data = new lib.TensorDataset(x, zeros([8, 1]));
  await says(t, () => binary.fit(data, { loss: new lib.MSELoss(), metrics: [new lib.Accuracy()], optimizer, ...silent }), 'two classes');
  await says(t, () => binary.fit(data, { loss: new lib.CrossEntropyLoss(), optimizer, ...silent }), 'two classes');
});

test('accuracy takes no row of numbers for one example with scores: a batch of single scores looks the same', async (t) => {
  await says(
    t,
    () => new lib.Accuracy().update(tensor([0.9, 0.1, 0.8, 0.2]), tensor([1, 0, 1, 1])),
    '[4]',
    'scores of shape [examples, classes]',
  );
  const one = new lib.Accuracy();
  one.update(tensor([0.1, 0.9]), lib.Tensor.from(Int32Array.of(1), []));
  t.is(one.result(), 1, 'scores of one example beside its class index');
});

test('class indices of bytes are class indices: for names of classes, their checks, and stratified splits', async (t) => {
  const labels = bytes([0, 0, 0, 0, 1, 1, 1, 1], [8]);
  const data = new lib.TensorDataset(ones([8, 2]), labels, { classes: ['no', 'yes'] });
  t.deepEqual([...data.labels()], [0, 0, 0, 0, 1, 1, 1, 1]);
  t.true(data.labels() instanceof Int32Array);
  for (const part of lib.split(data, [0.5, 0.5], { stratify: true })) {
    t.deepEqual([...(part.labels?.() ?? [])].sort(), [0, 0, 1, 1]);
  }
  // The same for a set of the user's own that makes its batches.
  const own: lib.Dataset<'float32', 'uint8'> = {
    name: 'own',
    length: 8,
    inputShape: [2],
    targetShape: [],
    batch: (rows) => data.batch(rows),
  };
  const [half] = lib.split(own, [4, 4], { stratify: true });
  t.is(
    half
      .batch(Int32Array.of(0, 1, 2, 3))
      .targets.to('float32')
      .sum()
      .item(),
    2,
  );
  await says(t, () => new lib.TensorDataset(ones([2, 2]), bytes([0, 2], [2]), { classes: 2 }), 'from 0 to 1', 'received 2 at row 1');
});

test('labels that count from 1 come with the line that makes them count from 0', async (t) => {
  const line = ".to('float32').sub(1).to('int32')";
  await says(t, () => new lib.TensorDataset(ones([3, 2]), indices(1, 2, 3), { classes: 3 }), `targets${line}`);
  await says(t, () => lib.crossEntropy(zeros([3, 3]), indices(1, 3, 2)), `target${line}`);
  t.deepEqual(indices(1, 2, 3).to('float32').sub(1).to('int32').toArray(), [0, 1, 2]);
  // Compiled and eager steps say the same.
  for (const eager of [false, true]) {
    const model = new lib.Linear(2, 3);
    const data = new lib.TensorDataset(ones([3, 2]), indices(1, 2, 3));
    const options = { loss: new lib.CrossEntropyLoss(), optimizer: new lib.SGD(model, { lr: 0.1 }), eager, ...silent };
    await says(t, () => lib.fit(model, data, options), `target${line}`);
  }
  // Other numbers that are out of range are no such labels, nor are they with a 0 among them.
  await saysNot(t, () => new lib.TensorDataset(ones([3, 2]), indices(0, 2, 3), { classes: 3 }), line);
  await saysNot(t, () => lib.crossEntropy(zeros([3, 3]), indices(1, 7, 2)), line);
  await saysNot(t, () => lib.crossEntropy(zeros([3, 3]), indices(1, -1, 2)), line);
});

test('a loss of one’s own can ask that target and prediction have one shape, and says how to get there', async (t) => {
  class MeanAbsoluteError extends lib.Loss {
    forward(prediction: lib.Tensor, target: lib.Tensor): lib.Tensor {
      this.requireSameShape(prediction, target);
      return prediction.sub(target).abs().mean();
    }
  }
  const loss = new MeanAbsoluteError();
  t.is(loss.forward(tensor([[1], [2]]), tensor([[0], [0]])).item(), 1.5);
  await says(t, () => loss.forward(zeros([32, 1]), zeros([32])), '[MeanAbsoluteError]', '[32, 1]', '[32]', 'target.reshape([-1, 1])');
});
