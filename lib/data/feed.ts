// A feed: the batches of an epoch in memory that native code may read while JavaScript does something else.

import { isSharedArrayBuffer } from '../foreign.js';
import { arrayDType, bytesOf, type DType, type TypedArray } from '../dtype.js';
import { DTypeError, ShapeError, describeShape } from '../errors.js';
import { allocateShared } from '../native.js';
import type { OutputSpecification } from '../ops/define.js';
import { lostMemory } from '../ops/emit.js';
import { gatherInto } from '../ops/shape.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { type EpochKey, type ExampleMemory, type InputMaker, isInMemory } from './dataset.js';
import type { DataLoader, Pair } from './loader.js';

/** Where a run of steps takes its arguments from: rows of shared memory by index. */
export interface Rows {
  /** One per argument. */
  readonly sources: readonly TypedArray[];
  /** Indices into the sources, `batch` for each step. */
  readonly rows: Int32Array;
  readonly batch: number;
}

/** The batches of one epoch. */
export interface Feed {
  /** Number of batches. */
  readonly length: number;
  /** Examples in a batch: only the last may have fewer. */
  examples(batch: number): number;
  /** Shapes and dtypes of inputs and targets. */
  specifications(batch: number): readonly OutputSpecification[];
  /** Bytes that one batch takes when it has to be copied first; 0 when it is read where it lies. */
  readonly stagedBytes: number;
  /** Batches `first` to `first + count` − 1, all of one size. What was prepared in the same `lane` before is overwritten. */
  prepare(first: number, count: number, lane: number): Rows;
}

type Memory = ExampleMemory<DType, DType>;

/** The batches of one epoch of a loader. */
export function feedOf(loader: DataLoader<DType, DType>, epoch: number): Feed {
  const { dataset } = loader;
  return isInMemory(dataset) ? new MemoryFeed(loader, epoch, dataset.memory?.() as Memory) : new FetchedFeed(loader, epoch);
}

type Source = AnyTensor | InputMaker<DType>;

const width = ({ shape }: Source): number => shape.slice(1).reduce((size, side) => size * side, 1);
const isTensor = (source: Source): source is AnyTensor => source instanceof Tensor;
const isShared = (source: Source): boolean => isTensor(source) && isSharedArrayBuffer((source.data as TypedArray).buffer);

/** The examples lie in two tensors, or are made from what lies in memory: rows are gathered by index. */
class MemoryFeed implements Feed {
  readonly length: number;
  readonly stagedBytes: number;
  readonly #memory: Memory;
  readonly #batchSize: number;
  readonly #rows: Int32Array;
  readonly #staged: boolean;
  readonly #key: EpochKey;
  readonly #lanes: TypedArray[][] = [];

  constructor(loader: DataLoader<DType, DType>, epoch: number, memory: Memory) {
    this.length = loader.length;
    this.#batchSize = loader.batchSize;
    this.#memory = memory;
    this.#key = loader.key(epoch);
    const order = loader.order(epoch);
    const total = loader.dataset.length;
    const { rows } = memory;
    this.#rows = allocateShared(total, 'int32');
    for (let i = 0; i < total; i++) {
      const example = order === null ? i : order[i];
      this.#rows[i] = rows === null ? example : rows[example];
    }
    this.#staged = !isShared(memory.inputs) || !isShared(memory.targets) || width(memory.inputs) === 0 || width(memory.targets) === 0;
    this.stagedBytes = this.#staged
      ? this.#batchSize * this.#sources.reduce((sum, source) => sum + width(source) * bytesOf(source.dtype as DType), 0)
      : 0;
  }

  get #sources(): readonly Source[] {
    return [this.#memory.inputs, this.#memory.targets] as Source[];
  }

  examples(batch: number): number {
    return Math.min(this.#batchSize, this.#rows.length - batch * this.#batchSize);
  }

  specifications(batch: number): readonly OutputSpecification[] {
    return this.#sources.map(({ shape, dtype }) => ({ shape: [this.examples(batch), ...shape.slice(1)], dtype: dtype as DType }));
  }

  prepare(first: number, count: number, lane: number): Rows {
    const batch = this.examples(first);
    const rows = this.#rows.subarray(first * this.#batchSize, first * this.#batchSize + count * batch);
    if (!this.#staged) return { sources: this.#sources.map((source) => (source as AnyTensor).data as TypedArray), rows, batch };
    const sources = this.#sources.map((source, i) => {
      const to = stage((this.#lanes[lane] ??= []), i, rows.length * width(source), source.dtype as DType);
      if (isTensor(source)) gatherInto(to, source, rows);
      else source.into(to as never, rows, this.#key);
      return to;
    });
    return { sources, rows: countingTo(rows.length), batch };
  }
}

/** The data set makes its batches itself: each is fetched, and copied side by side with its neighbours. */
class FetchedFeed implements Feed {
  readonly length: number;
  stagedBytes = 0;
  readonly #loader: DataLoader<DType, DType>;
  readonly #order: Int32Array | null;
  readonly #epoch: number;
  readonly #lanes: TypedArray[][] = [];
  #fetched: { batch: number; pair: Pair<DType, DType> } | null = null;

  constructor(loader: DataLoader<DType, DType>, epoch: number) {
    this.length = loader.length;
    this.#loader = loader;
    this.#order = loader.order(epoch);
    this.#epoch = epoch;
  }

  #fetch(batch: number): Pair<DType, DType> {
    if (this.#fetched?.batch !== batch) this.#fetched = { batch, pair: this.#loader.fetch(this.#order, batch, this.#epoch) };
    return this.#fetched.pair;
  }

  examples(batch: number): number {
    return Math.min(this.#loader.batchSize, this.#loader.dataset.length - batch * this.#loader.batchSize);
  }

  specifications(batch: number): readonly OutputSpecification[] {
    const pair = this.#fetch(batch);
    this.stagedBytes = Math.max(1, ...pair.map(({ data }) => (data as TypedArray).byteLength));
    return pair.map(({ shape, dtype }) => ({ shape, dtype }));
  }

  prepare(first: number, count: number, lane: number): Rows {
    const shapes = this.#fetch(first).map(({ shape }) => shape);
    const dtypes = this.#fetch(first).map(({ dtype }) => dtype);
    const sources: TypedArray[] = [];
    for (let i = 0; i < count; i++) {
      for (const [k, tensor] of this.#fetch(first + i).entries()) {
        if (tensor.shape.join() !== shapes[k].join()) {
          throw new ShapeError(`the data set made batches of shapes ${describeShape(shapes[k])} and ${describeShape(tensor.shape)}`);
        }
        if (tensor.dtype !== dtypes[k]) throw new DTypeError(`the data set made batches of ${dtypes[k]} and of ${tensor.dtype}`);
        if (tensor.data.length !== tensor.size) throw lostMemory(tensor);
        sources[k] ??= stage((this.#lanes[lane] ??= []), k, count * tensor.size, tensor.dtype);
        sources[k].set(tensor.data as never, i * tensor.size);
      }
    }
    const batch = shapes[0][0];
    return { sources, rows: countingTo(count * batch), batch };
  }
}

/** Shared memory for `size` elements, kept in `lane` for the next time. */
function stage(lane: TypedArray[], argument: number, size: number, dtype: DType): TypedArray {
  const kept = lane[argument];
  if (kept === undefined || kept.length < size || arrayDType(kept) !== dtype) lane[argument] = allocateShared(size, dtype);
  return lane[argument].subarray(0, size);
}

let counting = new Int32Array(0);

/** 0, 1, … n − 1, in shared memory. */
function countingTo(n: number): Int32Array {
  if (counting.length < n) {
    counting = allocateShared(n, 'int32') as Int32Array<ArrayBuffer>;
    for (let i = 0; i < n; i++) counting[i] = i;
  }
  return counting.subarray(0, n);
}
