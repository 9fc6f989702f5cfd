// Evaluation and prediction: forward passes in evaluation mode, off the tape, the modes as before afterwards.

import type { Dataset } from '../data/dataset.js';
import { DataLoader } from '../data/loader.js';
import type { DType } from '../dtype.js';
import { AbortedError, ArgumentError, ShapeError, checkInteger, checkOptions, expected } from '../errors.js';
import type { AnyLayer } from '../layers/layer.js';
import { CrossEntropyLoss, Loss } from '../losses/loss.js';
import { Accuracy, Metric } from '../metrics/metric.js';
import { concat } from '../ops/shape.js';
import { type AnyTensor, Tensor, noGrad } from '../tensor.js';
import type { Scores } from './history.js';
import { Breather, rememberModes } from './modes.js';

/** Options of `model.evaluate`. */
export interface EvaluateOptions {
  /** The loss. */
  readonly loss: Loss;
  /** Default: accuracy with a {@link CrossEntropyLoss}, else none. */
  readonly metrics?: readonly Metric[];
  /** Examples per forward pass; default 256. It changes no result beyond the rounding of sums over batches. */
  readonly batchSize?: number;
  /** Stops between two batches. */
  readonly signal?: AbortSignal;
}

/** Options of `model.predict`. */
export interface PredictOptions {
  /** Examples per forward pass; default 256. It changes no result. */
  readonly batchSize?: number;
  /** Stops between two batches. */
  readonly signal?: AbortSignal;
}

/** `model.evaluate(data, options)`: documented there. */
export async function evaluate(model: AnyLayer, data: Dataset<DType, DType>, options: EvaluateOptions): Promise<Scores> {
  checkOptions(options, 'options', ['loss', 'metrics', 'batchSize', 'signal']);
  const loss = checkLoss(options?.loss);
  const metrics = checkMetrics(options.metrics, loss);
  const { batchSize = 256, signal } = options;
  const loader = new DataLoader<DType, DType>(data, { batchSize });
  if (loader.length === 0) throw new ArgumentError(`the data set ${data.name} is empty: there is nothing to evaluate`);
  for (const metric of metrics) metric.reset();
  let sum = 0;
  await inEvaluation(model, loader, checkSignal(signal), (prediction, targets) => {
    sum += lossValue(loss.forward(prediction, targets)) * weightOf(loss, prediction.shape[0]);
    for (const metric of metrics) metric.update(prediction, targets);
  });
  return { loss: sum / data.length, metrics: resultsOf(metrics) };
}

/** `model.predict(inputs, options)`: documented there. */
export async function predict(model: AnyLayer, inputs: AnyTensor | Dataset<DType, DType>, options: PredictOptions = {}): Promise<AnyTensor> {
  const { batchSize = 256, signal } = checkOptions<PredictOptions>(options, 'options', ['batchSize', 'signal']);
  checkInteger(batchSize, 'options.batchSize', 1);
  const parts: AnyTensor[] = [];
  const keep = (prediction: AnyTensor): void => {
    parts.push(prediction);
  };
  const source =
    inputs instanceof Tensor ? rowsOf(Tensor.check(inputs, 'inputs'), batchSize) : new DataLoader<DType, DType>(inputs, { batchSize });
  await inEvaluation(model, source, checkSignal(signal), keep);
  if (parts.length === 0) throw new ArgumentError('the data set is empty: there is nothing to predict');
  return parts.length === 1 ? parts[0] : noGrad(() => concat(parts));
}

function* rowsOf(inputs: AnyTensor, batchSize: number): Generator<[AnyTensor, AnyTensor]> {
  if (inputs.rank === 0) throw new ShapeError('predict() expects a first dimension that counts examples, received a rank-0 tensor');
  const rows = inputs.detach();
  if (rows.shape[0] === 0) yield [rows, rows];
  for (let start = 0; start < rows.shape[0]; start += batchSize) {
    const part = rows.slice(start, Math.min(start + batchSize, rows.shape[0]));
    yield [part, part];
  }
}

async function inEvaluation(
  model: AnyLayer,
  batches: Iterable<[AnyTensor, AnyTensor]>,
  signal: AbortSignal | undefined,
  use: (prediction: AnyTensor, targets: AnyTensor) => void,
): Promise<void> {
  const restore = rememberModes(model);
  const breather = new Breather();
  try {
    for (const [inputs, targets] of batches) {
      // Each time: whoever trains the same model between two turns of the event loop may have changed its mode.
      model.eval();
      noGrad(() => {
        const prediction = model.forward(inputs as never) as unknown;
        use(Tensor.check(prediction, "the model's output"), targets);
      });
      const pause = breather.pause();
      if (pause !== undefined) await pause;
      if (signal?.aborted) throw new AbortedError('the evaluation was stopped', { cause: signal.reason });
    }
  } finally {
    restore();
  }
}

/** The loss of a batch as a number; an error where it is not one number. */
export function lossValue(loss: AnyTensor): number {
  if (Tensor.check(loss, "the loss's result").size !== 1) {
    throw new ShapeError(`a loss for training must be one number, received shape [${loss.shape.join(', ')}]: use reduction 'mean'`);
  }
  return loss.item();
}

/** What the loss of a batch counts for in a mean per example: a sum over the batch holds its examples already. */
export function weightOf(loss: Loss, examples: number): number {
  return (loss as { reduction?: unknown }).reduction === 'sum' ? 1 : examples;
}

export function checkLoss(loss: unknown): Loss {
  if (!(loss instanceof Loss)) throw new ArgumentError(expected('a Loss, such as new CrossEntropyLoss()', 'options.loss', loss));
  return loss;
}

/** The metrics asked for, or the default of a loss. */
export function checkMetrics(metrics: unknown, loss: Loss): readonly Metric[] {
  if (metrics === undefined) return loss instanceof CrossEntropyLoss ? [new Accuracy()] : [];
  if (!Array.isArray(metrics) || !metrics.every((metric) => metric instanceof Metric)) {
    throw new ArgumentError(expected('an array of metrics, such as [new Accuracy()]', 'options.metrics', metrics));
  }
  return metrics;
}

export function checkSignal(signal: unknown): AbortSignal | undefined {
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw new ArgumentError(expected('an AbortSignal', 'options.signal', signal));
  return signal;
}

export function resultsOf(metrics: readonly Metric[]): Record<string, number> {
  return Object.fromEntries(metrics.map((metric) => [metric.name, metric.result()]));
}
