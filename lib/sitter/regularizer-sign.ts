// Whether regularizers raise the loss, as they are to: one that lowers it has the wrong sign.

import type { Regularizer } from '../regularizers/regularizer.js';
import { type AnyTensor, noGrad } from '../tensor.js';
import { short } from './evidence.js';
import { type Finding, findingOf } from './finding.js';

/** How much larger weights are made for a second look. */
const growth = 1.1;

/** A finding for the first regularizer whose penalty is below 0, and more so for larger weights; else null. Course row J04. */
export function judgeRegularizers(regularizers: readonly Regularizer[]): Finding | null {
  for (const regularizer of regularizers) {
    const now = penaltyOf(regularizer);
    if (!(now < 0) || !(grown(regularizer.parameters, () => penaltyOf(regularizer)) < now)) continue;
    const { name } = regularizer.constructor;
    return findingOf(
      {
        id: 'regularizer-lowers-loss',
        verdict: 'fault',
        seen: `${name === '' ? 'a regularizer' : name} adds ${short(now)} to the loss, and less still where the weights are larger`,
        why: 'Regularization is to make the loss higher; one with the wrong sign makes the weights grow without end (course row J04)',
        advice: 'Turn the sign of its penalty',
        change: null,
        confidence: 0.9,
      },
      0,
      0,
    );
  }
  return null;
}

function penaltyOf(regularizer: Regularizer): number {
  try {
    return noGrad(() => regularizer.penalty()?.item() ?? 0);
  } catch {
    return Number.NaN; // what it refuses, the first step says
  }
}

/** What `body` gives while weights are larger. */
function grown(weights: readonly AnyTensor[], body: () => number): number {
  const kept = weights.map(({ data }) => data.slice());
  try {
    for (const { data } of weights) for (let i = 0; i < data.length; i++) data[i] *= growth;
    return body();
  } finally {
    for (const [i, { data }] of weights.entries()) data.set(kept[i] as Float32Array);
  }
}
