// Proves lib/training/checkpoint.ts: a run that was interrupted anywhere ends with the bits it would have had, and no damage passes for a checkpoint.

import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { ArgumentError, CheckpointError, type FitOptions, TrainingAbortedError, fit } from '../../lib/index.js';
import {
  type Trial,
  inFolder,
  steps,
  named,
  stopAfter,
  listener,
  uninterrupted,
  makeTrial,
  outcomeOf,
  runTrial,
} from '../helpers/checkpoints.js';

// One after the other: the runs share the generator of the process.
test.serial('a run that was stopped after any step and resumed ends with the weights, optimizer and history of one that was not', async (t) => {
  const expected = await uninterrupted();
  for (const every of [undefined, 1, 3]) {
    for (let step = 1; step <= steps; step++) {
      await inFolder(async (dir) => {
        const error = await runTrial(makeTrial(), { dir, every }, stopAfter(step)).catch((reason: unknown) => reason);
        t.true(error instanceof TrainingAbortedError, `step ${step}`);
        t.true(readdirSync(dir).includes(named(step)), 'a run that was aborted leaves a checkpoint where it was');
        const trial = makeTrial();
        t.is(outcomeOf(trial, await runTrial(trial, { dir, every }, { resume: true })), expected, `every ${every}, step ${step}`);
      });
    }
  }
});

test.serial('a run can be interrupted again and again, and in the process that began it', async (t) => {
  const expected = await uninterrupted();
  await inFolder(async (dir) => {
    for (let step = 2; step < steps; step += 3) await t.throwsAsync(runTrial(makeTrial(), { dir }, { ...stopAfter(step), resume: true }));
    const trial = makeTrial();
    t.is(outcomeOf(trial, await runTrial(trial, { dir }, { resume: true })), expected);
  });
  await inFolder(async (dir) => {
    const trial = makeTrial();
    await t.throwsAsync(runTrial(trial, { dir }, stopAfter(7)));
    t.is(outcomeOf(trial, await runTrial(trial, { dir }, { resume: true })), expected, 'the same objects');
  });
});

test.serial('a run on an optimizer that had trained before goes on with its orders, also where the optimizer is a new one', async (t) => {
  const warm = async (): Promise<Trial> => {
    const trial = makeTrial();
    await runTrial(trial, undefined, { epochs: 1, validation: undefined });
    return trial;
  };
  const whole = await warm();
  const expected = outcomeOf(whole, await runTrial(whole));
  await inFolder(async (dir) => {
    await t.throwsAsync(
      warm().then((trial) => runTrial(trial, { dir }, stopAfter(6))),
      { instanceOf: TrainingAbortedError },
    );
    const again = await warm();
    t.is(outcomeOf(again, await runTrial(again, { dir }, { resume: true })), expected);
  });
  await inFolder(async (dir) => {
    await t.throwsAsync(warm().then((trial) => runTrial(trial, { dir }, stopAfter(6))));
    const again = makeTrial();
    const cold = await runTrial(again, { dir }, { resume: true });
    t.is(outcomeOf(again, cold), expected);
  });
});

test.serial('a completed run gives its history at once; more epochs go on as if they had been asked for at the start', async (t) => {
  const long = makeTrial({ epochs: 5 });
  const expected = outcomeOf(long, await runTrial(long));
  await inFolder(async (dir) => {
    const first = makeTrial();
    const outcome = outcomeOf(first, await runTrial(first, { dir }));
    const seen: number[] = [];
    const callbacks = [{ onBatchEnd: ({ step }: { step: number }) => seen.push(step) }];
    const again = makeTrial();
    t.is(outcomeOf(again, await runTrial(again, { dir }, { resume: true, callbacks })), outcome);
    t.deepEqual(seen, []);
    const more = makeTrial({ epochs: 5 });
    t.is(outcomeOf(more, await runTrial(more, { dir }, { resume: true, callbacks })), expected);
    t.deepEqual(seen, [13, 14, 15, 16, 17, 18, 19, 20]);
    await t.throwsAsync(runTrial(makeTrial({ epochs: 4 }), { dir }, { resume: true }), {
      instanceOf: CheckpointError,
      message: /stands in epoch 5: `options\.epochs` is 4/,
    });
  });
});

test.serial('a run that a callback stopped is finished: resumed, it gives its history and the reason', async (t) => {
  await inFolder(async (dir) => {
    const callbacks = [{ onBatchEnd: ({ step }: { step: number }, run: { stop(reason: string): void }) => step === 6 && run.stop('enough') }];
    const trial = makeTrial();
    const outcome = outcomeOf(trial, await runTrial(trial, { dir }, { callbacks }));
    const again = makeTrial();
    const history = await runTrial(again, { dir }, { resume: true });
    t.is(history.stopped, 'enough');
    t.is(outcomeOf(again, history), outcome);
  });
});

test.serial('without resume a folder with checkpoints is refused; with it an empty one is a beginning, and says so', async (t) => {
  const expected = await uninterrupted();
  await inFolder(async (folder) => {
    const dir = join(folder, 'a', 'b');
    const { stream, text } = listener();
    const trial = makeTrial();
    t.is(outcomeOf(trial, await runTrial(trial, { dir }, { resume: true, progress: stream })), expected);
    t.true(text().startsWith(`no checkpoint in ${dir}: starting from the beginning\n`));
    const names = readdirSync(dir);
    await t.throwsAsync(runTrial(makeTrial(), { dir }), { instanceOf: ArgumentError, message: /up to step 12: .*`resume: true`/ });
    t.deepEqual(readdirSync(dir), names);
  });
});

test.serial('a folder that cannot be one, and wrong options, are refused before anything is trained', async (t) => {
  await inFolder(async (folder) => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    for (const [options, message] of [
      [{ checkpoint: { dir: file } }, /`options\.checkpoint\.dir`.*EEXIST/],
      [{ checkpoint: { dir: '' } }, /path of a folder for `options\.checkpoint\.dir`/],
      [{ checkpoint: {} }, /path of a folder/],
      [{ checkpoint: folder }, /options object for `options\.checkpoint`/],
      [{ checkpoint: { dir: folder, every: 0 } }, /`options\.checkpoint\.every`/],
      [{ checkpoint: { dir: folder, keep: 0 } }, /`options\.checkpoint\.keep`/],
      [{ checkpoint: { dir: folder, evry: 1 } }, /unknown option `evry`/],
      [{ checkpoint: { dir: folder }, resume: 1 }, /true or false for `options\.resume`/],
      [{ resume: true }, /`options\.resume` needs `options\.checkpoint`/],
    ] as [Partial<FitOptions>, RegExp][]) {
      const trial = makeTrial();
      await t.throwsAsync(fit(trial.model, trial.data, { ...trial.options, ...options }), { instanceOf: ArgumentError, message });
      t.is(trial.optimizer.steps, 0);
    }
    t.deepEqual(readdirSync(folder), ['file']);
  });
});

test.serial('a run that fails leaves the checkpoints from before, none with numbers that are not finite', async (t) => {
  await inFolder(async (dir) => {
    const trial = makeTrial();
    // The update of step 3 overflows; the loss of step 4 shows it.
    const callbacks = [{ onBatchEnd: ({ step }: { step: number }) => step === 2 && Object.assign(trial.optimizer, { lr: 1e39 }) }];
    await t.throwsAsync(runTrial(trial, { dir, every: 1 }, { callbacks }), { code: 'ERR_NON_FINITE' });
    t.deepEqual(readdirSync(dir), [named(1), named(2)]);
  });
});

test.serial('checkpoints change nothing in a run', async (t) => {
  const expected = await uninterrupted();
  await inFolder(async (dir) => {
    mkdirSync(dir, { recursive: true });
    const trial = makeTrial();
    t.is(outcomeOf(trial, await runTrial(trial, { dir, every: 1 })), expected);
  });
});
