// One training step as a function of a batch: what fit compiles, or calls for each batch when it trains eagerly.

import type { AnyPair } from '../data/loader.js';
import type { AnyLayer } from '../layers/layer.js';
import { trainingOutputsOf } from '../layers/outputs.js';
import type { Loss } from '../losses/loss.js';
import type { Metric } from '../metrics/metric.js';
import { holdsWhile, isRecording } from '../ops/emit.js';
import { requireFinite } from '../ops/finite.js';
import { clipGradNorm } from '../optimizers/clip.js';
import { noteSkipped } from '../ops/sometimes.js';
import { holdState } from '../ops/state.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import { type AnyTensor, type Tensor, noGrad } from '../tensor.js';
import { type TensorTree, mapTensors } from '../tree.js';
import type { Regularizer } from '../regularizers/regularizer.js';
import { checkOutput, countedOf, lossOf } from './evaluate.js';
import { type ObservedNumbers, observed } from './observe.js';
import { checkReach } from './reach.js';

/** What a step gives back. */
export interface StepResult {
  /** That of the prediction. */
  loss: AnyTensor;
  /** What the batch counts for; null for its examples. */
  counted: AnyTensor | null;
  /** What each metric measured; null for those that look at the prediction afterwards. */
  measured: unknown[];
  /** What the model made of the inputs, off the tape, where somebody wants to see it. */
  prediction: TensorTree | null;
  /** What an observed step measured of layers and parameters. */
  observation: ObservedNumbers | null;
}

/** What a step is made of. */
export interface StepParts {
  readonly model: AnyLayer;
  readonly loss: Loss;
  readonly optimizer: Optimizer;
  readonly metrics: readonly Metric[];
  /** Where the largest norm of the gradients stands, which may change between two steps; undefined: as they are. */
  readonly clipping: { readonly maxGradNorm: number | undefined };
  /** What keeps weights small beside the loss. */
  readonly regularizers: readonly Regularizer[];
  /** Whether the prediction is wanted. */
  readonly keepPrediction: boolean;
}

/** One training step. */
export type TrainStep = (inputs: TensorTree, targets: TensorTree, weights?: AnyTensor) => StepResult;

/** Thrown by an eager step before it changes anything: its loss is NaN or infinite. */
export class NonFiniteLoss extends Error {}

/**
 * Makes the step, plain and observed: forward, loss, backward, update. A loss that is not finite ends it before anything that stays is
 * written.
 */
export function makeTrainSteps({
  model,
  loss,
  optimizer,
  metrics,
  clipping,
  regularizers,
  keepPrediction,
}: StepParts): [plain: TrainStep, observed: TrainStep] {
  const keep = keepPrediction || needPrediction(metrics);
  let checked = false;
  const gradients = (...[inputs, targets, weights]: AnyPair): Omit<StepResult, 'observation'> => {
    const { result: forward, release } = holdState(() =>
      noteSkipped(() => {
        const outputs = trainingOutputsOf(model, inputs);
        const losses = outputs.map(([output]) => lossOf(loss, checkOutput(output), targets, weights) as Tensor);
        const terms = losses.map((one, i) => (outputs[i][1] === 1 ? one : one.mul(outputs[i][1])));
        const sum = terms.reduce((before, term) => before.add(term));
        return { prediction: outputs[0][0], loss: losses[0], sum };
      }),
    );
    const { prediction, loss: result, sum: ofData } = forward.result;
    // By the data alone: a penalty reaches parameters that the loss does not depend on.
    if (!checked) checkReach(ofData, inputs, model, optimizer, forward.skipped);
    checked = true;
    const penalties = regularizers.map((one) => one.penalty()).filter((penalty) => penalty !== null);
    const sum = penalties.reduce((before, penalty) => before.add(penalty), ofData);
    if (isRecording()) requireFinite(sum);
    else if (!Number.isFinite(sum.item())) throw new NonFiniteLoss();
    release();
    optimizer.zeroGrad();
    sum.backward();
    const seen = mapTensors(prediction, "the model's output", (one) => one.detach());
    const [measured, counted] = noGrad(() => [measure(metrics, seen, targets), countedOf(loss, seen, targets, weights)]);
    return { loss: result.detach(), counted, measured, prediction: keep ? seen : null };
  };
  const update = (): void => {
    const { maxGradNorm } = clipping;
    holdsWhile(() => clipping.maxGradNorm === maxGradNorm);
    if (maxGradNorm !== undefined) clipGradNorm(model, maxGradNorm);
    optimizer.step();
    for (const one of regularizers) one.constrain();
  };
  return [
    (...batch) => {
      const result = gradients(...batch);
      update();
      return { ...result, observation: null };
    },
    (...batch) => {
      const { result, observation } = observed(model, optimizer, () => gradients(...batch), update, { isLight: true });
      return { ...result, observation };
    },
  ];
}

const measuresAlone = ({ measure: own, add }: Metric): boolean => own !== undefined && add !== undefined;

/** Whether some metric wants to see predictions, because it cannot measure inside of a step. */
export function needPrediction(metrics: readonly Metric[]): boolean {
  return !metrics.every(measuresAlone);
}

/** What the metrics that can measure by operations alone make of a batch. */
export function measure(metrics: readonly Metric[], prediction: TensorTree, targets: TensorTree): unknown[] {
  return metrics.map((metric) => (measuresAlone(metric) ? metric.measure?.(prediction, targets) : null));
}

/** What metrics see of a batch. */
export type Seen = [prediction: TensorTree, targets: TensorTree];

/** Adds what was measured in a batch; `seen` gives prediction and targets to metrics that want to see them. */
export function addMeasured(metrics: readonly Metric[], measured: readonly unknown[], seen: () => Seen): void {
  for (const [i, metric] of metrics.entries()) {
    if (measuresAlone(metric)) metric.add?.(measured[i]);
    else noGrad(() => metric.update(...seen()));
  }
}

/** How many steps are plain before the next observed one, after `step` steps of a run; `left` are left in the epoch, whose last one is observed. */
export function stepsUntilObserved(every: number, step: number, left: number): number {
  return every === 0 ? Number.POSITIVE_INFINITY : Math.min(every - 1 - (step % every), left - 1);
}
