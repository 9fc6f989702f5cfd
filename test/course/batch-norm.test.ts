// Course section D: what batch normalization does to a network, and what it leaves as it is.
import test from 'ava';
import {
  BatchNorm1d,
  BatchNorm2d,
  Conv2d,
  crossEntropy,
  type Layer,
  Linear,
  Normal,
  noGrad,
  ReLU,
  reestimateStatistics,
  Sequential,
  setSeed,
  SGD,
  type Tensor,
  Tanh,
  tensor,
  vgg11,
} from '../../lib/index.js';
import { f32, i32 } from '../helpers/build.js';
import { identical } from '../helpers/close.js';
import { moments, Seeded } from '../helpers/seeded.js';

/** Fully connected layers of one width, each behind `norm` where there is one, and their activation. */
function deepNet(layers: number, width: number, std: number, activation: () => Layer, isNormalized: boolean): Sequential {
  const hidden = Array.from({ length: layers }, () => [
    new Linear(width, width, { init: new Normal({ std }) }),
    ...(isNormalized ? [new BatchNorm1d(width)] : []),
    activation(),
  ]);
  return new Sequential(hidden.flat());
}

const gaussian = (rows: number, columns: number): Tensor => f32(new Seeded(3).normal(rows * columns), [rows, columns]);

test('[D05] VGG with batch norm has it behind each convolution and before the activation', (t) => {
  const layers = [...vgg11({ batchNorm: true, imageSize: 32, classes: 10 }).namedLayers().values()];
  const convolutions = layers.flatMap((layer, i) => (layer instanceof Conv2d ? [i] : []));
  t.is(convolutions.length, 8);
  for (const i of convolutions) {
    t.true(layers[i + 1] instanceof BatchNorm2d);
    t.true(layers[i + 2] instanceof ReLU);
  }
});

/** Losses of steps at learning rate 1 on sixty-four examples of four classes. */
function lossesAtRateOne(isNormalized: boolean): number[] {
  setSeed(2);
  const random = new Seeded(4);
  const [x, y] = [f32(random.uniform(64 * 10, -3, 3), [64, 10]), i32(Array.from({ length: 64 }, () => random.integer(4)))];
  const norm = (): Layer[] => (isNormalized ? [new BatchNorm1d(50)] : []);
  const hidden = Array.from({ length: 4 }, (_, i) => [new Linear(i === 0 ? 10 : 50, 50), ...norm(), new ReLU()]);
  const model = new Sequential([...hidden.flat(), new Linear(50, 4)]);
  const optimizer = new SGD(model, { lr: 1 });
  return Array.from({ length: 60 }, () => {
    optimizer.zeroGrad();
    const loss = crossEntropy(model.forward(x), y);
    loss.backward();
    optimizer.step();
    return loss.item();
  });
}

test('[D13] at learning rate 1 five layers learn with batch norm, and go nowhere without', (t) => {
  const last = (losses: readonly number[]): number => losses.slice(-5).reduce((sum, loss) => sum + loss, 0) / 5;
  t.true(last(lossesAtRateOne(true)) < 0.4);
  t.false(last(lossesAtRateOne(false)) < 1.2);
});

test('[D14] ten tanh layers whose weights start at 0.01 keep their spread behind batch norm', (t) => {
  const x = gaussian(1000, 100);
  const spread = (isNormalized: boolean): number => {
    setSeed(1);
    return moments(noGrad(() => deepNet(10, 100, 0.01, () => new Tanh(), isNormalized).forward(x)).data).deviation;
  };
  t.true(spread(false) < 1e-6);
  t.true(spread(true) > 0.5 && spread(true) < 1);
});

test('[D15] and the gradients of the first layer and the last are alike, where without it hardly any arrives', (t) => {
  const norms = (isNormalized: boolean): number[] => {
    setSeed(1);
    const model = deepNet(10, 50, 0.01, () => new Tanh(), isNormalized);
    model.forward(gaussian(200, 50)).mul(gaussian(200, 50).add(1)).sum().backward();
    return model.layers.filter((layer) => layer instanceof Linear).map(({ weight }) => Math.hypot(...(weight.grad as Tensor).data));
  };
  const normalized = norms(true);
  const ratio = normalized[0] / normalized[9];
  t.true(ratio > 1e-2 && ratio < 1e2, String(ratio));
  t.true(norms(false)[0] < 1e-6 * normalized[0]);
});

test('[D17] two examples are a batch, one is not, and the message says what to do', (t) => {
  const layer = new BatchNorm1d(3);
  const y = layer.forward(
    tensor([
      [1, 2, 3],
      [3, 2, 1],
    ]),
  );
  t.deepEqual(
    [...y.data].map((value) => Math.round(value * 100) / 100),
    [-1, 0, 1, 1, 0, -1],
  );
  t.throws(() => layer.forward(tensor([[1, 2, 3]])), { message: /more than one value per channel .* use a larger batch, or eval\(\)/ });
});

test('[D18] statistics can be taken again over k batches: exactly the mean of the means of the batches', async (t) => {
  const norm = new BatchNorm1d(3);
  const batches = [1, 2, 3, 4].map((seed) => f32(new Seeded(seed).uniform(3 * 8, -seed, 2 * seed), [8, 3]));
  norm.forward(f32(new Seeded(9).uniform(24, 50, 60), [8, 3]));
  for (const k of [4, 2]) {
    t.is(await reestimateStatistics(norm, batches, { batches: k }), k);
    const means = batches.slice(0, k).map((batch) => [...batch.mean(0).data]);
    const wanted = [0, 1, 2].map((channel) => means.reduce((sum, mean) => sum + mean[channel] / k, 0));
    for (const [i, value] of [...(norm.runningMean as unknown as Tensor).data].entries())
      t.true(Math.abs(value - wanted[i]) <= 2 ** -21 * Math.max(1, Math.abs(wanted[i])), `${value}, not ${wanted[i]}`);
    const variances = batches.slice(0, k).map((batch) => [...batch.var(0).data]);
    for (const [i, value] of [...(norm.runningVar as unknown as Tensor).data].entries()) {
      const mean = variances.reduce((sum, variance) => sum + variance[i] / k, 0);
      t.true(Math.abs(value - mean) <= 2 ** -20 * mean);
    }
  }
  t.is(norm.momentum, 0.1);
});

test('[D19] a forward pass leaves the weights before it as they are', (t) => {
  const linear = new Linear(4, 3);
  const before = linear.weight.detach().mul(1);
  new Sequential([linear, new BatchNorm1d(3)]).forward(gaussian(6, 4));
  identical(t, linear.weight, before);
});

test('[D20, P52] batch norm shifts and scales: the order within a feature stays', (t) => {
  const x = gaussian(50, 1);
  const y = new BatchNorm1d(1).forward(x);
  const order = ({ data }: Tensor): number[] => Array.from(data.keys()).sort((a, b) => data[a] - data[b]);
  t.deepEqual(order(y), order(x));
});

test('[D21, P13] what is normalized does not become Gaussian: a uniform feature keeps its kurtosis of 1.8', (t) => {
  const kurtosis = (data: ArrayLike<number>): number => {
    const { mean, deviation } = moments(data);
    return Array.from(data).reduce((sum, value) => sum + ((value - mean) / deviation) ** 4, 0) / data.length;
  };
  const x = f32(new Seeded(9).uniform(20000, 5, 9), [20000, 1]);
  const y = new BatchNorm1d(1).forward(x);
  t.true(Math.abs(kurtosis(x.data) - 1.8) < 0.03);
  t.true(Math.abs(kurtosis(y.data) - kurtosis(x.data)) < 1e-3);
});

test('[D25] weights ten times as large give the same output', (t) => {
  const x = gaussian(40, 8);
  const linear = new Linear(8, 5);
  const norm = new BatchNorm1d(5);
  const small = norm.forward(linear.forward(x));
  linear.weight.data.forEach((value, i) => {
    linear.weight.data[i] = 10 * value;
  });
  linear.bias?.data.fill(0);
  const large = norm.forward(linear.forward(x));
  large.data.forEach((value, i) => {
    t.true(Math.abs(value - small.data[i]) < 1e-3);
  });
});
