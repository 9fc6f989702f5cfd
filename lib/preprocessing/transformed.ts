// A data set seen through a transform: what it gives in memory is transformed once, other sets batch by batch.

import { aboutData, handOn, originOf } from '../data/about.js';
import { checkAnyDataset, checkBatch, memoryOf, whenThere } from '../data/contract.js';
import { type Streamed, isStreamed } from '../data/cursor.js';
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
} from '../data/dataset.js';
import type { DType } from '../dtype.js';
import { ArgumentError, expected } from '../errors.js';
import { allocateShared } from '../native.js';
import { Tensor } from '../tensor.js';
import { type TensorTree, mapTensors } from '../tree.js';
import { Transform, type Transformed } from './transform.js';

/**
 * The examples of `dataset` with transformed inputs. A set that lies in memory is transformed once, when it is first trained on, and takes its
 * memory once more; of others each batch is transformed when it is fetched.
 *
 * The columns of a table are found by their names, for a {@link ColumnTransform}.
 *
 * @throws {@link ArgumentError} before the transform is fitted, and for a table whose columns are not those of the transform.
 * @example
 * ```ts
 * import { Centre, datasets, transformed } from 'nodegrad';
 * const { train, test } = await datasets.digits({ raw: true });
 * const centre = new Centre().fit(train);
 * const [fitted, held] = [transformed(train, centre), transformed(test, centre)];
 * ```
 */
export function transformed<X extends DType, Y extends BatchPart>(dataset: Dataset<X, Y>, transform: Transform): Dataset<Transformed<X>, Y>;
export function transformed<X extends DType, Y extends BatchPart>(
  dataset: AsyncDataset<X, Y>,
  transform: Transform,
): AsyncDataset<Transformed<X>, Y>;
export function transformed<X extends DType, Y extends BatchPart>(
  dataset: AnyDataset<X, Y>,
  transform: Transform,
): AnyDataset<Transformed<X>, Y>;
export function transformed<X extends DType, Y extends BatchPart>(
  dataset: AnyDataset<X, Y>,
  transform: Transform,
): AnyDataset<Transformed<X>, Y> {
  checkAnyDataset(dataset);
  if (!(transform instanceof Transform)) throw new ArgumentError(expected('a transform, such as new Centre()', 'transform', transform));
  const own = transform.within(dataset as AnyDataset) as unknown as AnyDataset<Transformed<X>, Y> | null;
  return own ?? new TransformedDataset(transform.adapted(dataset) as Dataset<X, Y>, transform);
}

class TransformedDataset<X extends DType, Y extends BatchPart> implements Dataset<Transformed<X>, Y> {
  readonly name: string;
  readonly length: number;
  readonly inputShape: readonly number[];
  readonly targetShape: ShapeOf<Y>;
  readonly split?: Dataset['split'];
  readonly classes?: readonly string[];
  readonly labels?: () => Int32Array;
  readonly fileOf?: (index: number) => string;
  readonly memory?: Dataset<Transformed<X>, Y>['memory'];
  /** Of a set that is read as a stream, its batches, transformed. */
  readonly stream?: Streamed['stream'];
  readonly #data: Dataset<X, Y>;
  readonly #transform: Transform;

  constructor(data: Dataset<X, Y>, transform: Transform) {
    this.#data = data;
    this.#transform = transform;
    this.name = data.name;
    this.length = data.length;
    this.inputShape = transform.outputFor(data.inputShape as readonly number[]);
    this.targetShape = data.targetShape;
    if (data.split !== undefined) this.split = data.split;
    if (data.classes !== undefined) this.classes = data.classes;
    if (data.labels !== undefined) this.labels = () => data.labels!();
    if (data.fileOf !== undefined) this.fileOf = (index) => data.fileOf!(index);
    handOn(this, data, { columns: transform.namesAfter(aboutData(data)?.columns ?? null), origin: originOf(data as AnyDataset) });
    if (isStreamed(data)) this.stream = (request) => this.#streamed(data.stream(request));
    if (isInMemory(data) && memoryOf(data).inputs instanceof Tensor) {
      let made: ExampleMemory<Transformed<X>, Y> | null = null;
      this.memory = () => (made ??= this.#all());
    }
  }

  batch(indices: Int32Array, key?: EpochKey): Batch<Transformed<X>, Y> {
    const made = whenThere(this.#data.batch(indices, key), (batch) => {
      const { inputs, ...others } = checkBatch(this.#data, batch, indices.length);
      return { ...others, inputs: this.#transform.transform(inputs as Tensor<X>) };
    });
    return made as Batch<Transformed<X>, Y>; // or a promise, as the set gives
  }

  async *#streamed(batches: ReturnType<Streamed['stream']>): ReturnType<Streamed['stream']> {
    for await (const batch of { [Symbol.asyncIterator]: () => batches }) {
      yield { ...batch, inputs: this.#transform.transform(batch.inputs as unknown as Tensor<X>) as unknown as TensorTree };
    }
  }

  /** All examples, in memory that steps read where it lies. */
  #all(): ExampleMemory<Transformed<X>, Y> {
    const { inputs, targets, weights, rows } = memoryOf(this.#data);
    const wanted = rows ?? Int32Array.from({ length: this.length }, (_, i) => i);
    let whole: Tensor<Transformed<X>> | null = null;
    const width = this.inputShape.reduce((size, side) => size * side, 1);
    const step = Math.max(1, Math.floor(2 ** 20 / Math.max(1, width)));
    for (let start = 0; start < wanted.length; start += step) {
      const part = (inputs as Tensor<X>).gather(Tensor.from(wanted.slice(start, start + step)) as Tensor<'int32'>);
      const done = this.#transform.transform(part);
      whole ??= Tensor.from(allocateShared(wanted.length * width, done.dtype), [wanted.length, ...this.inputShape]) as Tensor<Transformed<X>>;
      (whole.data as Float32Array).set(done.data as Float32Array, start * width);
    }
    const none = (): Tensor<Transformed<X>> => this.#transform.transform((inputs as Tensor<X>).slice(0, 0));
    const picked = <T extends TensorTree>(tree: T): T =>
      rows === null ? tree : (mapTensors(tree, 'data', (tensor) => tensor.gather(Tensor.from(rows) as Tensor<'int32'>)) as T);
    return {
      inputs: whole ?? none(),
      targets: picked(targets as TensorTree),
      ...(weights && { weights: picked(weights) }),
      rows: null,
    } as ExampleMemory<Transformed<X>, Y>;
  }
}
