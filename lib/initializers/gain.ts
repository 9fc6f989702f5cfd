// How much larger weights must be for what an activation takes away.

import { ArgumentError, checkChoice, checkNumber } from '../errors.js';

const gains: Readonly<Record<Exclude<GainName, 'leakyRelu'>, number>> = {
  linear: 1,
  sigmoid: 1,
  tanh: 5 / 3,
  relu: Math.SQRT2,
  selu: 3 / 4,
};

/** Activations whose gain is known. */
export type GainName = 'linear' | 'sigmoid' | 'tanh' | 'relu' | 'selu' | 'leakyRelu';

/**
 * The factor on the standard deviation of the weights before an activation, as PyTorch's `calculate_gain` has it: 1 for `'linear'` and
 * `'sigmoid'`, 5/3 for `'tanh'`, √2 for `'relu'`, √(2/(1 + slope²)) for `'leakyRelu'`, 3/4 for `'selu'`. With {@link Xavier}, {@link LeCun} or
 * {@link Orthogonal}; {@link He} has that of ReLU built in.
 *
 * @param activation - Name of the activation.
 * @param slope - Slope of leaky ReLU on the negative side, default 0.01.
 * @throws {@link ArgumentError} for other names, or a slope for another activation.
 * @example
 * ```ts
 * import { Orthogonal, gainOf } from 'nodegrad';
 * new Orthogonal({ gain: gainOf('leakyRelu', 0.25) }); // 1.3719887
 * ```
 */
export function gainOf(activation: GainName, slope?: number): number {
  if (activation === 'leakyRelu') {
    const a = checkNumber(slope ?? 0.01, 'slope');
    return Math.sqrt(2 / (1 + a * a));
  }
  checkChoice(activation, 'activation', [...Object.keys(gains), 'leakyRelu']);
  if (slope !== undefined) throw new ArgumentError("`slope` is for 'leakyRelu'");
  return gains[activation];
}
