// The data room: data sets, loaders, and the sets that come with nodegrad.
import { cifar10, cifar100 } from './cifar.js';
import { digits } from './digits.js';
import { imageFolder } from './image-folder.js';
import { mnist } from './mnist.js';

export { cutmix, type MixingOptions, mixup } from './mixing.js';
export {
  Augmentation,
  type BorderFill,
  type ColourComponents,
  type ColourJitterOptions,
  type CutoutOptions,
  colourJitter,
  cutout,
  IMAGENET_COLOURS,
  type LensDistortionOptions,
  lensDistortion,
  type PcaColourJitterOptions,
  pcaColourJitter,
  type RandomAffineOptions,
  type RandomCropOptions,
  type RandomFlipOptions,
  type RandomResizedCropOptions,
  type Range,
  type Translation,
  randomAffine,
  randomCrop,
  randomFlip,
  randomResizedCrop,
} from './augmentation.js';
export { type AugmentedOptions, type ChannelStatistics, augmented } from './augmented.js';
export type { CifarDatasetOptions } from './cifar.js';
export { type ColourComponentsOptions, colourComponents } from './colours.js';
export type { ImageFolder, ImageFolderOptions } from './image-folder.js';
export { type ReadImagesOptions, readImages } from './read-images.js';
export type { ScalesTargets } from './about.js';
export type { LeftOut } from './left-out.js';
export type { PartFolders } from './image-layout.js';
export type { DecodeProgress } from './decode.js';
export {
  type AnyDataset,
  type AsyncDataset,
  type Batch,
  type Dataset,
  type DatasetSplit,
  TensorDataset,
  type TensorDatasetOptions,
  TreeDataset,
  type TreeDatasetParts,
  type BatchPart,
  type PartOf,
  type ShapeOf,
  type ShapeTree,
  type EpochKey,
  type ExampleMemory,
  type InputMaker,
} from './dataset.js';
export type { DigitsOptions } from './digits.js';
export {
  type Example,
  type ExampleValues,
  type IterableDataset,
  type IterableDatasetOptions,
  type IterableMaker,
  type IterationKey,
  iterableDataset,
} from './iterable.js';
export { type CsvRowsOptions, type RowSource, csvRows, jsonLines } from './text-rows.js';
export type { DownloadProgress } from './download.js';
export type { ImageDatasets } from './images.js';
export { type Fold, type FoldsOptions, folds } from './folds.js';
export type { Groups } from './groups.js';
export { type SplitOptions, split, subset } from './parts.js';
export { classWeights } from './class-weights.js';
export type { Column, ColumnKind, ColumnSchema, KnownColumns, OutsideValue } from './columns.js';
export { type ReadColumnsOptions, readColumns } from './column-tensors.js';
export { readArrow, readParquet, readTable } from './column-files.js';
export type { DecimalMark } from './decimals.js';
export { type ReadCsvOptions, type ReadFileOptions, type ReadTableOptions, readCsv } from './read-csv.js';
export { type RefusedValue, RowError, tableFromRows } from './rows.js';
export { type BadRow, Table, TableDataset, type TableDatasetOptions } from './table.js';
export { DataLoader, type DataLoaderOptions, type DataLoaderState, type Epoch, type Pair } from './loader.js';
export { MNIST_MIRRORS, type MnistOptions } from './mnist.js';

/**
 * The data sets that come with nodegrad, each as `{ train, test, mean }`: `digits` is made on the spot, `mnist` is read from
 * a folder or downloaded once, `cifar10`, `cifar100` and `imageFolder` are read from a folder.
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
  /** Small photos of ten classes; see {@link CifarDatasetOptions}. */
  cifar10,
  /** Small photos of a hundred classes; see {@link CifarDatasetOptions}. */
  cifar100,
  /** Images of one's own; see {@link ImageFolderOptions}. */
  imageFolder,
} as const;
