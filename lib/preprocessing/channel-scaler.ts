// Centring images by channel: three numbers for a whole data set of photos.

import type { DType } from '../dtype.js';
import { ArgumentError, ShapeError, checkFlag, checkOptions, describeShape, expected } from '../errors.js';
import type { Tensor } from '../tensor.js';
import { AffineTransform } from './affine.js';
import { Moments } from './moments.js';
import { type Transformed, type TransformFitter, registerTransforms } from './transform.js';

/** Order of the axes of images: N examples, height, width, channels. */
export type ImageLayout = 'NHWC';

/** Options of {@link ChannelScaler}. */
export interface ChannelScalerOptions {
  /** Order of the axes; there is no default, for a wrong guess would train on nonsense (course row B07). */
  readonly layout: ImageLayout;
  /** Whether to divide by the standard deviation of the channel, too; default false: pixels share a scale already (course rows B04, P47). */
  readonly divide?: boolean;
}

/**
 * `x − mean of the channel`, over all pixels of all training images (course rows B06, B07, B08); with `divide`,
 * `(x − mean) / std of the channel`, as the recipes of Wide ResNet and DenseNet have it (course row P47).
 *
 * @throws {@link ArgumentError} without a layout, or for one that nodegrad does not have. `fit` throws a {@link ShapeError} for what is no
 *   image in this layout.
 * @example
 * ```ts
 * import { ChannelScaler, datasets } from 'nodegrad';
 * const { train } = await datasets.cifar10({ raw: true });
 * new ChannelScaler({ layout: 'NHWC' }).fit(train).shift; // [125.3, 123.0, 113.9]
 * ```
 */
export class ChannelScaler extends AffineTransform {
  /** Order of the axes. */
  readonly layout: ImageLayout;
  /** Whether the standard deviation is divided by. */
  readonly divide: boolean;

  constructor(options: ChannelScalerOptions) {
    super();
    const { layout, divide = false } = checkOptions<ChannelScalerOptions>(options, 'options', ['layout', 'divide']);
    if (layout !== 'NHWC') {
      const hint = (layout as unknown) === 'NCHW' ? 'Images are [N, height, width, channels] here: x.transpose([0, 2, 3, 1])' : '';
      throw new ArgumentError(expected("the layout of the images, 'NHWC',", 'options.layout', layout, hint));
    }
    this.layout = layout;
    this.divide = checkFlag(divide, 'options.divide');
  }

  /** @throws {@link ArgumentError} for bytes, where it learned from images that were scaled to 0 … 1 before: all of them would look white. */
  override transform<D extends DType>(x: Tensor<D>): Tensor<Transformed<D>> {
    if (this.isFitted && x.dtype === 'uint8' && this.shift.data.every((mean) => mean <= 1))
      throw new ArgumentError(
        'these are bytes, and the ChannelScaler learned from images scaled to 0 … 1, as augmented() gives them: give it such images, or fit it on bytes',
      );
    return super.transform(x);
  }

  protected fitter(shape: readonly number[]): TransformFitter {
    if (shape.length !== 3)
      throw new ShapeError(`expected images [height, width, channels], received examples of shape ${describeShape(shape)}`);
    const [height, , channels] = shape;
    if (height <= 4 && channels > 4) {
      throw new ShapeError(
        `expected images [height, width, channels], received ${describeShape(shape)}, which look like [channels, height, width]: x.transpose([0, 2, 3, 1])`,
      );
    }
    const moments = new Moments(channels, shape);
    return {
      add: (batch, first) => moments.add(batch, first),
      learned: () => this.affine([channels], moments.mean, this.divide ? moments.std() : new Float64Array(channels).fill(1)),
    };
  }

  config(): unknown {
    return { layout: this.layout, divide: this.divide };
  }

  /** The transform that `config()` describes. */
  static fromConfig(config: ChannelScalerOptions): ChannelScaler {
    return new ChannelScaler(config);
  }
}

registerTransforms({ ChannelScaler });
