// Folds of a data set: every example is in the validation part once.

import { ArgumentError, checkFlag, checkInteger, checkOptions } from '../errors.js';
import { Random } from '../random.js';
import { getSeed } from '../seed.js';
import { checkDataset } from './contract.js';
import type { BatchPart, Dataset } from './dataset.js';
import type { Groups } from './groups.js';
import { deal, partOf } from './parts.js';

/** Options of {@link folds} and {@link crossValidate}. */
export interface FoldsOptions {
  /** Number of folds; default 5. */
  readonly folds?: number;
  /** Deal the examples out at random; default true. Without it folds are stretches of the data set. */
  readonly shuffle?: boolean;
  /** Decides who is in which fold; default: the seed of `setSeed`. */
  readonly seed?: number;
  /** Keep the proportions of the classes in every fold; default false. It shuffles. */
  readonly stratify?: boolean;
  /** What each example belongs to, as for {@link split}: examples of one group are in one fold. It shuffles. */
  readonly groups?: Groups;
  /** How often all folds are made, each time in another order; default 1. */
  readonly repeats?: number;
}

/** One fold: what to train on, and what to judge with. */
export interface Fold<X extends BatchPart, Y extends BatchPart> {
  /** All other examples. */
  readonly train: Dataset<X, Y>;
  /** The examples of the fold. */
  readonly validation: Dataset<X, Y>;
}

const known = ['folds', 'shuffle', 'seed', 'stratify', 'groups', 'repeats'];

/**
 * Splits a data set into k folds: each is the validation part once, with all other examples as its training part (course row L05). The first
 * folds get one example more where the number does not divide. Parts know what they are, as those of {@link split}.
 *
 * Examples of one class go to the folds in turn with `stratify`, those of one group to the same fold with `groups`. With `repeats: r` there are
 * k·r folds, k for each order of the examples.
 *
 * @throws {@link ArgumentError} for fewer than 2 folds, more folds than examples or groups, or data that are validation or test data already.
 * @example
 * ```ts
 * import { datasets, folds } from 'nodegrad';
 * const { train } = await datasets.digits();
 * for (const fold of folds(train, { folds: 3, stratify: true, seed: 1 })) console.log(fold.train.length, fold.validation.length);
 * ```
 */
export function folds<X extends BatchPart, Y extends BatchPart>(dataset: Dataset<X, Y>, options: FoldsOptions = {}): Fold<X, Y>[] {
  checkDataset(dataset);
  const given = checkOptions<FoldsOptions>(options, 'options', known);
  const { folds: count = 5, seed = getSeed(), groups } = given;
  const [shuffle, stratify] = [checkFlag(given.shuffle ?? true, 'options.shuffle'), checkFlag(given.stratify ?? false, 'options.stratify')];
  const { length, name, split } = dataset;
  if (split === 'validation' || split === 'test')
    throw new ArgumentError(`'${name}' is the ${split} part of a split: folds are made of training data`);
  checkInteger(count, 'options.folds', 2, Math.max(2, length));
  if (count > length) throw new ArgumentError(`'${name}' has ${length} examples, which cannot make ${count} folds`);
  const repeats = checkInteger(given.repeats ?? 1, 'options.repeats', 1, 10_000);
  if (!shuffle && (stratify || groups !== undefined || repeats > 1))
    throw new ArgumentError('`options.shuffle` is false, and folds by class, by group or repeated are dealt out at random: leave it out');
  const sizes = Array.from({ length: count }, (_, fold) => Math.floor(length / count) + Number(fold < length % count));
  const random = new Random(checkInteger(seed, 'options.seed'), 'folds');
  return Array.from({ length: repeats }, (_, repeat) => {
    const order = shuffle ? random.permutation(length) : Int32Array.from({ length }, (_, i) => i);
    const parts = deal(dataset as unknown as Dataset<BatchPart, BatchPart>, order, sizes, stratify, groups);
    return parts.map((validation, fold) => {
      const held = new Set(validation);
      const called = `${name} fold ${fold + 1}/${count}${repeats > 1 ? ` of repeat ${repeat + 1}` : ''}`;
      return {
        train: partOf(
          dataset,
          order.filter((row) => !held.has(row)),
          `${called}, the others`,
          'train',
        ),
        validation: partOf(dataset, validation, called, 'validation'),
      };
    });
  }).flat();
}
