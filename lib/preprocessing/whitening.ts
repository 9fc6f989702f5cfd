// Whitening: uncorrelated features of variance 1, along the principal directions or as near to the data as can be (ZCA).

import type { FloatDType } from '../dtype.js';
import { checkInteger, checkNumber, checkOptions } from '../errors.js';
import type { Tensor } from '../tensor.js';
import { tensorOf } from './affine.js';
import { Principal } from './pca.js';
import { registerTransforms } from './transform.js';

/** Options of {@link ZCA}. */
export interface ZCAOptions {
  /** Added to each variance before its root is taken, in units of the features squared; default 1e-5. Small variances are noise. */
  readonly eps?: number;
}

/** Options of {@link Whitening}. */
export interface WhiteningOptions extends ZCAOptions {
  /** How many directions to keep, those of the largest variance; default: all. */
  readonly components?: number;
}

abstract class Whitener extends Principal {
  /** Added to each variance. */
  readonly eps: number;

  constructor({ eps = 1e-5 }: ZCAOptions, components?: number) {
    super(components);
    this.eps = checkNumber(eps, 'options.eps', 0);
  }

  /** √(variance + eps) of each direction; where that is 0, there is nothing to scale. */
  protected lengths<D extends FloatDType>(dtype: D): Tensor<D> {
    const lengths = Float64Array.from(this.variances.data, (variance) => Math.sqrt(variance + this.eps) || 1);
    return tensorOf(lengths, [lengths.length]).to(dtype);
  }
}

/**
 * `(x − mean)·Vᵀ / √(variance + eps)`: coordinates along the principal directions, each scaled to variance 1, so that the covariance becomes
 * the identity (course row B13). Not for images (course row B14).
 *
 * @throws {@link ArgumentError} for options outside their range.
 * @example
 * ```ts
 * import { Whitening, tensor } from 'nodegrad';
 * new Whitening().fit(tensor([[0, 0], [4, 0], [0, 2], [4, 2]])).transform(tensor([[4, 2]])); // [[1, 1]], nearly
 * ```
 */
export class Whitening extends Whitener {
  /** How many directions are kept; undefined for all. */
  readonly components: number | undefined;

  constructor(options: WhiteningOptions = {}) {
    const { eps, components } = checkOptions<WhiteningOptions>(options, 'options', ['eps', 'components']);
    super({ eps }, components === undefined ? undefined : checkInteger(components, 'options.components', 1));
    this.components = components;
  }

  protected apply(x: Tensor<FloatDType>): Tensor<FloatDType> {
    return this.centred(x).matmul(this.valueAs('directions', x.dtype), { transposeB: true }).div(this.lengths(x.dtype));
  }

  protected override revert(y: Tensor<FloatDType>): Tensor<FloatDType> {
    return this.placed(y.mul(this.lengths(y.dtype)).matmul(this.valueAs('directions', y.dtype)));
  }

  protected override outputOf(): readonly number[] {
    return [this.variances.size];
  }

  config(): unknown {
    return { eps: this.eps, ...(this.components !== undefined && { components: this.components }) };
  }

  /** The transform that `config()` describes. */
  static fromConfig(config: WhiteningOptions): Whitening {
    return new Whitening(config);
  }
}

/**
 * `(x − mean)·Vᵀ·diag(1/√(variance + eps))·V`: of all ways to whiten the one that changes the data least (zero-phase component analysis; Bell
 * and Sejnowski 1997). Examples keep their shape.
 *
 * @throws {@link ArgumentError} for options outside their range.
 * @example
 * ```ts
 * import { ZCA, tensor } from 'nodegrad';
 * new ZCA({ eps: 0.1 }).fit(tensor([[0, 0], [4, 0], [0, 2], [4, 2]]));
 * ```
 */
export class ZCA extends Whitener {
  constructor(options: ZCAOptions = {}) {
    super(checkOptions<ZCAOptions>(options, 'options', ['eps']));
  }

  protected apply(x: Tensor<FloatDType>): Tensor<FloatDType> {
    const directions = this.valueAs('directions', x.dtype);
    const white = this.centred(x).matmul(directions, { transposeB: true }).div(this.lengths(x.dtype));
    return white.matmul(directions).reshape(x.shape);
  }

  protected override revert(y: Tensor<FloatDType>): Tensor<FloatDType> {
    const directions = this.valueAs('directions', y.dtype);
    const rows = y.reshape([y.shape[0], directions.shape[1]]);
    return this.placed(rows.matmul(directions, { transposeB: true }).mul(this.lengths(y.dtype)).matmul(directions));
  }

  config(): unknown {
    return { eps: this.eps };
  }

  /** The transform that `config()` describes. */
  static fromConfig(config: ZCAOptions): ZCA {
    return new ZCA(config);
  }
}

registerTransforms({ Whitening, ZCA });
