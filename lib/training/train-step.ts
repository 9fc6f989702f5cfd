// One training step as a function of a batch: what fit compiles, or calls for each batch when it trains eagerly.

import type { AnyLayer } from '../layers/layer.js';
import { trainingOutputsOf } from '../layers/outputs.js';
import type { Loss } from '../losses/loss.js';
import type { Metric } from '../metrics/metric.js';
import { isRecording } from '../ops/emit.js';
import { requireFinite } from '../ops/finite.js';
import { clipGradNorm } from '../optimizers/clip.js';
import { noteSkipped } from '../ops/sometimes.js';
import { holdState } from '../ops/state.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import { type AnyTensor, Tensor, noGrad } from '../tensor.js';
import { checkOneNumber } from './evaluate.js';
import { type ObservedNumbers, observed } from './observe.js';
import { checkReach } from './reach.js';

/** What a step gives back. */
export interface StepResult {
  /** That of the prediction. */
  loss: AnyTensor;
  /** What each metric measured; null for those that look at the prediction afterwards. */
  measured: unknown[];
  /** What the model made of the inputs, off the tape, where somebody wants to see it. */
  prediction: AnyTensor | null;
  /** What an observed step measured of layers and parameters. */
  observation: ObservedNumbers | null;
}

/** What a step is made of. */
export interface StepParts {
  readonly model: AnyLayer;
  readonly loss: Loss;
  readonly optimizer: Optimizer;
  readonly metrics: readonly Metric[];
  /** Largest norm of the gradients; undefined: as they are. */
  readonly maxGradNorm: number | undefined;
  /** Whether the prediction is wanted. */
  readonly keepPrediction: boolean;
}

/** One training step. */
export type TrainStep = (inputs: AnyTensor, targets: AnyTensor) => StepResult;

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
  maxGradNorm,
  keepPrediction,
}: StepParts): [plain: TrainStep, observed: TrainStep] {
  const keep = keepPrediction || needPrediction(metrics);
  let checked = false;
  const gradients = (inputs: AnyTensor, targets: AnyTensor): Omit<StepResult, 'observation'> => {
    const { result: forward, release } = holdState(() =>
      noteSkipped(() => {
        const outputs = trainingOutputsOf(model, inputs);
        const losses = outputs.map(([output]) => checkOneNumber(loss.forward(Tensor.check(output, "the model's output"), targets)) as Tensor);
        const terms = losses.map((one, i) => (outputs[i][1] === 1 ? one : one.mul(outputs[i][1])));
        const sum = terms.reduce((before, term) => before.add(term));
        return { prediction: outputs[0][0], loss: losses[0], sum };
      }),
    );
    const { prediction, loss: result, sum } = forward.result;
    if (!checked) checkReach(sum, inputs, model, optimizer, forward.skipped);
    checked = true;
    if (isRecording()) requireFinite(sum);
    else if (!Number.isFinite(sum.item())) throw new NonFiniteLoss();
    release();
    optimizer.zeroGrad();
    sum.backward();
    const seen = prediction.detach();
    return { loss: result.detach(), measured: noGrad(() => measure(metrics, seen, targets)), prediction: keep ? seen : null };
  };
  const update = (): void => {
    if (maxGradNorm !== undefined) clipGradNorm(model, maxGradNorm);
    optimizer.step();
  };
  return [
    (inputs, targets) => {
      const result = gradients(inputs, targets);
      update();
      return { ...result, observation: null };
    },
    (inputs, targets) => {
      const { result, observation } = observed(model, optimizer, () => gradients(inputs, targets), update);
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
export function measure(metrics: readonly Metric[], prediction: AnyTensor, targets: AnyTensor): unknown[] {
  return metrics.map((metric) => (measuresAlone(metric) ? metric.measure?.(prediction, targets) : null));
}

/** Adds what was measured in a batch; `seen` gives prediction and targets to metrics that want to see them. */
export function addMeasured(
  metrics: readonly Metric[],
  measured: readonly unknown[],
  seen: () => [prediction: AnyTensor, targets: AnyTensor],
): void {
  for (const [i, metric] of metrics.entries()) {
    if (measuresAlone(metric)) metric.add?.(measured[i]);
    else noGrad(() => metric.update(...seen()));
  }
}
