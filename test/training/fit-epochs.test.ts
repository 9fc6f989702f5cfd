// Proves lib/training/fit-epochs.ts: epochs come as fit makes them, break ends the run in order, and what goes wrong reaches who iterates.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import * as lib from '../../lib/index.js';
import { inFolder } from '../helpers/reports.js';
import { loss, makeModel, points } from '../helpers/training.js';

const data = points(256);
const trial = (options: Partial<lib.FitOptions> = {}) => {
  const model = makeModel();
  const settings = { loss, optimizer: new lib.SGD(model, { lr: 0.1 }), epochs: 4, seed: 1, progress: false, log: false, ...options } as const;
  return { model, settings };
};
const weightsOf = (model: lib.Model): number[] => model.parameters().flatMap((parameter) => [...parameter.data]);
const lossesOf = (epochs: readonly lib.EpochRecord[]): number[] => epochs.map(({ loss: value }) => value);

test('the epochs are those of fit, with its bits, and the run waits for who asks', async (t) => {
  const whole = trial();
  const wanted = await whole.model.fit(data, whole.settings);
  const { model, settings } = trial({ validation: points(64, 2) });
  const run = lib.fitEpochs(model, data, settings);
  t.is(run.history, null, 'nothing is trained before it is asked for');
  const seen: lib.EpochRecord[] = [];
  for await (const record of run) {
    seen.push(record);
    const before = weightsOf(model);
    await new Promise((resolve) => setTimeout(resolve, 20));
    t.deepEqual(weightsOf(model), before);
    t.not(record.validation, undefined);
  }
  t.deepEqual(lossesOf(seen), lossesOf(wanted.epochs));
  t.deepEqual(weightsOf(model), weightsOf(whole.model));
  t.deepEqual(run.history?.epochs, seen);
  t.is(run.history?.stopped, null);
  await t.throwsAsync(run[Symbol.asyncIterator]().next(), { instanceOf: lib.ArgumentError, message: /gone through once/ });
});

test('break ends the run between two epochs: callbacks, log and checkpoint end in order, and the model can be trained on', async (t) => {
  await inFolder(async (folder) => {
    const calls: string[] = [];
    const callbacks = [{ onEpochEnd: () => calls.push('epoch'), onTrainEnd: (run: lib.TrainingRun) => calls.push(String(run.outcome)) }];
    const log = join(folder, 'log.jsonl');
    const { model, settings } = trial({ callbacks, log, checkpoint: { dir: join(folder, 'saved') } });
    const run = lib.fitEpochs(model, data, settings);
    for await (const { epoch } of run) if (epoch === 2) break;
    t.deepEqual(calls, ['epoch', 'epoch', 'stopped']);
    t.is(run.history?.epochs.length, 2);
    t.is(run.history?.stopped, 'its epochs were not asked for any more');
    t.is(lib.readRunLog(log).runs[0].end?.['outcome'], 'stopped');
    t.true(existsSync(join(folder, 'saved')));
    t.is((await model.fit(data, { ...settings, log: false, checkpoint: undefined, epochs: 1 })).epochs.length, 1);
    const other = trial();
    const thrown = async (): Promise<void> => {
      for await (const _ of lib.fitEpochs(other.model, data, other.settings)) throw new Error('enough');
    };
    await t.throwsAsync(thrown(), { message: 'enough' });
    t.is((await other.model.fit(data, { ...other.settings, epochs: 1 })).epochs.length, 1, 'the run has ended');
  });
});

test('wrong options are refused at once or with the first epoch, and what ends a run reaches who iterates', async (t) => {
  const { model, settings } = trial();
  const all = async (options: object): Promise<number> => {
    let epochs = 0;
    for await (const _ of lib.fitEpochs(model, data, { ...settings, ...options })) epochs += 1;
    return epochs;
  };
  t.throws(() => lib.fitEpochs(model, data, { ...settings, epoch: 3 } as never), { instanceOf: lib.ArgumentError, message: /`epoch`/ });
  await t.throwsAsync(all({ callbacks: 7 }), { instanceOf: lib.ArgumentError });
  const abort = new AbortController();
  const stop = { onEpochEnd: ({ epoch }: lib.EpochRecord) => (epoch === 2 ? abort.abort() : undefined) };
  await t.throwsAsync(all({ callbacks: [stop], signal: abort.signal }), { instanceOf: lib.TrainingAbortedError });
  t.is(await all({ epochs: 0 }), 0);
  t.is(await all({ callbacks: [{ onEpochEnd: (_: unknown, run: lib.TrainingRun) => run.stop('enough') }] }), 1);
});
