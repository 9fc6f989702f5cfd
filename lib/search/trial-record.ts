// A trial as studies keep it: its parameters, where they come from, and what came of them.

import type { Params } from './space.js';

/** What a trial said of itself while it went on. */
export interface TrialReport {
  /** Epoch, or what else the trial counts, from 1. */
  readonly epoch: number;
  /** Its score so far, of the kind that the objective gives; null where it was not measured. */
  readonly score: number | null;
  /** Its training loss; null where it was not told. */
  readonly loss: number | null;
}

/** Which way a score is better. */
export type Direction = 'minimize' | 'maximize';

/** A trial of a study. */
export interface TrialRecord<P = Params> {
  /** From 0, in the order in which trials were begun. */
  readonly number: number;
  /** Its parameters. */
  readonly params: P;
  /** The first trial with these parameters: itself, unless it goes on with what an earlier one began, with a larger budget. */
  readonly config: number;
  /** What it may spend, such as epochs; null where the strategy says nothing of it. */
  readonly budget: number | null;
  /** Of its random numbers: from the study's seed and `config`. */
  readonly seed: number;
  /** How it stands: `stopped` by a rule (an explosion), `failed` by an error. */
  readonly state: 'running' | 'completed' | 'stopped' | 'failed';
  /** What the objective gave; null unless completed. */
  readonly score: number | null;
  /** Why it was stopped, or failed. */
  readonly reason: string | null;
  /** What it said on the way. */
  readonly reports: readonly TrialReport[];
  /** How often it was begun: more than once where its process had died. */
  readonly attempt: number;
  /** When it began. */
  readonly began: string;
  /** How long it took; null while it runs. */
  readonly seconds: number | null;
}

/** A trial that has completed. */
export interface ScoredTrial<P = Params> extends TrialRecord<P> {
  /** What the objective gave. */
  readonly score: number;
}

/** How a trial ended. */
export type TrialEnd = Pick<TrialRecord, 'state' | 'score' | 'reason'>;

/** The completed trials, best first; of equal ones the earlier. */
export function ranked<P>(trials: readonly TrialRecord<P>[], direction: Direction): ScoredTrial<P>[] {
  const completed = trials.filter((trial): trial is ScoredTrial<P> => trial.state === 'completed' && trial.score !== null);
  const sign = direction === 'minimize' ? 1 : -1;
  return completed.sort((a, b) => sign * (a.score - b.score) || a.number - b.number);
}
