// Proves lib/search/trial.ts: what a trial hears after its end, and explosions in runs that go on.

import test from 'ava';
import type { Callback } from '../../lib/index.js';
import { Trial, runTrial } from '../../lib/search/trial.js';
import type { TrialReport } from '../../lib/search/trial-record.js';

function trialOf(): { trial: Trial; reports: TrialReport[] } {
  const reports: TrialReport[] = [];
  const record = { number: 0, config: 0, budget: null, seed: 1, params: {} } as never;
  const parts = {
    data: null,
    settings: null,
    dir: null,
    signal: new AbortController().signal,
    say: (report: TrialReport) => void reports.push(report),
  };
  return { trial: new Trial(record, parts as never), reports };
}

test('what an objective reports after its end belongs to nobody', async (t) => {
  const { trial, reports } = trialOf();
  await runTrial((_, own) => (own.report({ epoch: 1, loss: 1 }) ? 0.5 : 0), {} as never, trial);
  trial.report({ epoch: 2, loss: 1 });
  t.deepEqual(reports.map(({ epoch }) => epoch), [1]); // biome-ignore format: one line
});

test('a run that goes on is held against the losses of its first part, and a loss below zero explodes not', (t) => {
  const stops: string[] = [];
  const run = { stop: (reason: string) => stops.push(reason) } as never;
  const steps = (watch: Callback, losses: number[]): void => void watch.onSteps({ epoch: 1, step: 1, losses }, run);
  const first = trialOf().trial.watch();
  steps(first, [2, 1.8, 1.6, 0.01, 0.01]);
  const second = trialOf().trial.watch();
  second.loadStateDict?.(JSON.parse(JSON.stringify(first.stateDict?.())), new Map());
  steps(second, [0.01, 0.01, 0.01, 0.9]); // ninety times its own first loss
  t.deepEqual(stops, []);
  steps(trialOf().trial.watch(), [-0.1, -0.1, -0.1, -0.5, 0.2]);
  t.deepEqual(stops, []);
  steps(second, new Array<number>(10).fill(7));
  t.regex(stops[0], /the loss exploded/);
  t.throws(() => second.loadStateDict?.({ first: 'many' }, new Map()), { code: 'ERR_ARGUMENT' });
});
