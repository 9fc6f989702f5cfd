// Proves lib/data/loader.ts: complete epochs, orders by seed and epoch alone, resuming, and the memory bound of streaming.
import test from 'ava';
import fc from 'fast-check';
import type { Dataset } from '../../lib/data/dataset.js';
import { DataLoader, type DataLoaderOptions, type DataLoaderState } from '../../lib/data/loader.js';
import { tensor } from '../../lib/create.js';
import { setSeed } from '../../lib/seed.js';
import { Tensor } from '../../lib/tensor.js';

/** A data set that makes its examples on demand: input and target of example i are i. */
const numbers = (length: number, onBatch: (indices: Int32Array) => void = () => {}): Dataset => ({
  name: 'numbers',
  length,
  inputShape: [1],
  targetShape: [],
  batch(indices) {
    onBatch(indices);
    return {
      inputs: Tensor.from<'float32'>(new Float32Array(indices), [indices.length, 1]),
      targets: Tensor.from<'int32'>(new Int32Array(indices)),
    };
  },
});
const rows = (batches: Iterable<[unknown, Tensor<'int32'>]>): number[][] => Array.from(batches, ([, y]) => [...y.data]);
const rowsAsync = async (batches: AsyncIterable<[unknown, Tensor<'int32'>]>): Promise<number[][]> => {
  const all: number[][] = [];
  for await (const [, y] of batches) all.push([...y.data]);
  return all;
};
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('an epoch holds every example once, in order or shuffled, and dropLast leaves out only the rest', (t) => {
  fc.assert(
    fc.property(fc.nat(100), fc.integer({ min: 1, max: 40 }), fc.boolean(), fc.boolean(), (n, batchSize, shuffle, dropLast) => {
      if (dropLast && n > 0 && batchSize > n) return true;
      const loader = new DataLoader(numbers(n), { batchSize, shuffle, dropLast });
      const batches = rows(loader);
      const seen = batches.flat();
      const wanted = dropLast ? n - (n % batchSize) : n;
      const ordered = shuffle || seen.every((row, i) => row === i);
      const sizes = batches.every((batch, i) => batch.length === batchSize || (!dropLast && i === batches.length - 1));
      return batches.length === loader.length && seen.length === wanted && new Set(seen).size === wanted && ordered && sizes;
    }),
  );
  t.pass();
});

test('inputs and targets come as a pair of tensors that belong together', (t) => {
  const [[x, y]] = [...new DataLoader(numbers(5), { batchSize: 5, shuffle: true })];
  t.deepEqual(
    [x.shape, y.shape].map((shape) => [...shape]),
    [[5, 1], [5]],
  );
  t.deepEqual([...x.data], [...y.data]);
});

test('the order depends on seed and epoch only: not on batch size, prefetching, or what ran before', async (t) => {
  const flat = async (options: DataLoaderOptions, epoch: number): Promise<number[]> => {
    const loader = new DataLoader(numbers(97), { shuffle: true, ...options });
    return (await rowsAsync(loader.epoch(epoch))).flat();
  };
  const base = await flat({ seed: 5 }, 3);
  for (const batchSize of [1, 10, 97, 200])
    for (const prefetch of [0, 1, 7]) t.deepEqual(await flat({ seed: 5, batchSize, prefetch }, 3), base);
  t.notDeepEqual(await flat({ seed: 5 }, 4), base);
  t.notDeepEqual(await flat({ seed: 6 }, 3), base);
  const loader = new DataLoader(numbers(97), { shuffle: true, seed: 5 });
  for (let epoch = 0; epoch < 3; epoch++) rows(loader);
  t.deepEqual(rows(loader).flat(), base);
  loader.setEpoch(3);
  t.deepEqual((await rowsAsync(loader)).flat(), base);
  t.is(loader.state.epoch, 4);
});

test('this order is a promise between versions', async (t) => {
  t.deepEqual(rows(new DataLoader(numbers(8), { shuffle: true, seed: 1, batchSize: 8 }).epoch(2))[0], [5, 4, 0, 7, 6, 2, 1, 3]);
  const pairs = new DataLoader(numbers(8), { shuffle: true, seed: 1, batchSize: 2 });
  t.deepEqual(rows(pairs.epoch(2, 3)), [[1, 3]], 'from the fourth batch on');
  t.deepEqual(await rowsAsync(pairs.epoch(2, 2)), [
    [6, 2],
    [1, 3],
  ]);
  t.is(pairs.epoch(2, 4).length, 0);
  t.deepEqual(rows(pairs.epoch(2, 4)), []);
  t.throws(() => pairs.epoch(2, 5), { code: 'ERR_ARGUMENT', message: /`first`/ });
});

test('every loop is the next epoch, also after a loop that was left early or failed', async (t) => {
  const loader = new DataLoader(numbers(6), { batchSize: 2, shuffle: true, seed: 3 });
  const epochs = [0, 1, 2, 3, 4].map((epoch) => rows(loader.epoch(epoch)));
  t.is(loader.state.epoch, 0);
  t.deepEqual(rows(loader), epochs[0]);
  for (const [, y] of loader) {
    t.deepEqual([...y.data], epochs[1][0]);
    break;
  }
  t.deepEqual(await rowsAsync(loader), epochs[2]);
  await t.throwsAsync(async () => {
    for await (const _ of loader) throw new Error('stop');
  });
  t.deepEqual(rows(loader), epochs[4]);
});

test('a saved state resumes at any batch with exactly the batches that were left', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 30 }),
      fc.integer({ min: 1, max: 7 }),
      fc.nat(80),
      fc.boolean(),
      async (n, batchSize, stop, ahead) => {
        const options = { batchSize, shuffle: true, seed: 11 };
        const original = new DataLoader(numbers(n), options);
        const all: number[][] = [];
        let state: DataLoaderState = original.state;
        for (let epoch = 0; epoch < 3; epoch++) {
          for (const [, y] of original) {
            all.push([...y.data]);
            if (all.length === stop) state = original.state;
          }
        }
        const resumed = new DataLoader(numbers(n), { ...options, seed: 99 });
        resumed.state = JSON.parse(JSON.stringify(state)) as DataLoaderState;
        const rest: number[][] = [];
        while (resumed.state.epoch < 3) rest.push(...(ahead ? await rowsAsync(resumed) : rows(resumed)));
        t.deepEqual(rest, all.slice(stop <= all.length ? stop : 0));
      },
    ),
  );
});

test('the state counts the batches handed out and moves to the next epoch with the last one', (t) => {
  const loader = new DataLoader(numbers(5), { batchSize: 2, seed: 4 });
  const seen: string[] = [];
  for (const _ of loader) seen.push(`${loader.state.epoch}:${loader.state.batch}`);
  t.deepEqual(seen, ['0:1', '0:2', '1:0']);
  t.deepEqual(loader.state, { seed: 4, epoch: 1, batch: 0 });
  loader.state = { seed: 4, epoch: 1, batch: 3 };
  t.deepEqual(loader.state, { seed: 4, epoch: 2, batch: 0 });
  rows(loader);
  t.deepEqual(loader.state, { seed: 4, epoch: 3, batch: 0 });
});

test('two loops over one loader at the same time see the same whole epoch', (t) => {
  const loader = new DataLoader(numbers(6), { batchSize: 2, shuffle: true });
  const pairs: [number[], number[]][] = [];
  const other = loader[Symbol.iterator]();
  for (const [, y] of loader) pairs.push([[...y.data], [...(other.next().value as [unknown, Tensor<'int32'>])[1].data]]);
  for (const [a, b] of pairs) t.deepEqual(a, b);
  t.is(pairs.length, 3);
});

test('[L11] a loader streams: ten million examples, and never more than prefetch + 1 batches at a time', async (t) => {
  let made = 0;
  let most = 0;
  let used = 0;
  const dataset = numbers(10_000_000, () => {
    made += 1;
    most = Math.max(most, made - used);
  });
  const loader = new DataLoader(dataset, { batchSize: 50_000, prefetch: 3 });
  for await (const _ of loader) {
    for (let i = 0; i < 6; i++) await turn(); // a long step: time enough to make all of them
    used += 1;
  }
  t.is(made, 200);
  t.is(most, 4); // the batch in use and three more
});

test('prefetching works while the consumer waits, and stops when it leaves', async (t) => {
  let made = 0;
  const loader = new DataLoader(
    numbers(100, () => (made += 1)),
    { batchSize: 10, prefetch: 2 },
  );
  for await (const _ of loader) {
    t.is(made, 1);
    await turn();
    t.is(made, 2);
    await turn();
    await turn();
    t.is(made, 3);
    break;
  }
  await turn();
  await turn();
  t.is(made, 3);
  made = 0;
  for await (const _ of loader) break;
  await turn();
  await turn();
  t.is(made, 1);
  made = 0;
  const plain = new DataLoader(
    numbers(100, () => (made += 1)),
    { batchSize: 10, prefetch: 0 },
  );
  for await (const _ of plain) {
    await turn();
    await turn();
    t.is(made, 1);
    break;
  }
});

test('an error in a data set reaches the loop at the batch that failed, prefetched or not', async (t) => {
  for (const prefetch of [0, 5]) {
    const dataset = numbers(100, (indices) => {
      if (indices.includes(35)) throw new Error('disk on fire');
    });
    const loader = new DataLoader(dataset, { batchSize: 10, prefetch });
    let seen = 0;
    const run = async (): Promise<void> => {
      for await (const _ of loader) {
        seen += 1;
        await turn();
        await turn();
      }
    };
    await t.throwsAsync(run, { message: 'disk on fire' });
    t.is(seen, 3);
  }
});

test.serial('the default seed is the one of setSeed when the loader is made', (t) => {
  setSeed(21);
  const loader = new DataLoader(numbers(50), { shuffle: true });
  setSeed(0);
  t.is(loader.state.seed, 21);
});

test('wrong arguments are refused by name', (t) => {
  const code = 'ERR_ARGUMENT';
  const bad: [object, RegExp][] = [
    [{ batchSize: 0 }, /options.batchSize/],
    [{ batchSize: 1.5 }, /options.batchSize/],
    [{ seed: NaN }, /options.seed/],
    [{ shuffle: 1 }, /options.shuffle/],
    [{ dropLast: 'no' }, /options.dropLast/],
    [{ prefetch: -1 }, /options.prefetch/],
    [{ batch: 3 }, /unknown option `batch`/],
    [{ batchSize: 11, dropLast: true }, /leaves no batch: the data set has 10 examples, a batch 11/],
  ];
  for (const [options, message] of bad) t.throws(() => new DataLoader(numbers(10), options), { code, message });
  for (const dataset of [null, 1, {}, { length: 3 }, { length: -1, batch() {} }, { length: 0.5, batch() {} }]) {
    t.throws(() => new DataLoader(dataset as unknown as Dataset), { code, message: /`dataset/ });
  }
  const loader = new DataLoader(numbers(10));
  for (const epoch of [-1, 0.5, '1', NaN]) {
    t.throws(() => loader.setEpoch(epoch as number), { code, message: /`epoch`/ });
    t.throws(() => loader.epoch(epoch as number), { code, message: /`epoch`/ });
  }
  for (const state of [null, {}, { seed: 0, epoch: 0, batch: 2 }, { seed: 0, epoch: -1, batch: 0 }, { seed: '', epoch: 0, batch: 0 }]) {
    t.throws(() => (loader.state = state as DataLoaderState), { code, message: /`state/ });
  }
  t.deepEqual(loader.state, { seed: 0, epoch: 0, batch: 0 });
});

test('a data set that gives pairs is told which object a batch is', async (t) => {
  const pairs = { name: 'pairs', length: 4, inputShape: [1], targetShape: [1], batch: () => [tensor([[1]]), tensor([[1]])] };
  await t.throwsAsync(
    async () => {
      for await (const _ of new DataLoader(pairs as never, { batchSize: 2 })) break;
    },
    { message: /'pairs' gave an array.*\{ inputs, targets \}/ },
  );
});
