// What a data set is, the one that lives in two tensors, and how to take parts of any: subsets and disjoint splits.
import { ArgumentError, checkInteger, checkOptions, describeShape, expected, ShapeError } from '../errors.js';
import { getSeed, Random } from '../random.js';
import type { TypedArrayOf } from '../dtype.js';
import { countFromZeroHint } from '../ops/hints.js';
import { type AnyTensor, type DType, Tensor } from '../tensor.js';

/** Inputs and targets of some examples; the first dimension of both counts the examples. */
export interface Batch<X extends DType = 'float32', Y extends DType = 'int32'> {
  /** One row per example. */
  readonly inputs: Tensor<X>;
  /** One row per example, or one class index. */
  readonly targets: Tensor<Y>;
}

/** Which epoch a batch belongs to, for data sets that draw something: it depends on the seed, the epoch and the example alone. */
export interface EpochKey {
  /** Seed of the run. */
  readonly seed: number;
  /** The epoch, from 0. */
  readonly epoch: number;
}

/** Inputs that are made from what lies in memory, for each epoch anew: bytes that become float32, images that are augmented. */
export interface InputMaker<X extends DType = 'float32'> {
  /** Shape of the inputs of all rows. */
  readonly shape: readonly number[];
  /** Element type of the inputs. */
  readonly dtype: X;
  /** Writes the inputs of these rows, one after the other. */
  into(to: TypedArrayOf<X>, rows: Int32Array, key: EpochKey): void;
}

/** Where the examples of a set lie that is wholly in memory: row `rows[i]` of inputs and targets is example `i`. */
export interface ExampleMemory<X extends DType = 'float32', Y extends DType = 'int32'> {
  /** Inputs of all rows, or how they are made. */
  readonly inputs: Tensor<X> | InputMaker<X>;
  /** Targets of all rows. */
  readonly targets: Tensor<Y>;
  /** The row of each example; null: row `i` is example `i`. */
  readonly rows: Int32Array | null;
}

/**
 * Examples that can be fetched by index. Anything with these members can be trained on: implement `batch` to read from a file, a
 * database or a generator, and only what is asked for is ever in memory.
 */
export interface Dataset<X extends DType = 'float32', Y extends DType = 'int32'> {
  /** What messages and logs call it. */
  readonly name: string;
  /** Number of examples. */
  readonly length: number;
  /** Shape of one input, for images [height, width, channels]. */
  readonly inputShape: readonly number[];
  /** Shape of one target; [] for class indices. */
  readonly targetShape: readonly number[];
  /** Names of the classes in the order of their indices, where the targets are classes. */
  readonly classes?: readonly string[];
  /**
   * The examples with these indices (from 0 to `length` - 1, in any order, repeats allowed), as new tensors. The indices are only read.
   * `key` says for which epoch, to sets that draw something.
   */
  batch(indices: Int32Array, key?: EpochKey): Batch<X, Y>;
  /**
   * Where the examples lie, for sets that are wholly in memory.
   * Training then gathers batches natively instead of calling `batch`; it must give the same.
   */
  memory?(): ExampleMemory<X, Y>;
  /** All class indices without their inputs, where that is cheaper than fetching batches; stratified splits ask for it. */
  labels?(): Int32Array;
}

/** Options of {@link TensorDataset}. */
export interface TensorDatasetOptions {
  /** What messages and logs call it; default `data`. */
  readonly name?: string;
  /** Names of the classes, or their number C (then the names are `0` to `C - 1`). */
  readonly classes?: readonly string[] | number;
}

/**
 * A data set in memory: row `i` of `inputs` and row `i` of `targets` are example `i`. Class targets are int32 or uint8 [N] and count from 0
 * (course row E28).
 *
 * @throws {ArgumentError} if a class index is negative or not below the number of classes
 * @throws {ShapeError} if the two tensors have different numbers of rows
 *
 * @example
 * ```ts
 * import { Tensor, TensorDataset } from 'nodegrad';
 * const inputs = Tensor.from(new Float32Array([0, 0, 0, 1, 1, 0, 1, 1]), [4, 2]);
 * const targets = Tensor.from(new Int32Array([0, 1, 1, 0]));
 * const xor = new TensorDataset(inputs, targets, { name: 'xor', classes: ['equal', 'different'] });
 * ```
 */
export class TensorDataset<X extends DType = 'float32', Y extends DType = 'int32'> implements Dataset<X, Y> {
  readonly name: string;
  readonly length: number;
  readonly inputShape: readonly number[];
  readonly targetShape: readonly number[];
  readonly classes?: readonly string[];
  /** All inputs, shared and not copied. */
  readonly inputs: Tensor<X>;
  /** All targets, shared and not copied. */
  readonly targets: Tensor<Y>;

  constructor(inputs: Tensor<X>, targets: Tensor<Y>, options: TensorDatasetOptions = {}) {
    const { name = 'data', classes } = checkOptions<TensorDatasetOptions>(options, 'options', ['name', 'classes']);
    if (typeof name !== 'string') throw new ArgumentError(expected('a string', 'options.name', name));
    for (const [argument, value] of Object.entries({ inputs, targets })) {
      if (Tensor.check(value, argument).rank === 0)
        throw new ShapeError(`expected at least one dimension (the examples) for \`${argument}\`, received shape []`);
    }
    if (inputs.shape[0] !== targets.shape[0]) {
      throw new ShapeError(
        `expected as many rows in \`targets\` as in \`inputs\`, received ${describeShape(targets.shape)} for inputs ${describeShape(inputs.shape)}`,
      );
    }
    this.name = name;
    this.inputs = inputs;
    this.targets = targets;
    this.length = inputs.shape[0];
    this.inputShape = inputs.shape.slice(1);
    this.targetShape = targets.shape.slice(1);
    if (classes !== undefined) this.classes = classNames(classes);
    if (isClassIndices(targets)) {
      checkLabels(targets.data as Int32Array, this.classes?.length);
    } else if (this.classes !== undefined && !(targets.rank === 2 && targets.shape[1] === this.classes.length)) {
      throw new ShapeError(
        `expected int32 or uint8 class indices [N] or one row of ${this.classes.length} values per example for \`targets\`, ` +
          `received ${targets.dtype} ${describeShape(targets.shape)}`,
      );
    }
  }

  batch(indices: Int32Array): Batch<X, Y> {
    checkIndices(indices, this.length);
    const rows = Tensor.from(indices);
    return { inputs: this.inputs.gather(rows), targets: this.targets.gather(rows) };
  }

  memory(): ExampleMemory<X, Y> {
    return { inputs: this.inputs, targets: this.targets, rows: null };
  }

  labels(): Int32Array {
    if (!isClassIndices(this.targets))
      throw new ArgumentError(`the targets of data set ${this.name} are not class indices, int32 or uint8 [N]`);
    return this.targets.to('int32').data;
  }
}

function classNames(classes: readonly string[] | number): readonly string[] {
  if (typeof classes === 'number') return Array.from({ length: checkInteger(classes, 'options.classes', 1, 1 << 24) }, (_, i) => String(i));
  if (!Array.isArray(classes) || classes.length === 0 || !classes.every((name) => typeof name === 'string')) {
    throw new ArgumentError(expected('a number of classes or an array of names', 'options.classes', classes));
  }
  return [...classes];
}

function isClassIndices({ dtype, rank }: AnyTensor): boolean {
  return (dtype === 'int32' || dtype === 'uint8') && rank === 1;
}

function checkLabels(labels: Int32Array, classes = Infinity): void {
  const at = labels.findIndex((label) => label < 0 || label >= classes);
  if (at < 0) return;
  const hint =
    labels[at] < 0 ? '; class indices count from 0, and numbers to be fitted are float32' : countFromZeroHint('targets', labels, classes);
  const range = classes === Infinity ? 'of at least 0' : `from 0 to ${classes - 1}`;
  throw new ArgumentError(`expected class indices ${range} for \`targets\`, received ${labels[at]} at row ${at}${hint}`);
}

/** @internal Refuses indices that no example has. */
export function checkIndices(indices: unknown, length: number): asserts indices is Int32Array {
  if (!(indices instanceof Int32Array)) throw new ArgumentError(expected('an Int32Array', 'indices', indices));
  for (let i = 0; i < indices.length; i++) {
    if (indices[i] < 0 || indices[i] >= length) {
      throw new ArgumentError(`expected indices from 0 to ${length - 1} for \`indices\`, received ${indices[i]} at position ${i}`);
    }
  }
}

/** @internal Refuses what is no data set. */
export function checkDataset(dataset: unknown, argument = 'dataset'): void {
  const { length, batch } = (typeof dataset === 'object' && dataset !== null ? dataset : {}) as Partial<Dataset>;
  if (typeof batch !== 'function') {
    const way = 'Arrays and tensors go through one: new TensorDataset(tensor(x), tensor(y)), class indices as int32';
    throw new ArgumentError(expected('a data set (an object with length and batch)', argument, dataset, way));
  }
  checkInteger(length, `${argument}.length`, 0, 0x7fffffff);
}

/** @internal Whether a set's batches are rows of its two tensors: a class of a user's own may make them otherwise. */
export function isInMemory(dataset: Dataset<DType, DType> | Dataset<never, never>): boolean {
  if (dataset instanceof TensorDataset && dataset.batch !== TensorDataset.prototype.batch) return false;
  return typeof dataset.memory === 'function';
}

class Subset<X extends DType, Y extends DType> implements Dataset<X, Y> {
  readonly name: string;
  readonly length: number;
  readonly inputShape: readonly number[];
  readonly targetShape: readonly number[];
  readonly classes?: readonly string[];
  readonly labels?: () => Int32Array;
  readonly memory?: Dataset<X, Y>['memory'];
  readonly #whole: Dataset<X, Y>;
  readonly #rows: Int32Array;

  constructor(whole: Dataset<X, Y>, rows: Int32Array, name: string) {
    this.#whole = whole;
    this.#rows = rows;
    this.name = name;
    this.length = rows.length;
    this.inputShape = whole.inputShape;
    this.targetShape = whole.targetShape;
    if (whole.classes !== undefined) this.classes = whole.classes;
    if (whole.labels !== undefined) this.labels = () => this.#pick(whole.labels!(), rows);
    if (isInMemory(whole)) {
      this.memory = () => {
        const memory = whole.memory!();
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
export function subset<X extends DType, Y extends DType>(dataset: Dataset<X, Y>, indices: Int32Array | readonly number[]): Dataset<X, Y> {
  checkDataset(dataset);
  if (!Array.isArray(indices) && !(indices instanceof Int32Array)) {
    throw new ArgumentError(expected('an Int32Array or an array of integers', 'indices', indices));
  }
  if (Array.isArray(indices)) for (const index of indices) checkInteger(index, 'indices', 0, dataset.length - 1);
  const rows = Int32Array.from({ length: indices.length }, (_, i) => indices[i]); // no iterator: that of memory which is gone throws
  checkIndices(rows, dataset.length);
  return new Subset(dataset, rows, `${dataset.name}[${rows.length}]`);
}

/** Options of {@link split}. */
export interface SplitOptions {
  /** Decides which example goes where; default: the seed of `setSeed`. */
  readonly seed?: number;
  /** Keep the proportions of the classes in every part; default false. */
  readonly stratify?: boolean;
}

/**
 * Splits a data set into disjoint parts, drawn at random: every example is in exactly one part (course row L01). The same seed gives
 * the same parts.
 *
 * @param parts sizes (integers that sum to `dataset.length`) or fractions (that sum to 1; sizes are rounded by largest remainder)
 * @returns one data set per part, in the order of `parts`; the order within a part is random
 * @throws {ArgumentError} if the parts do not add up, or `stratify` is asked for targets that are not class indices, int32 or uint8 [N]
 *
 * @example
 * ```ts
 * import { datasets, split } from 'nodegrad';
 * const { train } = await datasets.digits();
 * const [fit, validation] = split(train, [0.9, 0.1], { seed: 1, stratify: true });
 * ```
 */
export function split<X extends DType, Y extends DType>(
  dataset: Dataset<X, Y>,
  parts: readonly number[],
  options: SplitOptions = {},
): Dataset<X, Y>[] {
  checkDataset(dataset);
  const { seed = getSeed(), stratify = false } = checkOptions<SplitOptions>(options, 'options', ['seed', 'stratify']);
  if (typeof stratify !== 'boolean') throw new ArgumentError(expected('true or false', 'options.stratify', stratify));
  const sizes = partSizes(parts, dataset.length);
  const random = new Random(checkInteger(seed, 'options.seed'), 'split');
  const order = random.permutation(dataset.length);
  const rows = stratify ? dealByClass(order, classLabels(dataset), sizes) : dealInOrder(order, sizes);
  return rows.map((part, i) => new Subset(dataset, stratify ? random.shuffle(part) : part, `${dataset.name} ${i + 1}/${sizes.length}`));
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

function dealInOrder(order: Int32Array, sizes: number[]): Int32Array[] {
  let start = 0;
  return sizes.map((size) => order.slice(start, (start += size)));
}

/** Goes through the classes one after the other and gives each example to the part that is furthest behind its share. */
function dealByClass(order: Int32Array, labels: Int32Array, sizes: number[]): Int32Array[] {
  const total = order.length;
  const byClass = Array.from(order).sort((a, b) => labels[a] - labels[b]); // stable: random within a class
  const parts = sizes.map((size) => new Int32Array(size));
  const filled = sizes.map(() => 0);
  for (const [position, row] of byClass.entries()) {
    let behind = 0;
    let most = -Infinity;
    for (let part = 0; part < sizes.length; part++) {
      const deficit = sizes[part] * (position + 1) - filled[part] * total;
      if (deficit > most) {
        most = deficit;
        behind = part;
      }
    }
    parts[behind][filled[behind]++] = row;
  }
  return parts;
}

function classLabels(dataset: Dataset<DType, DType>): Int32Array {
  if (dataset.targetShape.length !== 0)
    throw new ArgumentError(
      `\`stratify\` needs class indices, the targets of ${dataset.name} have shape ${describeShape(dataset.targetShape)}`,
    );
  if (dataset.labels !== undefined) return dataset.labels();
  const labels = new Int32Array(dataset.length);
  for (let start = 0; start < dataset.length; start += 1024) {
    const indices = Int32Array.from({ length: Math.min(1024, dataset.length - start) }, (_, i) => start + i);
    const { targets } = dataset.batch(indices);
    if (!isClassIndices(targets))
      throw new ArgumentError(`\`stratify\` needs int32 or uint8 class indices, the targets of ${dataset.name} are ${targets.dtype}`);
    labels.set(targets.data as Int32Array, start);
  }
  return labels;
}
