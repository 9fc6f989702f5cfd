// Which of two models is better, and whether that may be chance.

import type { BatchPart, Dataset } from '../data/dataset.js';
import { folds } from '../data/folds.js';
import { ArgumentError, DTypeError, ShapeError, checkNumber, checkObject, checkOptions, describeShape, expected } from '../errors.js';
import { isFloat } from '../dtype.js';
import { sameShape } from '../ops/broadcast.js';
import { type AnyTensor, Tensor, noGrad } from '../tensor.js';
import {
  type CrossValidateOptions,
  type CrossValidation,
  type FoldScore,
  checkCrossValidation,
  scoreOf,
  summaryOf,
} from './cross-validation.js';
import { signTest, studentWithin } from './student.js';

/** What {@link compareModels} found. */
export interface ModelComparison {
  /** Scores of the first. */
  readonly first: CrossValidation;
  /** Scores of the second. */
  readonly second: CrossValidation;
  /** The first's score less the second's on each fold, with mean, deviation and interval. */
  readonly difference: CrossValidation;
  /** The mean difference by its standard error. */
  readonly t: number;
  /** How often a difference as large or larger would be seen if both were equally good. */
  readonly p: number;
}

/**
 * Compares two models on the same folds, by the corrected resampled t-test (Nadeau & Bengio 2003): the t of the mean difference d̄ of J folds is
 * `d̄ / (s·√(1/J + n₂/n₁))`, with n₁ examples of training and n₂ of validation, and J − 1 degrees of freedom. The plain paired t-test, with `s/√J`,
 * finds differences that are none far too often. Ten folds, ten times repeated, tell small differences. On each fold both have the same seed.
 *
 * @param scoreFirst - Trains the first model on `fold.train` and gives its score on `fold.validation`.
 * @param scoreSecond - The same for the second.
 * @throws {@link ArgumentError} as {@link crossValidate}.
 * @example
 * ```ts
 * import { Adam, CrossEntropyLoss, type Fold, compareModels, datasets, mlp } from 'nodegrad';
 * const { train } = await datasets.digits({ train: 1000, test: 1 });
 * const loss = new CrossEntropyLoss();
 * const accuracyWith = (hidden: number[]) => async (fold: Fold<'float32', 'int32'>) => {
 *   const model = mlp({ hidden });
 *   await model.fit(fold.train, { loss, optimizer: new Adam(model, { lr: 1e-3 }), epochs: 3 });
 *   return (await model.evaluate(fold.validation, { loss })).metrics.accuracy;
 * };
 * const { difference, p } = await compareModels(train, accuracyWith([128]), accuracyWith([16]), { folds: 5, repeats: 2 });
 * ```
 */
export async function compareModels<X extends BatchPart, Y extends BatchPart>(
  dataset: Dataset<X, Y>,
  scoreFirst: FoldScore<X, Y>,
  scoreSecond: FoldScore<X, Y>,
  options: CrossValidateOptions = {},
): Promise<ModelComparison> {
  if (typeof scoreFirst !== 'function') throw new ArgumentError(expected('a function', 'scoreFirst', scoreFirst));
  if (typeof scoreSecond !== 'function') throw new ArgumentError(expected('a function', 'scoreSecond', scoreSecond));
  const given = checkCrossValidation(options);
  const parts = folds(dataset, given.folds);
  const [first, second]: [number[], number[]] = [[], []];
  for (const [index, fold] of parts.entries()) {
    first.push(await scoreOf(scoreFirst, fold, index, given.seed, 'scoreFirst'));
    second.push(await scoreOf(scoreSecond, fold, index, given.seed, 'scoreSecond'));
  }
  const [ofFirst, ofSecond, ofDifference] = [first, second, first.map((score, i) => score - second[i])].map((scores) =>
    summaryOf(scores, parts, given.confidence),
  );
  const { mean, error } = ofDifference;
  const t = mean === 0 ? 0 : mean / error;
  const plain = ({ scores, std, interval, mean: middle }: CrossValidation): CrossValidation => ({ scores, mean: middle, std, interval });
  return {
    first: plain(ofFirst),
    second: plain(ofSecond),
    difference: plain(ofDifference),
    t,
    p: 1 - studentWithin(t, parts.length - 1),
  };
}

/** What {@link mcnemarTest} found. */
export interface McnemarTest {
  /** Examples that both have right. */
  readonly both: number;
  /** Examples that the first alone has right. */
  readonly onlyFirst: number;
  /** Examples that the second alone has right. */
  readonly onlySecond: number;
  /** Examples that none has right. */
  readonly neither: number;
  /** How often the two would differ as much or more if both were equally good. */
  readonly p: number;
}

/**
 * McNemar's test of two classifiers on one test set, in its exact form: of the examples that one has right and the other has wrong, each should
 * have half; p is the chance of a fair coin to be as uneven (Dietterich 1998 recommends it where models are trained once).
 *
 * @param first - What the first predicts: scores [examples, classes], or class indices [examples].
 * @param second - What the second predicts.
 * @param targets - Class indices [examples], int32 or uint8.
 * @throws {@link ShapeError} when they are not of as many examples, {@link DTypeError} for targets that are no class indices.
 * @example
 * ```ts
 * import { Tensor, mcnemarTest } from 'nodegrad';
 * const classes = (...values: number[]) => Tensor.from(Int32Array.from(values));
 * mcnemarTest(classes(0, 1, 1, 0), classes(0, 0, 1, 1), classes(0, 1, 1, 0)); // onlyFirst: 2, onlySecond: 0, p: 0.5
 * ```
 */
export function mcnemarTest(first: AnyTensor, second: AnyTensor, targets: AnyTensor): McnemarTest {
  const wanted = Tensor.check(targets, 'targets') as AnyTensor;
  if (isFloat(wanted.dtype) || wanted.rank !== 1)
    throw new DTypeError(
      `[mcnemarTest] expected int32 or uint8 class indices [examples] for \`targets\`, received ${wanted.dtype} ${describeShape(wanted.shape)}`,
    );
  const [a, b] = [rightOf(first, 'first', wanted), rightOf(second, 'second', wanted)];
  const count = (one: boolean, other: boolean): number => a.reduce((sum, isRight, i) => sum + Number(isRight === one && b[i] === other), 0);
  const [onlyFirst, onlySecond] = [count(true, false), count(false, true)];
  return { both: count(true, true), onlyFirst, onlySecond, neither: count(false, false), p: signTest(onlyFirst, onlySecond) };
}

function rightOf(prediction: AnyTensor, argument: string, targets: AnyTensor): boolean[] {
  const given = Tensor.check(prediction, argument) as AnyTensor;
  const said = isFloat(given.dtype) && given.rank === 2 ? noGrad(() => (given as Tensor).argmax(-1)) : given;
  if (!sameShape(said.shape, targets.shape) || isFloat(said.dtype))
    throw new ShapeError(
      `[mcnemarTest] expected scores [${targets.shape[0]}, classes] or class indices [${targets.shape[0]}] for \`${argument}\`, received ${given.dtype} ${describeShape(given.shape)}`,
    );
  return Array.from(said.data, (value, i) => value === targets.data[i]);
}

/** Error rates for {@link biasAndVariance}, from 0 to 1. */
export interface ErrorRates {
  /** What nothing can beat: the error of people, or of the labels themselves; default 0. */
  readonly best?: number;
  /** On the training part. */
  readonly train: number;
  /** On the validation part. */
  readonly validation: number;
}

/** What {@link biasAndVariance} says. */
export interface BiasAndVariance {
  /** How much worse than the best the model is on what it has seen. */
  readonly bias: number;
  /** How much worse it is on what it has not seen. */
  readonly variance: number;
  /** Which of the two is to be worked on, if any. */
  readonly verdict: 'underfitted' | 'appropriate' | 'overfitted';
}

/** Options of {@link biasAndVariance}. */
export interface BiasAndVarianceOptions {
  /** How much bias or variance is no reason to change anything; default 0.02, two points. */
  readonly tolerance?: number;
}

/**
 * Where a model loses: its bias, `train − best`, asks for a larger model or longer training; its variance, `validation − train`, for more data
 * or regularization. The larger one has the verdict, when it is above the tolerance. Course rows L02, L03.
 *
 * @throws {@link ArgumentError} for rates outside of 0 … 1.
 * @example
 * ```ts
 * import { biasAndVariance } from 'nodegrad';
 * biasAndVariance({ best: 0.01, train: 0.05, validation: 0.08 }); // bias 0.04, variance 0.03: underfitted
 * ```
 */
export function biasAndVariance(errors: ErrorRates, options: BiasAndVarianceOptions = {}): BiasAndVariance {
  const { best = 0, train, validation } = checkObject<ErrorRates>(errors, 'errors', 'error rates { best, train, validation }');
  checkNumber(best, 'errors.best', 0, 1);
  const bias = checkNumber(train, 'errors.train', 0, 1) - best;
  const variance = checkNumber(validation, 'errors.validation', 0, 1) - train;
  const { tolerance = 0.02 } = checkOptions<BiasAndVarianceOptions>(options, 'options', ['tolerance']);
  checkNumber(tolerance, 'options.tolerance', 0, 1);
  const isFine = bias <= tolerance && variance <= tolerance;
  return { bias, variance, verdict: isFine ? 'appropriate' : bias >= variance ? 'underfitted' : 'overfitted' };
}
