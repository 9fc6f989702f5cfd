// Scaling to a range: the least and the greatest training value of each feature become its ends.

import { ArgumentError, checkNumber, checkOptions, expected } from '../errors.js';
import { AffineTransform } from './affine.js';
import { sizeOf } from './centre.js';
import { refuseNonFinite } from './finite.js';
import { type TransformFitter, registerTransforms } from './transform.js';

/** Options of {@link MinMaxScaler}. */
export interface MinMaxScalerOptions {
  /** What the least value becomes; default 0. */
  readonly low?: number;
  /** What the greatest value becomes; default 1. */
  readonly high?: number;
}

/**
 * `low + (x − min) / (max − min) · (high − low)` for each feature. Data beyond the training range fall beyond `low` and `high`; a feature
 * that is constant becomes `low`.
 *
 * @throws {@link ArgumentError} when `high` is not above `low`.
 * @example
 * ```ts
 * import { MinMaxScaler, tensor } from 'nodegrad';
 * new MinMaxScaler({ low: -1 }).fit(tensor([[0], [10]])).transform(tensor([[5]])); // [[0]]
 * ```
 */
export class MinMaxScaler extends AffineTransform {
  /** What the least value becomes. */
  readonly low: number;
  /** What the greatest value becomes. */
  readonly high: number;

  constructor(options: MinMaxScalerOptions = {}) {
    super();
    const { low = 0, high = 1 } = checkOptions<MinMaxScalerOptions>(options, 'options', ['low', 'high']);
    this.low = checkNumber(low, 'options.low');
    this.high = checkNumber(high, 'options.high');
    if (this.high <= this.low) throw new ArgumentError(expected(`a number above low = ${this.low}`, 'options.high', high));
  }

  protected fitter(shape: readonly number[]): TransformFitter {
    const features = sizeOf(shape);
    const least = new Float64Array(features).fill(Number.POSITIVE_INFINITY);
    const greatest = new Float64Array(features).fill(Number.NEGATIVE_INFINITY);
    return {
      add: (batch, first) => {
        refuseNonFinite(batch, first, shape);
        const data = batch.data as ArrayLike<number>;
        for (let at = 0; at < data.length; )
          for (let j = 0; j < features; j++, at++) {
            if (data[at] < least[j]) least[j] = data[at];
            if (data[at] > greatest[j]) greatest[j] = data[at];
          }
      },
      // low + (x − min)·width/range = (x − (min − low·range/width)) / (range/width)
      learned: () => {
        const scale = greatest.map((value, j) => (value === least[j] ? 1 : (value - least[j]) / (this.high - this.low)));
        return this.affine(
          shape,
          least.map((value, j) => value - this.low * scale[j]),
          scale,
        );
      },
    };
  }

  config(): unknown {
    return { low: this.low, high: this.high };
  }

  /** The transform that `config()` describes. */
  static fromConfig(config: MinMaxScalerOptions): MinMaxScaler {
    return new MinMaxScaler(config);
  }
}

registerTransforms({ MinMaxScaler });
