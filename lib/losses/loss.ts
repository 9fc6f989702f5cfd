// Losses: one number from predictions and targets.

import { ours } from '../foreign.js';
import { checkOptions } from '../errors.js';
import { sum } from '../ops/reduce.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { keepNames } from '../names.js';
import { countOfLabels } from './labels.js';
import { type LossOptions, type Reduction, checkReduction, requireSameShape } from './reduce.js';

/** @internal What numbers a loss has a meaning for. */
export interface TargetDomain {
  readonly holds: (value: number) => boolean;
  /** As in 'expects targets …'. */
  readonly words: string;
  readonly hint: string;
}

/** @internal For losses of two kinds of target. */
export const minusOneOrOne: TargetDomain = Object.freeze({
  holds: (value: number) => value === -1 || value === 1,
  words: '−1 or 1',
  hint: 'Of 0 and 1, target.mul(2).sub(1) makes them',
});

/** @internal For losses of probabilities, which may be rounded. */
export const zeroToOne: TargetDomain = Object.freeze({
  holds: (value: number) => value >= -1e-6 && value <= 1 + 1e-6,
  words: 'from 0 to 1',
  hint: 'Of −1 and 1, target.add(1).div(2) makes them',
});

/**
 * Base class of losses: a rank-0 tensor to call `backward()` on.
 *
 * @example
 * ```ts
 * import { Loss, Tensor } from 'nodegrad';
 * class RootMeanSquare extends Loss {
 *   forward(prediction: Tensor, target: Tensor): Tensor {
 *     this.requireSameShape(prediction, target); // [n, 1] beside [n] would broadcast to [n, n]
 *     const difference = prediction.sub(target);
 *     return difference.mul(difference).mean().add(1e-12).pow(0.5);
 *   }
 * }
 * ```
 */
export abstract class Loss {
  /**
   * The loss of a batch.
   *
   * @param prediction - What the model gives: a tensor, or a tree of them for models and losses with several.
   * @param target - The batch's targets.
   * @param weights - How often each example counts, [examples], where the batch has weights.
   */
  // biome-ignore lint/suspicious/noExplicitAny: what a loss compares is its own to say.
  abstract forward(prediction: any, target: any, weights?: AnyTensor): AnyTensor;

  /**
   * For losses that compare element by element: refuses a target of another shape, which broadcasting would stretch to a loss of every
   * prediction with every target.
   *
   * @throws {@link ShapeError} with the reshape that is missing, where it is clear.
   */
  protected requireSameShape(prediction: AnyTensor, target: AnyTensor): void {
    requireSameShape(this.constructor.name, Tensor.check(prediction, 'prediction'), Tensor.check(target, 'target'));
  }

  /**
   * What a batch counts for beside others, a rank-0 tensor: what its mean is divided by. `evaluate` and `fit` weigh the losses of batches by
   * it, so that what they report does not depend on the batches. Default: null, the number of its examples.
   *
   * @param _prediction - As for `forward`.
   * @param _target - As for `forward`.
   * @param _weights - As for `forward`.
   */
  // biome-ignore lint/suspicious/noExplicitAny: what a loss compares is its own to say.
  counted(_prediction: any, _target: any, _weights?: AnyTensor): AnyTensor | null {
    return null;
  }

  /** @internal What targets may be; null for anything. */
  get targetDomain(): TargetDomain | null {
    return null;
  }

  /** The loss of a model that knows nothing, for targets in `classes` classes; null when there is no such figure. Course row J02. */
  chance(_classes: number): number | null {
    return null;
  }

  /** Whether targets are class indices beside scores [..., classes]: `fit` then checks them before the first step, and measures accuracy. */
  get takesClasses(): boolean {
    return false;
  }
}

/**
 * Base class of nodegrad's losses: what they have in common is how losses of examples or elements become one number.
 *
 * @example
 * ```ts
 * import { MSELoss, type ReducedLoss } from 'nodegrad';
 * const loss: ReducedLoss = new MSELoss();
 * loss.reduction; // 'mean'
 * ```
 */
export abstract class ReducedLoss extends Loss {
  /** How the losses become one number. */
  readonly reduction: Reduction;

  /**
   * @param known - Names of the options that this loss has beside `reduction`.
   * @param nullable - Those of them for which null is a value.
   */
  constructor(options: LossOptions, known: readonly string[] = [], nullable: readonly string[] = []) {
    super();
    checkOptions(options, 'options', ['reduction', ...known], nullable);
    this.reduction = checkReduction(options?.reduction);
  }

  /** The sum of the weights, for a mean of examples that have some; else null, the number of examples. */
  // biome-ignore lint/suspicious/noExplicitAny: as in the base class.
  override counted(_prediction: any, _target: any, weights?: AnyTensor): AnyTensor | null {
    return weights === undefined || this.reduction !== 'mean' ? null : sum(weights as Tensor);
  }
}

/**
 * Base class of the losses whose targets are class indices from 0 beside scores [..., classes]. Course row E28.
 *
 * @example
 * ```ts
 * import { type ClassLoss, MulticlassHingeLoss } from 'nodegrad';
 * const loss: ClassLoss = new MulticlassHingeLoss({ ignoreIndex: -1 });
 * loss.ignoreIndex; // -1
 * ```
 */
export abstract class ClassLoss extends ReducedLoss {
  /** The label of examples that do not count; null for none. */
  readonly ignoreIndex: number | null = null;
  /** How much each class counts; null where all count alike. */
  readonly classWeights: readonly number[] | null = null;

  /** The sum of the weights of the labels that are not ignored, for a mean where some are or weigh more. */
  // biome-ignore lint/suspicious/noExplicitAny: as in the base class.
  override counted(prediction: any, target: any, weights?: AnyTensor): AnyTensor | null {
    // A loss of a user's own may take trees.
    const labels = target instanceof Tensor && prediction instanceof Tensor ? (target as AnyTensor) : null;
    const isLabels = labels?.dtype === 'int32' || labels?.dtype === 'uint8';
    if (labels === null || !isLabels || this.reduction !== 'mean') return super.counted(prediction, target, weights);
    return countOfLabels(prediction as Tensor, labels, this, weights) ?? super.counted(prediction, target, weights);
  }

  override get takesClasses(): boolean {
    return true;
  }
}

keepNames({ Loss, ReducedLoss, ClassLoss });

ours(Loss);
