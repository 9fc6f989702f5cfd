// A data set whose batches are made from bytes: images that are augmented anew in every epoch, then normalized.
import type { TypedArrayOf } from '../dtype.js';
import { ArgumentError, checkList, checkNumber, checkOptions, describeShape, DTypeError, expected, ShapeError } from '../errors.js';
import { type AugmentationPlan, augment, augmentInto } from '../ops/augment.js';
import { hashStream } from '../random.js';
import { getSeed } from '../seed.js';
import { Tensor } from '../tensor.js';
import { handOn } from './about.js';
import { Augmentation } from './augmentation.js';
import { checkBatch, checkDataset, checkIndices, memoryOf, whenThere } from './contract.js';
import {
  type AnyDataset,
  type AsyncDataset,
  type Batch,
  type BatchPart,
  type Dataset,
  type EpochKey,
  type ExampleMemory,
  type ShapeOf,
  isInMemory,
} from './dataset.js';

/** Options of {@link augmented}. */
export interface AugmentedOptions {
  /** Mean of each channel in 0..1, or one for all, which is subtracted; default 0, or what the model's {@link ChannelScaler} says. */
  readonly mean?: number | readonly number[];
  /** Standard deviation of each channel in 0..1, or one for all, by which is divided afterwards; default 1, or what the model's {@link ChannelScaler} says. */
  readonly std?: number | readonly number[];
}

/** How bytes become numbers, channel by channel: `(x / 255 − mean) / std`. */
export interface ChannelStatistics {
  /** Mean of each channel in 0..1, or one for all. */
  readonly mean: readonly number[];
  /** Standard deviation of each channel in 0..1, or one for all. */
  readonly std: readonly number[];
}

/** @internal A data set whose images are made of bytes, so that the model's preprocessing may scale them in the same pass. */
export interface Rescalable {
  /**
   * The same examples, scaled by these figures; with null, bytes to learn figures from.
   *
   * @throws {ArgumentError} where it was told how to scale already
   */
  rescaled(statistics: ChannelStatistics | null): AnyDataset;
}

/** @internal Whether a data set is {@link Rescalable}. */
export const isRescalable = (data: object): data is Rescalable => typeof (data as Partial<Rescalable>).rescaled === 'function';

/** As many as native code takes. */
const most = 12;

/**
 * The images of `dataset` (uint8 [height, width, channels], as `raw: true` loads them) as float32 batches: each image augmented, then
 * normalized to `(x / 255 − mean) / std`, in one native pass per image when its batch is gathered. The images stay bytes in memory, a
 * quarter of what float32 takes.
 *
 * What moves pixels (crops, flips, affine maps, lenses) is done first, then colours, then cutouts, each in the order of the list; moves
 * other than crops and flips are composed and sampled once. What an example draws is a function of the seed of the loader (or of
 * `fit`), the epoch and the example's row: not of batch size, order or threads, and a resumed run draws the same. Labels stay as they
 * are (course row F13).
 *
 * A model whose `preprocessing` is a {@link ChannelScaler} scales the images itself, in the same pass: leave out `mean` and `std`, and give it
 * plain bytes for validation and predictions. Figures that stand here are not saved with the model, and all data that it sees must get them:
 * validation data by an empty list.
 *
 * @param augmentations - At most 12; an empty list only normalizes.
 * @throws {DTypeError} if the images are not uint8
 * @throws {ShapeError} if they are not [height, width, channels], or an augmentation does not fit them
 * @throws {ArgumentError} if something else is wrong
 *
 * @example
 * ```ts
 * import { augmented, datasets, randomCrop, randomFlip } from 'nodegrad';
 * const { train, test, mean } = await datasets.cifar10({ raw: true });
 * const fitted = augmented(train, [randomCrop({ padding: 4 }), randomFlip()], { mean, std: 0.25 });
 * const validation = augmented(test, [], { mean, std: 0.25 });
 * ```
 */
export function augmented<Y extends BatchPart = 'int32'>(
  dataset: Dataset<'uint8', Y>,
  augmentations: readonly Augmentation[],
  options?: AugmentedOptions,
): Dataset<'float32', Y>;
export function augmented<Y extends BatchPart = 'int32'>(
  dataset: AsyncDataset<'uint8', Y>,
  augmentations: readonly Augmentation[],
  options?: AugmentedOptions,
): AsyncDataset<'float32', Y>;
export function augmented<Y extends BatchPart>(
  given: AnyDataset<'uint8', Y>,
  augmentations: readonly Augmentation[],
  options: AugmentedOptions = {},
): AnyDataset<'float32', Y> {
  checkDataset(given);
  const dataset = given as Dataset<'uint8', Y>;
  const { mean, std } = checkOptions<AugmentedOptions>(options, 'options', ['mean', 'std']);
  checkList(augmentations, 'augmentations', 'an array of augmentations, such as [randomFlip()]');
  for (const one of augmentations)
    if (!(one instanceof Augmentation)) throw new ArgumentError(expected('an augmentation, such as randomFlip()', 'augmentations', one));
  if (augmentations.length > most) throw new ArgumentError(expected(`at most ${most}`, 'augmentations', augmentations.length));
  const shape = dataset.inputShape;
  if (!Array.isArray(shape) || shape.length !== 3 || shape[2] > 4 || shape.includes(0))
    throw new ShapeError(
      `expected images [height, width, channels] with 1 to 4 channels, those of ${dataset.name} are ${describeShape(shape)}`,
    );
  const [height, width, channels] = shape;
  let size: readonly [number, number] = [height, width];
  const stages = augmentations.map((one) => {
    const stage = one.stage(size, channels);
    size = stage.size;
    return stage;
  });
  const statistics = { mean: perChannel(mean ?? 0, 'mean', channels, -1e3), std: perChannel(std ?? 1, 'std', channels, 1e-6) };
  const isOpen = (mean === undefined && std === undefined) || isBytes(statistics);
  return new AugmentedDataset(dataset, { ...statistics, stages, shape: [...size, channels] }, isOpen);
}

/** Whether numbers stay what the bytes were. */
const isBytes = ({ mean, std }: ChannelStatistics): boolean => mean.every((one) => one === 0) && std.every((one) => one === 1 / 255);

/** @internal One number for each channel. */
export function perChannel(value: number | readonly number[], name: string, channels: number, minimum: number): number[] {
  const list = Array.isArray(value) ? (value as number[]) : Array.from({ length: channels }, () => value as number);
  if (list.length !== channels) throw new ArgumentError(expected(`one number, or ${channels}, one for each channel`, `options.${name}`, value));
  return list.map((one) => checkNumber(one, `options.${name}`, minimum, 1e3));
}

class AugmentedDataset<Y extends BatchPart> implements Dataset<'float32', Y>, Rescalable {
  readonly name: string;
  readonly length: number;
  readonly inputShape: readonly number[];
  readonly targetShape: ShapeOf<Y>;
  readonly classes?: readonly string[];
  readonly split?: Dataset['split'];
  readonly labels?: () => Int32Array;
  readonly fileOf?: (index: number) => string;
  readonly memory?: Dataset<'float32', Y>['memory'];
  readonly #images: Dataset<'uint8', Y>;
  readonly #plan: AugmentationPlan;
  /** Whether nothing was said about the scale. */
  readonly #isOpen: boolean;

  constructor(images: Dataset<'uint8', Y>, plan: AugmentationPlan, isOpen: boolean) {
    this.#images = images;
    this.#plan = plan;
    this.#isOpen = isOpen;
    this.name = plan.stages.length === 0 ? images.name : `${images.name}, augmented`;
    this.length = images.length;
    this.inputShape = plan.shape;
    this.targetShape = images.targetShape;
    if (images.classes !== undefined) this.classes = images.classes;
    if (images.split !== undefined) this.split = images.split;
    if (images.labels !== undefined) this.labels = () => images.labels!();
    if (images.fileOf !== undefined) this.fileOf = (index) => images.fileOf!(index);
    handOn(this, images);
    if (!isInMemory(images)) return;
    const memory = memoryOf(images);
    if (!(memory.inputs instanceof Tensor)) throw new ArgumentError(`the images of ${images.name} are augmented already`);
    const bytes = checkBytes(memory.inputs, images.name);
    this.memory = () => this.#memory(bytes, memory);
  }

  rescaled(statistics: ChannelStatistics | null): AnyDataset {
    if (!this.#isOpen)
      throw new ArgumentError(
        `augmented() was given the mean or std of ${this.name}, and the model's preprocessing scales it as well: leave them out of augmented(), then the model does it, here and for new images`,
      );
    const { shape, mean: before } = this.#plan;
    // What a crop fills in is no image: figures are learned from the images as they are, if these have the right size.
    if (statistics === null && shape.join() === this.#images.inputShape.join()) return this.#images;
    const { mean, std } = statistics ?? { mean: [0], std: [1 / 255] };
    const ofEach = (numbers: readonly number[]): number[] => before.map((_, channel) => numbers[channel] ?? numbers[0]);
    return new AugmentedDataset(this.#images, { ...this.#plan, mean: ofEach(mean), std: ofEach(std) }, true);
  }

  #memory(bytes: Tensor<'uint8'>, { targets, weights, rows }: ExampleMemory<'uint8', Y>): ExampleMemory<'float32', Y> {
    const inputs = {
      shape: [bytes.shape[0], ...this.inputShape],
      dtype: 'float32' as const,
      into: (to: TypedArrayOf<'float32'>, wanted: Int32Array, key: EpochKey) =>
        augmentInto(to, bytes, wanted, wanted, stateOf(key), this.#plan),
    };
    return { inputs, targets, ...(weights && { weights }), rows } as ExampleMemory<'float32', Y>;
  }

  batch(indices: Int32Array, key: EpochKey = { seed: getSeed(), epoch: 0 }): Batch<'float32', Y> {
    checkIndices(indices, this.length);
    const rows = Int32Array.from({ length: indices.length }, (_, i) => i);
    const map = isInMemory(this.#images) ? this.#images.memory!().rows : null;
    const keys = map === null ? indices.slice() : Int32Array.from(rows, (i) => map[indices[i]]);
    const made = whenThere(this.#images.batch(indices, key), (batch) => {
      const { inputs, ...others } = checkBatch(this.#images, batch, indices.length);
      return { ...others, inputs: augment(checkBytes(inputs, this.name), rows, keys, stateOf(key), this.#plan) };
    });
    return made as Batch<'float32', Y>; // or a promise, as the images are
  }
}

function checkBytes(images: Tensor<'uint8'>, name: string): Tensor<'uint8'> {
  if (images.dtype !== 'uint8')
    throw new DTypeError(`augmentation takes uint8 images, those of ${name} are ${String(images.dtype)}: load them with raw: true`);
  return images;
}

/** Key, block and stream of an epoch, as native code wants it; the block is that of row 0. */
function stateOf({ seed, epoch }: EpochKey): Int32Array {
  const [low, high] = hashStream(`augmentation/${epoch}`);
  return Int32Array.of(seed, Math.floor(seed / 4294967296), 0, 0, low, high);
}
