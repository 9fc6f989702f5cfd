// What a classifier says of single examples, from its scores: the class, its probability, and how far the second class is behind.

import { sigmoid } from '../ops/activations.js';
import { softmax } from '../ops/softmax.js';
import { type Tensor, noGrad } from '../tensor.js';

/** A prediction of one example. */
export interface Judged {
  /** Which of the examples. */
  readonly at: number;
  readonly target: number;
  readonly prediction: number;
  /** The probability of the predicted class; null for numbers. */
  readonly share: number | null;
  /** How sure, or how far off. */
  readonly size: number;
}

/** By scores [examples, classes]: softmax gives probabilities. A label that is no class is left out. */
export function judgeScores(scores: Tensor, targets: ArrayLike<number>): Judged[] {
  const classes = scores.shape[1];
  const shares = noGrad(() => softmax(scores.detach())).data;
  const list: Judged[] = [];
  for (let at = 0; at < targets.length; at++) {
    const target = targets[at];
    if (!Number.isInteger(target) || target < 0 || target >= classes) continue;
    let [prediction, second] = [0, -1];
    for (let c = 1; c < classes; c++) {
      const share = shares[at * classes + c];
      if (share > shares[at * classes + prediction]) [prediction, second] = [c, prediction];
      else if (second < 0 || share > shares[at * classes + second]) second = c;
    }
    const share = shares[at * classes + prediction];
    list.push({ at, target, prediction, share, size: share - (second < 0 ? 0 : shares[at * classes + second]) });
  }
  return list;
}

/** By one output an example for yes or no: a score, or a probability already. */
export function judgeAnswers(outputs: Tensor, targets: ArrayLike<number>, areScores: boolean): Judged[] {
  const { data } = areScores ? noGrad(() => sigmoid(outputs.detach())) : outputs;
  return Array.from(targets, (target, at) => {
    const prediction = Number(data[at] > 0.5);
    const share = prediction === 1 ? data[at] : 1 - data[at];
    return { at, target, prediction, share, size: share };
  });
}
