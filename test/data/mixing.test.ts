// Mixup and CutMix: what is mixed, with which share, and that it depends on the seed, the epoch and the example alone.
import test from 'ava';
import {
  ArgumentError,
  type AsyncDataset,
  CrossEntropyLoss,
  cutmix,
  DataLoader,
  type Dataset,
  Linear,
  mixup,
  Sequential,
  SGD,
  setSeed,
  ShapeError,
  TensorDataset,
} from '../../lib/index.js';
import { f32, i32 } from '../helpers/build.js';
import { close } from '../helpers/close.js';
import { moments } from '../helpers/seeded.js';

const count = 40;
/** Example i has all pixels i, and class i mod 4. */
const plain = new TensorDataset(
  f32(
    Float32Array.from({ length: count * 48 }, (_, k) => Math.floor(k / 48)),
    [count, 4, 6, 2],
  ),
  i32(Array.from({ length: count }, (_, i) => i % 4)),
  { name: 'squares', classes: 4 },
);
const all = Int32Array.from({ length: count }, (_, i) => i);
const key = { seed: 7, epoch: 2 };

test('mixup takes the same share of inputs and of targets, which become probabilities', (t) => {
  const { inputs, targets } = mixup(plain, { alpha: 1 }).batch(all, key);
  t.deepEqual([inputs.shape, targets.shape], [
    [count, 4, 6, 2],
    [count, 4],
  ] as never);
  let mixed = 0;
  for (let i = 0; i < count; i++) {
    const row = [...targets.data.slice(4 * i, 4 * i + 4)];
    close(t, [row.reduce((sum, one) => sum + one)], [1], { absolute: 1e-6 });
    const pixels = new Set(inputs.data.slice(48 * i, 48 * i + 48));
    t.is(pixels.size, 1);
    // λ·i + (1 − λ)·j with λ of class i mod 4: its own share is what the target says, unless the partner is of its class.
    const other = row.findIndex((share, k) => k !== i % 4 && share > 0);
    if (other < 0) continue;
    mixed += 1;
    const partner = ([...pixels][0] - row[i % 4] * i) / row[other];
    close(t, [partner], [Math.round(partner)], { absolute: 1e-3 });
    t.is(Math.round(partner) % 4, other);
  }
  t.true(mixed > count / 2);
});

test('cutmix replaces a box by what the partner has there, and mixes targets by the area', (t) => {
  const { inputs, targets } = cutmix(plain).batch(all, key);
  for (let i = 0; i < count; i++) {
    const pixels = [...inputs.data.slice(48 * i, 48 * i + 48)];
    const strangers = pixels.flatMap((value, k) => (value === i ? [] : [k >> 1])).filter((at, k, list) => list.indexOf(at) === k);
    const own = 1 - strangers.length / 24;
    t.is(new Set(pixels.filter((value) => value !== i)).size <= 1, true, 'one partner');
    const rows = strangers.map((at) => Math.floor(at / 6));
    const columns = strangers.map((at) => at % 6);
    if (strangers.length > 0) {
      const area = (Math.max(...rows) - Math.min(...rows) + 1) * (Math.max(...columns) - Math.min(...columns) + 1);
      t.is(area, strangers.length, 'a box');
    }
    const share = targets.data[4 * i + (i % 4)];
    const partner = pixels.find((value) => value !== i);
    if (partner !== undefined && partner % 4 !== i % 4) close(t, [share], [own], { absolute: 1e-6 });
  }
});

test('what an example becomes depends on seed, epoch and example, not on its batch', (t) => {
  for (const mixed of [mixup(plain), cutmix(plain)]) {
    const whole = mixed.batch(all, key).inputs;
    const part = mixed.batch(Int32Array.of(31, 4), key).inputs;
    t.deepEqual([...part.data], [...whole.data.slice(31 * 48, 32 * 48), ...whole.data.slice(4 * 48, 5 * 48)]);
    t.notDeepEqual([...mixed.batch(all, { ...key, epoch: 3 }).inputs.data], [...whole.data]);
    t.notDeepEqual([...mixed.batch(all, { ...key, seed: 8 }).inputs.data], [...whole.data]);
  }
});

test('shares come from Beta(α, α): their mean is 1/2 and their variance 1/(4(2α + 1))', (t) => {
  const many = 1500;
  /** Whatever is asked for first has the target 1, partners have 0: what comes out is the share. */
  const marks: Dataset<'float32', 'float32'> = {
    name: 'marks',
    length: many,
    inputShape: [1],
    targetShape: [1],
    batch: ({ length }) => ({
      inputs: f32(new Float32Array(length), [length, 1]),
      targets: f32(
        Float32Array.from({ length }, (_, k) => Number(k < length / 2)),
        [length, 1],
      ),
    }),
  };
  for (const alpha of [0.2, 1, 2]) {
    const shares = mixup(marks, { alpha }).batch(
      Int32Array.from({ length: many }, (_, i) => i),
      key,
    ).targets.data;
    const { mean, deviation } = moments(shares);
    const wanted = Math.sqrt(1 / (4 * (2 * alpha + 1)));
    // The mean of 1500 has a deviation of at most 0.013, that of the deviation is less.
    close(t, [mean, deviation], [0.5, wanted], { absolute: 0.05 });
  }
});

test('fit learns from mixtures, of data that come later too, with the same bits', async (t) => {
  const train = async (data: Parameters<Sequential['fit']>[0]): Promise<number[][]> => {
    setSeed(2);
    const model = new Sequential([new Linear(2, 4)]);
    const optimizer = new SGD(model, { lr: 0.1 });
    await model.fit(data, { loss: new CrossEntropyLoss(), optimizer, epochs: 2, batchSize: 16, seed: 4, progress: false, log: false });
    return model.parameters().map((parameter) => [...parameter.data]);
  };
  const rows = new TensorDataset(
    f32(
      Float32Array.from({ length: 2 * count }, (_, k) => (k % 7) / 7),
      [count, 2],
    ),
    plain.targets,
    { classes: 4 },
  );
  const slow: AsyncDataset<'float32', 'int32'> = {
    name: 'slow',
    length: count,
    inputShape: [2],
    targetShape: [],
    classes: rows.classes as string[],
    batch: async (indices) => rows.batch(indices),
  };
  t.deepEqual(await train(mixup(slow)), await train(mixup(rows)));
  t.is([...new DataLoader(mixup(rows), { batchSize: 16 })].length, 3);
});

test('what cannot be mixed is refused in words', (t) => {
  const unnamed = new TensorDataset(plain.inputs, plain.targets, { name: 'unnamed' });
  t.throws(() => mixup(unnamed).batch(all), { instanceOf: ArgumentError, message: /how many classes.*'unnamed'.*options\.classes/ });
  t.throws(() => mixup(unnamed, { classes: 2 }).batch(all), { instanceOf: ArgumentError, message: /from 0 to 1/ });
  t.notThrows(() => mixup(unnamed, { classes: 4 }).batch(all));
  for (const alpha of [0, -1, 5, NaN]) t.throws(() => mixup(plain, { alpha }), { instanceOf: ArgumentError, message: /options\.alpha/ });
  t.throws(() => cutmix(new TensorDataset(f32([1, 2], [2, 1]), i32([0, 1]))), { instanceOf: ShapeError, message: /height, width, channels/ });
  t.throws(() => mixup(plain.inputs as never), { instanceOf: ArgumentError });
});
