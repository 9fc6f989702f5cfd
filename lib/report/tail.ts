// A log that is still being written, read as it grows.

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { type LoggedRun, emptyRun, parseLine, takeLine } from '../training/run-log.js';
import { goneOn } from './resumed.js';
import { type ReportRun, runId } from './runs.js';

const chunk = 1 << 20;

/** What is new about a run, or all of it: what is not there has not changed. */
export type RunNews = Partial<LoggedRun> & Pick<ReportRun, 'id' | 'path'>;

/** Follows one log. */
export class LogTail {
  /** All that was read, run by run. */
  readonly runs: ReportRun[] = [];
  #at = 0;
  #rest: Buffer = Buffer.alloc(0);
  readonly #named = new Map<unknown, number>();

  constructor(readonly path: string) {}

  /**
   * Reads what was written since; what a run has more than before, or null where the file was made anew, or a run went on from a checkpoint:
   * then all of it is new.
   */
  poll(): RunNews[] | null {
    let file: number;
    try {
      file = openSync(this.path, 'r');
    } catch {
      return []; // gone for now, or for good: what was read stays
    }
    try {
      const { size } = fstatSync(file);
      let isAnew = size < this.#at;
      if (isAnew) this.#forget();
      const news = new Map<number, LoggedRun>();
      while (this.#at < size) {
        const bytes = Buffer.alloc(Math.min(chunk, size - this.#at));
        const read = readSync(file, bytes, 0, bytes.length, this.#at);
        if (read === 0) break;
        this.#at += read;
        if (this.#take(bytes.subarray(0, read), news)) isAnew = true;
      }
      return isAnew ? null : [...news].map(([i, fresh]) => ({ ...changed(fresh), id: this.runs[i].id, path: this.path }));
    } finally {
      closeSync(file);
    }
  }

  #forget(): void {
    this.#at = 0;
    this.#rest = Buffer.alloc(0);
    this.runs.length = 0;
    this.#named.clear();
  }

  /** Takes in whole lines; half a line waits for its other half. Whether one of them took back what had been read. */
  #take(bytes: Buffer, news: Map<number, LoggedRun>): boolean {
    let isBack = false;
    const all = Buffer.concat([this.#rest, bytes]);
    const end = all.lastIndexOf(0x0a) + 1;
    this.#rest = all.subarray(end);
    for (const line of all.toString('utf8', 0, end).split('\n')) {
      // What a killed run left half is no line.
      const entry = parseLine(line);
      if (entry === null) continue;
      if (entry['type'] === 'run') {
        const first = goneOn(this.runs.at(-1), entry);
        isBack ||= first !== null;
        const at = this.runs.length - (first === null ? 0 : 1);
        this.#named.set(entry['run'], at);
        this.runs[at] = { ...(first ?? emptyRun()), id: runId(this.path, at), path: this.path };
      }
      const i = this.#named.get(entry['run']) ?? this.runs.length - 1;
      if (i < 0) continue;
      const fresh = news.get(i) ?? emptyRun();
      news.set(i, fresh);
      takeLine(fresh, entry);
      takeLine(this.runs[i], entry);
    }
    return isBack;
  }
}

/** A run without what a log has not said yet. */
function changed(run: LoggedRun): Partial<LoggedRun> {
  const { header, end, epochs, ...rest } = run;
  return {
    ...rest,
    ...(Object.keys(header).length > 0 && { header }),
    ...(end !== null && { end }),
    ...(epochs.length > 0 && { epochs }),
  };
}
