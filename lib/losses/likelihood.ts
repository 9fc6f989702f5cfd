// Losses of log-probabilities: negative log-likelihood and Kullback–Leibler divergence.

import type { FloatDType } from '../dtype.js';
import { checkOptions } from '../errors.js';
import { called } from '../ops/called.js';
import { equal, log, mul, neg, requireFloat, sub, where } from '../ops/elementwise.js';
import { sum } from '../ops/reduce.js';
import { pick } from '../ops/softmax.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { keepNames } from '../names.js';
import { type LabelOptions, type Labels, checkClassWeights, checkIgnoreIndex, checkScores, labelOptions, labelledLoss } from './labels.js';
import { ClassLoss, ReducedLoss } from './loss.js';
import { type LossOptions, checkReduction, reduceLoss, requireSameShape } from './reduce.js';

/**
 * Negative log-likelihood `−logProbabilities[target]`, by default its mean over the examples: with {@link logSoftmax} before it, it is
 * {@link crossEntropy}, which does both in one pass. Course row E13.
 *
 * @param logProbabilities - [..., classes], float32 or float64.
 * @param target - Class indices from 0 (int32 or uint8, shape [...]).
 * @param weights - How often each example counts, [examples].
 * @throws {@link ShapeError} when shapes do not fit; {@link IndexError} when an index lies outside the classes.
 * @example
 * ```ts
 * import { logSoftmax, nllLoss, Tensor, tensor } from 'nodegrad';
 * nllLoss(logSoftmax(tensor([[3.2, 5.1, -1.7]])), Tensor.from(Int32Array.of(0))).item(); // 2.040…
 * ```
 */
export function nllLoss<D extends FloatDType>(
  logProbabilities: Tensor<D>,
  target: Labels,
  options: LabelOptions = {},
  weights?: AnyTensor,
): Tensor<D> {
  checkOptions(options, 'options', ['reduction', ...labelOptions], labelOptions);
  const [x, labels] = checkScores('nllLoss', logProbabilities, target);
  return called('nllLoss', () => labelledLoss(x, labels, options, weights, { plain: (wanted) => neg(pick(x, wanted)) }));
}

/**
 * Kullback–Leibler divergence `Σ target·(ln target − logProbabilities)` over the last axis, where a target of 0 takes no part; by default its
 * mean over the examples (`'batchmean'` in PyTorch, whose `'mean'` divides by the classes too).
 *
 * @param logProbabilities - [..., classes], float32 or float64, such as {@link logSoftmax} gives.
 * @param target - Probabilities, the same shape and dtype.
 * @param weights - How often each example counts, [examples].
 * @throws {@link ShapeError} when shapes differ, {@link DTypeError} when dtypes do.
 * @example
 * ```ts
 * import { klDivergence, logSoftmax, tensor } from 'nodegrad';
 * klDivergence(logSoftmax(tensor([[0, 0]])), tensor([[1, 0]])).item(); // ln 2
 * ```
 */
export function klDivergence<D extends FloatDType>(
  logProbabilities: Tensor<D>,
  target: Tensor<D>,
  options: LossOptions = {},
  weights?: AnyTensor,
): Tensor<D> {
  checkOptions(options, 'options', ['reduction']);
  const reduction = checkReduction(options.reduction);
  const x = Tensor.check(logProbabilities, 'logProbabilities') as Tensor<D>;
  const t = Tensor.check(target, 'target') as Tensor<D>;
  requireSameShape('klDivergence', x, t);
  requireFloat('klDivergence', [x, t]);
  return called('klDivergence', () => {
    // ln 1 where the target is 0: an infinite logarithm times 0 has no value.
    const own = log(where(equal(t, 0), 1, t));
    return reduceLoss(sum(mul(t, sub(own, x)), -1), reduction, weights);
  });
}

/**
 * Negative log-likelihood of class indices; see {@link nllLoss}. Course row E13.
 *
 * @example
 * ```ts
 * import { NLLLoss, Tensor, tensor } from 'nodegrad';
 * new NLLLoss().forward(tensor([[-0.5, -1]]), Tensor.from(Int32Array.of(1))).item(); // 1
 * ```
 */
export class NLLLoss extends ClassLoss {
  override readonly ignoreIndex: number | null;
  override readonly classWeights: readonly number[] | null;

  constructor(options: LabelOptions = {}) {
    super(options, labelOptions, labelOptions);
    this.ignoreIndex = checkIgnoreIndex(options.ignoreIndex);
    this.classWeights = checkClassWeights(options.classWeights);
  }

  forward<D extends FloatDType>(prediction: Tensor<D>, target: Labels, weights?: AnyTensor): Tensor<D> {
    const { reduction, ignoreIndex, classWeights } = this;
    return nllLoss(prediction, target, { reduction, ignoreIndex, classWeights }, weights);
  }
}

/**
 * Kullback–Leibler divergence from log-probabilities to target probabilities; see {@link klDivergence}.
 *
 * @example
 * ```ts
 * import { KLDivergenceLoss, logSoftmax, tensor } from 'nodegrad';
 * new KLDivergenceLoss().forward(logSoftmax(tensor([[0, 0]])), tensor([[0.5, 0.5]])).item(); // 0
 * ```
 */
export class KLDivergenceLoss extends ReducedLoss {
  constructor(options: LossOptions = {}) {
    super(options);
  }

  forward<D extends FloatDType>(prediction: Tensor<D>, target: Tensor<D>, weights?: AnyTensor): Tensor<D> {
    return klDivergence(prediction, target, { reduction: this.reduction }, weights);
  }
}

keepNames({ NLLLoss, KLDivergenceLoss });
