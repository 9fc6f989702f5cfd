// What can be known of a run before it begins is said before, and what fails on the way names its example in the data set.

import test from 'ava';
import {
  ArgumentError,
  Accuracy,
  type AnyLayer,
  type AnyTensor,
  BatchNorm1d,
  CrossEntropyLoss,
  type Dataset,
  type DType,
  Dropout,
  IndexError,
  Layer,
  Linear,
  MSELoss,
  ReLU,
  SGD,
  Sequential,
  ShapeError,
  Tensor,
  TensorDataset,
  TrainingNonFiniteError,
  crossEntropy,
  dropout,
  getSeed,
  setSeed,
  subset,
  evaluate,
  predict,
  fit,
} from '../../lib/index.js';
import { quiet } from '../helpers/training.js';

const loss = new CrossEntropyLoss();

function numbers(count: number, labels: (i: number) => number = (i) => i % 3, width = 4): TensorDataset {
  const x = Float32Array.from({ length: count * width }, (_, i) => ((i * 37) % 101) / 101 - 0.5);
  return new TensorDataset(Tensor.from(x, [count, width]), Tensor.from(Int32Array.from({ length: count }, (_, i) => labels(i))), {
    name: 'mine',
  });
}

/** The same as a set that makes its batches itself. */
function made({ name, length, inputShape, targetShape, inputs, targets }: TensorDataset): Dataset {
  return {
    name,
    length,
    inputShape,
    targetShape,
    batch: (indices) => ({ inputs: inputs.gather(Tensor.from(indices)), targets: targets.gather(Tensor.from(indices)) }),
  };
}

/** Trains, and gives the steps that were taken and what was thrown. */
async function train(model: AnyLayer, data: Dataset<DType, DType>, more: object = {}): Promise<{ steps: number; error: Error | null }> {
  const optimizer = new SGD(model, { lr: 0.01 });
  try {
    await fit(model, data, { ...quiet, loss, optimizer, batchSize: 4, seed: 1, ...more });
    return { steps: optimizer.steps, error: null };
  } catch (error) {
    return { steps: optimizer.steps, error: error as Error };
  }
}

const normed = (): Sequential => new Sequential([new Linear(4, 3), new BatchNorm1d(3)]);

test('a last batch that a layer cannot take is refused before the first step, with the ways out (fault F32)', async (t) => {
  const { steps, error } = await train(normed(), numbers(9));
  t.is(steps, 0);
  t.true(error instanceof ShapeError);
  t.regex(
    error!.message,
    /^the last batch of an epoch has 1 example \(of 9, in batches of 4\): .*more than one value per channel.*`dropLast: true` leaves it out; another `batchSize`/,
  );
  t.is((await train(normed(), numbers(9), { dropLast: true })).error, null);
  t.is((await train(normed(), numbers(10))).error, null);
  t.is((await train(normed(), numbers(9), { batchSize: 9 })).error, null);
  t.is((await train(normed(), numbers(9), { epochs: 0 })).error, null, 'no epoch, no last batch');
  t.regex((await train(normed(), numbers(1))).error!.message, /^in layer '1': \[batchNorm\]/, 'the first batch speaks for itself');
});

test('class indices in memory that the model has no score for are refused before the first step, with row and data set (faults F32, R20)', async (t) => {
  const bad = numbers(64, (i) => (i === 41 ? 7 : i % 3));
  for (const [data, row] of [
    [bad, 41],
    [subset(bad, [5, 41, 3]), 1],
  ] as const) {
    const { steps, error } = await train(new Linear(4, 3), data);
    t.is(steps, 0);
    t.true(error instanceof ArgumentError);
    t.true(
      error!.message.startsWith(`class index 7 of row ${row} of data set '${data.name}' lies outside 0 … 2: the model gives 3 scores`),
      error!.message,
    );
  }
  const good = numbers(64);
  t.regex(
    (await train(new Linear(4, 3), good, { validation: bad })).error!.message,
    /^the validation data 'mine' do not fit: class index 7 of row 41 of data set 'mine'/,
  );
  t.is((await train(new Linear(4, 3), subset(bad, [1, 2, 3]))).error, null, 'a row that is not in the set is no matter');
  const tail = numbers(66, (i) => (i === 65 ? 7 : i % 3));
  t.is((await train(new Linear(4, 3), tail, { dropLast: true, shuffle: false })).error, null, 'nor one that no batch ever holds');
  class Ignoring extends CrossEntropyLoss {
    override forward(prediction: AnyTensor, target: AnyTensor): never {
      return crossEntropy(prediction as Tensor, target.equal(7).to('int32') as Tensor<'int32'>) as never;
    }
  }
  t.is((await train(new Linear(4, 3), bad, { loss: new Ignoring() })).error, null, 'a loss of a user may know what 7 means');
});

test('validation data that do not fit are refused before the first step, whatever of them it is (fault F32)', async (t) => {
  const wide = numbers(16, undefined, 5);
  const floats = new TensorDataset(numbers(16).inputs, Tensor.from(new Float64Array(16), [16]));
  for (const [validation, message] of [
    [wide, /^the validation data 'mine' do not fit: .*expected 4 input features/],
    [floats, /^the validation data 'data' do not fit: \[crossEntropy\] .*received float64/],
  ] as [Dataset, RegExp][]) {
    const { steps, error } = await train(new Linear(4, 3), numbers(16), { validation });
    t.is(steps, 0);
    t.regex(error!.message, message);
  }
});

test('two metrics of one name are refused (fault F32)', async (t) => {
  const model = new Linear(4, 3);
  const metrics = [new Accuracy(), new Accuracy()];
  t.regex(
    (await train(model, numbers(16), { metrics })).error!.message,
    /two of `options\.metrics`, Accuracy and Accuracy, give a result called 'accuracy'/,
  );
});

test('the look before a run changes nothing in it, and refuses nothing that works (fault F32)', async (t) => {
  class Noisy extends Layer {
    calls = 0;
    forward(x: Tensor): Tensor {
      return this.training ? dropout(x, 0.5) : x;
    }
  }
  class Reading extends Layer {
    forward(x: Tensor): Tensor {
      if (Number(x.data[0]) > 1e9) throw new ShapeError('too large');
      return x.mul(x.abs().max().item() + 1);
    }
  }
  const weights = async (data: Dataset<DType, DType>): Promise<number[]> => {
    setSeed(getSeed());
    const model = new Sequential([new Linear(4, 8), new ReLU(), new Dropout(0.2), new Noisy(), new Linear(8, 3)]);
    t.is((await train(model, data, { validation: data, epochs: 2 })).error, null);
    t.true(model.training);
    return model.parameters().flatMap(({ data: values }) => [...values]);
  };
  t.deepEqual(await weights(numbers(30)), await weights(made(numbers(30))), 'a set that makes its batches itself is not looked at');
  const reading = new Sequential([new Linear(4, 3), new Reading()]);
  t.is((await train(reading, numbers(9), { eager: true, validation: numbers(9) })).error, null);
});

test('a label out of range names itself, the range, its row in the data set, batch and epoch, in fit and in evaluate (faults R20, F31)', async (t) => {
  const size = 512;
  const data = made(numbers(size, (i) => (i === 300 ? 7 : i % 3)));
  for (const how of [{}, { eager: true }, { callbacks: [{ onBatchEnd: () => {} }] }]) {
    const { steps, error } = await train(new Linear(4, 3), data, how);
    t.true(error instanceof ArgumentError);
    t.regex(error!.message, /class index 7 .*lies outside 0 … 2/);
    const [, row, batch] = /row (\d+) of data set 'mine' \(rows count from 0; batch (\d+) of epoch 1\)$/.exec(error!.message) ?? [];
    t.is(Number(row), 300, error!.message);
    t.is(Number(batch), steps + 1, 'shuffled: the batch after the last good one');
  }
  const model = new Linear(4, 3);
  for (const batchSize of [size, 200, 16, 1]) {
    const error = await t.throwsAsync(evaluate(model, data, { loss, batchSize }), { instanceOf: ArgumentError });
    t.regex(error!.message, /class index 7 .*lies outside 0 … 2/);
    t.true(
      error!.message.endsWith(`see row 300 of data set 'mine' (rows count from 0; batch ${Math.floor(300 / batchSize) + 1})`),
      error!.message,
    );
  }
});

test('an index of a table that the input holds is found in the same way (fault R20)', async (t) => {
  class Table extends Layer<Tensor<'int32'>, Tensor> {
    readonly weight = new Linear(5, 3);
    forward(x: Tensor<'int32'>): Tensor {
      return this.weight.weight.gather(x.reshape([x.shape[0]]));
    }
  }
  const ids = Int32Array.from({ length: 64 }, (_, i) => (i === 33 ? 9 : i % 5));
  const data = new TensorDataset(Tensor.from(ids, [64, 1]), numbers(64).targets, { name: 'words' }) as unknown as Dataset;
  const model = new Table();
  model.weight.bias!.requiresGrad = false;
  for (const batchSize of [64, 8]) {
    const error = await t.throwsAsync(evaluate(model as AnyLayer, data, { loss, batchSize }), { instanceOf: IndexError });
    t.regex(error!.message, /row index 9 at position \d+ lies outside 0 … 4: .*see row 33 of data set 'words'/);
    const predicted = await t.throwsAsync(predict(model as AnyLayer, data, { batchSize }), { instanceOf: IndexError });
    t.regex(predicted!.message, /row 33 of data set 'words'/);
  }
});

test('a number that is not finite names its row in the data set (fault R20)', async (t) => {
  const data = numbers(64);
  data.inputs.data[37 * 4 + 2] = Number.NaN;
  const { error } = await train(new Linear(4, 3), data);
  t.true(error instanceof TrainingNonFiniteError);
  t.regex(
    error!.message,
    /inputs of the batch are not finite: row 37 of data set 'mine' \(rows count from 0; batch \d+ of epoch 1\), example \d of the batch holds NaN/,
  );
});

test('targets of the wrong shape are still an error of the first step (fault F32)', async (t) => {
  const data = new TensorDataset(numbers(16).inputs, Tensor.from(new Float32Array(32), [16, 2]));
  const { steps, error } = await train(new Linear(4, 3), data as never, { loss: new MSELoss() });
  t.is(steps, 0);
  t.regex(error!.message, /^\[mseLoss\] expected a target of shape \[4, 3\], received \[4, 2\]/);
});
