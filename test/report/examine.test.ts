// Proves lib/report/examine.ts: what is counted and shown of a model's predictions, for classes, two classes by one number, and numbers.

import test from 'ava';
import {
  type AnyDataset,
  BinaryCrossEntropyLoss,
  CrossEntropyLoss,
  MSELoss,
  Model,
  ones,
  Tensor,
  TensorDataset,
  readCsv,
  tensor,
} from '../../lib/index.js';
import { examine } from '../../lib/report/examine.js';
import { join } from 'node:path';
import { root } from '../helpers/sources.js';

/** Gives its inputs back. */
class Echo extends Model {
  forward(x: Tensor): Tensor {
    return x;
  }
}

test('of classes: the confusion matrix, the surest errors and the narrowest hits', async (t) => {
  const scores = tensor([
    [9, 0, 0],
    [0, 1, 0.9],
    [5, 0, 0],
    [0, 0, 2],
    [0, 3, 0],
  ]);
  const data = new TensorDataset(scores, Tensor.from(Int32Array.of(0, 1, 2, 2, 0)), { classes: ['a', 'b', 'c'], name: 'five' });
  const seen = (await examine(new Echo(), data, new CrossEntropyLoss()))!;
  t.deepEqual(seen.confusion, [
    [1, 1, 0],
    [0, 1, 0],
    [1, 0, 1],
  ]);
  t.is(seen.wrong, 2);
  t.deepEqual(
    seen.worst.map(({ index, target, prediction }) => [index, target, prediction]),
    [
      [2, 2, 0],
      [4, 0, 1],
    ],
  );
  t.deepEqual(
    seen.leastSure.map(({ index }) => index),
    [1, 3, 0],
  );
  const share = 1 / (1 + Math.E ** -1 + Math.E ** -0.1);
  t.true(Math.abs(seen.leastSure[0].share! - share) < 1e-6);
  t.deepEqual(seen.classes, ['a', 'b', 'c']);
  t.deepEqual(seen.leastSure[0].input, {
    kind: 'row',
    values: [
      ['0', 0],
      ['1', 1],
      ['2', Math.fround(0.9)],
    ],
  });
});

test('of two classes by one probability, and of numbers those that are farthest off', async (t) => {
  const inputs = tensor([[2], [-3], [0.5], [-1]]);
  const binary = new TensorDataset(inputs, tensor([[1], [1], [0], [0]]));
  const seen = (await examine(new Echo(), binary as AnyDataset, new BinaryCrossEntropyLoss()))!;
  t.deepEqual(seen.confusion, [
    [1, 1],
    [1, 1],
  ]);
  t.deepEqual(
    seen.worst.map(({ index }) => index),
    [1, 2],
  );
  const numbers = (await examine(new Echo(), binary as AnyDataset, new MSELoss()))!;
  t.is(numbers.confusion, null);
  t.deepEqual(
    numbers.worst.map(({ index, target, prediction }) => [index, target, prediction]),
    [
      [1, 1, -3],
      [0, 1, 2],
      [3, 0, -1],
      [2, 0, 0.5],
    ],
  );
});

test('images are bytes from their least to their largest value, large ones smaller; rows of tables have the names of their columns', async (t) => {
  const pixels = Float32Array.from({ length: 2 * 2 * 2 }, (_, i) => i / 10);
  const images = new TensorDataset(Tensor.from(pixels, [2, 2, 2, 1]), Tensor.from(Int32Array.of(0, 1)), { classes: 2 });
  class Flat extends Model {
    forward(x: Tensor): Tensor {
      return x.reshape([x.shape[0], -1]).slice(0, x.shape[0]);
    }
  }
  const { worst, leastSure } = (await examine(new Flat(), images as AnyDataset, new CrossEntropyLoss()))!;
  const { input } = [...worst, ...leastSure].find(({ index }) => index === 0)!;
  t.deepEqual(input, { kind: 'image', height: 2, width: 2, channels: 1, pixels: Buffer.from([0, 85, 170, 255]).toString('base64') });
  const large = new TensorDataset(Tensor.from(new Float32Array(200 * 100 * 3), [1, 200, 100, 3]), Tensor.from(Int32Array.of(0)));
  t.is(await examine(new Flat(), large as AnyDataset, new MSELoss()), null, 'many numbers an example are neither classes nor one number');
  class One extends Model {
    forward(x: Tensor): Tensor {
      return ones([x.shape[0], 1]);
    }
  }
  const { worst: one } = (await examine(new One(), large as AnyDataset, new MSELoss()))!;
  t.true(one[0].input?.kind === 'image' && one[0].input.height === 67 && one[0].input.width === 34 && one[0].input.channels === 3);
  const table = await readCsv(join(root, 'test/golden/houses.csv'));
  const houses = table.dataset({ target: 'area' });
  const [far] = (await examine(new One(), houses as unknown as AnyDataset, new MSELoss()))!.worst;
  const values = far.input?.kind === 'row' ? far.input.values : [];
  t.deepEqual(
    values.map(([name]) => name),
    houses.features.map(({ name }) => name),
  );
  const category = houses.features.findIndex(({ kind }) => kind === 'category');
  t.true(houses.features[category].categories?.includes(String(values[category][1])), 'a category by its name');
});
