// Output of several processes on one stream: whole lines, each with the label of its process.

import { Buffer } from 'node:buffer';

/** A line without an end is cut here, in bytes. */
const longestLine = 1 << 16;

/** Cuts what a process writes into lines. Text is held as bytes, one a character, so that no letter is torn or changed. */
export class LabelledLines {
  #rest = '';

  /**
   * @param label - What stands before each line.
   * @param keep - Is given each line as well.
   */
  constructor(
    readonly label: string,
    readonly keep: (line: string) => void = () => {},
  ) {}

  /** The lines that end in this piece; a line ends with `\n`, `\r\n` or, as those of progress bars do, `\r`. */
  push(piece: Uint8Array): Uint8Array {
    const lines = (this.#rest + Buffer.from(piece.buffer, piece.byteOffset, piece.length).toString('latin1')).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() as string;
    while (this.#rest.length > longestLine) {
      let cut = longestLine;
      while (cut > longestLine - 4 && /[\x80-\xbf]/.test(this.#rest[cut])) cut -= 1; // not inside of a letter
      lines.push(this.#rest.slice(0, cut));
      this.#rest = this.#rest.slice(cut);
    }
    return this.#labelled(lines);
  }

  /** The last line, if it had no end. */
  end(): Uint8Array {
    const last = this.#rest.replace(/\r$/, '');
    this.#rest = '';
    return this.#labelled(last === '' ? [] : [last]);
  }

  #labelled(lines: readonly string[]): Uint8Array {
    for (const line of lines) this.keep(line);
    return Buffer.from(lines.map((line) => `${this.label} ${line}\n`).join(''), 'latin1');
  }
}

/** A stream that several write to; who writes waits while it is full. One that nobody reads any more swallows everything. */
export class Sink {
  #full: Promise<void> | null = null;
  #isGone = false;

  constructor(readonly stream: NodeJS.WritableStream) {
    stream.on('error', () => {
      this.#isGone = true;
    });
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0 || this.#isGone || this.stream.write(bytes)) return;
    this.#full ??= new Promise((done) => {
      const go = (): void => {
        for (const event of events) this.stream.off(event, go);
        this.#full = null;
        done();
      };
      const events = ['drain', 'error', 'close'];
      for (const event of events) this.stream.on(event, go);
    });
    await this.#full;
  }
}
