// The base class of initializers: where the first values of a parameter come from.

import type { FloatDType } from '../dtype.js';
import { ArgumentError, expected } from '../errors.js';
import { ours } from '../foreign.js';
import { keepNames } from '../names.js';
import type { Check } from '../options.js';
import type { Random } from '../random.js';
import type { Tensor } from '../tensor.js';

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

/** @internal The check of an option that says where first values come from. */
export const initializer: Check<Initializer> = (value, argument) => {
  if (!(value instanceof Initializer)) throw new ArgumentError(expected('an Initializer, such as new He()', argument, value));
  return value;
};

keepNames({ Initializer });
ours(Initializer);
