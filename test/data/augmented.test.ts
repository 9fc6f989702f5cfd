// Proves lib/data/augmented.ts: the same batches for any threads, batch size and order, in loaders and in training, and after a resume.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { feedOf } from '../../lib/data/feed.js';
import {
  augmented,
  colourJitter,
  DataLoader,
  type Dataset,
  type DType,
  Flatten,
  getNumThreads,
  Linear,
  lensDistortion,
  pcaColourJitter,
  randomAffine,
  randomCrop,
  randomFlip,
  Sequential,
  SGD,
  setNumThreads,
  setSeed,
  subset,
  Tensor,
  TensorDataset,
} from '../../lib/index.js';
import { Seeded } from '../helpers/seeded.js';
import { loss, quiet } from '../helpers/training.js';

const noise = (count: number, side = 8): TensorDataset<'uint8'> => {
  const random = new Seeded(count);
  const bytes = Uint8Array.from({ length: count * side * side * 3 }, () => random.integer(256));
  const labels = Int32Array.from({ length: count }, (_, i) => i % 4);
  return new TensorDataset(Tensor.from(bytes, [count, side, side, 3]), Tensor.from(labels), { name: 'noise', classes: 4 });
};
const whole = [randomCrop({ padding: 2 }), randomFlip()];
const everything = [...whole, randomAffine({ rotation: 20, scale: 0.2 }), lensDistortion(), colourJitter({ contrast: 0.5 }), pcaColourJitter()];
const statistics = { mean: [0.4, 0.5, 0.6], std: [0.2, 0.25, 0.3] };
const all = (count: number): Int32Array => Int32Array.from({ length: count }, (_, i) => i);
const key = { seed: 5, epoch: 2 };

test('without augmentations it is (x/255 − mean)/std, and a byte that is the mean gives 0', (t) => {
  const set = noise(5);
  const { inputs } = augmented(set, [], statistics).batch(all(5));
  t.is(inputs.dtype, 'float32');
  set.inputs.data.forEach((byte, i) => {
    const wanted = (byte / 255 - statistics.mean[i % 3]) / statistics.std[i % 3];
    t.true(Math.abs(inputs.data[i] - wanted) < 1e-6);
  });
  t.is(augmented(set, [], { mean: set.inputs.data[0] / 255 }).batch(all(1)).inputs.data[0], 0);
});

test('what an example draws depends on seed, epoch and row alone: not on threads, batch, order or the subset that it is in', (t) => {
  const set = noise(70);
  for (const list of [whole, everything]) {
    const data = augmented(set, list, statistics);
    const threads = getNumThreads();
    const batches = [1, 2, 5].map((count) => {
      setNumThreads(count);
      return data.batch(all(70), key).inputs.data;
    });
    setNumThreads(threads);
    t.deepEqual(batches[1], batches[0]);
    t.deepEqual(batches[2], batches[0]);
    const size = data.inputShape.reduce((a, b) => a * b);
    const row = (i: number): Float32Array => batches[0].slice(i * size, (i + 1) * size);
    t.deepEqual(data.batch(Int32Array.of(69, 3), key).inputs.data, Float32Array.of(...row(69), ...row(3)));
    t.deepEqual(subset(data, [9, 69]).batch(Int32Array.of(1), key).inputs.data, row(69));
    t.deepEqual(augmented(subset(set, [9, 69]), list, statistics).batch(Int32Array.of(1), key).inputs.data, row(69));
    t.notDeepEqual(data.batch(all(70), { ...key, epoch: 3 }).inputs.data, batches[0]);
    t.notDeepEqual(data.batch(all(70), { ...key, seed: 6 }).inputs.data, batches[0]);
  }
});

test('a loader gives new batches in each epoch, the same ones for the same seed, and goes on from a saved state', (t) => {
  const make = (): DataLoader => new DataLoader(augmented(noise(20), whole, statistics), { batchSize: 8, shuffle: true, seed: 7 });
  const epochs = (loader: DataLoader, count: number): Float32Array[] =>
    Array.from({ length: count }, () => [...loader].map(([x]) => x.data)).flat();
  const wanted = epochs(make(), 2);
  t.notDeepEqual(wanted.slice(0, 3), wanted.slice(3));
  const stopped = make();
  const iterator = stopped[Symbol.iterator]();
  iterator.next();
  iterator.next();
  const resumed = make();
  resumed.state = stopped.state;
  t.deepEqual(
    [...resumed, ...resumed].map(([x]) => x.data),
    wanted.slice(2),
  );
});

test('a feed makes the batches of the loader, for sets in memory and for sets that are fetched', (t) => {
  const set = noise(20);
  const fetched: Dataset<'uint8'> = { ...pick(set), batch: (indices) => set.batch(indices) };
  for (const data of [
    augmented(set, everything, statistics),
    augmented(fetched, everything, statistics),
    subset(augmented(set, whole), all(17)),
  ]) {
    const loader = new DataLoader(data, { batchSize: 8, shuffle: true, seed: 2 });
    const feed = feedOf(loader as unknown as DataLoader<DType, DType>, 4);
    t.true(feed.length === 3 && feed.examples(0) === 8);
    t.deepEqual(feed.specifications(0)[0], { shape: [8, 8, 8, 3], dtype: 'float32' });
    const { sources, rows } = feed.prepare(0, 2, 0);
    const batches = [...loader.epoch(4)].slice(0, 2);
    t.deepEqual(rows, all(16));
    t.deepEqual(
      [...sources[0]],
      batches.flatMap(([x]) => [...x.data]),
    );
    t.deepEqual(
      [...sources[1]],
      batches.flatMap(([, y]) => [...y.data]),
    );
  }
});

const pick = ({ name, length, inputShape, targetShape }: Dataset<'uint8'>) => ({ name, length, inputShape, targetShape });

const makeNet = (): Sequential => {
  setSeed(1);
  return new Sequential([new Flatten(), new Linear(192, 4)]);
};
const weightsOf = (net: Sequential): number[] => net.parameters().flatMap((parameter) => [...(parameter.data as Float32Array)]);

test('fit augments in compiled steps as in eager ones, and leaves validation as it is', async (t) => {
  const validation = augmented(noise(12), [], statistics);
  const run = async (eager: boolean, list = everything) => {
    const net = makeNet();
    const optimizer = new SGD(net, { lr: 0.05 });
    const data = augmented(noise(40), list, statistics);
    const { epochs } = await net.fit(data, { loss, optimizer, epochs: 2, batchSize: 16, seed: 3, validation, eager, ...quiet });
    return { weights: weightsOf(net), score: epochs[1].validation?.loss, again: (await net.evaluate(validation, { loss })).loss };
  };
  const [compiled, eager, plain] = [await run(false), await run(true), await run(false, [])];
  t.deepEqual(compiled.weights, eager.weights);
  t.notDeepEqual(compiled.weights, plain.weights);
  t.is(compiled.score, compiled.again);
});

test('a run that was stopped and resumed draws what an unbroken one draws', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'nodegrad-augmented-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const run = async (steps: number | null, folder?: string, resume = false): Promise<number[]> => {
    const net = makeNet();
    const optimizer = new SGD(net, { lr: 0.05, momentum: 0.9 });
    const stopping = new AbortController();
    const callbacks = steps === null ? [] : [{ onBatchEnd: ({ step }: { step: number }) => step >= steps && stopping.abort() }];
    const checkpoint = folder === undefined ? undefined : { checkpoint: { dir: folder, every: 2 }, resume };
    const options = { loss, optimizer, epochs: 3, batchSize: 8, seed: 3, signal: stopping.signal, callbacks, ...checkpoint, ...quiet };
    await net
      .fit(augmented(noise(40), everything, statistics), options as never)
      .catch((error: { code: string }) => t.is(error.code, 'ERR_ABORTED'));
    return weightsOf(net);
  };
  const wanted = await run(null);
  await run(7, dir);
  t.deepEqual(await run(null, dir, true), wanted);
});

test('what cannot be augmented is refused by name', (t) => {
  const set = noise(3);
  const floats = new TensorDataset(Tensor.from(new Float32Array(48), [1, 4, 4, 3]), Tensor.from(Int32Array.of(0)));
  t.throws(() => augmented(floats as never, []), { code: 'ERR_DTYPE', message: /raw: true/ });
  t.throws(() => augmented(augmented(set, []) as never, []), { code: 'ERR_ARGUMENT', message: /augmented already/ });
  t.throws(() => augmented(set, [{} as never]), { code: 'ERR_ARGUMENT', message: /augmentations/ });
  t.throws(() => augmented(set, Array(13).fill(randomFlip())), { code: 'ERR_ARGUMENT', message: /at most 12/ });
  t.throws(() => augmented(set, [], { std: 0 }), { code: 'ERR_ARGUMENT', message: /options\.std/ });
  t.throws(() => augmented(set, [], { mean: [1, 2] }), { code: 'ERR_ARGUMENT', message: /one for each channel/ });
  const flat = new TensorDataset(Tensor.from(new Uint8Array(4), [1, 4]), Tensor.from(Int32Array.of(0)));
  t.throws(() => augmented(flat, []), { code: 'ERR_SHAPE', message: /\[4\]/ });
});
