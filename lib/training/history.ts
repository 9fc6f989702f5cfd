// What a run leaves behind: a record per epoch.
import { keepNames } from '../names.js';
import { plural, printable, showAs } from '../words.js';
import { formatDuration, formatScore } from './progress.js';
import type { Finding } from '../sitter/finding.js';

/** Loss and metrics over a data set. */
export interface Scores {
  /** Mean loss per example. */
  readonly loss: number;
  /** Results by the metrics' names. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** One epoch of a run. */
export interface EpochRecord extends Scores {
  /** Which epoch, from 1. */
  readonly epoch: number;
  /** Scores on the validation set after the epoch, if there is one. Those of training are gathered while the weights still move. */
  readonly validation?: Scores;
  /** Learning rate of the epoch (of the first group). */
  readonly lr: number;
  /** How long its steps took. */
  readonly seconds: number;
  /** Examples trained on per second. */
  readonly samplesPerSecond: number;
}

/**
 * The epochs of a run, first to last.
 *
 * @example
 * ```ts
 * import type { History } from 'nodegrad';
 * const best = (history: History) => Math.min(...history.epochs.map((epoch) => epoch.validation?.loss ?? epoch.loss));
 * ```
 */
export class History {
  /** Records of the completed epochs. */
  readonly epochs: EpochRecord[] = [];
  /** The file with the run's log, or null without one. */
  log: string | null = null;
  /** Why a callback stopped the run before its last epoch; null when none did. */
  stopped: string | null = null;
  /** What somebody should look at, though the run went on: a checkpoint that could not be written. */
  readonly warnings: string[] = [];
  /** What the sitter found wrong; empty when all is well. */
  readonly findings: Finding[] = [];
  /** What `sitter: 'fix'` changed in the run. */
  readonly fixes: string[] = [];

  /** The last completed epoch, if there is one. */
  get last(): EpochRecord | undefined {
    return this.epochs[this.epochs.length - 1];
  }
}

/** Epochs of each end that a table of many has. */
const shownAtEnd = 5;

/** What `console.log` shows of a run: a table of its epochs, why it stopped, and what somebody should look at. */
function historyText({ epochs, stopped, warnings, findings, fixes }: History): string {
  const columns = (scores: Scores, prefix: string): [string, string][] => [
    [`${prefix}loss`, formatScore(scores.loss)],
    ...Object.entries(scores.metrics).map(([name, value]): [string, string] => [`${prefix}${name}`, formatScore(value)]),
  ];
  const rowOf = (record: EpochRecord): [string, string][] => [
    ['epoch', String(record.epoch)],
    ...columns(record, ''),
    ...(record.validation === undefined ? [] : columns(record.validation, 'val ')),
    ['lr', String(Number(record.lr.toPrecision(4)))],
    ['time', formatDuration(record.seconds)],
  ];
  const rows = epochs.map(rowOf);
  const head = rows[0]?.map(([name]) => name) ?? [];
  const cells = [head, ...rows.map((row) => row.map(([, value]) => value))];
  const widths = head.map((_, i) => Math.max(...cells.map((row) => row[i]?.length ?? 0)));
  const lines = cells.map((row) => `  ${row.map((cell, i) => cell.padStart(widths[i])).join('  ')}`);
  const isLong = epochs.length > 2 * shownAtEnd + 1;
  if (isLong) lines.splice(1 + shownAtEnd, epochs.length - 2 * shownAtEnd, '  …');
  return [
    `History of ${plural(epochs.length, 'epoch')}${stopped === null ? '' : `, stopped: ${stopped}`}`,
    ...(epochs.length === 0 ? [] : lines),
    ...[...findings.map(({ text }) => text), ...fixes, ...warnings].map((text) => `  ! ${printable(text)}`),
  ].join('\n');
}

showAs(History, historyText);
keepNames({ History });
