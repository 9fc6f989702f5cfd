// A bar for the bytes of a file that is read or written.

import { basename } from 'node:path';
import { ProgressBar, type ProgressOption, formatBytes } from '../progress.js';

/** How much of a file, or of several that belong together, has been read or written. */
export class FileBar extends ProgressBar {
  #done = 0;

  constructor(option: ProgressOption | undefined, verb: 'reading' | 'writing', path: string) {
    super(option, `${verb} ${basename(path)}`, 0, formatBytes);
  }

  /** There is so much more to do. */
  expect(bytes: number): void {
    this.total = (this.total ?? 0) + bytes;
  }

  /** So much more is done; 0: it still goes on. */
  advance(bytes: number): void {
    this.#done += bytes;
    this.update(this.#done);
  }
}

/** Bytes that are moved at a time, where somebody looks at how far it is. */
export const bytesAtOnce = 1 << 26;
