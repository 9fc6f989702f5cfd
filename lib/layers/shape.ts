// Layers without parameters: Flatten and Dropout.

import type { DType, FloatDType } from '../dtype.js';
import { ShapeError, checkNumber } from '../errors.js';
import { sizeOf } from '../ops/emit.js';
import { dropout } from '../ops/random.js';
import { Tensor } from '../tensor.js';
import { Layer } from './layer.js';
import { registerLayers } from './registry.js';

/**
 * Views each example as one row: [N, …] → [N, features].
 *
 * @example
 * ```ts
 * import { Flatten, ones } from 'nodegrad';
 * new Flatten().forward(ones([32, 28, 28, 1])).shape; // [32, 784]
 * ```
 */
export class Flatten extends Layer<Tensor<DType>, Tensor<DType>> {
  forward<D extends DType>(x: Tensor<D>): Tensor<D> {
    const input = Tensor.check(x, 'x') as Tensor<D>;
    if (input.shape.length === 0) throw new ShapeError('[flatten] expected a batch dimension, received a rank-0 tensor');
    return input.reshape([input.shape[0], sizeOf(input.shape.slice(1))]);
  }
  override get initializerHint(): 'through' {
    return 'through';
  }
  /** The layer that `config()` describes. */
  static fromConfig(): Flatten {
    return new Flatten();
  }
}

/**
 * In training, zeroes each element with probability `p` and scales the others by `1/(1−p)`; in evaluation, does nothing.
 *
 * Each layer draws from a stream of its own, whoever calls it, and goes on in it from call to call; the mask is regenerated in backward from its counter. Course rows
 * F06–F08, P16: `p` is the probability of DROPPING.
 *
 * @example
 * ```ts
 * import { Dropout, ones } from 'nodegrad';
 * new Dropout(0.5).eval().forward(ones([4])).toArray(); // [1, 1, 1, 1]
 * ```
 */
export class Dropout extends Layer {
  /** Probability of dropping. */
  readonly p: number;
  /** @internal The stream of masks. */
  readonly masks = this.stream('dropout');

  /** @param p - Probability of dropping, from 0 to 1. Default 0.5. */
  constructor(p = 0.5) {
    super();
    this.p = checkNumber(p, 'p', 0, 1);
  }

  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    if (!this.training || this.p === 0) return Tensor.check(x, 'x') as Tensor<D>;
    return dropout(x, this.p, { random: this.masks });
  }

  override get initializerHint(): 'through' {
    return 'through';
  }
  override config(): unknown {
    return { p: this.p };
  }
  /** The layer that `config()` describes. */
  static fromConfig(config: { p: number }): Dropout {
    return new Dropout(config.p);
  }
}

registerLayers({ Flatten, Dropout });
