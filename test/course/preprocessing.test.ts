// Course section B: what is done to data before they reach the net.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import {
  BatchNorm1d,
  Centre,
  ChannelScaler,
  type Dataset,
  datasets,
  Linear,
  noGrad,
  PCA,
  preprocessingFor,
  ShapeError,
  Sigmoid,
  Sequential,
  StandardScaler,
  setSeed,
  split,
  Tensor,
  TensorDataset,
  tensor,
  Whitening,
  ZCA,
} from '../../lib/index.js';
import { f32, f64 } from '../helpers/build.js';
import { close, identical } from '../helpers/close.js';
import { moments, Seeded } from '../helpers/seeded.js';

const cifarFolder = join(process.env.NODEGRAD_DATA ?? join(process.cwd(), '..', 'shared', 'data'), 'cifar10');

/** The training images of CIFAR-10 as bytes; null, with a line in the log, where they are not there. */
async function cifar(t: ExecutionContext): Promise<Dataset<'uint8', 'int32'> | null> {
  if (existsSync(cifarFolder)) return (await datasets.cifar10({ dir: cifarFolder, raw: true })).train;
  t.log(`no CIFAR-10 in ${cifarFolder}: set NODEGRAD_DATA to test with the real images`);
  return null;
}

/** Population covariance of rows [n, d]. */
function covarianceOf({ data, shape: [n, d] }: Tensor<'float64'>): Float64Array {
  const means = Array.from({ length: d }, (_, j) => moments(data.filter((_value: number, i: number) => i % d === j)).mean);
  const covariance = new Float64Array(d * d);
  for (let row = 0; row < n; row++)
    for (let i = 0; i < d; i++)
      for (let j = 0; j < d; j++) covariance[i * d + j] += ((data[row * d + i] - means[i]) * (data[row * d + j] - means[j])) / n;
  return covariance;
}

/** Rows of 4 features that hang together, about means of their own. */
function correlated(rows: number, seed: number): Tensor<'float64'> {
  const random = new Seeded(seed);
  const base = random.normal(rows * 4);
  const mixed = Float64Array.from(base, (_, i) => {
    const [a, b, c, d] = base.subarray(i - (i % 4), i - (i % 4) + 4);
    return [3 * a + 10, 2 * a + b - 5, c - b + 0.5 * a, 0.3 * d + c][i % 4];
  });
  return f64(mixed, [rows, 4]);
}

test('[B01] the mean of each column is subtracted: (1, 2, 3) has 2, (10, 20, 30) has 20, and centred columns sum to 0', (t) => {
  const x = tensor([
    [1, 10],
    [2, 20],
    [3, 30],
  ]);
  const centre = new Centre().fit(x);
  t.deepEqual([...centre.shift.data], [2, 20]);
  t.deepEqual([...centre.transform(x).sum(0).data], [0, 0]);
});

test('[B02] divided by the population standard deviation, (1, 2, 3) becomes ±1.2247449; a constant column becomes 0, not NaN', (t) => {
  const scaler = new StandardScaler();
  const x = f64([1, 7, 0.1, 2, 7, 0.1, 3, 7, 0.1], [3, 3]);
  const made = scaler.fit(x).transform(x);
  close(t, made, [-1.2247449, 0, 0, 0, 0, 0, 1.2247449, 0, 0], { absolute: 5e-8 });
  t.deepEqual([...made.data.filter((_: number, i: number) => i % 3 > 0)], new Array(6).fill(0), 'exactly 0');
});

test('[B03] after standardizing, features with scales 1 and 1000 get gradients of one size in the first layer', (t) => {
  const random = new Seeded(3);
  const rows = 4000;
  const raw = f64(
    random.normal(rows * 2).map((value, i) => (i % 2 === 0 ? value : 1000 * value)),
    [rows, 2],
  );
  /** The ratio of gradient norms of the two features' weights. */
  const ratio = (x: Tensor<'float64'>): number => {
    setSeed(3);
    const layer = new Linear(2, 8);
    layer.to('float64');
    // A target that both features have an equal part in.
    const target = new StandardScaler().fit(raw).transform(raw).sum(1, { keepDims: true });
    layer.weight.data.fill(0);
    const error = layer.forward(x).sub(target);
    error.mul(error).mean().backward();
    const gradient = (layer.weight.grad as Tensor).data;
    return Math.hypot(...gradient.subarray(8, 16)) / Math.hypot(...gradient.subarray(0, 8));
  };
  t.true(Math.abs(ratio(raw) / 1000 - 1) < 0.05, `before: ${ratio(raw)}`);
  const after = ratio(new StandardScaler().fit(raw).transform(raw));
  t.true(Math.abs(after - 1) < 0.05, `after: ${after}`);
});

test('[B04] the preset for images centres and does not divide', (t) => {
  const preset = preprocessingFor('images');
  const images = f64(new Seeded(4).uniform(6 * 3 * 3 * 3, 0, 255), [6, 3, 3, 3]);
  t.true(preset instanceof ChannelScaler);
  t.is((preset as ChannelScaler).divide, false);
  preset.fit(images);
  t.deepEqual([...(preset as ChannelScaler).scale.data], [1, 1, 1]);
});

test('[P47] dividing by the standard deviation of the channel, which many recipes do, is an option', (t) => {
  const images = f64(new Seeded(47).uniform(50 * 4 * 4 * 3, 0, 255), [50, 4, 4, 3]);
  const made = new ChannelScaler({ layout: 'NHWC', divide: true }).fit(images).transform(images).data;
  for (let channel = 0; channel < 3; channel++) {
    const { mean, deviation } = moments(made.filter((_: number, i: number) => i % 3 === channel));
    close(t, [mean, deviation], [0, 1], { absolute: 1e-12 });
  }
});

test('[B05] the mean image has a number for each of the 32×32×3 values, and images less it have mean 0', async (t) => {
  const train = (await cifar(t)) ?? pictures(300, 5);
  const centre = new Centre().fit(train);
  t.is(centre.shift.size, 3072);
  t.deepEqual(centre.shift.shape, [32, 32, 3]);
  const sums = new Float64Array(3072);
  for (let start = 0; start < train.length; start += 1000) {
    const rows = Int32Array.from({ length: Math.min(1000, train.length - start) }, (_, i) => start + i);
    const { data } = centre.transform(train.batch(rows).inputs);
    for (let i = 0; i < data.length; i++) sums[i % 3072] += data[i];
  }
  const worst = sums.reduce((most, sum) => Math.max(most, Math.abs(sum / train.length)), 0);
  t.true(worst < 1e-5, `${worst}`);
});

test('[B06] constant images of (10, 20, 30) have these channel means, CIFAR-10 has 125.3, 123.0 and 113.9', async (t) => {
  const plain = f32(
    Float64Array.from({ length: 2 * 32 * 32 * 3 }, (_, i) => [10, 20, 30][i % 3]),
    [2, 32, 32, 3],
  );
  t.deepEqual([...new ChannelScaler({ layout: 'NHWC' }).fit(plain).shift.data], [10, 20, 30]);
  const train = await cifar(t);
  if (train === null) return;
  // Copies of the set that went through JPEG files differ in the second digit behind the point.
  close(t, new ChannelScaler({ layout: 'NHWC' }).fit(train).shift.data, [125.3, 123, 113.9], { absolute: 0.1 });
});

test('[B07] the layout is said, and images of another layout are refused', (t) => {
  t.throws(() => new ChannelScaler({ layout: 'NCHW' as never }), { message: /x\.transpose\(\[0, 2, 3, 1\]\)/ });
  t.throws(() => new ChannelScaler({} as never), { message: /the layout of the images/ });
  const error = t.throws(() => new ChannelScaler({ layout: 'NHWC' }).fit(f32(new Float64Array(3 * 32 * 32), [1, 3, 32, 32])));
  t.true(error instanceof ShapeError);
  t.regex(error?.message ?? '', /\[3, 32, 32\], which look like \[channels, height, width\]/);
});

test('[B08] the mean is over all training images, as a mean along the first axis is', (t) => {
  const images = f64(new Seeded(8).uniform(100 * 5 * 4 * 3, 0, 255), [100, 5, 4, 3]);
  const expected = new Float64Array(60);
  for (let i = 0; i < 6000; i++) expected[i % 60] += images.data[i] / 100;
  close(t, new Centre().fit(images).shift, f64(expected, [5, 4, 3]), { absolute: 1e-6 });
});

test('[B09] what is learned once before training does to batches one by one what it does to all', (t) => {
  const x = correlated(100, 9);
  const scaler = new StandardScaler().fit(x);
  const all = scaler.transform(x);
  for (let start = 0; start < 100; start += 32)
    identical(t, scaler.transform(x.slice(start, Math.min(100, start + 32))), all.slice(start, Math.min(100, start + 32)));
});

test('[B10] 5000 images are enough for the mean: it is within one grey level of that of all', async (t) => {
  const train = (await cifar(t)) ?? pictures(6000, 10);
  const mean = (sampleSize?: number): Float64Array => new ChannelScaler({ layout: 'NHWC' }).fit(train, { sampleSize, seed: 1 }).shift.data;
  const [all, some] = [mean(), mean(5000)];
  for (const [channel, value] of all.entries()) {
    t.true(Math.abs(value - some[channel]) < 1, `channel ${channel}: ${value}, sample ${some[channel]}`);
    t.not(value, some[channel]);
  }
});

test('[B11] test data get the mean of training: with means 2 and 5, the test mean is 3 afterwards', (t) => {
  const centre = new Centre().fit(f64([1, 2, 3], [3, 1]));
  t.is(moments(centre.transform(f64([4, 5, 6], [3, 1])).data).mean, 3);
  const labels = Tensor.from(new Int32Array(10));
  const [, test] = split(new TensorDataset(f32(new Float64Array(10), [10, 1]), labels), [0.5, 0.5], { seed: 1 });
  t.throws(() => centre.fit(test), { message: /would leak into training/ });
});

test('[B12] after PCA the covariance is diagonal, and the first k directions are those of the largest variances', (t) => {
  const x = correlated(500, 12);
  const pca = new PCA().fit(x);
  const covariance = covarianceOf(pca.transform(x));
  for (let i = 0; i < 4; i++)
    for (let j = 0; j < 4; j++) if (i !== j) t.true(Math.abs(covariance[4 * i + j]) < 1e-5, `${i}, ${j}: ${covariance[4 * i + j]}`);
  const along = [0, 5, 10, 15].map((i) => covariance[i]);
  t.deepEqual(
    along,
    [...along].sort((a, b) => b - a),
  );
  close(t, along, pca.variances.data, { relative: 1e-12 });
  const two = new PCA({ components: 2 }).fit(x);
  identical(t, two.variances, pca.variances.slice(0, 2));
  t.deepEqual(two.transform(x).shape, [500, 2]);
});

test('[B13] whitened data have the identity as covariance, along the directions or as near to the data as can be', (t) => {
  const x = correlated(500, 13);
  for (const transform of [new Whitening(), new ZCA()]) {
    const covariance = covarianceOf(transform.fit(x).transform(x));
    for (let i = 0; i < 16; i++) t.true(Math.abs(covariance[i] - (i % 5 === 0 ? 1 : 0)) < 1e-3, `${covariance[i]}`);
  }
  const dull = f64([1, 1, 2, 2, 3, 3], [3, 2]); // one direction has no variance at all
  t.true(new Whitening().fit(dull).transform(dull).data.every(Number.isFinite));
});

test('[B14] neither PCA nor whitening is part of the preset for images: they keep their places', (t) => {
  const images = f64(new Seeded(14).uniform(4 * 5 * 5 * 3), [4, 5, 5, 3]);
  t.deepEqual(preprocessingFor('images').fit(images).outputShape, [5, 5, 3]);
});

test('[B15] centred inputs cure the sign problem of sigmoid for the first layer alone: behind it all means are above 0', (t) => {
  setSeed(15);
  const layers = Array.from({ length: 10 }, () => [new Linear(100, 100), new Sigmoid()]).flat();
  new Sequential(layers).prepare();
  const raw = f32(new Seeded(15).normal(200 * 100, 4, 2), [200, 100]);
  let value = new StandardScaler().fit(raw).transform(raw);
  t.true(Math.abs(moments(value.data).mean) < 1e-6, 'the input of layer 1');
  for (let layer = 2; layer <= 11; layer++) {
    value = noGrad(() => layers[2 * layer - 3].forward(layers[2 * layer - 4].forward(value)));
    const { mean } = moments(value.data);
    t.true(mean > 0.1 && value.data.every((one: number) => one > 0), `the input of layer ${layer} has mean ${mean}`);
  }
});

test('[B17] even a part of a bias does it: with mean 3 and deviation 1 more pairs of gradients share a sign than with mean 0', (t) => {
  /** Share of pairs of one neuron's weights whose gradients, for one example, share a sign. */
  const share = (mean: number): number => {
    const random = new Seeded(17);
    let [same, pairs] = [0, 0];
    for (let example = 0; example < 100; example++) {
      const weight = f64(new Float64Array(20), [20, 1]);
      weight.requiresGrad = true;
      f64(random.normal(20, mean), [1, 20])
        .matmul(weight)
        .mul(random.next() < 0.5 ? -1 : 1)
        .sum()
        .backward();
      const gradient = (weight.grad as Tensor<'float64'>).data;
      for (let i = 0; i < 20; i++) for (let j = 0; j < i; j++, pairs++) if (gradient[i] * gradient[j] > 0) same += 1;
    }
    return same / pairs;
  };
  const [biased, centred] = [share(3), share(0)];
  t.true(Math.abs(centred - 0.5) < 0.05, `mean 0: ${centred}`);
  t.true(biased > 0.99, `mean 3: ${biased}`);
});

test('[B19] data inside the net are normalized by batch norm: what the next layer gets has mean 0 and deviation 1', (t) => {
  setSeed(19);
  const model = new Sequential([new Linear(10, 6), new BatchNorm1d(6)]);
  const raw = f32(new Seeded(19).normal(500 * 10, 5, 3), [500, 10]);
  const { data } = noGrad(() => model.forward(raw));
  for (let unit = 0; unit < 6; unit++) {
    const { mean, deviation } = moments(data.filter((_: number, i: number) => i % 6 === unit));
    close(t, [mean, deviation], [0, 1], { absolute: 1e-4 }, `unit ${unit}`);
  }
});

/** Random pictures of 32×32, brighter in some than in others. */
function pictures(count: number, seed: number): Dataset<'uint8', 'int32'> {
  const random = new Seeded(seed);
  const bytes = new Uint8Array(count * 3072);
  for (let i = 0; i < count; i++) {
    const base = random.integer(200);
    for (let j = 0; j < 3072; j++) bytes[i * 3072 + j] = base + random.integer(56);
  }
  const images = Tensor.from(bytes, [count, 32, 32, 3]) as Tensor<'uint8'>;
  return new TensorDataset(images, Tensor.from(new Int32Array(count)) as Tensor<'int32'>);
}
