// Data sets whose examples are mixtures of two: mixup and cutmix.

import { ArgumentError, checkInteger, checkNumber, checkOptions, expected, ShapeError, describeShape } from '../errors.js';
import { add, less, lessEqual, mul, pow, requireFloat, where } from '../ops/elementwise.js';
import { Random } from '../random.js';
import { getSeed } from '../seed.js';
import { Tensor } from '../tensor.js';
import { handOn } from './about.js';
import { type Rescalable, isRescalable } from './augmented.js';
import { checkBatch, checkDataset, checkIndices, whenThere } from './contract.js';
import { isClassIndices } from './class-indices.js';
import type { AnyDataset, AsyncDataset, Batch, BatchPart, Dataset, EpochKey } from './dataset.js';

/** Options of {@link mixup} and {@link cutmix}. */
export interface MixingOptions {
  /**
   * Shares are drawn from Beta(α, α): 1 is uniform, smaller ones leave most examples nearly as they are. From 0.001 to 4; default 0.2 for
   * mixup, 1 for cutmix.
   */
  readonly alpha?: number;
  /** How many classes there are, where the targets are class indices; default: those that the data set names. */
  readonly classes?: number;
}

/** Targets of mixtures: probabilities. */

/**
 * Mixup (Zhang et al., 2018): each example becomes `λ·x + (1 − λ)·x′` with another one x′ of the set, and its target the same mixture of both, with a
 * share λ from Beta(α, α). Class indices become probabilities, which `CrossEntropyLoss` takes; the accuracy beside it counts the larger share.
 *
 * Partner and share of an example are functions of the seed of the loader (or of `fit`), the epoch and the example: not of batch size, order or
 * threads. Validation data stay as they are.
 *
 * @param dataset - Float inputs; class indices, probabilities or numbers as targets.
 * @throws {@link ArgumentError} for wrong options, or when classes are not known.
 * @example
 * ```ts
 * import { CrossEntropyLoss, SGD, datasets, mixup, mlp } from 'nodegrad';
 * const { train, test } = await datasets.digits();
 * const model = mlp();
 * const optimizer = new SGD(model, { lr: 0.1 });
 * await model.fit(mixup(train, { alpha: 0.2 }), { loss: new CrossEntropyLoss(), optimizer });
 * await model.evaluate(test, { loss: new CrossEntropyLoss() });
 * ```
 */
export function mixup<Y extends 'int32' | 'uint8' | 'float32'>(
  dataset: Dataset<'float32', Y>,
  options?: MixingOptions,
): Dataset<'float32', 'float32'>;
export function mixup<Y extends 'int32' | 'uint8' | 'float32'>(
  dataset: AsyncDataset<'float32', Y>,
  options?: MixingOptions,
): AsyncDataset<'float32', 'float32'>;
export function mixup(dataset: AnyDataset, options: MixingOptions = {}): AnyDataset<'float32', 'float32'> {
  return new MixedDataset('mixup', dataset, options, 0.2, (inputs, partners, draws) => {
    const shares = draws.map(({ share }) => share);
    return { inputs: blend(inputs, partners, shares), shares };
  });
}

/**
 * CutMix (Yun et al., 2019): a box of each image is replaced by what another image x′ of the set has there. The box has the share 1 − λ of the area,
 * with λ from Beta(α, α), and its centre anywhere; what lies outside of the image is cut off, and the target is mixed by the area that
 * is left: `λ·y + (1 − λ)·y′`.
 *
 * Partner, share and place are drawn as in {@link mixup}.
 *
 * @param dataset - Float images [height, width, channels]; class indices, probabilities or numbers as targets.
 * @throws {@link ArgumentError} for wrong options, or when classes are not known; {@link ShapeError} for inputs that are no images.
 * @example
 * ```ts
 * import { augmented, cutmix, datasets, randomFlip } from 'nodegrad';
 * const { train } = await datasets.cifar10({ raw: true });
 * const mixed = cutmix(augmented(train, [randomFlip()]), { alpha: 1 });
 * ```
 */
export function cutmix<Y extends 'int32' | 'uint8' | 'float32'>(
  dataset: Dataset<'float32', Y>,
  options?: MixingOptions,
): Dataset<'float32', 'float32'>;
export function cutmix<Y extends 'int32' | 'uint8' | 'float32'>(
  dataset: AsyncDataset<'float32', Y>,
  options?: MixingOptions,
): AsyncDataset<'float32', 'float32'>;
export function cutmix(dataset: AnyDataset, options: MixingOptions = {}): AnyDataset<'float32', 'float32'> {
  checkDataset(dataset);
  const shape = dataset.inputShape as readonly number[];
  if (!Array.isArray(shape) || shape.length !== 3)
    throw new ShapeError(`cutmix() takes images [height, width, channels], those of ${dataset.name} are ${describeShape(shape)}`);
  const [height, width] = shape;
  return new MixedDataset('cutmix', dataset, options, 1, (inputs, partners, draws) => {
    const boxes = draws.map(({ share, place }) => boxOf(height, width, 1 - share, place));
    const inside = mul(
      between(
        boxes.map(({ top, bottom }) => [top, bottom]),
        height,
      ).reshape([-1, height, 1, 1]),
      between(
        boxes.map(({ left, right }) => [left, right]),
        width,
      ).reshape([-1, 1, width, 1]),
    );
    const shares = boxes.map(({ top, bottom, left, right }) => 1 - ((bottom - top) * (right - left)) / (height * width));
    return { inputs: where(inside.greater(0.5), partners, inputs), shares };
  });
}

/** λ·a + (1 − λ)·b, a share for each example; of examples that keep all of theirs, their own bits. */
function blend(a: Tensor, b: Tensor, shares: readonly number[]): Tensor {
  const shape = [shares.length, ...a.shape.slice(1).map(() => 1)];
  const own = Tensor.from(Float32Array.from(shares), shape) as Tensor;
  return add(mul(a, own), mul(b, own.neg().add(1)));
}

interface Box {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

/** A box with a share of an image's area around a place in it, both from 0 to 1; cut off at the image's edges. */
function boxOf(height: number, width: number, share: number, [y, x]: readonly [number, number]): Box {
  const side = Math.sqrt(share);
  const [rows, columns] = [Math.floor(height * side), Math.floor(width * side)];
  const [top, left] = [Math.floor(y * height) - Math.floor(rows / 2), Math.floor(x * width) - Math.floor(columns / 2)];
  const inside = (at: number, most: number): number => Math.min(most, Math.max(0, at));
  return { top: inside(top, height), bottom: inside(top + rows, height), left: inside(left, width), right: inside(left + columns, width) };
}

/** Rows of 0 and 1: where the numbers 0 … count − 1 lie in [begin, end). */
function between(ranges: readonly (readonly [number, number])[], count: number): Tensor {
  const column = (side: 0 | 1): Tensor =>
    Tensor.from(
      Float32Array.from(ranges, (range) => range[side]),
      [ranges.length, 1],
    ) as Tensor;
  const at = Tensor.from(Float32Array.from({ length: count }, (_, i) => i)) as Tensor;
  return mul(lessEqual(column(0), at).to('float32'), less(at, column(1)).to('float32'));
}

/** What is drawn for an example. */
interface Draw {
  /** The example that it is mixed with. */
  readonly partner: number;
  /** Its own share, λ. */
  readonly share: number;
  /** A place in the unit square. */
  readonly place: readonly [number, number];
}

/** So many candidates of a share at a time: one of them is nearly always good. */
const candidates = 32;

/** A number from Beta(α, α), by Jöhnk's rejection: x/(x + y) with x = u^(1/α), y = v^(1/α), where x + y ≤ 1. */
function drawShare(random: Random, alpha: number): number {
  if (alpha === 1) return random.uniform53();
  for (;;) {
    const drawn = Tensor.from(Float64Array.from({ length: 2 * candidates }, () => random.uniform53())) as Tensor<'float64'>;
    const { data } = pow(drawn, 1 / alpha);
    for (let i = 0; i < candidates; i++) {
      const [x, y] = [data[i], data[candidates + i]];
      if (x + y <= 1 && x + y > 0) return x / (x + y);
    }
  }
}

type Mix = (inputs: Tensor, partners: Tensor, draws: readonly Draw[]) => { inputs: Tensor; shares: readonly number[] };

class MixedDataset implements Dataset<'float32', 'float32'> {
  readonly name: string;
  readonly length: number;
  readonly inputShape: readonly number[];
  readonly targetShape: readonly number[];
  readonly classes?: readonly string[];
  readonly labels?: () => Int32Array;
  /** @internal Of images that may be scaled otherwise. */
  readonly rescaled?: Rescalable['rescaled'];
  readonly #data: Dataset<BatchPart, BatchPart>;
  readonly #kind: string;
  readonly #alpha: number;
  readonly #classes: number | null;
  readonly #mix: Mix;

  constructor(kind: string, data: AnyDataset, options: MixingOptions, usual: number, mix: Mix) {
    checkDataset(data);
    const { alpha = usual, classes } = checkOptions<MixingOptions>(options, 'options', ['alpha', 'classes']);
    this.#alpha = checkNumber(alpha, 'options.alpha', 1 / 1024, 4);
    this.#data = data as Dataset<BatchPart, BatchPart>;
    this.#kind = kind;
    this.#mix = mix;
    const named = classes === undefined ? data.classes?.length : checkInteger(classes, 'options.classes', 1, 2 ** 24);
    this.#classes = named ?? null;
    this.name = `${data.name}, ${kind}`;
    this.length = data.length;
    this.inputShape = data.inputShape as readonly number[];
    const target = data.targetShape as readonly number[];
    this.targetShape = target.length === 0 && named !== undefined ? [named] : target;
    if (data.classes !== undefined) this.classes = data.classes;
    if (data.labels !== undefined) this.labels = () => data.labels!();
    handOn(this, data); // what is mixed of scaled targets is scaled
    // Figures are learned from what is not mixed: the mean is the same, the deviation is not.
    if (isRescalable(data))
      this.rescaled = (statistics) => {
        const images = data.rescaled(statistics);
        return statistics === null ? images : new MixedDataset(kind, images, options, usual, mix);
      };
  }

  batch(indices: Int32Array, key: EpochKey = { seed: getSeed(), epoch: 0 }): Batch<'float32', 'float32'> {
    checkIndices(indices, this.length);
    const draws = Array.from(indices, (index) => this.#draw(index, key));
    const both = Int32Array.from([...indices, ...draws.map(({ partner }) => partner)]);
    const made = whenThere(this.#data.batch(both, key), (batch) => this.#mixed(checkBatch(this.#data, batch, both.length), draws));
    return made as Batch<'float32', 'float32'>; // or a promise, as the set gives
  }

  #draw(index: number, { seed, epoch }: EpochKey): Draw {
    const random = new Random(seed, `${this.#kind}/${epoch}/${index}`);
    const partner = Math.floor(random.uniform53() * this.length);
    const share = drawShare(random, this.#alpha);
    return { partner, share, place: [random.uniform53(), random.uniform53()] };
  }

  #mixed({ inputs, targets, weights }: Batch<BatchPart, BatchPart>, draws: readonly Draw[]): Batch<'float32', 'float32'> {
    const count = draws.length;
    const halves = (whole: Tensor): [Tensor, Tensor] => [whole.slice(0, count), whole.slice(count)];
    const images = Tensor.check(inputs, `inputs of data set '${this.#data.name}'`) as Tensor;
    requireFloat(this.#kind, [images]);
    const mixed = this.#mix(...halves(images), draws);
    const ofAll = (values: Tensor): Tensor => blend(...halves(values), mixed.shares);
    return { inputs: mixed.inputs, targets: ofAll(this.#numbers(targets)), ...(weights && { weights: ofAll(weights as Tensor) }) };
  }

  /** Targets that can be mixed: class indices as rows of probabilities. */
  #numbers(targets: unknown): Tensor {
    const given = Tensor.check(targets, `targets of data set '${this.#data.name}'`) as Tensor;
    if (!isClassIndices(given)) return given;
    if (this.#classes === null)
      throw new ArgumentError(`${this.#kind}() needs to know how many classes data set '${this.#data.name}' has: give options.classes`);
    const labels = (given as Tensor<'uint8'>).to('int32').data;
    const { length } = labels;
    const rows = new Float32Array(length * this.#classes);
    for (let i = 0; i < length; i++) {
      if (labels[i] < 0 || labels[i] >= this.#classes)
        throw new ArgumentError(
          expected(`class indices from 0 to ${this.#classes - 1}`, `targets of data set '${this.#data.name}'`, labels[i]),
        );
      rows[i * this.#classes + labels[i]] = 1;
    }
    return Tensor.from(rows, [length, this.#classes]) as Tensor;
  }
}
