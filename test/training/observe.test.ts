// Observed steps: they train the bits of plain steps, and say what plain JavaScript finds in the same tensors.

import test from 'ava';
import {
  Adam,
  type AnyLayer,
  ArgumentError,
  BatchNorm1d,
  clipGradNorm,
  compileStep,
  Constant,
  Conv2d,
  crossEntropy,
  decodeObservation,
  Dropout,
  full,
  Layer,
  judgeUpdateRatio,
  Linear,
  type Observation,
  observed,
  type Optimizer,
  Parameter,
  ReLU,
  Sequential,
  SGD,
  setSeed,
  Tanh,
  Tensor,
  tensor,
} from '../../lib/index.js';
import { observeForward } from '../../lib/layers/forward.js';
import { Seeded } from '../helpers/seeded.js';

function setting(make: (model: Sequential) => Optimizer = (model) => new Adam(model, { lr: 1e-2 })) {
  setSeed(6);
  const model = new Sequential([new Linear(12, 40), new ReLU(), new Dropout(0.2), new Linear(40, 20), new Tanh(), new Linear(20, 5)]);
  const optimizer = make(model);
  const random = new Seeded(2);
  const batches = Array.from({ length: 7 }, () => {
    const x = Tensor.from(Float32Array.from(random.uniform(16 * 12)), [16, 12]);
    return [x, Tensor.from(Int32Array.from({ length: 16 }, () => random.integer(5)))] as const;
  });
  const forwardAndBackward = (x: Tensor, y: Tensor<'int32'>) => {
    optimizer.zeroGrad();
    const loss = crossEntropy(model.forward(x), y);
    loss.backward();
    return loss;
  };
  const update = (): void => {
    clipGradNorm(model, 0.2);
    optimizer.step();
  };
  const plain = (x: Tensor, y: Tensor<'int32'>) => {
    const loss = forwardAndBackward(x, y);
    update();
    return loss;
  };
  const watched = (x: Tensor, y: Tensor<'int32'>) => observed(model, optimizer, () => forwardAndBackward(x, y), update);
  return { model, optimizer, batches, forwardAndBackward, plain, watched };
}

const weightsOf = (model: AnyLayer): number[][] => model.parameters().map((parameter) => [...parameter.data]);
const normOf = (x: Iterable<number>): number => Math.sqrt([...x].reduce((sum, value) => sum + value * value, 0));
const near = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-12 * Math.abs(b);

test('a step observed every ten trains the bits of plain training, and the observations are those of eager steps', (t) => {
  const train = (mode: 'plain' | 'eager' | 'compiled') => {
    const { model, optimizer, batches, plain, watched } = setting();
    const step = compileStep(plain);
    const tenth = compileStep(watched);
    const losses: number[] = [];
    const observations: Observation[] = [];
    for (let i = 0; i < 40; i++) {
      const [x, y] = batches[i % batches.length];
      if (mode === 'plain' || i % 10 !== 0) {
        losses.push((mode === 'compiled' ? step.sync(x, y) : plain(x, y)).item());
        continue;
      }
      const { result, observation } = mode === 'compiled' ? tenth.sync(x, y) : watched(x, y);
      losses.push(result.item());
      observations.push(decodeObservation(observation, optimizer.steps));
    }
    step.dispose();
    tenth.dispose();
    return { losses, weights: weightsOf(model), observations };
  };
  const [plain, eager, compiled] = [train('plain'), train('eager'), train('compiled')];
  t.deepEqual(eager.losses, plain.losses);
  t.deepEqual(eager.weights, plain.weights);
  t.deepEqual(compiled, eager);
  t.deepEqual(
    compiled.observations.map(({ step }) => step),
    [1, 11, 21, 31],
  );
});

test('[J24] [J27] an observation is what plain JavaScript finds in the tensors of an eager step', (t) => {
  const { model, batches, forwardAndBackward, watched } = setting();
  const [x, y] = batches[0];
  const twin = setting();
  const outputs = new Map<string, Tensor>();
  observeForward(
    (_layer, path, output) => {
      if (path !== '') outputs.set(path, output as Tensor);
    },
    () => twin.forwardAndBackward(x, y),
  );
  const [before, gradients] = [weightsOf(twin.model), twin.model.parameters().map((p) => [...(p.grad as Tensor).data])];
  const { observation } = compileStep(watched).sync(x, y);
  const { layers, parameters } = decodeObservation(observation, 1);
  t.deepEqual(
    layers.map(({ path, type, shape }) => [path, type, shape.join()]),
    [
      ['0', 'Linear', '16,40'],
      ['1', 'ReLU', '16,40'],
      ['2', 'Dropout', '16,40'],
      ['3', 'Linear', '16,20'],
      ['4', 'Tanh', '16,20'],
      ['5', 'Linear', '16,5'],
    ],
  );
  for (const layer of layers) {
    const values = [...(outputs.get(layer.path) as Tensor).data];
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const std = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) * (value - mean), 0) / values.length);
    t.true(Math.abs(layer.mean - mean) < 1e-14 && near(layer.std, std), layer.path);
    t.is(layer.min, Math.min(...values) + 0);
    t.is(layer.max, Math.max(...values));
    t.is(layer.zeros, values.filter((value) => value === 0).length / values.length);
    t.is(layer.nonFinite, 0);
    t.is(
      layer.histogram.reduce((sum, count) => sum + count, 0),
      values.length,
    );
  }
  t.true(layers[1].zeros > 0.3 && layers[2].zeros > layers[1].zeros && layers[0].zeros === 0);
  const after = weightsOf(model);
  t.deepEqual(
    parameters.map(({ path, shape }) => [path, shape.join()]),
    [...model.namedParameters()].map(([path, { shape }]) => [path, shape.join()]),
  );
  parameters.forEach((parameter, i) => {
    t.true(before[i].every((value) => value === 0) || near(parameter.weightNorm, normOf(before[i])), parameter.path);
    t.true(near(parameter.gradientNorm, normOf(gradients[i])), `${parameter.path}: before clipping`);
    t.true(near(parameter.updateNorm, normOf(after[i].map((value, j) => value - before[i][j]))), parameter.path);
    t.is(parameter.updateRatio, parameter.updateNorm / parameter.weightNorm);
    t.is(parameter.gradientNonFinite, 0);
  });
  t.pass(String(forwardAndBackward.length));
});

/** y = Σ w·x: the gradient of w is x. */
class Inner extends Layer {
  readonly weight: Parameter<'float64'>;
  constructor(value: number, size = 100) {
    super();
    this.weight = new Parameter([size], { init: new Constant(value), dtype: 'float64' });
  }
  forward(x: Tensor): Tensor {
    return this.weight.mul(x as never) as unknown as Tensor;
  }
}

const observeInner = (lr: number, gradient: number, optimizer?: (model: Inner) => Optimizer) => {
  const model = new Inner(1);
  const sgd = optimizer?.(model) ?? new SGD(model, { lr });
  const x = full([100], gradient, { dtype: 'float64' }) as unknown as Tensor;
  const body = () => model.forward(x).sum().backward();
  return decodeObservation(observed(model, sgd, body, () => sgd.step()).observation, 1).parameters[0];
};

test('[J24] weights of 1 with gradients of 0.1 and a rate of 0.01 have a ratio of 0.001', (t) => {
  const { updateRatio, weightNorm, gradientNorm, updateNorm } = observeInner(0.01, 0.1);
  t.true(Math.abs(updateRatio - 1e-3) < 1e-15);
  t.is(weightNorm, 10);
  t.true(Math.abs(gradientNorm - 1) < 1e-14 && Math.abs(updateNorm - 0.01) < 1e-15);
});

test('[J25] an observed ratio far from 0.001 is a symptom', (t) => {
  t.is(judgeUpdateRatio(observeInner(1e-5, 0.1).updateRatio), 'too small');
  t.is(judgeUpdateRatio(observeInner(0.01, 0.1).updateRatio), 'good');
  t.is(judgeUpdateRatio(observeInner(2, 0.1).updateRatio), 'too large');
  // The update counts, not the gradient: Adam makes one of its own size of any gradient.
  t.is(judgeUpdateRatio(observeInner(0, 1e-9, (model) => new Adam(model, { lr: 1e-3, eps: 0 })).updateRatio), 'good');
});

test('[A19] a dead unit shows: its share of zeros, and a gradient that is exactly zero', (t) => {
  setSeed(1);
  const model = new Sequential([new Linear(4, 10, { biasInit: new Constant(-1e3) }), new ReLU(), new Linear(10, 2)]);
  const optimizer = new SGD(model, { lr: 0.1 });
  const x = Tensor.from(Float32Array.from(new Seeded(1).uniform(32)), [8, 4]);
  const body = () => model.forward(x).sum().backward();
  const { layers, parameters } = decodeObservation(observed(model, optimizer, body, () => optimizer.step()).observation, 1);
  t.is(layers[1].zeros, 1);
  t.is(layers[0].zeros, 0);
  t.deepEqual(
    parameters.map(({ path, gradientNorm, updateNorm }) => [path, gradientNorm === 0, updateNorm === 0]),
    [
      ['0.weight', true, true],
      ['0.bias', true, true],
      ['2.weight', true, true],
      ['2.bias', false, false],
    ],
  );
});

test('what is not finite is counted where it is: activations, then gradients', (t) => {
  const model = new Inner(1, 4);
  const optimizer = new SGD(model, { lr: 0.1 });
  const x = Tensor.from(Float64Array.of(1, Infinity, NaN, 2)) as unknown as Tensor;
  const body = () => model.forward(x).sum().backward();
  const { layers, parameters } = decodeObservation(observed(model, optimizer, body, () => optimizer.step()).observation, 1);
  t.like(layers[0], { path: '', type: 'Inner', nonFinite: 2, min: 1, max: 2, mean: 1.5, std: 0.5 });
  t.like(parameters[0], { path: 'weight', gradientNonFinite: 2, gradientNorm: NaN, updateNorm: NaN, weightNorm: 2 });
});

test('frozen parameters are left out, also when a recorded step meets them later; a layer that is called twice stands twice', (t) => {
  const { model, batches, watched } = setting();
  const step = compileStep(watched);
  const [x, y] = batches[0];
  const paths = () => decodeObservation(step.sync(x, y).observation, 1).parameters.map(({ path }) => path);
  t.is(paths().length, 6);
  model.parameters()[0].requiresGrad = false;
  t.deepEqual(paths(), ['0.bias', '3.weight', '3.bias', '5.weight', '5.bias']);
  const shared = new Linear(3, 3);
  const twice = new Sequential([shared, new ReLU(), shared]);
  const optimizer = new SGD(twice, { lr: 0.1 });
  const { observation } = observed(twice, optimizer, () => twice.forward(tensor([[1, 2, 3]])).sum().backward(), () => optimizer.step()); // biome-ignore format: one line
  t.is(observation.layers.filter(({ type }) => type === 'Linear').length, 2);
});

test('a model whose layers put out no tensors of floats is observed by its parameters alone', (t) => {
  class Pair extends Layer<Tensor, Tensor[]> {
    readonly weight = new Parameter([2], { init: new Constant(2) });
    forward(x: Tensor): Tensor[] {
      return [this.weight.mul(x)];
    }
  }
  const model = new Pair();
  const optimizer = new SGD(model as unknown as AnyLayer, { lr: 0.5 });
  const body = () => model.forward(tensor([3, 4]))[0].sum().backward(); // biome-ignore format: one line
  const { layers, parameters } = decodeObservation(observed(model as unknown as AnyLayer, optimizer, body, () => optimizer.step()).observation, 3); // biome-ignore format: one line
  t.deepEqual(layers, []);
  const compiled = compileStep(() => observed(model as unknown as AnyLayer, optimizer, body, () => optimizer.step()));
  t.deepEqual(decodeObservation(compiled.sync().observation, 4).layers, []);
  t.like(parameters[0], { path: 'weight', gradientNorm: 5, updateNorm: 2.5 });
});

test('wrong arguments are refused with what was expected', (t) => {
  const { model, optimizer, batches, watched } = setting();
  const nothing = (): void => {};
  t.throws(() => observed({} as never, optimizer, nothing, nothing), { instanceOf: ArgumentError, message: /model/ });
  t.throws(() => observed(model, {} as never, nothing, nothing), { instanceOf: ArgumentError, message: /optimizer/ });
  t.throws(() => observed(model, optimizer, 3 as never, nothing), { instanceOf: ArgumentError, message: /forwardAndBackward/ });
  t.throws(() => observed(model, optimizer, nothing, null as never), { instanceOf: ArgumentError, message: /update/ });
  t.throws(() => observed(model, optimizer, nothing, nothing), { instanceOf: ArgumentError, message: /backward\(\)/ });
  const { observation } = watched(...batches[0]);
  for (const bad of [
    null,
    3,
    {},
    { ...observation, layers: [] },
    { ...observation, numbers: observation.counts },
    { ...observation, layers: null },
  ])
    t.throws(() => decodeObservation(bad as never, 1), { instanceOf: ArgumentError });
  t.throws(() => decodeObservation(observation, -1), { instanceOf: ArgumentError });
});

test('a light observation trains the same bits, measures samples of large tensors, and leaves out what is not in memory otherwise', (t) => {
  const train = (isLight: boolean) => {
    setSeed(3);
    const model = new Sequential([new Linear(300, 512), new BatchNorm1d(512), new ReLU(), new Linear(512, 5), new Tanh(), new Linear(5, 3)]);
    const optimizer = new Adam(model, { lr: 1e-3 });
    const x = Tensor.from(Float32Array.from(new Seeded(4).uniform(300 * 300)), [300, 300]);
    const y = Tensor.from(Int32Array.from({ length: 300 }, (_, i) => i % 3));
    const gradients = () => {
      optimizer.zeroGrad();
      crossEntropy(model.forward(x), y).backward();
    };
    const step = compileStep(() => observed(model, optimizer, gradients, () => optimizer.step(), { isLight }).observation);
    const observation = decodeObservation(step.sync(), 1);
    step.dispose();
    return { weights: weightsOf(model), ...observation };
  };
  const [all, light] = [train(false), train(true)];
  t.deepEqual(light.weights, all.weights);
  t.deepEqual(all.layers.map(({ path }) => path), ['0', '1', '2', '3', '4', '5']); // biome-ignore format: one line
  t.deepEqual(light.layers.map(({ path }) => path), ['0', '2', '4', '5']); // biome-ignore format: one line
  for (const one of light.layers) {
    const whole = all.layers.find(({ path }) => path === one.path) as (typeof all.layers)[number];
    const isLarge = one.shape[1] === 512;
    const counted = one.histogram.reduce((sum, count) => sum + count, 0);
    t.is(counted, isLarge ? 16_384 : whole.histogram.reduce((sum, count) => sum + count, 0), one.path);
    if (!isLarge) t.deepEqual(one, whole);
    for (const [a, b] of [[one.mean, whole.mean], [one.std, whole.std], [one.zeros, whole.zeros]]) // biome-ignore format: one line
      t.true(Math.abs(a - b) <= 0.02 * Math.max(0.5, Math.abs(b)), `${one.path}: ${a} of ${b}`);
  }
  for (const [i, one] of light.parameters.entries()) {
    const whole = all.parameters[i];
    if (one.path !== '0.weight') t.deepEqual(one, whole);
    for (const key of ['weightNorm', 'gradientNorm', 'updateNorm', 'updateRatio'] as const)
      t.true(one[key] === whole[key] || Math.abs(one[key] / whole[key] - 1) < 0.05, `${one.path} ${key}: ${one[key]} of ${whole[key]}`);
  }
});

test('a sample of images is from all of their rows: equal distances would be those of the images', (t) => {
  setSeed(3);
  // Bright only in the middle, as a digit is dark at its edges: 128 · 28 · 28 · 16 elements are 1568 blocks of a sample, 49 of two images.
  const x = Tensor.from(
    Float32Array.from({ length: 128 * 28 * 28 }, (_, i) => Number(Math.abs((Math.floor(i / 28) % 28) - 14) < 7)),
    [128, 28, 28, 1],
  );
  const model = new Conv2d(1, 16, 1);
  const sgd = new SGD(model, { lr: 0.1 });
  const spread = (isLight: boolean): number => {
    const forward = (): void => model.forward(x).sum().backward();
    return decodeObservation(observed(model, sgd, forward, () => {}, { isLight }).observation, 1).layers[0].std;
  };
  t.true(Math.abs(spread(true) / spread(false) - 1) < 0.1, `${spread(true)} of ${spread(false)}`);
});
