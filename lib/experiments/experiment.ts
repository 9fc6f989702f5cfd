// What an experiment of the course is: a question, a short run, and figures that answer it.

import type { Dataset } from '../data/dataset.js';
import { digits } from '../data/digits.js';
import { AbortedError } from '../errors.js';
import { CrossEntropyLoss } from '../losses/cross-entropy.js';
import { Adam } from '../optimizers/adam.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import { SGD } from '../optimizers/sgd.js';
import type { ChartPanel, ChartSeries } from '../pictures/chart.js';
import { TrainingNonFiniteError } from '../training/errors.js';
import { fit } from '../training/fit.js';
import type { AnyModel } from '../training/model.js';

/** @internal What an experiment works with. */
export interface Bench {
  /** Decides everything that is drawn. */
  readonly seed: number;
  /** `full` as it is, `quick` where a first look is enough. */
  readonly size: <T>(full: T, quick: T) => T;
  /** Says how far it is, and stops where the signal asks for it. */
  readonly step: (what: string) => void;
  readonly signal: AbortSignal | undefined;
}

/** @internal What an experiment gives: sentences with figures, and panels of curves or a picture of its own. */
export interface Found {
  readonly lines: readonly string[];
  readonly panels: readonly ChartPanel[];
  readonly picture?: string;
}

/** @internal One experiment. */
export interface Experiment {
  readonly title: string;
  /** What it asks, in a line. */
  readonly question: string;
  /** Rows of the course that it shows. */
  readonly rows: readonly string[];
  readonly run: (bench: Bench) => Promise<Found>;
}

/** @internal The loss of all experiments on digits. */
export const loss = new CrossEntropyLoss();

/** @internal Drawn digits, flat rows of 784. */
export async function flatDigits(train: number, test: number, seed: number): Promise<{ train: Dataset; test: Dataset }> {
  return digits({ train, test, seed });
}

/** @internal A run's curves by epoch; `exploded` where the loss was no longer finite. */
export interface Curves {
  readonly loss: number[];
  readonly accuracy: number[];
  readonly validationLoss: number[];
  readonly validation: number[];
  readonly exploded: boolean;
}

/** @internal Trains and gives the curves. */
export async function train(
  bench: Bench,
  model: AnyModel,
  optimizer: Optimizer,
  data: { train: Dataset; test: Dataset },
  options: { epochs: number; batchSize?: number },
): Promise<Curves> {
  const curves: Curves = { loss: [], accuracy: [], validationLoss: [], validation: [], exploded: false };
  const watch = {
    onEpochEnd: (record: { loss: number; metrics: Record<string, number>; validation?: { loss: number; metrics: Record<string, number> } }) => {
      curves.loss.push(record.loss);
      curves.accuracy.push(record.metrics.accuracy);
      curves.validationLoss.push(record.validation?.loss ?? Number.NaN);
      curves.validation.push(record.validation?.metrics.accuracy ?? Number.NaN);
    },
  };
  const { signal, seed } = bench;
  const { epochs, batchSize = 64 } = options;
  try {
    const quiet = { progress: false, log: false } as const;
    await fit(model, data.train, { loss, optimizer, epochs, batchSize, validation: data.test, callbacks: [watch], signal, seed, ...quiet });
  } catch (error) {
    if (!(error instanceof TrainingNonFiniteError)) throw error;
    return { ...curves, exploded: true };
  }
  return curves;
}

/** @internal A curve over 1, 2, 3 … */
export const series = (name: string, y: readonly number[], kind?: ChartSeries['kind']): ChartSeries => ({
  name,
  x: y.map((_, i) => i + 1),
  y,
  ...(kind && { kind }),
});

/** @internal The last of a curve; NaN where there is none. */
export const last = (values: readonly number[]): number => values.at(-1) ?? Number.NaN;

/** @internal */
export const adam = (model: AnyModel, lr = 1e-3, weightDecay = 0): Optimizer => new Adam(model, { lr, weightDecay }) as unknown as Optimizer;

/** @internal */
export const sgd = (model: AnyModel, lr: number): Optimizer => new SGD(model, { lr }) as unknown as Optimizer;

/** @internal A share as people read it. */
export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** @internal Throws where the signal fired. */
export function checkSignal(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new AbortedError('the experiment was stopped', { cause: signal.reason });
}
