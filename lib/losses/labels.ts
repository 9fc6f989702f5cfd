// Losses of scores beside class indices: labels that are ignored, classes that weigh more, and the mean over what is left.

import type { FloatDType } from '../dtype.js';
import { ArgumentError, DTypeError, ShapeError, checkInteger, checkList, checkNumber, describeShape, expected } from '../errors.js';
import { sameShape } from '../ops/broadcast.js';
import { mul, notEqual, requireFloat, where } from '../ops/elementwise.js';
import { classTargetHint } from '../ops/hints.js';
import { sum } from '../ops/reduce.js';
import { filled, gather } from '../ops/shape.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { type LossOptions, checkReduction, checkWeights, meanOver, reduceLoss } from './reduce.js';

/** Class indices from 0. */
export type Labels = Tensor<'int32'> | Tensor<'uint8'>;

/** What losses of class indices can be asked for. */
export interface LabelOptions extends LossOptions {
  /** The label of examples that do not count, such as −1, or 255 in segmentation masks; default: none. */
  readonly ignoreIndex?: number | null;
  /** How much each class counts, such as one over its frequency: the mean is divided by the weights of the labels. Default: all 1. */
  readonly classWeights?: readonly number[] | null;
}

/** Their names. */
export const labelOptions: readonly string[] = ['ignoreIndex', 'classWeights'];

export function checkIgnoreIndex(value: unknown): number | null {
  return value === undefined || value === null ? null : checkInteger(value, 'options.ignoreIndex', -(2 ** 31), 2 ** 31 - 1);
}

export function checkClassWeights(value: unknown): readonly number[] | null {
  if (value === undefined || value === null) return null;
  const weights = checkList(
    value,
    'options.classWeights',
    'an array of numbers, one for each class in the order of their indices, such as classWeights(data),',
  );
  return Object.freeze(weights.map((weight) => checkNumber(weight, 'options.classWeights', 0)));
}

/** Class weights as a tensor beside scores of `classes` classes. */
export function classTable<D extends FloatDType>(weights: readonly number[], classes: number, dtype: D): Tensor<D> {
  if (weights.length !== classes) throw new ArgumentError(expected(`${classes} numbers, one for each class`, 'options.classWeights', weights));
  return Tensor.from((dtype === 'float64' ? Float64Array : Float32Array).from(weights) as Float32Array) as unknown as Tensor<D>;
}

/** Checks scores and labels beside them. */
export function checkScores<D extends FloatDType>(name: string, scores: Tensor<D>, labels: AnyTensor): [Tensor<D>, Labels] {
  const given = Tensor.check(scores, 'scores') as Tensor<D>;
  const wanted = Tensor.check(labels, 'target');
  requireFloat(name, [given]);
  if (given.shape.length === 0) throw new ShapeError(`[${name}] expected scores [..., classes], received a rank-0 tensor`);
  if (wanted.dtype !== 'int32' && wanted.dtype !== 'uint8')
    throw new DTypeError(`[${name}] expected int32 or uint8 class indices for \`target\`, received ${wanted.dtype}: target.to('int32')`);
  const rows = given.shape.slice(0, -1);
  if (!sameShape(wanted.shape, rows))
    throw new ShapeError(
      `[${name}] expected class indices of shape ${describeShape(rows)} for scores ${describeShape(given.shape)}, received ${describeShape(wanted.shape)}${classTargetHint(wanted.shape, given)}`,
    );
  return [given, wanted as Labels];
}

/**
 * A loss of rows of scores, reduced: ignored rows are 0 in the sum and absent from the mean, whose divisor is the sum of the weights of the
 * labels that count. `loss` gives the losses of the rows for labels that all name a class, without and with the weights of these classes.
 */
export function labelledLoss<D extends FloatDType>(
  scores: Tensor<D>,
  given: Labels,
  options: LabelOptions,
  examples: AnyTensor | undefined,
  loss: { plain: (labels: Tensor<'int32'>) => Tensor<D>; weighted?: (plain: Tensor<D>, weights: Tensor<D>, table: Tensor<D>) => Tensor<D> },
): Tensor<D> {
  const reduction = checkReduction(options.reduction);
  const ignore = checkIgnoreIndex(options.ignoreIndex);
  const classWeights = checkClassWeights(options.classWeights);
  let labels = given.dtype === 'int32' ? (given as Tensor<'int32'>) : given.to('int32');
  const counts = ignore === null ? null : notEqual(labels, ignore);
  if (counts !== null) labels = where(counts, labels, 0);
  let losses = loss.plain(labels);
  if (counts === null && classWeights === null) return reduceLoss(losses, reduction, examples);
  let weights: Tensor<D> = filled(losses.shape, 1, losses.dtype);
  if (classWeights !== null) {
    const table = classTable(classWeights, scores.shape[scores.shape.length - 1], scores.dtype);
    weights = gather(table, labels);
    losses = loss.weighted === undefined ? mul(losses, weights) : loss.weighted(losses, weights, table);
  }
  const kept = (values: Tensor<D>): Tensor<D> => {
    const own = counts === null ? values : where(counts, values, 0);
    return examples === undefined ? own : mul(own, checkWeights(examples, losses));
  };
  const all = kept(losses);
  if (reduction !== 'mean') return reduction === 'sum' ? sum(all) : all;
  return meanOver(sum(all), sum(kept(weights)));
}

/** The divisor of such a mean: the sum of the weights of the labels that count; null where all do, and alike. */
export function countOfLabels(
  scores: Tensor,
  given: Labels,
  { ignoreIndex, classWeights }: { readonly ignoreIndex: number | null; readonly classWeights: readonly number[] | null },
  examples: AnyTensor | undefined,
): Tensor | null {
  if (ignoreIndex === null && classWeights === null) return null;
  const labels = given.to('int32');
  const counts = ignoreIndex === null ? null : notEqual(labels, ignoreIndex);
  let weights: Tensor = filled(labels.shape, 1, scores.dtype);
  if (classWeights !== null) {
    const table = classTable(classWeights, scores.shape[scores.shape.length - 1], scores.dtype);
    weights = gather(table, counts === null ? labels : where(counts, labels, 0));
  }
  if (counts !== null) weights = where(counts, weights, 0);
  return sum(examples === undefined ? weights : mul(weights, checkWeights(examples, weights)));
}
