// Test-time augmentation: what a model makes of several versions of each example, averaged.

import { checkDataset } from '../data/contract.js';
import type { AnyDataset, Batch, BatchPart, Dataset } from '../data/dataset.js';
import { checkInteger, checkOptions } from '../errors.js';
import { checkLayer } from '../layers/check.js';
import type { AnyLayer } from '../layers/layer.js';
import { getSeed } from '../seed.js';
import { refuseInStep } from '../recording.js';
import { type Tensor, noGrad } from '../tensor.js';
import { predict } from '../training/evaluate.js';
import { type OutputKind, averageOf, checkOutputKind } from './averaging.js';

/** Options of {@link predictAugmented}. */
export interface PredictAugmentedOptions {
  /** Versions of each example; default 8. */
  readonly times?: number;
  /** What the model gives, as for {@link Ensemble}; default `'classes'`. */
  readonly outputs?: OutputKind;
  /** Decides what is drawn; default: the seed of `setSeed`. */
  readonly seed?: number;
  /** Examples per forward pass; default 256. */
  readonly batchSize?: number;
  /** Stops between two batches. */
  readonly signal?: AbortSignal;
}

/**
 * What a model makes of each example in several versions, averaged as an {@link Ensemble} averages its members: test-time augmentation. The data
 * set draws the versions, as {@link augmented} does for each epoch; add those of the plain data by hand where they are to count.
 *
 * @param model - The model; scores of classes, yes or no, or numbers.
 * @param data - A data set that draws, such as that of `augmented(raw, [randomFlip()])`.
 * @returns The averaged prediction: for scores, scores whose softmax or sigmoid is the mean of the probabilities.
 * @throws {@link ArgumentError} for wrong options, {@link AbortedError} when the signal stopped it.
 * @example
 * ```ts
 * import { augmented, datasets, predictAugmented, randomCrop, smallConvNet } from 'nodegrad';
 * const { test, mean } = await datasets.digits({ raw: true });
 * const shifted = augmented(test, [randomCrop({ padding: 2 })], { mean });
 * const scores = await predictAugmented(smallConvNet(), shifted, { times: 4 });
 * ```
 */
export async function predictAugmented(model: AnyLayer, data: AnyDataset, options: PredictAugmentedOptions = {}): Promise<Tensor> {
  refuseInStep('predictAugmented() was called', 'Call it between two steps');
  checkLayer(model);
  checkDataset(data, 'data');
  const known = ['times', 'outputs', 'seed', 'batchSize', 'signal'];
  const { times = 8, outputs, seed = getSeed(), batchSize, signal } = checkOptions<PredictAugmentedOptions>(options, 'options', known);
  checkInteger(times, 'options.times', 1, 10_000);
  checkInteger(seed, 'options.seed');
  const kind = checkOutputKind(outputs);
  const versions: Tensor[] = [];
  for (let epoch = 0; epoch < times; epoch++)
    versions.push((await predict(model, versionOf(data, seed, epoch), { batchSize, signal })) as Tensor);
  return noGrad(() => averageOf(versions, kind));
}

/** A data set as it draws its examples in one epoch. */
function versionOf(data: AnyDataset, seed: number, epoch: number): AnyDataset {
  const { name, length, inputShape, targetShape, classes, split } = data;
  const batch = (indices: Int32Array): Batch<BatchPart, BatchPart> => (data as Dataset<BatchPart, BatchPart>).batch(indices, { seed, epoch });
  return { name, length, inputShape, targetShape, ...(classes && { classes }), ...(split && { split }), batch } as AnyDataset;
}
