// Where trials are kept while a study runs: in memory here, in a log and in a database elsewhere.

import { performance } from 'node:perf_hooks';
import type { Params } from './space.js';
import type { Proposal } from './strategy.js';
import type { TrialEnd, TrialRecord, TrialReport } from './trial-record.js';

/** What a study set out with. */
export interface StudyHeader {
  /** What reports call it. */
  readonly name: string;
  /** Of this form of logs. */
  readonly version: number;
  /** Dimensions by name. */
  readonly space: Readonly<Record<string, unknown>>;
  readonly direction: string;
  readonly seed: number;
  readonly strategy: Readonly<Record<string, unknown>>;
  readonly settings: unknown;
}

/** What of two headers must be equal, so that a study may go on. */
export const definition = ({ space, direction, seed, strategy, settings }: StudyHeader): string =>
  JSON.stringify({ space, direction, seed, strategy, settings });

/** Where a taker is told what the next trial is. */
export type Propose = (trials: readonly TrialRecord[]) => (Proposal & { readonly seed: number }) | 'wait' | 'done';

/** Keeps the trials of one study. */
export interface Store {
  /** All trials, by number. */
  trials(): Promise<readonly TrialRecord[]>;
  /** Begins a trial: one whose process died, else the next one. */
  take(propose: Propose): Promise<TrialRecord | 'wait' | 'done'>;
  /** Keeps what a trial says. Gives false when it is no longer this process's. */
  report(trial: TrialRecord, report: TrialReport): Promise<boolean>;
  /** Ends a trial. Gives false when it was no longer this process's: then nothing is kept. */
  finish(trial: TrialRecord, end: TrialEnd): Promise<boolean>;
  /** Gives a trial back that was not ended. */
  release(trial: TrialRecord): Promise<void>;
  /** Calls `lost` when a trial is another process's by now. */
  onLost?(trial: TrialRecord, lost: () => void): void;
  /** Lets everything go. */
  close(): Promise<void>;
}

/** Why a trial fails whose process died too often. */
export const diedReason = (attempts: number): string =>
  `its process died ${attempts} times: out of memory, killed, or crashed (\`options.attempts\` says how often it is tried)`;

type Mutable = { -readonly [Name in keyof TrialRecord]: TrialRecord[Name] } & { reports: TrialReport[] };

/** Trials in memory; what happens goes to `note`, which a log overrides. */
export class MemoryStore implements Store {
  protected readonly all: Mutable[] = [];
  /** Trials that were begun, and that nobody works on. */
  readonly #idle = new Set<number>();
  readonly #attempts: number;
  readonly #starts = new Map<number, number>();

  constructor(attempts: number) {
    this.#attempts = attempts;
  }

  /** Keeps an event. */
  protected note(_event: Readonly<Record<string, unknown>>): void {}

  async trials(): Promise<readonly TrialRecord[]> {
    return this.all.map((trial) => ({ ...trial, reports: [...trial.reports] }));
  }

  async take(propose: Propose): Promise<TrialRecord | 'wait' | 'done'> {
    for (const number of [...this.#idle].sort((a, b) => a - b)) {
      this.#idle.delete(number);
      const trial = this.all[number];
      if (trial.attempt < this.#attempts) return this.#start({ ...trial, attempt: trial.attempt + 1 });
      this.#end(trial, { state: 'failed', score: null, reason: diedReason(trial.attempt) });
    }
    const proposal = propose(this.all);
    if (typeof proposal === 'string') return proposal;
    return this.#start({ ...proposal, number: this.all.length, attempt: 1 });
  }

  #start(trial: { number: number; params: Params; config: number; budget: number | null; seed: number; attempt: number }): TrialRecord {
    const { number, params, config, budget, seed, attempt } = trial;
    const event = { type: 'trial', number, attempt, params, config, budget, seed, began: new Date().toISOString() };
    this.note(event);
    this.#starts.set(number, performance.now());
    return { ...this.apply(event), reports: [] };
  }

  async report({ number, attempt }: TrialRecord, report: TrialReport): Promise<boolean> {
    const event = { type: 'report', number, attempt, ...report };
    this.note(event);
    this.apply(event);
    return true;
  }

  async finish(trial: TrialRecord, end: TrialEnd): Promise<boolean> {
    this.#end(trial, end);
    return true;
  }

  #end({ number, attempt }: TrialRecord, { state, score, reason }: TrialEnd): void {
    const seconds = (performance.now() - (this.#starts.get(number) ?? performance.now())) / 1000;
    const event = { type: 'end', number, attempt, state, score, reason, seconds: Math.round(seconds * 1000) / 1000 };
    this.note(event);
    this.apply(event);
  }

  async release({ number }: TrialRecord): Promise<void> {
    // Nobody's fault: the attempt does not count.
    const trial = this.all[number];
    this.note({ type: 'released', number, attempt: trial.attempt });
    this.apply({ type: 'released', number, attempt: trial.attempt });
  }

  async close(): Promise<void> {}

  /** What an event makes of the trials; the same for one that happens and one that is read from a log. */
  protected apply(event: Readonly<Record<string, unknown>>): Mutable {
    const number = event.number as number;
    if (event.type === 'trial') {
      const { params, config, budget, seed, attempt, began } = event as unknown as TrialRecord;
      this.#idle.delete(number);
      this.all[number] = {
        number,
        params,
        config,
        budget,
        seed,
        state: 'running',
        score: null,
        reason: null,
        reports: [],
        attempt,
        began,
        seconds: null,
      };
      return this.all[number];
    }
    const trial = this.all[number];
    if (event.type === 'report') {
      const { epoch, score, loss } = event as unknown as TrialReport;
      trial.reports.push({ epoch, score, loss });
    } else if (event.type === 'end') {
      const { state, score, reason, seconds } = event as unknown as TrialRecord;
      Object.assign(trial, { state, score, reason, seconds });
    } else if (event.type === 'released') {
      trial.attempt -= 1;
      trial.reports.length = 0;
      this.#idle.add(number);
    }
    return trial;
  }

  /** After a log was read: what was running then runs no more. */
  protected settle(): void {
    for (const trial of this.all) if (trial.state === 'running') this.#idle.add(trial.number);
  }
}
