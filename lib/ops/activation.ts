// Activation functions by name: one typed list, for options such as `activation: 'elu'`.

import type { FloatDType } from '../dtype.js';
import { checkChoice } from '../errors.js';
import type { Tensor } from '../tensor.js';
import * as straight from './activations.js';
import * as smooth from './smooth_activations.js';

const { addRelu: _ofTwo, prelu: _learned, ...plain } = straight;
const functions = { linear: <D extends FloatDType>(x: Tensor<D>): Tensor<D> => x, ...plain, ...smooth };

/** Name of an activation function. Those that learn are layers: {@link PReLU}, {@link Maxout}. */
export type ActivationName = keyof typeof functions;

/** Options of the activation function of that name. */
export type OptionsOf<N extends ActivationName> = NonNullable<Parameters<(typeof functions)[N]>[1 & keyof Parameters<(typeof functions)[N]>]>;

/** An activation function whose options are chosen. */
export type ActivationFunction = <D extends FloatDType>(x: Tensor<D>) => Tensor<D>;

/** All names, in alphabetical order. Course row A46. */
export const activationNames: readonly ActivationName[] = Object.freeze((Object.keys(functions) as ActivationName[]).sort());

/**
 * The activation function of that name, with its options. Course row A46.
 *
 * Rule of thumb (rows A44, A45): ReLU with a careful learning rate; then leaky ReLU, maxout or ELU; tanh in recurrent nets; sigmoid as a gate
 * or for a probability.
 *
 * @param name - The name of the function in this library: `'relu'`, `'elu'`, `'hardTanh'` …; `'linear'` changes nothing.
 * @param options - What that function takes, such as `{ alpha: 0.5 }` for `'elu'`.
 * @throws {@link ArgumentError} for an unknown name; for an unknown option when the function is called.
 * @example
 * ```ts
 * import { activation, tensor } from 'nodegrad';
 * const f = activation('leakyRelu', { negativeSlope: 0.25 });
 * f(tensor([-2, 3])).toArray(); // [-0.5, 3]
 * ```
 */
export function activation<N extends ActivationName>(name: N, options?: OptionsOf<N>): ActivationFunction {
  const f = functions[checkChoice<ActivationName>(name, 'name', activationNames)] as (x: unknown, options?: unknown) => never;
  return options === undefined ? (x) => f(x) : (x) => f(x, options);
}
