// Maxout: the largest of several linear functions, an activation that is learned with the layer.

import { checkInteger } from '../errors.js';
import { type Initializer, initializer } from '../initializers/initializer.js';
import type { FloatDType } from '../dtype.js';
import { max } from '../ops/reduce.js';
import { reshape } from '../ops/shape.js';
import { integer, readOptions } from '../options.js';
import type { Tensor } from '../tensor.js';
import { Layer } from './layer.js';
import { Linear } from './linear.js';
import { registerLayers } from './registry.js';

/** Options of {@link Maxout}. */
export interface MaxoutOptions {
  /** How many linear functions compete for each output. Default 2. */
  pieces?: number;
  /** First weights. Default He. */
  init?: Initializer;
  /** First biases. Default zeros. */
  biasInit?: Initializer;
}

/**
 * `y = max(x·W₁ + b₁, …, x·Wₖ + bₖ)` over the last dimension. ReLU and leaky ReLU are two pieces of it, and k pieces near any convex function.
 * It does not saturate and no unit dies, for k times the parameters. The gradient goes to the piece that wins, the first of equals.
 * Goodfellow et al. 2013. Course rows A35–A39.
 *
 * @example
 * ```ts
 * import { Maxout, ones } from 'nodegrad';
 * new Maxout(10, 5, { pieces: 3 }).forward(ones([32, 10])).shape; // [32, 5]
 * ```
 */
export class Maxout extends Layer {
  /** All pieces as one layer: weight [in, pieces · out], piece by piece. */
  readonly linear: Linear;
  /** Size of the last input dimension. */
  readonly inFeatures: number;
  /** Number of units. */
  readonly outFeatures: number;
  /** How many linear functions compete for each output. */
  readonly pieces: number;

  /**
   * @param inFeatures - Size of the last input dimension.
   * @param outFeatures - Number of units.
   * @throws {@link ArgumentError} for sizes below 1, wrong or unknown options.
   */
  constructor(inFeatures: number, outFeatures: number, options: MaxoutOptions = {}) {
    super();
    const { pieces, ...initializers } = readOptions(options, {
      pieces: [2, integer(1, 2 ** 16)],
      init: [undefined, initializer],
      biasInit: [undefined, initializer],
    });
    this.inFeatures = checkInteger(inFeatures, 'inFeatures', 1, 2 ** 31 - 1);
    this.outFeatures = checkInteger(outFeatures, 'outFeatures', 1, 2 ** 31 - 1);
    this.pieces = pieces;
    this.linear = new Linear(this.inFeatures, this.outFeatures * this.pieces, initializers);
  }

  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    const all = this.linear.forward(x);
    return max(reshape(all, [...all.shape.slice(0, -1), this.pieces, this.outFeatures]), -2);
  }

  override config(): unknown {
    return { inFeatures: this.inFeatures, outFeatures: this.outFeatures, pieces: this.pieces };
  }

  /** The layer that `config()` describes. */
  static fromConfig({ inFeatures, outFeatures, pieces }: { inFeatures: number; outFeatures: number; pieces: number }): Maxout {
    return new Maxout(inFeatures, outFeatures, { pieces });
  }
}

registerLayers({ Maxout });
