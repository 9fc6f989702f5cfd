// Smooth activation functions beside sigmoid and tanh: every export is public, and the operation of each stands above it.

import type { FloatDType } from '../dtype.js';
import { Tensor } from '../tensor.js';
import {
  type ELUOptions,
  type GELUOptions,
  type SoftplusOptions,
  type SwishOptions,
  alphaParameter,
  approximatesGelu,
  softplusParameters,
  swishParameters,
} from './activation_options.js';
import { defineMap } from './elementwise.js';
import { called } from './called.js';
import { emitOne } from './emit.js';

const eluOp = defineMap('elu', 'input');

/**
 * Exponential linear unit: `x` above 0, else `alpha·(eˣ − 1)`; range (−alpha, ∞). Exact near 0, where eˣ − 1 would lose its digits.
 * Clevert, Unterthiner and Hochreiter 2016. Course rows A30–A34.
 *
 * @param x - Any shape, float32 or float64.
 * @throws {@link DTypeError} when `x` is not float, {@link ArgumentError} for an option out of range or unknown.
 * @example
 * ```ts
 * import { elu, tensor } from 'nodegrad';
 * elu(tensor([-1, 0, 2])).toArray(); // [-0.6321205496788025, 0, 2]
 * ```
 */
export function elu<D extends FloatDType>(x: Tensor<D>, options: ELUOptions = {}): Tensor<D> {
  return emitOne(eluOp, [Tensor.check(x, 'x')], [...alphaParameter(options), 1]);
}

/**
 * Scaled ELU `λ·elu(x, α)` with λ ≈ 1.0507 and α ≈ 1.6733, for which layers with LeCun-normal weights keep mean 0 and variance 1;
 * range (−1.7581, ∞). Klambauer et al. 2017. Course row A46.
 *
 * @param x - Any shape, float32 or float64.
 * @throws {@link DTypeError} when `x` is not float.
 * @example
 * ```ts
 * import { selu, tensor } from 'nodegrad';
 * selu(tensor([-1, 1])).toArray(); // [-1.1113307476043701, 1.0507010221481323]
 * ```
 */
export function selu<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
  return called('selu', () => emitOne(eluOp, [Tensor.check(x, 'x')], [1.7580993408473766, 1.0507009873554805]));
}

const celuOp = defineMap('celu', 'input');

/**
 * Continuously differentiable ELU: `x` above 0, else `alpha·(e^(x/alpha) − 1)`; range (−alpha, ∞), slope 1 on both sides of 0.
 * Barron 2017. Course row A46.
 *
 * @param x - Any shape, float32 or float64.
 * @throws {@link DTypeError} when `x` is not float, {@link ArgumentError} for an option out of range or unknown.
 * @example
 * ```ts
 * import { celu, tensor } from 'nodegrad';
 * celu(tensor([-1, 2]), { alpha: 2 }).toArray(); // [-0.7869386672973633, 2]
 * ```
 */
export function celu<D extends FloatDType>(x: Tensor<D>, options: ELUOptions = {}): Tensor<D> {
  return emitOne(celuOp, [Tensor.check(x, 'x')], alphaParameter(options));
}

const geluOp = defineMap('gelu', 'input');
const geluTanhOp = defineMap('gelu_tanh', 'input');

/**
 * Gaussian error linear unit `x·Φ(x)`, Φ the distribution function of the standard normal distribution; range [−0.1700, ∞), relative precision
 * in both tails. `approximate: 'tanh'` is `x·(1 + tanh(√(2/π)·(x + 0.044715·x³))) / 2`. Hendrycks and Gimpel 2016. Course row A46.
 *
 * @param x - Any shape, float32 or float64.
 * @throws {@link DTypeError} when `x` is not float, {@link ArgumentError} for an option out of range or unknown.
 * @example
 * ```ts
 * import { gelu, tensor } from 'nodegrad';
 * gelu(tensor([-1, 1])).toArray(); // [-0.15865525603294373, 0.8413447141647339]
 * ```
 */
export function gelu<D extends FloatDType>(x: Tensor<D>, options: GELUOptions = {}): Tensor<D> {
  return called('gelu', () => emitOne(approximatesGelu(options) ? geluTanhOp : geluOp, [Tensor.check(x, 'x')], undefined));
}

const swishOp = defineMap('swish', 'input');

/**
 * `scale·x·σ(beta·x)`; with the defaults the swish of Ramachandran, Zoph and Le 2017, also called SiLU: range [−0.2785, ∞).
 * Source S3 of the course prints `2x·σ(beta·x)`, which is `scale: 2`: at beta 0 that is x, and for beta → ∞ it nears 2·max(0, x). Course row A42.
 *
 * @param x - Any shape, float32 or float64.
 * @throws {@link DTypeError} when `x` is not float, {@link ArgumentError} for an option out of range or unknown.
 * @example
 * ```ts
 * import { swish, tensor } from 'nodegrad';
 * swish(tensor([1, -1])).toArray(); // [0.7310585975646973, -0.2689414322376251]
 * ```
 */
export function swish<D extends FloatDType>(x: Tensor<D>, options: SwishOptions = {}): Tensor<D> {
  return emitOne(swishOp, [Tensor.check(x, 'x')], swishParameters(options));
}

const mishOp = defineMap('mish', 'input');

/**
 * `x·tanh(log(1 + eˣ))`; range [−0.3088, ∞). Misra 2019. Course row A46.
 *
 * @param x - Any shape, float32 or float64.
 * @throws {@link DTypeError} when `x` is not float.
 * @example
 * ```ts
 * import { mish, tensor } from 'nodegrad';
 * mish(tensor([-1, 1])).toArray(); // [-0.30340147018432617, 0.8650983572006226]
 * ```
 */
export function mish<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
  return emitOne(mishOp, [Tensor.check(x, 'x')], undefined);
}

const softplusOp = defineMap('softplus', 'input');

/**
 * `log(1 + e^(beta·x)) / beta`, a smooth ReLU whose slope is `σ(beta·x)`; range (0, ∞). No threshold is needed: nothing overflows.
 * Dugas et al. 2001. Course row A46.
 *
 * @param x - Any shape, float32 or float64.
 * @throws {@link DTypeError} when `x` is not float, {@link ArgumentError} for an option out of range or unknown.
 * @example
 * ```ts
 * import { softplus, tensor } from 'nodegrad';
 * softplus(tensor([0, 100])).toArray(); // [0.6931471824645996, 100]
 * ```
 */
export function softplus<D extends FloatDType>(x: Tensor<D>, options: SoftplusOptions = {}): Tensor<D> {
  return emitOne(softplusOp, [Tensor.check(x, 'x')], softplusParameters(options));
}

const softsignOp = defineMap('softsign', 'input');

/**
 * `x / (1 + |x|)`; range (−1, 1), reached more slowly than by tanh. Bergstra et al. 2009. Course row A46.
 *
 * @param x - Any shape, float32 or float64.
 * @throws {@link DTypeError} when `x` is not float.
 * @example
 * ```ts
 * import { softsign, tensor } from 'nodegrad';
 * softsign(tensor([-1, 3])).toArray(); // [-0.5, 0.75]
 * ```
 */
export function softsign<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
  return emitOne(softsignOp, [Tensor.check(x, 'x')], undefined);
}
