// Course section A, from row 20 on: units that die, and what the sources say about the activations beside sigmoid, tanh and ReLU.
import test from 'ava';
import {
  activation,
  activationNames,
  Adam,
  Constant,
  crossEntropy,
  deadReluFraction,
  ELU,
  elu,
  Identity,
  Layer,
  leakyRelu,
  Linear,
  Maxout,
  mlp,
  mseLoss,
  type Parameter,
  PReLU,
  prelu,
  ReLU,
  relu,
  resnet18,
  SGD,
  Sequential,
  Sigmoid,
  setSeed,
  step as heaviside,
  swish,
  Tanh,
  type Tensor,
} from '../../lib/index.js';
import { activations } from '../helpers/activations.js';
import { f32, f64, gradientOf, i32, leaf } from '../helpers/build.js';
import { close } from '../helpers/close.js';
import { moments, Seeded } from '../helpers/seeded.js';

const normal = new Seeded(17).normal(100_000);

// ---- units that die ----

/** Points of the unit disc. */
function disc(count: number): Tensor<'float64'> {
  const random = new Seeded(20);
  const points: number[] = [];
  while (points.length < 2 * count) {
    const [a, b] = [2 * random.next() - 1, 2 * random.next() - 1];
    if (a * a + b * b <= 1) points.push(a, b);
  }
  return f64(points, [count, 2]);
}

test('[A20] [A23] a unit whose hyperplane misses all data is dead, one through the middle is active on half of it; the report names the unit', (t) => {
  const layer = new Linear(2, 2).to('float64');
  layer.weight.data.set([1, 1, 0, 0]);
  layer.bias?.data.set([-5, 0]);
  const model = new Sequential([layer, new ReLU()]);
  const x = disc(20_000) as never as Tensor;
  t.deepEqual(deadReluFraction(model, [x.slice(0, 10_000), x.slice(10_000)]), {
    total: 0.5,
    layers: [{ path: '1', fraction: 0.5, units: [0] }],
  });
  const active = Array.from({ length: 20_000 }, (_, i) => (model.forward(x).data[2 * i + 1] > 0 ? 1 : 0));
  close(t, [moments(Float64Array.from(active)).mean], [0.5], { absolute: 0.02 });
});

/** Share of dead units before and after one step of SGD. */
function step(lr: number, hidden: Layer): [before: number, after: number] {
  setSeed(21);
  const random = new Seeded(21);
  const model = new Sequential([new Linear(8, 64), hidden, new Linear(64, 3)]);
  // Positive inputs, as pixels are: a bias can take a hyperplane away from all of them.
  const x = f32(random.uniform(512 * 8, 0, 1), [512, 8]);
  const labels = i32(Array.from({ length: 512 }, () => random.integer(3)));
  model.prepare();
  const before = deadReluFraction(model, [x]).total;
  const optimizer = new SGD(model, { lr });
  crossEntropy(model.forward(x), labels).backward();
  optimizer.step();
  return [before, deadReluFraction(model, [x]).total];
}

test('[A21] [A39] one step with a huge learning rate kills ReLU units, a small one does not; maxout units live on', (t) => {
  const [before, after] = step(1e3, new ReLU());
  t.true(after > before, `${before} → ${after}`);
  const [calm, still] = step(1e-3, new ReLU());
  t.is(still, calm);
  // Whatever happened to its weights, one piece of a maxout unit wins for each example, and gets the gradient.
  setSeed(39);
  const layer = new Maxout(8, 16);
  const x = f32(new Seeded(39).normal(64 * 8), [64, 8]);
  layer.forward(x).sum().backward();
  new SGD(layer, { lr: 1e3 }).step();
  layer.linear.weight.grad?.data.fill(0);
  layer.linear.bias?.grad?.data.fill(0);
  layer.forward(x).sum().backward();
  const db = layer.linear.bias?.grad?.data as Float32Array;
  for (let unit = 0; unit < 16; unit++) t.is(db[unit] + db[16 + unit], 64, `unit ${unit}`);
});

test('[A22] two of ten units that were forced to die are a fraction of 0.2, in their layer and in total', (t) => {
  setSeed(22);
  const layer = new Linear(4, 10, { biasInit: new Constant(20) });
  const model = new Sequential([layer, new ReLU(), new Linear(10, 2)]);
  model.prepare();
  layer.bias?.data.set([-1e3], 3);
  layer.bias?.data.set([-1e3], 7);
  const report = deadReluFraction(model, [f32(new Seeded(22).uniform(400), [100, 4])]);
  t.deepEqual(report, { total: 0.2, layers: [{ path: '1', fraction: 0.2, units: [3, 7] }] });
  t.deepEqual(deadReluFraction(new Linear(1, 1), [f32([1], [1, 1])]), { total: 0, layers: [] });
});

// ---- the others ----

test('[A26] leaky ReLU has the slope 0.01 below 0 and does not saturate', (t) => {
  t.deepEqual([...leakyRelu(f64([-10, 3])).data], [-0.1, 3]);
  t.deepEqual([...gradientOf(leakyRelu, [-10, 3, -1e6])], [0.01, 1, 0.01]);
});

test('[A27] [P01] leaky ReLU at -2 is -0.02, not 0.01, and unbounded below', (t) => {
  close(t, leakyRelu(f64([-2, -1e300])), [-0.02, -1e298], { relative: 1e-15 });
});

test('[A28] [P02] PReLU learns its slope, and is not the maximum of x and alpha x where alpha is above 1', (t) => {
  const alpha = leaf(f64([0.25]));
  const y = prelu(f64([-2, 3]), alpha);
  t.deepEqual([...y.data], [-0.5, 3]);
  y.sum().backward();
  t.deepEqual([...(alpha.grad as Tensor<'float64'>).data], [-2]);
  t.deepEqual([...prelu(f64([3, -1]), f64([2])).data], [3, -2]);
});

test('[A29] PReLU has one slope, or one a channel, that start at 0.25; ELU has nothing to learn', (t) => {
  for (const [layer, size] of [
    [new PReLU(), 1],
    [new PReLU({ channels: 7 }), 7],
  ] as const) {
    layer.prepare();
    t.deepEqual([...layer.alpha.data], new Array(size).fill(0.25));
    t.is(layer.parameters().length, 1);
  }
  t.is(new ELU().parameters().length, 0);
});

test('[A30] ELU is alpha (e^x - 1) below 0', (t) => {
  close(t, elu(f64([-1, 0, 2])), [-0.6321206, 0, 2], { absolute: 0.5e-7 });
  close(t, gradientOf(elu, [-1]), [0.3678794], { absolute: 0.5e-7 });
  close(t, elu(f64([-1]), { alpha: 0.5 }), [-0.3160603], { absolute: 0.5e-7 });
});

test('[A31] outputs of ELU have a mean nearer to zero than those of ReLU', (t) => {
  const mean = moments(elu(f64(normal)).data).mean;
  // The standard error of 1e5 draws is 0.0023; three of them.
  close(t, [mean], [0.1605], { absolute: 0.007 });
  t.true(mean < moments(relu(f64(normal)).data).mean);
});

test('[A32] [P45] far below zero ELU saturates: a state that noise does not change, and a gradient that is almost gone', (t) => {
  close(t, elu(f64([-10])), [-0.9999546], { absolute: 0.5e-7 });
  close(t, gradientOf(elu, [-10]), [4.54e-5], { absolute: 0.005e-5 });
});

test('[A34] ELU lies between ReLU and leaky ReLU of slope 1 near zero, and never below -1', (t) => {
  const x = Array.from({ length: 1000 }, (_, i) => (i - 1000) / 1000);
  const y = elu(f64(x)).data;
  t.true(y.every((value, i) => value < 0 && value >= -1 && value >= x[i]));
  close(t, elu(f64([-0.001])), [-0.001], { absolute: 1e-6 });
});

/** A maxout unit of one input. */
function maxout(weights: readonly number[], biases: readonly number[]): Maxout {
  const layer = new Maxout(1, 1, { pieces: weights.length });
  layer.prepare();
  layer.linear.weight.data.set(weights);
  layer.linear.bias?.data.set(biases);
  return layer;
}

test('[A35] maxout takes the larger piece, and the gradient goes to it alone', (t) => {
  const layer = maxout([1, -1], [0, 0]);
  const y = layer.forward(f32([-3], [1, 1]));
  t.is(y.item(), 3);
  y.sum().backward();
  t.deepEqual([...(layer.linear.weight.grad as Tensor).data], [0, -3]);
  t.deepEqual([...((layer.linear.bias as Parameter).grad as Tensor).data], [0, 1]);
});

test('[A36] ReLU and leaky ReLU are maxout units of two pieces', (t) => {
  const x = f32(new Seeded(36).uniform(1000, -5, 5), [1000, 1]);
  close(t, maxout([0, 1], [0, 0]).forward(x), [...relu(x).data], {});
  close(t, maxout([0.01, 1], [0, 0]).forward(x), [...leakyRelu(x).data], {});
});

test('[A37] maxout multiplies the parameters by its pieces', (t) => {
  const count = (layer: Layer): number => layer.parameters().reduce((sum, { size }) => sum + size, 0);
  t.deepEqual([new Linear(10, 5), new Maxout(10, 5), new Maxout(10, 5, { pieces: 5 })].map(count), [55, 110, 275]);
});

test('[A38] k pieces fit x^2 on [-1, 1] within twice the best largest error, 0.125 for two and 0.02 for five', (t) => {
  const x = Array.from({ length: 201 }, (_, i) => (i - 100) / 100);
  const inputs = f32(x, [201, 1]);
  const square = f32(
    x.map((value) => value * value),
    [201, 1],
  );
  for (const [pieces, best] of [
    [2, 0.125],
    [5, 0.02],
  ]) {
    // Tangents at evenly spread points and a little off: pieces that never win would never learn.
    const slopes = Array.from({ length: pieces }, (_, i) => 2 * ((2 * i + 1) / pieces - 1));
    const layer = maxout(
      slopes.map((slope) => 0.8 * slope),
      slopes.map((slope) => 0.1 - (slope * slope) / 4),
    );
    const optimizer = new Adam(layer, { lr: 0.01 });
    const largest = (): number => Math.max(...layer.forward(inputs).sub(square).abs().data);
    t.true(largest() > 2 * best);
    for (let i = 0; i < 600; i++) {
      optimizer.zeroGrad();
      mseLoss(layer.forward(inputs), square).backward();
      optimizer.step();
    }
    t.true(largest() <= 2 * best, `${pieces} pieces: ${largest()}`);
  }
});

test('[A40] the linear function passes input and gradient unchanged', (t) => {
  const x = f64([-2, 0, 5]);
  t.is(new Identity().forward(x), x);
  t.deepEqual([...gradientOf((value) => activation('linear')(value).mul(3), [-2, 5])], [3, 3]);
});

test('[A41] the step function is 0 below zero and 1 from it on, and its gradient is 0', (t) => {
  t.deepEqual([...heaviside(f64([-0.1, 0, 0.1])).data], [0, 1, 1]);
  t.deepEqual([...gradientOf(heaviside, [-0.1, 0, 0.1])], [0, 0, 0]);
});

test('[A42] [P03] the swish of source S3 is twice the published one: x at beta 0, and bounded below for beta 1', (t) => {
  const double = (x: Tensor<'float64'>, beta = 1): Tensor<'float64'> => swish(x, { beta, scale: 2 });
  t.deepEqual([...double(f64([-3, 2]), 0).data], [-3, 2]);
  close(t, double(f64([1, -1.2785])), [1.4621172, -0.556929], { absolute: 0.5e-6 });
  close(t, double(f64([-3, 2]), 1e6), [0, 4], {});
  close(t, swish(f64([1])), [0.7310586], { absolute: 0.5e-7 });
  const fine = f64(Array.from({ length: 2001 }, (_, i) => -1.3785 + i / 10_000));
  close(t, [swish(fine).min().item()], [-0.278465], { absolute: 0.5e-6 });
  close(t, gradientOf(double, [-1.2785]), [0], { absolute: 1e-4 });
});

test('[A43] 100,000 inputs of every activation give outputs inside its range', (t) => {
  const x = f64(new Seeded(43).normal(100_000).map((value, i) => (i % 2 === 0 ? value : 20 * value)));
  for (const name of activationNames) {
    const [low, high] = name === 'linear' ? [-Infinity, Infinity] : (activations[name].range as [number, number]);
    const { data } = activation(name)(x);
    const room = 4 * Number.EPSILON;
    t.true(
      data.every((value) => value >= low * (low < 0 ? 1 + room : 1) && value <= high),
      name,
    );
    t.is(
      data.some((value) => value < 0),
      low < 0,
      `${name} below zero`,
    );
  }
});

test('[A44] [A15] presets use ReLU behind their hidden layers', (t) => {
  for (const model of [mlp(), resnet18({ classes: 2 })] as Layer[]) {
    const layers = [...model.namedLayers().values()];
    t.false(layers.some((layer) => layer instanceof Sigmoid || layer instanceof Tanh));
  }
  t.true([...mlp().namedLayers().values()].filter((layer) => layer instanceof ReLU).length === 2);
});

test('[A46] every activation of the course is selectable by name, those that learn are layers', (t) => {
  for (const name of ['sigmoid', 'tanh', 'relu', 'leakyRelu', 'elu', 'linear', 'step', 'swish'] as const)
    t.true(activationNames.includes(name));
  t.is(activationNames.length, 18);
  t.true(new PReLU() instanceof Layer && new Maxout(1, 1) instanceof Layer);
});
