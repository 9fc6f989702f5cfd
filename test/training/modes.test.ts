// Proves lib/training/modes.ts: layers get their modes back, and the event loop gets its turns.

import test from 'ava';
import { type Dataset, Dropout, Linear, SGD, Sequential, TrainingAbortedError, setSeed } from '../../lib/index.js';
import { rememberModes } from '../../lib/training/modes.js';
import { loss, makeModel, points, quiet } from '../helpers/training.js';

test('modes come back layer by layer', (t) => {
  const inner = new Sequential([new Dropout(0.5), new Dropout(0.1)]);
  const model = new Sequential([new Linear(2, 2), inner]);
  inner.eval();
  inner.layers[1].train();
  const modes = (): boolean[] => [...model.namedLayers().values()].map((layer) => layer.training);
  const before = modes();
  const restore = rememberModes(model);
  model.eval();
  restore();
  t.deepEqual(modes(), before);
  t.deepEqual(before, [true, true, false, false, true]);
});

test('every layer is in training mode during steps and in evaluation mode during validation, and has its own mode back afterwards', async (t) => {
  setSeed(1);
  const dropout = new Dropout(0.5);
  const model = new Sequential([new Linear(2, 8), dropout, new Linear(8, 4)]);
  dropout.eval();
  const modes: string[] = [];
  const data = points(40);
  const spying: Dataset = {
    ...data,
    name: 'spy',
    length: 40,
    inputShape: [2],
    targetShape: [],
    batch(rows) {
      modes.push(`v${Number(dropout.training)}`);
      return data.batch(rows);
    },
  };
  const callback = {
    onBatchEnd: () => modes.push(`t${Number(dropout.training)}`),
    onEpochEnd: () => modes.push(`e${Number(dropout.training)}`),
  };
  await model.fit(data, {
    ...quiet,
    loss,
    optimizer: new SGD(model, { lr: 0.1 }),
    validation: spying,
    batchSize: 20,
    epochs: 2,
    callbacks: [callback],
  });
  // A data set is asked before the model is put into evaluation mode.
  t.deepEqual(
    modes.filter((mode) => mode[0] !== 'v'),
    ['t1', 't1', 'e1', 't1', 't1', 'e1'],
  );
  t.is(modes.filter((mode) => mode[0] === 'v').length, 2);
  t.true(model.training);
  t.false(dropout.training);
  model.eval();
  await model.fit(data, { ...quiet, loss, optimizer: new SGD(model, { lr: 0.1 }) });
  t.false(model.training);
});

test('timers and signals get their turns while a long run goes on', async (t) => {
  const model = makeModel();
  const controller = new AbortController();
  let ticks = 0;
  const timer = setInterval(() => {
    ticks += 1;
    if (ticks === 5) controller.abort();
  }, 1);
  await t.throwsAsync(
    model.fit(points(4096), { ...quiet, loss, optimizer: new SGD(model, { lr: 0.1 }), epochs: 1e6, signal: controller.signal }),
    { instanceOf: TrainingAbortedError },
  );
  clearInterval(timer);
  t.true(ticks >= 5);
});

test('predictions in between see whole steps and leave the mode of training alone', async (t) => {
  const model = new Sequential([new Linear(2, 64), new Dropout(0.5), new Linear(64, 4)]);
  let going = true;
  const probe = points(4).inputs;
  const dropped: boolean[] = [];
  const callbacks = [{ onBatchEnd: () => dropped.push(model.training) }];
  const run = model.fit(points(4096), { ...quiet, loss, optimizer: new SGD(model, { lr: 0.01 }), epochs: 3, callbacks }).then(() => {
    going = false;
  });
  let predictions = 0;
  while (going) {
    t.deepEqual((await model.predict(probe)).shape, [4, 4]);
    predictions += 1;
    await new Promise((resolve) => setImmediate(resolve));
  }
  await run;
  t.true(predictions > 0);
  t.true(dropped.every(Boolean));
});
