// One training step as a function of a batch: what fit compiles, or calls for each batch when it trains eagerly.

import type { AnyPair } from '../data/loader.js';
import type { AnyLayer } from '../layers/layer.js';
import { trainingOutputsOf } from '../layers/outputs.js';
import type { Loss } from '../losses/loss.js';
import type { Metric } from '../metrics/metric.js';
import { holdsWhile, isRecording } from '../ops/emit.js';
import type { Channel } from '../ops/group.js';
import { requireFinite } from '../ops/finite.js';
import { clipGradNorm } from '../optimizers/clip.js';
import { noteSkipped } from '../ops/sometimes.js';
import { type StateWrite, holdState, release } from '../ops/state.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import { type AnyTensor, type Tensor, noGrad } from '../tensor.js';
import { type TensorTree, firstTensor, mapTensors } from '../tree.js';
import type { Regularizer } from '../regularizers/regularizer.js';
import { checkOutput, countedOf, isSumOf, lossOf } from './evaluate.js';
import { type ObservedNumbers, observed } from './observe.js';
import type { OptimizerSharding } from './optimizer-sharding.js';
import { checkReach } from './reach.js';
import { type ComputedShard, joinShards, overShards, shareShards, withRows } from './shards.js';

/** What a step gives back. */
export interface StepResult {
  /** That of the prediction. */
  loss: AnyTensor;
  /** What the batch counts for; null for its examples. */
  counted: AnyTensor | null;
  /** What each metric measured in each shard; null for those that look at the prediction afterwards. */
  measured: unknown[][];
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
  /** Whether predictions are wanted, and observations. Where another process observes a step, this one has whole gradients all the same. */
  readonly wanted: { readonly wantsBatches: boolean; readonly wantsObservations: boolean };
  /** How many shards a batch is computed in. */
  readonly shards: number;
  /** The processes that compute them together; null for this one alone. */
  readonly channel: Channel | null;
  /** Whether batch normalization sees all of them. */
  readonly isTogether: boolean;
  /** How they share out the state of the optimizer; null where each has all of it. */
  readonly sharding: OptimizerSharding | null;
}

/** What a forward pass leaves. */
interface Forward {
  readonly prediction: TensorTree;
  readonly loss: Tensor;
  /** The loss with those of outputs beside the prediction. */
  readonly sum: Tensor;
  readonly held: readonly StateWrite[];
}

/** What others may want to see of a prediction. */
interface Shown {
  readonly measured: unknown[];
  /** Null where nobody wants it. */
  readonly prediction: TensorTree | null;
}

/** What a shard's forward pass worked on and made. */
interface Seeable {
  readonly part: AnyPair;
  readonly whole: TensorTree;
}

/** What is made of a prediction. */
interface Measured extends Shown {
  readonly counted: AnyTensor | null;
}

function refuseNonFinite(sum: Tensor): void {
  if (isRecording()) requireFinite(sum);
  else if (!Number.isFinite(sum.item())) throw new NonFiniteLoss();
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
  wanted,
  shards,
  channel,
  isTogether,
  sharding,
}: StepParts): [plain: TrainStep, observed: TrainStep] {
  const keep = wanted.wantsBatches || needPrediction(metrics);
  let checked = false;
  const forward = (...[inputs, targets, weights]: AnyPair): Forward => {
    const { result, held } = holdState(() =>
      noteSkipped(() => {
        const outputs = trainingOutputsOf(model, inputs);
        const losses = outputs.map(([output]) => lossOf(loss, checkOutput(output), targets, weights) as Tensor);
        const terms = losses.map((one, i) => (outputs[i][1] === 1 ? one : one.mul(outputs[i][1])));
        const sum = terms.reduce((before, term) => before.add(term));
        return { prediction: outputs[0][0], loss: losses[0], sum };
      }),
    );
    // By the data alone: a penalty reaches parameters that the loss does not depend on.
    if (!checked) checkReach(result.result.sum, inputs, model, optimizer, result.skipped);
    checked = true;
    return { ...result.result, held };
  };
  const measured = (prediction: TensorTree, ...[, targets, weights]: AnyPair): Measured => {
    const seen = mapTensors(prediction, "the model's output", (one) => one.detach());
    return noGrad(() => ({
      counted: countedOf(loss, seen, targets, weights),
      measured: measure(metrics, seen, targets),
      prediction: keep ? seen : null,
    }));
  };
  const penaltiesOf = (): Tensor[] => regularizers.map((one) => one.penalty()).filter((one) => one !== null);
  const whole = (...batch: AnyPair): Omit<StepResult, 'observation'> => {
    const { prediction, loss: result, sum: ofData, held } = forward(...batch);
    const sum = penaltiesOf().reduce((before, one) => before.add(one), ofData);
    refuseNonFinite(sum);
    release(held);
    optimizer.zeroGrad();
    sum.backward();
    const seen = measured(prediction, ...batch);
    return { loss: result.detach(), ...seen, measured: [seen.measured] };
  };
  /** What is shown of each shard, of those of other processes too. */
  const shownOf = (results: readonly ComputedShard<Measured & Seeable>[], rows: number): Shown[] => {
    if (channel === null || channel.size === 1) return results.map(({ result }) => result);
    return shareShards(channel, shards, rows, ({ index, rows: ofShard, isOwn }): Shown => {
      const alike = results.find((one) => (isOwn ? one.index === index : one.rows === ofShard));
      if (alike !== undefined) return { measured: alike.result.measured, prediction: alike.result.prediction };
      const { result } = results[0];
      const [inputs, targets, weights] = result.part.map((tree) => tree && withRows(tree, ofShard)) as unknown as AnyPair;
      const { measured: made, prediction } = measured(withRows(result.whole, ofShard), inputs, targets, weights);
      return { measured: made, prediction };
    });
  };
  /** `isWhole`: each process has all gradients, not those of the weights alone that it updates. */
  const sharded = (batch: AnyPair, isWhole: boolean): Omit<StepResult, 'observation'> => {
    const leaves = model.parameters().filter(({ requiresGrad }) => requiresGrad);
    const made = overShards(
      batch.filter((tree) => tree !== undefined),
      shards,
      { leaves, isSum: isSumOf(loss), channel, isTogether, ownersOf: (leaf) => (isWhole ? null : (sharding?.ownersOf(leaf) ?? null)) },
      (part) => {
        const result = forward(...(part as AnyPair));
        return { ...result, ...measured(result.prediction, ...(part as AnyPair)), whole: result.prediction, part: part as AnyPair };
      },
    );
    const sum = penaltiesOf().reduce((before, one) => before.add(one), made.loss);
    refuseNonFinite(sum);
    made.writeState();
    // Where all gradients are written, nothing is left of those of the step before.
    const isWritten = (parameter: AnyTensor): boolean => !parameter.requiresGrad || made.reached.has(parameter);
    if (!optimizer.groups.every(({ parameters }) => parameters.every(isWritten))) optimizer.zeroGrad();
    made.writeGradients();
    if (sum !== made.loss) sum.backward();
    const shown = noGrad(() => shownOf(made.results, firstTensor(batch[0], 'inputs').shape[0]));
    return {
      loss: made.loss,
      counted: made.counted,
      measured: shown.map(({ measured: ofShard }) => ofShard),
      prediction: keep
        ? noGrad(() =>
            joinShards(
              shown.map(({ prediction }) => prediction as TensorTree),
              "the model's output",
            ),
          )
        : null,
    };
  };
  const gradients = (batch: AnyPair, isWhole: boolean): Omit<StepResult, 'observation'> =>
    shards === 1 ? whole(...batch) : sharded(batch, isWhole);
  const update = (isWhole: boolean): void => {
    const { maxGradNorm } = clipping;
    holdsWhile(() => clipping.maxGradNorm === maxGradNorm);
    if (maxGradNorm !== undefined && (isWhole || sharding === null)) clipGradNorm(model, maxGradNorm);
    else if (maxGradNorm !== undefined) sharding?.clip(model, maxGradNorm);
    optimizer.step();
    for (const one of regularizers) one.constrain();
  };
  const unseen = (batch: AnyPair, isWhole: boolean): StepResult => {
    const result = gradients(batch, isWhole);
    update(isWhole);
    return { ...result, observation: null };
  };
  return [
    (...batch) => unseen(batch, false),
    (...batch) => {
      if (!wanted.wantsObservations) return unseen(batch, true);
      const { result, observation } = observed(model, optimizer, () => gradients(batch, true), () => update(true), { isLight: true }); // biome-ignore format: one line
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
export function addMeasured(metrics: readonly Metric[], measured: readonly unknown[][], seen: () => Seen): void {
  for (const [i, metric] of metrics.entries()) {
    if (measuresAlone(metric)) for (const part of measured) metric.add?.(part[i]);
    else noGrad(() => metric.update(...seen()));
  }
}

/** How many steps are plain before the next observed one, after `step` steps of a run; `left` are left in the epoch, whose last one is observed. */
export function stepsUntilObserved(every: number, step: number, left: number): number {
  return every === 0 ? Number.POSITIVE_INFINITY : Math.min(every - 1 - (step % every), left - 1);
}
