// Proves lib/evaluation/mistakes.ts: what a classifier gets wrong, by index, file, name and probability, through every kind of data set.

import test from 'ava';
import {
  ArgumentError,
  ChannelScaler,
  Flatten,
  type Layer,
  Linear,
  Sequential,
  ShapeError,
  Tensor,
  TensorDataset,
  augmented,
  iterableDataset,
  mistakes,
  split,
  subset,
  tensor,
  transformed,
  StandardScaler,
} from '../../lib/index.js';

/** Gives its inputs as scores. */
function asItIs(size: number): Sequential {
  const line = new Linear(size, size, { bias: false });
  line.weight.data.set(Float32Array.from({ length: size * size }, (_, i) => Number(i % (size + 1) === 0)));
  return new Sequential([line]);
}

const names = ['cat', 'dog', 'bird'];
const scores = [
  [2, 0, 0], // right
  [0, 1, 0], // is a bird, half sure
  [0, 0, 9], // is a cat, quite sure
  [0, 3, 0], // right
];
const labels = [0, 2, 0, 1];
const files = ['a.jpg', 'b.jpg', 'c.jpg', 'd.jpg'];
const data = (options: { classes?: string[]; files?: string[] } = { classes: names, files }): TensorDataset =>
  new TensorDataset(tensor(scores), tensor(labels, { dtype: 'int32' }), options);

const half = Math.E / (Math.E + 2);
const sure = Math.exp(9) / (Math.exp(9) + 2);

test('the surest mistake comes first, with its file, both names and the probability of the wrong one', async (t) => {
  const found = await mistakes(asItIs(3), data());
  t.deepEqual(
    found.map(({ index, file, label, prediction }) => [index, file, label, prediction]),
    [
      [2, 'c.jpg', 'cat', 'bird'],
      [1, 'b.jpg', 'bird', 'dog'],
    ],
  );
  t.true(Math.abs(found[0].probability - sure) < 1e-6);
  t.true(Math.abs(found[1].probability - half) < 1e-6);
  t.deepEqual(await mistakes(asItIs(3), data(), { most: 1 }), found.slice(0, 1));
  t.deepEqual(await mistakes(asItIs(3), data(), { most: 0 }), []);
});

test('without names and files there are numbers and null; names of the model come before those of the data', async (t) => {
  const [first] = await mistakes(asItIs(3), data({}));
  t.deepEqual([first.file, first.label, first.prediction], [null, '0', '2']);
  const model = asItIs(3);
  model.classNames = names;
  t.is((await mistakes(model, data({})))[0].prediction, 'bird');
  await t.throwsAsync(mistakes(model, data({ classes: ['dog', 'cat', 'bird'] })), { instanceOf: ArgumentError, message: /another class/ });
});

test('files go with their examples through parts, splits, transforms and augmentation', async (t) => {
  const part = subset(data(), [3, 2]);
  t.is(part.fileOf?.(1), 'c.jpg');
  t.deepEqual(
    (await mistakes(asItIs(3), part)).map(({ index, file }) => [index, file]),
    [[1, 'c.jpg']],
  );
  t.throws(() => part.fileOf?.(2), { instanceOf: ArgumentError });
  for (const one of split(data(), [0.5, 0.5], { seed: 4 }))
    for (let i = 0; i < 2; i++) {
      const { inputs } = one.batch(Int32Array.of(i));
      t.is(one.fileOf?.(i), files[scores.findIndex((row) => String(row) === String([...inputs.data]))]);
    }
  t.is(transformed(data(), new StandardScaler().fit(data())).fileOf?.(2), 'c.jpg');
  const images = new TensorDataset(Tensor.from(new Uint8Array(4 * 3), [4, 1, 1, 3]), tensor(labels, { dtype: 'int32' }), { files });
  t.is(augmented(images, []).fileOf?.(2), 'c.jpg');
  const model = new Sequential([new Flatten(), new Linear(3, 3)]);
  model.preprocessing = new ChannelScaler({ layout: 'NHWC', mean: 0.5 });
  for (const { index, file } of await mistakes(model, subset(images, [1, 2, 3]))) t.is(file, files[index + 1]);
  t.throws(() => new TensorDataset(tensor(scores), tensor(labels, { dtype: 'int32' }), { files: ['a.jpg'] }), {
    instanceOf: ArgumentError,
    message: /`options.files` names 1 files, and there are 4 examples/,
  });
});

test('one score of yes or no is a probability by sigmoid', async (t) => {
  const answers = new TensorDataset(tensor([[3], [-3], [2]]), tensor([[1], [1], [0]]));
  const found = await mistakes(asItIs(1), answers);
  t.deepEqual(
    found.map(({ index, label, prediction }) => [index, label, prediction]),
    [
      [1, '1', '0'],
      [2, '0', '1'],
    ],
  );
  t.true(Math.abs(found[0].probability - 1 / (1 + Math.exp(-3))) < 1e-6);
});

test('a label that does not count is no mistake', async (t) => {
  const ignored = new TensorDataset(tensor(scores), tensor([0, -1, 0, 1], { dtype: 'int32' }), { ignoreIndex: -1 });
  t.deepEqual(
    (await mistakes(asItIs(3), ignored)).map(({ index }) => index),
    [2],
  );
});

test('what is no classifier, and what has no examples by number, is refused', async (t) => {
  await t.throwsAsync(mistakes(asItIs(3), new TensorDataset(tensor(scores), tensor([0.5, 1, 2, 3]))), { message: /are numbers/ });
  await t.throwsAsync(mistakes(asItIs(1), new TensorDataset(tensor([[3]]), tensor([[2]]))), { message: /are numbers/ });
  await t.throwsAsync(mistakes(asItIs(3), new TensorDataset(tensor(scores), tensor(scores))), { message: /more than a class/ });
  const deep = new TensorDataset(
    tensor([
      [
        [1, 2],
        [3, 4],
      ],
    ]),
    tensor([0], { dtype: 'int32' }),
  );
  await t.throwsAsync(mistakes(asItIs(2) as Layer, deep), { instanceOf: ShapeError, message: /gives \[1, 2, 2\]/ });
  const stream = iterableDataset(() => [{ input: [1, 2, 3], target: 1 }]);
  await t.throwsAsync(mistakes(asItIs(3), stream as never), { instanceOf: ArgumentError, message: /stream/ });
});
