// What tests of searches share: spaces, scores that need no training, what must come out the same, and a folder of one's own.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Study, type TrialRecord, space } from '../../lib/index.js';
import { logarithm } from '../../lib/search/numbers.js';
import type { Params } from '../../lib/search/space.js';
import type { StudyView } from '../../lib/search/strategy.js';

/** Neither progress nor log. */
export const still = { progress: false, log: false } as const;

/** A rate that matters, a size that matters a little, and a choice with a parameter of its own. */
export const wide = {
  lr: space.logUniform(1e-6, 1),
  layers: space.integer(1, 4),
  optimizer: space.choice(['momentum', 'adam']),
  momentum: space.when('optimizer', 'momentum', space.uniform(0, 1)),
};

/** The number of decades from a rate of 1e-3. */
const decades = (lr: number): number => Math.abs(logarithm(lr / 1e-3) / Math.LN10);

/** Best at 1e-3, with few layers and adam: a bowl with its bottom in the middle. */
export function bowl({ lr, layers, momentum }: { lr: number; layers: number; momentum?: number }): number {
  return decades(lr) * decades(lr) + 0.05 * layers + (momentum === undefined ? 0 : 0.2 + 0.1 * momentum);
}

/** What must come out the same of two studies: everything but times and attempts. */
export function outcomeOf<P>({ trials }: Pick<Study<P>, 'trials'>): unknown[] {
  return trials.map(({ number, params, config, budget, seed, state, score, reason, reports }) => [
    number,
    params,
    config,
    budget,
    seed,
    state,
    score,
    reason,
    reports,
  ]);
}

/** A trial that ended. */
export function ended(number: number, params: Params, score: number | null, more: Partial<TrialRecord> = {}): TrialRecord {
  const state = score === null ? ('failed' as const) : ('completed' as const);
  return {
    number,
    params,
    config: number,
    budget: null,
    seed: 1,
    state,
    score,
    reason: null,
    reports: [],
    attempt: 1,
    began: '',
    seconds: 1,
    ...more,
  };
}

/** A study, as a strategy sees it. */
export const view = (more: Partial<StudyView> = {}): StudyView => ({
  space: wide,
  seed: 3,
  direction: 'minimize',
  number: more.trials?.length ?? 0,
  trials: [],
  ...more,
});

/** Gives a folder of its own. */
export async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-search-'));
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The value in the middle of a list. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
