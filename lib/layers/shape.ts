// Layers that change the shape of each example: Flatten.

import type { DType } from '../dtype.js';
import { ArgumentError, ShapeError, describe } from '../errors.js';
import { sizeOf } from '../ops/emit.js';
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
  /** @throws {@link ArgumentError} for any argument: which axes are flattened is not to be chosen. */
  constructor(...more: never[]) {
    super();
    const given = more.find((one) => one !== undefined);
    if (given !== undefined)
      throw new ArgumentError(
        `Flatten takes no argument, received ${describe(given)}: it keeps the first axis and flattens all others. Others are flattened by x.reshape() in a layer's forward()`,
      );
  }

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

registerLayers({ Flatten });
