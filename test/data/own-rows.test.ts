// A process of a group makes the rows of a batch that it computes, and no others.

import test from 'ava';
import { augmented, DataLoader, type Dataset, randomFlip, Tensor, TensorDataset } from '../../lib/index.js';
import { withOwnRows } from '../../lib/data/own-rows.js';
import { rowsOfProcess } from '../../lib/ops/group.js';
import { feedOf } from '../../lib/data/feed.js';
import { counted } from '../distributed/group.child.js';

const shards = 16;

test('a set that makes its batches is asked for the own rows alone; the others are copies of the first of them', (t) => {
  for (const size of [2, 3, 5, 16]) {
    const asked: number[] = [];
    for (let rank = 0; rank < size; rank++) {
      const whole = counted(70);
      const own = withOwnRows(whole, 32, (rows) => rowsOfProcess({ rank, size }, shards, rows)) as Dataset;
      for (const first of [0, 32, 64]) {
        const indices = Int32Array.from({ length: Math.min(32, 70 - first) }, (_, i) => 69 - first - i);
        const [begin, end] = rowsOfProcess({ rank, size }, shards, indices.length);
        const { inputs, targets } = own.batch(indices);
        const all = counted(70).batch(indices);
        t.deepEqual(inputs.slice(begin, end).toArray(), all.inputs.slice(begin, end).toArray());
        t.deepEqual(targets.slice(begin, end).toArray(), all.targets.slice(begin, end).toArray());
        t.deepEqual(inputs.shape, all.inputs.shape);
        if (begin > 0) t.deepEqual(inputs.slice(0, 1).toArray(), inputs.slice(begin, begin + 1).toArray());
      }
      asked.push(...whole.asked);
    }
    // Who has no row of a small last batch asks for one all the same.
    t.deepEqual(
      [...new Set(asked)].sort((a, b) => a - b),
      [...Array(70).keys()],
    );
    t.true(asked.length <= 70 + size);
  }
});

test('of images that are augmented as their batches are gathered, the own ones are as they would be', (t) => {
  const bytes = Uint8Array.from({ length: 40 * 4 * 4 }, (_, i) => i % 251);
  const data = new TensorDataset(Tensor.from(bytes, [40, 4, 4, 1]), Tensor.from(new Int32Array(40)), { name: 'bytes', classes: 2 });
  const whole = augmented(data as unknown as Dataset<'uint8'>, [randomFlip()], { mean: [100] });
  const own = withOwnRows(whole, 16, (rows) => rowsOfProcess({ rank: 1, size: 3 }, shards, rows)) as typeof whole;
  const gathered = [whole, own].map((set) => {
    const feed = feedOf(new DataLoader(set, { batchSize: 16, shuffle: true, seed: 3 }) as never, 2);
    return [feed.prepare(0, 2, 0), feed.prepare(2, 1, 1)].map(({ sources }) => [...sources[0]]);
  });
  const width = 16;
  for (const [call, batches] of [
    [0, 2],
    [1, 1],
  ]) {
    for (let batch = 0; batch < batches; batch++) {
      const [begin, end] = rowsOfProcess({ rank: 1, size: 3 }, shards, call === 0 ? 16 : 8).map((row) => (16 * batch + row) * width);
      t.deepEqual(gathered[1][call].slice(begin, end), gathered[0][call].slice(begin, end));
    }
  }
});

test('tensors are gathered as they are, and a stream gives all of its rows', (t) => {
  const data = new TensorDataset(Tensor.from(new Float32Array(8), [4, 2]), Tensor.from(new Int32Array(4)), { classes: 2 });
  t.is(
    withOwnRows(data, 2, () => [0, 1]),
    data,
  );
});
