// A feed: the batches of an epoch in memory that native code may read while JavaScript does something else.

import { isPromise, isSharedArrayBuffer } from '../foreign.js';
import { arrayDType, bytesOf, type DType, type TypedArray } from '../dtype.js';
import { allocateShared } from '../native.js';
import type { OutputSpecification } from '../ops/define.js';
import { lostMemory } from '../ops/emit.js';
import { gatherInto } from '../ops/shape.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import type { Feed, Rows } from '../program/feed.js';
import { type Leaves, type Structure, type TensorTree, firstTensor, tensorsOf } from '../tree.js';
import { type Source, isTensor, memoryOf, sourcesOf } from './contract.js';
import { type BatchPart, type EpochKey, type ExampleMemory, isInMemory } from './dataset.js';
import type { AnyLoader, AnyPair, Order } from './loader.js';

/** The batches of one epoch. */
export interface BatchFeed extends Feed {
  /** A batch that was prepared, as long as its lane holds it. */
  pair(batch: number): AnyPair;
}

/** Shared memory of feeds that follow each other: what each epoch takes anew, the collector has to find. */
export class Staging {
  readonly #lanes: TypedArray[][] = [];
  #rows = new Int32Array(0);

  /** Memory for `size` elements of an argument in a lane, until the lane's next call. */
  take(lane: number, argument: number, size: number, dtype: DType): TypedArray {
    const kept = (this.#lanes[lane] ??= [])[argument];
    if (kept !== undefined && kept.length >= size && arrayDType(kept) === dtype) return kept.subarray(0, size);
    this.#lanes[lane][argument] = allocateShared(size, dtype);
    return this.#lanes[lane][argument];
  }

  /** Memory for the rows of an epoch. */
  rows(count: number): Int32Array {
    if (this.#rows.length < count) this.#rows = allocateShared(count, 'int32') as Int32Array<ArrayBuffer>;
    return this.#rows.subarray(0, count);
  }
}

/** The batches of one epoch of a loader; feeds with one staging must follow each other. */
export function feedOf(loader: AnyLoader, epoch: number, staging = new Staging()): BatchFeed {
  const { dataset } = loader;
  return isInMemory(dataset) ? new MemoryFeed(loader, epoch, memoryOf(dataset), staging) : new FetchedFeed(loader, epoch, staging);
}

const width = ({ shape }: Source): number => shape.slice(1).reduce((size, side) => size * side, 1);
const isShared = (source: Source): boolean => isTensor(source) && isSharedArrayBuffer((source.data as TypedArray).buffer);

/** How the tensors make up a batch; null where each is a part of it. */
const branchesOf = ({ leaves, structure }: Leaves<unknown>): Structure | null =>
  structure.key === `[${'.'.repeat(leaves.length)}]` ? null : structure;

const ofPair = (pair: AnyPair): Leaves<AnyTensor> => tensorsOf(pair as TensorTree, '');

/** The tensors of a batch, in the order of the arguments' leaves; of the plain case nothing is taken apart. */
const tensorsOfBatch = (pair: AnyPair): readonly AnyTensor[] =>
  pair.every((part) => part instanceof Tensor) ? (pair as AnyTensor[]) : ofPair(pair).leaves;

/** The examples lie in tensors, or are made from what lies in memory: rows are gathered by index. */
class MemoryFeed implements BatchFeed {
  readonly length: number;
  readonly stagedBytes: number;
  readonly structure: Structure | null;
  readonly #sources: readonly Source[];
  readonly #batchSize: number;
  readonly #rows: Int32Array;
  readonly #staged: boolean;
  readonly #key: EpochKey;
  readonly #staging: Staging;
  readonly #fetch: (batch: number) => AnyPair;

  constructor(loader: AnyLoader, epoch: number, memory: ExampleMemory<BatchPart, BatchPart>, staging: Staging) {
    this.#staging = staging;
    this.length = loader.length;
    this.#batchSize = loader.batchSize;
    const sources = sourcesOf(memory);
    this.#sources = sources.leaves;
    this.structure = branchesOf(sources);
    this.#key = loader.key(epoch);
    const order = loader.order(epoch) as Int32Array | null;
    this.#fetch = (batch) => loader.fetch(order, batch, epoch);
    const total = loader.dataset.length;
    const { rows } = memory;
    this.#rows = staging.rows(total);
    for (let i = 0; i < total; i++) {
      const example = order === null ? i : order[i];
      this.#rows[i] = rows === null ? example : rows[example];
    }
    this.#staged = this.#sources.some((source) => !isShared(source) || width(source) === 0);
    this.stagedBytes = this.#staged
      ? this.#batchSize * this.#sources.reduce((sum, source) => sum + width(source) * bytesOf(source.dtype as DType), 0)
      : 0;
  }

  examples(batch: number): number {
    return Math.min(this.#batchSize, this.#rows.length - batch * this.#batchSize);
  }

  ready(): number {
    return Number.POSITIVE_INFINITY;
  }

  pair(batch: number): AnyPair {
    return this.#fetch(batch);
  }

  specifications(batch: number): readonly OutputSpecification[] {
    return this.#sources.map(({ shape, dtype }) => ({ shape: [this.examples(batch), ...shape.slice(1)], dtype: dtype as DType }));
  }

  prepare(first: number, count: number, lane: number): Rows {
    const batch = this.examples(first);
    const rows = this.#rows.subarray(first * this.#batchSize, first * this.#batchSize + count * batch);
    if (!this.#staged) return { sources: this.#sources.map((source) => (source as AnyTensor).data as TypedArray), rows, batch };
    const sources = this.#sources.map((source, i) => {
      const to = this.#staging.take(lane, i, rows.length * width(source), source.dtype as DType);
      if (isTensor(source)) gatherInto(to, source, rows);
      else source.into(to as never, rows, this.#key);
      return to;
    });
    return { sources, rows: countingTo(rows.length), batch };
  }
}

/** The data set makes its batches itself: each is fetched, and copied side by side with its neighbours. */
class FetchedFeed implements BatchFeed {
  readonly length: number;
  stagedBytes = 0;
  structure: Structure | null = null;
  readonly #loader: AnyLoader;
  readonly #order: Order;
  readonly #epoch: number;
  readonly #staging: Staging;
  /** The last batch of a data set that makes its batches at once. */
  #fetched: { batch: number; pair: AnyPair } | null = null;
  /** Whether batches have to be waited for; null as long as none was asked for. */
  #waits: boolean | null = null;
  /** Of a data set that has to be waited for: batches that are being made, those that are there, and those of each lane. */
  readonly #coming = new Map<number, Promise<AnyPair | null>>();
  readonly #there = new Map<number, AnyPair>();
  readonly #kept: Map<number, AnyPair>[] = [];

  constructor(loader: AnyLoader, epoch: number, staging: Staging) {
    this.#staging = staging;
    this.#loader = loader;
    this.#order = loader.order(epoch);
    this.length = loader.length; // of a stream, as it is at the beginning of an epoch
    this.#epoch = epoch;
  }

  ready(first: number): number | Promise<number> {
    if (this.#waits === false) return Number.POSITIVE_INFINITY;
    if (this.#waits === null) {
      const made = this.#loader.make(this.#order, first, this.#epoch);
      this.#waits = isPromise(made);
      if (!isPromise(made)) {
        this.#fetched = { batch: first, pair: made };
        return Number.POSITIVE_INFINITY;
      }
      this.#coming.set(first, made);
    }
    return this.#await(first);
  }

  async #await(batch: number): Promise<number> {
    const pair = this.#there.get(batch) ?? (await (this.#coming.get(batch) ?? this.#loader.make(this.#order, batch, this.#epoch)));
    this.#coming.delete(batch);
    if (pair === null) return 0;
    this.#there.set(batch, pair);
    // The next one is made while steps run; if it fails, it does so where it is due.
    if (batch + 1 < this.length && !this.#there.has(batch + 1) && !this.#coming.has(batch + 1)) {
      const next = Promise.resolve(this.#loader.make(this.#order, batch + 1, this.#epoch));
      next.catch(() => {});
      this.#coming.set(batch + 1, next);
    }
    return 1;
  }

  #fetch(batch: number): AnyPair {
    if (this.#waits === true) return this.#there.get(batch) as AnyPair;
    if (this.#fetched?.batch !== batch) this.#fetched = { batch, pair: this.#loader.fetch(this.#order, batch, this.#epoch) };
    return this.#fetched.pair;
  }

  pair(batch: number): AnyPair {
    for (const lane of this.#kept) if (lane?.has(batch)) return lane.get(batch) as AnyPair;
    return this.#loader.fetch(this.#order, batch, this.#epoch);
  }

  examples(batch: number): number {
    // Of a stream, nobody else knows.
    if (!Number.isFinite(this.length)) return firstTensor((this.#there.get(batch) ?? this.pair(batch))[0] as TensorTree, 'inputs').shape[0];
    return Math.min(this.#loader.batchSize, this.#loader.dataset.length - batch * this.#loader.batchSize);
  }

  specifications(batch: number): readonly OutputSpecification[] {
    const tensors = ofPair(this.#fetch(batch));
    this.structure = branchesOf(tensors);
    this.stagedBytes = Math.max(1, ...tensors.leaves.map(({ data }) => (data as TypedArray).byteLength));
    return tensors.leaves.map(({ shape, dtype }) => ({ shape, dtype: dtype as DType }));
  }

  prepare(first: number, count: number, lane: number): Rows {
    const sources: TypedArray[] = [];
    const kept = this.#waits === true ? new Map<number, AnyPair>() : null;
    for (let i = 0; i < count; i++) {
      const pair = this.#fetch(first + i);
      for (const [k, tensor] of tensorsOfBatch(pair).entries()) {
        if (tensor.data.length !== tensor.size) throw lostMemory(tensor);
        sources[k] ??= this.#staging.take(lane, k, count * tensor.size, tensor.dtype as DType);
        sources[k].set(tensor.data as never, i * tensor.size);
      }
      kept?.set(first + i, pair);
      this.#there.delete(first + i);
    }
    if (kept !== null) this.#kept[lane] = kept;
    const batch = this.examples(first);
    return { sources, rows: countingTo(count * batch), batch };
  }
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
