// Preprocessing: the contract for every kind, what only one of them does, and the road through fit, evaluate, predict and files.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import test from 'ava';
import {
  Tensor,
  Adam,
  ArgumentError,
  type AsyncDataset,
  Centre,
  ChannelScaler,
  fromBytes,
  Imputer,
  Linear,
  MinMaxScaler,
  MSELoss,
  OneHotEncoder,
  OrdinalEncoder,
  PCA,
  type Parameter,
  Pipeline,
  preprocessingFor,
  RobustScaler,
  Sequential,
  registerTransform,
  ShapeError,
  StandardScaler,
  setSeed,
  split,
  subset,
  TensorDataset,
  Transform,
  tensor,
  transformed,
  Whitening,
  ZCA,
} from '../../lib/index.js';
import { transformContract } from '../contracts/transform.js';
import { f32, f64 } from '../helpers/build.js';
import { close, identical } from '../helpers/close.js';
import { Seeded } from '../helpers/seeded.js';

const random = new Seeded(31);
const plain = f64(
  random.normal(40 * 4).map((value, i) => value * [1, 30, 0.01, 5][i % 4] + [0, 1000, -3, 7][i % 4]),
  [40, 4],
);
const images = f64(random.uniform(12 * 4 * 5 * 3, 0, 255), [12, 4, 5, 3]);
const codes = f64(
  Array.from({ length: 60 }, () => random.integer(3) * 2),
  [30, 2],
);
const holes = f64(
  plain.data.map((value: number, i: number) => (i % 7 === 3 && i % 4 !== 0 ? Number.NaN : value)),
  [40, 4],
);

const cases: [string, () => Transform, typeof plain, number | null][] = [
  ['Centre', () => new Centre(), plain, 1e-12],
  ['Centre on images', () => new Centre(), images, 1e-12],
  ['StandardScaler', () => new StandardScaler(), plain, 1e-12],
  ['MinMaxScaler', () => new MinMaxScaler({ low: -1, high: 3 }), plain, 1e-12],
  ['RobustScaler', () => new RobustScaler(), plain, 1e-12],
  ['ChannelScaler', () => new ChannelScaler({ layout: 'NHWC' }), images, 1e-12],
  ['ChannelScaler that divides', () => new ChannelScaler({ layout: 'NHWC', divide: true }), images, 1e-12],
  ['PCA', () => new PCA(), plain, 1e-10],
  ['PCA on images', () => new PCA(), images, 1e-10],
  ['Whitening', () => new Whitening(), plain, 1e-10],
  ['ZCA', () => new ZCA({ eps: 1e-3 }), images, 1e-10],
  ['Imputer', () => new Imputer(), holes, null],
  ['Imputer with the median', () => new Imputer({ strategy: 'median' }), holes, null],
  ['Imputer with the most frequent value', () => new Imputer({ strategy: 'most-frequent' }), holes, null],
  ['Imputer with a constant', () => new Imputer({ strategy: 'constant', value: -1 }), holes, null],
  ['OneHotEncoder', () => new OneHotEncoder(), codes, 0],
  ['OrdinalEncoder', () => new OrdinalEncoder(), codes, 0],
  ['Pipeline', () => new Pipeline([new StandardScaler(), new PCA(), new MinMaxScaler()]), plain, 1e-10],
  ['Pipeline within a pipeline', () => new Pipeline([new Pipeline([new Centre()]), new Pipeline([])]), images, 1e-12],
  ['the preset of features', () => preprocessingFor('features'), holes, null],
];
for (const [name, create, data, inverse] of cases) {
  test(`${name} keeps the contract of transforms`, (t) => transformContract(t, { create, data, inverse }));
}

test('min and max become the ends of the range, data beyond them fall beyond, and a constant column becomes the lower end', (t) => {
  const scaler = new MinMaxScaler({ low: -1, high: 1 }).fit(f64([0, 5, 10, 5], [2, 2]));
  t.deepEqual([...scaler.transform(f64([0, 5, 10, 5, 5, 5, 20, 6], [4, 2])).data], [-1, -1, 1, -1, 0, -1, 3, 0]);
});

test('medians and quartiles are those of NumPy and R: linear between two values', (t) => {
  const scaler = new RobustScaler().fit(f64([1, 2, 3, 4, 1000], [5, 1]));
  t.deepEqual([scaler.shift.item(), scaler.scale.item()], [3, 2]);
  const even = new RobustScaler().fit(f64([4, 1, 3, 2], [4, 1]));
  t.deepEqual([even.shift.item(), even.scale.item()], [2.5, 1.5]);
});

test('means, medians, most frequent values and constants fill what is missing; the least of equally frequent ones wins', (t) => {
  const data = f64([1, 5, Number.NaN, 5, 2, 7, 9, Number.NaN, 2, 7], [5, 2]);
  const fills = (['mean', 'median', 'most-frequent'] as const).map((strategy) => [...new Imputer({ strategy }).fit(data).fill.data]);
  t.deepEqual(fills, [
    [3.5, 6],
    [2, 6],
    [2, 5],
  ]);
  t.deepEqual([...new Imputer({ strategy: 'constant', value: 8 }).fit(data).transform(data).data], [1, 5, 8, 5, 2, 7, 9, 8, 2, 7]);
  const empty = f64([1, Number.NaN, 2, Number.NaN], [2, 2]);
  t.throws(() => new Imputer().fit(empty), { instanceOf: ArgumentError, message: /feature 1 has no value in any example of the tensor/ });
});

test('encoders name a value that was not seen in training, or take it as no category where that is asked for', (t) => {
  const data = f64([3, 9, 5, 3], [4, 1]);
  const strange = f64([5, 4], [2, 1]);
  const message = 'example 1, feature 0: 4 is none of the categories of training';
  t.throws(() => new OneHotEncoder().fit(data).transform(strange), { instanceOf: ArgumentError, message });
  t.throws(() => new OrdinalEncoder().fit(data).transform(strange), { instanceOf: ArgumentError, message });
  t.deepEqual([...new OneHotEncoder({ unknown: 'none' }).fit(data).transform(strange).data], [0, 1, 0, 0, 0, 0]);
  t.deepEqual([...new OrdinalEncoder({ unknown: 'none' }).fit(data).transform(strange).data], [1, Number.NaN]);
  t.deepEqual([...new OneHotEncoder({ categories: 3 }).fit(f64([0, 0], [2, 1])).transform(f64([2], [1, 1])).data], [0, 0, 1]);
});

test('values that are not finite are named by example and feature before anything is learned from them', (t) => {
  const bad = f64([1, 2, 3, Number.NaN, 5, 6], [3, 2]);
  for (const transform of [new Centre(), new StandardScaler(), new MinMaxScaler(), new RobustScaler(), new PCA()]) {
    t.throws(() => transform.fit(bad), {
      instanceOf: ArgumentError,
      message: /NaN in example 1, feature 1: fill missing values with an Imputer/,
    });
    t.false(transform.isFitted);
  }
  t.throws(() => new Centre().fit(f64([1, Number.POSITIVE_INFINITY], [2, 1])), { message: /Infinity in example 1, feature 0$/ });
});

test('what was learned before stays when another fit fails', (t) => {
  const centre = new Centre().fit(f64([1, 3], [2, 1]));
  t.throws(() => centre.fit(f64([1, Number.NaN], [2, 1])));
  t.is(centre.shift.item(), 2);
});

test('numbers far from 0 keep their variance: means are taken first', (t) => {
  const scaler = new StandardScaler().fit(
    f64(
      [1, 2, 3].map((value) => value + 1e9),
      [3, 1],
    ),
  );
  close(t, [scaler.scale.item()], [Math.sqrt(2 / 3)], { relative: 1e-14 });
});

test('a data set that has to be waited for gives the same, as a promise', async (t) => {
  const data: AsyncDataset<'float64', 'int32'> = {
    name: 'later',
    length: 40,
    inputShape: [4],
    targetShape: [],
    batch: async (indices) => new TensorDataset(plain, tensor(new Array(40).fill(0)).to('int32')).batch(indices),
  };
  const expected = new Pipeline([new StandardScaler(), new PCA()]).fit(plain).transform(plain);
  const fitted = new Pipeline([new StandardScaler(), new PCA()]).fit(data);
  t.true(fitted instanceof Promise);
  identical(t, (await fitted).transform(plain), expected);
  const seen = transformed(data, await fitted);
  identical(t, (await seen.batch(Int32Array.of(3))).inputs, expected.slice(3, 4));
});

test('a sample is drawn without repetition, by the seed', (t) => {
  const data = f64(
    Float64Array.from({ length: 1000 }, (_, i) => i),
    [1000, 1],
  );
  const mean = (seed: number, sampleSize = 100): number => new Centre().fit(data, { sampleSize, seed }).shift.item();
  t.is(mean(1), mean(1));
  t.not(mean(1), mean(2));
  t.is(mean(1, 1000), 499.5);
  t.is(mean(1, 5000), 499.5, 'more than there are: all');
});

test('the parts of a split know what they are, through subsets and transforms', (t) => {
  const whole = new TensorDataset(f32(new Float64Array(20), [10, 2]), tensor(new Array(10).fill(0)).to('int32'));
  const parts = split(whole, [0.6, 0.2, 0.2], { seed: 1 });
  t.deepEqual(
    parts.map((part) => part.split),
    ['train', 'validation', 'test'],
  );
  t.is(split(whole, [0.25, 0.25, 0.25, 0.25])[0].split, undefined);
  t.deepEqual(
    split(parts[0], [0.5, 0.5]).map((part) => part.split),
    ['train', 'validation'],
  );
  t.is(split(parts[2], [0.5, 0.5])[0].split, 'test', 'a part of the test data is test data');
  t.throws(() => new Centre().fit(subset(parts[1], [0])), { message: /is the validation part of a split.*would leak into training/ });
  const centre = new Centre().fit(parts[0]);
  t.throws(() => new Centre().fit(transformed(parts[2], centre)), { message: /is the test part/ });
});

/** y = 2·x₀ − x₁/1000, of features with scales 1 and 1000. */
function line(rows: number, seed: number): TensorDataset<'float32', 'float32'> {
  const numbers = new Seeded(seed);
  const x = f32(
    numbers.normal(rows * 2).map((value, i) => (i % 2 === 0 ? value : 1000 * value + 5000)),
    [rows, 2],
  );
  const y = f32(
    Float64Array.from({ length: rows }, (_, i) => 2 * x.data[2 * i] - x.data[2 * i + 1] / 1000),
    [rows, 1],
  );
  return new TensorDataset(x, y, { name: 'line' });
}

test('a model with preprocessing takes data as they are in fit, evaluate and predict, in files too', async (t) => {
  setSeed(5);
  const [train, validation] = split(line(300, 1), [0.8, 0.2], { seed: 1 });
  const model = new Sequential([new Linear(2, 1)]);
  model.preprocessing = new StandardScaler();
  const optimizer = new Adam(model, { lr: 0.05 });
  const loss = new MSELoss();
  const history = await model.fit(train, { loss, optimizer, epochs: 40, validation, progress: false, log: false });
  const scaler = model.preprocessing as StandardScaler;
  identical(t, scaler.shift, new StandardScaler().fit(train).shift, 'fitted on the training data alone');
  t.true((history.epochs.at(-1)?.validation?.loss ?? 1) < 1e-3, `validation loss ${history.epochs.at(-1)?.validation?.loss}`);
  const scores = await model.evaluate(validation, { loss });
  t.deepEqual(history.epochs.at(-1)?.validation, scores);
  const x = f32([1, 5000, -2, 6000], [2, 2]);
  const predicted = await model.predict(x);
  close(
    t,
    predicted,
    [2 - 5, -4 - 6].map((value) => value),
    { absolute: 0.1 },
  );
  identical(t, predicted, model.forward(scaler.transform(x)), 'forward alone takes what is transformed');
  identical(t, (await model.predict(validation)).slice(0, 1), await model.predict(validation.batch(Int32Array.of(0)).inputs));
  const read = fromBytes(model.toBytes());
  identical(t, await read.predict(x), predicted, 'from a file');
  t.is((await read.evaluate(validation, { loss })).loss, scores.loss);
});

test('training through preprocessing gives the bits of training on data that were transformed before', async (t) => {
  const weights = async (inside: boolean): Promise<Float32Array> => {
    setSeed(6);
    const data = line(64, 2);
    const model = new Sequential([new Linear(2, 1)]);
    const scaler = new StandardScaler().fit(data);
    if (inside) model.preprocessing = scaler;
    const optimizer = new Adam(model, { lr: 0.05 });
    await model.fit(inside ? data : transformed(data, scaler), { loss: new MSELoss(), optimizer, epochs: 3, progress: false, log: false });
    return (model.parameters()[0] as Parameter).data;
  };
  identical(t, await weights(true), await weights(false));
});

test('weights of a file with preprocessing go into a model that is there, with their preprocessing', async (t) => {
  const model = new Sequential([new Linear(2, 1)]);
  model.preprocessing = new Centre().fit(f64([1, 2, 3, 4], [2, 2]));
  const other = new Sequential([new Linear(2, 1)]);
  const bytes = model.toBytes();
  const folder = await mkdtemp(`${tmpdir()}/nodegrad-`);
  t.teardown(() => rm(folder, { recursive: true }));
  await writeFile(`${folder}/model.safetensors`, bytes);
  await other.load(`${folder}/model.safetensors`);
  t.deepEqual([...((other.preprocessing as Centre).shift.data as Float64Array)], [2, 3]);
});

test('a class of a user is known by its name, and a name has one class', (t) => {
  class Double extends Centre {
    static override fromConfig(): Double {
      return new Double();
    }
  }
  t.throws(() => JSON.stringify(new Double()), { instanceOf: ArgumentError, message: /call registerTransform\(Double, 'Double'\)/ });
  registerTransform(Double, 'Double');
  t.is((JSON.parse(JSON.stringify(new Double())) as { type: string }).type, 'Double');
  t.throws(() => registerTransform(Centre, 'Double'), { message: /another transform class/ });
  t.throws(() => registerTransform({} as never, 'X'), { message: /fromConfig/ });
});

test('a wrong argument is refused by name', (t) => {
  const refused: [() => unknown, RegExp][] = [
    [() => new MinMaxScaler({ low: 1, high: 1 }), /high/],
    [() => new Imputer({ strategy: 'mode' as never }), /strategy/],
    [() => new Imputer({ value: 3 }), /for the strategy 'constant'/],
    [() => new PCA({ components: 0 }), /components/],
    [() => new PCA({ components: 3 }).fit(f64([1, 2, 3, 4], [2, 2])), /at most 2, the features of the tensor/],
    [() => new ZCA({ eps: -1 }), /eps/],
    [() => new OneHotEncoder({ unknown: 'zeros' as never }), /unknown/],
    [() => new Pipeline([1 as never]), /a transform/],
    [() => new Pipeline({} as never), /an array of transforms/],
    [() => preprocessingFor('audio' as never), /preset/],
    [() => Transform.fromJSON({ type: 'Centre', config: {}, inputShape: [1], state: null }), /state/],
    [() => Transform.fromJSON({ type: 'Centre', config: {}, inputShape: [1] }).transform(f64([1], [1, 1])), /has no 'shift'/],
    [() => Transform.fromJSON(null), /unknown transform class/],
    [() => transformed([] as never, new Centre()), /data set/],
    [() => new Centre().fit(f64([1], []).sum() as never), /rank-0|first dimension/],
    [() => new Centre().fit(f64([1, 2]), { sampleSize: 0 }), /sampleSize/],
    [
      () => {
        new Sequential([new Linear(1, 1)]).preprocessing = {} as never;
      },
      /preprocessing/,
    ],
  ];
  for (const [call, says] of refused) t.throws(call, { message: says });
  t.throws(() => new ChannelScaler({ layout: 'NHWC' }).fit(plain), { instanceOf: ShapeError });
});

test('bytes are refused by a ChannelScaler that learned from images scaled to 0 … 1, and taken by one that learned from bytes', (t) => {
  const bytes = Tensor.from(
    Uint8Array.from({ length: 2 * 4 * 4 * 3 }, (_, i) => (i * 37) % 256),
    [2, 4, 4, 3],
  );
  const scaled = new ChannelScaler({ layout: 'NHWC', divide: true }).fit(bytes.to('float32').div(255));
  t.throws(() => scaled.transform(bytes), { instanceOf: ArgumentError, message: /learned from images scaled to 0 … 1/ });
  const raw = new ChannelScaler({ layout: 'NHWC', divide: true }).fit(bytes);
  t.true(raw.transform(bytes).abs().max().item() < 3);
});
