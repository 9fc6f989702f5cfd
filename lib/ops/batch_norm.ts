// Batch normalization over the last axis: statistics of all other positions, running averages, and the map with its gradients.

import { context } from '../context.js';
import { ShapeError, describeShape } from '../errors.js';
import { type FloatDType, arrayTypes } from '../dtype.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { type Op, defineOp } from './define.js';
import { add, mul, requireFloat, sub } from './elementwise.js';
import { emit, emitInPlace, emitOne, liveInput, sizeOf, withoutGradients } from './emit.js';
import { copy } from './shape.js';

/** Rows and channels of a tensor whose last axis holds the channels. */
function rowsOf(name: string, { shape }: AnyTensor): [rows: number, channels: number] {
  if (shape.length < 2) throw new ShapeError(`[${name}] expected a batch axis and channels, received shape ${describeShape(shape)}`);
  return [sizeOf(shape.slice(0, -1)), shape[shape.length - 1]];
}

const statisticsOp = defineOp('batch_norm_statistics', {
  shape: (inputs) => {
    requireFloat('batchNorm', inputs);
    const [rows, channels] = rowsOf('batchNorm', inputs[0]);
    if (rows < 1) throw new ShapeError(`[batchNorm] expected at least one row, received shape ${describeShape(inputs[0].shape)}`);
    const each = { shape: [channels], dtype: 'float64' } as const;
    return { outputs: [each, each], ints: [rows, channels], reals: [] };
  },
  gradient: 'none',
});

/** Mean and variance (of the population) per channel. */
export type BatchStatistics = readonly [mean: Tensor<'float64'>, variance: Tensor<'float64'>];

/** Mean and variance per channel, over all other axes; in float64, off the tape: {@link batchNorm} knows x. */
export function batchNormStatistics(x: AnyTensor): BatchStatistics {
  return emit(statisticsOp, [x], undefined) as unknown as BatchStatistics;
}

/** What a shard knows of the batch that it is a part of. */
interface Whole {
  /** Sums over all shards. The tensors are given away. */
  readonly sum: (tensors: readonly AnyTensor[]) => readonly AnyTensor[];
  /** The part of the batch that the shard is. */
  readonly share: number;
}

/** Null where the batch is all that there is to see. */
function wholeBatch(): Whole | null {
  const { shard } = context;
  const together = shard?.step.together ?? null;
  return shard === null || together === null
    ? null
    : { sum: (tensors) => together.lockstep.sum(tensors), share: together.shareOf(shard.index) };
}

/** How many rows the statistics are of that {@link batchStatistics} gives for so many. */
export function batchRows(rows: number): number {
  return Math.round(rows / (wholeBatch()?.share ?? 1));
}

/**
 * The same over the whole batch, of which x may be a shard: mean = Σ share·meanᵢ, and by the rule of Chan, Golub & LeVeque (1979) variance = Σ
 * share·(varianceᵢ + (meanᵢ − mean)²), both along the tree of the shards.
 */
export function batchStatistics(x: AnyTensor): BatchStatistics {
  const own = batchNormStatistics(x);
  const whole = wholeBatch();
  if (whole === null) return own;
  return withoutGradients(() => {
    const { sum, share } = whole;
    const [mean] = sum([mul(own[0], share)]) as [Tensor<'float64'>];
    const apart = sub(own[0], mean);
    const [variance] = sum([mul(add(own[1], mul(apart, apart)), share)]) as [Tensor<'float64'>];
    return [mean, variance];
  });
}

/** What running statistics are kept in. */
export interface RunningStatistics {
  mean: AnyTensor;
  variance: AnyTensor;
  /** Batches seen, int32. */
  batches: AnyTensor;
}

const runningOp: Op<{ rows: number | null }> = defineOp<{ rows: number | null }>('batch_norm_running', {
  shape: (_all, { rows }) => ({ outputs: [], ints: [rows ?? 0], reals: [] }),
  gradient: 'none',
});

/**
 * `running ← (1 − momentum)·running + momentum·value` in place, the variance unbiased; a momentum of null gives the average of all batches.
 *
 * @param rows - How many values mean and variance come from; null for a variance that is unbiased already.
 */
export function batchNormRunning(
  running: RunningStatistics,
  [mean, variance]: readonly [AnyTensor, AnyTensor],
  rows: number | null,
  momentum: () => number | null,
): void {
  const weight = liveInput(1, 'float64', (data) => {
    data[0] = momentum() ?? -1;
  });
  emitInPlace(runningOp, [running.mean, running.variance, running.batches], [mean, variance, weight], { rows });
}

interface Normalization {
  eps: number;
  /** Whether mean and variance are those of x, or of the batch that it is a shard of, so that the gradient goes through them. */
  ofInput: boolean;
}

interface Attributes extends Normalization {
  /** What x is a shard of, where mean and variance are of that. */
  whole: Whole | null;
}

const gradientsOp: Op<Normalization> = defineOp<Normalization>('batch_norm_gradients', {
  shape: ([dy, x], { eps }) => {
    const [rows, channels] = rowsOf('batchNorm', x);
    const each = { shape: [channels], dtype: dy.dtype };
    return { outputs: [each, each], ints: [rows, channels], reals: [eps] };
  },
  gradient: 'none',
});

const backwardOp: Op<Normalization> = defineOp<Normalization>('batch_norm_backward', {
  shape: ([dy, x], { eps, ofInput }) => ({
    outputs: [{ shape: x.shape, dtype: dy.dtype }],
    ints: [...rowsOf('batchNorm', x), ofInput ? 1 : 0],
    reals: [eps],
  }),
  gradient: 'none',
});

const batchNormOp: Op<Attributes> = defineOp<Attributes>('batch_norm', {
  shape: (inputs, { eps }) => {
    const [x, mean, variance, gamma, beta] = inputs;
    const dtype = requireFloat('batchNorm', [x, gamma, beta]);
    const [rows, channels] = rowsOf('batchNorm', x);
    for (const each of [mean, variance, ...[gamma, beta].filter(({ size }) => size > 0)]) {
      if (each.size !== channels)
        throw new ShapeError(`[batchNorm] expected ${each.size} channels (the last axis), received shape ${describeShape(x.shape)}`);
    }
    return { outputs: [{ shape: x.shape, dtype }], ints: [rows, channels], reals: [eps] };
  },
  gradient: ({ inputs, attributes, upstream, needs }) => {
    const [x, mean, variance, gamma] = inputs;
    const { whole } = attributes;
    const summed = (needs[0] && attributes.ofInput) || needs[3] || needs[4];
    const sums = summed ? emit(gradientsOp, [upstream, x, mean, variance], attributes) : [nothing(x.dtype), nothing(x.dtype)];
    // Those of the whole batch, of which the rows of x take their share.
    const all = whole === null || !needs[0] ? sums : whole.sum(sums.map(copy)).map((one) => mul(one as Tensor, whole.share));
    const dx = needs[0] ? emitOne(backwardOp, [upstream, x, mean, variance, gamma, ...all], attributes) : null;
    return [dx, null, null, needs[3] ? sums[0] : null, needs[4] ? sums[1] : null];
  },
});

const nothing = (dtype: AnyTensor['dtype']): AnyTensor =>
  Tensor.wrap(new arrayTypes[dtype as FloatDType](0) as never, [0], dtype as FloatDType);

/**
 * `y = (x − mean)·(γ / √(variance + eps)) + β` per channel, the last axis.
 *
 * @param gamma - [channels], or null for 1.
 * @param beta - [channels], or null for 0.
 */
export function batchNorm<D extends FloatDType>(
  x: Tensor<D>,
  [mean, variance]: readonly [AnyTensor, AnyTensor],
  gamma: AnyTensor | null,
  beta: AnyTensor | null,
  attributes: Normalization,
): Tensor<D> {
  const whole = attributes.ofInput ? wholeBatch() : null;
  return emitOne(batchNormOp, [x, mean, variance, gamma ?? nothing(x.dtype), beta ?? nothing(x.dtype)], { ...attributes, whole });
}
