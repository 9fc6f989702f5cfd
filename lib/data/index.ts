// The data room: data sets, loaders, and the sets that come with nodegrad.
import { digits } from './digits.js';
import { mnist } from './mnist.js';

export {
  type Batch,
  type Dataset,
  type SplitOptions,
  split,
  subset,
  TensorDataset,
  type TensorDatasetOptions,
  type ExampleMemory,
} from './dataset.js';
export type { DigitsOptions } from './digits.js';
export type { DownloadProgress } from './download.js';
export type { ImageDatasets } from './images.js';
export { DataLoader, type DataLoaderOptions, type DataLoaderState, type Epoch, type Pair } from './loader.js';
export { MNIST_MIRRORS, type MnistOptions } from './mnist.js';

/**
 * The data sets that come with nodegrad, each as `{ train, test, mean }`: `digits` is made on the spot, `mnist` is read from
 * a folder or downloaded once.
 *
 * @example
 * ```ts
 * import { datasets } from 'nodegrad';
 * const { train, test } = await datasets.digits();
 * ```
 */
export const datasets = {
  /** Digits drawn by a seeded pen; see {@link DigitsOptions}. */
  digits,
  /** Handwritten digits; see {@link MnistOptions}. */
  mnist,
} as const;
