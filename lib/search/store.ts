// Where trials are kept while a study runs: in memory here, in a log and in a database elsewhere.

import { performance } from 'node:perf_hooks';
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

/** What happens in a study, as a log has it; `type` says what. */
export type StudyEvent = Readonly<Record<string, unknown>>;

/** Keeps the trials of one study. */
export interface Store {
  /** Where its log is, if it has one. */
  readonly path?: string | null;
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

/** What ends a trial. */
const endOf = ({ number, attempt }: TrialRecord, { state, score, reason }: TrialEnd, seconds: number): StudyEvent => {
  return { type: 'end', number, attempt, state, score, reason, seconds: Math.round(seconds * 1000) / 1000 };
};

type Mutable = { -readonly [Name in keyof TrialRecord]: TrialRecord[Name] } & { reports: TrialReport[] };

/** Trials in memory; what happens goes to `note`, which a log overrides. */
export class MemoryStore implements Store {
  readonly path: string | null = null;
  protected readonly all: Mutable[] = [];
  /** Trials that were begun, and that nobody works on. */
  readonly #idle = new Set<number>();
  readonly #attempts: number;
  readonly #starts = new Map<number, number>();

  constructor(attempts: number) {
    this.#attempts = attempts;
  }

  /** Writes an event down. */
  protected note(_event: StudyEvent): void {}

  async trials(): Promise<readonly TrialRecord[]> {
    return this.all.map(copyOf);
  }

  async take(propose: Propose): Promise<TrialRecord | 'wait' | 'done'> {
    for (;;) {
      const next = this.next(propose);
      if (typeof next === 'string') return next;
      const trial = this.keep(next);
      if (next.type === 'trial') return trial;
    }
  }

  /** What is to happen next: a trial begins, or one ends that was begun too often. Nothing happens yet. */
  next(propose: Propose): StudyEvent | 'wait' | 'done' {
    const [idle] = [...this.#idle].sort((a, b) => a - b);
    const before = this.all[idle] as TrialRecord | undefined;
    if (before !== undefined && before.attempt >= this.#attempts)
      return endOf(before, { state: 'failed', score: null, reason: diedReason(before.attempt) }, 0);
    const proposal = before ?? propose(this.all);
    if (typeof proposal === 'string') return proposal;
    const { params, config, budget, seed } = proposal;
    const [number, attempt] = before === undefined ? [this.all.length, 1] : [before.number, before.attempt + 1];
    return { type: 'trial', number, attempt, params, config, budget, seed, began: new Date().toISOString() };
  }

  /** Keeps an event, and does what it says; gives the trial that it is of. */
  keep(event: StudyEvent): TrialRecord {
    this.note(event);
    return copyOf(this.apply(event));
  }

  async report({ number, attempt }: TrialRecord, report: TrialReport): Promise<boolean> {
    this.keep({ type: 'report', number, attempt, ...report });
    return true;
  }

  async finish(trial: TrialRecord, end: TrialEnd): Promise<boolean> {
    this.keep(this.ending(trial, end));
    return true;
  }

  /** What ends a trial that was begun here. */
  ending(trial: TrialRecord, end: TrialEnd): StudyEvent {
    const now = performance.now();
    return endOf(trial, end, (now - (this.#starts.get(trial.number) ?? now)) / 1000);
  }

  async release({ number }: TrialRecord): Promise<void> {
    this.keep({ type: 'released', number, attempt: this.all[number].attempt });
  }

  async close(): Promise<void> {}

  /** What an event makes of the trials; the same for one that happens and one that is read from a log. */
  protected apply(event: StudyEvent): Mutable {
    const number = event.number as number;
    if (event.type === 'trial') {
      const { params, config, budget, seed, attempt, began } = event as unknown as TrialRecord;
      this.#idle.delete(number);
      this.#starts.set(number, performance.now());
      const fresh = { state: 'running', score: null, reason: null, seconds: null } as const;
      this.all[number] = { number, params, config, budget, seed, attempt, began, ...fresh, reports: [] };
      return this.all[number];
    }
    const trial = this.all[number];
    if (event.type === 'report') {
      const { epoch, score, loss } = event as unknown as TrialReport;
      trial.reports.push({ epoch, score, loss });
    } else if (event.type === 'end') {
      const { state, score, reason, seconds } = event as unknown as TrialRecord;
      this.#idle.delete(number);
      Object.assign(trial, { state, score, reason, seconds });
    } else if (event.type === 'released' || event.type === 'lost') {
      // To be released is nobody's fault: the attempt does not count.
      if (event.type === 'released') trial.attempt -= 1;
      trial.reports.length = 0;
      this.#idle.add(number);
    }
    return trial;
  }

  /** Goes on with trials of before: what was running then runs no more. */
  settle(trials: readonly TrialRecord[] = this.all): void {
    for (const trial of trials) {
      this.all[trial.number] = { ...trial, reports: [...trial.reports] };
      if (trial.state === 'running') this.#idle.add(trial.number);
    }
  }
}

const copyOf = (trial: TrialRecord): TrialRecord => ({ ...trial, reports: [...trial.reports] });
