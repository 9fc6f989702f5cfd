// Data sets that are read as streams: the bits of training, ends, errors, and sources that are let go.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { inspect } from 'node:util';
import test from 'ava';
import * as lib from '../../lib/index.js';

type Point = { readonly x: readonly number[]; readonly y: number };

const points: readonly Point[] = Array.from({ length: 50 }, (_, i) => ({ x: [i / 25 - 1, (i % 7) / 7], y: (i % 5) / 5 }));
const example = ({ x, y }: Point): lib.Example => ({ inputs: x, targets: [y] });
const inMemory = new lib.TensorDataset(lib.tensor(points.map(({ x }) => x)), lib.tensor(points.map(({ y }) => [y])), { name: 'points' });

/** A source that says what becomes of it. */
function source(rows: readonly Point[] = points): { make: lib.IterableMaker<Point>; log: string[]; taken: number } {
  const state = { log: [] as string[], taken: 0 };
  return Object.assign(state, {
    make: async function* ({ epoch }: lib.IterationKey): AsyncGenerator<Point> {
      state.log.push(`open ${epoch}`);
      try {
        for (const row of rows) {
          state.taken += 1;
          yield row;
        }
      } finally {
        state.log.push(`close ${epoch}`);
      }
    },
  });
}

const streamed = (options: lib.IterableDatasetOptions<Point> = {}): lib.IterableDataset<Point> =>
  lib.iterableDataset(source().make, { example, name: 'points', ...options });

const quiet = { log: false, progress: false, loss: new lib.MSELoss() } as const;

function newModel(): lib.Sequential {
  lib.setSeed(7);
  return new lib.Sequential([new lib.Linear(2, 4), new lib.Tanh(), new lib.Linear(4, 1)]);
}

async function train(data: lib.AnyDataset, options: Partial<lib.FitOptions> = {}): Promise<{ weights: number[]; history: lib.History }> {
  const model = newModel();
  const optimizer = new lib.Adam(model, { lr: 0.01 });
  const history = await model.fit(data, { ...quiet, optimizer, epochs: 3, batchSize: 8, seed: 3, ...options });
  return { weights: model.parameters().flatMap(({ data: values }) => [...values]), history };
}

test('without shuffling, training gives the bits of the same examples in memory: streamed, step by step and eagerly', async (t) => {
  const wanted = await train(inMemory, { shuffle: false, validation: inMemory });
  for (const options of [{}, { callbacks: [{ onBatchEnd() {} }] }, { eager: true }]) {
    const { weights, history } = await train(streamed(), { shuffle: false, validation: streamed(), ...options });
    t.deepEqual(weights, wanted.weights);
    t.deepEqual(
      history.epochs.map(({ loss, validation }) => [loss, validation?.loss]),
      wanted.history.epochs.map(({ loss, validation }) => [loss, validation?.loss]),
    );
  }
  t.deepEqual(
    (await train(streamed(), { shuffle: false, dropLast: true })).weights,
    (await train(inMemory, { shuffle: false, dropLast: true })).weights,
  );
});

test('shuffling is a function of seed and epoch, draws every example once, and only from the buffer', async (t) => {
  const numbers = (from: number): lib.IterableDataset<number> =>
    lib.iterableDataset(() => Array.from({ length: 40 }, (_, i) => i), {
      example: (i) => ({ inputs: i, targets: i }),
      shuffleBuffer: from,
    });
  const orderOf = async (data: lib.AnyDataset, epoch: number, seed = 5): Promise<number[]> => {
    const found: number[] = [];
    for await (const [x] of new lib.DataLoader(data, { batchSize: 7, shuffle: true, seed }).epoch(epoch)) found.push(...(x as lib.Tensor).data);
    return found;
  };
  const first = await orderOf(numbers(8), 0);
  t.deepEqual(await orderOf(numbers(8), 0), first);
  t.notDeepEqual(await orderOf(numbers(8), 1), first);
  t.notDeepEqual(await orderOf(numbers(8), 0, 6), first);
  t.deepEqual(
    [...first].sort((a, b) => a - b),
    Array.from({ length: 40 }, (_, i) => i),
  );
  t.true(
    first.every((value, place) => value <= place + 8),
    'nothing is drawn that has not been read',
  );
  t.true(first.some((value, place) => value !== place));
  t.deepEqual(
    await orderOf(numbers(1), 0),
    Array.from({ length: 40 }, (_, i) => i),
  );
});

test('an epoch ends where the iterable ends, which may be elsewhere in the next one', async (t) => {
  const data = lib.iterableDataset(({ epoch }) => points.slice(0, [20, 9, 33][epoch]), { example });
  const seen: number[] = [];
  const { history } = await train(data, { callbacks: [{ onEpochEnd: (_record, run) => void seen.push(run.stepsPerEpoch) }] });
  t.deepEqual(seen, [3, 2, 5]);
  t.is(history.epochs.length, 3);
  const loader = new lib.DataLoader(data, { batchSize: 8 });
  t.is(loader.length, Number.POSITIVE_INFINITY);
  let batches = 0;
  for await (const [x] of loader) batches += (x as lib.Tensor).shape[0];
  t.deepEqual([batches, loader.length, loader.state.epoch], [20, 3, 1]);
});

test('a run that was aborted in an epoch is resumed with the bits of one that was not', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'nodegrad-stream-'));
  const whole = await train(streamed(), { checkpoint: { dir: join(dir, 'whole'), every: 3 } });
  const abort = new AbortController();
  const options = { checkpoint: { dir: join(dir, 'cut'), every: 3 }, resume: true } as const;
  const stop = {
    onSteps: (record: { step: number; losses: readonly number[] }) => void (record.step + record.losses.length > 10 && abort.abort()),
  };
  await t.throwsAsync(train(streamed(), { ...options, signal: abort.signal, callbacks: [stop] }), { instanceOf: lib.TrainingAbortedError });
  const { weights, history } = await train(streamed(), options);
  t.deepEqual(weights, whole.weights);
  t.deepEqual(
    history.epochs.map(({ loss }) => loss),
    whole.history.epochs.map(({ loss }) => loss),
  );
});

test('no more is read than training takes, and a run that ends early closes the source', async (t) => {
  const from = source(Array.from({ length: 5000 }, (_, i) => points[i % 50]));
  const data = lib.iterableDataset(from.make, { example, shuffleBuffer: 1 });
  const stop = { onSteps: (record: { step: number }, run: lib.TrainingRun) => void (record.step >= 5 && run.stop('enough')) };
  await train(data, { callbacks: [stop] });
  t.deepEqual(from.log, ['open 0', 'close 0']);
  t.true(from.taken < 20 * 8, `${from.taken} rows were read`);
  const loader = new lib.DataLoader(data, { batchSize: 8 });
  for await (const _ of loader) break;
  await new Promise(setImmediate);
  t.deepEqual(from.log.slice(2), ['open 0', 'close 0']);
  loader.setEpoch(4);
  for await (const [x] of loader) {
    t.is((x as lib.Tensor).shape[0], 8);
    loader.close();
  }
  t.deepEqual(from.log.slice(4), ['open 4', 'close 4']);
  {
    using scoped = new lib.DataLoader(data, { batchSize: 8 });
    const batches = scoped[Symbol.asyncIterator]();
    await batches.next();
  }
  await new Promise(setImmediate);
  t.deepEqual(from.log.slice(6), ['open 0', 'close 0']);
});

test('a source that is silent for ever holds no abort up', async (t) => {
  const abort = new AbortController();
  let told = false;
  const data = lib.iterableDataset<Point>(
    async function* ({ signal }) {
      signal.addEventListener('abort', () => (told = true));
      yield* points.slice(0, 20);
      await new Promise(() => {});
    },
    { example, shuffleBuffer: 1 },
  );
  const onBatchEnd = ({ step }: { step: number }): void => {
    if (step === 2) setTimeout(() => abort.abort(), 100);
  };
  const error = await t.throwsAsync(train(data, { signal: abort.signal, callbacks: [{ onBatchEnd }] }), {
    instanceOf: lib.TrainingAbortedError,
  });
  t.regex(error.message, /after step 2/);
  t.true(told);
  const late = new AbortController();
  setTimeout(() => late.abort(), 100);
  await t.throwsAsync(newModel().evaluate(data, { loss: quiet.loss, signal: late.signal }), { instanceOf: lib.AbortedError });
});

test('what goes wrong is said with its row: errors of the source, examples of another shape, labels that are none', async (t) => {
  const failing = (make: () => Iterable<unknown> | AsyncIterable<unknown>, options: lib.IterableDatasetOptions<never> = {}): Promise<unknown> =>
    train(lib.iterableDataset(make as never, { shuffleBuffer: 1, name: 'rows', ...options }));
  const cause = new Error('lost connection');
  const lost = await t.throwsAsync(
    failing(async function* () {
      yield { inputs: [1, 2], targets: [1] };
      throw cause;
    }),
    { instanceOf: lib.ArgumentError, message: /'rows', after row 0 \(.*epoch 1\): lost connection/ },
  );
  t.is(lost.cause, cause);
  for (const thrown of [
    Object.freeze(new lib.ShapeError('no such shape')),
    Object.freeze({ at: 3 }),
    Object.create(null),
    'no more',
    Symbol('x'),
  ]) {
    const error = await t.throwsAsync(
      failing(() => {
        throw thrown;
      }),
      { instanceOf: lib.ArgumentError, message: /'rows', before its first row \(.*epoch 1\): ./ },
    );
    t.is(error.cause, thrown);
  }
  const row =
    (second: unknown): (() => unknown[]) =>
    () => [{ inputs: [1, 2], targets: [1] }, second];
  const refused = (second: unknown, message: RegExp): Promise<unknown> => t.throwsAsync(failing(row(second) as never), { message });
  await refused(
    { inputs: [1, 2, 3], targets: [1] },
    /'rows', row 1 .*inputs like those of the first example, float32 \[2\], received float32 \[3\]/,
  );
  await refused({ inputs: [1, 2], targets: [1], weight: 2 }, /row 1 .*a weight for each example/);
  for (const weight of [-1, Number.NaN, '2'])
    await refused({ inputs: [1, 2], targets: [1], weight }, /row 1 .*at least 0 for `example\.weight`/);
  await refused({ inputs: [1, 'x'], targets: [1] }, /row 1 .*numbers/);
  await refused({ inputs: [1, 2], target: [1] }, /row 1 .*unknown option `target`/);
  await refused(7, /row 1 .*an example, \{ inputs, targets \}/);
  await t.throwsAsync(
    failing(() => [{ inputs: [1, 2], targets: 2 }], { classes: 2 }),
    { message: /row 0 .*a class index from 0 to 1/ },
  );
  await t.throwsAsync(
    failing(() => [{ inputs: [1, 2], targets: 'cow' }], { classes: ['cat'] }),
    { message: /row 0 .*the name of a class/ },
  );
  await t.throwsAsync(
    failing(() => []),
    { instanceOf: lib.ArgumentError, message: /rows is empty/ },
  );
  await t.throwsAsync(
    failing(() => 5 as never),
    { message: /something to iterate/ },
  );
  const once = Readable.from(points);
  await t.throwsAsync(train(lib.iterableDataset(() => once, { example })), { message: /epoch 2 gave no example.*a new iterable each time/ });
  t.throws(() => lib.iterableDataset(Readable.from([]) as never), { message: /a function that makes an iterable.*\(\) =>/ });
});

test('what picks examples refuses a stream, and says what takes one', async (t) => {
  const data = streamed();
  for (const pick of [
    () => lib.split(data as never, [0.5, 0.5]),
    () => lib.subset(data as never, Int32Array.of(1)),
    () => lib.folds(data as never, { folds: 5 }),
  ])
    t.throws(pick, { instanceOf: lib.ArgumentError, message: /'points' is read as a stream.*fit\(\)/ });
  await t.throwsAsync(data.batch(), { instanceOf: lib.ArgumentError, message: /read as a stream/ });
  t.throws(() => new lib.StandardScaler().fit(data as never), { message: /read as a stream.*fit the transform on/ });
  t.throws(() => [...new lib.DataLoader(data)], { message: /for await/ });
});

test('examples may be typed arrays, tensors, trees, names of classes and weights; rows may be left out', async (t) => {
  const reused = new Uint8Array(3);
  const data = lib.iterableDataset(() => [0, 1, 2, 3], {
    example: (i) => (i === 1 ? null : { inputs: { a: reused.fill(i), b: lib.full([2], i) }, targets: i > 1 ? 'late' : 'early', weight: i }),
    classes: ['early', 'late'],
  });
  for await (const [inputs, targets, weights] of new lib.DataLoader(data)) {
    const { a, b } = inputs as { a: lib.Tensor<'uint8'>; b: lib.Tensor };
    t.deepEqual(a.toArray(), [
      [0, 0, 0],
      [2, 2, 2],
      [3, 3, 3],
    ]);
    t.is(a.dtype, 'uint8');
    t.deepEqual(b.toArray(), [
      [0, 0],
      [2, 2],
      [3, 3],
    ]);
    t.deepEqual([(targets as lib.AnyTensor).dtype, (targets as lib.AnyTensor).toArray()], ['int32', [0, 1, 1]]);
    t.deepEqual(weights?.toArray(), [0, 2, 3]);
  }
  t.deepEqual(data.inputShape, { a: [3], b: [2] });
});

test('predictions, a model’s preprocessing and compiled steps go through a stream as well', async (t) => {
  const model = newModel();
  const wanted = await model.predict(inMemory.inputs, { batchSize: 8 });
  t.deepEqual((await model.predict(streamed(), { batchSize: 8 })).toArray(), wanted.toArray());
  const scaler = new lib.StandardScaler();
  await scaler.fit(inMemory.inputs);
  model.preprocessing = scaler;
  const scores = await model.evaluate(inMemory, { loss: quiet.loss, batchSize: 8 });
  t.deepEqual(await model.evaluate(streamed(), { loss: quiet.loss, batchSize: 8 }), scores);
  const step = lib.compileStep((x: lib.Tensor) => x.sum());
  const loader = new lib.DataLoader(streamed(), { batchSize: 20 });
  const sums = (await step.many(loader)).map((sum) => sum.item());
  t.is(sums.length, 3);
  t.deepEqual(
    sums,
    (await step.many(new lib.DataLoader(inMemory, { batchSize: 20 }))).map((sum) => sum.item()),
  );
  t.is((await step.many(loader, 5)).length, 5);
});

test('a Readable of objects is a source, and is destroyed when nobody wants more', async (t) => {
  const streams: Readable[] = [];
  const data = lib.iterableDataset(
    () => {
      streams.push(Readable.from(points));
      return streams[streams.length - 1];
    },
    { example: example as never },
  );
  const wanted = await train(streamed());
  t.deepEqual((await train(data)).weights, wanted.weights);
  for await (const _ of new lib.DataLoader(data, { batchSize: 4 })) break;
  await new Promise((resolve) => setTimeout(resolve, 20));
  t.is(streams.length, 4);
  t.true(streams.every(({ destroyed }) => destroyed));
});

test('the console shows data sets by name, number and shapes', (t) => {
  t.is(inspect(inMemory), "TensorDataset 'points': 50 examples, inputs [2], targets [1]");
  t.is(inspect(lib.subset(inMemory, Int32Array.of(1))), "Subset 'points[1]': 1 example, inputs [2], targets [1]");
  const table = new lib.Table([{ name: 'area', kind: 'number', values: Float64Array.of(1, 2) }], 'houses');
  t.regex(inspect(table), /^Table 'houses': 2 rows\n {2}area: numbers from 1 to 2/);
  t.is(inspect(streamed()), "IterableDataset 'points': examples one after the other");
  const classes = new lib.TensorDataset(lib.ones([2, 3]), lib.Tensor.from(Int32Array.of(0, 1)), { classes: ['a', 'b', 'c', 'd', 'e'] });
  t.is(inspect(classes), "TensorDataset 'data': 2 examples, inputs [3], 5 classes (a, b, c, d, …)");
});

test('the console shows a run as a table of its epochs', async (t) => {
  const { history } = await train(inMemory, { epochs: 13, validation: inMemory });
  const lines = inspect(history).split('\n');
  t.is(lines[0], 'History of 13 epochs');
  t.regex(lines[1], /^ +epoch +loss +val loss +lr +time$/);
  t.regex(lines[2], /^ +1 +0\.\d{4} +0\.\d{4} +0\.01 +\d+\.\d s$/);
  t.is(lines[7], '  …');
  t.regex(lines[12], /^ +13 /);
  t.is(inspect(new lib.History()), 'History of 0 epochs');
});
