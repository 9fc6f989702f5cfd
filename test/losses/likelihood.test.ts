// Losses of log-probabilities.
import test from 'ava';
import { crossEntropy, KLDivergenceLoss, klDivergence, logSoftmax, NLLLoss, nllLoss, softmax } from '../../lib/index.js';
import { lossContract } from '../contracts/loss.js';
import { f64, i32 } from '../helpers/build.js';
import { close } from '../helpers/close.js';

const logs = [-0.5, -1, -2, -0.25, -3, -1.5];

test('NLLLoss keeps the loss contract', (t) =>
  lossContract(t, {
    create: () => new NLLLoss(),
    prediction: logs,
    shape: [2, 3],
    target: [1, 0],
    classes: true,
    value: 0.625,
    printed: 0,
    refuses: [
      { shape: [2, 3], target: [0, 3] },
      { shape: [2, 3], target: [0] },
    ],
  }));

test('KLDivergenceLoss keeps the loss contract', (t) =>
  lossContract(t, {
    create: () => new KLDivergenceLoss(),
    prediction: logs,
    shape: [2, 3],
    target: [0.5, 0.5, 0, 0, 0.25, 0.75],
    classes: false,
    value: (-Math.LN2 + 0.75 + 0.25 * (Math.log(0.25) + 3) + 0.75 * (Math.log(0.75) + 1.5)) / 2,
    printed: 0,
    refuses: [{ shape: [2, 3], target: [1, 0], targetShape: [2] }],
  }));

test('log-softmax and negative log-likelihood are cross-entropy', (t) => {
  const [scores, labels] = [f64([3.2, 5.1, -1.7, 1.3, 4.9, 2.0], [2, 3]), i32([0, 1])];
  for (const reduction of ['mean', 'sum', 'none'] as const)
    close(t, nllLoss(logSoftmax(scores), labels, { reduction }), crossEntropy(scores, labels, { reduction }), { relative: 1e-14 });
});

test('the divergence of a distribution from itself is 0, and cross-entropy is it plus the entropy of the target', (t) => {
  const [scores, target] = [f64([1, 2, -1, 0.5], [1, 4]), softmax(f64([0, 1, 2, 0.25], [1, 4]))];
  close(t, klDivergence(logSoftmax(scores), softmax(scores)), f64([0], []), { absolute: 1e-15 });
  const entropy = target
    .mul(logSoftmax(f64([0, 1, 2, 0.25], [1, 4])))
    .sum()
    .neg();
  close(t, klDivergence(logSoftmax(scores), target).add(entropy), crossEntropy(scores, target), { relative: 1e-14 });
});
