// What a trial of `nodegrad search` does, in whatever thread: trains a model with its options, and gives its score on the validation data.

import type { AnyDataset, Dataset } from '../data/dataset.js';
import { tableFormat } from '../data/column-files.js';
import { split } from '../data/parts.js';
import { CrossEntropyLoss } from '../losses/cross-entropy.js';
import type { Loss } from '../losses/loss.js';
import type { Params } from '../search/space.js';
import type { Trial } from '../search/trial.js';
import { withSeed } from '../seed.js';
import type { AnyModel } from '../training/model.js';
import { imageJob } from './images.js';
import { type TrainOptions, makeOptimizer, withRecipe } from './options.js';
import { optionsOf, wordOf } from './search-config.js';
import { tableJob } from './table.js';

/** What all trials have in common. */
export interface SearchSettings {
  readonly words: readonly string[];
  readonly seed: number;
  readonly validation: number;
  readonly score: 'accuracy' | 'loss';
}

/** Data, models and loss. */
interface Prepared {
  readonly train: AnyDataset;
  readonly validation: AnyDataset;
  readonly loss: Loss;
  /** The data in a line. */
  readonly about: string;
  another(options: TrainOptions): Promise<AnyModel>;
}

/** Loads the data, and keeps a part of the training data to judge the trials: the test data are not touched (course row K15). */
export async function prepare({ words, seed, validation }: Omit<SearchSettings, 'score'>, signal?: AbortSignal): Promise<Prepared> {
  const options = withRecipe({ ...optionsOf(words), seed });
  const job = await (tableFormat(options.data) === null ? imageJob(options, signal ?? new AbortController().signal) : tableJob(options));
  const stratify = job.loss instanceof CrossEntropyLoss;
  const [train, judge] = split(job.train as Dataset, [1 - validation, validation], { seed, stratify });
  const about = `${job.data.split(';')[0]}; ${judge.length} of the ${job.train.length} judge the trials`;
  return { train: train as unknown as AnyDataset, validation: judge as unknown as AnyDataset, loss: job.loss, about, another: job.another };
}

let prepared: Promise<Prepared> | null = null;

/** In the thread of the command, what the command has loaded is what its trials work on. */
export function keepPrepared(what: Prepared): void {
  prepared = Promise.resolve(what);
}

/** The options of a trial. */
export function trialOptions(
  { words, seed }: Pick<SearchSettings, 'words' | 'seed'>,
  params: Params,
  budget: number | null,
  examples?: number,
): TrainOptions {
  const given = optionsOf([...words, ...Object.entries(params).map(([name, value]) => wordOf(name, value))]);
  const options = withRecipe({ ...given, seed }, examples);
  return budget === null ? options : { ...options, epochs: budget };
}

/** Trains, and gives the score. */
export async function objective(params: Params, trial: Trial): Promise<number> {
  const settings = trial.settings as unknown as SearchSettings;
  const { score } = settings;
  // In a scope of its own: the model that is made with the data would change what the first trial of a thread draws.
  prepared ??= withSeed(settings.seed, () => prepare(settings));
  const { train, validation, loss, another } = await prepared;
  const options = trialOptions(settings, params, trial.budget, train.length);
  const model = await another(options);
  const optimizer = makeOptimizer(options, model);
  const { epochs, batchSize, maxGradNorm, precision } = options;
  // Where a strategy gives the same parameters more epochs later, training goes on from there.
  const rungs = trial.budget === null || trial.dir === null ? {} : { checkpoint: { dir: trial.dir, keep: 1 }, resume: true };
  const history = await model.fit(train, {
    loss,
    optimizer,
    epochs,
    batchSize,
    maxGradNorm,
    precision,
    validation,
    ...rungs,
    callbacks: [trial.watch({ score })],
    signal: trial.signal,
    progress: false,
    log: false,
  });
  const { validation: last } = history.last ?? {};
  return (score === 'loss' ? last?.loss : last?.metrics[score]) ?? Number.NaN;
}
