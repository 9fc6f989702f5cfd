// Batch normalization layers: the contract, PyTorch's numbers, running statistics, and where these are kept.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import {
  Adam,
  BatchNorm1d,
  BatchNorm2d,
  compileStep,
  crossEntropy,
  CrossEntropyLoss,
  fromBytes,
  type Layer,
  Linear,
  mseLoss,
  noGrad,
  ReLU,
  Sequential,
  SGD,
  setSeed,
  ShapeError,
  Tensor,
  TensorDataset,
  tensor,
} from '../../lib/index.js';
import { batchNormStatistics } from '../../lib/ops/batch_norm.js';
import { layerContract } from '../contracts/layer.js';
import { f32, f64 } from '../helpers/build.js';
import { close, identical } from '../helpers/close.js';
import { type Stored, normsGolden } from '../helpers/norms-golden.js';
import { Seeded } from '../helpers/seeded.js';

const values = (t: Tensor | null): number[] => [...(t as Tensor).data];

test('BatchNorm1d keeps the contract of layers [D08]', (t) => {
  layerContract(t, {
    create: () => new BatchNorm1d(5),
    inputShape: [4, 5],
    outputShape: [4, 5],
    parameters: { weight: [5], bias: [5] },
    refuses: [
      [[4, 6], /5 channels/],
      [[4], /\[N, 5\]/],
      [[1, 5], /more than one value/],
    ],
  });
});

test('BatchNorm2d keeps the contract of layers', (t) => {
  layerContract(t, {
    create: () => new BatchNorm2d(3),
    inputShape: [2, 2, 3, 3],
    outputShape: [2, 2, 3, 3],
    parameters: { weight: [3], bias: [3] },
    refuses: [
      [[2, 3], /\[N, H, W, 3\]/],
      [[1, 1, 1, 3], /more than one value/],
    ],
  });
});

for (const dtype of ['float64', 'float32'] as const) {
  test(`training, running statistics and evaluation are PyTorch's in ${dtype}, gradients included`, (t) => {
    const absolute = dtype === 'float64' ? 1e-12 : 2e-5;
    const build = (stored: Stored): Tensor => (dtype === 'float64' ? f64 : f32)(Float64Array.from(stored.values), stored.shape) as Tensor;
    for (const one of normsGolden().batch) {
      const name = `[${one.shape}]`;
      const channels = one.shape[one.shape.length - 1];
      const { eps, momentum, affine } = one;
      const layer = new (one.shape.length === 4 ? BatchNorm2d : BatchNorm1d)(channels, { eps, momentum, affine }).to(dtype);
      for (const [i, parameter] of layer.parameters().entries()) parameter.data.set(one.parameters[i]);
      for (const [s, step] of one.steps.entries()) {
        layer.train(s < 3);
        for (const parameter of layer.parameters()) parameter.grad = null;
        const x = build(step.input);
        x.requiresGrad = true;
        const y = layer.forward(x);
        y.mul(build(step.upstream)).sum().backward();
        close(t, y, { data: Float64Array.from(step.output.values), shape: one.shape }, { absolute }, `${name}, step ${s}`);
        for (const [i, leaf] of [x, ...layer.parameters()].entries()) {
          const { values: wanted, shape } = step.gradients[i];
          close(
            t,
            leaf.grad as Tensor,
            { data: Float64Array.from(wanted), shape },
            { absolute: absolute * 4 },
            `${name}, step ${s}, gradient ${i}`,
          );
        }
        if (step.runningMean === undefined || step.runningVar === undefined) continue;
        close(t, layer.runningMean as Tensor, { data: Float64Array.from(step.runningMean), shape: [channels] }, { absolute }, `${name}, mean`);
        close(
          t,
          layer.runningVar as Tensor,
          { data: Float64Array.from(step.runningVar), shape: [channels] },
          { absolute },
          `${name}, variance`,
        );
      }
      t.is(layer.numBatchesTracked?.item(), one.batches);
    }
  });
}

test('one to four become standardized with the variance of the population, and factor and shift follow [D02, D03, D06, P09]', (t) => {
  const x = f64([1, 2, 3, 4], [4, 1]) as never as Tensor;
  const layer = new BatchNorm1d(1).to('float64');
  close(t, layer.forward(x), { data: [-1.3416354, -0.4472118, 0.4472118, 1.3416354], shape: [4, 1] }, { absolute: 1e-7 });
  layer.weight?.data.fill(2);
  layer.bias?.data.fill(3);
  close(t, layer.forward(x), { data: [0.3167, 2.1056, 3.8944, 5.6833], shape: [4, 1] }, { absolute: 1e-4 });
  identical(t, new BatchNorm1d(1).forward(f32([3, 3, 3], [3, 1])), f32([0, 0, 0], [3, 1]), 'a constant batch gives zeros');
});

test('the factor that gives the input back is the standard deviation, not the variance [D07, P11]', (t) => {
  const x = f64([1, 2, 3, 4], [4, 1]) as never as Tensor;
  const layer = new BatchNorm1d(1).to('float64');
  layer.bias?.data.fill(2.5);
  layer.weight?.data.fill(Math.sqrt(1.25 + 1e-5));
  close(t, layer.forward(x), { data: [1, 2, 3, 4], shape: [4, 1] }, { absolute: 1e-6 });
  layer.weight?.data.fill(1.25);
  t.true(Math.abs(layer.forward(x).data[0] - 1) > 0.1);
});

test('every feature comes out with mean 0 and variance 1, and images share one mean per channel [D01, D04, D26, P10]', (t) => {
  const x = f32(new Seeded(3).uniform(2 * 4 * 4 * 3, 5, 9), [2, 4, 4, 3]);
  const y = new BatchNorm2d(3).forward(x);
  identical(t, y.reshape([32, 3]), new BatchNorm1d(3).forward(x.reshape([32, 3])), 'as rows of channels');
  const [mean, variance] = batchNormStatistics(y);
  for (const value of mean.data) t.true(Math.abs(value) < 1e-4);
  for (const value of variance.data) t.true(Math.abs(value - 1) < 1e-4);
});

test('the gradient goes through mean and variance: over the batch it sums to nothing [D09, P12]', (t) => {
  const x = f64(new Seeded(1).uniform(12), [6, 2]) as never as Tensor;
  x.requiresGrad = true;
  new BatchNorm1d(2).to('float64').forward(x).pow(3).sum().backward();
  for (const sum of (x.grad as Tensor).sum(0).data) t.true(Math.abs(sum) < 1e-12);
});

test('running statistics follow by a tenth, with the unbiased variance [D11]', (t) => {
  const layer = new BatchNorm1d(1);
  layer.forward(f32([1, 2, 3, 4], [4, 1]));
  t.deepEqual(values(layer.runningMean), [0.25]);
  t.is(values(layer.runningVar)[0], Math.fround(0.9 + 0.1 * (5 / 3)));
  t.is(layer.numBatchesTracked?.item(), 1);
  const average = new BatchNorm1d(1, { momentum: null });
  for (const shift of [0, 2, 7]) average.forward(f32([1 + shift, 3 + shift], [2, 1]));
  t.is(values(average.runningMean)[0], 5);
  t.is(values(average.runningVar)[0], 2);
});

test('an example in evaluation mode does not know its batch, in training mode it does [D10, D12, F12, P53]', (t) => {
  const layer = new BatchNorm1d(3);
  const rows = new Seeded(2).uniform(12);
  const [a, b] = [f32(rows, [4, 3]), f32([...rows.slice(0, 3), ...new Seeded(8).uniform(9)], [4, 3])];
  t.notDeepEqual(values(layer.forward(a)).slice(0, 3), values(layer.forward(b)).slice(0, 3));
  layer.eval();
  t.deepEqual(values(layer.forward(a)).slice(0, 3), values(layer.forward(b)).slice(0, 3));
});

test('a mean a million times the standard deviation costs no accuracy, in blocks and their union', (t) => {
  for (const [rows, channels] of [
    [700, 16],
    [1000, 3],
    [600, 70],
    [5, 4],
  ]) {
    const x = Float32Array.from(new Seeded(rows).uniform(rows * channels), (value, i) => value * 1.7 + 1e6 * (1 + (i % channels)));
    const [mean, variance] = batchNormStatistics(f32(x, [rows, channels]));
    const y = new BatchNorm1d(channels).forward(f32(x, [rows, channels]));
    for (let c = 0; c < channels; c++) {
      const column = Array.from({ length: rows }, (_, r) => x[r * channels + c]);
      const exact = column.reduce((sum, value) => sum + (value - x[c]), 0) / rows + x[c];
      const spread = column.reduce((sum, value) => sum + (value - exact) * (value - exact), 0) / rows;
      t.true(Math.abs(mean.data[c] - exact) <= 1e-6 * Math.sqrt(spread), `${rows}×${channels}: mean of ${c}`);
      t.true(Math.abs(variance.data[c] - spread) <= 1e-6 * spread, `${rows}×${channels}: variance of ${c}`);
      const wanted = (column[1] - exact) / Math.sqrt(spread + 1e-5);
      t.true(Math.abs(y.data[channels + c] - wanted) < 1e-5, `${rows}×${channels}: ${y.data[channels + c]}, not ${wanted}`);
    }
  }
});

test('without running statistics evaluation uses the batch; without affine there is nothing to learn', (t) => {
  const layer = new BatchNorm1d(2, { affine: false, trackRunningStats: false });
  t.is(layer.parameterCount(), 0);
  t.is(layer.namedBuffers().size, 0);
  const x = f32([1, 2, 3, 5], [2, 2]);
  const trained = layer.forward(x);
  identical(t, layer.eval().forward(x), trained);
  t.throws(() => layer.forward(f32([1, 2], [1, 2])), { instanceOf: ShapeError, message: /more than one value/ });
});

// ---- state ----

const net = (): Sequential => new Sequential([new Linear(4, 6), new BatchNorm1d(6), new ReLU(), new Linear(6, 3)]);

function trained(): Sequential {
  setSeed(4);
  const model = net();
  noGrad(() => model.forward(f32(new Seeded(1).uniform(20), [5, 4])));
  return model;
}

const state = (model: Layer): Record<string, number[]> =>
  Object.fromEntries([...model.stateDict()].map(([path, item]) => [path, [...(item as Tensor).data]]));

test('buffers are part of the state, not of the parameters', (t) => {
  const model = trained();
  t.deepEqual([...model.namedBuffers().keys()], ['1.runningMean', '1.runningVar', '1.numBatchesTracked']);
  t.deepEqual([...model.stateDict().keys()].slice(2, 7), ['1.weight', '1.bias', '1.runningMean', '1.runningVar', '1.numBatchesTracked']);
  t.is(model.parameterCount(), 30 + 12 + 21);
  t.is(model.parameters().length, 6);
});

test('running statistics are saved, loaded, cloned and converted', (t) => {
  const model = trained();
  const before = state(model);
  t.notDeepEqual(before['1.runningMean'], [0, 0, 0, 0, 0, 0]);
  t.deepEqual(state(fromBytes(model.toBytes())), before);
  const twin = model.clone();
  t.deepEqual(state(twin), before);
  twin.train();
  noGrad(() => twin.forward(f32(new Seeded(2).uniform(20), [5, 4])));
  t.notDeepEqual(state(twin), before);
  t.deepEqual(state(model), before, "a clone's statistics are its own");
  const other = net();
  other.loadStateDict(model.stateDict());
  t.deepEqual(state(other), before);
  const double = model.clone().to('float64');
  t.deepEqual(state(double), before);
  t.deepEqual(
    [...double.namedBuffers().values()].map(({ dtype }) => dtype as string),
    ['float64', 'float64', 'int32'],
  );
  t.throws(() => other.loadStateDict(new Map([...model.stateDict()].filter(([path]) => !path.includes('running')))), {
    message: /missing 1.runningMean/,
  });
});

test('a compiled step updates running statistics, with the bits of the eager one', async (t) => {
  const run = async (compiled: boolean) => {
    setSeed(5);
    const model = net();
    const optimizer = new Adam(model, { lr: 1e-2 });
    const body = (x: Tensor, y: Tensor<'int32'>) => {
      const loss = crossEntropy(model.forward(x), y);
      loss.backward();
      optimizer.step();
      optimizer.zeroGrad();
      return loss;
    };
    const step = compiled ? compileStep(body) : body;
    for (let i = 0; i < 5; i++) await step(f32(new Seeded(i).uniform(32), [8, 4]), Tensor.from(Int32Array.of(0, 1, 2, 0, 1, 2, 0, 1)));
    return state(model);
  };
  t.deepEqual(await run(true), await run(false));
});

for (const eager of [false, true]) {
  test(`a step whose loss is not finite leaves running statistics alone, eager: ${eager}`, async (t) => {
    const model = trained();
    const before = state(model);
    const x = Float32Array.from(new Seeded(2).uniform(32));
    x[9] = Number.NaN;
    const data = new TensorDataset(Tensor.from(x, [8, 4]), Tensor.from(Int32Array.of(0, 1, 2, 0, 1, 2, 0, 1)));
    const options = {
      loss: new CrossEntropyLoss(),
      optimizer: new SGD(model, { lr: 0.1 }),
      epochs: 1,
      batchSize: 8,
      progress: false,
      log: false as const,
    };
    await t.throwsAsync(model.fit(data, { ...options, eager }), { message: /not finite/ });
    t.deepEqual(state(model), before);
  });
}

test('a resumed run goes on with the running statistics of its checkpoint', async (t) => {
  const data = new TensorDataset(f32(new Seeded(3).uniform(96), [24, 4]), Tensor.from(Int32Array.from({ length: 24 }, (_, i) => i % 3)));
  const run = async (epochs: readonly number[]) => {
    const dir = mkdtempSync(join(tmpdir(), 'nodegrad-norm-'));
    let model = net();
    for (const until of epochs) {
      setSeed(6);
      model = net();
      const optimizer = new SGD(model, { lr: 0.1, momentum: 0.9 });
      const options = { loss: new CrossEntropyLoss(), optimizer, batchSize: 8, progress: false, log: false as const };
      await model.fit(data, { ...options, epochs: until, checkpoint: { dir }, resume: true });
    }
    rmSync(dir, { recursive: true });
    return state(model);
  };
  const whole = await run([4]);
  t.deepEqual(whole['1.numBatchesTracked'], [12]);
  t.deepEqual(await run([1, 3, 4]), whole);
});

test('a batch of one value per channel is refused before anything is written', (t) => {
  const model = trained();
  const before = state(model);
  t.throws(() => mseLoss(model.forward(tensor([[1, 2, 3, 4]])), tensor([[0, 0, 0]])), {
    instanceOf: ShapeError,
    message: /in layer '1'.*eval\(\)/,
  });
  t.deepEqual(state(model), before);
});
