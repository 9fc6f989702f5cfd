// The examples that a classifier gets wrong, by name.

import { checkDataset } from '../data/contract.js';
import type { AnyDataset } from '../data/dataset.js';
import { ArgumentError, ShapeError, checkInteger, checkOptions, describeShape } from '../errors.js';
import { checkLayer } from '../layers/check.js';
import type { AnyLayer } from '../layers/layer.js';
import { refuseInStep } from '../recording.js';
import { Tensor } from '../tensor.js';
import { checkClasses, classNamesOf } from '../training/class-names.js';
import { type PredictOptions, predict } from '../training/evaluate.js';
import { targetsOf } from './baseline.js';
import { judgeAnswers, judgeScores } from './judged.js';

/** Options of {@link mistakes}. */
export interface MistakesOptions extends PredictOptions {
  /** How many at most, the surest first. Default: all. */
  readonly most?: number;
}

/** An example that a classifier gets wrong. */
export interface Mistake {
  /** Where it stands in the data set, from 0. */
  readonly index: number;
  /** The file that it was read from; null where the data set does not know. */
  readonly file: string | null;
  /** Its class, by name; by number where there are no names. */
  readonly label: string;
  /** The class that the model takes it for. */
  readonly prediction: string;
  /** The probability that the model gives to that class. */
  readonly probability: number;
}

/**
 * The examples of a data set that a classifier gets wrong, the surest mistakes first: by index, and by file for what `datasets.imageFolder` read, or a
 * {@link TensorDataset} with `files`. The first ones are worth a look: many are wrong labels.
 *
 * The model gives scores [examples, classes], of which softmax makes probabilities, or one score of yes or no, of which sigmoid does.
 *
 * @param data - Class indices as targets, or 0 and 1 beside one score.
 * @throws {@link ArgumentError} for a stream, targets that are no classes, other classes than the model's, and wrong options; {@link ShapeError} for a model that
 *   gives anything else.
 * @example
 * ```ts
 * import { datasets, load, mistakes } from 'nodegrad';
 * const model = await load('pets.safetensors');
 * const { test } = await datasets.imageFolder('photos', { imageSize: 64, raw: true });
 * for (const { file, label, prediction, probability } of await mistakes(model, test, { most: 10 }))
 *   console.log(`${file}: ${label}, taken for ${prediction} (${(100 * probability).toFixed(0)} %)`);
 * ```
 */
export async function mistakes(model: AnyLayer, data: AnyDataset, options: MistakesOptions = {}): Promise<Mistake[]> {
  refuseInStep('mistakes() was called', 'Call it between two steps');
  checkLayer(model);
  checkDataset(data, 'data');
  const { most, ...rest } = checkOptions<MistakesOptions>(options, 'options', ['most', 'batchSize', 'progress', 'signal']);
  const limit = most === undefined ? Number.POSITIVE_INFINITY : checkInteger(most, 'options.most', 0);
  checkClasses(model, data);
  const found = await targetsOf(data);
  if (found === null) throw new ArgumentError(`the targets of data set '${data.name}' are more than a class for each example`);
  const { values, areNumbers } = found;
  const outputs: unknown = await predict(model, data, rest);
  const isOne = outputs instanceof Tensor && (outputs as Tensor).size === data.length;
  if (!isOne && !(outputs instanceof Tensor && (outputs as Tensor).rank === 2)) {
    const what = outputs instanceof Tensor ? describeShape((outputs as Tensor).shape) : 'several tensors';
    throw new ShapeError(`mistakes() takes a model that gives scores [examples, classes], or one for each example, this one gives ${what}`);
  }
  if (isOne ? values.some((value) => value !== 0 && value !== 1) : areNumbers)
    throw new ArgumentError(
      `the targets of data set '${data.name}' are numbers, and mistakes() is for classes: int32 indices, or 0 and 1 beside one score`,
    );
  const names = classNamesOf(model) ?? data.classes;
  const nameOf = (index: number): string => names?.[index] ?? String(index);
  const judged = isOne ? judgeAnswers(outputs as Tensor, values, true) : judgeScores(outputs as Tensor, values);
  return judged
    .filter(({ target, prediction }) => target !== prediction)
    .sort((a, b) => b.share! - a.share!)
    .slice(0, limit)
    .map(({ at, target, prediction, share }) => ({
      index: at,
      file: data.fileOf?.(at) ?? null,
      label: nameOf(target),
      prediction: nameOf(prediction),
      probability: share!,
    }));
}
