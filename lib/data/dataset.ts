// What a data set is, and the one that lives in two tensors.
import { ours } from '../foreign.js';
import { ArgumentError, checkChoice, checkInteger, checkList, checkOptions, describeShape, expected, ShapeError } from '../errors.js';
import type { ColumnSchema } from './columns.js';
import type { TypedArrayOf } from '../dtype.js';
import { type AnyTensor, type DType, Tensor } from '../tensor.js';
import { type TensorTree, mapTensors, tensorsOf } from '../tree.js';
import { type ScalesTargets, note } from './about.js';
import { checkLabels, classNames, isClassIndices } from './class-indices.js';
import { checkIndices } from './contract.js';
import { keepNames } from '../names.js';
import { formatCount } from '../progress.js';
import { showAs } from '../words.js';

/** What a type parameter of data sets may be: the element type of a tensor, as nearly always, or a tree of tensors. */
export type BatchPart = DType | TensorTree;

/** The inputs or the targets that such a type parameter stands for: `Tensor<'float32'>` for `'float32'`, a tree for itself. */
export type PartOf<X extends BatchPart> = [X] extends [DType] ? Tensor<X> : Exclude<X, DType>;

/** Shapes in the places of a tree's tensors; of a tensor, its shape. */
export type ShapeTree = readonly number[] | readonly ShapeTree[] | { readonly [name: string]: ShapeTree };

/** The shapes of one example of such inputs or targets. */
export type ShapeOf<X extends BatchPart> = [X] extends [DType] ? readonly number[] : ShapeTree;

/** Inputs and targets of some examples; the first dimension of all tensors counts the examples. */
export interface Batch<X extends BatchPart = 'float32', Y extends BatchPart = 'int32'> {
  /** One row per example; a tree where a model takes several tensors, such as `{ sequence, lengths }`. */
  readonly inputs: PartOf<X>;
  /** One row per example, or one class index; a tree where there are several. */
  readonly targets: PartOf<Y>;
  /** How often each example counts in the loss, float [examples]; without them each counts once. */
  readonly weights?: AnyTensor;
}

/** The parts that data are split into (course row L01). */
export type DatasetSplit = 'train' | 'validation' | 'test';

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
export interface ExampleMemory<X extends BatchPart = 'float32', Y extends BatchPart = 'int32'> {
  /** Inputs of all rows, or how they are made. */
  readonly inputs: PartOf<X> | InputMaker<Extract<X, DType>>;
  /** Targets of all rows. */
  readonly targets: PartOf<Y>;
  /** Weights of all rows, where the set has them. */
  readonly weights?: AnyTensor;
  /** The row of each example; null: row `i` is example `i`. */
  readonly rows: Int32Array | null;
}

/**
 * Examples that can be fetched by index. Anything with these members can be trained on: implement `batch` to read from a file, a
 * database or a generator, and only what is asked for is ever in memory.
 */
export interface Dataset<X extends BatchPart = 'float32', Y extends BatchPart = 'int32'> {
  /** What messages and logs call it. */
  readonly name: string;
  /** Number of examples. */
  readonly length: number;
  /** Shape of one input, for images [height, width, channels]; a tree of shapes beside a tree of inputs. */
  readonly inputShape: ShapeOf<X>;
  /** Shape of one target; [] for class indices. */
  readonly targetShape: ShapeOf<Y>;
  /** Names of the classes in the order of their indices, where the targets are classes. */
  readonly classes?: readonly string[];
  /** The columns of a table that the inputs are, in their order, where they are: a model that knows columns finds them by their names. */
  readonly features?: readonly ColumnSchema[];
  /** The column of a table that the targets are, where they are one. */
  readonly target?: ColumnSchema;
  /**
   * The {@link TargetScaler} that its targets were scaled by, or null where they are as they were: data in other units than the model's are then refused. Where a data set of
   * one's own does not say it, nobody knows; {@link TargetScaler.scaled} and tables say it by themselves.
   */
  readonly targetScaler?: ScalesTargets | null;
  /** Which part of a split it is, where it is one: what preprocessing learns from others than `'train'` would leak. */
  readonly split?: DatasetSplit;
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
  /** The file that the example of an index was read from, where each was read from one: {@link mistakes} names it. */
  readonly fileOf?: (index: number) => string;
}

/**
 * A data set whose `batch` has to wait: for a file, a database, a server. `fit`, `evaluate`, `predict`, `step.many` and `for await` loops over a
 * `DataLoader` wait for it, one batch ahead; what cannot wait (`for` loops) says so.
 *
 * @example
 * ```ts
 * import { type AsyncDataset, tensor } from 'nodegrad';
 * const rows = async (indices: Int32Array): Promise<number[][]> => Array.from(indices, (i) => [i, i * i]); // asks a database
 * const points: AsyncDataset<'float32', 'float32'> = {
 *   name: 'points',
 *   length: 100,
 *   inputShape: [2],
 *   targetShape: [1],
 *   batch: async (indices) => {
 *     const inputs = await rows(indices);
 *     return { inputs: tensor(inputs), targets: tensor(inputs.map(([x]) => [x])) };
 *   },
 * };
 * ```
 */
export interface AsyncDataset<X extends BatchPart = 'float32', Y extends BatchPart = 'int32'>
  extends Omit<Dataset<X, Y>, 'batch' | 'memory' | 'labels' | 'fileOf'> {
  /** As the `batch` of a {@link Dataset}, later. */
  batch(indices: Int32Array, key?: EpochKey): Promise<Batch<X, Y>>;
  /** As the `labels` of a {@link Dataset}: at once, without waiting. */
  labels?(): Int32Array;
  /** As the `fileOf` of a {@link Dataset}. */
  fileOf?(index: number): string;
}

/** A data set of either kind; without element types, any data set: what a function of your own takes that passes it on to `fit`. */
export type AnyDataset<X extends BatchPart = BatchPart, Y extends BatchPart = BatchPart> = Dataset<X, Y> | AsyncDataset<X, Y>;

/** Options of {@link TensorDataset}. */
export interface TensorDatasetOptions {
  /** What messages and logs call it; default `data`. */
  readonly name?: string;
  /** Names of the classes, or their number C (then the names are `0` to `C - 1`). */
  readonly classes?: readonly string[] | number;
  /** Which part of a split it is; default: none, like the whole. */
  readonly split?: DatasetSplit;
  /** The label of examples that do not count, such as −1: no class index, and the `ignoreIndex` of the loss. Default: none. */
  readonly ignoreIndex?: number | null;
  /** The file that each example was read from, so that it can be named. Default: none. */
  readonly files?: readonly string[];
}

/**
 * A data set in memory: row `i` of `inputs` and row `i` of `targets` are example `i`. Class targets are int32 or uint8 [N] and count from 0
 * (course row E28); one label that is no class is `ignoreIndex`, here and in the loss.
 *
 * @throws {ArgumentError} if a class index is negative or not below the number of classes, and not `ignoreIndex`
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
  readonly inputShape: ShapeOf<X>;
  readonly targetShape: ShapeOf<Y>;
  readonly classes?: readonly string[];
  readonly split?: DatasetSplit;
  /** All inputs, shared and not copied. */
  readonly inputs: Tensor<X>;
  /** All targets, shared and not copied. */
  readonly targets: Tensor<Y>;
  /** The file that an example was read from, where that was said. */
  readonly fileOf?: (index: number) => string;

  constructor(inputs: Tensor<X>, targets: Tensor<Y>, options: TensorDatasetOptions = {}) {
    const known = ['name', 'classes', 'split', 'ignoreIndex', 'files'];
    const given = checkOptions<TensorDatasetOptions>(options, 'options', known, ['ignoreIndex']);
    const { name = 'data', classes, split, ignoreIndex, files } = given;
    const ignored =
      ignoreIndex === undefined || ignoreIndex === null ? null : checkInteger(ignoreIndex, 'options.ignoreIndex', -(2 ** 31), 2 ** 31 - 1);
    if (split !== undefined) this.split = checkChoice<DatasetSplit>(split, 'options.split', ['train', 'validation', 'test']);
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
    this.inputShape = Object.freeze(inputs.shape.slice(1)) as ShapeOf<X>;
    this.targetShape = Object.freeze(targets.shape.slice(1)) as ShapeOf<Y>;
    note(this);
    if (classes !== undefined) this.classes = classNames(classes);
    if (files !== undefined) {
      if (checkList<string>(files, 'options.files', 'an array of paths').length !== this.length)
        throw new ArgumentError(`\`options.files\` names ${files.length} files, and there are ${this.length} examples`);
      const own = [...files];
      this.fileOf = (index) => own[checkInteger(index, 'index', 0, own.length - 1)];
    }
    if (isClassIndices(targets)) {
      checkLabels(targets.data as Int32Array | Uint8Array, this.classes?.length, ignored);
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
    return { inputs: this.inputs.gather(rows), targets: this.targets.gather(rows) } as Batch<X, Y>;
  }

  memory(): ExampleMemory<X, Y> {
    return { inputs: this.inputs, targets: this.targets, rows: null } as ExampleMemory<X, Y>;
  }

  labels(): Int32Array {
    if (!isClassIndices(this.targets))
      throw new ArgumentError(`the targets of data set ${this.name} are not class indices, int32 or uint8 [N]`);
    return this.targets.to('int32').data;
  }
}

/** What a {@link TreeDataset} is made of. */
export interface TreeDatasetParts<X extends TensorTree = TensorTree, Y extends TensorTree = TensorTree> {
  /** Inputs: a tensor, or a tree of tensors, such as `{ sequence, lengths }`. */
  readonly inputs: X;
  /** Targets: a tensor, or a tree of tensors. */
  readonly targets: Y;
  /**
   * How often each example counts in the loss, float [examples]; default: once. One of weight 0 adds nothing, as long as its numbers are
   * finite; metrics count it all the same.
   */
  readonly weights?: AnyTensor;
  /** What messages and logs call it; default `data`. */
  readonly name?: string;
}

/**
 * A data set in memory whose inputs or targets are trees of tensors, or whose examples have weights: row `i` of each tensor belongs to
 * example `i`. The model's `forward` gets the tree of inputs, the loss the tree of targets and the weights.
 *
 * @throws {ArgumentError} if something else than a tensor stands in a tree, {ShapeError} if the tensors have different numbers of rows
 *
 * @example
 * ```ts
 * import { Tensor, TreeDataset, ones, zeros } from 'nodegrad';
 * const words = new TreeDataset({
 *   inputs: { sequence: ones([4, 7, 16]), lengths: Tensor.from(Int32Array.of(7, 3, 5, 1)) },
 *   targets: Tensor.from(Int32Array.of(0, 1, 1, 0)),
 *   weights: ones([4]),
 * });
 * words.inputShape; // { lengths: [], sequence: [7, 16] }
 * ```
 */
export class TreeDataset<X extends TensorTree = TensorTree, Y extends TensorTree = TensorTree> implements Dataset<X, Y> {
  readonly name: string;
  readonly length: number;
  readonly inputShape: ShapeOf<X>;
  readonly targetShape: ShapeOf<Y>;
  /** All inputs, shared and not copied. */
  readonly inputs: X;
  /** All targets, shared and not copied. */
  readonly targets: Y;
  /** All weights; null where each example counts once. */
  readonly weights: AnyTensor | null;

  constructor(parts: TreeDatasetParts<X, Y>) {
    const given = checkOptions<TreeDatasetParts<X, Y>>(parts, 'parts', ['inputs', 'targets', 'weights', 'name']);
    const { inputs, targets, weights, name = 'data' } = given;
    if (typeof name !== 'string') throw new ArgumentError(expected('a string', 'parts.name', name));
    const all = [tensorsOf(inputs, 'parts.inputs'), tensorsOf(targets, 'parts.targets')];
    if (weights !== undefined) all.push(tensorsOf(Tensor.check(weights, 'parts.weights') as AnyTensor, 'parts.weights'));
    const [first] = all[0].leaves;
    if (first === undefined) throw new ArgumentError(expected('at least one tensor', 'parts.inputs', inputs));
    for (const { leaves, paths } of all)
      for (const [i, { shape }] of leaves.entries())
        if (shape.length === 0 || shape[0] !== first.shape[0])
          throw new ShapeError(
            `expected one row for each example, as many as \`${all[0].paths[0]}\` ${describeShape(first.shape)} has, in \`${paths[i]}\`, received ${describeShape(shape)}`,
          );
    this.name = name;
    this.length = first.shape[0];
    this.inputs = inputs;
    this.targets = targets;
    this.weights = weights ?? null;
    const [inputShape, targetShape] = all.map(({ leaves, structure }) =>
      structure.rebuild(leaves.map(({ shape }) => Object.freeze(shape.slice(1)))),
    );
    this.inputShape = inputShape as ShapeOf<X>;
    this.targetShape = targetShape as ShapeOf<Y>;
  }

  batch(indices: Int32Array): Batch<X, Y> {
    checkIndices(indices, this.length);
    const rows = Tensor.from(indices);
    const gathered = (tree: TensorTree): TensorTree => mapTensors(tree, 'data', (tensor) => (tensor as Tensor).gather(rows));
    const { inputs, targets, weights } = this;
    const batch = { inputs: gathered(inputs), targets: gathered(targets), ...(weights && { weights: gathered(weights) }) };
    return batch as unknown as Batch<X, Y>;
  }

  memory(): ExampleMemory<X, Y> {
    const { inputs, targets, weights } = this;
    return { inputs, targets, ...(weights && { weights }), rows: null } as unknown as ExampleMemory<X, Y>;
  }

  labels(): Int32Array {
    const { targets } = this;
    if (!isClassIndices(targets)) throw new ArgumentError(`the targets of data set ${this.name} are not class indices, int32 or uint8 [N]`);
    return targets.to('int32').data;
  }
}

/** @internal Whether a set's batches are rows of its two tensors: a class of a user's own may make them otherwise. */
export function isInMemory(dataset: AnyDataset): dataset is Dataset<BatchPart, BatchPart> {
  for (const Kind of [TensorDataset, TreeDataset])
    if (dataset instanceof Kind && dataset.batch !== (Kind.prototype.batch as unknown)) return false;
  return typeof (dataset as Dataset).memory === 'function';
}

/** @internal What `console.log` shows of a data set: its name, how many examples of which shape, and its classes. */
export function datasetText(data: AnyDataset): string {
  const { name, length, inputShape, targetShape, classes } = data;
  const shapeOf = (shape: ShapeTree): string => (isPlainShape(shape) ? describeShape(shape) : JSON.stringify(shape));
  const examples = Number.isFinite(length) ? `${formatCount(length)} example${length === 1 ? '' : 's'}` : 'examples one after the other';
  const shown =
    classes === undefined ? '' : `, ${classes.length} classes (${classes.slice(0, 4).join(', ')}${classes.length > 4 ? ', …' : ''})`;
  const targets = classes === undefined ? `, targets ${shapeOf(targetShape)}` : shown;
  return `${data.constructor.name} '${name}': ${examples}, inputs ${shapeOf(inputShape)}${targets}`;
}

const isPlainShape = (shape: ShapeTree): shape is readonly number[] => Array.isArray(shape) && shape.every((side) => typeof side === 'number');

showAs(TensorDataset, datasetText as (data: TensorDataset) => string);
showAs(TreeDataset, datasetText as (data: TreeDataset) => string);
keepNames({ TensorDataset, TreeDataset });

ours(TensorDataset);
ours(TreeDataset);
