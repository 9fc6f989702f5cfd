// Proves lib/training/evaluate.ts: scores and predictions in evaluation mode, independent of batches, with modes and tape left alone.

import test from 'ava';
import {
  AbortedError,
  type AnyDataset,
  CombinedLoss,
  type Loss,
  MulticlassHingeLoss,
  SGD,
  TreeDataset,
  Accuracy,
  ArgumentError,
  ConfusionMatrix,
  CrossEntropyLoss,
  Dropout,
  Linear,
  MSELoss,
  ReLU,
  Sequential,
  ShapeError,
  Tensor,
  TensorDataset,
  evaluate,
  noGrad,
  setSeed,
  zeros,
} from '../../lib/index.js';
import { identical } from '../helpers/close.js';
import { Seeded } from '../helpers/seeded.js';

const count = 77;
const data = new TensorDataset(
  Tensor.from(Float32Array.from(new Seeded(1).uniform(count * 3)), [count, 3]),
  Tensor.from(Int32Array.from({ length: count }, (_, i) => i % 4)),
);
const loss = new CrossEntropyLoss();
function makeModel(): Sequential {
  setSeed(2);
  return new Sequential([new Linear(3, 20), new ReLU(), new Dropout(0.5), new Linear(20, 4)]);
}

test('evaluate gives the mean loss per example and the metrics of one pass in evaluation mode, whatever the batches', async (t) => {
  const model = makeModel();
  model.eval();
  const [expected, accuracy] = noGrad(() => {
    const prediction = model.forward(data.inputs);
    const labels = prediction.argmax(-1);
    return [loss.forward(prediction, data.targets).item(), labels.data.filter((label, i) => label === data.targets.data[i]).length / count];
  });
  model.train();
  for (const batchSize of [1, 10, 76, 77, 1000, undefined]) {
    const scores = await model.evaluate(data, { loss, batchSize });
    t.true(Math.abs(scores.loss - expected) < 1e-6);
    t.is(scores.metrics.accuracy, accuracy);
  }
  t.true(model.training);
  const sums = await model.evaluate(data, { loss: new CrossEntropyLoss({ reduction: 'sum' }), metrics: [], batchSize: 10 });
  t.true(Math.abs(sums.loss - expected) < 1e-6, 'a sum over each batch is a mean per example over all');
  t.deepEqual(sums.metrics, {});
});

test('predict gives the bits of one pass, whatever the batches, for tensors and data sets', async (t) => {
  const model = makeModel();
  model.eval();
  const expected = noGrad(() => model.forward(data.inputs));
  model.train();
  for (const batchSize of [1, 7, 77, 500, undefined]) {
    for (const source of [data.inputs, data]) {
      const prediction = await model.predict(source, { batchSize });
      t.deepEqual(prediction.shape, [count, 4]);
      identical(t, prediction.data, expected.data, `batches of ${batchSize}`);
      t.false(prediction.requiresGrad);
    }
  }
  t.true(model.layers[2].training, 'the mode is as before');
  t.deepEqual((await model.predict(zeros([0, 3]))).shape, [0, 4]);
  const input = Tensor.from(new Float32Array(3), [1, 3]);
  input.requiresGrad = true;
  t.false((await model.predict(input)).requiresGrad);
});

test('an error inside leaves modes as they were', async (t) => {
  const model = makeModel();
  model.layers[2].eval();
  await t.throwsAsync(model.predict(zeros([4, 5])), { instanceOf: ShapeError });
  t.true(model.training);
  t.false(model.layers[2].training);
});

test('both stop between two batches when the signal fires, also in the middle', async (t) => {
  const model = makeModel();
  await t.throwsAsync(model.evaluate(data, { loss, signal: AbortSignal.abort() }), { instanceOf: AbortedError });
  await t.throwsAsync(model.predict(data, { signal: AbortSignal.abort() }), { instanceOf: AbortedError });
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 20);
  const endless = { ...data, length: 1 << 30, batch: (rows: Int32Array) => data.batch(rows.map((row) => row % count)) };
  await t.throwsAsync(model.evaluate(endless as never, { loss, batchSize: 8, signal: controller.signal }), { instanceOf: AbortedError });
  t.true(model.training);
});

test('wrong arguments are refused with typed errors', async (t) => {
  const model = makeModel();
  for (const call of [
    () => model.evaluate(data, undefined as never),
    () => model.evaluate(data, {} as never),
    () => model.evaluate(data, { loss, metrics: [1] } as never),
    () => model.evaluate(data, { loss, batchSize: 0 }),
    () => model.evaluate(data, { loss, batchsize: 2 } as never),
    () => model.evaluate(data, { loss, signal: 1 } as never),
    () => model.evaluate(null as never, { loss }),
    () => model.evaluate(new TensorDataset(zeros([0, 3]), zeros([0], { dtype: 'int32' })), { loss }),
    () => model.predict(null as never),
    () => model.predict([1, 2] as never),
    () => model.predict(data, { batchSize: -1 }),
    () => model.predict(data, { batchSize: 1.5 }),
    () => model.predict(new TensorDataset(zeros([0, 3]), zeros([0], { dtype: 'int32' }))),
  ]) {
    await t.throwsAsync(call(), { instanceOf: ArgumentError }, String(call));
  }
  await t.throwsAsync(model.predict(zeros([])), { instanceOf: ShapeError });
  await t.throwsAsync(model.evaluate(data, { loss: new CrossEntropyLoss({ reduction: 'none' }) }), {
    instanceOf: ShapeError,
    message: /one number/,
  });
  await t.throwsAsync(model.evaluate(data, { loss: new MSELoss() }), { instanceOf: ShapeError });
});

test('two metrics of one result are refused by the names of both', async (t) => {
  const data = new TensorDataset(Tensor.from(Float32Array.of(1, 2), [2, 1]), Tensor.from(Int32Array.of(0, 1)));
  const metrics = [new Accuracy(), new ConfusionMatrix()];
  await t.throwsAsync(evaluate(new Linear(1, 2), data, { loss: new CrossEntropyLoss(), metrics }), {
    message: /Accuracy and ConfusionMatrix, give a result called 'accuracy', and one would hide the other: leave one out/,
  });
});

test('a metric keeps nothing from what it measured before', async (t) => {
  const model = makeModel();
  const accuracy = new Accuracy();
  accuracy.update(zeros([5, 4]), Tensor.from(Int32Array.of(3, 3, 3, 3, 3)));
  const { metrics } = await model.evaluate(data, { loss, metrics: [accuracy] });
  t.is(metrics.accuracy, (await model.evaluate(data, { loss })).metrics.accuracy);
});

test('the reported loss is Σ loss / Σ weight over all batches, whatever is ignored, weighted or combined, and whatever the batches', async (t) => {
  const model = makeModel();
  const inputs = data.inputs;
  // Ignored labels come in blocks: whole batches count nothing.
  const labels = Tensor.from(Int32Array.from({ length: count }, (_, i) => (i % 30 < 13 ? 0 : i % 4)));
  const weights = Tensor.from(Float32Array.from({ length: count }, (_, i) => (i % 20 < 9 ? 0 : 1 + (i % 7))));
  const numbers = Tensor.from(Float32Array.from(new Seeded(4).uniform(count * 4)), [count, 4]);
  const plain = new TreeDataset({ inputs, targets: labels });
  const weighted = new TreeDataset({ inputs, targets: labels, weights });
  const classWeights = [0.1, 1, 3, 7];
  const cases: [string, Loss, AnyDataset][] = [
    ['ignored', new CrossEntropyLoss({ ignoreIndex: 0 }), plain],
    ['class weights', new CrossEntropyLoss({ classWeights }), plain],
    ['hinge', new MulticlassHingeLoss({ classWeights, ignoreIndex: 1 }), plain],
    ['weights', new CrossEntropyLoss(), weighted],
    ['all', new CrossEntropyLoss({ classWeights, ignoreIndex: 0 }), weighted],
    ['numbers', new MSELoss(), new TreeDataset({ inputs, targets: numbers, weights })],
    ['combined', new CombinedLoss([[new CrossEntropyLoss({ ignoreIndex: 0 }), 0.3], new MulticlassHingeLoss({ classWeights })]), weighted],
  ];
  for (const [name, own, set] of cases) {
    const whole = (await model.evaluate(set, { loss: own, metrics: [], batchSize: count })).loss;
    for (const batchSize of [1, 8, 40]) {
      const { loss: parts } = await model.evaluate(set, { loss: own, metrics: [], batchSize });
      t.true(Math.abs(parts - whole) < 1e-5 * Math.abs(whole), `${name}, batches of ${batchSize}: ${parts}, ${whole} at once`);
    }
    const sgd = new SGD(model, { lr: 0 });
    const still = new Sequential([model.layers[0], model.layers[1], model.layers[3]]);
    const options = { loss: own, metrics: [], optimizer: sgd, batchSize: 8, validation: set, shuffle: false, log: false } as const;
    for (const eager of [false, true]) {
      const [epoch] = (await still.fit(set, { ...options, eager })).epochs;
      t.true(Math.abs((epoch.validation?.loss ?? 0) - whole) < 1e-5 * Math.abs(whole), `${name}: validation`);
      if (name !== 'combined') t.true(Math.abs(epoch.loss - whole) < 1e-5 * Math.abs(whole), `${name}: epoch, ${epoch.loss}, ${whole}`);
    }
  }
  const nothing = new TreeDataset({ inputs, targets: zeros([count], { dtype: 'int32' }) });
  t.is((await model.evaluate(nothing, { loss: new CrossEntropyLoss({ ignoreIndex: 0 }), metrics: [], batchSize: 10 })).loss, 0);
});

test('an example of weight 0 adds nothing to the loss, however odd its finite numbers; an accuracy counts it', async (t) => {
  const model = makeModel();
  const odd = data.inputs.add(0);
  odd.data.fill(1e6, 3 * 40);
  const weights = Tensor.from(Float32Array.from({ length: count }, (_, i) => Number(i < 40)));
  const labels = data.targets;
  const whole = await model.evaluate(new TreeDataset({ inputs: odd, targets: labels, weights }), { loss, batchSize: 10 });
  const some = await model.evaluate(new TensorDataset(data.inputs.slice(0, 40), labels.slice(0, 40) as Tensor<'int32'>), {
    loss,
    batchSize: 10,
  });
  t.true(Math.abs(whole.loss - some.loss) < 1e-6);
  const { metrics } = await model.evaluate(new TensorDataset(odd, labels), { loss });
  t.is(whole.metrics.accuracy, metrics.accuracy);
});
