// Measures that facts and looks are made of: spreads, means and variances of columns, roots of mean squares; of whole tensors by native passes.

import { isFloat } from '../dtype.js';
import { batchNormStatistics } from '../ops/batch_norm.js';
import { gather, reshape } from '../ops/shape.js';
import { statistics, sumSquares } from '../ops/statistics.js';
import { type AnyTensor, type Tensor, noGrad } from '../tensor.js';

/** A column of inputs, or all inputs together. */
export interface Spread {
  /** Least finite number. */
  readonly min: number;
  /** Largest finite number. */
  readonly max: number;
  /** Mean. */
  readonly mean: number;
  /** Standard deviation. */
  readonly std: number;
  /** Root of the mean square. */
  readonly rms: number;
  /** How many are NaN or infinite. */
  readonly nonFinite: number;
}

/** Indices over a data set, evenly. */
export function spreadOver(length: number, count: number): Int32Array {
  const all = Math.min(length, count);
  return Int32Array.from({ length: all }, (_, i) => Math.floor((i * length) / all));
}

/** The spread of every `stride`-th number from `from` on. */
export function spreadOf(data: ArrayLike<number>, from: number, stride: number): Spread {
  let [count, sum, squares, min, max, nonFinite] = [0, 0, 0, Infinity, -Infinity, 0];
  const pivot = Number.isFinite(data[from]) ? data[from] : 0;
  for (let i = from; i < data.length; i += stride) {
    const value = data[i];
    if (!Number.isFinite(value)) {
      nonFinite += 1;
      continue;
    }
    count += 1;
    sum += value - pivot;
    squares += (value - pivot) * (value - pivot);
    if (value < min) min = value;
    if (value > max) max = value;
  }
  const shift = count === 0 ? 0 : sum / count;
  const std = count === 0 ? 0 : Math.sqrt(Math.max(0, squares / count - shift * shift));
  const mean = pivot + shift;
  return { min, max, mean, std, rms: Math.sqrt(mean * mean + std * std), nonFinite };
}

/** The spread of all numbers of a tensor. */
export function spreadOfAll(tensor: AnyTensor): Spread {
  if (!isFloat(tensor.dtype) || tensor.size === 0) return spreadOf(tensor.data, 0, 1);
  const [nonFinite, , mean, std, min, max] = noGrad(() => statistics(tensor)[0].data);
  if (nonFinite === tensor.size) return { min: Infinity, max: -Infinity, mean: 0, std: 0, rms: 0, nonFinite };
  return { min, max, mean, std, rms: Math.sqrt(mean * mean + std * std), nonFinite };
}

/** A tensor as rows of `width` numbers; of more numbers than `most`, rows from all over it. */
export function rowsOf(tensor: AnyTensor, width: number, most = Number.POSITIVE_INFINITY): Tensor {
  return noGrad(() => {
    const rows = reshape(tensor as Tensor, [tensor.size / width, width]);
    return tensor.size <= most ? rows : gather(rows, [...spreadOver(rows.shape[0], Math.max(1, Math.floor(most / width)))]);
  });
}

/** Mean and variance of each column of a table of rows; NaN where a number of it is not finite. */
export function columnMoments(rows: Tensor): { readonly mean: Float64Array; readonly variance: Float64Array } {
  const [mean, variance] = noGrad(() => batchNormStatistics(rows));
  return { mean: mean.data, variance: variance.data };
}

/** √(Σ x² / n); 0 of nothing. */
export function rootMeanSquare(tensor: AnyTensor | null): number {
  return tensor === null || tensor.size === 0 ? 0 : Math.sqrt(noGrad(() => sumSquares(tensor)[0].data[0]) / tensor.size);
}

/** Numbers of a tensor that are looked at for denormal ones. */
const mostLooked = 4096;

/** The least number of float32 that is not denormal. */
const leastNormal = 1.1754943508222875e-38;

/** Share of the numbers of a float32 tensor that are denormal: smaller than 1.2e-38, and not 0. */
export function shareOfDenormals(tensor: AnyTensor | null): number {
  if (tensor === null || tensor.dtype !== 'float32' || tensor.size === 0) return 0;
  const { data, size } = tensor;
  // An odd stride meets every column.
  const stride = Math.floor(size / mostLooked) | 1;
  let [denormal, looked] = [0, 0];
  for (let i = 0; i < size; i += stride) {
    if (data[i] !== 0 && Math.abs(data[i]) < leastNormal) denormal += 1;
    looked += 1;
  }
  return denormal / looked;
}
