// Statistics of batch norm that are computed anew, over data as the model sees them.

import { ArgumentError, checkInteger, checkOptions, expected } from '../errors.js';
import { BatchNorm } from '../layers/batch-norm.js';
import type { AnyLayer } from '../layers/layer.js';
import { withoutGradients } from '../ops/emit.js';
import { preprocessingOf } from '../preprocessing/of-model.js';
import { ProgressBar, type ProgressOption } from '../progress.js';
import { type AnyTensor, Tensor } from '../tensor.js';

/** What {@link reestimateStatistics} goes through: inputs, or pairs of inputs and targets, such as a {@link DataLoader} gives. */
export type StatisticsBatches = Iterable<unknown> | AsyncIterable<unknown>;

/** Options of {@link reestimateStatistics}. */
export interface ReestimateOptions {
  /** How many batches at most. Default: all that there are. */
  batches?: number;
  /** A bar on a terminal, where it takes longer than a second: standard error; a stream to write to, or false. Default `'auto'`. */
  progress?: ProgressOption;
}

/**
 * Computes the running statistics of all batch norms anew, as the plain mean over batches: after weights were averaged, or to use more
 * examples than the running average remembers. All other layers work as in evaluation; modes, weights and gradients stay as they are. Course
 * row D18.
 *
 * The batches are data as `fit`, `evaluate` and `predict` take them: they go through `model.preprocessing`, where the model has one.
 *
 * @param model - Whose batch norms are meant.
 * @param batches - Inputs, or pairs of inputs and targets, before the model's preprocessing.
 * @returns How many batches were used.
 * @throws {@link ArgumentError} when there is no batch, or one that is no tensor.
 * @example
 * ```ts
 * import { BatchNorm1d, Linear, Sequential, ones, reestimateStatistics } from 'nodegrad';
 * const model = new Sequential([new Linear(4, 3), new BatchNorm1d(3)]);
 * await reestimateStatistics(model, [ones([8, 4]), ones([8, 4])]); // 2
 * ```
 */
export async function reestimateStatistics(model: AnyLayer, batches: StatisticsBatches, options: ReestimateOptions = {}): Promise<number> {
  const { batches: most = Number.MAX_SAFE_INTEGER, progress } = checkOptions<ReestimateOptions>(options, 'options', ['batches', 'progress']);
  checkInteger(most, 'options.batches', 1);
  if (typeof (model as Partial<AnyLayer> | null)?.namedLayers !== 'function') throw new ArgumentError(expected('a model', 'model', model));
  const isList = typeof batches === 'object' && batches !== null && (Symbol.iterator in batches || Symbol.asyncIterator in batches);
  if (!isList) throw new ArgumentError(expected('batches to iterate over', 'batches', batches));
  const preprocessing = preprocessingOf(model);
  const layers = [...model.namedLayers().values()];
  const norms = layers.filter(
    (layer): layer is BatchNorm & AnyLayer => layer instanceof BatchNorm && layer.runningMean !== null && !layer.frozen,
  );
  const modes = layers.map((layer) => [layer, layer.training] as const);
  const weights = norms.map(({ momentum }) => momentum);
  const before = norms.map(({ runningMean, runningVar, numBatchesTracked }) =>
    [runningMean, runningVar, numBatchesTracked].map((one) => (one as AnyTensor).data.slice()),
  );
  const length = (batches as { length?: unknown }).length;
  const bar = new ProgressBar(progress, 'estimating statistics, batches:', typeof length === 'number' ? Math.min(length, most) : null);
  let count = 0;
  try {
    model.eval();
    for (const norm of norms) {
      norm.train();
      Object.assign(norm, { momentum: null });
      norm.numBatchesTracked?.data.fill(0);
    }
    for await (const batch of batches) {
      const inputs: unknown = Array.isArray(batch) ? batch[0] : batch;
      if (!(inputs instanceof Tensor)) throw new ArgumentError(expected('a tensor, or a pair that begins with one', `batch ${count}`, batch));
      const seen = preprocessing === null ? inputs : preprocessing.transform(inputs);
      withoutGradients(() => model.forward(seen as never));
      bar.update(++count);
      if (count >= most) break;
    }
    if (count === 0) throw new ArgumentError(expected('at least one batch', 'batches', batches));
  } catch (error) {
    for (const [i, { runningMean, runningVar, numBatchesTracked }] of norms.entries())
      for (const [j, one] of [runningMean, runningVar, numBatchesTracked].entries()) (one as AnyTensor).data.set(before[i][j] as never);
    throw error;
  } finally {
    bar.end();
    for (const [i, norm] of norms.entries()) Object.assign(norm, { momentum: weights[i] });
    for (const [layer, training] of modes) layer.train(training);
  }
  return count;
}
