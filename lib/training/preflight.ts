// What can be known of a run before its first step: by the shapes of its data alone, and by a look at class indices that lie in memory.

import { memoryOf, sourcesOf } from '../data/contract.js';
import { someNames } from '../data/columns.js';
import { type AnyDataset, type BatchPart, type ExampleMemory, isInMemory } from '../data/dataset.js';
import type { AnyLoader, AnyPair } from '../data/loader.js';
import type { DType } from '../dtype.js';
import { DTypeError, IndexError, type NodegradError, ShapeError, countFromZero } from '../errors.js';
import type { AnyLayer } from '../layers/layer.js';
import { trainingOutputsOf } from '../layers/outputs.js';
import type { ClassLoss, Loss } from '../losses/loss.js';
import type { Metric } from '../metrics/metric.js';
import { isBuiltIn } from '../names.js';
import { type TraceObserver, trace } from '../ops/trace.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import type { TensorTree } from '../tree.js';
import { plural } from '../words.js';
import { checkOutput } from './evaluate.js';
import { explainInputs } from './failed-batch.js';
import { rememberModes } from './modes.js';
import { rememberRandoms } from './run-state.js';
import { measure } from './train-step.js';

/** A run to come. */
export interface Flight {
  readonly model: AnyLayer;
  readonly loss: Loss;
  readonly metrics: readonly Metric[];
  readonly loader: AnyLoader;
  readonly validation: AnyDataset | undefined;
}

type Memory = ExampleMemory<BatchPart, BatchPart>;

/**
 * Looks for what would end the run later than in its first step: a last batch that is too small for a layer, validation data that do not
 * fit, class indices that the model has no output for. Nothing is computed and no batch is made; data sets that make their batches
 * themselves are left to the run, and so is whatever a trace cannot follow.
 *
 * @throws {ShapeError}, {@link DTypeError}, {@link IndexError}
 */
export function preflight({ model, loss, metrics, loader, validation }: Flight): void {
  const { dataset, batchSize } = loader;
  const restore = rememberModes(model);
  // A layer may draw numbers in its forward: a look must change nothing in the run.
  const restoreRandoms = rememberRandoms(model);
  const tryBatch = (memory: Memory, examples: number, training: boolean): Trial => {
    model.train(training);
    return traced(model, loss, metrics, memory, examples);
  };
  try {
    let width: number | null = null;
    if (isInMemory(dataset)) {
      const memory = memoryOf(dataset);
      const whole = Math.min(batchSize, dataset.length);
      const first = tryBatch(memory, whole, true);
      if (first.spread !== null) warnOfSpread(first.spread);
      // What the first step will say, it says best itself.
      if (first.problem !== null) return;
      width = first.width;
      const rest = loader.dropLast ? 0 : dataset.length % batchSize;
      const { problem } = rest === 0 || rest === whole ? first : tryBatch(memory, rest, true);
      if (problem !== null) {
        const size = `${rest} ${rest === 1 ? 'example' : 'examples'} (of ${dataset.length}, in batches of ${batchSize})`;
        throw again(problem, `the last batch of an epoch has ${size}`, '. `dropLast: true` leaves it out; another `batchSize` makes it larger');
      }
      const used = loader.dropLast && !loader.shuffle ? loader.length * batchSize : dataset.length;
      checkLabels(dataset, memory, used, loss, width);
    }
    if (validation === undefined || validation.length === 0 || !isInMemory(validation)) return;
    const memory = memoryOf(validation);
    const { problem, width: scored } = tryBatch(memory, Math.min(256, validation.length), false);
    if (problem !== null) throw inValidation(explainInputs(problem, model, validation), validation);
    try {
      checkLabels(validation, memory, validation.length, loss, scored ?? width);
    } catch (error) {
      throw inValidation(error, validation);
    }
  } finally {
    restoreRandoms();
    restore();
  }
}

interface Trial {
  /** What is wrong beyond doubt. */
  readonly problem: NodegradError | null;
  /** Last dimension of the prediction; null where it is not known. */
  readonly width: number | null;
  /** Shapes of prediction, targets and what the loss makes of the two by broadcasting, where that is larger than both. */
  readonly spread: readonly (readonly number[])[] | null;
}

function traced(model: AnyLayer, loss: Loss, metrics: readonly Metric[], memory: Memory, examples: number): Trial {
  const { leaves, structure } = sourcesOf(memory);
  const specifications = leaves.map(({ shape, dtype }) => ({ shape: [examples, ...shape.slice(1)], dtype: dtype as DType }));
  let width: number | null = null;
  let spread: Trial['spread'] = null;
  let pair: readonly AnyTensor[] | null = null; // prediction and targets, while the loss has them
  const watch: TraceObserver = {
    execute(_op, [result], operands) {
      if (pair?.every((one) => operands.includes(one) && one.size < result.size)) spread = [...pair, result].map(({ shape }) => shape);
    },
    view() {},
  };
  try {
    trace(specifications, watch, (...tensors) => {
      const [x, y, weights] = structure.rebuild(tensors) as AnyPair;
      const outputs = model.training ? trainingOutputsOf(model, x) : ([[model.forward(x as never), 1]] as const);
      for (const [output] of outputs) {
        pair = [output, y] as AnyTensor[];
        loss.forward(checkOutput(output), y, weights);
      }
      pair = null;
      const prediction = outputs[0][0] as TensorTree;
      measure(metrics, prediction, y);
      width = prediction instanceof Tensor ? (prediction.shape.at(-1) ?? null) : null;
    });
  } catch (error) {
    // Others may come of a layer or a loss that looks at values, of which a trace has none.
    if (error instanceof ShapeError || error instanceof DTypeError) return { problem: error, width, spread };
  }
  return { problem: null, width, spread };
}

/** A loss of a user's own may want every pair; mostly it is a slip, and nothing else would say so. */
function warnOfSpread(shapes: readonly (readonly number[])[]): void {
  const [prediction, targets, result] = shapes.map((shape) => `[${shape.join(', ')}]`);
  process.emitWarning(
    `the loss makes ${result} of predictions ${prediction} and targets ${targets}: every prediction meets every target, so the model learns their mean. Reshape one to the shape of the other; this.requireSameShape(prediction, target) in the loss refuses others`,
    { code: 'NODEGRAD_BROADCAST' },
  );
}

/** An error about data, with which data they are in front; any other error as it is. */
export function inValidation(error: unknown, { name }: { readonly name: string }): unknown {
  const where = `the validation data '${name}' do not fit`;
  if (error instanceof IndexError) return new IndexError(`${where}: ${error.message}`, error, { cause: error });
  return error instanceof ShapeError || error instanceof DTypeError ? again(error, where, '') : error;
}

/** The same error, with where it would come up in front and a way out behind. */
function again(error: NodegradError, where: string, wayOut: string): NodegradError {
  return new (error instanceof DTypeError ? DTypeError : ShapeError)(`${where}: ${error.message}${wayOut}`, { cause: error });
}

/** What to do about a class index that the model has no score for. */
function wayOut(names: readonly string[] | undefined, value: number, classes: number): string {
  if (names !== undefined && names.length > classes && value < names.length)
    return `the data have ${names.length} classes (${someNames(names)}): build the model with \`classes: ${names.length}\``;
  return `indices count from 0${value === classes ? `. Labels that count from 1: ${countFromZero('target')}` : ''}`;
}

/** Class indices that the loss would refuse; a loss of a user's own may know better. */
function checkLabels(data: AnyDataset, { targets: given, rows }: Memory, used: number, loss: Loss, classes: number | null): void {
  if (!(given instanceof Tensor)) return;
  const targets = given as AnyTensor;
  const isIndex = targets.dtype === 'int32' || targets.dtype === 'uint8';
  if (!isIndex || classes === null || !loss.takesClasses || !isBuiltIn(loss)) return;
  const labels = targets.data as Int32Array;
  if (labels.length !== targets.size) return; // its memory went elsewhere: the run says so
  const width = targets.shape[0] === 0 ? 0 : targets.size / targets.shape[0];
  const { ignoreIndex } = loss as ClassLoss;
  const isWrong = (label: number): boolean => (label < 0 || label >= classes) && label !== ignoreIndex;
  // Of a part of a set, only its own rows count; most sets have no wrong label at all.
  if (!labels.some(isWrong)) return;
  for (let example = 0; example < used; example++) {
    const row = rows === null ? example : rows[example];
    const at = labels.subarray(row * width, (row + 1) * width).findIndex(isWrong);
    if (at < 0) continue;
    const value = labels[row * width + at];
    throw new IndexError(
      `class index ${value} of row ${example} of data set '${data.name}' lies outside 0 … ${classes - 1}: the model gives ${plural(classes, 'score')}, and ${wayOut(data.classes, value, classes)}`,
      { value, position: example * width + at, minimum: 0, maximum: classes - 1 },
    );
  }
}
