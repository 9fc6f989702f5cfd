// Activations of Keras: functions by name, and layers of their own.

import { isPlainObject } from '../foreign.js';
import { LeakyReLU } from '../layers/activations.js';
import { ELU } from '../layers/smooth-activations.js';
import { type Given, type KerasPart, type Maker, type Settings, axisOf, layerOf, only } from './keras-maker.js';

/** Functions of activation by Keras's names: an operation, and its options. */
const activations: Readonly<Record<string, readonly [op: string, options?: Settings]>> = {
  ...Object.fromEntries(
    ['relu', 'relu6', 'sigmoid', 'tanh', 'elu', 'selu', 'celu', 'gelu', 'softplus', 'softsign', 'mish'].map((name) => [
      name,
      ['activation', { name }],
    ]),
  ),
  silu: ['activation', { name: 'swish' }],
  swish: ['activation', { name: 'swish' }],
  hard_sigmoid: ['activation', { name: 'hardSigmoid' }],
  hard_silu: ['activation', { name: 'hardSwish' }],
  hard_swish: ['activation', { name: 'hardSwish' }],
  hard_tanh: ['activation', { name: 'hardTanh' }],
  leaky_relu: ['activation', { name: 'leakyRelu', options: { negativeSlope: 0.2 } }],
  softmax: ['softmax', { axis: -1 }],
  log_softmax: ['logSoftmax', { axis: -1 }],
  exponential: ['exp'],
};

/** An activation that stands in the configuration of a layer: a name, a function, or a layer. */
export function activationOf(value: unknown, given: Given): readonly KerasPart[] {
  if (value === null || value === undefined || value === 'linear') return [];
  const isObject = isPlainObject(value);
  const name = isObject && value.class_name === 'function' ? value.config : value;
  if (typeof name === 'string' && Object.hasOwn(activations, name)) {
    const [op, options] = activations[name];
    return [{ op, options }];
  }
  if (isObject && isPlainObject(value.config) && Object.hasOwn(alone, String(value.class_name)))
    return alone[String(value.class_name)]({ ...given, settings: value.config }).parts;
  return given.refuse(`the activation ${typeof name === 'string' ? `'${name}'` : 'of its own'}`);
}

/** Activations that are layers of their own. */
export const alone: Readonly<Record<string, Maker>> = {
  ReLU(given) {
    only(given, { threshold: 0 });
    const { max_value: most = null, negative_slope: slope = 0 } = given.settings;
    if (most === null) return { parts: [{ op: 'activation', options: { name: 'leakyRelu', options: { negativeSlope: Number(slope) } } }] };
    only(given, { max_value: 6, negative_slope: 0 });
    return { parts: [{ op: 'activation', options: { name: 'relu6' } }] };
  },
  LeakyReLU: layerOf(({ settings }) => new LeakyReLU({ negativeSlope: Number(settings.negative_slope ?? settings.alpha ?? 0.3) })),
  ELU: layerOf(({ settings }) => new ELU({ alpha: Number(settings.alpha ?? 1) })),
  Softmax: (given) => ({ parts: [{ op: 'softmax', options: axisOf(given) }] }),
  Activation: (given) => ({ parts: activationOf(given.settings.activation, given) }),
  ...Object.fromEntries(
    ['Relu', 'Relu6', 'Sigmoid', 'Tanh', 'Silu'].map((name): [string, Maker] => [
      name,
      (given) => ({ parts: activationOf(name.toLowerCase(), given) }),
    ]),
  ),
};
