// Statistics of batch norm that are computed anew.
import test from 'ava';
import {
  ArgumentError,
  BatchNorm1d,
  DataLoader,
  Dropout,
  Linear,
  ReLU,
  reestimateStatistics,
  Sequential,
  SGD,
  StandardScaler,
  Tensor,
  TensorDataset,
  zeros,
} from '../../lib/index.js';
import { close } from '../helpers/close.js';
import { Seeded } from '../helpers/seeded.js';

test('statistics are computed anew with all other layers as in evaluation, and modes stay', async (t) => {
  const model = new Sequential([new Linear(3, 4), new BatchNorm1d(4), new ReLU(), new Dropout(0.5), new Linear(4, 4), new BatchNorm1d(4)]);
  const random = new Seeded(3);
  const x = Tensor.from(Float32Array.from(random.uniform(60, -2, 3)), [20, 3]);
  model.forward(x);
  const batches = [x.slice(0, 10), x.slice(10, 20)] as Tensor[];
  t.is(await reestimateStatistics(model, batches), 2);
  const once = [...model.stateDict()].map(([path, { data }]) => [path, [...data]]);
  t.is(await reestimateStatistics(model, new DataLoader(new TensorDataset(x, zeros([20])), { batchSize: 10 })), 2);
  t.deepEqual(
    [...model.stateDict()].map(([path, { data }]) => [path, [...data]]),
    once,
    'without masks of dropout, and of no other state, twice is once',
  );
  t.is(await reestimateStatistics(model, batches, { batches: 1 }), 1);
  t.true(model.training);
  model.eval();
  await reestimateStatistics(model, batches);
  t.false((model.layers[1] as BatchNorm1d).training);
  t.is((model.layers[1] as BatchNorm1d).momentum, 0.1);
  const before = [...model.stateDict()].map(([path, { data }]) => [path, [...data]]);
  await t.throwsAsync(reestimateStatistics(model, []), { instanceOf: ArgumentError, message: /at least one batch/ });
  await t.throwsAsync(reestimateStatistics(model, [x, 3]), { instanceOf: ArgumentError, message: /batch 1/ });
  await t.throwsAsync(reestimateStatistics(model, 3 as never), { instanceOf: ArgumentError, message: /batches/ });
  t.deepEqual([...model.stateDict()].map(([path, { data }]) => [path, [...data]]), before); // biome-ignore format: one line
  new SGD(model, { lr: 0.1 });
});

test('statistics are computed over data as fit, evaluate and predict take them: what the preprocessing of the model makes of them', async (t) => {
  const x = Tensor.from(Float32Array.from(new Seeded(4).uniform(60, 900, 1100)), [20, 3]);
  const model = new Sequential([new BatchNorm1d(3)]);
  const scaler = new StandardScaler().fit(x);
  model.preprocessing = scaler;
  const [norm] = model.layers as [BatchNorm1d];
  const data = new TensorDataset(x, zeros([20]));
  const inputs = scaler.transform(x) as Tensor;
  for (const batches of [[x], [[x, zeros([20])]], new DataLoader(data, { batchSize: 20 })]) {
    norm.runningMean?.data.fill(7);
    t.is(await reestimateStatistics(model, batches), 1);
    close(t, norm.runningMean as never, inputs.mean(0) as never, { absolute: 1e-5 });
    t.true(norm.runningVar?.data.every((variance: number) => Math.abs(variance - 1) < 0.1));
  }
});
