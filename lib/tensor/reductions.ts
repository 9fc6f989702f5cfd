// Methods of tensors: reductions over axes.

import type { DType, FloatDType, FloatOnly } from '../dtype.js';
import { checkOptions } from '../errors.js';
import { type ReduceOptions, type VarianceOptions, argmax, argmin, max, mean, min, standardDeviation, sum, variance } from '../ops/reduce.js';
import type { Tensor } from './core.js';

/** Sums, means and extremes over axes: part of {@link Tensor}. */
export class TensorReductions<D extends DType> {
  /**
   * Sum over all axes, or over the given ones, in one fixed order: 64 virtual lanes, then a tree. The gradient of every element is the gradient of its sum.
   *
   * @param axes - One axis or several; negative ones count from the end. Default all.
   * @throws {@link ShapeError} for an axis that is not there, {@link DTypeError} when the dtype is not float.
   * @example
   * ```ts
   * import { tensor } from 'nodegrad';
   * const x = tensor([[1, 2], [3, 4]]);
   * x.sum().item(); // 10
   * x.sum(0).toArray(); // [4, 6]
   * x.sum(1, { keepDims: true }).shape; // [2, 1]
   * ```
   */
  sum(this: Tensor<FloatOnly<D>>, axes?: number | readonly number[], options?: ReduceOptions): Tensor<D> {
    return sum(this, axes, options) as Tensor<D>;
  }
  /**
   * Mean over all axes, or over the given ones: `sum / count`.
   *
   * @param axes - One axis or several; negative ones count from the end. Default all.
   * @throws {@link ShapeError} for an axis that is not there, {@link DTypeError} when the dtype is not float.
   * @example
   * ```ts
   * import { tensor } from 'nodegrad';
   * tensor([[1, 2], [3, 4]]).mean(0).toArray(); // [2, 3]
   * ```
   */
  mean(this: Tensor<FloatOnly<D>>, axes?: number | readonly number[], options?: ReduceOptions): Tensor<D> {
    return mean(this, axes, options) as Tensor<D>;
  }
  /**
   * Variance `Σ(x − mean)² / (count − correction)`, in two passes. The default correction 1 is PyTorch's; NumPy, Keras and batch
   * normalization divide by the count: correction 0. A correction above the count makes the divisor 0.
   *
   * @param axes - One axis or several; negative ones count from the end. Default all.
   * @throws {@link ShapeError} for an axis that is not there, {@link DTypeError} when the dtype is not float.
   * @example
   * ```ts
   * import { tensor } from 'nodegrad';
   * tensor([1, 2, 3, 4]).var().item(); // 1.6666666269302368
   * tensor([1, 2, 3, 4]).var(undefined, { correction: 0 }).item(); // 1.25
   * ```
   */
  var(this: Tensor<FloatOnly<D>>, axes?: number | readonly number[], options?: VarianceOptions): Tensor<D> {
    return variance(this, axes, checkOptions(options, 'options', ['keepDims', 'correction'])) as Tensor<D>;
  }
  /** Standard deviation, the root of {@link Tensor.var}; where all elements are equal, its gradient is 0. */
  std(this: Tensor<FloatOnly<D>>, axes?: number | readonly number[], options?: VarianceOptions): Tensor<D> {
    return standardDeviation(this, axes, checkOptions(options, 'options', ['keepDims', 'correction'])) as Tensor<D>;
  }
  /**
   * Largest element over all axes, or over the given ones. A NaN wins; the first of equals gets the gradient.
   *
   * @param axes - One axis or several; negative ones count from the end. Default all.
   * @throws {@link ShapeError} for an axis that is not there, or one without elements.
   */
  max(this: Tensor<FloatOnly<D>>, axes?: number | readonly number[], options?: ReduceOptions): Tensor<D> {
    return max(this, axes, options) as Tensor<D>;
  }
  /**
   * Smallest element over all axes, or over the given ones. A NaN wins; the first of equals gets the gradient.
   *
   * @param axes - One axis or several; negative ones count from the end. Default all.
   * @throws {@link ShapeError} for an axis that is not there, or one without elements.
   */
  min(this: Tensor<FloatOnly<D>>, axes?: number | readonly number[], options?: ReduceOptions): Tensor<D> {
    return min(this, axes, options) as Tensor<D>;
  }
  /**
   * Index of the first largest element along an axis, or in the flattened tensor. A NaN wins. No gradient.
   *
   * @throws {@link ShapeError} for an axis that is not there, or one without elements.
   * @example
   * ```ts
   * import { tensor } from 'nodegrad';
   * tensor([[0.1, 0.9], [0.8, 0.2]]).argmax(-1).toArray(); // [1, 0]
   * ```
   */
  argmax(this: Tensor<FloatOnly<D>>, axis?: number, options?: ReduceOptions): Tensor<'int32'> {
    return argmax(this as unknown as Tensor<FloatDType>, axis, options);
  }
  /** Index of the first smallest element along an axis, or in the flattened tensor. */
  argmin(this: Tensor<FloatOnly<D>>, axis?: number, options?: ReduceOptions): Tensor<'int32'> {
    return argmin(this as unknown as Tensor<FloatDType>, axis, options);
  }
}
