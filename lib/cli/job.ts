// What a run of the command line works on: images or a table, with a model for them and a judgement at the end.

import { classWeights } from '../data/class-weights.js';
import type { AnyDataset } from '../data/dataset.js';
import type { Baseline } from '../evaluation/baseline.js';
import type { AnyModel } from '../training/model.js';
import { CrossEntropyLoss } from '../losses/cross-entropy.js';
import type { Loss } from '../losses/loss.js';
import type { TrainOptions } from './options.js';
import type { Terminal } from './terminal.js';

/** The loss of a classifier; with --class-weights rare classes count as much as common ones. */
export function classLoss(train: AnyDataset, { classWeights: wanted }: TrainOptions): CrossEntropyLoss {
  return new CrossEntropyLoss(wanted === undefined ? {} : { classWeights: classWeights(train) });
}

/** What the model makes of the test data. */
export interface Report {
  /** In a line. */
  readonly text: string;
  /** What is reached without a look at the inputs. */
  readonly baseline?: Baseline;
  /** For `--json`. */
  readonly json: Record<string, unknown>;
  /** Shows more. */
  details?(terminal: Terminal): void;
}

/** Whether a result is better than that of who looks at no input, where it is compared with one. */
export function isBetter({ baseline, json }: Report): boolean {
  if (baseline === undefined) return true;
  const { accuracy, loss, r2 } = json as Record<string, number | null>;
  const { scores } = baseline;
  if (scores.accuracy !== undefined) return Number(accuracy) > scores.accuracy || Number(loss) < scores.logLoss;
  return r2 === null || !(Number(r2) <= scores.r2);
}

/** A run: data, model and loss. */
export interface Job {
  readonly train: AnyDataset;
  /** What training is compared with; of length 0 for nothing. */
  readonly test: AnyDataset;
  readonly model: AnyModel;
  /** What weights the model begins with, and how much of it is trained, in a line; of fine-tuning. */
  readonly weights?: string;
  readonly loss: Loss;
  /** The data in a line. */
  readonly data: string;
  /** A file that the trained model can be asked about; of a folder of images. */
  readonly example?: string;
  /** What was done to them, line by line. */
  readonly notes: readonly string[];
  /** Another model for the same data. */
  another(options: TrainOptions): Promise<AnyModel>;
  /** Makes a trained model one that can be used. */
  finish(model: AnyModel): void;
  /** What a model that is finished makes of the test data. */
  judge(model: AnyModel): Promise<Report>;
}
