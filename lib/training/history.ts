// What a run leaves behind: a record per epoch.
import { keepNames } from '../names.js';
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

keepNames({ History });
