// The identity: what comes in goes out, first.

import { type FloatDType, arrayTypes } from '../dtype.js';
import { ShapeError, describeShape } from '../errors.js';
import { keepNames } from '../names.js';
import { number, readOptions } from '../options.js';
import { Tensor, checkShape } from '../tensor.js';
import { Initializer } from './initializer.js';

/** Options of {@link IdentityMatrix}. */
export interface IdentityMatrixOptions {
  /** What stands on the diagonal; default 1. */
  gain?: number;
}

/**
 * `gain` on the diagonal of a matrix [in, out], 0 elsewhere; of a kernel [height, width, in, out] the same in its middle, so that the
 * convolution hands on its input. For recurrent weights (Le, Jaitly and Hinton 2015) and very deep nets.
 *
 * @throws {@link ArgumentError} for unknown options; `values` throws a {@link ShapeError} for parameters of other ranks.
 * @example
 * ```ts
 * import { IdentityMatrix, Linear } from 'nodegrad';
 * new Linear(64, 64, { init: new IdentityMatrix() });
 * ```
 */
export class IdentityMatrix extends Initializer {
  /** What stands on the diagonal. */
  readonly gain: number;

  constructor(options: IdentityMatrixOptions = {}) {
    super();
    this.gain = readOptions(options, { gain: [1, number()] }).gain;
  }

  values<D extends FloatDType>(shape: readonly number[], dtype: D): Tensor<FloatDType> {
    checkShape(shape);
    if (shape.length !== 2 && shape.length !== 4)
      throw new ShapeError(
        `IdentityMatrix is for matrices [in, out] and kernels [height, width, in, out], received shape ${describeShape(shape)}`,
      );
    const [height, width, inputs, outputs] = shape.length === 4 ? shape : [1, 1, ...shape];
    const values = new arrayTypes[dtype](height * width * inputs * outputs);
    const middle = ((height >> 1) * width + (width >> 1)) * inputs * outputs;
    for (let i = 0; i < Math.min(inputs, outputs); i++) values[middle + i * outputs + i] = this.gain;
    return Tensor.from(values, shape) as Tensor<FloatDType>;
  }
}

keepNames({ IdentityMatrix });
