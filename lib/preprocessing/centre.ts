// Centring: the mean of the training data is subtracted.

import { Moments } from './moments.js';
import { AffineTransform } from './affine.js';
import { type TransformFitter, registerTransforms } from './transform.js';

/**
 * `x − mean`, one mean for each feature: zero-centred data give the weights of a unit gradients of both signs (course rows B01, B16).
 *
 * Of images [height, width, channels] it subtracts the mean image (course row B05); {@link ChannelScaler} has one mean per channel.
 *
 * @example
 * ```ts
 * import { Centre, tensor } from 'nodegrad';
 * new Centre().fit(tensor([[1, 10], [2, 20], [3, 30]])).shift; // [2, 20]
 * ```
 */
export class Centre extends AffineTransform {
  protected fitter(shape: readonly number[]): TransformFitter {
    const moments = new Moments(sizeOf(shape), shape);
    return {
      add: (batch, first) => moments.add(batch, first),
      learned: () => this.affine(shape, moments.mean, new Float64Array(moments.features).fill(1)),
    };
  }

  config(): unknown {
    return {};
  }

  /** The transform that `config()` describes. */
  static fromConfig(): Centre {
    return new Centre();
  }
}

/** Numbers of an example. */
export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, dimension) => product * dimension, 1);

registerTransforms({ Centre });
