// Losses of two classes by one output: binary cross-entropy from logits and from probabilities, and the binary hinge.

import type { FloatDType } from '../dtype.js';
import { ShapeError, checkFlag, checkNumber, checkOptions, describeShape } from '../errors.js';
import { relu } from '../ops/activations.js';
import { called } from '../ops/called.js';
import { sameShape } from '../ops/broadcast.js';
import { add, clip, equal, log, mul, neg, requireFloat, where } from '../ops/elementwise.js';
import { binaryCrossEntropyOfLogits, yesAndNo } from '../ops/softmax.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { keepNames } from '../names.js';
import type { Labels } from './labels.js';
import { ReducedLoss, type TargetDomain, minusOneOrOne, zeroToOne } from './loss.js';
import { type LossOptions, checkReduction, reduceLoss, requireSameShape } from './reduce.js';

/** Options of {@link binaryCrossEntropy} and {@link BinaryCrossEntropyLoss}. */
export interface BinaryCrossEntropyOptions extends LossOptions {
  /**
   * Whether predictions are logits, before any sigmoid: default true. With false they are probabilities, whose logarithms are cut off at
   * −100, and where p is 0 or 1 nothing is learned: prefer logits.
   */
  readonly fromLogits?: boolean;
  /** How much a target of 1 counts beside one of 0, such as the number of negatives by that of positives; default 1. */
  readonly positiveWeight?: number;
}

/** Options of {@link hingeLoss} and {@link HingeLoss}. */
export interface HingeLossOptions extends LossOptions {
  /** By how much a score has to be right; default 1. */
  readonly margin?: number;
  /** Whether what is missing is squared; default false. */
  readonly squared?: boolean;
}

const checkPositive = (value: unknown = 1): number => checkNumber(value, 'options.positiveWeight', 0);
const checkFromLogits = (value: unknown = true): boolean => checkFlag(value, 'options.fromLogits');
export const checkMargin = (value: unknown = 1): number => checkNumber(value, 'options.margin', 0);
export const checkSquared = (value: unknown = false): boolean => checkFlag(value, 'options.squared');

function pairOf<D extends FloatDType>(name: string, prediction: Tensor<D>, target: Tensor<D>): [Tensor<D>, Tensor<D>] {
  const x = Tensor.check(prediction, 'prediction') as Tensor<D>;
  const y = Tensor.check(target, 'target') as Tensor<D>;
  requireSameShape(name, x, y);
  requireFloat(name, [x, y]);
  return [x, y];
}

/** Class indices beside a score for each class, which is what another loss takes. */
function refuseClasses({ shape }: AnyTensor, target: AnyTensor): void {
  const isLabel = target.dtype === 'int32' || target.dtype === 'uint8';
  if (!isLabel || !sameShape(shape.slice(0, -1), target.shape)) return;
  const classes = shape[shape.length - 1];
  throw new ShapeError(
    `[binaryCrossEntropy] expected one output for yes or no beside class indices, received ${classes} in a prediction of shape ${describeShape(shape)}. ` +
      `Let the model end in one output, or take CrossEntropyLoss, which ${classes} scores are for`,
  );
}

/**
 * Binary cross-entropy `−t·ln p − (1 − t)·ln(1 − p)` of a probability p = σ(x), by default from the logits x, where it is finite and exact
 * for any of them; by default its mean over all elements. Its gradient by the logits is `σ(x) − t`. Course rows E09, E27.
 *
 * @param prediction - Logits, or probabilities with `fromLogits: false`; any shape.
 * @param target - From 0 to 1, the same shape and dtype; or class indices 0 and 1, int32 or uint8, of that shape or, beside one output, without its
 *   last axis. `fit` and `evaluate` refuse others.
 * @param weights - How often each example counts, [examples].
 * @throws {@link ShapeError} when shapes differ, {@link DTypeError} when dtypes do.
 * @example
 * ```ts
 * import { binaryCrossEntropy, tensor } from 'nodegrad';
 * binaryCrossEntropy(tensor([2, -2]), tensor([1, 1]), { reduction: 'none' }).toArray(); // [0.1269…, 2.1269…]
 * ```
 */
export function binaryCrossEntropy<D extends FloatDType>(
  prediction: Tensor<D>,
  target: Tensor<D> | Labels,
  options: BinaryCrossEntropyOptions = {},
  weights?: AnyTensor,
): Tensor<D> {
  checkOptions(options, 'options', ['reduction', 'fromLogits', 'positiveWeight']);
  const reduction = checkReduction(options.reduction);
  const positiveWeight = checkPositive(options.positiveWeight);
  const fromLogits = checkFromLogits(options.fromLogits);
  const outputs = Tensor.check(prediction, 'prediction') as Tensor<D>;
  const wanted = yesAndNo(outputs, Tensor.check(target, 'target') as Tensor<D> | Labels);
  refuseClasses(outputs, wanted);
  const [x, t] = pairOf('binaryCrossEntropy', outputs, wanted);
  return called('binaryCrossEntropy', () => {
    if (fromLogits) return reduceLoss(binaryCrossEntropyOfLogits(x, t, positiveWeight), reduction, weights);
    // Where a probability is 0, log has no slope, and none times infinity would be NaN.
    const cut = (p: Tensor<D>): Tensor<D> => where<Tensor<D>>(equal(p, 0), -100, clip(log(where<Tensor<D>>(equal(p, 0), 1, p)), -100, 0));
    const yes = mul(mul(cut(x), t), positiveWeight);
    return reduceLoss(neg(add(yes, mul(cut(add(neg(x), 1)), add(neg(t), 1)))), reduction, weights);
  });
}

/**
 * Binary hinge `max(0, margin − t·s)` of a score s beside a target t of −1 or 1, or its square; by default its mean over all elements.
 * Course rows E21, E27.
 *
 * @param prediction - Scores of any shape.
 * @param target - −1 or 1, the same shape and dtype: `fit` and `evaluate` refuse others. Of 0 and 1, `target.mul(2).sub(1)` makes them.
 * @param weights - How often each example counts, [examples].
 * @throws {@link ShapeError} when shapes differ, {@link DTypeError} when dtypes do.
 * @example
 * ```ts
 * import { hingeLoss, tensor } from 'nodegrad';
 * hingeLoss(tensor([0.5, -3]), tensor([1, -1]), { reduction: 'none' }).toArray(); // [0.5, 0]
 * ```
 */
export function hingeLoss<D extends FloatDType>(
  prediction: Tensor<D>,
  target: Tensor<D>,
  options: HingeLossOptions = {},
  weights?: AnyTensor,
): Tensor<D> {
  checkOptions(options, 'options', ['reduction', 'margin', 'squared']);
  const reduction = checkReduction(options.reduction);
  const [margin, squared] = [checkMargin(options.margin), checkSquared(options.squared)];
  const [s, t] = pairOf('hingeLoss', prediction, target);
  return called('hingeLoss', () => {
    const missing = relu(add(neg(mul(s, t)), margin));
    return reduceLoss(squared ? mul(missing, missing) : missing, reduction, weights);
  });
}

/**
 * Binary cross-entropy, the loss of a model with one output for two classes, or of one output for each of several labels; see
 * {@link binaryCrossEntropy}. Course rows E09, E27.
 *
 * @example
 * ```ts
 * import { BinaryCrossEntropyLoss, tensor } from 'nodegrad';
 * new BinaryCrossEntropyLoss().forward(tensor([[0]]), tensor([[1]])).item(); // ln 2
 * ```
 */
export class BinaryCrossEntropyLoss extends ReducedLoss {
  /** Whether predictions are logits; else they are probabilities. */
  readonly fromLogits: boolean;
  /** How much a target of 1 counts beside one of 0. */
  readonly positiveWeight: number;

  constructor(options: BinaryCrossEntropyOptions = {}) {
    super(options, ['fromLogits', 'positiveWeight']);
    this.fromLogits = checkFromLogits(options.fromLogits);
    this.positiveWeight = checkPositive(options.positiveWeight);
  }

  /** @internal */
  override get targetDomain(): TargetDomain {
    return zeroToOne;
  }

  forward<D extends FloatDType>(prediction: Tensor<D>, target: Tensor<D> | Labels, weights?: AnyTensor): Tensor<D> {
    const { reduction, fromLogits, positiveWeight } = this;
    return binaryCrossEntropy(prediction, target, { reduction, fromLogits, positiveWeight }, weights);
  }
}

/**
 * Binary hinge beside targets of −1 or 1; see {@link hingeLoss}. Course rows E21, E27.
 *
 * @example
 * ```ts
 * import { HingeLoss, tensor } from 'nodegrad';
 * new HingeLoss({ squared: true }).forward(tensor([0.5]), tensor([-1])).item(); // 2.25
 * ```
 */
export class HingeLoss extends ReducedLoss {
  /** By how much a score has to be right. */
  readonly margin: number;
  /** Whether what is missing is squared. */
  readonly squared: boolean;

  constructor(options: HingeLossOptions = {}) {
    super(options, ['margin', 'squared']);
    this.margin = checkMargin(options.margin);
    this.squared = checkSquared(options.squared);
  }

  /** @internal */
  override get targetDomain(): TargetDomain {
    return minusOneOrOne;
  }

  forward<D extends FloatDType>(prediction: Tensor<D>, target: Tensor<D>, weights?: AnyTensor): Tensor<D> {
    return hingeLoss(prediction, target, { reduction: this.reduction, margin: this.margin, squared: this.squared }, weights);
  }
}

keepNames({ BinaryCrossEntropyLoss, HingeLoss });
