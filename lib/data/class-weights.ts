// Weights of classes by how rare they are, for a loss in which all are to count alike.

import { ArgumentError } from '../errors.js';
import { checkDataset } from './contract.js';
import type { AnyDataset, BatchPart, Dataset } from './dataset.js';
import { classLabels } from './parts.js';

/**
 * A weight for each class, `n / (k·count)` for n examples of k classes, in the order of `data.classes`: the `classWeights` of a loss. Rare classes then count as
 * much as common ones, and the mean weight of the examples is 1. It says nothing about thresholds: probabilities of a net that is trained so are no longer shares.
 * Labels that are no class, such as an `ignoreIndex` of −1, are left out.
 *
 * For one output of yes and no it is `positiveWeight: weights[1] / weights[0]` of {@link BinaryCrossEntropyLoss}.
 *
 * @param data - The training part, with class indices as targets.
 * @throws {@link ArgumentError} for targets that are no class indices, a set that has to be waited for and gives no `labels()`, and a class without an example.
 * @example
 * ```ts
 * import { CrossEntropyLoss, classWeights, readCsv, split } from 'nodegrad';
 * const data = (await readCsv('churn.csv')).dataset({ target: 'churn' });
 * const [train] = split(data, [0.8, 0.2], { stratify: true });
 * const loss = new CrossEntropyLoss({ classWeights: classWeights(train) }); // of 'no' and 'yes': [0.56, 4.5] where one of nine says yes
 * ```
 */
export function classWeights(data: AnyDataset): number[] {
  checkDataset(data, 'data');
  const labels = classLabels(data as Dataset<BatchPart, BatchPart>, 'classWeights()');
  let count = data.classes?.length ?? 0;
  if (data.classes === undefined) for (const label of labels) count = Math.max(count, label + 1);
  const counts = new Array<number>(count).fill(0);
  let all = 0;
  for (const label of labels) {
    if (label < 0 || label >= count) continue;
    counts[label] += 1;
    all += 1;
  }
  const none = counts.indexOf(0);
  if (none >= 0 || count === 0)
    throw new ArgumentError(
      `class '${data.classes?.[none] ?? Math.max(0, none)}' has no example in data set '${data.name}', and no weight makes up for that: split with { stratify: true } gives each part some, or leave the class out`,
    );
  return counts.map((one) => all / (count * one));
}
