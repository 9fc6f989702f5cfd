// A study that launched processes share: each of them has all of it, and what happens next is what one of them was first to say in the store where they meet.

import { resolve } from 'node:path';
import type { ProcessEnvironment } from '../distributed/environment.js';
import { decode, encode } from '../distributed/places.js';
import { Pulses } from '../distributed/pulses.js';
import { openRendezvous } from '../distributed/rendezvous.js';
import type { Store as KeyStore } from '../distributed/store.js';
import { ArgumentError } from '../errors.js';
import { difference } from './log.js';
import { MemoryStore, type Propose, type Store, type StudyEvent, type StudyHeader, definition } from './store.js';
import type { TrialEnd, TrialRecord, TrialReport } from './trial-record.js';

/** What a process brings along. */
export interface SharedOptions {
  readonly header: StudyHeader;
  /** Where the process of rank 0 keeps the log, if it does. */
  readonly runDir: string | null;
  readonly heartbeat: number;
  readonly attempts: number;
  /** What the process of rank 0 keeps the trials in. */
  local(): Promise<MemoryStore>;
  /** What the study is called in the store; default: which one of this process it is. */
  readonly name?: string;
}

/** Of so many events at most is told at once: a value of the store has an end. */
const mostEvents = 1000;
/** Trials of so many at most are told at once. */
const mostTrials = 100;
/** Milliseconds between two looks at what the others say. */
const look = 1000;
/** Milliseconds that who serves the store waits for the others to leave. */
const lastWait = 5000;

/** The trials of a study that processes share. The events of all stand in one row, `event/0`, `event/1`, …, each of which one process was first to create. */
export class SharedStore implements Store {
  /** How many events of the row have happened here. */
  #head = 0;
  /** Which process runs a trial, and the how manieth time it is begun. */
  readonly #owners = new Map<number, { readonly owner: string; readonly attempt: number }>();
  readonly #reports = new Map<number, TrialReport[]>();
  /** Of own trials. */
  readonly #lost = new Map<number, { readonly attempt: number; readonly lost: () => void }>();
  /** One thing at a time. */
  #turn: Promise<unknown> = Promise.resolve();
  readonly #looking: NodeJS.Timeout;

  private constructor(
    readonly environment: ProcessEnvironment,
    readonly keys: KeyStore,
    readonly name: string,
    readonly local: MemoryStore,
    /** Of the process of rank 0: where trials have their folders. */
    readonly runDir: string | null,
    readonly pulses: Pulses,
  ) {
    this.#looking = setInterval(() => void this.#look().catch(() => {}), look); // who needs an answer hears of it
    this.#looking.unref();
  }

  static #opened = 0;

  /**
   * Joins the study of this launch; all processes open theirs in the same order.
   *
   * @throws {ArgumentError} when the others search something else
   */
  static async open(environment: ProcessEnvironment, options: SharedOptions): Promise<SharedStore> {
    const { header, runDir, heartbeat, attempts, local, name = `search-${SharedStore.#opened++}` } = options;
    const keys = await openRendezvous(environment);
    let own: MemoryStore | null = null;
    try {
      own = environment.rank === 0 ? await local() : new MemoryStore(attempts);
      if (environment.rank === 0) {
        const trials = await own.trials();
        const parts = Math.ceil(trials.length / mostTrials);
        for (let i = 0; i < parts; i++) await keys.set(`${name}/before/${i}`, encode(trials.slice(i * mostTrials, (i + 1) * mostTrials)));
        await keys.set(`${name}/study`, encode({ header, parts, runDir: runDir === null ? null : resolve(runDir) }));
      }
      const study = decode(await keys.get(`${name}/study`)) as { header: StudyHeader; parts: number; runDir: string | null };
      if (definition(study.header) !== definition(header))
        throw new ArgumentError(
          `all processes of a shared study call search() alike, and process ${environment.rank} differs from process 0: ${difference(study.header, header)}`,
        );
      if (environment.rank !== 0)
        for (let i = 0; i < study.parts; i++) own.settle(decode(await keys.get(`${name}/before/${i}`)) as TrialRecord[]);
      const pulses = new Pulses(keys, `${name}/beat`, 1000 * heartbeat);
      await pulses.beat(String(environment.rank));
      return new SharedStore(environment, keys, name, own, study.runDir, pulses);
    } catch (error) {
      await own?.close();
      await keys.close();
      throw error;
    }
  }

  get path(): string | null {
    return this.local.path;
  }

  trials(): Promise<readonly TrialRecord[]> {
    return this.#inTurn(async () => {
      await this.#hear();
      return this.local.trials();
    });
  }

  take(propose: Propose): Promise<TrialRecord | 'wait' | 'done'> {
    return this.#inTurn(async () => {
      for (;;) {
        await this.#hear();
        const next = (await this.#lostTrial()) ?? this.local.next(propose);
        // Whoever works on the last trials may die: somebody has to be there to take them.
        if (typeof next === 'string') return next === 'done' && this.#owners.size > 0 ? 'wait' : next;
        const trial = await this.#say([next.type === 'trial' ? { ...next, owner: this.#own } : next]);
        if (trial !== null && next.type === 'trial') return trial;
      }
    });
  }

  async report(trial: TrialRecord, report: TrialReport): Promise<boolean> {
    // Said with the end: what others need to know of a trial is its score.
    const reports = this.#reports.get(trial.number) ?? [];
    this.#reports.set(trial.number, [...reports, report]);
    return this.#isOwn(trial);
  }

  async finish(trial: TrialRecord, end: TrialEnd): Promise<boolean> {
    const { number, attempt } = trial;
    const reports = (this.#reports.get(number) ?? []).map((report) => ({ type: 'report', number, attempt, ...report }));
    return this.#end(trial, [...reports, this.local.ending(trial, end)]);
  }

  async release(trial: TrialRecord): Promise<void> {
    await this.#end(trial, [{ type: 'released', number: trial.number, attempt: trial.attempt }]);
  }

  onLost(trial: TrialRecord, lost: () => void): void {
    this.#lost.set(trial.number, { attempt: trial.attempt, lost });
  }

  async close(): Promise<void> {
    clearInterval(this.#looking);
    await this.#turn;
    await this.local.close();
    const { rank, worldSize, isServedByRank0 } = this.environment;
    const leave = async (): Promise<void> => {
      await this.pulses.leave(this.#own);
      await this.keys.set(`${this.name}/left/${rank}`, new Uint8Array());
      if (rank !== 0 || !isServedByRank0) return;
      for (let other = 1; other < worldSize; other++) await this.keys.get(`${this.name}/left/${other}`, { timeout: lastWait });
    };
    await leave().catch(() => {}); // the others have gone already
    await this.keys.close();
  }

  get #own(): string {
    return String(this.environment.rank);
  }

  #inTurn<T>(body: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(body);
    this.#turn = result.catch(() => {});
    return result;
  }

  /** Says what happens next; null where another process was first. */
  async #say(events: readonly StudyEvent[]): Promise<TrialRecord | null> {
    return (await this.keys.create(`${this.name}/event/${this.#head}`, encode(events))) ? this.#happen(events) : null;
  }

  /** Says what ends a trial, if it still is this process's. */
  #end(trial: TrialRecord, events: readonly StudyEvent[]): Promise<boolean> {
    return this.#inTurn(async () => {
      try {
        for (let at = 0; at < events.length; ) {
          await this.#hear();
          if (!this.#isOwn(trial)) return false;
          if ((await this.#say(events.slice(at, at + mostEvents))) !== null) at += mostEvents;
        }
        return true;
      } finally {
        this.#reports.delete(trial.number);
        this.#lost.delete(trial.number);
      }
    });
  }

  /** Hears what others have said. */
  async #hear(): Promise<void> {
    for (;;) {
      const said = await this.keys.peek(`${this.name}/event/${this.#head}`);
      if (said === null) return;
      this.#happen(decode(said) as StudyEvent[]);
    }
  }

  #happen(events: readonly StudyEvent[]): TrialRecord {
    this.#head += 1;
    let trial: TrialRecord | null = null;
    for (const event of events) {
      trial = this.local.keep(event);
      if (event.type === 'trial') this.#owners.set(trial.number, { owner: String(event.owner), attempt: trial.attempt });
      else if (event.type !== 'report') this.#owners.delete(trial.number);
    }
    return trial as TrialRecord;
  }

  #isOwn({ number, attempt }: Pick<TrialRecord, 'number' | 'attempt'>): boolean {
    const now = this.#owners.get(number);
    return now?.owner === this.#own && now.attempt === attempt;
  }

  /** What gives back a trial whose process is gone. */
  async #lostTrial(): Promise<StudyEvent | null> {
    for (const [number, { owner }] of this.#owners)
      if (owner !== this.#own && (await this.pulses.isGone(owner))) return { type: 'lost', number };
    return null;
  }

  async #look(): Promise<void> {
    await this.pulses.beat(this.#own);
    await this.#inTurn(() => this.#hear());
    for (const [number, { attempt, lost }] of this.#lost) if (!this.#isOwn({ number, attempt })) lost();
  }
}
