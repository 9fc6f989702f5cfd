// The log of a study: one JSON document per line, appended whole and on the disk before the work goes on.

import { closeSync, fstatSync, fsyncSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ArgumentError, BusyError, FileFormatError } from '../errors.js';
import { checkPath, refusal } from '../io/atomic.js';
import { isPlainObject } from '../foreign.js';
import { makeFolder } from '../io/folders.js';
import { FolderLock } from '../training/folder-lock.js';
import { folderRefusal } from '../training/writable.js';
import { MemoryStore, type StudyEvent, type StudyHeader, definition } from './store.js';
import type { TrialRecord } from './trial-record.js';
import { plural } from '../words.js';

/** What the log of a study in a folder is called. */
const fileName = 'search.jsonl';
/** Of this form. */
export const logVersion = 1;

/** The trials of a study, in memory and in its log. */
export class LogStore extends MemoryStore {
  override readonly path: string;
  readonly #file: number;
  readonly #lock: FolderLock;

  private constructor(path: string, file: number, lock: FolderLock, attempts: number) {
    super(attempts);
    [this.path, this.#file, this.#lock] = [path, file, lock];
  }

  /**
   * Opens the log in a folder: a new one, or with `resume` the one that is there.
   *
   * @throws {ArgumentError} when the folder cannot be written, holds a study and `resume` is false, or holds another one; {BusyError} when another
   *   process is at it; {FileFormatError} when the log is damaged
   */
  static async open(folder: string, header: StudyHeader, resume: boolean, attempts: number): Promise<LogStore> {
    checkPath(folder, 'options.runDir', 'the path of a folder');
    const path = resolve(folder, fileName);
    let lock: FolderLock;
    let file: number;
    try {
      makeFolder(folder);
      lock = await FolderLock.take(folder, '.search-lock');
    } catch (error) {
      if (error instanceof BusyError) throw error;
      throw folderRefusal('a folder that can be written', 'options.runDir', folder, error);
    }
    try {
      file = openSync(path, 'a+');
    } catch (error) {
      await lock.release();
      throw refusal('a file that can be appended to', path, error);
    }
    const store = new LogStore(path, file, lock, attempts);
    try {
      // A file that holds no whole line is one whose first was torn.
      if (!readFileSync(path, 'utf8').includes('\n')) store.#begin({ type: 'study', ...header, began: new Date().toISOString() });
      else store.#goOn(header, resume);
      return store;
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  #begin(event: StudyEvent): void {
    if (!endsLine(this.#file)) this.#append('\n');
    this.note(event);
  }

  #goOn(header: StudyHeader, resume: boolean): void {
    const { header: before, events } = readEvents(this.path);
    if (!resume)
      throw new ArgumentError(
        `${this.path} holds a study of ${plural(countTrials(events), 'trial')}: \`options.resume\` goes on with it, or choose another folder`,
      );
    if (definition(before) !== definition(header))
      throw new ArgumentError(`${this.path} holds another study: ${difference(before, header)}. Choose another folder for this one`);
    // A line that a killed process left half stays where it is, as a line of its own.
    if (!endsLine(this.#file)) this.#append('\n');
    this.note({ type: 'resumed', at: new Date().toISOString() });
    for (const event of events) this.apply(event);
    this.settle();
  }

  protected override note(event: StudyEvent): void {
    this.#append(`${JSON.stringify(event)}\n`);
    fsyncSync(this.#file);
  }

  #append(text: string): void {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#file, bytes, at);
  }

  override async close(): Promise<void> {
    closeSync(this.#file);
    await this.#lock.release();
  }
}

/** A study as its log tells it. */
export class ReadStore extends MemoryStore {
  readonly header: StudyHeader;
  override readonly path: string;

  /** @throws {FileFormatError} where the log is damaged, {ArgumentError} where it cannot be read. */
  constructor(path: string) {
    super(1);
    const { header, events, path: found } = readEvents(checkPath(path));
    [this.header, this.path] = [header, found];
    for (const event of events) this.apply(event);
  }

  /** The trials. */
  get records(): readonly TrialRecord[] {
    return this.all;
  }
}

/** The log in a folder, or the file itself. A last line that is cut off is no error, nor one below which the study was resumed. */
function readEvents(path: string): { header: StudyHeader; events: StudyEvent[]; path: string } {
  const candidates = [path, join(path, fileName)];
  let text: string | null = null;
  let found = path;
  for (const candidate of candidates) {
    try {
      text = readFileSync(candidate, 'utf8');
      found = candidate;
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EISDIR' || candidate !== path)
        throw refusal('the log of a study, or its folder', path, error);
    }
  }
  const lines = (text ?? '').split('\n');
  const events: StudyEvent[] = [];
  let [header, seen]: [StudyHeader | null, number] = [null, 0];
  for (const [i, line] of lines.entries()) {
    if (line === '') continue;
    const event = parse(line);
    if (event === null) {
      // Several, where resuming was killed as well.
      const next = lines.slice(i + 1).find((later) => later !== '' && parse(later) !== null);
      if (next !== undefined && !['resumed', 'study'].includes(String(parse(next)?.type)))
        throw new FileFormatError(`${found}: line ${i + 1} is not a line of a study`);
      continue;
    }
    if (header === null) {
      if (event.type !== 'study' || event.version !== logVersion)
        throw new FileFormatError(`${found}: line ${i + 1} is not the beginning of a study of version ${logVersion}`);
      header = event as unknown as StudyHeader;
    } else if (event.type !== 'resumed') {
      const isNew = event.type === 'trial';
      const { number } = event;
      if (typeof number !== 'number' || number < 0 || number > (isNew ? seen : seen - 1))
        throw new FileFormatError(`${found}: line ${i + 1} belongs to no trial`);
      if (isNew) seen = Math.max(seen, number + 1);
      events.push(event);
    }
  }
  if (header === null) throw new FileFormatError(`${found} is not the log of a study`);
  return { header, events, path: found };
}

function parse(line: string): StudyEvent | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && 'type' in value ? (value as StudyEvent) : null;
  } catch {
    return null;
  }
}

const countTrials = (events: readonly StudyEvent[]): number => new Set(events.map(({ number }) => number)).size;

/** What is different between two studies, in words. */
export function difference(before: StudyHeader, now: StudyHeader): string {
  const names = ['space', 'strategy', 'seed', 'direction', 'settings'] as const;
  const name = names.find((one) => JSON.stringify(before[one]) !== JSON.stringify(now[one])) ?? 'space';
  const short = (value: unknown): string => (JSON.stringify(value) ?? 'nothing').slice(0, 200);
  const [one, other] = [before[name], now[name]];
  // Of a space, what differs alone: the rest is long, and the same.
  if (name === 'space' && isPlainObject(one) && isPlainObject(other)) {
    const [a, b] = [one, other] as Record<string, unknown>[];
    const key = [...new Set([...Object.keys(a), ...Object.keys(b)])].find((key) => JSON.stringify(a[key]) !== JSON.stringify(b[key]));
    if (key !== undefined) return `its space is another: \`${key}\` is ${short(a[key])} there, and ${short(b[key])} here`;
  }
  return `its ${name} is ${short(one)}, and here it is ${short(other)}`;
}

function endsLine(file: number): boolean {
  const { size } = fstatSync(file);
  if (size === 0) return true;
  const last = new Uint8Array(1);
  readSync(file, last, 0, 1, size - 1);
  return last[0] === 0x0a;
}
