// Proves lib/training/checkpoint-file.ts: no damage passes for a checkpoint, nothing is lost when writing fails, and the folder stays tidy.

import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { CheckpointError, readRunLog, readSafetensors } from '../../lib/index.js';
import { inFolder, named, listener, interrupted, uninterrupted, makeTrial, outcomeOf, runTrial } from '../helpers/checkpoints.js';

// One after the other: the runs share the generator of the process.
test.serial('a file that has changed anywhere is named, set aside, and the one before it used', async (t) => {
  const expected = await uninterrupted();
  await inFolder(async (dir) => {
    await interrupted(dir);
    const newest = join(dir, named(6));
    const whole = readFileSync(newest);
    const header = Number(whole.readBigUInt64LE(0));
    const lengths = [0, 1, 7, 8, 9, header, header + 7, header + 8, header + 9, whole.length - 1];
    const damages: [string, Buffer][] = lengths.map((length) => [`${length} bytes`, whole.subarray(0, length)]);
    damages.push(['longer', Buffer.concat([whole, Buffer.of(0)])], ['zeros', Buffer.alloc(whole.length)]);
    for (let at = 0; at < whole.length; at += 37) {
      const flipped = Buffer.from(whole);
      flipped[at] ^= 1;
      damages.push([`byte ${at}`, flipped]);
    }
    t.true(damages.length > 100);
    for (const [what, bytes] of damages) {
      writeFileSync(newest, bytes);
      const { stream, text } = listener();
      const log = join(dir, 'log.jsonl');
      const controller = new AbortController();
      controller.abort();
      const trial = makeTrial();
      const run = runTrial(trial, { dir, every: 100 }, { resume: true, progress: stream, log, signal: controller.signal });
      await t.throwsAsync(run, { message: /aborted after step 5 / }, what);
      t.true(text().includes(`checkpoint damaged: ${newest}: `), `${what}: ${text()}`);
      t.regex(text(), /resuming from .*step-000000000005\.safetensors, after step 5 \(1 epoch completed\)/);
      const { resumed } = readRunLog(log).runs[0].header as { resumed: { step: number; damaged: { path: string }[] } };
      t.is(resumed.step, 5);
      t.is(resumed.damaged[0].path, newest);
      t.deepEqual(
        readdirSync(dir).filter((name) => /000006/.test(name)),
        [`${named(6)}.damaged`],
        what,
      );
      t.deepEqual(readFileSync(`${newest}.damaged`), bytes);
      rmSync(log);
    }
    renameSync(join(dir, named(5)), join(dir, named(9)));
    const { stream, text } = listener();
    const trial = makeTrial();
    t.is(outcomeOf(trial, await runTrial(trial, { dir }, { resume: true, progress: stream })), expected);
    t.regex(text(), /step-000000000009\.safetensors: holds step 5: it was renamed/);
  });
});

test.serial('when every checkpoint is damaged the error names them all, and nothing is touched', async (t) => {
  await inFolder(async (dir) => {
    await interrupted(dir);
    const names = readdirSync(dir);
    t.deepEqual(names, [named(4), named(5), named(6)]);
    for (const name of names) writeFileSync(join(dir, name), readFileSync(join(dir, name)).subarray(0, -1));
    const trial = makeTrial();
    const before = outcomeOf(trial, { epochs: [], stopped: null } as never);
    const error = await t.throwsAsync(runTrial(trial, { dir }, { resume: true }), { instanceOf: CheckpointError, code: 'ERR_CHECKPOINT' });
    for (const name of names) t.true(error?.message.includes(name));
    t.is(outcomeOf(trial, { epochs: [], stopped: null } as never), before);
    t.deepEqual(readdirSync(dir), names);
  });
});

test.serial('the newest `keep` stay; each holds the weights of its step under their paths, for other tools and for load()', async (t) => {
  await inFolder(async (dir) => {
    await runTrial(makeTrial(), { dir });
    t.deepEqual(readdirSync(dir), [named(4), named(8), named(12)], 'an epoch has four steps; three are kept');
  });
  await inFolder(async (dir) => {
    const trial = makeTrial();
    await runTrial(trial, { dir, every: 5, keep: 2 });
    t.deepEqual(readdirSync(dir), [named(10), named(12)], 'the last one is that of the end');
    const { tensors } = await readSafetensors(join(dir, named(12)));
    t.deepEqual(tensors.get('model.0.weight')?.toArray(), trial.model.stateDict().get('0.weight')?.toArray());
    t.true(tensors.has('optimizer.0.weight.m'));
    const { model } = makeTrial({ seed: 9 });
    const { missing } = await model.load(join(dir, named(12)), { prefix: 'model.', strict: false });
    t.deepEqual(missing, []);
    t.deepEqual(
      model.parameters().map(({ data }) => [...data]),
      trial.model.parameters().map(({ data }) => [...data]),
    );
  });
});

test.serial('what a killed writer left is swept away and never taken for a checkpoint; other files stay', async (t) => {
  await inFolder(async (dir) => {
    await interrupted(dir);
    const half = `.${named(7)}.01234567-89ab-cdef-0123-456789abcdef.tmp`;
    writeFileSync(join(dir, half), readFileSync(join(dir, named(6))));
    for (const name of ['notes.txt', 'step-9.safetensors.bak', '.step-9.safetensors.tmp']) writeFileSync(join(dir, name), 'mine');
    const { stream, text } = listener();
    await runTrial(makeTrial(), { dir }, { resume: true, progress: stream });
    t.regex(text(), /after step 6/);
    t.false(existsSync(join(dir, half)));
    for (const name of ['notes.txt', 'step-9.safetensors.bak', '.step-9.safetensors.tmp']) t.is(readFileSync(join(dir, name), 'utf8'), 'mine');
  });
});

test.serial('a checkpoint that cannot be written ends the run with an error that holds the history; older ones stay', async (t) => {
  await inFolder(async (folder) => {
    const dir = join(folder, 'checkpoints');
    const ends: unknown[] = [];
    // The folder moves away under the run, and a file takes its place: the same on every system, and for every user.
    const callbacks = [
      {
        onEpochEnd: async ({ epoch }: { epoch: number }) => {
          if (epoch !== 3) return;
          // With the removal of step 4, step 8 is done.
          while (existsSync(join(dir, named(4)))) await new Promise((resolve) => setImmediate(resolve));
          renameSync(dir, join(folder, 'moved'));
          writeFileSync(dir, 'in the way');
        },
        onTrainEnd: (run: { outcome: unknown }) => ends.push(run.outcome),
      },
    ];
    const log = join(folder, 'log.jsonl');
    const error = await t.throwsAsync<CheckpointError>(runTrial(makeTrial(), { dir, keep: 1 }, { callbacks, log }), {
      instanceOf: CheckpointError,
    });
    t.regex(error!.message, /the checkpoint of step 12 could not be written: .*(ENOTDIR|EEXIST)/);
    t.is(error!.history.epochs.length, 3);
    t.deepEqual(ends, ['failed']);
    t.is(readRunLog(log).runs[0].end?.code, 'ERR_CHECKPOINT');
    // The lock went away with the folder.
    t.deepEqual(readdirSync(join(folder, 'moved')), ['.lock', named(8)]);
  });
});
