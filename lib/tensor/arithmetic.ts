// Methods of tensors: arithmetic, comparison and matrix products.

import type { DType, FloatOnly } from '../dtype.js';
import { ArgumentError, describe } from '../errors.js';
import {
  type Operand,
  abs,
  add,
  clip,
  div,
  equal,
  greater,
  greaterEqual,
  less,
  lessEqual,
  maximum,
  minimum,
  mul,
  neg,
  notEqual,
  pow,
  sign,
  sub,
} from '../ops/elementwise.js';
import { type MatmulOptions, matmul } from '../ops/matmul.js';
import type { Tensor } from './core.js';

// The tensor that these methods are called on.
const whole = <D extends DType>(methods: TensorArithmetic<D>): Tensor<D> => methods as unknown as Tensor<D>;

/** Arithmetic, comparison and matrix products: part of {@link Tensor}. */
export class TensorArithmetic<D extends DType> {
  // ---- arithmetic, broadcasting ----

  /**
   * `this + other`, broadcasting: dimensions are compared from the last one backwards and must be equal or 1.
   *
   * Gradients: `dy` for both, summed over the axes along which an operand was stretched.
   *
   * @param other - A tensor of the same dtype, or a number.
   * @throws {@link ShapeError} when the shapes do not broadcast, {@link DTypeError} when the dtypes differ or are not float.
   * @example
   * ```ts
   * import { tensor } from 'nodegrad';
   * tensor([[1, 2], [3, 4]]).add(tensor([10, 20])).toArray(); // [[11, 22], [13, 24]]
   * ```
   */
  add(this: Tensor<FloatOnly<D>>, other: Operand<FloatOnly<D>>): Tensor<D> {
    return add(this, other) as Tensor<D>;
  }
  /**
   * `this − other`, broadcasting. Gradients: `dy` and `−dy`.
   *
   * @param other - A tensor of the same dtype, or a number.
   * @throws {@link ShapeError} when the shapes do not broadcast, {@link DTypeError} when the dtypes differ or are not float.
   */
  sub(this: Tensor<FloatOnly<D>>, other: Operand<FloatOnly<D>>): Tensor<D> {
    return sub(this, other) as Tensor<D>;
  }
  /**
   * `this · other` per element, broadcasting. Gradients: `dy·other` and `dy·this`. For the matrix product see {@link Tensor.matmul}.
   *
   * @param other - A tensor of the same dtype, or a number.
   * @throws {@link ShapeError} when the shapes do not broadcast, {@link DTypeError} when the dtypes differ or are not float.
   */
  mul(this: Tensor<FloatOnly<D>>, other: Operand<FloatOnly<D>>): Tensor<D> {
    return mul(this, other) as Tensor<D>;
  }
  /**
   * `this / other`, broadcasting. Gradients: `dy/other` and `−dy·y/other`.
   *
   * @param other - A tensor of the same dtype, or a number.
   * @throws {@link ShapeError} when the shapes do not broadcast, {@link DTypeError} when the dtypes differ or are not float.
   */
  div(this: Tensor<FloatOnly<D>>, other: Operand<FloatOnly<D>>): Tensor<D> {
    return div(this, other) as Tensor<D>;
  }
  /**
   * `this ^ other`, broadcasting: repeated multiplication for whole exponents, `e^(other·ln this)` for others; NaN for a negative base
   * with a fractional exponent. Gradients: `dy·other·this^(other−1)`, which is 0 for the exponent 0, and `dy·y·ln this`.
   *
   * @param other - A tensor of the same dtype, or a number.
   * @throws {@link ShapeError} when the shapes do not broadcast, {@link DTypeError} when the dtypes differ or are not float.
   * @example
   * ```ts
   * import { tensor } from 'nodegrad';
   * tensor([1, 2, 3]).pow(2).toArray(); // [1, 4, 9]
   * ```
   */
  pow(this: Tensor<FloatOnly<D>>, other: Operand<FloatOnly<D>>): Tensor<D> {
    return pow(this, other) as Tensor<D>;
  }
  /**
   * The smaller of both, broadcasting; a NaN in either stays. The gradient goes to the smaller one; ties share it in halves.
   *
   * @throws {@link ShapeError} when the shapes do not broadcast, {@link DTypeError} when the dtypes differ or are not float.
   */
  minimum(this: Tensor<FloatOnly<D>>, other: Operand<FloatOnly<D>>): Tensor<D> {
    return minimum(this, other) as Tensor<D>;
  }
  /**
   * The larger of both, broadcasting; a NaN in either stays. The gradient goes to the larger one; ties share it in halves.
   *
   * @throws {@link ShapeError} when the shapes do not broadcast, {@link DTypeError} when the dtypes differ or are not float.
   * @example
   * ```ts
   * import { tensor } from 'nodegrad';
   * tensor([-2, 3]).maximum(0).toArray(); // [0, 3]
   * ```
   */
  maximum(this: Tensor<FloatOnly<D>>, other: Operand<FloatOnly<D>>): Tensor<D> {
    return maximum(this, other) as Tensor<D>;
  }
  /** `−this`. */
  neg(this: Tensor<FloatOnly<D>>): Tensor<D> {
    return neg(this) as Tensor<D>;
  }
  /** Absolute value; its gradient at 0 is 0. */
  abs(this: Tensor<FloatOnly<D>>): Tensor<D> {
    return abs(this) as Tensor<D>;
  }
  /** −1, 0 or 1; NaN stays. */
  sign(this: Tensor<FloatOnly<D>>): Tensor<D> {
    return sign(this) as Tensor<D>;
  }
  /**
   * Limits elements to [low, high]; a NaN stays. The gradient is `dy` inside and at the ends, 0 outside.
   *
   * @throws {@link ArgumentError} unless `low ≤ high`.
   * @example
   * ```ts
   * import { tensor } from 'nodegrad';
   * tensor([-5, 0.5, 5]).clip(-1, 1).toArray(); // [-1, 0.5, 1]
   * ```
   */
  clip(this: Tensor<FloatOnly<D>>, low: number, high: number): Tensor<D> {
    if (typeof low !== 'number' || typeof high !== 'number' || !(low <= high)) {
      const hint = typeof low === 'number' && high === undefined ? '. Limits on one side: x.clip(low, Infinity), x.clip(-Infinity, high)' : '';
      throw new ArgumentError(`expected \`low\` ≤ \`high\`, received ${describe(low)} and ${describe(high)}${hint}`);
    }
    return clip(this, low, high) as Tensor<D>;
  }

  // ---- comparison: uint8, 1 where it holds ----

  /**
   * 1 where both are equal, else 0, broadcasting; a NaN equals nothing. No gradient.
   *
   * A float32 tensor takes a number in its own precision; an integer tensor is compared with the number as it is, fractions and all.
   *
   * @throws {@link ShapeError} when the shapes do not broadcast, {@link DTypeError} when the dtypes differ.
   * @example
   * ```ts
   * import { Tensor } from 'nodegrad';
   * Tensor.from(Int32Array.of(1, 2, 3)).equal(2).toArray(); // [0, 1, 0]
   * ```
   */
  equal(other: Tensor<D> | number): Tensor<'uint8'> {
    return equal(whole(this), other);
  }
  /** 1 where they differ (also where either is NaN), broadcasting. */
  notEqual(other: Tensor<D> | number): Tensor<'uint8'> {
    return notEqual(whole(this), other);
  }
  /** 1 where `this < other`, broadcasting. */
  less(other: Tensor<D> | number): Tensor<'uint8'> {
    return less(whole(this), other);
  }
  /** 1 where `this ≤ other`, broadcasting. */
  lessEqual(other: Tensor<D> | number): Tensor<'uint8'> {
    return lessEqual(whole(this), other);
  }
  /** 1 where `this > other`, broadcasting. */
  greater(other: Tensor<D> | number): Tensor<'uint8'> {
    return greater(whole(this), other);
  }
  /** 1 where `this ≥ other`, broadcasting. */
  greaterEqual(other: Tensor<D> | number): Tensor<'uint8'> {
    return greaterEqual(whole(this), other);
  }

  // ---- products ----

  /**
   * Matrix product `[m, k]·[k, n] → [m, n]`, each operand transposed on request. Every output adds its k products in order with fused
   * multiply-add, so it does not depend on threads or on the other rows. Gradients: `dA = dy·Bᵀ`, `dB = Aᵀ·dy`.
   *
   * @throws {@link ShapeError} when the operands are no matrices or their inner dimensions differ, {@link DTypeError} when dtypes differ.
   * @example
   * ```ts
   * import { ones } from 'nodegrad';
   * ones([32, 784]).matmul(ones([784, 10])).shape; // [32, 10]
   * ones([32, 784]).matmul(ones([32, 10]), { transposeA: true }).shape; // [784, 10]
   * ```
   */
  matmul(this: Tensor<FloatOnly<D>>, other: Tensor<FloatOnly<D>>, options?: MatmulOptions): Tensor<D> {
    return matmul(this, other, options) as Tensor<D>;
  }
}
