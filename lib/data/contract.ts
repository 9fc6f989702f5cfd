// What data sets promise, checked where it is relied on: indices, batches, and examples that lie in memory.
import { types } from 'node:util';
import { ArgumentError, checkInteger, describeShape, expected, ShapeError } from '../errors.js';
import { isPromise } from '../foreign.js';
import { type DType, Tensor } from '../tensor.js';
import type { AnyDataset, Batch, Dataset, ExampleMemory, InputMaker } from './dataset.js';

/** Refuses indices that no example has. */
export function checkIndices(indices: unknown, length: number): asserts indices is Int32Array {
  if (!types.isInt32Array(indices)) throw new ArgumentError(expected('an Int32Array', 'indices', indices));
  for (let i = 0; i < indices.length; i++) {
    if (indices[i] < 0 || indices[i] >= length) {
      throw new ArgumentError(`expected indices from 0 to ${length - 1} for \`indices\`, received ${indices[i]} at position ${i}`);
    }
  }
}

/** Refuses what is no data set. */
export function checkDataset(dataset: unknown, argument = 'dataset'): void {
  const { length, batch } = (typeof dataset === 'object' && dataset !== null ? dataset : {}) as Partial<Dataset>;
  if (typeof batch !== 'function') {
    const hint = isPromise(dataset)
      ? 'Await it'
      : 'Arrays and tensors go through one: new TensorDataset(tensor(x), tensor(y)), class indices as int32';
    throw new ArgumentError(expected('a data set (an object with length and batch)', argument, dataset, hint));
  }
  checkInteger(length, `${argument}.length`, 0, 0x7fffffff);
}

/** Calls `use` with a value now, or when it is there. */
export function whenThere<T, R>(value: T | Promise<T>, use: (value: T) => R): R | Promise<R> {
  return isPromise(value) ? (value as Promise<T>).then(use) : use(value as T);
}

/** A batch of a data set for somebody who cannot wait for it; `way` is what helps. */
export function batchNow<X extends DType, Y extends DType>(dataset: AnyDataset<X, Y>, indices: Int32Array, way: string): Batch<X, Y> {
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
export function checkBatch<X extends DType, Y extends DType>(dataset: AnyDataset<X, Y>, batch: unknown, asked: number): Batch<X, Y> {
  const { inputs, targets } = (typeof batch === 'object' && batch !== null ? batch : {}) as Batch<X, Y>;
  checkRows(dataset, 'inputs', inputs, asked);
  checkRows(dataset, 'targets', targets, asked);
  return batch as Batch<X, Y>;
}

/** What a data set says of its examples. */
type Described = Pick<Dataset, 'name' | 'inputShape' | 'targetShape'>;

function checkRows(dataset: Described, part: 'inputs' | 'targets', tensor: Tensor<DType>, asked: number): void {
  const { shape } = Tensor.check(tensor, `${part} of a batch of data set '${dataset.name}'`) as Tensor<DType>;
  if (shape[0] !== asked) {
    throw new ShapeError(
      `data set '${dataset.name}' was asked for ${asked} examples, and its batch() gave ${part} of shape ${describeShape(shape)}: ` +
        'the first dimension counts examples, one for each index',
    );
  }
  checkExample(dataset, part, shape);
}

/** Compares the shape of an example with the one that the data set names, where it names one. */
function checkExample(dataset: Described, part: 'inputs' | 'targets', shape: readonly number[]): void {
  const declared = part === 'inputs' ? dataset.inputShape : dataset.targetShape;
  if (!Array.isArray(declared)) return;
  let isSame = shape.length === declared.length + 1;
  for (let i = 0; i < declared.length; i++) isSame &&= shape[i + 1] === declared[i];
  if (isSame) return;
  throw new ShapeError(
    `data set '${dataset.name}' names the ${part === 'inputs' ? 'inputShape' : 'targetShape'} ${describeShape(declared)}, and has ${part} of shape ${describeShape(shape)}`,
  );
}

/** Where a data set's examples lie, compared with what it says of itself. */
export function memoryOf<X extends DType, Y extends DType>(dataset: Dataset<X, Y>): ExampleMemory<X, Y> {
  const memory = dataset.memory!() as ExampleMemory<X, Y> | undefined;
  const { inputs, targets, rows } = (typeof memory === 'object' && memory !== null ? memory : {}) as ExampleMemory<X, Y>;
  const whose = `of memory() of data set '${dataset.name}'`;
  const isMaker = typeof (inputs as InputMaker<X> | undefined)?.into === 'function' && Array.isArray(inputs.shape);
  if (!isMaker) Tensor.check(inputs, `inputs ${whose}`);
  Tensor.check(targets, `targets ${whose}`);
  if (rows !== null && !types.isInt32Array(rows)) throw new ArgumentError(expected('an Int32Array or null', `rows ${whose}`, rows));
  if (rows !== null && rows.length !== dataset.length)
    throw new ArgumentError(`data set '${dataset.name}' has ${dataset.length} examples, and its memory() gives the rows of ${rows.length}`);
  for (const [part, { shape }] of [
    ['inputs', inputs],
    ['targets', targets],
  ] as const) {
    if (rows === null && shape[0] !== dataset.length)
      throw new ShapeError(
        `data set '${dataset.name}' has ${dataset.length} examples, and its memory() gives ${part} of shape ${describeShape(shape)}`,
      );
    checkExample(dataset, part, shape);
  }
  const height = Math.min(inputs.shape[0], targets.shape[0]);
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
