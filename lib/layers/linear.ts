// The fully connected layer.

import type { FloatDType } from '../dtype.js';
import { checkInteger } from '../errors.js';
import { Zeros } from '../initializers/constant.js';
import { He } from '../initializers/he.js';
import { type Initializer, initializer } from '../initializers/initializer.js';
import { Xavier } from '../initializers/xavier.js';
import { checkFeatures, linear, matmul } from '../ops/matmul.js';
import { reshape } from '../ops/shape.js';
import { type OptionList, flag, readOptions } from '../options.js';
import { Parameter } from '../parameter.js';
import { Tensor } from '../tensor.js';
import { type InitializerHint, Layer, type PyTorchItem } from './layer.js';
import { registerLayers } from './registry.js';

/** Options of {@link Linear}. */
export interface LinearOptions {
  /** Whether to add a bias. Default true. */
  bias?: boolean;
  /** First weights. Default: Xavier when tanh or sigmoid follows in a Sequential, behind norms, pooling and dropout, too, else He (course row C23). */
  init?: Initializer;
  /** First biases. Default zeros (course row A25). */
  biasInit?: Initializer;
}

/** @internal */
export const linearOptions = {
  bias: [true, flag],
  init: [undefined, initializer],
  biasInit: [new Zeros(), initializer],
} satisfies OptionList<LinearOptions>;

/**
 * `y = x·W + b` over the last dimension (other frameworks: Dense).
 *
 * The weight is [in, out], the course's `x·W`; PyTorch stores its transpose. Gradients: `dx = dy·Wᵀ`, `dW = xᵀ·dy`, `db = Σ dy`
 * (course row G08).
 *
 * @example
 * ```ts
 * import { Linear, ones } from 'nodegrad';
 * new Linear(784, 256).forward(ones([32, 784])).shape; // [32, 256]
 * ```
 */
export class Linear extends Layer {
  /** Shape [in, out]. */
  readonly weight: Parameter;
  /** Shape [out], or null without a bias. */
  readonly bias: Parameter | null;
  /** Size of the last input dimension. */
  readonly inFeatures: number;
  /** Number of units. */
  readonly outFeatures: number;
  readonly #chosen: boolean;

  /**
   * @param inFeatures - Size of the last input dimension.
   * @param outFeatures - Number of units.
   * @throws {@link ArgumentError} for sizes below 1 or unknown options.
   */
  constructor(inFeatures: number, outFeatures: number, options: LinearOptions = {}) {
    super();
    const { bias, init, biasInit } = readOptions(options, linearOptions);
    this.inFeatures = checkInteger(inFeatures, 'inFeatures', 1, 2 ** 31 - 1);
    this.outFeatures = checkInteger(outFeatures, 'outFeatures', 1, 2 ** 31 - 1);
    this.#chosen = init !== undefined;
    this.weight = new Parameter([this.inFeatures, this.outFeatures], { init: init ?? new He() });
    this.bias = bias ? new Parameter([this.outFeatures], { init: biasInit }) : null;
  }

  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    const input = Tensor.check(x, 'x') as unknown as Tensor;
    if (this.bias !== null) return linear(input, this.weight, this.bias) as unknown as Tensor<D>;
    checkFeatures(input, this.weight);
    const outer = input.shape.slice(0, -1);
    const rows = reshape(input, [outer.reduce((product, dimension) => product * dimension, 1), this.inFeatures]);
    return reshape(matmul(rows, this.weight), [...outer, this.outFeatures]) as unknown as Tensor<D>;
  }

  /** @internal */
  override followedBy(hint: InitializerHint): void {
    if (!this.#chosen && hint === 'xavier') this.weight.init = new Xavier();
  }

  /** @internal [out, in] there. */
  override get pytorchItems(): Readonly<Record<string, PyTorchItem>> {
    return { weight: { axes: [1, 0] } };
  }

  override config(): unknown {
    return { inFeatures: this.inFeatures, outFeatures: this.outFeatures, bias: this.bias !== null };
  }

  /** The layer that `config()` describes. */
  static fromConfig(config: { inFeatures: number; outFeatures: number; bias: boolean }): Linear {
    return new Linear(config.inFeatures, config.outFeatures, { bias: config.bias });
  }
}

registerLayers({ Linear });
