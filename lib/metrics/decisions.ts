// What a model decides and what was right, class by class: how metrics of classification read scores and targets.

import { DTypeError, ShapeError, checkFlag, checkInteger, describeShape } from '../errors.js';
import { isFloat } from '../dtype.js';
import { sameShape } from '../ops/broadcast.js';
import { classTargetHint } from '../ops/hints.js';
import { log } from '../ops/elementwise.js';
import { concat, filled } from '../ops/shape.js';
import { logSoftmax } from '../ops/softmax.js';
import { type AnyTensor, Tensor } from '../tensor.js';

/** Options of metrics that compare classes. */
export interface ClassMetricOptions {
  /** The label of examples that do not count; default: none. */
  readonly ignoreIndex?: number | null;
  /** Whether predictions are scores, before any softmax or sigmoid: default true. With false they are probabilities. */
  readonly fromLogits?: boolean;
}

/** @internal Their names, and those for which null is a value. */
export const classMetricOptions: readonly string[] = ['ignoreIndex', 'fromLogits'];
export const nullableClassMetricOptions: readonly string[] = ['ignoreIndex'];

/** The same, checked: how a metric of classes reads predictions and targets. */
export interface ClassSettings {
  /** The label of examples that do not count; null for none. */
  readonly ignoreIndex: number | null;
  /** Whether predictions are scores; else they are probabilities. */
  readonly fromLogits: boolean;
}

/** @internal */
export function checkClassMetric({ ignoreIndex = null, fromLogits = true }: ClassMetricOptions): ClassSettings {
  return {
    ignoreIndex: ignoreIndex === null ? null : checkInteger(ignoreIndex, 'options.ignoreIndex', -(2 ** 31), 2 ** 31 - 1),
    fromLogits: checkFlag(fromLogits, 'options.fromLogits'),
  };
}

/** @internal Predictions and targets of one kind: rows of scores of at least two classes, and labels. */
export interface ClassRows {
  /** Scores [examples, classes]; of a model with one output the classes are no and yes. */
  readonly scores: Tensor;
  /** Class indices [examples], int32. */
  readonly labels: Tensor<'int32'>;
  readonly classes: number;
}

/**
 * @internal Scores [..., classes] beside labels [...] or rows of probabilities; or scores of one output, [...] or [..., 1], beside 0 and 1 of
 * the same shape: these become two classes, no and yes.
 */
export function classRows(name: string, prediction: unknown, target: unknown, { fromLogits }: ClassSettings): ClassRows {
  const given = Tensor.check(prediction, 'prediction') as AnyTensor;
  const wanted = Tensor.check(target, 'target') as AnyTensor;
  if (!isFloat(given.dtype)) throw new DTypeError(`${name} expects float scores for \`prediction\`, received ${given.dtype}`);
  const scores = given as Tensor;
  const { shape } = scores;
  const [rows, classes] = [shape.slice(0, -1), shape[shape.length - 1]];
  const isOne = sameShape(wanted.shape, shape) && (shape.length < 2 || classes === 1);
  const isOneOfLabels = classes === 1 && shape.length > 1 && sameShape(wanted.shape, rows);
  if (isOne || isOneOfLabels) {
    const one = scores.reshape([-1, 1]);
    const yes = isFloat(wanted.dtype) ? (wanted as Tensor).greater(0.5).to('int32') : wanted.to('int32');
    return { scores: noAndYes(one, fromLogits), labels: yes.reshape([-1]), classes: 2 };
  }
  const fits = sameShape(wanted.shape, rows) && !isFloat(wanted.dtype);
  const isRows = sameShape(wanted.shape, shape) && isFloat(wanted.dtype) && shape.length > 1;
  if (shape.length === 0 || classes < 2 || !(fits || isRows))
    throw new ShapeError(
      `${name} expects scores [..., classes] beside class indices [...], or scores of one output beside 0 and 1 of the same shape, received ${describeShape(shape)} and ${wanted.dtype} ${describeShape(wanted.shape)}${classTargetHint(wanted.shape, scores)}`,
    );
  const labels = isRows ? (wanted as Tensor).argmax(-1) : wanted.to('int32');
  return { scores: scores.reshape([-1, classes]), labels: labels.reshape([-1]), classes };
}

/** The score x of one output as scores of two classes whose softmax is [1 − σ(x), σ(x)]; a probability p as [1 − p, p]. */
function noAndYes(one: Tensor, fromLogits: boolean): Tensor {
  return concat([fromLogits ? filled(one.shape, 0, one.dtype) : one.neg().add(1), one], 1);
}

/** @internal Which class each row decides for: the largest score, of equal ones the first. Of one output, no where the score is 0 or p is ½. */
export const decided = ({ scores }: ClassRows): Tensor<'int32'> => scores.argmax(-1);

/** @internal 1 where an example counts, float64 [examples]. */
export function counting({ labels }: ClassRows, { ignoreIndex }: ClassSettings): Tensor<'float64'> {
  return labels.notEqual(ignoreIndex ?? -(2 ** 31)).to('float64');
}

/** @internal Rows of zeros with a one at the class, float32 [examples, classes]; zeros alone for a label that is no class. */
export function oneHot(labels: Tensor<'int32'>, classes: number): Tensor {
  return labels
    .reshape([-1, 1])
    .equal(Tensor.from(Int32Array.from({ length: classes }, (_, i) => i)))
    .to('float32');
}

/** @internal Logarithms of probabilities in float64: log-softmax of scores, or logarithms of probabilities that are at least 2⁻⁵². */
export function logProbabilities({ scores }: ClassRows, { fromLogits }: ClassSettings): Tensor<'float64'> {
  const wide = scores.to('float64');
  return fromLogits ? logSoftmax(wide) : log(wide.clip(Number.EPSILON, 1));
}
