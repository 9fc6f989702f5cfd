// Cross-validation: every example is in the validation part once.

import { ArgumentError, checkInteger, checkOptions, expected } from '../errors.js';
import { Random } from '../random.js';
import { getSeed } from '../seed.js';
import { checkDataset } from './contract.js';
import type { BatchPart, Dataset } from './dataset.js';
import { partOf } from './parts.js';

/** Options of {@link folds} and {@link crossValidate}. */
export interface FoldsOptions {
  /** Number of folds; default 5. */
  readonly folds?: number;
  /** Deal the examples out at random; default true. Without it folds are stretches of the data set. */
  readonly shuffle?: boolean;
  /** Decides who is in which fold; default: the seed of `setSeed`. */
  readonly seed?: number;
}

/** One fold: what to train on, and what to judge with. */
export interface Fold<X extends BatchPart, Y extends BatchPart> {
  /** All other examples. */
  readonly train: Dataset<X, Y>;
  /** The examples of the fold. */
  readonly validation: Dataset<X, Y>;
}

/**
 * Splits a data set into k folds: each is the validation part once, with all other examples as its training part (course row L05). The first
 * folds get one example more where the number does not divide. Parts know what they are, as those of {@link split}.
 *
 * @throws {@link ArgumentError} for fewer than 2 folds, more folds than examples, or data that are validation or test data already.
 * @example
 * ```ts
 * import { datasets, folds } from 'nodegrad';
 * const { train } = await datasets.digits();
 * for (const fold of folds(train, { folds: 3, seed: 1 })) console.log(fold.train.length, fold.validation.length);
 * ```
 */
export function folds<X extends BatchPart, Y extends BatchPart>(dataset: Dataset<X, Y>, options: FoldsOptions = {}): Fold<X, Y>[] {
  checkDataset(dataset);
  const { folds: count = 5, shuffle = true, seed = getSeed() } = checkOptions<FoldsOptions>(options, 'options', ['folds', 'shuffle', 'seed']);
  const { length, name, split } = dataset;
  if (typeof shuffle !== 'boolean') throw new ArgumentError(expected('true or false', 'options.shuffle', shuffle));
  if (split === 'validation' || split === 'test')
    throw new ArgumentError(`'${name}' is the ${split} part of a split: folds are made of training data`);
  checkInteger(count, 'options.folds', 2, Math.max(2, length));
  if (count > length) throw new ArgumentError(`'${name}' has ${length} examples, which cannot make ${count} folds`);
  const random = new Random(checkInteger(seed, 'options.seed'), 'folds');
  const order = shuffle ? random.permutation(length) : Int32Array.from({ length }, (_, i) => i);
  return Array.from({ length: count }, (_, fold) => {
    const start = fold * Math.floor(length / count) + Math.min(fold, length % count);
    const end = start + Math.floor(length / count) + (fold < length % count ? 1 : 0);
    const rest = new Int32Array(length - (end - start));
    rest.set(order.subarray(0, start));
    rest.set(order.subarray(end), start);
    const called = `${name} fold ${fold + 1}/${count}`;
    return {
      train: partOf(dataset, rest, `${called}, the others`, 'train'),
      validation: partOf(dataset, order.slice(start, end), called, 'validation'),
    };
  });
}

/** What {@link crossValidate} found. */
export interface CrossValidation {
  /** The score of each fold. */
  readonly scores: readonly number[];
  /** Their mean. */
  readonly mean: number;
  /** Their standard deviation, of the sample: divided by k − 1. */
  readonly std: number;
}

/**
 * Scores something on every fold, one after the other: the mean says how good it is, the standard deviation how far to trust that (course
 * row L04).
 *
 * @param score - Trains on `fold.train`, from the beginning, and gives one number from `fold.validation`.
 * @throws {@link ArgumentError} as {@link folds}, and for a score that is no number.
 * @example
 * ```ts
 * import { Adam, CrossEntropyLoss, crossValidate, datasets, mlp } from 'nodegrad';
 * const { train } = await datasets.digits();
 * const loss = new CrossEntropyLoss();
 * const { mean, std } = await crossValidate(train, async (fold) => {
 *   const model = mlp({ hidden: [64] });
 *   await model.fit(fold.train, { loss, optimizer: new Adam(model, { lr: 1e-3 }), epochs: 2 });
 *   return (await model.evaluate(fold.validation, { loss })).metrics.accuracy;
 * });
 * ```
 */
export async function crossValidate<X extends BatchPart, Y extends BatchPart>(
  dataset: Dataset<X, Y>,
  score: (fold: Fold<X, Y>, index: number) => number | Promise<number>,
  options: FoldsOptions = {},
): Promise<CrossValidation> {
  if (typeof score !== 'function') throw new ArgumentError(expected('a function', 'score', score));
  const scores: number[] = [];
  for (const [index, fold] of folds(dataset, options).entries()) {
    const value: unknown = await score(fold, index);
    if (typeof value !== 'number') throw new ArgumentError(expected('one number per fold', 'score', value));
    scores.push(value);
  }
  const mean = scores.reduce((sum, value) => sum + value, 0) / scores.length;
  const squares = scores.reduce((sum, value) => sum + (value - mean) * (value - mean), 0);
  return { scores, mean, std: Math.sqrt(squares / (scores.length - 1)) };
}
