// The log of runs: one JSON document per line, appended whole and synced once an epoch, so that a crash costs at most the line in hand.

import { randomBytes } from 'node:crypto';
import { closeSync, fstatSync, fsyncSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { variable } from '../environment.js';
import { ArgumentError, FileFormatError, expected } from '../errors.js';
import { checkPath, refusal } from '../io/atomic.js';
import { makeFolder } from '../io/folders.js';
import type { WhatIfReport } from '../sitter/what-if.js';
import type { EpochRecord } from './history.js';
import type { LayerObservation, ParameterObservation } from './observation.js';
import { folderRefusal } from './writable.js';

/** Losses of successive steps as a log keeps them: of a long run means of several steps, so that it has a few thousand numbers at most. */
export interface LoggedLosses {
  /** The first of the steps within the run, from 1. */
  readonly step: number;
  /** How many steps each number is the mean of. */
  readonly every: number;
  /** Losses, before the updates. */
  readonly losses: readonly number[];
}

/** Counts by {@link histogramEdges}, without the zeros at the ends. */
export interface LoggedHistogram {
  /** The first bin of `counts`. */
  readonly first: number;
  /** Counts from there on; those of all other bins are 0. */
  readonly counts: readonly number[];
}

/** The output of a layer in an observed step as a log keeps it. */
export interface LoggedLayer extends Omit<LayerObservation, 'histogram'> {
  /** How its elements are spread. */
  readonly histogram: LoggedHistogram;
}

/** An observed step as a log keeps it: see {@link Observation}. */
export interface LoggedObservation {
  /** The step within the run, from 1. */
  readonly step: number;
  /** Layers, in the order of their forwards. */
  readonly layers: readonly LoggedLayer[];
  /** Parameters. */
  readonly parameters: readonly ParameterObservation[];
}

/** A run as its log tells it. */
export interface LoggedRun {
  /** What the run set out with: configuration, seed, versions, machine. */
  readonly header: Readonly<Record<string, unknown>>;
  /** Completed epochs. */
  readonly epochs: readonly EpochRecord[];
  /** What somebody should look at, though the run went on: checkpoints that could not be written. Not there without any. */
  readonly warnings?: readonly string[];
  /** Losses step by step. Not there in logs of earlier versions. */
  readonly losses?: readonly LoggedLosses[];
  /** Some of the observed steps, evenly spread over the run. Not there where none was observed. */
  readonly observations?: readonly LoggedObservation[];
  /** What the sitter found. Not there without any. */
  readonly findings?: readonly Readonly<Record<string, unknown>>[];
  /** What `sitter: 'fix'` changed in the run. Not there without any. */
  readonly fixes?: readonly string[];
  /** What was tried of findings: see {@link WhatIfReport}. Not there without any. */
  readonly tried?: readonly WhatIfReport[];
  /** The layers of the model as a picture, SVG: see {@link Model.plot}. Only there for runs with a report or a live view, of models that can be drawn. */
  readonly architecture?: string;
  /** What the model made of the validation data at the end: see {@link Examination}. Only there for runs with a report. */
  readonly examination?: Readonly<Record<string, unknown>>;
  /** How it ended; null when it is still going, or was killed. */
  readonly end: Readonly<Record<string, unknown>> | null;
}

/** What {@link readRunLog} found. */
export interface RunLogContents {
  /** Runs, in the order in which they began. */
  readonly runs: readonly LoggedRun[];
  /** Whether the last line is incomplete: its writer is still at it, or was killed. The rest is whole. */
  readonly torn: boolean;
}

/** Where a run's log goes when nothing is said: a file of its own in `runs/`, or in the folder that `NODEGRAD_RUNS` names; `off` for none. */
export function defaultLogPath(now = new Date()): string | null {
  const folder = variable('NODEGRAD_RUNS', 'off') ?? 'runs';
  if (folder === 'off') return null;
  const stamp = now.toISOString().slice(0, 19).replaceAll(':', '-');
  return resolve(folder, `${stamp}-${randomBytes(2).toString('hex')}.jsonl`);
}

/** An open log, for one run. */
export class RunLog {
  readonly path: string;
  /** Tells this run's lines from those of another that writes to the same file. */
  readonly #run = randomBytes(4).toString('hex');
  #file: number | null;

  /** @throws {ArgumentError} when the file cannot be opened for appending. */
  constructor(path: string) {
    this.path = resolve(checkPath(path, 'options.log'));
    const folder = dirname(this.path);
    try {
      makeFolder(folder);
    } catch (error) {
      throw folderRefusal('a file in a folder that can be made', 'options.log', folder, error);
    }
    try {
      this.#file = openSync(this.path, 'a+');
    } catch (error) {
      throw refusal('a file that can be appended to', path, error);
    }
    // A line that a killed run left half stays where it is, as a line of its own.
    if (!endsLine(this.#file)) this.#append('\n');
  }

  /**
   * Appends one line and waits until it is on the disk, if it `isKept` there. A log that cannot be written any more (a full disk) warns, and the
   * run goes on.
   */
  write(line: Readonly<Record<string, unknown>>, isKept = true): void {
    if (this.#file === null) return;
    try {
      this.#append(`${JSON.stringify({ ...line, run: this.#run }, plainNumbers)}\n`);
      if (isKept) fsyncSync(this.#file);
    } catch (error) {
      this.close();
      process.emitWarning(`the run is not logged any further: ${(error as Error).message}`, { code: 'NODEGRAD_NO_LOG' });
    }
  }

  /** Closes the file; once is enough. */
  close(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }

  // In one call, so that lines of several writers do not mix; the loop is for a full disk.
  #append(text: string): void {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#file as number, bytes, at);
  }
}

function endsLine(file: number): boolean {
  const { size } = fstatSync(file);
  if (size === 0) return true;
  const last = new Uint8Array(1);
  readSync(file, last, 0, 1, size - 1);
  return last[0] === 0x0a;
}

/** JSON has no NaN and no infinities: they are written as text. */
export function plainNumbers(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}

/**
 * Reads a log of runs. A last line that is cut off, as a killed process leaves it, is no error.
 *
 * @throws {FileFormatError} if a line is not one of a log; the message names it
 * @throws {ArgumentError} if the file cannot be read
 * @example
 * ```ts
 * import { readRunLog } from 'nodegrad';
 * for (const run of readRunLog('runs/mlp/log.jsonl').runs) console.log(run.header.model, run.epochs.length, run.end?.outcome);
 * ```
 */
export function readRunLog(path: string): RunLogContents {
  checkPath(path);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw refusal('a readable file', path, error);
  }
  const runs: LoggedRun[] = [];
  const named = new Map<unknown, LoggedRun>();
  const lines = text.split('\n');
  let torn = false;
  for (const [i, line] of lines.entries()) {
    if (line === '') continue;
    const entry = parseLine(line);
    if (entry === null) {
      // Half a line is the last, or was the last until another run went on below it.
      const next = lines.slice(i + 1).find((later) => later !== '');
      if (next !== undefined && parseLine(next)?.type !== 'run') throw new FileFormatError(`${path}: line ${i + 1} is not a line of a run log`);
      torn ||= next === undefined;
      continue;
    }
    const name = entry.run;
    if (entry.type === 'run') {
      const begun = emptyRun();
      runs.push(begun);
      if (name !== undefined) named.set(name, begun);
    }
    const run = named.get(name) ?? runs[runs.length - 1];
    if (run === undefined) throw new FileFormatError(`${path}: line ${i + 1} belongs to no run: the first line must have type "run"`);
    takeLine(run, entry);
  }
  return { runs, torn };
}

/** A run of which nothing is known. */
export const emptyRun = (): LoggedRun => ({ header: {}, epochs: [], end: null });

/** Takes a line of a log into its run; lines of other kinds are for later versions. */
export function takeLine(to: LoggedRun, { type, run: _, ...rest }: Readonly<Record<string, unknown>>): void {
  const run = to as { -readonly [name in keyof LoggedRun]: LoggedRun[name] };
  const after = <T>(list: readonly T[] | undefined, one: unknown): T[] => {
    const all = (list ?? []) as T[];
    all.push(one as T);
    return all;
  };
  if (type === 'run') run.header = rest;
  else if (type === 'warning') run.warnings = after(run.warnings, String(rest.message));
  else if (type === 'epoch') run.epochs = after(run.epochs, rest);
  else if (type === 'losses') run.losses = after(run.losses, rest);
  else if (type === 'observation') run.observations = after(run.observations, rest);
  else if (type === 'finding') run.findings = after(run.findings, rest);
  else if (type === 'fix') run.fixes = after(run.fixes, String(rest.text));
  else if (type === 'tried') run.tried = after(run.tried, rest);
  else if (type === 'architecture') run.architecture = String(rest.svg);
  else if (type === 'examination') run.examination = rest;
  else if (type === 'end') run.end = rest;
}

/** A line of a log; null for what is none, or not all of one. */
export function parseLine(line: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && 'type' in value ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** The log that options ask for; null for none. Only a log that nobody asked for may fail to open. */
export function openRunLog(log: unknown, folder: unknown): RunLog | null {
  if (log === false) return null;
  if (log !== undefined) {
    if (typeof log !== 'string') throw new ArgumentError(expected('a path or false', 'options.log', log));
    return new RunLog(log);
  }
  if (folder !== undefined) return new RunLog(join(checkPath(folder, 'options.runDir'), 'log.jsonl'));
  const path = defaultLogPath();
  if (path === null) return null;
  try {
    return new RunLog(path);
  } catch (error) {
    process.emitWarning(`the run is not logged: ${(error as Error).message}`, { code: 'NODEGRAD_NO_LOG' });
    return null;
  }
}
