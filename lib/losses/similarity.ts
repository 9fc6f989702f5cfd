// Losses of embeddings: cosine of two, and the distances of three.

import type { FloatDType } from '../dtype.js';
import { ArgumentError, ShapeError, checkNumber, checkOptions, describeShape, expected } from '../errors.js';
import { relu } from '../ops/activations.js';
import { sameShape } from '../ops/broadcast.js';
import { called } from '../ops/called.js';
import { add, div, greater, mul, neg, requireFloat, sqrt, sub, where } from '../ops/elementwise.js';
import { sum } from '../ops/reduce.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { keepNames } from '../names.js';
import { ReducedLoss, type TargetDomain, minusOneOrOne } from './loss.js';
import { type LossOptions, checkReduction, reduceLoss, requireSameShape } from './reduce.js';

/** Options of {@link cosineEmbeddingLoss} and {@link CosineEmbeddingLoss}: the mean is over the pairs. */
export interface CosineEmbeddingLossOptions extends LossOptions {
  /** Up to this cosine two that do not belong together may be alike, from −1 to 1; default 0. */
  readonly margin?: number;
}

/** Options of {@link tripletLoss} and {@link TripletLoss}: the mean is over the triples. */
export interface TripletLossOptions extends LossOptions {
  /** By how much the negative has to be farther away than the positive; default 1. */
  readonly margin?: number;
}

const checkCosineMargin = (value: unknown = 0): number => checkNumber(value, 'options.margin', -1, 1);
const checkTripletMargin = (value: unknown = 1): number => checkNumber(value, 'options.margin', 0);

/** Embeddings [..., features] of one shape and dtype. */
function embeddings<D extends FloatDType>(name: string, given: Readonly<Record<string, Tensor<D>>>): void {
  const all = Object.entries(given).map(([argument, one]) => [argument, Tensor.check(one, argument) as Tensor<D>] as const);
  const [[first, { shape }]] = all;
  if (shape.length === 0) throw new ShapeError(`[${name}] expected embeddings [..., features] for \`${first}\`, received a rank-0 tensor`);
  for (const [argument, one] of all.slice(1))
    if (!sameShape(one.shape, shape))
      throw new ShapeError(
        `[${name}] expected \`${argument}\` of the shape of \`${first}\`, ${describeShape(shape)}, received ${describeShape(one.shape)}`,
      );
  requireFloat(
    name,
    all.map(([, one]) => one),
  );
}

const dot = <D extends FloatDType>(a: Tensor<D>, b: Tensor<D>): Tensor<D> => sum(mul(a, b), -1);

/** As PyTorch: keeps the cosine of a vector of zeros, and its gradient, finite. */
const cosineEps = 1e-12;

/** As PyTorch: added to each difference, so that the distance of equal embeddings has a gradient. */
const distanceEps = 1e-6;

/**
 * Cosine embedding loss: `1 − cos(a, b)` for pairs that belong together (target 1), `max(0, cos(a, b) − margin)` for those that do not
 * (target −1), with `cos(a, b) = a·b / √((a·a + ε)(b·b + ε))`, ε = 1e-12; by default its mean over the pairs.
 *
 * @param a - Embeddings [..., features].
 * @param b - The same shape and dtype.
 * @param target - 1 or −1 for each pair, [...], the same dtype.
 * @param weights - How often each pair counts, [pairs].
 * @throws {@link ShapeError} when shapes do not fit, {@link DTypeError} when dtypes differ.
 * @example
 * ```ts
 * import { cosineEmbeddingLoss, tensor } from 'nodegrad';
 * cosineEmbeddingLoss(tensor([[1, 0]]), tensor([[0, 2]]), tensor([1])).item(); // 1
 * ```
 */
export function cosineEmbeddingLoss<D extends FloatDType>(
  a: Tensor<D>,
  b: Tensor<D>,
  target: Tensor<D>,
  options: CosineEmbeddingLossOptions = {},
  weights?: AnyTensor,
): Tensor<D> {
  const name = 'cosineEmbeddingLoss';
  checkOptions(options, 'options', ['reduction', 'margin']);
  const [reduction, margin] = [checkReduction(options.reduction), checkCosineMargin(options.margin)];
  embeddings(name, { a, b });
  const wanted = Tensor.check(target, 'target') as Tensor<D>;
  return called(name, () => {
    const lengths = mul(add(dot(a, a), cosineEps), add(dot(b, b), cosineEps));
    const cosine = div(dot(a, b), sqrt(lengths));
    requireSameShape(name, cosine, wanted);
    const losses = where(greater(wanted, 0), add(neg(cosine), 1), relu(sub(cosine, margin)));
    return reduceLoss(losses, reduction, weights);
  });
}

/**
 * Triplet loss `max(0, d(anchor, positive) − d(anchor, negative) + margin)` with the Euclidean distance `d(x, y) = ‖x − y + 1e-6‖`; by
 * default its mean over the triples (Schroff, Kalenichenko and Philbin, 2015, without their squares: PyTorch's form).
 *
 * @param anchor - Embeddings [..., features].
 * @param positive - Of the same kind each, the same shape and dtype.
 * @param negative - Of another kind each, the same shape and dtype.
 * @param weights - How often each triple counts, [triples].
 * @throws {@link ShapeError} when shapes differ, {@link DTypeError} when dtypes do.
 * @example
 * ```ts
 * import { tripletLoss, tensor } from 'nodegrad';
 * tripletLoss(tensor([[0, 0]]), tensor([[3, 4]]), tensor([[0, 5.5]])).item(); // 5 − 5.5 + 1
 * ```
 */
export function tripletLoss<D extends FloatDType>(
  anchor: Tensor<D>,
  positive: Tensor<D>,
  negative: Tensor<D>,
  options: TripletLossOptions = {},
  weights?: AnyTensor,
): Tensor<D> {
  checkOptions(options, 'options', ['reduction', 'margin']);
  const [reduction, margin] = [checkReduction(options.reduction), checkTripletMargin(options.margin)];
  embeddings('tripletLoss', { anchor, positive, negative });
  return called('tripletLoss', () => {
    const distance = (other: Tensor<D>): Tensor<D> => {
      const difference = add(sub(anchor, other), distanceEps);
      return sqrt(dot(difference, difference));
    };
    return reduceLoss(relu(add(sub(distance(positive), distance(negative)), margin)), reduction, weights);
  });
}

/** The parts of a prediction that is an array of `count` tensors. */
function parts<D extends FloatDType>(prediction: readonly Tensor<D>[], count: number, what: string): readonly Tensor<D>[] {
  if (Array.isArray(prediction) && prediction.length === count) return prediction;
  throw new ArgumentError(expected(`an array of ${what}`, 'prediction', prediction));
}

/**
 * Cosine embedding loss of a model that gives pairs of embeddings; see {@link cosineEmbeddingLoss}.
 *
 * @example
 * ```ts
 * import { CosineEmbeddingLoss, tensor } from 'nodegrad';
 * new CosineEmbeddingLoss().forward([tensor([[1, 0]]), tensor([[1, 0]])], tensor([-1])).item(); // 1
 * ```
 */
export class CosineEmbeddingLoss extends ReducedLoss {
  /** Up to this cosine two that do not belong together may be alike. */
  readonly margin: number;

  constructor(options: CosineEmbeddingLossOptions = {}) {
    super(options, ['margin']);
    this.margin = checkCosineMargin(options.margin);
  }

  /** @internal */
  override get targetDomain(): TargetDomain {
    return minusOneOrOne;
  }

  forward<D extends FloatDType>(prediction: readonly Tensor<D>[], target: Tensor<D>, weights?: AnyTensor): Tensor<D> {
    const [a, b] = parts(prediction, 2, 'two tensors, the embeddings of a pair');
    return cosineEmbeddingLoss(a, b, target, { reduction: this.reduction, margin: this.margin }, weights);
  }
}

/**
 * Triplet loss of a model that gives [anchor, positive, negative]; the batch's targets take no part. See {@link tripletLoss}.
 *
 * @example
 * ```ts
 * import { TripletLoss, tensor } from 'nodegrad';
 * const [anchor, positive, negative] = [tensor([[0, 0]]), tensor([[3, 4]]), tensor([[0, 5.5]])];
 * new TripletLoss({ margin: 2 }).forward([anchor, positive, negative]).item(); // 5 − 5.5 + 2
 * ```
 */
export class TripletLoss extends ReducedLoss {
  /** By how much the negative has to be farther away than the positive. */
  readonly margin: number;

  constructor(options: TripletLossOptions = {}) {
    super(options, ['margin']);
    this.margin = checkTripletMargin(options.margin);
  }

  forward<D extends FloatDType>(prediction: readonly Tensor<D>[], _target?: unknown, weights?: AnyTensor): Tensor<D> {
    const [anchor, positive, negative] = parts(prediction, 3, 'three tensors, [anchor, positive, negative]');
    return tripletLoss(anchor, positive, negative, { reduction: this.reduction, margin: this.margin }, weights);
  }
}

keepNames({ CosineEmbeddingLoss, TripletLoss });
