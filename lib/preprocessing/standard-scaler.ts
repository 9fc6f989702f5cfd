// Standardizing: each feature gets mean 0 and standard deviation 1.

import { AffineTransform } from './affine.js';
import { sizeOf } from './centre.js';
import { Moments } from './moments.js';
import { type TransformFitter, registerTransforms } from './transform.js';

/**
 * `(x − mean) / std` for each feature, with the population standard deviation (divided by n), so that all features count alike (course rows
 * B02, B03). A feature that is constant becomes 0.
 *
 * @example
 * ```ts
 * import { StandardScaler, tensor } from 'nodegrad';
 * new StandardScaler().fit(tensor([[1], [2], [3]])).transform(tensor([[1], [3]])); // [[-1.2247], [1.2247]]
 * ```
 */
export class StandardScaler extends AffineTransform {
  protected fitter(shape: readonly number[]): TransformFitter {
    const moments = new Moments(sizeOf(shape), shape);
    return { add: (batch, first) => moments.add(batch, first), learned: () => this.affine(shape, moments.mean, moments.std()) };
  }

  config(): unknown {
    return {};
  }

  /** The transform that `config()` describes. */
  static fromConfig(): StandardScaler {
    return new StandardScaler();
  }
}

registerTransforms({ StandardScaler });
