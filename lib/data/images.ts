// What image data sets share: the mean of the training pixels, and grey values 0 to 255 turned into centred float32.
import { checkFlag } from '../errors.js';
import { allocateShared } from '../native.js';
import { Tensor } from '../tensor.js';
import { TensorDataset } from './dataset.js';

/** The two parts of an image data set. */
export interface ImageDatasets<X extends 'float32' | 'uint8' = 'float32'> {
  /** Training examples. */
  readonly train: TensorDataset<X>;
  /** Test examples. */
  readonly test: TensorDataset<X>;
  /** Mean (0 to 1) of all training pixels, one per channel: what was subtracted from both parts, unless `raw` was asked for. */
  readonly mean: readonly number[];
}

/** Images as bytes [N, height, width, channels] with one class index each. */
export interface RawImages {
  readonly images: Uint8Array;
  readonly labels: Int32Array;
  /** The file of each, where each has one. */
  readonly files?: readonly string[];
}

/**
 * Mean of each channel over all pixels of all images, in 0..1 (course rows B06, B08): integer sums, so the result is exact up to one
 * rounding.
 */
export function channelMeans(images: Uint8Array, channels: number): number[] {
  const sums = new Array<number>(channels).fill(0);
  const stretch = 1 << 20; // whose sum is a small integer, which engines add faster
  for (let channel = 0; channel < channels; channel++) {
    for (let start = channel; start < images.length; start += stretch * channels) {
      const end = Math.min(images.length, start + stretch * channels);
      let sum = 0;
      for (let i = start; i < end; i += channels) sum += images[i];
      sums[channel] += sum;
    }
  }
  return sums.map((sum) => (images.length === 0 ? 0 : sum / ((images.length / channels) * 255)));
}

/** Grey values 0..255 as float32 (value / 255 - mean of the channel), each rounded once. */
export function centreImages(images: Uint8Array, means: readonly number[]): Float32Array {
  const channels = means.length;
  const centred = allocateShared(images.length, 'float32'); // shared: a run of steps gathers from it on its own thread
  for (const [channel, mean] of means.entries()) {
    const table = Float32Array.from({ length: 256 }, (_, value) => value / 255 - mean);
    for (let i = channel; i < images.length; i += channels) centred[i] = table[images[i]];
  }
  return centred;
}

/** The data sets of two raw parts: the mean is that of the training part, for both (course row B11). */
export function imageData(
  name: string,
  train: RawImages,
  test: RawImages,
  shape: readonly number[],
  raw: boolean,
  classes: readonly string[] | number = 10,
): ImageDatasets<'float32' | 'uint8'> {
  checkFlag(raw, 'options.raw');
  const mean = channelMeans(train.images, shape[2]);
  const part = (which: 'train' | 'test', { images, labels, files }: RawImages): TensorDataset<'float32' | 'uint8'> => {
    const full = [labels.length, ...shape];
    const indices = allocateShared(labels.length, 'int32');
    indices.set(labels);
    const inputs = raw ? Tensor.from<'uint8'>(images, full) : Tensor.from<'float32'>(centreImages(images, mean), full);
    return new TensorDataset<'float32' | 'uint8'>(inputs, Tensor.from<'int32'>(indices, [labels.length]), {
      name: `${name} ${which}`,
      classes,
      split: which,
      ...(files && { files }),
    });
  };
  return { train: part('train', train), test: part('test', test), mean };
}
