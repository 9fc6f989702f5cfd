// Local response normalization: each channel divided by a power of the squares of its neighbours.

import type { FloatDType } from '../dtype.js';
import { ShapeError, checkInteger, checkNumber, checkOptions, describeShape } from '../errors.js';
import { Tensor } from '../tensor.js';
import { defineOp } from './define.js';
import { requireFloat } from './elementwise.js';
import { emitOne } from './emit.js';

/** Options of {@link localResponseNorm} and its layer. */
export interface LocalResponseNormOptions {
  /** Weight of the mean of squares. Default 1e-4. */
  alpha?: number;
  /** The exponent. Default 0.75. */
  beta?: number;
  /** What is added to the mean of squares; with 0, a channel among zeros becomes NaN. Default 1. */
  k?: number;
}

/** @internal Size and options of a local response normalization, checked. */
export interface Response {
  readonly size: number;
  readonly alpha: number;
  readonly beta: number;
  readonly k: number;
}

/** @internal */
export function checkResponse(size: unknown, options: unknown): Response {
  const { alpha = 1e-4, beta = 0.75, k = 1 } = checkOptions<LocalResponseNormOptions>(options, 'options', ['alpha', 'beta', 'k']);
  return {
    size: checkInteger(size, 'size', 1, 2 ** 31 - 1),
    alpha: checkNumber(alpha, 'options.alpha', 0),
    beta: checkNumber(beta, 'options.beta', 0),
    k: checkNumber(k, 'options.k', 0),
  };
}

const planOf = (x: Tensor, { size, alpha, beta, k }: Response) => {
  const channels = x.shape[x.shape.length - 1];
  const rows = channels === 0 ? 0 : x.size / channels;
  return { outputs: [{ shape: x.shape, dtype: x.dtype }], ints: [rows, channels, size], reals: [alpha, beta, k] };
};

const backwardOp = defineOp<Response>('local_response_norm_backward', {
  shape: ([dy], response) => planOf(dy as Tensor, response),
  gradient: 'none',
});
const localResponseNormOp = defineOp<Response>('local_response_norm', {
  shape: ([x], response) => planOf(x as Tensor, response),
  gradient: ({ inputs: [x], upstream, attributes }) => [emitOne(backwardOp, [upstream, x], attributes)],
});

/**
 * `y[…, c] = x[…, c] / (k + alpha/size · Σ x[…, j]²)^beta`, the sum over `size` neighbouring channels: ⌊size/2⌋ before c, c itself, and
 * ⌊(size − 1)/2⌋ behind it, as far as they exist.
 *
 * Krizhevsky, Sutskever & Hinton 2012 (AlexNet), in the form of PyTorch and Caffe, which divide `alpha` by `size`. The paper does not:
 * its k = 2, n = 5, α = 1e-4, β = ¾ are `localResponseNorm(x, 5, { k: 2, alpha: 5e-4 })` here.
 *
 * @param x - [N, …, C], float32 or float64.
 * @param size - How many channels are summed.
 * @throws {@link ShapeError} when `x` has fewer than two axes, {@link ArgumentError} for a size below 1, an option below 0 or unknown.
 * @example
 * ```ts
 * import { localResponseNorm, ones } from 'nodegrad';
 * localResponseNorm(ones([1, 2]), 1, { alpha: 3, beta: 0.5 }).toArray(); // [[0.5, 0.5]]
 * ```
 */
export function localResponseNorm<D extends FloatDType>(x: Tensor<D>, size: number, options: LocalResponseNormOptions = {}): Tensor<D> {
  const input = Tensor.check(x, 'x') as Tensor<D>;
  const response = checkResponse(size, options);
  requireFloat('localResponseNorm', [input]);
  if (input.shape.length < 2) {
    throw new ShapeError(`[localResponseNorm] expected a tensor [N, …, C], received shape ${describeShape(input.shape)}`);
  }
  return emitOne(localResponseNormOp, [input], response);
}
