// Parts of data sets: subsets and disjoint splits, of which nothing is copied but the indices.
import { types } from 'node:util';
import { ArgumentError, checkFlag, checkInteger, checkOptions, describeShape, expected } from '../errors.js';
import { Random } from '../random.js';
import { getSeed } from '../seed.js';
import { type Groups, checkGroups, dealByClass, dealByGroup, dealInOrder } from './groups.js';
import { isPromise } from '../foreign.js';
import { Tensor } from '../tensor.js';
import { showAs } from '../words.js';
import { handOn } from './about.js';
import { type Rescalable, isRescalable } from './augmented.js';
import { isClassIndices } from './class-indices.js';
import type { ColumnSchema } from './columns.js';
import { batchNow, checkDataset, checkIndices, memoryOf } from './contract.js';
import {
  type AnyDataset,
  type AsyncDataset,
  type Batch,
  type BatchPart,
  type Dataset,
  type DatasetSplit,
  type EpochKey,
  type ShapeOf,
  datasetText,
  isInMemory,
} from './dataset.js';

class Subset<X extends BatchPart, Y extends BatchPart> implements Dataset<X, Y> {
  readonly name: string;
  readonly length: number;
  readonly inputShape: ShapeOf<X>;
  readonly targetShape: ShapeOf<Y>;
  readonly classes?: readonly string[];
  readonly features?: readonly ColumnSchema[];
  readonly target?: ColumnSchema;
  readonly split?: DatasetSplit;
  readonly labels?: () => Int32Array;
  readonly fileOf?: (index: number) => string;
  readonly memory?: Dataset<X, Y>['memory'];
  /** @internal Of images that may be scaled otherwise. */
  readonly rescaled?: Rescalable['rescaled'];
  readonly #whole: Dataset<X, Y>;
  readonly #rows: Int32Array;

  /** Of a set that has to be waited for, it is one itself. */
  constructor(whole: Dataset<X, Y>, rows: Int32Array, name: string, part: DatasetSplit | undefined = whole.split) {
    this.#whole = whole;
    this.#rows = rows;
    this.name = name;
    this.length = rows.length;
    this.inputShape = whole.inputShape;
    this.targetShape = whole.targetShape;
    if (whole.classes !== undefined) this.classes = whole.classes;
    if (whole.features !== undefined) this.features = whole.features;
    if (whole.target !== undefined) this.target = whole.target;
    if (part !== undefined) this.split = part;
    if (whole.labels !== undefined) this.labels = () => this.#pick(whole.labels!(), rows);
    if (whole.fileOf !== undefined) this.fileOf = (index) => whole.fileOf!(rows[checkInteger(index, 'index', 0, rows.length - 1)]);
    handOn(this, whole);
    if (isRescalable(whole)) this.rescaled = (statistics) => new Subset(whole.rescaled(statistics) as Dataset<X, Y>, rows, name, part);
    if (isInMemory(whole)) {
      this.memory = () => {
        const memory = memoryOf(whole);
        return { ...memory, rows: memory.rows === null ? rows : this.#pick(memory.rows, rows) };
      };
    }
  }

  #pick(values: Int32Array, indices: Int32Array): Int32Array {
    const picked = new Int32Array(indices.length);
    for (let i = 0; i < indices.length; i++) picked[i] = values[indices[i]];
    return picked;
  }

  batch(indices: Int32Array, key?: EpochKey): Batch<X, Y> {
    checkIndices(indices, this.length);
    return this.#whole.batch(this.#pick(this.#rows, indices), key);
  }
}

/**
 * The examples of `dataset` with these indices, in this order, as a data set of its own. Nothing is copied but the indices.
 *
 * @throws {ArgumentError} if an index is not an integer from 0 to `dataset.length` - 1
 *
 * @example
 * ```ts
 * import { datasets, subset } from 'nodegrad';
 * const { train } = await datasets.digits();
 * const few = subset(train, Int32Array.from({ length: 20 }, (_, i) => i)); // small enough to overfit on purpose
 * ```
 */
export function subset<X extends BatchPart, Y extends BatchPart>(
  dataset: Dataset<X, Y>,
  indices: Int32Array | readonly number[],
): Dataset<X, Y>;
export function subset<X extends BatchPart, Y extends BatchPart>(
  dataset: AsyncDataset<X, Y>,
  indices: Int32Array | readonly number[],
): AsyncDataset<X, Y>;
export function subset<X extends BatchPart, Y extends BatchPart>(
  dataset: AnyDataset<X, Y>,
  indices: Int32Array | readonly number[],
): AnyDataset<X, Y> {
  checkDataset(dataset);
  if (!Array.isArray(indices) && !types.isInt32Array(indices)) {
    throw new ArgumentError(expected('an Int32Array or an array of integers', 'indices', indices));
  }
  if (Array.isArray(indices)) for (const index of indices) checkInteger(index, 'indices', 0, dataset.length - 1);
  const rows = Int32Array.from({ length: indices.length }, (_, i) => indices[i]); // no iterator: that of memory which is gone throws
  checkIndices(rows, dataset.length);
  return new Subset(dataset as Dataset<X, Y>, rows, `${dataset.name}[${rows.length}]`);
}

showAs(Subset as unknown as { prototype: AnyDataset }, datasetText);

/** @internal Some rows of a data set, under a name, as a part of a split. */
export function partOf<X extends BatchPart, Y extends BatchPart>(
  dataset: Dataset<X, Y>,
  rows: Int32Array,
  name: string,
  part: DatasetSplit,
): Dataset<X, Y> {
  return new Subset(dataset, rows, name, part);
}

/** Options of {@link split}. */
export interface SplitOptions {
  /** Decides which example goes where; default: the seed of `setSeed`. */
  readonly seed?: number;
  /** Keep the proportions of the classes in every part; default false. */
  readonly stratify?: boolean;
  /**
   * What each example belongs to, such as a patient or a recording: examples of one group go to one part, for what they share would leak. Sizes
   * and proportions are then met as far as the groups allow. Default: each example stands for itself.
   */
  readonly groups?: Groups;
}

/**
 * Splits a data set into disjoint parts, drawn at random: every example is in exactly one part (course row L01). The same seed gives
 * the same parts.
 *
 * Of two or three parts the first is the training part, the second the validation part and the third the test part: they know it, and
 * preprocessing refuses to learn from the others. Parts of a part that is one stay that.
 *
 * @param parts sizes (integers that sum to `dataset.length`) or fractions (that sum to 1; sizes are rounded by largest remainder)
 * @returns one data set per part, in the order of `parts`; the order within a part is random
 * @throws {ArgumentError} if the parts do not add up, `stratify` is asked for targets that are not class indices, int32 or uint8 [N], or there
 *   are fewer groups than parts
 *
 * @example
 * ```ts
 * import { datasets, split } from 'nodegrad';
 * const { train } = await datasets.digits();
 * const [fit, validation] = split(train, [0.9, 0.1], { seed: 1, stratify: true });
 * ```
 */
export function split<X extends BatchPart, Y extends BatchPart, const P extends readonly number[]>(
  dataset: Dataset<X, Y>,
  parts: P,
  options?: SplitOptions,
): { -readonly [Part in keyof P]: Dataset<X, Y> };
export function split<X extends BatchPart, Y extends BatchPart, const P extends readonly number[]>(
  dataset: AsyncDataset<X, Y>,
  parts: P,
  options?: SplitOptions,
): { -readonly [Part in keyof P]: AsyncDataset<X, Y> };
export function split<X extends BatchPart, Y extends BatchPart>(
  given: AnyDataset<X, Y>,
  parts: readonly number[],
  options: SplitOptions = {},
): AnyDataset<X, Y>[] {
  checkDataset(given);
  const dataset = given as Dataset<X, Y>;
  const { seed = getSeed(), stratify = false, groups } = checkOptions<SplitOptions>(options, 'options', ['seed', 'stratify', 'groups']);
  checkFlag(stratify, 'options.stratify');
  const sizes = partSizes(parts, dataset.length);
  const random = new Random(checkInteger(seed, 'options.seed'), 'split');
  const order = random.permutation(dataset.length);
  const rows = deal(dataset, order, sizes, stratify, groups);
  const kinds: readonly DatasetSplit[] = sizes.length === 2 || sizes.length === 3 ? ['train', 'validation', 'test'] : [];
  return rows.map((part, i) => {
    const kind = dataset.split === undefined || dataset.split === 'train' ? kinds[i] : dataset.split;
    return new Subset(
      dataset,
      stratify || groups !== undefined ? random.shuffle(part) : part,
      `${dataset.name} ${i + 1}/${sizes.length}`,
      kind,
    );
  });
}

/** @internal The rows of each part. */
export function deal(
  dataset: Dataset<BatchPart, BatchPart>,
  order: Int32Array,
  sizes: readonly number[],
  stratify: boolean,
  groups: Groups | undefined,
): Int32Array[] {
  const labels = stratify ? classLabels(dataset) : null;
  if (groups !== undefined) return dealByGroup(order, checkGroups(groups, dataset.length), labels, sizes);
  return labels === null ? dealInOrder(order, sizes) : dealByClass(order, labels, sizes);
}

function partSizes(parts: readonly number[], length: number): number[] {
  if (!Array.isArray(parts) || parts.length === 0) throw new ArgumentError(expected('an array of sizes or fractions', 'parts', parts));
  for (const part of parts) {
    if (typeof part !== 'number' || !(part >= 0) || part === Infinity) {
      throw new ArgumentError(expected('sizes or fractions of at least 0', 'parts', part));
    }
  }
  const sum = parts.reduce((total, part) => total + part, 0);
  if (parts.every(Number.isSafeInteger) && sum === length) return [...parts];
  if (Math.abs(sum - 1) > 1e-9) {
    throw new ArgumentError(expected(`sizes that sum to ${length} or fractions that sum to 1`, 'parts', parts, `The sum is ${sum}`));
  }
  const sizes = parts.map((part) => Math.floor(part * length));
  const remainders = parts.map((part, i) => ({ i, rest: part * length - sizes[i] })).sort((a, b) => b.rest - a.rest || a.i - b.i);
  let missing = length - sizes.reduce((total, size) => total + size, 0);
  for (let k = 0; missing > 0; k = (k + 1) % remainders.length) {
    sizes[remainders[k].i] += 1;
    missing -= 1;
  }
  return sizes;
}

/** @internal All class indices of a data set; `who` asks for them. */
export function classLabels(dataset: Dataset<BatchPart, BatchPart>, who = '`stratify`'): Int32Array {
  if (!Array.isArray(dataset.targetShape) || dataset.targetShape.length !== 0)
    throw new ArgumentError(
      `${who} needs class indices, the targets of ${dataset.name} ${Array.isArray(dataset.targetShape) ? `have shape ${describeShape(dataset.targetShape as number[])}` : 'are several'}`,
    );
  if (dataset.labels !== undefined) {
    const labels: unknown = dataset.labels();
    if (types.isInt32Array(labels) && labels.length === dataset.length) return labels;
    throw new ArgumentError(
      expected(
        `an Int32Array of ${dataset.length} class indices`,
        `labels() of data set '${dataset.name}'`,
        labels,
        isPromise(labels) ? 'It cannot be waited for' : '',
      ),
    );
  }
  const labels = new Int32Array(dataset.length);
  for (let start = 0; start < dataset.length; start += 1024) {
    const indices = Int32Array.from({ length: Math.min(1024, dataset.length - start) }, (_, i) => start + i);
    const { targets } = batchNow(dataset, indices, `${who} needs labels() with all class indices`);
    if (!isClassIndices(targets))
      throw new ArgumentError(
        `${who} needs int32 or uint8 class indices, the targets of ${dataset.name} are ${targets instanceof Tensor ? targets.dtype : 'several'}`,
      );
    labels.set(targets.data as Int32Array, start);
  }
  return labels;
}
