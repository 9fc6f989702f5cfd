// What transforms share that shift and scale each feature: (x − shift) / scale, with numbers that were learned.

import { keepNames } from '../names.js';
import type { FloatDType } from '../dtype.js';
import { Tensor } from '../tensor.js';
import { Transform } from './transform.js';

/**
 * `(x − shift) / scale` for each feature, and back; a feature without spread is only shifted.
 *
 * @example
 * ```ts
 * import { type AffineTransform, StandardScaler, tensor } from 'nodegrad';
 * const scaler: AffineTransform = new StandardScaler().fit(tensor([[1], [3]]));
 * console.log(scaler.shift.item(), scaler.scale.item()); // 2 1
 * ```
 */
export abstract class AffineTransform extends Transform {
  /** What is subtracted. */
  get shift(): Tensor<'float64'> {
    return this.value('shift');
  }

  /** By what is divided afterwards: 1 where a feature has no spread (course row B02). */
  get scale(): Tensor<'float64'> {
    return this.value('scale');
  }

  protected apply(x: Tensor<FloatDType>): Tensor<FloatDType> {
    return x.sub(this.valueAs('shift', x.dtype)).div(this.valueAs('scale', x.dtype));
  }

  protected override revert(y: Tensor<FloatDType>): Tensor<FloatDType> {
    return y.mul(this.valueAs('scale', y.dtype)).add(this.valueAs('shift', y.dtype));
  }

  override namesAfter(columns: readonly string[] | null): readonly string[] | null {
    return columns;
  }

  /** The state of one shift and one scale per feature. */
  protected affine(shape: readonly number[], shift: Float64Array, scale: Float64Array): Record<'shift' | 'scale', Tensor<'float64'>> {
    const spread = scale.map((value) => (value === 0 ? 1 : value));
    return { shift: tensorOf(shift, shape), scale: tensorOf(spread, shape) };
  }
}

/** Numbers as a tensor. */
export const tensorOf = (numbers: Float64Array, shape: readonly number[]): Tensor<'float64'> =>
  Tensor.from(numbers, shape) as Tensor<'float64'>;

keepNames({ AffineTransform });
