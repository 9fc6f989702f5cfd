// Losses of numbers: squared, absolute, Huber and smooth L1 errors, element by element.

import type { FloatDType } from '../dtype.js';
import { checkNumber, checkOptions } from '../errors.js';
import { called } from '../ops/called.js';
import { abs, clip, mul, sub } from '../ops/elementwise.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { keepNames } from '../names.js';
import { ReducedLoss } from './loss.js';
import { type LossOptions, checkReduction, reduceLoss, requireSameShape } from './reduce.js';

/** Options of {@link huberLoss} and {@link HuberLoss}. */
export interface HuberLossOptions extends LossOptions {
  /** Up to this error the loss is squared, above it linear; default 1. */
  readonly delta?: number;
}

/** Options of {@link smoothL1Loss} and {@link SmoothL1Loss}. */
export interface SmoothL1LossOptions extends LossOptions {
  /** Up to this error the loss is squared; above it the slope is 1. Default 1; 0 for {@link l1Loss}. */
  readonly beta?: number;
}

/** A loss from the difference of predictions and targets of one shape. */
function ofDifference<D extends FloatDType>(
  name: string,
  prediction: Tensor<D>,
  target: Tensor<D>,
  { reduction }: LossOptions,
  weights: AnyTensor | undefined,
  loss: (difference: Tensor<D>) => Tensor<D>,
): Tensor<D> {
  const x = Tensor.check(prediction, 'prediction') as Tensor<D>;
  const y = Tensor.check(target, 'target') as Tensor<D>;
  const kind = checkReduction(reduction);
  requireSameShape(name, x, y);
  return called(name, () => reduceLoss(loss(sub(x, y)), kind, weights));
}

/** δ·(|d| − δ/2) above δ, d²/2 up to it: c·(|d| − c/2) with c = min(|d|, δ). */
function huber<D extends FloatDType>(difference: Tensor<D>, delta: number): Tensor<D> {
  const size = abs(difference);
  const squared = clip(size, 0, delta);
  return mul(squared, sub(size, mul(squared, 0.5)));
}

/**
 * Squared error `(prediction − target)²` (L2), by default its mean over all elements. The constant that fits numbers best by it is their
 * mean. Course rows E01, E03, E05.
 *
 * @param prediction - Any shape.
 * @param target - The same shape and dtype.
 * @param weights - How often each example counts, [examples].
 * @throws {@link ShapeError} when shapes differ: broadcasting a target is almost always a mistake.
 * @example
 * ```ts
 * import { mseLoss, tensor } from 'nodegrad';
 * mseLoss(tensor([1, 2]), tensor([1, 4])).item(); // 2
 * ```
 */
export function mseLoss<D extends FloatDType>(
  prediction: Tensor<D>,
  target: Tensor<D>,
  options: LossOptions = {},
  weights?: AnyTensor,
): Tensor<D> {
  checkOptions(options, 'options', ['reduction']);
  return ofDifference('mseLoss', prediction, target, options, weights, (difference) => mul(difference, difference));
}

/**
 * Absolute error `|prediction − target|` (L1), by default its mean over all elements. The constant that fits numbers best by it is their
 * median, so that an outlier hardly moves it; its gradient is the sign of the error, 0 where there is none. Course rows E02, E04, E06–E08.
 *
 * @param prediction - Any shape.
 * @param target - The same shape and dtype.
 * @param weights - How often each example counts, [examples].
 * @throws {@link ShapeError} when shapes differ.
 * @example
 * ```ts
 * import { l1Loss, tensor } from 'nodegrad';
 * l1Loss(tensor([1, 2]), tensor([1, 4]), { reduction: 'sum' }).item(); // 2
 * ```
 */
export function l1Loss<D extends FloatDType>(
  prediction: Tensor<D>,
  target: Tensor<D>,
  options: LossOptions = {},
  weights?: AnyTensor,
): Tensor<D> {
  checkOptions(options, 'options', ['reduction']);
  return ofDifference('l1Loss', prediction, target, options, weights, abs);
}

/**
 * Huber's error: `d²/2` for |d| ≤ δ, else `δ·(|d| − δ/2)`, with `d = prediction − target`; by default its mean over all elements. Squared
 * near the target and linear far from it, so that outliers pull no harder than `δ` (Huber, 1964).
 *
 * @param prediction - Any shape.
 * @param target - The same shape and dtype.
 * @param weights - How often each example counts, [examples].
 * @throws {@link ShapeError} when shapes differ.
 * @example
 * ```ts
 * import { huberLoss, tensor } from 'nodegrad';
 * huberLoss(tensor([0.5, 4]), tensor([0, 0]), { reduction: 'none' }).toArray(); // [0.125, 3.5]
 * ```
 */
export function huberLoss<D extends FloatDType>(
  prediction: Tensor<D>,
  target: Tensor<D>,
  options: HuberLossOptions = {},
  weights?: AnyTensor,
): Tensor<D> {
  checkOptions(options, 'options', ['reduction', 'delta']);
  const delta = checkDelta(options.delta);
  return ofDifference('huberLoss', prediction, target, options, weights, (difference) => huber(difference, delta));
}

const checkDelta = (delta: unknown = 1): number => checkNumber(delta, 'options.delta', Number.MIN_VALUE);

/**
 * Smooth L1: `d²/(2β)` for |d| ≤ β, else `|d| − β/2`, with `d = prediction − target`: Huber's error divided by β, so that the slope far
 * from the target is 1 for any β. By default its mean over all elements (Girshick, 2015).
 *
 * @param prediction - Any shape.
 * @param target - The same shape and dtype.
 * @param weights - How often each example counts, [examples].
 * @throws {@link ShapeError} when shapes differ.
 * @example
 * ```ts
 * import { smoothL1Loss, tensor } from 'nodegrad';
 * smoothL1Loss(tensor([1, 4]), tensor([0, 0]), { beta: 2, reduction: 'none' }).toArray(); // [0.25, 3]
 * ```
 */
export function smoothL1Loss<D extends FloatDType>(
  prediction: Tensor<D>,
  target: Tensor<D>,
  options: SmoothL1LossOptions = {},
  weights?: AnyTensor,
): Tensor<D> {
  checkOptions(options, 'options', ['reduction', 'beta']);
  const beta = checkBeta(options.beta);
  return ofDifference('smoothL1Loss', prediction, target, options, weights, (difference) =>
    beta === 0 ? abs(difference) : mul(huber(difference, beta), 1 / beta),
  );
}

const checkBeta = (beta: unknown = 1): number => checkNumber(beta, 'options.beta', 0);

/**
 * Mean squared error (L2); see {@link mseLoss}. Course rows E01, E05.
 *
 * @example
 * ```ts
 * import { MSELoss, tensor } from 'nodegrad';
 * new MSELoss({ reduction: 'sum' }).forward(tensor([1, 2]), tensor([1, 4])).item(); // 4
 * ```
 */
export class MSELoss extends ReducedLoss {
  constructor(options: LossOptions = {}) {
    super(options);
  }

  forward<D extends FloatDType>(prediction: Tensor<D>, target: Tensor<D>, weights?: AnyTensor): Tensor<D> {
    return mseLoss(prediction, target, { reduction: this.reduction }, weights);
  }
}

/**
 * Mean absolute error (L1); see {@link l1Loss}. Course rows E02, E06–E08.
 *
 * @example
 * ```ts
 * import { L1Loss, tensor } from 'nodegrad';
 * new L1Loss().forward(tensor([1, 2]), tensor([1, 4])).item(); // 1
 * ```
 */
export class L1Loss extends ReducedLoss {
  constructor(options: LossOptions = {}) {
    super(options);
  }

  forward<D extends FloatDType>(prediction: Tensor<D>, target: Tensor<D>, weights?: AnyTensor): Tensor<D> {
    return l1Loss(prediction, target, { reduction: this.reduction }, weights);
  }
}

/**
 * Huber's error; see {@link huberLoss}.
 *
 * @example
 * ```ts
 * import { HuberLoss, tensor } from 'nodegrad';
 * new HuberLoss({ delta: 2 }).forward(tensor([4]), tensor([0])).item(); // 6
 * ```
 */
export class HuberLoss extends ReducedLoss {
  /** Where squared becomes linear. */
  readonly delta: number;

  constructor(options: HuberLossOptions = {}) {
    super(options, ['delta']);
    this.delta = checkDelta(options.delta);
  }

  forward<D extends FloatDType>(prediction: Tensor<D>, target: Tensor<D>, weights?: AnyTensor): Tensor<D> {
    return huberLoss(prediction, target, { reduction: this.reduction, delta: this.delta }, weights);
  }
}

/**
 * Smooth L1; see {@link smoothL1Loss}.
 *
 * @example
 * ```ts
 * import { SmoothL1Loss, tensor } from 'nodegrad';
 * new SmoothL1Loss({ beta: 2 }).forward(tensor([4]), tensor([0])).item(); // 3
 * ```
 */
export class SmoothL1Loss extends ReducedLoss {
  /** Where squared becomes linear. */
  readonly beta: number;

  constructor(options: SmoothL1LossOptions = {}) {
    super(options, ['beta']);
    this.beta = checkBeta(options.beta);
  }

  forward<D extends FloatDType>(prediction: Tensor<D>, target: Tensor<D>, weights?: AnyTensor): Tensor<D> {
    return smoothL1Loss(prediction, target, { reduction: this.reduction, beta: this.beta }, weights);
  }
}

keepNames({ MSELoss, L1Loss, HuberLoss, SmoothL1Loss });
