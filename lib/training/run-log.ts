// The log of runs: one JSON document per line, appended whole and synced once an epoch, so that a crash costs at most the line in hand.

import { randomBytes } from 'node:crypto';
import { closeSync, fstatSync, fsyncSync, mkdirSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { variable } from '../environment.js';
import { ArgumentError, FileFormatError, expected } from '../errors.js';
import { checkPath, refusal } from '../io/atomic.js';
import type { EpochRecord } from './history.js';
import { folderRefusal } from './writable.js';

/** A run as its log tells it. */
export interface LoggedRun {
  /** What the run set out with: configuration, seed, versions, machine. */
  readonly header: Readonly<Record<string, unknown>>;
  /** Completed epochs. */
  readonly epochs: readonly EpochRecord[];
  /** What somebody should look at, though the run went on: checkpoints that could not be written. Not there without any. */
  readonly warnings?: readonly string[];
  /** What the sitter found. Not there without any. */
  readonly findings?: readonly Readonly<Record<string, unknown>>[];
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
      mkdirSync(folder, { recursive: true });
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

  /** Appends one line and waits until it is on the disk. A log that cannot be written any more (a full disk) warns, and the run goes on. */
  write(line: Readonly<Record<string, unknown>>): void {
    if (this.#file === null) return;
    try {
      this.#append(`${JSON.stringify({ ...line, run: this.#run }, plainNumbers)}\n`);
      fsyncSync(this.#file);
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
function plainNumbers(_key: string, value: unknown): unknown {
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
  const runs: {
    header: Record<string, unknown>;
    epochs: EpochRecord[];
    warnings?: string[];
    findings?: Record<string, unknown>[];
    end: Record<string, unknown> | null;
  }[] = [];
  const named = new Map<unknown, (typeof runs)[number]>();
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
    const { type, run: name, ...rest } = entry;
    const run = named.get(name) ?? runs[runs.length - 1];
    if (type === 'run') {
      const begun = { header: rest, epochs: [], end: null };
      runs.push(begun);
      if (name !== undefined) named.set(name, begun);
    } else if (run === undefined) throw new FileFormatError(`${path}: line ${i + 1} belongs to no run: the first line must have type "run"`);
    else if (type === 'warning') (run.warnings ??= []).push(String(rest.message));
    else if (type === 'finding') (run.findings ??= []).push(rest);
    else if (type === 'epoch') run.epochs.push(rest as unknown as EpochRecord);
    else if (type === 'end') run.end = rest;
  }
  return { runs, torn };
}

function parseLine(line: string): Record<string, unknown> | null {
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
