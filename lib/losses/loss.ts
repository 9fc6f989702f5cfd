// Losses: one number from predictions and targets.

import { called } from '../ops/called.js';
import { ours } from '../foreign.js';
import type { FloatDType } from '../dtype.js';
import { ShapeError, checkNumber, checkOptions, describeShape } from '../errors.js';
import { sameShape } from '../ops/broadcast.js';
import { log, mul, sub } from '../ops/elementwise.js';
import { reshapeHint } from '../ops/hints.js';
import { type CrossEntropyOptions, type Reduction, checkReduction, crossEntropy, reduceLoss } from '../ops/softmax.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { keepNames } from '../names.js';

/**
 * Base class of losses: a rank-0 tensor to call `backward()` on.
 *
 * @example
 * ```ts
 * import { Loss, Tensor } from 'nodegrad';
 * class MeanAbsoluteError extends Loss {
 *   forward(prediction: Tensor, target: Tensor): Tensor {
 *     this.requireSameShape(prediction, target); // [n, 1] beside [n] would broadcast to [n, n]
 *     return prediction.sub(target).abs().mean();
 *   }
 * }
 * ```
 */
export abstract class Loss {
  /** The loss of a batch. */
  abstract forward(prediction: AnyTensor, target: AnyTensor): AnyTensor;

  /**
   * For losses that compare element by element: refuses a target of another shape, which broadcasting would stretch to a loss of every
   * prediction with every target.
   *
   * @throws {@link ShapeError} with the reshape that is missing, where it is clear.
   */
  protected requireSameShape(prediction: AnyTensor, target: AnyTensor): void {
    requireSameShape(this.constructor.name, Tensor.check(prediction, 'prediction'), Tensor.check(target, 'target'));
  }

  /** The loss of a model that knows nothing, for targets in `classes` classes; null when there is no such figure. Course row J02. */
  chance(_classes: number): number | null {
    return null;
  }
}

/**
 * Softmax cross-entropy from logits; see {@link crossEntropy}. Course rows E13–E15.
 *
 * @example
 * ```ts
 * import { CrossEntropyLoss, Tensor, tensor } from 'nodegrad';
 * new CrossEntropyLoss().forward(tensor([[2, 1, 0]]), Tensor.from(Int32Array.of(0))).item();
 * ```
 */
export class CrossEntropyLoss extends Loss {
  /** How the losses of the examples become one number. */
  readonly reduction: Reduction;
  /** Share of the target that is spread evenly over all classes. */
  readonly labelSmoothing: number;

  constructor(options: CrossEntropyOptions = {}) {
    super();
    checkOptions(options, 'options', ['reduction', 'labelSmoothing']);
    this.reduction = checkReduction(options.reduction ?? 'mean');
    this.labelSmoothing = checkNumber(options.labelSmoothing ?? 0, 'labelSmoothing', 0, 1);
  }

  forward<D extends FloatDType>(prediction: Tensor<D>, target: Tensor<'int32'> | Tensor<'uint8'> | Tensor<D>): Tensor<D> {
    return crossEntropy(prediction, target, { reduction: this.reduction, labelSmoothing: this.labelSmoothing });
  }

  /** ln(classes). */
  override chance(classes: number): number | null {
    return this.reduction === 'mean' ? log(Tensor.from(Float64Array.of(checkNumber(classes, 'classes', 1)))).item() : null;
  }
}

function requireSameShape(name: string, { shape }: AnyTensor, target: AnyTensor): void {
  if (sameShape(shape, target.shape)) return;
  throw new ShapeError(
    `[${name}] expected a target of shape ${describeShape(shape)}, received ${describeShape(target.shape)}${reshapeHint('target', target.shape, shape)}`,
  );
}

/** Options of {@link mseLoss} and {@link MSELoss}. */
export interface MSELossOptions {
  /** `'mean'` over all elements (default), `'sum'` (the course's form, row E01), or `'none'`. */
  reduction?: Reduction;
}

/**
 * Squared error `(prediction − target)²`, by default its mean over all elements. Course rows E01, E03, E05.
 *
 * @param prediction - Any shape.
 * @param target - The same shape and dtype.
 * @throws {@link ShapeError} when shapes differ: broadcasting a target is almost always a mistake.
 * @example
 * ```ts
 * import { mseLoss, tensor } from 'nodegrad';
 * mseLoss(tensor([1, 2]), tensor([1, 4])).item(); // 2
 * ```
 */
export function mseLoss<D extends FloatDType>(prediction: Tensor<D>, target: Tensor<D>, options: MSELossOptions = {}): Tensor<D> {
  const x = Tensor.check(prediction, 'prediction') as Tensor<D>;
  const y = Tensor.check(target, 'target') as Tensor<D>;
  checkOptions(options, 'options', ['reduction']);
  const reduction = checkReduction(options.reduction ?? 'mean');
  requireSameShape('mseLoss', x, y);
  return called('mseLoss', () => {
    const difference = sub(x, y);
    return reduceLoss(mul(difference, difference), reduction);
  });
}

/**
 * Mean squared error; see {@link mseLoss}. Course rows E01, E05.
 *
 * @example
 * ```ts
 * import { MSELoss, tensor } from 'nodegrad';
 * new MSELoss({ reduction: 'sum' }).forward(tensor([1, 2]), tensor([1, 4])).item(); // 4
 * ```
 */
export class MSELoss extends Loss {
  /** How the losses of the examples become one number. */
  readonly reduction: Reduction;

  constructor(options: MSELossOptions = {}) {
    super();
    checkOptions(options, 'options', ['reduction']);
    this.reduction = checkReduction(options.reduction ?? 'mean');
  }

  forward<D extends FloatDType>(prediction: Tensor<D>, target: Tensor<D>): Tensor<D> {
    return mseLoss(prediction, target, { reduction: this.reduction });
  }
}

keepNames({ Loss, CrossEntropyLoss, MSELoss });

ours(Loss);
