// Options of activations, and the parameters of their kernels that follow from them: functions and layers check alike.

import { checkChoice, checkNumber, checkOptions } from '../errors.js';

/** Options of {@link leakyRelu}. */
export interface LeakyReLUOptions {
  /** Slope below 0. Default 0.01. */
  negativeSlope?: number;
}

/** Options of {@link elu} and {@link celu}. */
export interface ELUOptions {
  /** What the output nears for x → −∞, with a minus sign; above 0. Default 1. */
  alpha?: number;
}

/** Options of {@link gelu}. */
export interface GELUOptions {
  /** `'tanh'` takes the approximation by tanh. Default `'none'`. */
  approximate?: 'none' | 'tanh';
}

/** Options of {@link swish}. */
export interface SwishOptions {
  /** How sharply the sigmoid rises: with 0 the function is `scale·x / 2`. Default 1. */
  beta?: number;
  /** Factor of the whole. Default 1; source S3 of the course has 2. */
  scale?: number;
}

/** Options of {@link softplus}. */
export interface SoftplusOptions {
  /** How closely the function follows ReLU; above 0. Default 1. */
  beta?: number;
}

/** Options of {@link hardTanh}. */
export interface HardTanhOptions {
  /** Least output. Default −1. */
  min?: number;
  /** Largest output, not below `min`. Default 1. */
  max?: number;
}

export function leakyReluParameters(options: LeakyReLUOptions): [number] {
  checkOptions(options, 'options', ['negativeSlope']);
  return [checkNumber(options.negativeSlope ?? 0.01, 'options.negativeSlope')];
}

export function alphaParameter(options: ELUOptions): [number] {
  checkOptions(options, 'options', ['alpha']);
  return [checkNumber(options.alpha ?? 1, 'options.alpha', Number.MIN_VALUE)];
}

export function approximatesGelu(options: GELUOptions): boolean {
  checkOptions(options, 'options', ['approximate']);
  return checkChoice(options.approximate ?? 'none', 'options.approximate', ['none', 'tanh']) === 'tanh';
}

export function swishParameters(options: SwishOptions): [number, number] {
  checkOptions(options, 'options', ['beta', 'scale']);
  return [checkNumber(options.beta ?? 1, 'options.beta'), checkNumber(options.scale ?? 1, 'options.scale')];
}

export function softplusParameters(options: SoftplusOptions): [number] {
  checkOptions(options, 'options', ['beta']);
  return [checkNumber(options.beta ?? 1, 'options.beta', Number.MIN_VALUE)];
}

export function hardTanhParameters(options: HardTanhOptions): [number, number] {
  checkOptions(options, 'options', ['min', 'max']);
  const min = checkNumber(options.min ?? -1, 'options.min');
  return [min, checkNumber(options.max ?? 1, 'options.max', min)];
}
