// Progress of what takes long: a line on a terminal that is drawn over itself, and a bar on it.

import { performance } from 'node:perf_hooks';
import type { WriteStream } from 'node:tty';
import { ArgumentError, expected } from './errors.js';
import { printable } from './words.js';

/** What progress can be written to: `process.stdout`, any writable stream of Node.js, or an object with a `write` of its own. */
export interface TextStream {
  /** Takes text. */
  write(text: string): unknown;
}

/** Where progress goes: `'auto'` and `true` mean standard error. */
export type ProgressOption = 'auto' | boolean | TextStream;

const redrawMilliseconds = 100;
/** What is over sooner shows no bar. */
const patienceMilliseconds = 1000;
const lineStart = '\x1b[1G';
const clearToEnd = '\x1b[0K';

/** The stream that an option names; null for none. */
export function streamOf(option: unknown): TextStream | null {
  if (option === false) return null;
  if (option === undefined || option === true || option === 'auto') return process.stderr;
  if (typeof option === 'object' && option !== null && typeof (option as TextStream).write === 'function') return option as TextStream;
  throw new ArgumentError(expected("'auto', true, false or a writable stream", 'options.progress', option));
}

/** A line that is drawn over itself on a terminal; elsewhere there are notes alone. */
export class ProgressLine {
  #stream: TextStream | null;
  #isTerminal: boolean;
  #drawn = -Infinity;
  #open = false;

  constructor(option: ProgressOption | undefined) {
    this.#stream = streamOf(option);
    this.#isTerminal = this.#stream !== null && (this.#stream as Partial<WriteStream>).isTTY === true;
  }

  /** Whether anybody sees it. */
  get isShown(): boolean {
    return this.#stream !== null;
  }

  /** Whether the line is due: at most ten times a second, and only on a terminal. */
  get isDue(): boolean {
    return this.#isTerminal && performance.now() - this.#drawn >= redrawMilliseconds;
  }

  /** Draws the line anew, on a terminal. */
  replace(line: string): void {
    if (!this.#isTerminal) return;
    this.#drawn = performance.now();
    // A line that wraps could not be taken back.
    const width = Math.max(20, ((this.#stream as WriteStream).columns ?? 80) - 1);
    this.#write(`${lineStart}${printable(line).slice(0, width)}${clearToEnd}`);
    this.#open = true;
  }

  /** A line of its own, above the progress line. */
  note(text: string): void {
    if (this.#stream === null) return;
    this.clear();
    this.#write(`${printable(text)}\n`);
  }

  /** Takes the line off the terminal, so that others can write. */
  clear(): void {
    if (!this.#open) return;
    this.#write(`${lineStart}${clearToEnd}`);
    this.#open = false;
  }

  /** Who shows progress may go away (a closed pipe or terminal): the run goes on without. */
  #write(text: string): void {
    // One of Node.js tells of an error once here and once as an event, another has neither.
    type Told = { write(text: string, done: (error?: Error | null) => void): unknown } & Partial<Pick<WriteStream, 'listenerCount' | 'once'>>;
    const stream = this.#stream as Told | null;
    const isGone = (error: Error | null | undefined): void => {
      if (!error) return;
      this.#stream = null;
      this.#isTerminal = false;
      // An event that nobody listens to would end the process.
      if (stream?.listenerCount?.('error') === 0) stream.once?.('error', () => {});
    };
    try {
      stream?.write(text, isGone);
    } catch (error) {
      isGone(error as Error);
    }
  }
}

/** A bar for what takes longer than a second, on a terminal; silent elsewhere, and gone when it is over. */
export class ProgressBar {
  readonly #line: ProgressLine;
  readonly #began = performance.now();

  /**
   * @param title - What goes on.
   * @param total - How much there is to do; null where nobody knows.
   * @param amount - Says an amount; default: a whole number.
   */
  constructor(
    option: ProgressOption | undefined,
    readonly title: string,
    public total: number | null,
    readonly amount: (value: number) => string = formatCount,
  ) {
    this.#line = new ProgressLine(option);
  }

  /** So much is done. */
  update(done: number): void {
    const elapsed = performance.now() - this.#began;
    if (elapsed < patienceMilliseconds || !this.#line.isDue) return;
    const { title, total } = this;
    const known = total !== null && Number.isFinite(total) && total > 0;
    const seconds = ((elapsed / 1000) * ((total ?? 0) - done)) / done;
    this.#line.replace(
      known
        ? `${title}  ${bar(done / total)} ${this.amount(done)} of ${this.amount(total)}  ETA ${formatDuration(seconds)}`
        : `${title}  ${this.amount(done)}  ${formatDuration(elapsed / 1000)}`,
    );
  }

  /** It is over, however. */
  end(): void {
    this.#line.clear();
  }

  /** The same, for `using`. */
  [Symbol.dispose](): void {
    this.end();
  }
}

/** ━━━━────: a share of 1. */
export function bar(share: number, width = 20): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * width);
  return `${'━'.repeat(filled)}${'─'.repeat(width - filled)}`;
}

/** 1234567 as 1,234,567. */
export function formatCount(value: number): string {
  return Number.isFinite(value) ? String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ',') : '?';
}

/** Bytes as 1.2 MB. */
export function formatBytes(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(0)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Seconds as 0.4 s, 12 s, 3:05 or 1:02:03. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?';
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const two = (value: number): string => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}
