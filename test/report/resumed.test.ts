// Proves lib/report/resumed.ts: a run that went on from a checkpoint is one run, in a report and for who follows its log.

import test from 'ava';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { reportData } from '../../lib/index.js';
import { LogTail } from '../../lib/report/tail.js';
import { inFolder, train } from '../helpers/reports.js';

test('a run that went on from a checkpoint is one run in the report', async (t) => {
  await inFolder(async (folder) => {
    const checkpoint = { dir: join(folder, 'points') };
    const runDir = join(folder, 'run');
    await train(runDir, { epochs: 2, checkpoint });
    await train(runDir, { epochs: 4, checkpoint, resume: true });
    const { runs } = reportData(runDir);
    t.is(runs.length, 1);
    t.deepEqual(
      runs[0].epochs.map(({ epoch }) => epoch),
      [1, 2, 3, 4],
    );
    t.deepEqual(
      runs[0].losses?.flatMap(({ step, losses }) => losses.map((_, i) => step + i)),
      Array.from({ length: 64 }, (_, i) => i + 1),
    );
  });
});

test('of a run that was killed and resumed, epochs, findings and fixes stand once: those of the checkpoint, and what came after', async (t) => {
  await inFolder(async (folder) => {
    const checkpoint = { dir: join(folder, 'points'), keep: 9 };
    const runDir = join(folder, 'run');
    const log = join(runDir, 'log.jsonl');
    const sick = { lr: 1e5, epochs: 5, sitter: 'fix', checkpoint } as const;
    const whole = await train(join(folder, 'whole'), { ...sick, checkpoint: undefined });
    t.true(whole.fixes.length > 0 && whole.findings.length > 0);
    const killed = { onEpochEnd: ({ epoch }: { epoch: number }) => epoch === 3 && Promise.reject(new Error('killed')) };
    await t.throwsAsync(train(runDir, { ...sick, callbacks: [killed] }), { message: 'killed' });
    // As if the process had ended long after its last checkpoint.
    for (const name of readdirSync(checkpoint.dir).sort().slice(2)) rmSync(join(checkpoint.dir, name));
    await train(runDir, { ...sick, resume: true });
    const [run, ...others] = reportData(log).runs;
    t.is(others.length, 0);
    t.deepEqual(run.epochs.map(({ epoch, loss }) => [epoch, loss]), whole.epochs.map(({ epoch, loss }) => [epoch, loss])); // biome-ignore format: one line
    t.deepEqual(run.findings, JSON.parse(JSON.stringify(whole.findings)));
    t.deepEqual(run.fixes, whole.fixes);
    const tail = new LogTail(log);
    t.is(tail.poll(), null, 'all of it is new to who had seen the first part');
    t.deepEqual(tail.runs, reportData(log).runs);
  });
});
