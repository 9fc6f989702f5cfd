// What initializers share whose spread follows from the number of connections of a unit.

import type { FloatDType } from '../dtype.js';
import { normalTensor, uniformTensor } from '../ops/random.js';
import { choice, number, readOptions } from '../options.js';
import type { Random } from '../random.js';
import { type Tensor, checkShape } from '../tensor.js';
import { Initializer } from './initializer.js';
import { truncatedDeviation, truncatedTensor } from './truncated.js';

/** Shape of the distribution that values are drawn from. */
export type InitializerDistribution = 'normal' | 'uniform' | 'truncated-normal';

/** Which count of connections sets the scale. */
export type FanMode = 'fanIn' | 'fanOut' | 'average';

/** Options of {@link Xavier}, {@link He} and {@link LeCun}. */
export interface ScaledOptions {
  /**
   * `'normal'` (default), `'uniform'` or `'truncated-normal'`, all of the same variance. The last has no number further than two standard
   * deviations of the normal distribution that it is cut from, which is wider by 1/0.8796 for that; it is what Keras calls normal.
   */
  distribution?: InitializerDistribution;
  /** Inputs of a unit, outputs, or the mean of both. */
  mode?: FanMode;
  /** Factor on the standard deviation. */
  gain?: number;
}

/** Inputs and outputs of one unit: of a matrix [in, out], or of a kernel [height, width, in, out]. */
export function fansOf(shape: readonly number[]): { fanIn: number; fanOut: number } {
  if (shape.length < 2) {
    const size = shape.length === 0 ? 1 : shape[0];
    return { fanIn: size, fanOut: size };
  }
  const field = shape.slice(0, -2).reduce((product, dimension) => product * dimension, 1);
  return { fanIn: field * shape[shape.length - 2], fanOut: field * shape[shape.length - 1] };
}

/** Variance `scale·gain² / fan`. */
export abstract class Scaled extends Initializer {
  /** Shape of the distribution; its variance is the same for all. */
  readonly distribution: InitializerDistribution;
  /** Which count of connections sets the scale. */
  readonly mode: FanMode;
  /** Factor on the standard deviation. */
  readonly gain: number;

  constructor(
    options: ScaledOptions,
    mode: FanMode,
    private readonly scale: number,
  ) {
    super();
    ({
      distribution: this.distribution,
      mode: this.mode,
      gain: this.gain,
    } = readOptions(options, {
      distribution: ['normal', choice(['normal', 'uniform', 'truncated-normal'])],
      mode: [mode, choice(['fanIn', 'fanOut', 'average'])],
      gain: [1, number()],
    }));
  }

  /** Standard deviation for a parameter of this shape. */
  standardDeviation(shape: readonly number[]): number {
    const { fanIn, fanOut } = fansOf(checkShape(shape));
    const fan = this.mode === 'fanIn' ? fanIn : this.mode === 'fanOut' ? fanOut : (fanIn + fanOut) / 2;
    return fan === 0 ? 0 : this.gain * Math.sqrt(this.scale / fan);
  }

  values<D extends FloatDType>(shape: readonly number[], dtype: D, random: Random): Tensor<FloatDType> {
    const std = this.standardDeviation(shape);
    if (this.distribution === 'normal') return normalTensor(shape, 0, std, dtype, random) as Tensor<FloatDType>;
    if (this.distribution === 'truncated-normal') return truncatedTensor(checkShape(shape), 0, std / truncatedDeviation, dtype, random);
    const bound = std * Math.sqrt(3);
    return uniformTensor(shape, -bound, bound, dtype, random) as Tensor<FloatDType>;
  }
}
