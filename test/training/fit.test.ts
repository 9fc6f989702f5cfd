// Proves lib/training/fit.ts: the loop is the loop one would write, in the order that the seed says, and everything around it keeps its promises.

import test from 'ava';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import {
  Accuracy,
  Adam,
  type AnyLayer,
  ArgumentError,
  BusyError,
  clipGradNorm,
  DataLoader,
  type EpochRecord,
  type FitOptions,
  Linear,
  MSELoss,
  SGD,
  StepDecay,
  Tensor,
  TensorDataset,
  TrainingAbortedError,
  readRunLog,
  setSeed,
  fit,
} from '../../lib/index.js';
import { identical } from '../helpers/close.js';
import { Seeded } from '../helpers/seeded.js';
import { loss, makeModel, points, quiet } from '../helpers/training.js';

const weightsOf = (model: AnyLayer): number[] => model.parameters().flatMap((parameter) => [...parameter.data]);

test('the loss falls, and the history has a record per epoch with losses, metrics, rates and speed', async (t) => {
  const model = makeModel();
  const history = await model.fit(points(512), {
    ...quiet,
    loss,
    optimizer: new Adam(model, { lr: 0.02 }),
    epochs: 4,
    validation: points(100, 2),
  });
  t.is(history.epochs.length, 4);
  for (const [i, record] of history.epochs.entries()) {
    t.is(record.epoch, i + 1);
    t.is(record.lr, 0.02);
    t.true(record.seconds > 0 && record.samplesPerSecond > 0);
    t.true(record.metrics.accuracy >= 0 && record.metrics.accuracy <= 1);
    t.true(record.validation!.loss > 0 && record.validation!.metrics.accuracy > 0);
  }
  t.true(history.epochs[3].loss < 0.7 * history.epochs[0].loss);
  t.true(history.last!.validation!.metrics.accuracy > 0.8);
  t.is(history.stopped, null);
  t.is(history.log, null);
});

test('maxGradNorm scales the gradients of every step before the update', async (t) => {
  const data = points(100);
  const train = async (maxGradNorm: number | undefined) => {
    const model = makeModel();
    await model.fit(data, { ...quiet, loss, optimizer: new SGD(model, { lr: 0.1 }), epochs: 2, seed: 7, maxGradNorm });
    return weightsOf(model);
  };
  const written = makeModel();
  const optimizer = new SGD(written, { lr: 0.1 });
  const loader = new DataLoader(data, { batchSize: 32, shuffle: true, seed: 7 });
  for (let epoch = 0; epoch < 2; epoch++) {
    for (const [x, y] of loader) {
      optimizer.zeroGrad();
      loss.forward(written.forward(x), y).backward();
      clipGradNorm(written, 0.05);
      optimizer.step();
    }
  }
  identical(t, await train(0.05), weightsOf(written), 'the weights');
  t.notDeepEqual(await train(0.05), await train(undefined));
  await t.throwsAsync(train(-1), { instanceOf: ArgumentError, message: /options\.maxGradNorm/ });
});

test('fit is the loop one would write: the same weights, bit for bit', async (t) => {
  const data = points(100);
  const [fitted, written] = [makeModel(), makeModel()];
  const options = { lr: 0.1, momentum: 0.9 };
  const history = await fitted.fit(data, { ...quiet, loss, optimizer: new SGD(fitted, options), epochs: 3, batchSize: 32, seed: 7 });
  const optimizer = new SGD(written, options);
  const loader = new DataLoader(data, { batchSize: 32, shuffle: true, seed: 7 });
  let [sum, right] = [0, 0];
  for (let epoch = 0; epoch < 3; epoch++) {
    [sum, right] = [0, 0];
    for (const [x, y] of loader) {
      const prediction = written.forward(x);
      const value = loss.forward(prediction, y);
      sum += value.item() * x.shape[0];
      prediction.argmax(-1).data.forEach((label, i) => {
        right += label === y.data[i] ? 1 : 0;
      });
      optimizer.zeroGrad();
      value.backward();
      optimizer.step();
    }
  }
  identical(t, weightsOf(fitted), weightsOf(written), 'weights');
  t.is(history.last!.loss, sum / 100, 'the loss of an epoch is the mean per example');
  t.is(history.last!.metrics.accuracy, right / 100);
});

test('the seed decides the order; without shuffle it is the order of the data; two runs of one epoch are one of two', async (t) => {
  const data = points(64);
  const run = async (options: Partial<FitOptions>, splits = [2]): Promise<number[]> => {
    const model = makeModel();
    const optimizer = new SGD(model, { lr: 0.1 });
    for (const epochs of splits) await model.fit(data, { ...quiet, loss, optimizer, epochs, batchSize: 8, ...options });
    return weightsOf(model);
  };
  const [one, two] = [await run({ seed: 1 }), await run({ seed: 2 })];
  identical(t, await run({ seed: 1 }), one, 'the same seed');
  t.notDeepEqual(one, two);
  identical(t, await run({ seed: 1 }, [1, 1]), one, 'two runs');
  identical(t, await run({ seed: 1, shuffle: false }), await run({ seed: 2, shuffle: false }), 'no shuffle, no seed');
  t.notDeepEqual(await run({ shuffle: false }), one);
});

test('the last batch of an epoch may be smaller, or is left out with dropLast', async (t) => {
  const sizes = async (dropLast: boolean): Promise<number[]> => {
    const model = makeModel();
    const seen: number[] = [];
    const callbacks = [{ onBatchEnd: ({ inputs }: { inputs: { shape: readonly number[] } }) => seen.push(inputs.shape[0]) }];
    await model.fit(points(50), { ...quiet, loss, optimizer: new SGD(model, { lr: 0.1 }), dropLast, callbacks });
    return seen;
  };
  t.deepEqual(await sizes(false), [32, 18]);
  t.deepEqual(await sizes(true), [32]);
});

test('a schedule goes on after each epoch', async (t) => {
  const model = makeModel();
  const optimizer = new SGD(model, { lr: new StepDecay(1, { every: 1, factor: 0.5 }) });
  const history = await model.fit(points(32), { ...quiet, loss, optimizer, epochs: 3 });
  t.deepEqual(
    history.epochs.map(({ lr }) => lr),
    [1, 0.5, 0.25],
  );
  t.is(optimizer.lr, 0.125);
});

test('an abort ends the run between two steps: the history so far, whole steps in the model, the reason as cause', async (t) => {
  const [aborted, whole] = [makeModel(), makeModel()];
  const controller = new AbortController();
  const optimizer = new SGD(aborted, { lr: 0.1 });
  const callbacks = [{ onBatchEnd: ({ step }: { step: number }) => (step === 5 ? controller.abort('because') : undefined) }];
  const error = await t.throwsAsync(
    aborted.fit(points(128), { ...quiet, loss, optimizer, epochs: 9, seed: 3, signal: controller.signal, callbacks }),
    {
      instanceOf: TrainingAbortedError,
      code: 'ERR_ABORTED',
      message: /after step 5 \(1 of 9 epochs completed\)/,
    },
  );
  t.is(error?.history.epochs.length, 1);
  t.is(error?.steps, 5);
  t.is(error?.cause, 'because');
  await whole.fit(points(128), {
    ...quiet,
    loss,
    optimizer: new SGD(whole, { lr: 0.1 }),
    epochs: 2,
    seed: 3,
    callbacks: [{ onBatchEnd: ({ step }, run) => (step === 5 ? run.stop() : undefined) }],
  });
  identical(t, weightsOf(aborted), weightsOf(whole), 'weights after five steps');
  const early = await t.throwsAsync(aborted.fit(points(8), { ...quiet, loss, optimizer, signal: AbortSignal.abort() }), {
    instanceOf: TrainingAbortedError,
  });
  t.is(early?.history.epochs.length, 0);
  t.is(optimizer.steps, 5, 'no step after an abort that was there before');
});

test('a model is in training once at a time', async (t) => {
  const model = makeModel();
  const optimizer = new SGD(model, { lr: 0.1 });
  const first = model.fit(points(512), { ...quiet, loss, optimizer, epochs: 3 });
  await t.throwsAsync(model.fit(points(512), { ...quiet, loss, optimizer }), { instanceOf: BusyError });
  await first;
});

test('a regression with MSELoss trains, has no metrics of its own accord, and takes those it is given', async (t) => {
  setSeed(1);
  const x = Tensor.from(Float32Array.from(new Seeded(1).uniform(64)), [64, 1]);
  const data = new TensorDataset(x, x.mul(3).add(1));
  const model = new Linear(1, 1);
  const optimizer = new SGD(model, { lr: 0.2 });
  const history = await fit(model, data as never, { ...quiet, loss: new MSELoss(), optimizer, epochs: 60 });
  t.deepEqual(history.last?.metrics, {});
  t.true(history.last!.loss < 1e-4);
  const sums = await fit(model, data as never, {
    ...quiet,
    loss: new MSELoss({ reduction: 'sum' }),
    optimizer: new SGD(model, { lr: 1e-4 }),
    batchSize: 16,
  });
  t.true(sums.last!.loss < 1e-4, 'the loss in the history is per example, also with a sum');
  const classes = makeModel();
  const named = await classes.fit(points(32), { ...quiet, loss, optimizer: new SGD(classes, { lr: 0.1 }), metrics: [new Accuracy()] });
  t.deepEqual(Object.keys(named.last!.metrics), ['accuracy']);
});

test('a run of zero epochs does nothing and says so', async (t) => {
  const model = makeModel();
  const before = weightsOf(model);
  const history = await model.fit(points(32), { ...quiet, loss, optimizer: new SGD(model, { lr: 0.1 }), epochs: 0 });
  t.deepEqual(history.epochs, []);
  identical(t, weightsOf(model), before, 'weights');
});

test('the log of a run has its configuration, its epochs and its end', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-fit-'));
  try {
    const model = makeModel();
    const runDir = join(folder, 'run');
    const options = { progress: false, loss, optimizer: new SGD(model, { lr: 0.1 }), epochs: 2, runDir, seed: 5 } as const;
    const history = await model.fit(points(64), options);
    t.is(history.log, join(runDir, 'log.jsonl'));
    const { runs, torn } = readRunLog(history.log!);
    t.false(torn);
    t.is(runs.length, 1);
    t.like(runs[0].header, { epochs: 2, batchSize: 32, seed: 5, loss: 'CrossEntropyLoss', data: { name: 'points', examples: 64 } });
    t.deepEqual(runs[0].epochs, history.epochs as EpochRecord[]);
    t.like(runs[0].end, { outcome: 'completed', steps: 4 });
    await t.throwsAsync(model.fit(points(64), { ...options, signal: AbortSignal.abort() }));
    t.is(readRunLog(history.log!).runs[1].end?.outcome, 'aborted', 'the next run is appended');
    const before = readdirSync(folder);
    await model.fit(points(64), { ...options, runDir: undefined, log: join(folder, 'own.jsonl') });
    t.deepEqual(readdirSync(folder), [...before, 'own.jsonl'].sort());
    await model.fit(points(64), { ...options, runDir: join(folder, 'none'), log: false });
    t.false(existsSync(join(folder, 'none')));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('progress goes to a stream: a line per epoch where it is no terminal', async (t) => {
  const written: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      written.push(String(chunk));
      done();
    },
  });
  const model = makeModel();
  await model.fit(points(64), {
    log: false,
    progress: stream,
    sitter: false,
    loss,
    optimizer: new SGD(model, { lr: 0.1 }),
    epochs: 2,
    validation: points(10, 2),
  });
  t.is(written.length, 2);
  t.regex(
    written[1],
    /^epoch 2\/2 {2}loss \d\.\d{4} {2}accuracy \d\.\d{4} {2}val loss \d\.\d{4} {2}val accuracy \d\.\d{4} {2}[\d,]+ samples\/s {2}\d+\.\d s\n$/,
  );
});

test('wrong options are refused with typed errors before anything happens', async (t) => {
  const model = makeModel();
  const before = weightsOf(model);
  const good: FitOptions = { ...quiet, loss, optimizer: new SGD(model, { lr: 0.1 }) };
  const data = points(32);
  const wrong: [unknown, unknown, RegExp][] = [
    [data, undefined, /loss/],
    [data, { ...good, loss: undefined }, /expected a Loss/],
    [data, { ...good, loss: 'mse' }, /expected a Loss/],
    [data, { ...good, optimizer: undefined }, /expected an optimizer/],
    [data, { ...good, optimizer: 'adam' }, /expected an optimizer/],
    [data, { ...good, epoch: 3 }, /unknown option `epoch`/],
    [data, { ...good, epochs: 1.5 }, /integer/],
    [data, { ...good, epochs: -1 }, /integer/],
    [data, { ...good, batchSize: 0 }, /batchSize/],
    [data, { ...good, shuffle: 1 }, /true or false/],
    [data, { ...good, seed: 'x' }, /integer/],
    [data, { ...good, metrics: ['accuracy'] }, /array of metrics/],
    [data, { ...good, schedule: {} }, /unknown option `schedule`/],
    [data, { ...good, callbacks: {} }, /array of callbacks/],
    [data, { ...good, callbacks: [{ onEpochStart() {} }] }, /unknown event "onEpochStart"/],
    [data, { ...good, callbacks: [null] }, /Callback/],
    [data, { ...good, callbacks: [{ onBatchEnd: 3 }] }, /a function/],
    [data, { ...good, signal: {} }, /AbortSignal/],
    [data, { ...good, progress: 'loud' }, /progress/],
    [data, { ...good, log: true }, /a path or false/],
    [data, { ...good, log: '' }, /path of a file/],
    [data, { ...good, log: undefined, runDir: 7 }, /path of a file/],
    [data, { ...good, validation: [1] }, /data set/],
    [data, { ...good, dropLast: true, batchSize: 100 }, /no batch/],
    [[1, 2], good, /data set/],
    [null, good, /data set/],
    [new TensorDataset(Tensor.from(new Float32Array(0), [0, 2]), Tensor.from(new Int32Array(0))), good, /is empty/],
  ];
  for (const [source, options, message] of wrong) {
    await t.throwsAsync(model.fit(source as never, options as never), { instanceOf: ArgumentError, message }, String(message));
  }
  identical(t, weightsOf(model), before, 'weights');
});
