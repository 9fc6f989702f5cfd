// What losses share: how losses of examples become one number, and what predictions and targets must be.

import { type FloatDType, isFloat } from '../dtype.js';
import { DTypeError, ShapeError, checkChoice, describeShape } from '../errors.js';
import { sameShape } from '../ops/broadcast.js';
import { div, equal, mul, where } from '../ops/elementwise.js';
import { sizeOf } from '../ops/emit.js';
import { reshapeHint } from '../ops/hints.js';
import { mean, sum } from '../ops/reduce.js';
import { type AnyTensor, Tensor } from '../tensor.js';

/** How losses become one number. */
export type Reduction = 'mean' | 'sum' | 'none';

/** What all losses can be asked for. */
export interface LossOptions {
  /** `'mean'` (default), `'sum'`, or `'none'` for all of them. */
  readonly reduction?: Reduction;
}

const reductions = ['mean', 'sum', 'none'] as const;

export function checkReduction(value: unknown = 'mean'): Reduction {
  return checkChoice(value, 'options.reduction', reductions);
}

/** Weights of examples beside losses [examples, …]: [examples, 1, …], in the dtype of the losses. */
export function checkWeights<D extends FloatDType>(weights: AnyTensor, { shape, dtype }: Tensor<D>): Tensor<D> {
  const given = Tensor.check(weights, 'weights');
  if (!isFloat(given.dtype) || given.dtype !== dtype)
    throw new DTypeError(`expected ${dtype} for \`weights\`, as the losses are, received ${given.dtype}: weights.to('${dtype}')`);
  const wanted = shape.slice(0, 1);
  if (shape.length === 0 || !sameShape(given.shape, wanted))
    throw new ShapeError(
      `expected one number for each example, ${describeShape(wanted)}, for \`weights\`, received ${describeShape(given.shape)}${reshapeHint('weights', given.shape, wanted)}`,
    );
  return (given as Tensor<D>).reshape([shape[0], ...shape.slice(1).map(() => 1)]);
}

/**
 * Reduces losses: of elements, or of examples. With weights each loss counts that often: the mean is `Σ w·loss / Σ w`, over the
 * elements of the losses, and 0 where all weights are.
 */
export function reduceLoss<D extends FloatDType>(losses: Tensor<D>, reduction: Reduction, weights?: AnyTensor): Tensor<D> {
  if (weights === undefined) return reduction === 'mean' ? mean(losses) : reduction === 'sum' ? sum(losses) : losses;
  const factors = checkWeights(weights, losses);
  const weighted = mul(losses, factors);
  if (reduction !== 'mean') return reduction === 'sum' ? sum(weighted) : weighted;
  return meanOver(sum(weighted), mul(sum(factors), sizeOf(losses.shape.slice(1))));
}

/** A sum by its weight; where nothing has a weight the sum is 0, and so is the mean. */
export function meanOver<D extends FloatDType>(total: Tensor<D>, weight: Tensor<D>): Tensor<D> {
  return div(total, where(equal(weight, 0), 1, weight));
}

/** What a prediction of several numbers for each example mostly means beside a target of one. */
function hintFor(shape: readonly number[], { shape: wanted, dtype }: AnyTensor): string {
  const isOneEach = wanted[0] === shape[0] && wanted.slice(1).every((side) => side === 1);
  if (shape.length !== 2 || shape[1] < 2 || !isOneEach) return '';
  return isFloat(dtype)
    ? `: the model gives ${shape[1]} numbers for each example, and the target has one. For one number to predict a ready network such as mlp() takes \`classes: 1\``
    : ': class indices go with new CrossEntropyLoss()';
}

/** Refuses a target of another shape than the prediction, which broadcasting would stretch to a loss of every prediction with every target. */
export function requireSameShape(name: string, { shape }: AnyTensor, target: AnyTensor): void {
  if (sameShape(shape, target.shape)) return;
  throw new ShapeError(
    `[${name}] expected a target of shape ${describeShape(shape)}, received ${describeShape(target.shape)}${hintFor(shape, target) || reshapeHint('target', target.shape, shape)}`,
  );
}
