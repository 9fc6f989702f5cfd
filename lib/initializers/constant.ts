// Initializers that give every value the same number.

import type { FloatDType } from '../dtype.js';
import { checkNumber } from '../errors.js';
import { keepNames } from '../names.js';
import { filled } from '../ops/shape.js';
import { type Tensor, checkShape } from '../tensor.js';
import { Initializer } from './initializer.js';

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

keepNames({ Constant, Zeros });
