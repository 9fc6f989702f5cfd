// A terminal for tests: what it would show of what is written to it.

import { Writable } from 'node:stream';

/** A stream that is a terminal. */
export class Screen extends Writable {
  isTTY = true;
  columns = 120;
  text = '';
  override _write(chunk: unknown, _encoding: string, done: () => void): void {
    this.text += String(chunk);
    done();
  }
  /** What a terminal would show: carriage moves and line clearing carried out. */
  get lines(): string[] {
    const lines = [''];
    let column = 0;
    for (const [part, , move, clear] of this.text.matchAll(/(\x1b\[(\d+)G|\x1b\[([012])K)|[^\x1b]/gu)) {
      const at = lines.length - 1;
      if (move !== undefined) column = Number(move) - 1;
      else if (clear !== undefined) lines[at] = clear === '0' ? lines[at].slice(0, column) : '';
      else if (part === '\n') {
        lines.push('');
        column = 0;
      } else {
        lines[at] = lines[at].padEnd(column).slice(0, column) + part + lines[at].slice(column + 1);
        column += 1;
      }
    }
    return lines;
  }
}
