// Principal component analysis: the directions along which the training data vary most.

import { keepNames } from '../names.js';
import type { FloatDType } from '../dtype.js';
import { ArgumentError, checkInteger, checkOptions, describeShape, expected } from '../errors.js';
import { reshape } from '../ops/shape.js';
import type { Tensor } from '../tensor.js';
import { tensorOf } from './affine.js';
import { sizeOf } from './centre.js';
import { Covariance } from './covariance.js';
import { symmetricEigen } from './eigen.js';
import { Transform, type TransformFitter, registerTransforms } from './transform.js';

/** Options of {@link PCA}. */
export interface PCAOptions {
  /** How many directions to keep, those of the largest variance; default: all. */
  readonly components?: number;
}

/**
 * What {@link PCA}, {@link Whitening} and {@link ZCA} share: the mean, and the eigenvectors of the covariance.
 *
 * @example
 * ```ts
 * import { PCA, type Principal, tensor } from 'nodegrad';
 * const pca: Principal = new PCA().fit(tensor([[0, 0], [1, 1], [2, 2]]));
 * pca.variances; // [1.3333, 0]
 * ```
 */
export abstract class Principal extends Transform {
  constructor(private readonly most: number | undefined) {
    super();
  }

  /** Mean of each feature, which is subtracted first. */
  get mean(): Tensor<'float64'> {
    return this.value('mean');
  }

  /** Directions, a unit vector per row, in descending order of variance; its component of largest magnitude is positive. */
  get directions(): Tensor<'float64'> {
    return this.value('directions');
  }

  /** Population variance of the training data along each direction. */
  get variances(): Tensor<'float64'> {
    return this.value('variances');
  }

  protected fitter(shape: readonly number[], { name }: { readonly name: string }): TransformFitter {
    const features = sizeOf(shape);
    const kept = this.most ?? features;
    if (kept > features)
      throw new ArgumentError(
        expected(`at most ${features}, the features of ${name}, whose examples are ${describeShape(shape)},`, 'options.components', kept),
      );
    const covariance = new Covariance(features, shape);
    return {
      add: (batch, first) => covariance.add(batch, first),
      learned: () => {
        const { values, vectors } = symmetricEigen(covariance.matrix(), features);
        return {
          mean: tensorOf(covariance.mean(), [features]),
          directions: tensorOf(vectors.slice(0, kept * features), [kept, features]),
          // Rounding may leave a variance of nothing a little below it.
          variances: tensorOf(
            values.slice(0, kept).map((value) => Math.max(0, value)),
            [kept],
          ),
        };
      },
    };
  }

  /** The examples as rows, centred. */
  protected centred(x: Tensor<FloatDType>): Tensor<FloatDType> {
    const mean = this.valueAs('mean', x.dtype);
    return reshape(x, [x.shape[0], mean.size]).sub(mean);
  }

  /** Rows of features as examples, with the mean again. */
  protected placed(rows: Tensor<FloatDType>): Tensor<FloatDType> {
    return reshape(rows.add(this.valueAs('mean', rows.dtype)), [rows.shape[0], ...(this.inputShape as readonly number[])]);
  }
}

/**
 * `(x − mean)·Vᵀ`: coordinates along the eigenvectors V of the covariance, uncorrelated, those of the largest variances first (course row
 * B12). Examples of any shape become rows; `inverse` gives them back, less what was left out. Not for images, whose neighbouring pixels a
 * convolution needs beside each other (course row B14).
 *
 * @throws {@link ArgumentError} for a number of components below 1; `fit` throws one for more components than features.
 * @example
 * ```ts
 * import { PCA, tensor } from 'nodegrad';
 * const pca = new PCA({ components: 1 }).fit(tensor([[0, 0], [1, 1], [2, 2]]));
 * pca.transform(tensor([[2, 2]])); // [[1.4142]]
 * ```
 */
export class PCA extends Principal {
  /** How many directions are kept; undefined for all. */
  readonly components: number | undefined;

  constructor(options: PCAOptions = {}) {
    const { components } = checkOptions<PCAOptions>(options, 'options', ['components']);
    super(components === undefined ? undefined : checkInteger(components, 'options.components', 1));
    this.components = components;
  }

  protected apply(x: Tensor<FloatDType>): Tensor<FloatDType> {
    return this.centred(x).matmul(this.valueAs('directions', x.dtype), { transposeB: true });
  }

  protected override revert(y: Tensor<FloatDType>): Tensor<FloatDType> {
    return this.placed(y.matmul(this.valueAs('directions', y.dtype)));
  }

  protected override outputOf(): readonly number[] {
    return [this.variances.size];
  }

  config(): unknown {
    return this.components === undefined ? {} : { components: this.components };
  }

  /** The transform that `config()` describes. */
  static fromConfig(config: PCAOptions): PCA {
    return new PCA(config);
  }
}

registerTransforms({ PCA });

keepNames({ Principal });
