// Proves lib/data/class-weights.ts: rare classes count as much as common ones, and what cannot be counted is refused.
import test from 'ava';
import {
  ArgumentError,
  CrossEntropyLoss,
  Tensor,
  TensorDataset,
  classWeights,
  crossEntropy,
  iterableDataset,
  split,
  subset,
  tableFromRows,
  tensor,
} from '../../lib/index.js';
import { Seeded } from '../helpers/seeded.js';

const rows = Array.from({ length: 90 }, (_, i) => ({ age: (i * 37) % 50, churn: i % 9 === 4 ? 'yes' : 'no' }));

test('weights are n / (k · count) in the order of the classes, so that each class has the same part in the loss', (t) => {
  const data = tableFromRows(rows).dataset({ target: 'churn' });
  t.deepEqual(data.classes, ['no', 'yes']);
  t.deepEqual(classWeights(data), [90 / (2 * 80), 90 / (2 * 10)]);
  const [train] = split(data, [0.8, 0.2], { stratify: true, seed: 1 });
  const weights = classWeights(train);
  t.deepEqual(weights, [72 / (2 * 64), 72 / (2 * 8)], 'of a part, those of the part');
  const { targets } = train.batch(Int32Array.from({ length: 72 }, (_, i) => i));
  const random = new Seeded(5);
  const scores = Tensor.from(
    Float32Array.from({ length: 144 }, () => random.next()),
    [72, 2],
  );
  const losses = crossEntropy(scores, targets as Tensor<'int32'>, { reduction: 'none' });
  const mean = (code: number): number => {
    const own = [...losses.data].filter((_, i) => targets.data[i] === code);
    return own.reduce((sum, loss) => sum + loss, 0) / own.length;
  };
  const balanced = new CrossEntropyLoss({ classWeights: weights }).forward(scores, targets as Tensor<'int32'>).item();
  t.true(Math.abs(balanced - (mean(0) + mean(1)) / 2) < 1e-6);
});

test('without names there are as many classes as the largest index says, and labels that do not count are left out', (t) => {
  const set = (labels: number[], ignoreIndex: number | null = null): TensorDataset =>
    new TensorDataset(Tensor.from(new Float32Array(labels.length), [labels.length, 1]), Tensor.from(Int32Array.from(labels)), { ignoreIndex });
  t.deepEqual(classWeights(set([2, 0, 1, 1])), [4 / 3, 2 / 3, 4 / 3]);
  t.deepEqual(classWeights(set([0, -1, 1, 1, -1], -1)), [3 / 2, 3 / 4]);
});

test('a class without an example, numbers, and sets that are read as streams are refused, and a loss that is told otherwise says what counts them', (t) => {
  const data = tableFromRows(rows).dataset({ target: 'churn' });
  const never = subset(data, [0, 1, 2]);
  t.throws(() => classWeights(never), {
    instanceOf: ArgumentError,
    message: /^class 'yes' has no example in data set 'rows\[3\]'.*stratify: true/,
  });
  const numbers = new TensorDataset(tensor([[1]]), tensor([[1]]));
  t.throws(() => classWeights(numbers), {
    instanceOf: ArgumentError,
    message: /^classWeights\(\) needs class indices, the targets of data have/,
  });
  const stream = iterableDataset(() => [[1]], { example: ([x]) => ({ inputs: [x], targets: x }) });
  t.throws(() => classWeights(stream), { instanceOf: ArgumentError });
  t.throws(() => classWeights(3 as never), { instanceOf: ArgumentError });
  for (const wrong of ['balanced', { yes: 7 }])
    t.throws(() => new CrossEntropyLoss({ classWeights: wrong as never }), {
      instanceOf: ArgumentError,
      message: /one for each class in the order of their indices, such as classWeights\(data\)/,
    });
});
