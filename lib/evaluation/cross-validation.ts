// Cross-validation: the scores of all folds, how good they are on the whole, and how far to trust that.

import type { BatchPart, Dataset } from '../data/dataset.js';
import { type Fold, type FoldsOptions, folds } from '../data/folds.js';
import { ArgumentError, checkNumber, checkOptions, expected } from '../errors.js';
import { deriveSeed, getSeed, withSeed } from '../seed.js';
import { studentQuantile } from './student.js';

/** Options of {@link crossValidate} and {@link compareModels}. */
export interface CrossValidateOptions extends FoldsOptions {
  /** The share of experiments whose interval shall hold the true value; default 0.95. */
  readonly confidence?: number;
}

/** What {@link crossValidate} found. */
export interface CrossValidation {
  /** The score of each fold. */
  readonly scores: readonly number[];
  /** Their mean. */
  readonly mean: number;
  /** Their standard deviation, of the sample: divided by their number − 1. */
  readonly std: number;
  /** Where the true mean is to be expected. */
  readonly interval: readonly [low: number, high: number];
}

/** What scores a fold: trains on `fold.train`, from the beginning, and gives one number from `fold.validation`. */
export type FoldScore<X extends BatchPart, Y extends BatchPart> = (fold: Fold<X, Y>, index: number) => number | Promise<number>;

/** @internal Options of the folds, the confidence, and the seed. */
export function checkCrossValidation(options: CrossValidateOptions): { folds: FoldsOptions; confidence: number; seed: number } {
  const known = ['folds', 'shuffle', 'seed', 'stratify', 'groups', 'repeats', 'confidence'];
  const { confidence = 0.95, ...rest } = checkOptions<CrossValidateOptions>(options, 'options', known);
  const { seed = getSeed() } = rest;
  return { folds: rest, confidence: checkNumber(confidence, 'options.confidence', 0, 1 - 1e-9), seed };
}

/** @internal The score of a fold, one number: under a seed of its own, whatever was drawn before. */
export async function scoreOf<X extends BatchPart, Y extends BatchPart>(
  score: FoldScore<X, Y>,
  fold: Fold<X, Y>,
  index: number,
  seed: number,
  argument = 'score',
): Promise<number> {
  const value: unknown = await withSeed(deriveSeed(seed, 'fold', index), () => score(fold, index));
  if (typeof value !== 'number') throw new ArgumentError(expected('one number per fold', argument, value));
  // The scores of the other folds are not to be lost.
  if (!Number.isFinite(value))
    process.emitWarning(`\`${argument}\` gave ${value} for fold ${index + 1}: mean and interval say nothing`, { code: 'NODEGRAD_NAN_SCORE' });
  return value;
}

/**
 * @internal Mean, deviation and interval of scores of folds. Training parts of folds share most of their examples, so that scores are not
 * independent, and no unbiased estimate of the variance of their mean exists (Bengio & Grandvalet 2004); the plain one, s²/J, is far too
 * small. s²·(1/J + test/training examples) is the correction of Nadeau & Bengio (2003).
 */
export function summaryOf<X extends BatchPart, Y extends BatchPart>(
  scores: readonly number[],
  parts: readonly Fold<X, Y>[],
  confidence: number,
): CrossValidation & { readonly error: number } {
  const mean = scores.reduce((sum, value) => sum + value, 0) / scores.length;
  const squares = scores.reduce((sum, value) => sum + (value - mean) * (value - mean), 0);
  const std = Math.sqrt(squares / (scores.length - 1));
  const ratio = parts.reduce((sum, { train, validation }) => sum + validation.length / train.length, 0) / parts.length;
  const error = std * Math.sqrt(1 / scores.length + ratio);
  const reach = studentQuantile(confidence, scores.length - 1) * error;
  return { scores, mean, std, interval: [mean - reach, mean + reach], error };
}

/**
 * Scores something on every fold, one after the other: the mean says how good it is, deviation and interval how far to trust that (course
 * row L04).
 *
 * The interval is `mean ± t·s·√(1/J + n₂/n₁)` for J scores of deviation s, from n₁ examples of training and n₂ of validation, with t of
 * Student's distribution with J − 1 degrees of freedom: folds share training examples, and the plain `s/√J` would be far too small (Nadeau
 * & Bengio 2003). No interval from folds of one data set is exact (Bengio & Grandvalet 2004).
 *
 * Each fold runs in a {@link withSeed} of its own, which follows from the seed and its number: first weights, masks and orders do not depend on
 * the folds before it.
 *
 * @param score - Trains on `fold.train`, from the beginning, and gives one number from `fold.validation`.
 * A score of NaN or infinity is a warning that names its fold; `scores` has the others.
 *
 * @throws {@link ArgumentError} as {@link folds}, and for a score that is no number.
 * @example
 * ```ts
 * import { Adam, CrossEntropyLoss, crossValidate, datasets, mlp } from 'nodegrad';
 * const { train } = await datasets.digits();
 * const loss = new CrossEntropyLoss();
 * const { mean, interval } = await crossValidate(train, async (fold) => {
 *   const model = mlp({ hidden: [64] });
 *   await model.fit(fold.train, { loss, optimizer: new Adam(model, { lr: 1e-3 }), epochs: 2 });
 *   return (await model.evaluate(fold.validation, { loss })).metrics.accuracy;
 * }, { folds: 5, stratify: true });
 * ```
 */
export async function crossValidate<X extends BatchPart, Y extends BatchPart>(
  dataset: Dataset<X, Y>,
  score: FoldScore<X, Y>,
  options: CrossValidateOptions = {},
): Promise<CrossValidation> {
  if (typeof score !== 'function') throw new ArgumentError(expected('a function', 'score', score));
  const given = checkCrossValidation(options);
  const parts = folds(dataset, given.folds);
  const scores: number[] = [];
  for (const [index, fold] of parts.entries()) scores.push(await scoreOf(score, fold, index, given.seed));
  const { mean, std, interval } = summaryOf(scores, parts, given.confidence);
  return { scores, mean, std, interval };
}
