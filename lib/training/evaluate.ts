// Evaluation and prediction: forward passes in evaluation mode, off the tape, the modes as before afterwards.

import { checkAnyDataset, isTable } from '../data/contract.js';
import { isAbortSignal, isPromise } from '../foreign.js';
import type { AnyDataset, BatchPart, Dataset } from '../data/dataset.js';
import { feedOf } from '../data/feed.js';
import { type AnyLoader, type AnyPair, DataLoader } from '../data/loader.js';
import { AbortedError, ArgumentError, ShapeError, checkInteger, checkOptions, expected } from '../errors.js';
import type { ProcessGroup } from '../distributed/process-group.js';
import type { AnyLayer } from '../layers/layer.js';
import { CombinedLoss } from '../losses/combined.js';
import { Loss } from '../losses/loss.js';
import type { Metric } from '../metrics/metric.js';
import { isBuiltIn } from '../names.js';
import { isBusy } from '../ops/busy.js';
import { concat } from '../ops/shape.js';
import { preprocessed, preprocessingOf } from '../preprocessing/of-model.js';
import { StepPrograms } from '../program/step.js';
import { StepFailure, runSteps } from '../program/stream.js';
import { UnrecordableError } from '../recording.js';
import { type AnyTensor, Tensor, noGrad } from '../tensor.js';
import { type TensorTree, firstTensor, isTree, mapTensors, tensorsOf } from '../tree.js';
import { checkClasses } from './class-names.js';
import { checkDomains } from './domains.js';
import { type BatchPlace, explainInputs, locate } from './failed-batch.js';
import type { Scores } from './history.js';
import { checkMetrics, resultsOf } from './measured.js';
import { type BatchRange, type BatchScores, batchesInGroup } from './evaluation-parts.js';
import { Breather, rememberModes } from './modes.js';
import { type RecordedParts, ownCodeOf } from './own-code.js';
import type { ProgressOption } from '../progress.js';
import { watched } from './reading.js';
import { checkUnits } from './target-units.js';
import { TensorRows } from './tensor-rows.js';
import { type Seen, addMeasured, measure, needPrediction } from './train-step.js';

/** Options of `model.evaluate`. */
export interface EvaluateOptions {
  /** The loss. */
  readonly loss: Loss;
  /** Default: accuracy with a loss of classes, such as `CrossEntropyLoss`, or of yes and no, `BinaryCrossEntropyLoss`; else none. A list stands in its place: accuracy is there where it names `new Accuracy()`. */
  readonly metrics?: readonly Metric[];
  /** Examples per forward pass; default 256. It changes no result beyond the rounding of sums over batches. */
  readonly batchSize?: number;
  /** A line on a terminal, where it takes longer than a second: standard error; a stream to write to, or false. Default `'auto'`. */
  readonly progress?: ProgressOption;
  /** Stops between two batches. */
  readonly signal?: AbortSignal;
}

/** Options of `model.predict`. */
export interface PredictOptions {
  /** Examples per forward pass; default 256. It changes no result. */
  readonly batchSize?: number;
  /** A line on a terminal, where it takes longer than a second: standard error; a stream to write to, or false. Default `'auto'`. */
  readonly progress?: ProgressOption;
  /** Stops between two batches. */
  readonly signal?: AbortSignal;
}

/** From this many batches on, a pass is compiled and runs off the main thread; fewer are done before a recording is. */
const worthCompiling = 4;

/** `model.evaluate(data, options)`: documented there. */
export async function evaluate(model: AnyLayer, data: AnyDataset, options: EvaluateOptions): Promise<Scores> {
  checkAnyDataset(data, 'data');
  checkClasses(model, data);
  const seen = preprocessed(model, data);
  checkUnits(model, data, options?.loss);
  if (options?.loss instanceof Loss) checkDomains(options.loss, seen);
  return evaluateSeen(model, seen, options);
}

/**
 * The same for data that have gone through the model's preprocessing.
 *
 * @param group - The processes that share the batches out; each of them hears of all, in their order.
 */
export async function evaluateSeen(model: AnyLayer, data: AnyDataset, options: EvaluateOptions, group?: ProcessGroup): Promise<Scores> {
  checkOptions(options, 'options', ['loss', 'metrics', 'batchSize', 'progress', 'signal']);
  const loss = checkLoss(options?.loss);
  const metrics = checkMetrics(options.metrics, loss);
  const { batchSize = 256, progress, signal } = options;
  const loader = new DataLoader<BatchPart, BatchPart>(data, { batchSize });
  checkNotEmpty(loader, 'evaluate');
  for (const metric of metrics) metric.reset();
  const [means, factors]: [BatchMean[], number[]] = [[], []];
  const keep = needPrediction(metrics);
  const pass = (...[inputs, targets, weights]: AnyPair) => {
    const prediction = checkOutput(model.forward(inputs as never));
    return {
      losses: reportedOf(loss, prediction, targets, weights),
      measured: measure(metrics, prediction, targets),
      prediction: keep ? prediction : null,
    };
  };
  const add = ({ losses, measured, examples, seen }: BatchScores): void => {
    for (const [i, one] of losses.entries()) {
      means[i] ??= new BatchMean();
      means[i].add(one.loss, one.isSum ? null : (one.counted ?? examples), examples);
      factors[i] = one.factor;
    }
    addMeasured(metrics, [measured], () => seen as Seen);
  };
  const { range, take, finish } = batchesInGroup(group, loader, keep, add);
  const use = ({ losses, measured, prediction }: ReturnType<typeof pass>, examples: number, targets: () => TensorTree): void => {
    const numbers = losses.map((one) => ({ ...one, loss: one.loss.item(), counted: one.counted?.item() ?? null }));
    take({ losses: numbers, measured, examples, seen: prediction && [prediction, targets()] });
  };
  const abort = checkSignal(signal);
  await watched(loader, { abort, progress, title: 'evaluating' }, use, (follow) =>
    inEvaluation({ model, loss, metrics }, loader, abort, pass, follow, range),
  );
  await finish();
  const total = means.reduce((before, mean, i) => before + (factors[i] === 1 ? mean.value : factors[i] * mean.value), 0);
  return { loss: total, metrics: resultsOf(metrics) };
}

/** `model.predict(inputs, options)`: documented there. */
export async function predict(model: AnyLayer, inputs: TensorTree | AnyDataset, options: PredictOptions = {}): Promise<TensorTree> {
  const { batchSize = 256, progress, signal } = checkOptions<PredictOptions>(options, 'options', ['batchSize', 'progress', 'signal']);
  checkInteger(batchSize, 'options.batchSize', 1);
  const parts: TensorTree[] = [];
  const pass = (rows: TensorTree): TensorTree => checkOutput(model.forward(rows as never));
  const keep = (prediction: TensorTree): void => {
    parts.push(prediction);
  };
  const abort = checkSignal(signal);
  const watch = { abort, progress, title: 'predicting' };
  if (isPromise(inputs)) throw new ArgumentError(expected('tensors or a data set', 'inputs', inputs, 'Await it'));
  if (typeof (inputs as Partial<Dataset> | null)?.batch === 'function') {
    const loader = new DataLoader<BatchPart, BatchPart>(preprocessed(model, inputs as AnyDataset, false), { batchSize });
    checkNotEmpty(loader, 'predict');
    await watched(loader, watch, keep, (follow) => inEvaluation({ model }, loader, abort, pass, follow));
    return joined(parts);
  }
  if (isTable(inputs)) throw new ArgumentError(expected('a tensor or a data set', 'inputs', inputs, 'A table becomes one by table.dataset()'));
  if (!isTree(inputs)) throw new ArgumentError(expected('a tensor or a data set', 'inputs', inputs, 'Numbers and arrays go through tensor()'));
  const given = mapTensors(inputs, 'inputs', (one) => Tensor.check(one, 'inputs').detach() as AnyTensor);
  const rows = preprocessingOf(model)?.transform(given as Tensor) ?? given;
  const data = new TensorRows(rows);
  if (data.length === 0) return inEvaluationMode(model, () => noGrad(() => pass(rows)));
  // A tensor of one axis may be one example: the model sees it whole, or the result would depend on its length.
  const isOne = rows instanceof Tensor && rows.rank === 1;
  const loader = new DataLoader<BatchPart, BatchPart>(data, { batchSize: isOne ? data.length : batchSize });
  await watched(loader, watch, keep, (follow) => inEvaluation({ model }, loader, abort, pass, follow));
  return joined(parts);
}

/** The predictions of batches, one after the other. */
function joined(parts: readonly TensorTree[]): TensorTree {
  if (parts.length === 1) return parts[0];
  const all = parts.map((part) => tensorsOf(part, "the model's output"));
  return noGrad(() =>
    all[0].structure.rebuild(all[0].leaves.map((_, i) => concat(all.map(({ leaves }) => leaves[i] as Tensor)))),
  ) as TensorTree;
}

function inEvaluationMode<R>(model: AnyLayer, body: () => R): R {
  const restore = rememberModes(model);
  try {
    model.eval();
    return body();
  } finally {
    restore();
  }
}

async function inEvaluation<R>(
  parts: RecordedParts,
  loader: AnyLoader,
  signal: AbortSignal | undefined,
  pass: (...batch: AnyPair) => R,
  use: (result: R, examples: number, targets: () => TensorTree) => void,
  range: BatchRange = [0, Number.POSITIVE_INFINITY],
): Promise<void> {
  const { model } = parts;
  const check = (): void => {
    if (signal?.aborted) throw new AbortedError('the evaluation was stopped', { cause: signal.reason });
  };
  const progress = { batch: range[0] };
  // The length of a stream is known where it ends.
  const end = (): number => Math.min(range[1], loader.length);
  const goOnCompiled = async (): Promise<void> => {
    try {
      await compiled(parts, loader, progress, range[1], () => signal?.aborted === true, pass, use);
    } finally {
      check();
    }
  };
  const busy = usesBusyMemory(model);
  if (busy || end() - range[0] >= worthCompiling) {
    try {
      return await goOnCompiled();
    } catch (error) {
      // What looks at values while it computes is done eagerly, with the same numbers.
      if (!(error instanceof UnrecordableError) || busy) throw error;
    }
  }
  const breather = new Breather();
  const order = loader.order(0);
  while (progress.batch < end()) {
    const made = loader.make(order, progress.batch, 0);
    const pair = isPromise(made) ? await made : made;
    if (pair === null) check(); // the end of a stream, or its source was closed by the signal
    if (pair === null) break;
    if (isPromise(made) && usesBusyMemory(model)) return goOnCompiled();
    // For each batch: whoever trains the same model between two turns of the event loop finds it in the mode that it was in.
    try {
      inEvaluationMode(model, () => noGrad(() => use(pass(...pair), firstTensor(pair[0], 'inputs').shape[0], () => pair[1])));
    } catch (error) {
      throw locate(error, placeOf(model, loader, progress.batch), pair);
    }
    progress.batch += 1;
    const pause = breather.pause();
    if (pause !== undefined) await pause;
    check();
    if (pause !== undefined && usesBusyMemory(model)) return goOnCompiled();
  }
}

/** Evaluation takes examples in the order of the data set. */
const placeOf = (model: AnyLayer, loader: AnyLoader, batch: number): BatchPlace => ({
  model,
  data: loader.dataset,
  order: null,
  batchSize: loader.batchSize,
  batch,
});

/** Whether steps in flight write to the model: then only a program may look at it, which runs between them. */
function usesBusyMemory(model: AnyLayer): boolean {
  const busy = model.parameters().some((parameter) => parameter.isSettled && isBusy(parameter.memory.buffer));
  return busy || [...model.namedBuffers().values()].some((buffer) => isBusy(buffer.data.buffer));
}

async function compiled<R>(
  parts: RecordedParts,
  loader: AnyLoader,
  progress: { batch: number },
  end: number,
  stopped: () => boolean,
  pass: (...batch: AnyPair) => R,
  use: (result: R, examples: number, targets: () => TensorTree) => void,
): Promise<void> {
  const programs = new StepPrograms<R>((...batch: AnyPair) => noGrad(() => pass(...batch)));
  const own = ownCodeOf(parts);
  if (!own.isEmpty) programs.doubt(own);
  const feed = feedOf(loader, 0);
  try {
    const chunks = runSteps(programs, feed, {
      first: progress.batch,
      last: Math.min(end, feed.length),
      stopped,
      within: (body) => inEvaluationMode(parts.model, body),
    });
    for await (const { first, count, read } of chunks) {
      noGrad(() => {
        for (let i = 0; i < count; i++) use(read(i), feed.examples(first + i), () => feed.pair(first + i)[1]);
      });
      progress.batch = first + count;
    }
  } catch (error) {
    throw error instanceof StepFailure
      ? locate(error, placeOf(parts.model, loader, error.batch), feed.pair(error.batch))
      : explainInputs(error, parts.model, loader.dataset);
  } finally {
    programs.dispose();
  }
}

/** What a model gives: a tensor, or a tree of them. */
export function checkOutput(output: unknown): TensorTree {
  if (output instanceof Tensor || !isTree(output)) return Tensor.check(output, "the model's output") as AnyTensor;
  tensorsOf(output, "the model's output");
  return output;
}

/** The loss of a batch, one number. Weights go to a loss that takes them: to leave them out would train on something else. */
export function lossOf(loss: Loss, prediction: TensorTree, targets: TensorTree, weights: AnyTensor | undefined): AnyTensor {
  if (weights === undefined) return checkOneNumber(loss.forward(prediction, targets));
  if (loss.forward.length < 3)
    throw new ArgumentError(
      `the data set has weights, and ${loss.constructor.name}.forward(prediction, target) does not take them: give it a third parameter`,
    );
  return checkOneNumber(loss.forward(prediction, targets, weights));
}

/** A loss for training is one number. */
export function checkOneNumber(loss: AnyTensor): AnyTensor {
  if (Tensor.check(loss, "the loss's result").size !== 1) {
    throw new ShapeError(`a loss for training must be one number, received shape [${loss.shape.join(', ')}]: use reduction 'mean'`);
  }
  return loss;
}

/** A loss of a batch as it is reported: with what it counts for, null for its examples, and with its factor in a sum of losses. */
interface Reported {
  readonly loss: AnyTensor;
  readonly counted: AnyTensor | null;
  readonly isSum: boolean;
  readonly factor: number;
}

/** The loss of a batch, or its terms where different things count in them. */
function reportedOf(loss: Loss, prediction: TensorTree, targets: TensorTree, weights: AnyTensor | undefined): Reported[] {
  const whole = lossOf(loss, prediction, targets, weights);
  const isSum = isSumOf(loss);
  if (!(loss instanceof CombinedLoss)) return [{ loss: whole, counted: countedOf(loss, prediction, targets, weights), isSum, factor: 1 }];
  const terms = termsOf(loss, prediction, targets, 1);
  const counts = terms.map((one) => countedOf(one.loss, one.prediction, one.target, weights));
  if (counts.every((count) => count === null) || !isBuiltIn(loss)) return [{ loss: whole, counted: null, isSum, factor: 1 }];
  return terms.map((one, i) => ({
    loss: checkOneNumber(one.loss.forward(one.prediction, one.target, weights)),
    counted: counts[i],
    isSum: isSumOf(one.loss),
    factor: one.factor,
  }));
}

interface Term {
  readonly loss: Loss;
  readonly prediction: TensorTree;
  readonly target: TensorTree;
  readonly factor: number;
}

function termsOf(loss: Loss, prediction: TensorTree, target: TensorTree, factor: number): Term[] {
  if (!(loss instanceof CombinedLoss) || !isBuiltIn(loss)) return [{ loss, prediction, target, factor }];
  return loss.terms.flatMap(({ name, loss: own, weight }) => {
    const part = (tree: TensorTree): TensorTree => (name === null ? tree : (tree as Record<string, TensorTree>)[name]);
    return termsOf(own, part(prediction), part(target), factor * weight);
  });
}

/** What a batch counts for, one number; null for its examples. */
export function countedOf(loss: Loss, prediction: TensorTree, targets: TensorTree, weights: AnyTensor | undefined): AnyTensor | null {
  const counted = loss.counted(prediction, targets, weights);
  return counted === null ? null : checkOneNumber(counted);
}

/** Whether a loss is a sum over the batch, which holds its examples already. */
export const isSumOf = (loss: Loss): boolean => (loss as { reduction?: unknown }).reduction === 'sum';

/** The mean of the losses of batches, each by what counts in it. */
class BatchMean {
  #sum = 0;
  #weight = 0;

  /** A sum over a batch (`counted` null) counts once, and stands for all its examples. */
  add(loss: number, counted: number | null, examples: number): void {
    this.#sum += loss * (counted ?? 1);
    this.#weight += counted ?? examples;
  }

  get value(): number {
    return meanOfBatches(this.#sum, this.#weight);
  }
}

/** A sum by its weight; where nothing counts, 0, as a loss is. */
export const meanOfBatches = (sum: number, weight: number): number => (weight === 0 ? 0 : sum / weight);

/** Refuses data without an example. */
export function checkNotEmpty(
  { dataset, length }: { readonly dataset: { readonly name: string }; readonly length: number },
  purpose: string,
): void {
  if (length === 0) throw new ArgumentError(`the data set ${dataset.name} is empty: there is nothing to ${purpose}`);
}

export function checkLoss(loss: unknown): Loss {
  if (!(loss instanceof Loss)) throw new ArgumentError(expected('a Loss, such as new CrossEntropyLoss()', 'options.loss', loss));
  return loss;
}

export function checkSignal(signal: unknown): AbortSignal | undefined {
  if (signal !== undefined && !isAbortSignal(signal)) throw new ArgumentError(expected('an AbortSignal', 'options.signal', signal));
  return signal;
}

export { checkMetrics, resultsOf };
