// Batch normalization layers.

import { Buffer } from '../buffer.js';
import type { FloatDType } from '../dtype.js';
import { ArgumentError, ShapeError, checkInteger, describeShape } from '../errors.js';
import { Constant, Zeros } from '../initializers/constant.js';
import { batchNorm, batchNormRunning, batchRows, batchStatistics } from '../ops/batch_norm.js';
import { mul } from '../ops/elementwise.js';
import { writeState } from '../ops/state.js';
import { type OptionList, type ReadOptions, flag, number, orNull, probability, readOptions } from '../options.js';
import { Parameter } from '../parameter.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { Layer, type PyTorchItem } from './layer.js';
import { registerLayers } from './registry.js';
import { keepNames } from '../names.js';

/** Options of {@link BatchNorm1d} and {@link BatchNorm2d}. */
export interface BatchNormOptions {
  /** Added to the variance. Default 1e-5. */
  eps?: number;
  /** Weight of a batch in the running statistics; null for the average of all batches. Default 0.1. */
  momentum?: number | null;
  /** Whether factor and shift are learned. Default true. */
  affine?: boolean;
  /** Whether to keep running statistics; without them evaluation normalizes by the batch, too. Default true. */
  trackRunningStats?: boolean;
}

const batchNormOptions = {
  eps: [1e-5, number(0)],
  momentum: [0.1, orNull(probability)],
  affine: [true, flag],
  trackRunningStats: [true, flag],
} satisfies OptionList<BatchNormOptions>;

/**
 * What both have in common: only the shapes that they take differ.
 *
 * @example
 * ```ts
 * import { BatchNorm, BatchNorm2d } from 'nodegrad';
 * new BatchNorm2d(16) instanceof BatchNorm; // true
 * ```
 */
export abstract class BatchNorm extends Layer {
  /** γ, shape [features], starts at 1; null without `affine`. */
  readonly weight: Parameter | null;
  /** β, shape [features], starts at 0; null without `affine`. */
  readonly bias: Parameter | null;
  /** Mean over the batches so far, shape [features]; null without `trackRunningStats`. */
  readonly runningMean: Buffer | null;
  /** Unbiased variance over the batches so far, shape [features]; null without `trackRunningStats`. */
  readonly runningVar: Buffer | null;
  /** Batches that the running statistics have seen, int32; null without `trackRunningStats`. */
  readonly numBatchesTracked: Buffer<'int32'> | null;
  /** Size of the last axis. */
  readonly features: number;
  /** Added to the variance. */
  readonly eps: number;
  /** Weight of a batch in the running statistics; null for the average of all batches. */
  readonly momentum: number | null;
  readonly #options: ReadOptions<typeof batchNormOptions>;

  /**
   * @param features - Size of the last axis.
   * @throws {@link ArgumentError} for a size below 1 or wrong options.
   */
  constructor(features: number, options: BatchNormOptions = {}) {
    super();
    if (new.target === BatchNorm)
      throw new ArgumentError('BatchNorm is what its kinds have in common: make a BatchNorm1d for features, or a BatchNorm2d for images');
    this.#options = readOptions(options, batchNormOptions);
    const { affine, trackRunningStats } = this.#options;
    ({ eps: this.eps, momentum: this.momentum } = this.#options);
    this.features = checkInteger(features, 'features', 1, 2 ** 31 - 1);
    this.weight = affine ? new Parameter([features], { init: new Constant(1) }) : null;
    this.bias = affine ? new Parameter([features], { init: new Zeros() }) : null;
    this.runningMean = trackRunningStats ? new Buffer([features]) : null;
    this.runningVar = trackRunningStats ? new Buffer([features], { value: 1 }) : null;
    this.numBatchesTracked = trackRunningStats ? new Buffer([], { dtype: 'int32' }) : null;
  }

  /** Shapes that the layer takes, for messages. */
  protected abstract accepts(rank: number): string | null;

  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    const input = Tensor.check(x, 'x') as Tensor<D>;
    const { shape } = input;
    const wanted = this.accepts(shape.length);
    if (wanted !== null || shape[shape.length - 1] !== this.features) {
      throw new ShapeError(
        `[batchNorm] expected ${wanted ?? `${this.features} channels (the last axis)`}, received shape ${describeShape(shape)}`,
      );
    }
    const running = this.#running();
    if ((!this.training || this.frozen) && running !== null) {
      const { eps } = this;
      return batchNorm(input, [running.mean, running.variance], this.weight, this.bias, { eps, ofInput: false });
    }
    const rows = batchRows(input.size / this.features);
    if (!(rows > 1)) {
      throw new ShapeError(
        `[batchNorm] expected more than one value per channel in training, received shape ${describeShape(shape)}: use a larger batch, or eval()`,
      );
    }
    const statistics = batchStatistics(input);
    if (running !== null) {
      const follow = (values: typeof statistics, from: number | null): void => batchNormRunning(running, values, from, () => this.momentum);
      // Shards may have different numbers of values.
      writeState(statistics, (values) => follow(values, rows), {
        values: () => [statistics[0], mul(statistics[1] as Tensor<'float64'>, rows / (rows - 1))],
        write: (values) => follow(values as typeof statistics, null),
      });
    }
    return batchNorm(input, statistics, this.weight, this.bias, { eps: this.eps, ofInput: true });
  }

  #running(): { mean: AnyTensor; variance: AnyTensor; batches: AnyTensor } | null {
    const { runningMean: mean, runningVar: variance, numBatchesTracked: batches } = this;
    return mean === null || variance === null || batches === null ? null : { mean, variance, batches };
  }

  override get initializerHint(): 'through' {
    return 'through';
  }
  /** @internal */
  override get pytorchItems(): Readonly<Record<string, PyTorchItem>> {
    return { runningMean: { name: 'running_mean' }, runningVar: { name: 'running_var' }, numBatchesTracked: { name: 'num_batches_tracked' } };
  }
  override config(): unknown {
    return { features: this.features, ...this.#options };
  }
}

/**
 * `y = γ·(x − mean) / √(variance + eps) + β` per feature: [N, C], or [N, L, C] with the mean over N and L.
 *
 * In training, mean and variance (divided by n) are those of the batch, the gradient goes through them, and running averages of the mean
 * and the unbiased variance follow: `running ← (1 − momentum)·running + momentum·value`. In evaluation, and after {@link Layer.freeze}, the
 * running averages are used and stay as they are.
 * γ = √(variance + eps) and β = mean give x back; trained networks do not go back all the way, and γ and β decide how far an activation
 * behind them saturates. The noise of the batch regularizes, so that there is less need of dropout. Small batches give less accurate
 * statistics; recurrent networks want {@link LayerNorm}. Ioffe & Szegedy 2015; course rows D01–D26.
 *
 * @example
 * ```ts
 * import { BatchNorm1d, tensor } from 'nodegrad';
 * new BatchNorm1d(1).forward(tensor([[1], [2], [3], [4]])).toArray(); // [[-1.3416…], [-0.4472…], [0.4472…], [1.3416…]]
 * ```
 */
export class BatchNorm1d extends BatchNorm {
  protected accepts(rank: number): string | null {
    return rank === 2 || rank === 3 ? null : `[N, ${this.features}] or [N, L, ${this.features}]`;
  }
  /** The layer that `config()` describes. */
  static fromConfig({ features, ...options }: BatchNormOptions & { features: number }): BatchNorm1d {
    return new BatchNorm1d(features, options);
  }
}

/**
 * {@link BatchNorm1d} of images [N, H, W, C]: one mean and variance per channel, over the batch and all positions. Course row D04.
 *
 * @example
 * ```ts
 * import { BatchNorm2d, ones } from 'nodegrad';
 * new BatchNorm2d(16).forward(ones([2, 8, 8, 16])).shape; // [2, 8, 8, 16]
 * ```
 */
export class BatchNorm2d extends BatchNorm {
  protected accepts(rank: number): string | null {
    return rank === 4 ? null : `[N, H, W, ${this.features}]`;
  }
  /** The layer that `config()` describes. */
  static fromConfig({ features, ...options }: BatchNormOptions & { features: number }): BatchNorm2d {
    return new BatchNorm2d(features, options);
  }
}

registerLayers({ BatchNorm1d, BatchNorm2d });

keepNames({ BatchNorm });
