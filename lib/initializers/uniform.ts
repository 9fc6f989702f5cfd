// Uniform numbers from a range of one's own.

import type { FloatDType } from '../dtype.js';
import { ArgumentError, expected } from '../errors.js';
import { keepNames } from '../names.js';
import { uniformTensor } from '../ops/random.js';
import { number, readOptions } from '../options.js';
import type { Random } from '../random.js';
import type { Tensor } from '../tensor.js';
import { Initializer } from './initializer.js';

/** Options of {@link Uniform}. */
export interface UniformOptions {
  /** Default −0.05. */
  low?: number;
  /** Default 0.05. */
  high?: number;
}

/**
 * Uniform numbers in [low, high).
 *
 * @example
 * ```ts
 * import { Linear, Uniform } from 'nodegrad';
 * new Linear(784, 10, { init: new Uniform({ low: -0.1, high: 0.1 }) });
 * ```
 */
export class Uniform extends Initializer {
  /** Lower end, included. */
  readonly low: number;
  /** Upper end, excluded. */
  readonly high: number;

  constructor(options: UniformOptions = {}) {
    super();
    ({ low: this.low, high: this.high } = readOptions(options, { low: [-0.05, number()], high: [0.05, number()] }));
    if (!(this.low <= this.high))
      throw new ArgumentError(expected(`a number of at least options.low = ${this.low}`, 'options.high', this.high));
  }

  values<D extends FloatDType>(shape: readonly number[], dtype: D, random: Random): Tensor<FloatDType> {
    return uniformTensor(shape, this.low, this.high, dtype, random) as Tensor<FloatDType>;
  }
}

keepNames({ Uniform });
