// Initializers: where the first values of a parameter come from.

import { ours } from '../foreign.js';
import type { FloatDType } from '../dtype.js';
import { ArgumentError, checkChoice, checkNumber, checkOptions, expected } from '../errors.js';
import { normalTensor, uniformTensor } from '../ops/random.js';
import { filled } from '../ops/shape.js';
import type { Random } from '../random.js';
import { type Tensor, checkShape } from '../tensor.js';
import { keepNames } from '../names.js';

/**
 * Base class of initializers. A parameter calls `values` once, with a random stream of its own (keyed by seed and path).
 *
 * @example
 * ```ts
 * import { Initializer, Tensor, full } from 'nodegrad';
 * class Half extends Initializer {
 *   values(shape: readonly number[]): Tensor {
 *     return full(shape, 0.5);
 *   }
 * }
 * ```
 */
export abstract class Initializer {
  /** The first values of a parameter of this shape. */
  abstract values<D extends FloatDType>(shape: readonly number[], dtype: D, random: Random): Tensor<FloatDType>;
}

/**
 * Every value the same. Equal values in all units of a layer keep them equal for ever: course rows C01–C04.
 *
 * @example
 * ```ts
 * import { Constant, Linear } from 'nodegrad';
 * new Linear(784, 100, { biasInit: new Constant(0.01) }); // course row A24
 * ```
 */
export class Constant extends Initializer {
  /** The value. */
  readonly value: number;

  constructor(value: number) {
    super();
    this.value = checkNumber(value, 'value');
  }

  values<D extends FloatDType>(shape: readonly number[], dtype: D): Tensor<FloatDType> {
    return filled(checkShape(shape), this.value, dtype) as Tensor<FloatDType>;
  }
}

/**
 * Every value 0: for biases. Course row A25.
 *
 * @example
 * ```ts
 * import { Linear, Zeros } from 'nodegrad';
 * new Linear(784, 10, { biasInit: new Zeros() }); // the default
 * ```
 */
export class Zeros extends Constant {
  constructor() {
    super(0);
  }
}

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
    checkOptions(options, 'options', ['mean', 'std']);
    this.mean = checkNumber(options.mean ?? 0, 'options.mean');
    this.std = checkNumber(options.std ?? 0.01, 'options.std', 0);
  }

  values<D extends FloatDType>(shape: readonly number[], dtype: D, random: Random): Tensor<FloatDType> {
    return normalTensor(shape, this.mean, this.std, dtype, random) as Tensor<FloatDType>;
  }
}

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
    checkOptions(options, 'options', ['low', 'high']);
    this.low = checkNumber(options.low ?? -0.05, 'options.low');
    this.high = checkNumber(options.high ?? 0.05, 'options.high');
    if (!(this.low <= this.high))
      throw new ArgumentError(expected(`a number of at least options.low = ${this.low}`, 'options.high', this.high));
  }

  values<D extends FloatDType>(shape: readonly number[], dtype: D, random: Random): Tensor<FloatDType> {
    return uniformTensor(shape, this.low, this.high, dtype, random) as Tensor<FloatDType>;
  }
}

/** Which count of connections sets the scale. */
export type FanMode = 'fanIn' | 'fanOut' | 'average';

/** Options of {@link Xavier} and {@link He}. */
export interface ScaledOptions {
  /** `'normal'` (default) or `'uniform'` with the same variance. */
  distribution?: 'normal' | 'uniform';
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
abstract class Scaled extends Initializer {
  /** Normal or uniform numbers of the same variance. */
  readonly distribution: 'normal' | 'uniform';
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
    checkOptions(options, 'options', ['distribution', 'mode', 'gain']);
    this.distribution = checkChoice(options.distribution ?? 'normal', 'options.distribution', ['normal', 'uniform']);
    this.mode = checkChoice(options.mode ?? mode, 'options.mode', ['fanIn', 'fanOut', 'average']);
    this.gain = checkNumber(options.gain ?? 1, 'options.gain');
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
    const bound = std * Math.sqrt(3);
    return uniformTensor(shape, -bound, bound, dtype, random) as Tensor<FloatDType>;
  }
}

/**
 * Xavier (Glorot): variance `gain² / fan`, which keeps the variance of linear units. For tanh and sigmoid.
 *
 * The default mode `'average'` is Glorot's own `2/(in+out)` (Glorot & Bengio 2010); the course's `1/in` is mode `'fanIn'`
 * (course rows C13, P07).
 *
 * @example
 * ```ts
 * import { Linear, Xavier } from 'nodegrad';
 * new Linear(500, 500, { init: new Xavier({ distribution: 'uniform' }) });
 * ```
 */
export class Xavier extends Scaled {
  constructor(options: ScaledOptions = {}) {
    super(options, 'average', 1);
  }
}

/**
 * He (Kaiming): variance `2·gain² / fan`, which makes up for the half of the inputs that ReLU sets to zero (He et al. 2015, course
 * rows C16, C22). Default mode `'fanIn'`.
 *
 * @example
 * ```ts
 * import { He, Linear } from 'nodegrad';
 * new Linear(784, 256, { init: new He({ mode: 'fanOut' }) });
 * ```
 */
export class He extends Scaled {
  constructor(options: ScaledOptions = {}) {
    super(options, 'fanIn', 2);
  }
}

keepNames({ Initializer, Constant, Zeros, Normal, Uniform, Xavier, He });

ours(Initializer);
