// Scaling by median and quartiles, which a few wild values do not move.

import { AffineTransform } from './affine.js';
import { sizeOf } from './centre.js';
import { refuseNonFinite } from './finite.js';
import { Gathered, quantile } from './gathered.js';
import { type TransformFitter, registerTransforms } from './transform.js';

/**
 * `(x − median) / (third quartile − first quartile)` for each feature, quartiles linear between two values. `fit` holds all numbers in
 * memory, 8 bytes each; `sampleSize` bounds that.
 *
 * @example
 * ```ts
 * import { RobustScaler, tensor } from 'nodegrad';
 * new RobustScaler().fit(tensor([[1], [2], [3], [4], [1000]])).transform(tensor([[3], [5]])); // [[0], [1]]
 * ```
 */
export class RobustScaler extends AffineTransform {
  protected fitter(shape: readonly number[], { length }: { readonly length: number }): TransformFitter {
    const features = sizeOf(shape);
    const gathered = new Gathered(features, length);
    return {
      add: (batch, first) => {
        refuseNonFinite(batch, first, shape);
        gathered.add(batch);
      },
      learned: () => {
        const [median, range] = [new Float64Array(features), new Float64Array(features)];
        for (let j = 0; j < features; j++) {
          const sorted = gathered.sorted(j);
          median[j] = quantile(sorted, 0.5);
          range[j] = quantile(sorted, 0.75) - quantile(sorted, 0.25);
        }
        return this.affine(shape, median, range);
      },
    };
  }

  config(): unknown {
    return {};
  }

  /** The transform that `config()` describes. */
  static fromConfig(): RobustScaler {
    return new RobustScaler();
  }
}

registerTransforms({ RobustScaler });
