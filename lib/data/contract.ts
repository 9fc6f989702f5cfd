// What data sets promise, checked where it is relied on: indices, batches, and examples that lie in memory.
import { types } from 'node:util';
import { ArgumentError, checkInteger, describeShape, expected, ShapeError } from '../errors.js';
import { isPlainObject, isPromise } from '../foreign.js';
import { type AnyTensor, type DType, Tensor } from '../tensor.js';
import { type Leaves, type TensorTree, isTree, leavesOf, sortedNames, tensorsOf } from '../tree.js';
import { isStreamed } from './cursor.js';
import type { AnyDataset, Batch, BatchPart, Dataset, ExampleMemory, InputMaker } from './dataset.js';

/** Refuses indices that no example has. */
export function checkIndices(indices: unknown, length: number): asserts indices is Int32Array {
  if (!types.isInt32Array(indices)) throw new ArgumentError(expected('an Int32Array', 'indices', indices));
  for (let i = 0; i < indices.length; i++) {
    if (indices[i] < 0 || indices[i] >= length) {
      throw new ArgumentError(`expected indices from 0 to ${length - 1} for \`indices\`, received ${indices[i]} at position ${i}`);
    }
  }
}

/** Refuses what is no data set, and a stream where examples are to be fetched by number. */
export function checkDataset(dataset: unknown, argument = 'dataset'): void {
  checkAnyDataset(dataset, argument);
  if (isStreamed(dataset)) throw new ArgumentError(noNumbers(dataset.name));
}

/** @internal Whether somebody gives a table where its data set is wanted. */
export const isTable = (value: unknown): boolean => typeof (value as { dataset?: unknown } | null)?.dataset === 'function';

/** Refuses what is no data set; a stream is one. */
export function checkAnyDataset(dataset: unknown, argument = 'dataset'): void {
  const { length, batch } = (typeof dataset === 'object' && dataset !== null ? dataset : {}) as Partial<Dataset>;
  if (typeof batch !== 'function') {
    const hint = isPromise(dataset)
      ? 'Await it'
      : isTable(dataset)
        ? 'A table becomes one by table.dataset({ target: … })'
        : 'Arrays and tensors go through one: new TensorDataset(tensor(x), tensor(y)), class indices as int32';
    throw new ArgumentError(expected('a data set (an object with length and batch)', argument, dataset, hint));
  }
  if (!isStreamed(dataset)) checkInteger(length, `${argument}.length`, 0, 0x7fffffff);
}

/** What to say where somebody wants examples of a stream by number. */
export const noNumbers = (name: string): string =>
  `data set '${name}' is read as a stream, from its beginning to its end: it has no examples by number. fit(), evaluate(), predict() and DataLoader go through it`;

/** Calls `use` with a value now, or when it is there. */
export function whenThere<T, R>(value: T | Promise<T>, use: (value: T) => R): R | Promise<R> {
  return isPromise(value) ? (value as Promise<T>).then(use) : use(value as T);
}

/** A batch of a data set for somebody who cannot wait for it; `way` is what helps. */
export function batchNow<X extends BatchPart, Y extends BatchPart>(dataset: AnyDataset<X, Y>, indices: Int32Array, way: string): Batch<X, Y> {
  const made: unknown = dataset.batch(indices);
  refuseToWait(dataset, made, way);
  return checkBatch(dataset, made, indices.length);
}

/** Refuses a promise where nothing can be waited for. */
export function refuseToWait<T>({ name }: { readonly name: string }, made: T | Promise<T>, way: string): asserts made is T {
  if (!isPromise(made)) return;
  made.then(undefined, () => {}); // it may fail as well, and nobody will ask
  throw new ArgumentError(`data set '${name}' makes its batches asynchronously, which cannot be waited for here: ${way}`);
}

/** What a data set gave for `asked` indices, compared with that and with what it says of itself. */
export function checkBatch<X extends BatchPart, Y extends BatchPart>(dataset: AnyDataset<X, Y>, batch: unknown, asked: number): Batch<X, Y> {
  const { inputs, targets, weights } = (typeof batch === 'object' && batch !== null ? batch : {}) as Partial<Batch<BatchPart, BatchPart>>;
  if (Array.isArray(batch))
    throw new ArgumentError(`batch() of data set '${dataset.name}' gave an array: it must give an object, { inputs, targets }`);
  checkPart(dataset, 'inputs', inputs, asked);
  checkPart(dataset, 'targets', targets, asked);
  if (weights !== undefined) checkPart(dataset, 'weights', weights, asked);
  return batch as Batch<X, Y>;
}

type PartName = 'inputs' | 'targets' | 'weights';

/** What a data set says of its examples. */
type Described = Pick<Dataset<BatchPart, BatchPart>, 'name' | 'inputShape' | 'targetShape'>;

function checkPart(dataset: Described, part: PartName, tree: TensorTree | undefined, asked: number): void {
  const whose = `of a batch of data set '${dataset.name}'`;
  if (tree instanceof Tensor || part === 'weights' || !isTree(tree)) {
    const { shape } = Tensor.check(tree as AnyTensor, `${part} ${whose}`) as AnyTensor;
    checkRows(dataset, part, shape, asked);
    checkExamples(dataset, part, [shape]);
    return;
  }
  const { leaves, paths } = tensorsOf(tree, part);
  for (const [i, { shape }] of leaves.entries()) checkRows(dataset, paths[i], shape, asked);
  checkExamples(
    dataset,
    part,
    leaves.map(({ shape }) => shape),
  );
}

function checkRows(dataset: Described, part: string, shape: readonly number[], asked: number): void {
  if (shape[0] === asked) return;
  throw new ShapeError(
    `data set '${dataset.name}' was asked for ${asked} examples, and its batch() gave ${part} of shape ${describeShape(shape)}: ` +
      'the first dimension counts examples, one for each index',
  );
}

/** Whether something is a shape, and no tree of them. */
export const isShape = (value: unknown): boolean => Array.isArray(value) && value.every((side) => typeof side === 'number');

/** Compares the shapes of examples with those that the data set names, where it names them. */
function checkExamples(dataset: Described, part: PartName, shapes: readonly (readonly number[])[]): void {
  const declared = part === 'inputs' ? dataset.inputShape : part === 'targets' ? dataset.targetShape : [];
  // As nearly always, one shape: nothing is taken apart for each batch.
  const all = isShape(declared) ? [declared as readonly number[]] : leavesOf<readonly number[]>(declared, isShape, part, sortedNames).leaves;
  if (all.length === 0) return;
  for (const [k, shape] of shapes.entries()) {
    const wanted = all[k];
    let isSame = all.length === shapes.length && shape.length === wanted.length + 1;
    for (let i = 0; isSame && i < wanted.length; i++) isSame = shape[i + 1] === wanted[i];
    if (isSame) continue;
    const [named, has] = [all, shapes].map((list) => list.map(describeShape).join(', '));
    const what = part === 'weights' ? 'takes weights of one number for each example' : `names the ${part.slice(0, -1)}Shape ${named}`;
    throw new ShapeError(`data set '${dataset.name}' ${what}, and has ${part} of shape ${has}`);
  }
}

/** Where some tensor of a batch comes from: rows of a tensor, or what makes them. */
export type Source = AnyTensor | InputMaker<DType>;

const isMaker = (value: unknown): boolean =>
  typeof (value as InputMaker | null)?.into === 'function' && Array.isArray((value as InputMaker).shape);

/** Whether a source is a tensor; a maker has no rows of its own. */
export const isTensor = (source: Source): source is AnyTensor => source instanceof Tensor;

const isSource = (value: unknown): boolean => value instanceof Tensor || isMaker(value);

/** What the tensors of a part come from, in their order. */
export const sourcesIn = (part: unknown): Source[] => leavesOf<Source>(part, isSource, '', sortedNames).leaves;

/** What the tensors of the arguments come from, in their order, and how they make up [inputs, targets] or [inputs, targets, weights]. */
export function sourcesOf({ inputs, targets, weights }: ExampleMemory<BatchPart, BatchPart>): Leaves<Source> {
  const parts = weights === undefined ? [inputs, targets] : [inputs, targets, weights];
  return leavesOf<Source>(parts, isSource, '', sortedNames);
}

/** Where a data set's examples lie, compared with what it says of itself. */
export function memoryOf<X extends BatchPart, Y extends BatchPart>(dataset: Dataset<X, Y>): ExampleMemory<X, Y> {
  const memory = dataset.memory!() as ExampleMemory<BatchPart, BatchPart> | undefined;
  const { inputs, targets, weights, rows } = (typeof memory === 'object' && memory !== null ? memory : {}) as ExampleMemory<
    BatchPart,
    BatchPart
  >;
  const whose = `of memory() of data set '${dataset.name}'`;
  const parts: [PartName, Source[]][] = [
    ['inputs', checkSources(inputs, `inputs ${whose}`)],
    ['targets', checkSources(targets, `targets ${whose}`)],
    ...(weights === undefined ? [] : [['weights', [Tensor.check(weights, `weights ${whose}`) as AnyTensor]] as [PartName, Source[]]]),
  ];
  if (rows !== null && !types.isInt32Array(rows)) throw new ArgumentError(expected('an Int32Array or null', `rows ${whose}`, rows));
  if (rows !== null && rows.length !== dataset.length)
    throw new ArgumentError(`data set '${dataset.name}' has ${dataset.length} examples, and its memory() gives the rows of ${rows.length}`);
  for (const [part, sources] of parts) {
    for (const { shape } of sources) {
      if (rows === null && shape[0] !== dataset.length)
        throw new ShapeError(
          `data set '${dataset.name}' has ${dataset.length} examples, and its memory() gives ${part} of shape ${describeShape(shape)}`,
        );
    }
    checkExamples(
      dataset as Described,
      part,
      sources.map(({ shape }) => shape),
    );
  }
  const height = Math.min(...parts.flatMap(([, sources]) => sources.map(({ shape }) => shape[0])));
  if (rows !== null) {
    let [lowest, highest] = [0, -1];
    for (let i = 0; i < rows.length; i++) {
      if (rows[i] < lowest) lowest = rows[i];
      if (rows[i] > highest) highest = rows[i];
    }
    if (lowest < 0 || highest >= height)
      throw new ArgumentError(
        `data set '${dataset.name}' names row ${lowest < 0 ? lowest : highest}, and its memory() has rows 0 to ${height - 1}`,
      );
  }
  return memory as ExampleMemory<X, Y>;
}

function checkSources(part: unknown, what: string): Source[] {
  if (isMaker(part)) return [part as Source];
  if (part instanceof Tensor || typeof part !== 'object' || part === null) return [Tensor.check(part as AnyTensor, what) as AnyTensor];
  const { leaves, paths } = leavesOf<Source>(
    part,
    (value) => !(Array.isArray(value) || isPlainObject(value)) || isMaker(value),
    what,
    sortedNames,
  );
  if (leaves.length === 0) throw new ArgumentError(expected('at least one tensor', what, part));
  for (const [i, leaf] of leaves.entries()) if (!isMaker(leaf)) Tensor.check(leaf as AnyTensor, paths[i]);
  return leaves;
}
