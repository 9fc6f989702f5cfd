// Early stopping: when a run ends, what the model has then, and the same after a resumed run.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import {
  Adam,
  ArgumentError,
  CrossEntropyLoss,
  EarlyStopping,
  type EarlyStoppingOptions,
  type FitOptions,
  Linear,
  ReLU,
  Sequential,
  setSeed,
  TensorDataset,
} from '../../lib/index.js';
import { f32, i32 } from '../helpers/build.js';
import { Seeded } from '../helpers/seeded.js';

const random = new Seeded(21);
/** Labels that have little to do with the inputs: what is learned by heart helps no other example. */
const noisy = (count: number) =>
  new TensorDataset(f32(random.uniform(count * 6), [count, 6]), i32(Array.from({ length: count }, () => random.integer(2))), { classes: 2 });
const [train, validation] = [noisy(48), noisy(48)];

async function run(options: EarlyStoppingOptions, more: Partial<FitOptions> = {}) {
  setSeed(1);
  const model = new Sequential([new Linear(6, 32), new ReLU(), new Linear(32, 2)]);
  const stopping = new EarlyStopping(options);
  const history = await model.fit(train, {
    loss: new CrossEntropyLoss(),
    optimizer: new Adam(model, { lr: 0.03 }),
    epochs: 40,
    batchSize: 16,
    seed: 2,
    validation,
    callbacks: [stopping],
    progress: false,
    log: false,
    ...more,
  });
  return { model, stopping, history };
}

test('a run ends when nothing better has come for a while, and the model has the weights of the best epoch', async (t) => {
  let shown = '';
  const progress = { write: (text: string) => void (shown += text) };
  const { model, stopping, history } = await run({ patience: 4 }, { progress });
  t.regex(shown, /\nstopped: no better validation loss in 4 epochs: the best was epoch \d+\n/);
  const losses = history.epochs.map((epoch) => epoch.validation?.loss as number);
  t.is(stopping.best, Math.min(...losses));
  t.is(stopping.bestEpoch, losses.indexOf(stopping.best) + 1);
  t.is(history.epochs.length, stopping.bestEpoch + 4);
  t.true(history.epochs.length < 40);
  t.regex(history.stopped ?? '', /no better validation loss in 4 epochs: the best was epoch \d+/);
  t.is((await model.evaluate(validation, { loss: new CrossEntropyLoss() })).loss, stopping.best);
});

test('without restoreBest the last weights stay; a metric is better when it is higher', async (t) => {
  const { model, stopping } = await run({ patience: 4, restoreBest: false });
  t.not((await model.evaluate(validation, { loss: new CrossEntropyLoss() })).loss, stopping.best);
  const { stopping: byAccuracy, history } = await run({ patience: 3, monitor: 'accuracy', minDelta: 0.01 });
  t.is(byAccuracy.better, 'higher');
  const reached = history.epochs.slice(0, byAccuracy.bestEpoch).map((epoch) => epoch.validation?.metrics.accuracy as number);
  t.is(byAccuracy.best, reached[reached.length - 1]);
});

test('a run that is killed and resumed ends as it would have', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'nodegrad-early-'));
  try {
    const whole = await run({ patience: 4 });
    const stop = new AbortController();
    const checkpoint = { dir, every: 1 };
    const epochs = whole.history.epochs.length;
    let seen = 0;
    const abort = {
      onEpochEnd: () => {
        seen += 1;
        if (seen === epochs - 2) stop.abort();
      },
    };
    await t.throwsAsync(run({ patience: 4 }, { checkpoint, signal: stop.signal, callbacks: [new EarlyStopping({ patience: 4 }), abort] }));
    const resumed = await run({ patience: 4 }, { checkpoint, resume: true });
    t.is(resumed.history.epochs.length, epochs);
    t.is(resumed.stopping.bestEpoch, whole.stopping.bestEpoch);
    t.deepEqual(
      resumed.model.parameters().map((parameter) => [...parameter.data]),
      whole.model.parameters().map((parameter) => [...parameter.data]),
    );
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test('what is not measured cannot be watched', async (t) => {
  await t.throwsAsync(run({}, { validation: undefined }), { instanceOf: ArgumentError, message: /validation/ });
  await t.notThrowsAsync(run({ of: 'training' }, { validation: undefined, epochs: 1 }));
  await t.throwsAsync(run({ monitor: 'recall' }), { instanceOf: ArgumentError, message: /'recall'.*loss, accuracy/ });
  for (const wrong of [{ patience: 0 }, { better: 'up' }, { of: 'test' }, { minDelta: -1 }, { monitor: 3 }, { restoreBest: 1 }])
    t.throws(() => new EarlyStopping(wrong as never), { instanceOf: ArgumentError }, JSON.stringify(wrong));
});
