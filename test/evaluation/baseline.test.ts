// What is reached without a look at any input: by hand on small sets, and on sets of every kind.
import test from 'ava';
import { ArgumentError, type AsyncDataset, TensorDataset, baseline, split, subset, tensor } from '../../lib/index.js';

const classes = (labels: number[], names?: string[]): TensorDataset =>
  new TensorDataset(tensor(labels.map((label) => [label])), tensor(labels, { dtype: 'int32' }), names && { classes: names });
const numbers = (values: number[]) => new TensorDataset(tensor(values.map((value) => [value])), tensor(values.map((value) => [value])));

test('of classes it is always the commonest one of training, with the log loss of their shares', async (t) => {
  const found = await baseline(classes([0, 1, 1, 1], ['yes', 'no']), classes([1, 0, 0, 1, 0]));
  t.is(found.always, 1);
  t.is(found.className, 'no');
  t.is(found.scores.accuracy, 0.4);
  t.true(Math.abs(found.scores.logLoss - (-3 * Math.log(0.25) - 2 * Math.log(0.75)) / 5) < 1e-12);
  t.is(found.text, "always 'no': accuracy 40.00 %, log loss 0.9468");
  t.is((await baseline(classes([2, 0, 2, 0]))).always, 0, 'the first of equally common ones');
  t.is((await baseline(classes([0, 0]), classes([1]))).scores.logLoss, Infinity);
});

test('of numbers it is always the mean of training', async (t) => {
  const found = await baseline(numbers([1, 2, 6]), numbers([2, 4]));
  t.deepEqual(found, {
    always: 3,
    className: null,
    scores: { mae: 1, rmse: 1, r2: 0 },
    text: 'always the mean, 3: off by 1 on average, root mean square 1; 0.00 % of the variance explained',
  });
  t.is((await baseline(numbers([1, 2]), numbers([5, 5]))).scores.r2, Number.NaN);
});

test('numbers that are all 0 or 1 are two classes', async (t) => {
  const { className, scores } = await baseline(numbers([0, 0, 1]));
  t.is(className, '0');
  t.is(scores.accuracy, 2 / 3);
});

test('a part of a set counts its own rows, and sets that give batches are gone through', async (t) => {
  const data = classes([0, 0, 0, 1, 1, 2]);
  t.is((await baseline(subset(data, Int32Array.of(3, 4, 5)))).always, 1);
  const [train, rest] = split(numbers([1, 2, 3, 4, 5, 6, 7, 8]), [0.5, 0.5], { seed: 3 });
  t.is((await baseline(train, rest)).always + (await baseline(rest, train)).always, 9);
  const slow: AsyncDataset<'float32', 'float32'> = {
    name: 'slow',
    length: 600,
    inputShape: [1],
    targetShape: [1],
    batch: async (indices) => ({ inputs: tensor(Array.from(indices, (i) => [i])), targets: tensor(Array.from(indices, (i) => [i])) }),
  };
  t.is((await baseline(slow)).always, 299.5);
});

test('what has no single target is refused', async (t) => {
  const wide = new TensorDataset(
    tensor([[1], [2]]),
    tensor([
      [1, 2],
      [3, 4],
    ]),
  );
  await t.throwsAsync(baseline(wide), {
    instanceOf: ArgumentError,
    message: /targets of data set 'data' are more than a class index or a number/,
  });
  await t.throwsAsync(baseline(subset(classes([1]), new Int32Array(0))), { instanceOf: ArgumentError, message: /is empty/ });
  await t.throwsAsync(baseline([1] as never), { instanceOf: ArgumentError, message: /for `train`/ });
});
