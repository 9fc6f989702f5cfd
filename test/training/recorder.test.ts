// Proves lib/training/recorder.ts: a log holds the loss of every step, or means of them, and observed steps over the whole run.

import test from 'ava';
import { join } from 'node:path';
import { type LoggedLosses, readRunLog } from '../../lib/index.js';
import { LossRecorder, ObservationRecorder, stepsBetweenKept } from '../../lib/training/recorder.js';
import type { TrainingRun } from '../../lib/training/callbacks.js';
import { inFolder, observer, train } from '../helpers/reports.js';

const lossesOf = (parts: readonly LoggedLosses[]): number[] => parts.flatMap(({ losses }) => losses);

test('the losses of all steps are in the log, in their order, whatever ends the run', async (t) => {
  await inFolder(async (folder) => {
    const seen: number[] = [];
    await train(folder, { callbacks: [{ onSteps: ({ losses }) => seen.push(...losses) }] });
    const [run] = readRunLog(join(folder, 'log.jsonl')).runs;
    t.is(seen.length, 64);
    t.deepEqual(lossesOf(run.losses ?? []), seen);
    t.is(run.header.stepsPerEpoch, 16);
    const stop = { onSteps: ({ step }: { step: number }, { stop }: TrainingRun) => step > 4 && stop.call(undefined) };
    await t.throwsAsync(train(folder, { callbacks: [stop as never] }));
    const failed = readRunLog(join(folder, 'log.jsonl')).runs[1];
    t.is(failed.end?.outcome, 'failed');
    t.true(lossesOf(failed.losses ?? []).length > 4, 'also of a run that a callback ended with an error');
  });
});

test('a long run has means of several steps, the last of fewer', (t) => {
  const entries: { step: number; every: number; losses: number[] }[] = [];
  const run = { epochs: 10, stepsPerEpoch: 600, step: 0, record: (entry: never) => entries.push(entry) } as unknown as TrainingRun;
  const recorder = new LossRecorder();
  recorder.onTrainBegin(run);
  for (let step = 1; step <= 7; step++) recorder.onSteps({ epoch: 1, step, losses: [step] }, run);
  recorder.onTrainEnd(run);
  t.true(entries.every(({ every }) => every === 3));
  t.is(entries[0].step, 1);
  t.deepEqual(lossesOf(entries), [2, 5, 7]);
});

test('observed steps are kept evenly, those of deep networks at fewer steps, and only where somebody observes', async (t) => {
  t.is(stepsBetweenKept({ epochs: 10, stepsPerEpoch: 1000 }, 5), 100);
  t.is(stepsBetweenKept({ epochs: 10, stepsPerEpoch: 1000 }, 100), 500);
  t.is(stepsBetweenKept({ epochs: 10, stepsPerEpoch: 1000 }, 5000), 1000);
  t.is(stepsBetweenKept({ epochs: 1, stepsPerEpoch: 3 }, 5), 1);
  const steps: number[] = [];
  const run = { epochs: 10, stepsPerEpoch: 100, record: ({ step }: { step: number }) => steps.push(step) } as unknown as TrainingRun;
  const recorder = new ObservationRecorder();
  for (let step = 4; step <= 1000; step += 4) recorder.onObserve({ step, layers: [], parameters: [] }, run);
  t.deepEqual(steps.slice(0, 3), [4, 16, 28]);
  t.true(steps.length > 80 && steps.length <= 100);
  await inFolder(async (folder) => {
    await train(folder);
    t.is(readRunLog(join(folder, 'log.jsonl')).runs[0].observations, undefined);
    await train(folder, { callbacks: [observer] });
    const { observations = [] } = readRunLog(join(folder, 'log.jsonl')).runs[1];
    t.deepEqual(
      observations[0].layers.map(({ path, type }) => [path, type]),
      [
        ['1', 'ReLU'], // what an activation follows is not written to memory, nor observed
        ['2', 'Linear'],
      ],
    );
    for (const { layers } of observations)
      for (const { shape, histogram } of layers)
        t.is(
          histogram.counts.reduce((sum, count) => sum + count, 0),
          shape[0] * shape[1],
        );
  });
});
