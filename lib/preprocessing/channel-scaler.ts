// Scaling images by channel: a mean and a deviation for each, learned from the training images or given.

import { type ChannelStatistics, isRescalable, perChannel } from '../data/augmented.js';
import type { AnyDataset } from '../data/dataset.js';
import type { DType } from '../dtype.js';
import { ArgumentError, ShapeError, checkFlag, checkOptions, describeShape, expected } from '../errors.js';
import { isHollow } from '../ops/trace.js';
import { type AnyTensor, Tensor, noGrad } from '../tensor.js';
import { AffineTransform, tensorOf } from './affine.js';
import type { Examples } from './examples.js';
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
  /** Mean of each channel in 0..1, or one for all, for bytes; default: learned by `fit`, or 0 beside `std`. */
  readonly mean?: number | readonly number[];
  /** Standard deviation of each channel in 0..1, or one for all, for bytes; default: learned by `fit` with `divide`, or 1 beside `mean`. */
  readonly std?: number | readonly number[];
}

/**
 * Mean and standard deviation of the photographs of ImageNet, red, green and blue, in 0..1: what the weights of torchvision and most pretrained models of
 * images expect to be scaled by.
 *
 * @example
 * ```ts
 * import { ChannelScaler, imagenetStatistics, resnet18 } from 'nodegrad';
 * const model = resnet18();
 * model.preprocessing = new ChannelScaler({ layout: 'NHWC', ...imagenetStatistics });
 * ```
 */
export const imagenetStatistics: ChannelStatistics = Object.freeze({
  mean: Object.freeze([0.485, 0.456, 0.406]),
  std: Object.freeze([0.229, 0.224, 0.225]),
});

/**
 * `x − mean of the channel`, over all pixels of all training images (course rows B06, B07, B08); with `divide`,
 * `(x − mean) / std of the channel`, as the recipes of Wide ResNet and DenseNet have it (course row P47).
 *
 * With `mean` and `std`, such as {@link imagenetStatistics}, nothing is learned: bytes 0 to 255 become `(x / 255 − mean) / std`.
 *
 * As `model.preprocessing` it is saved and exported with the model, which takes bytes from then on: those of `datasets.imageFolder` with `raw: true`, of
 * {@link augmented} and of {@link readImages}.
 *
 * @throws {@link ArgumentError} without a layout, or for one that nodegrad does not have, and for `divide` beside given figures. `fit` throws a {@link ShapeError}
 *   for what is no image in this layout. `transform` throws an {@link ArgumentError} for images that were scaled before, where it takes bytes.
 * @example
 * ```ts
 * import { ChannelScaler, datasets, imagenetStatistics } from 'nodegrad';
 * const { train } = await datasets.cifar10({ raw: true });
 * new ChannelScaler({ layout: 'NHWC' }).fit(train).shift; // [125.3, 123.0, 113.9]
 * new ChannelScaler({ layout: 'NHWC', ...imagenetStatistics }).shift; // [123.7, 116.3, 103.5]
 * ```
 */
export class ChannelScaler extends AffineTransform {
  /** Order of the axes. */
  readonly layout: ImageLayout;
  /** Whether the standard deviation is divided by. */
  readonly divide: boolean;
  /** The figures that were given, in 0..1; null where they are learned. */
  readonly given: ChannelStatistics | null;

  constructor(options: ChannelScalerOptions) {
    super();
    const { layout, divide, mean, std } = checkOptions<ChannelScalerOptions>(options, 'options', ['layout', 'divide', 'mean', 'std']);
    if (layout !== 'NHWC') {
      const hint = (layout as unknown) === 'NCHW' ? 'Images are [N, height, width, channels] here: x.transpose([0, 2, 3, 1])' : '';
      throw new ArgumentError(expected("the layout of the images, 'NHWC',", 'options.layout', layout, hint));
    }
    this.layout = layout;
    const isGiven = mean !== undefined || std !== undefined;
    if (isGiven && divide !== undefined)
      throw new ArgumentError(
        '`options.divide` is for figures that are learned: given ones are divided by `std`, which is 1 where it is left out',
      );
    this.divide = checkFlag(divide ?? isGiven, 'options.divide');
    const count = Math.max(...[mean, std].map((one) => (Array.isArray(one) ? one.length : 1)));
    const numbers = (value: number | readonly number[], name: string, least: number): readonly number[] =>
      Object.freeze(perChannel(value, name, count, least));
    this.given = isGiven ? Object.freeze({ mean: numbers(mean ?? 0, 'mean', -1e3), std: numbers(std ?? 1, 'std', 1e-6) }) : null;
  }

  /** Whether `fit` has been called, figures were given, or a state loaded. */
  override get isFitted(): boolean {
    return this.given !== null || super.isFitted;
  }

  /** Figures that are known before an image is: those of bytes. */
  protected override value(name: string): Tensor<'float64'> {
    if (this.given === null || super.isFitted) return super.value(name);
    const { shift, scale } = this.#ofGiven(this.given);
    return name === 'shift' ? shift : scale;
  }

  /** (x / 255 − mean) / std = (x − 255·mean) / (255·std) */
  #ofGiven({ mean, std }: ChannelStatistics): Record<'shift' | 'scale', Tensor<'float64'>> {
    const [shift, scale] = [mean, std].map((numbers) =>
      tensorOf(
        Float64Array.from(numbers, (one) => one * 255),
        [numbers.length],
      ),
    );
    return { shift, scale };
  }

  /** Given figures do for images of all sizes, until it was fitted on those of one. */
  protected override taken(shape: readonly number[]): readonly number[] {
    if (this.given === null || super.isFitted) return super.taken(shape);
    this.#check(shape);
    return shape;
  }

  /** @internal What is given need not be learned: only the size of the images is. */
  override learn(examples: Examples): void | Promise<void> {
    if (this.given === null) return super.learn(examples);
    this.#check(examples.shape);
    this.settle(examples.shape, this.#ofGiven(this.given));
  }

  /** Whether it takes bytes, 0 to 255; else it learned from images that were scaled before. */
  get #takesBytes(): boolean {
    return this.given !== null || (this.isFitted && this.shift.data.some((mean) => mean > 1));
  }

  override adapted<D extends AnyDataset>(data: D, toLearn = false): D {
    if (!isRescalable(data) || !(toLearn || this.#takesBytes)) return data;
    if (toLearn) return data.rescaled(null) as D;
    return data.rescaled({ mean: [0], std: [1 / 255] }) as D;
  }

  override within(data: AnyDataset): AnyDataset | null {
    if (!isRescalable(data) || !this.#takesBytes) return null;
    this.outputFor(data.inputShape as readonly number[]);
    const [mean, std] = [this.shift, this.scale].map((numbers) => Array.from(numbers.data, (one) => one / 255));
    return data.rescaled({ mean, std });
  }

  override transform<D extends DType>(x: Tensor<D>): Tensor<Transformed<D>> {
    Tensor.check(x, 'x');
    if (x.dtype === 'uint8' && this.isFitted && !this.#takesBytes)
      throw new ArgumentError(
        'these are bytes, and the ChannelScaler learned from images scaled to 0 … 1 before: give it such images, or fit it on bytes, which datasets give with raw: true',
      );
    if (this.given !== null && noGrad(() => isScaled(x as AnyTensor)))
      throw new ArgumentError(
        'these images are scaled already, and this ChannelScaler takes pixels from 0 to 255: load them with raw: true, and leave mean and std to it',
      );
    return super.transform(x);
  }

  protected override wayOut([, , channels]: readonly number[]): string {
    const [height, width, own] = this.inputShape ?? [];
    if (channels !== own) return '';
    return `: readImages(path, { imageSize: ${height === width ? height : describeShape([height, width])} }) gives that size`;
  }

  /** Refuses what is no image in this layout, or has other channels than figures were given for. */
  #check(shape: readonly number[]): void {
    if (shape.length !== 3)
      throw new ShapeError(`expected images [height, width, channels], received examples of shape ${describeShape(shape)}`);
    const [height, , channels] = shape;
    if (height <= 4 && channels > 4) {
      throw new ShapeError(
        `expected images [height, width, channels], received ${describeShape(shape)}, which look like [channels, height, width]: x.transpose([0, 2, 3, 1])`,
      );
    }
    const { length } = this.given?.mean ?? [0];
    if (length !== 1 && length !== channels)
      throw new ShapeError(`expected images of ${length} channels, as mean and std have, received ${describeShape(shape)}`);
  }

  protected fitter(shape: readonly number[]): TransformFitter {
    this.#check(shape);
    const channels = shape[2];
    const moments = new Moments(channels, shape);
    return {
      add: (batch, first) => moments.add(batch, first),
      learned: () => this.affine([channels], moments.mean, this.divide ? moments.std() : new Float64Array(channels).fill(1)),
    };
  }

  config(): unknown {
    const { layout, divide, given } = this;
    return given === null ? { layout, divide } : { layout, ...given };
  }

  /** The transform that `config()` describes. */
  static fromConfig(config: ChannelScalerOptions): ChannelScaler {
    return new ChannelScaler(config);
  }
}

/** Whether numbers cannot be pixels from 0 to 255: one is below 0, or none is above 1, and they are not black and white. */
function isScaled(x: AnyTensor): boolean {
  if (x.dtype === 'uint8' || x.size === 0 || isHollow(x)) return false;
  const numbers = x.detach().to('float32');
  if (numbers.min().item() < 0) return true;
  return numbers.max().item() <= 1 && (numbers.data as Float32Array).some((value) => value !== 0 && value !== 1);
}

registerTransforms({ ChannelScaler });
