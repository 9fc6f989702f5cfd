// A data set for a process that computes some rows of each batch: only these are made, and the others are copies of its first row.

import type { TypedArrayOf } from '../dtype.js';
import { type DType, Tensor } from '../tensor.js';
import { mapTensors, type TensorTree } from '../tree.js';
import { checkBatch, memoryOf, whenThere } from './contract.js';
import { isStreamed } from './cursor.js';
import {
  type AnyDataset,
  type Batch,
  type BatchPart,
  type Dataset,
  type EpochKey,
  type ExampleMemory,
  type InputMaker,
  type ShapeOf,
  isInMemory,
} from './dataset.js';

/** Which rows of a batch of so many are computed here. */
export type OwnRows = (count: number) => readonly [begin: number, end: number];

/** The same data, of which only some rows of each batch are made; a set that is read as a stream gives all of them. */
export function withOwnRows(dataset: AnyDataset, batchSize: number, rowsOf: OwnRows): AnyDataset {
  if (isStreamed(dataset)) return dataset;
  if (!isInMemory(dataset as Dataset<BatchPart, BatchPart>)) return new OwnRowsDataset(dataset as Dataset<BatchPart, BatchPart>, rowsOf);
  // Rows of tensors are gathered faster than they could be left out.
  const made = dataset as Dataset<BatchPart, BatchPart>;
  const { inputs } = memoryOf(made);
  return !isMaker(inputs)
    ? dataset
    : new OwnRowsDataset(made, rowsOf, () => ({ ...memoryOf(made), inputs: ownMaker(inputs, batchSize, rowsOf) }));
}

const isMaker = (inputs: unknown): inputs is InputMaker<DType> => typeof (inputs as Partial<InputMaker>).into === 'function';

/** Batches stand one behind the other; the last one of an epoch, which may be smaller, comes alone. */
function ownMaker(maker: InputMaker<DType>, batchSize: number, rowsOf: OwnRows): InputMaker<DType> {
  const { shape, dtype } = maker;
  return {
    shape,
    dtype,
    into(to: TypedArrayOf<DType>, rows, key) {
      const width = to.length / rows.length;
      for (let first = 0; first < rows.length; first += batchSize) {
        const [begin, end] = rowsOf(Math.min(batchSize, rows.length - first)).map((row) => first + row);
        maker.into(to.subarray(begin * width, end * width) as TypedArrayOf<DType>, rows.subarray(begin, end), key);
      }
    },
  };
}

class OwnRowsDataset implements Dataset<BatchPart, BatchPart> {
  readonly name: string;
  readonly length: number;
  readonly inputShape: ShapeOf<BatchPart>;
  readonly targetShape: ShapeOf<BatchPart>;
  readonly classes?: readonly string[];
  readonly memory?: () => ExampleMemory<BatchPart, BatchPart>;
  readonly #data: Dataset<BatchPart, BatchPart>;
  readonly #rowsOf: OwnRows;

  constructor(data: Dataset<BatchPart, BatchPart>, rowsOf: OwnRows, memory?: () => ExampleMemory<BatchPart, BatchPart>) {
    this.#data = data;
    this.#rowsOf = rowsOf;
    this.name = data.name;
    this.length = data.length;
    this.inputShape = data.inputShape;
    this.targetShape = data.targetShape;
    if (data.classes !== undefined) this.classes = data.classes;
    if (memory !== undefined) this.memory = memory;
  }

  batch(indices: Int32Array, key?: EpochKey): Batch<BatchPart, BatchPart> {
    const [begin, end] = this.#rowsOf(indices.length);
    const own = indices.subarray(begin, end);
    const made = whenThere(this.#data.batch(own, key), (batch) => {
      const { inputs, targets, weights } = checkBatch(this.#data, batch, own.length);
      const places = Tensor.from(Int32Array.from({ length: indices.length }, (_, row) => (row < begin || row >= end ? 0 : row - begin)));
      const spread = (tree: TensorTree): never => mapTensors(tree, 'batch', (tensor) => tensor.gather(places)) as never;
      return { inputs: spread(inputs), targets: spread(targets), ...(weights && { weights: spread(weights) }) };
    });
    return made as Batch<BatchPart, BatchPart>; // or a promise, as the set gives
  }
}
