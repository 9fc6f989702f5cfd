// The progress of a run: one line that is redrawn on a terminal, a plain line per epoch elsewhere.

import { performance } from 'node:perf_hooks';
import { ProgressLine, type ProgressOption, bar, formatCount, formatDuration } from '../progress.js';
import type { EpochRecord, Scores } from './history.js';

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

/** Draws a run. */
export class Progress extends ProgressLine {
  readonly #epochs: number;
  readonly #batches: number;

  /** @param batches - In an epoch; Infinity where nobody knows. */
  constructor(option: ProgressOption | undefined, epochs: number, batches: number) {
    super(option);
    this.#epochs = epochs;
    this.#batches = batches;
  }

  /** Redraws the line. */
  draw(state: ProgressState): void {
    const isKnown = Number.isFinite(this.#batches);
    this.replace(
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
    if (!this.isShown) return;
    const { validation } = record;
    const parts = [this.#title(record.epoch), ...scoresText(record), ...(validation === undefined ? [] : scoresText(validation, 'val '))];
    parts.push(`${formatCount(record.samplesPerSecond)} samples/s`, formatDuration(record.seconds));
    this.note(parts.join('  '));
  }

  #title(epoch: number): string {
    return `epoch ${String(epoch).padStart(String(this.#epochs).length)}/${this.#epochs}`;
  }
}

const ofAll = (done: number, all: number): string => `${String(done).padStart(String(all).length)}/${all}`;

function scoresText({ loss, metrics }: Pick<Scores, 'loss' | 'metrics'>, prefix = ''): string[] {
  return [`${prefix}loss ${formatScore(loss)}`, ...Object.entries(metrics).map(([name, value]) => `${prefix}${name} ${formatScore(value)}`)];
}

/** Four decimals where that says something, else four significant digits. */
export function formatScore(value: number): string {
  const size = Math.abs(value);
  return !Number.isFinite(value) || value === 0 || (size >= 1e-3 && size < 1e4) ? value.toFixed(4) : value.toExponential(3);
}

export { type ProgressOption, type TextStream, formatCount, formatDuration } from '../progress.js';
