// Normal numbers with a standard deviation of one's own, whole or without their tails.

import type { FloatDType } from '../dtype.js';
import { keepNames } from '../names.js';
import { normalTensor } from '../ops/random.js';
import { number, readOptions } from '../options.js';
import type { Random } from '../random.js';
import { type Tensor, checkShape } from '../tensor.js';
import { Initializer } from './initializer.js';
import { truncatedTensor } from './truncated.js';

/** Options of {@link Normal}. */
export interface NormalOptions {
  /** Default 0. */
  mean?: number;
  /** Standard deviation, default 0.01 (course row C05: fine for small nets only). */
  std?: number;
}

/**
 * Normal numbers with a fixed standard deviation. Course rows C05, C11.
 *
 * @example
 * ```ts
 * import { Linear, Normal } from 'nodegrad';
 * new Linear(784, 10, { init: new Normal({ std: 0.01 }) });
 * ```
 */
export class Normal extends Initializer {
  /** Mean. */
  readonly mean: number;
  /** Standard deviation. */
  readonly std: number;

  constructor(options: NormalOptions = {}) {
    super();
    ({ mean: this.mean, std: this.std } = readOptions(options, { mean: [0, number()], std: [0.01, number(0)] }));
  }

  values<D extends FloatDType>(shape: readonly number[], dtype: D, random: Random): Tensor<FloatDType> {
    return normalTensor(shape, this.mean, this.std, dtype, random) as Tensor<FloatDType>;
  }
}

/**
 * Normal numbers without those further than two standard deviations from the mean, which are drawn again, as it were: the deviation that
 * is left is 0.8796 · `std` (Keras and JAX call this the same; PyTorch's `trunc_normal_` cuts at ±2, whatever `std` is).
 *
 * @example
 * ```ts
 * import { Linear, TruncatedNormal } from 'nodegrad';
 * new Linear(784, 10, { init: new TruncatedNormal({ std: 0.02 }) });
 * ```
 */
export class TruncatedNormal extends Normal {
  override values<D extends FloatDType>(shape: readonly number[], dtype: D, random: Random): Tensor<FloatDType> {
    return truncatedTensor(checkShape(shape), this.mean, this.std, dtype, random);
  }
}

keepNames({ Normal, TruncatedNormal });
