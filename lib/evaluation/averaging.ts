// How several predictions of the same examples become one.

import { checkChoice } from '../errors.js';
import { exp, log } from '../ops/elementwise.js';
import { softplus } from '../ops/smooth_activations.js';
import { stack } from '../ops/shape.js';
import { logSoftmax } from '../ops/softmax.js';
import type { Tensor } from '../tensor.js';

/** What outputs are: scores of exclusive classes, scores of yes or no, or plain numbers such as probabilities and prices. */
export type OutputKind = 'classes' | 'labels' | 'numbers';

/** @internal */
export function checkOutputKind(value: unknown = 'classes'): OutputKind {
  return checkChoice<OutputKind>(value, 'options.outputs', ['classes', 'labels', 'numbers']);
}

/**
 * @internal The average of predictions of one shape. Of scores it is that of the probabilities, and comes as scores again: logarithms of the
 * averaged softmax, or the x whose σ(x) is the averaged sigmoid. A loss on scores, and accuracy, take it as any model's.
 */
export function averageOf(predictions: readonly Tensor[], kind: OutputKind): Tensor {
  if (kind === 'numbers') return stack(predictions).mean(0);
  if (kind === 'classes') return logMean(predictions.map((scores) => logSoftmax(scores)));
  // ln σ(x) = −softplus(−x), and ln(1 − σ(x)) = −softplus(x).
  const of = (sign: number): Tensor => logMean(predictions.map((scores) => softplus(scores.mul(sign)).neg()));
  return of(-1).sub(of(1));
}

/** ln of the mean of exp, without overflow where all are far below zero. */
function logMean(logarithms: readonly Tensor[]): Tensor {
  const all = stack(logarithms);
  const largest = all.max(0, { keepDims: true }).detach().clip(-1e30, 1e30);
  return log(exp(all.sub(largest)).mean(0)).add(largest.reshape(largest.shape.slice(1)));
}
