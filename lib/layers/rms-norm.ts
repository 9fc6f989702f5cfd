// Normalization by the root mean square of each example.

import type { FloatDType } from '../dtype.js';
import { ShapeError, checkInteger, describeShape } from '../errors.js';
import { Constant } from '../initializers/constant.js';
import { groupNorm } from '../ops/group_norm.js';
import { flag, number, readOptions } from '../options.js';
import { Parameter } from '../parameter.js';
import { Tensor } from '../tensor.js';
import { Layer } from './layer.js';
import { registerLayers } from './registry.js';

/** Options of {@link RMSNorm}. */
export interface RMSNormOptions {
  /** Added to the mean square. Default 1e-6. (PyTorch: the spacing of floats at 1, 1.2e-7 for float32.) */
  eps?: number;
  /** Whether a factor is learned. Default true. */
  affine?: boolean;
}

/**
 * `y = γ·x / √(mean(x²) + eps)` over the last axis: {@link LayerNorm} without taking the mean away, and without a shift. Zhang & Sennrich 2019.
 *
 * @example
 * ```ts
 * import { RMSNorm, tensor } from 'nodegrad';
 * new RMSNorm(2, { eps: 0 }).forward(tensor([[3, -3]])).toArray(); // [[1, -1]]
 * ```
 */
export class RMSNorm extends Layer {
  /** γ, starts at 1; null without `affine`. */
  readonly weight: Parameter | null;
  /** Size of the last axis. */
  readonly features: number;
  /** Added to the mean square. */
  readonly eps: number;

  /**
   * @param features - Size of the last axis.
   * @throws {@link ArgumentError} for a size below 1 or wrong options.
   */
  constructor(features: number, options: RMSNormOptions = {}) {
    super();
    const { eps, affine } = readOptions(options, { eps: [1e-6, number(0)], affine: [true, flag] });
    this.features = checkInteger(features, 'features', 1, 2 ** 31 - 1);
    this.eps = eps;
    this.weight = affine ? new Parameter([this.features], { init: new Constant(1) }) : null;
  }

  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    const input = Tensor.check(x, 'x') as Tensor<D>;
    const { features } = this;
    if (input.shape.length === 0 || input.shape[input.shape.length - 1] !== features)
      throw new ShapeError(`[rmsNorm] expected ${features} features (the last dimension), received shape ${describeShape(input.shape)}`);
    const sizes = { examples: input.size / features, positions: 1, channels: features, groups: 1, eps: this.eps, centred: false };
    return groupNorm(input, this.weight, null, sizes);
  }

  override get initializerHint(): 'through' {
    return 'through';
  }
  override config(): unknown {
    return { features: this.features, eps: this.eps, affine: this.weight !== null };
  }
  /** The layer that `config()` describes. */
  static fromConfig({ features, ...options }: RMSNormOptions & { features: number }): RMSNorm {
    return new RMSNorm(features, options);
  }
}

registerLayers({ RMSNorm });
