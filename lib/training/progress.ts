// The progress of a run: one line that is redrawn on a terminal, a plain line per epoch elsewhere.

import { performance } from 'node:perf_hooks';
import type { WriteStream } from 'node:tty';
import { ArgumentError, expected } from '../errors.js';
import { printable } from '../words.js';
import type { EpochRecord, Scores } from './history.js';

/** What progress can be written to: `process.stdout`, any writable stream of Node.js, or an object with a `write` of its own. */
export interface TextStream {
  /** Takes text. */
  write(text: string): unknown;
}

/** Where progress goes: `'auto'` and `true` mean standard error. */
export type ProgressOption = 'auto' | boolean | TextStream;

/** What the line shows while an epoch goes on. */
export interface ProgressState {
  epoch: number;
  batch: number;
  loss: number;
  metrics: Readonly<Record<string, number>>;
  samplesPerSecond: number;
  /** Seconds left in the run. */
  secondsLeft: number;
}

/** Milliseconds of a clock that no test runner stops. */
export const milliseconds = (): number => performance.now();

const redrawMilliseconds = 100;
const lineStart = '\x1b[1G';
const clearToEnd = '\x1b[0K';

/** Draws a run. */
export class Progress {
  #stream: TextStream | null;
  #isTerminal: boolean;
  readonly #epochs: number;
  readonly #batches: number;
  #drawn = -Infinity;
  #open = false;

  constructor(option: ProgressOption | undefined, epochs: number, batches: number) {
    this.#stream = streamOf(option);
    this.#isTerminal = this.#stream !== null && (this.#stream as Partial<WriteStream>).isTTY === true;
    this.#epochs = epochs;
    this.#batches = batches;
  }

  /** Whether anybody sees it. */
  get isShown(): boolean {
    return this.#stream !== null;
  }

  /** Whether the line is due: at most ten times a second, and only on a terminal. */
  get isDue(): boolean {
    return this.#isTerminal && performance.now() - this.#drawn >= redrawMilliseconds;
  }

  /** Redraws the line. */
  draw(state: ProgressState): void {
    if (!this.#isTerminal) return;
    this.#drawn = performance.now();
    const isKnown = Number.isFinite(this.#batches);
    this.#replace(
      [
        this.#title(state.epoch),
        isKnown ? `${bar(state.batch / this.#batches)} ${ofAll(state.batch, this.#batches)}` : `batch ${formatCount(state.batch)}`,
        ...scoresText(state),
        `${formatCount(state.samplesPerSecond)} samples/s`,
        ...(isKnown ? [`ETA ${formatDuration(state.secondsLeft)}`] : []),
      ].join('  '),
    );
  }

  /** The line of a completed epoch; it stays. */
  epochEnd(record: EpochRecord): void {
    if (this.#stream === null) return;
    const { validation } = record;
    const parts = [this.#title(record.epoch), ...scoresText(record), ...(validation === undefined ? [] : scoresText(validation, 'val '))];
    parts.push(`${formatCount(record.samplesPerSecond)} samples/s`, formatDuration(record.seconds));
    this.note(parts.join('  '));
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

  #title(epoch: number): string {
    return `epoch ${String(epoch).padStart(String(this.#epochs).length)}/${this.#epochs}`;
  }

  #replace(line: string): void {
    // A line that wraps could not be taken back.
    const width = Math.max(20, ((this.#stream as WriteStream).columns ?? 80) - 1);
    this.#write(`${lineStart}${printable(line).slice(0, width)}${clearToEnd}`);
    this.#open = true;
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

/** ━━━━────: a share of 1. */
export function bar(share: number, width = 20): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * width);
  return `${'━'.repeat(filled)}${'─'.repeat(width - filled)}`;
}

const ofAll = (done: number, all: number): string => `${String(done).padStart(String(all).length)}/${all}`;

function streamOf(option: unknown): TextStream | null {
  if (option === false) return null;
  if (option === undefined || option === true || option === 'auto') return process.stderr;
  if (typeof option === 'object' && option !== null && typeof (option as TextStream).write === 'function') return option as TextStream;
  throw new ArgumentError(expected("'auto', true, false or a writable stream", 'options.progress', option));
}

function scoresText({ loss, metrics }: Pick<Scores, 'loss' | 'metrics'>, prefix = ''): string[] {
  return [`${prefix}loss ${formatScore(loss)}`, ...Object.entries(metrics).map(([name, value]) => `${prefix}${name} ${formatScore(value)}`)];
}

/** Four decimals where that says something, else four significant digits. */
export function formatScore(value: number): string {
  const size = Math.abs(value);
  return !Number.isFinite(value) || value === 0 || (size >= 1e-3 && size < 1e4) ? value.toFixed(4) : value.toExponential(3);
}

/** 1234567 as 1,234,567. */
export function formatCount(value: number): string {
  return Number.isFinite(value) ? String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ',') : '?';
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
