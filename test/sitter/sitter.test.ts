// Proves lib/sitter/sitter.ts: what fit's own sitter says and leaves alone, where it goes, and what `sitter: 'fix'` mends.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import test from 'ava';
import {
  Adam,
  ArgumentError,
  CrossEntropyLoss,
  Dropout,
  type Finding,
  type History,
  Linear,
  OneCycle,
  ReLU,
  SGD,
  Sequential,
  Sitter,
  type TensorDataset,
  TrainingNonFiniteError,
  defaultRandom,
  readRunLog,
  setSeed,
} from '../../lib/index.js';
import { cloudSet, net, program } from '../helpers/sick.js';
import { quiet } from '../helpers/training.js';

const loss = new CrossEntropyLoss();

test.serial('a run with fit’s sitter has the bits of one without, dropout included', async (t) => {
  const weights = async (sitter: boolean): Promise<number[]> => {
    setSeed(3);
    const model = new Sequential([new Linear(10, 16), new ReLU(), new Dropout(0.3), new Linear(16, 4)]);
    const history = await model.fit(cloudSet(300), {
      ...quiet,
      loss,
      optimizer: new Adam(model, { lr: 1e-3 }),
      epochs: 3,
      validation: cloudSet(50, { seed: 4 }),
      sitter,
    });
    return [
      ...(model.layers[0] as Linear).weight.data,
      ...history.epochs.flatMap((epoch) => [epoch.loss, epoch.validation?.loss ?? 0]),
      defaultRandom().state.offset,
    ];
  };
  t.deepEqual(await weights(true), await weights(false));
});

test('[J28] findings of each of several runs are in its history, as JSON in its log, and a line each beside the progress', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-sitter-'));
  try {
    const log = join(folder, 'log.jsonl');
    const written: string[] = [];
    const progress = new Writable({ write: (chunk, _encoding, done) => (written.push(String(chunk)), done()) });
    const histories: History[] = [];
    for (const lr of [3e-3, 1e-7]) {
      const model = net();
      histories.push(await model.fit(cloudSet(300), { loss, optimizer: new Adam(model, { lr }), epochs: 2, log, progress }));
    }
    t.deepEqual(
      histories.map(({ findings }) => findings.map(({ id }) => id)),
      [[], ['learning-rate-too-low']],
    );
    const { runs } = readRunLog(log);
    t.is(runs.length, 2);
    t.is(runs[0].findings, undefined);
    const logged = runs[1].findings as unknown as readonly Finding[];
    t.like(logged[0], JSON.parse(JSON.stringify(histories[1].findings[0])));
    t.is(readFileSync(log, 'utf8').match(/"type":"finding"/g)?.length, 1);
    const lines = written.filter((line) => line.startsWith('sitter: '));
    t.deepEqual(lines, [`sitter: ${logged[0].text}\n`]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('sitter: false leaves a run alone, and a sitter among the callbacks is the only one', async (t) => {
  const train = async (options: object): Promise<History> => {
    const model = net();
    return model.fit(cloudSet(300), { ...quiet, loss, optimizer: new Adam(model, { lr: 1e-7 }), epochs: 2, ...options });
  };
  t.deepEqual((await train({ sitter: false })).findings, []);
  const own = new Sitter({ stop: false });
  t.deepEqual((await train({ callbacks: [own] })).findings, own.findings);
  t.is(own.findings.length, 1);
  const given = new Sitter({ observe: false });
  t.deepEqual((await train({ sitter: given })).findings.length, given.findings.length);
  t.deepEqual(given.readings, [], 'who does not observe reads nothing');
  for (const sitter of ['yes', 1, null, {}]) await t.throwsAsync(train({ sitter }), { instanceOf: ArgumentError, message: /options\.sitter/ });
});

test('[J12] a number that is not finite is a finding with its cause, and the error is thrown all the same', async (t) => {
  const model = net();
  const error = await t.throwsAsync(model.fit(cloudSet(300), { ...quiet, loss, optimizer: new SGD(model, { lr: 1e3 }), epochs: 3 }), {
    instanceOf: TrainingNonFiniteError,
  });
  const [finding] = error.history.findings;
  t.is(finding.id, 'learning-rate-too-high');
  t.true(finding.symptoms.includes('non-finite'));
  t.deepEqual(finding.change, { kind: 'learningRate', value: 0.1 });
});

test('the rate of a schedule stands with three digits in findings and errors', async (t) => {
  const model = net();
  const optimizer = new SGD(model, { lr: new OneCycle(1e4, { length: 30, per: 'step' }) });
  const error = await t.throwsAsync(model.fit(cloudSet(300), { ...quiet, loss, optimizer, epochs: 3 }), { instanceOf: TrainingNonFiniteError });
  t.regex(String(error.place.lr), /\.\d{6}/);
  const texts = [error.message, ...error.history.findings.map(({ text }) => text)];
  t.true(texts.length > 1);
  for (const text of texts) t.notRegex(text, /\d\.\d{6}/);
});

test("sitter: 'fix' goes back and lowers a rate that ends in NaN, until the run trains, and writes down each change", async (t) => {
  const model = net();
  const optimizer = new SGD(model, { lr: 100 });
  const history = await model.fit(cloudSet(600), { ...quiet, loss, optimizer, epochs: 12, sitter: 'fix' });
  t.true(optimizer.lr <= 1, `${optimizer.lr}`);
  t.true((history.last?.loss ?? 9) < 0.5, `${history.last?.loss}`);
  t.true(history.fixes.length >= 1 && history.fixes.length <= 4);
  t.regex(history.fixes[0], /^went back to the beginning of epoch 1, and lowered the learning rate from 100 to \d+/);
  const healthy = program();
  const calm = await healthy.model.fit(healthy.data as TensorDataset, {
    ...quiet,
    loss,
    optimizer: new Adam(healthy.model, { lr: 3e-3 }),
    epochs: 3,
    sitter: 'fix',
  });
  t.deepEqual([calm.fixes, calm.findings], [[], []]);
});

test('[J14] how often a sitter hears of losses and of observed steps can be chosen', async (t) => {
  const heard = async (observeEvery: number): Promise<[number, number]> => {
    let [steps, observed] = [0, 0];
    const model = net();
    await model.fit(cloudSet(320), {
      ...quiet,
      loss,
      optimizer: new Adam(model, { lr: 1e-3 }),
      observeEvery,
      callbacks: [{ onSteps: ({ losses }) => (steps += losses.length), onObserve: () => (observed += 1) }],
    });
    return [steps, observed];
  };
  t.deepEqual(await heard(1), [10, 10]);
  t.deepEqual(await heard(5), [10, 2]);
  t.deepEqual(await heard(0), [10, 0]);
});

test('[J21] the history has loss and accuracy of training and of validation', async (t) => {
  const { model, data, optimizer, ...options } = program({ epochs: 3 });
  const history = await model.fit(data as TensorDataset, { ...options, optimizer: optimizer(model) });
  t.is(history.epochs.length, 3);
  for (const { metrics, validation } of history.epochs)
    for (const accuracy of [metrics.accuracy, validation?.metrics.accuracy]) t.true(accuracy! > 0.2 && accuracy! <= 1);
});
