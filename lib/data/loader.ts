// Batches of a data set, in an order that depends on the seed and the epoch and on nothing else.
import { clearImmediate, setImmediate } from 'node:timers';
import { types } from 'node:util';
import { isPromise, ours } from '../foreign.js';
import { ArgumentError, checkInteger, checkOptions, describeShape, DTypeError, expected, ShapeError } from '../errors.js';
import { Random } from '../random.js';
import { getSeed } from '../seed.js';
import { refuseInStep } from '../recording.js';
import type { Feed, StepSource } from '../program/feed.js';
import { type AnyTensor, type DType, Tensor } from '../tensor.js';
import { type TensorTree, tensorsOf } from '../tree.js';
import { checkAnyDataset, checkBatch, refuseToWait, whenThere } from './contract.js';
import { Cursor, isStreamed } from './cursor.js';
import type { AnyDataset, Batch, BatchPart, Dataset, EpochKey, PartOf } from './dataset.js';
import { feedOf } from './feed.js';
import { keepNames } from '../names.js';

/** Options of {@link DataLoader}. */
export interface DataLoaderOptions {
  /** Examples per batch; default 32. */
  readonly batchSize?: number;
  /** A new random order in every epoch; default false: the order of the data set. */
  readonly shuffle?: boolean;
  /** Decides the orders; default: the seed of `setSeed` when the loader is made. */
  readonly seed?: number;
  /** Leave out the last batch of an epoch when it is smaller than `batchSize`; default false. */
  readonly dropLast?: boolean;
  /** Batches to make ahead while an asynchronous step runs, in `for await` loops; default 2, 0 for none. */
  readonly prefetch?: number;
}

/** Where a loader stands; assign it to {@link DataLoader.state} to go on from there. */
export interface DataLoaderState {
  /** Seed of the orders. */
  readonly seed: number;
  /** The epoch that the next batch belongs to, from 0. */
  readonly epoch: number;
  /** How many batches of that epoch were handed out. */
  readonly batch: number;
}

/** Inputs and targets, as a loader yields them; of a data set whose examples have weights, these stand third. */
export type Pair<X extends BatchPart = 'float32', Y extends BatchPart = 'int32'> = [X, Y] extends [DType, DType]
  ? [inputs: PartOf<X>, targets: PartOf<Y>]
  : [inputs: PartOf<X>, targets: PartOf<Y>, weights?: AnyTensor];

/** The examples of an epoch in their order; null: that of the data set; or a place in a stream. */
export type Order = Int32Array | Cursor | null;

/** A batch of any data set. */
export type AnyPair = Pair<BatchPart, BatchPart>;

/** The batches of one epoch; see {@link DataLoader.epoch}. */
export interface Epoch<X extends BatchPart = 'float32', Y extends BatchPart = 'int32'> extends Iterable<Pair<X, Y>>, AsyncIterable<Pair<X, Y>> {
  /** Number of batches. */
  readonly length: number;
}

/**
 * Cuts a data set into batches, for `for` and for `for await` loops. Each loop is one epoch, and the next loop is the next epoch, also
 * when a loop is left early. The order of epoch e under seed s is a function of (s, e) alone: not of batch size, prefetching, threads or
 * what ran before.
 *
 * It streams (course row L11): besides the data set itself, it holds the order of one epoch (4 bytes an example, only with `shuffle`),
 * the batch in use and at most `prefetch` more.
 *
 * @throws {ArgumentError} if an option is wrong, or `dropLast` would leave no batch at all
 *
 * @example
 * ```ts
 * import { DataLoader, datasets } from 'nodegrad';
 * const { train } = await datasets.digits({ train: 256, test: 0 });
 * const loader = new DataLoader(train, { batchSize: 64, shuffle: true, seed: 1 });
 * for (const [x, y] of loader) console.log(x.shape, y.shape); // [64, 28, 28, 1] [64], four times
 * ```
 */
export class DataLoader<X extends BatchPart = 'float32', Y extends BatchPart = 'int32'> implements Epoch<X, Y>, StepSource {
  /** The data set; of an {@link AsyncDataset}, `batch` gives promises. */
  readonly dataset: Dataset<X, Y>;
  /** Examples per batch. */
  readonly batchSize: number;
  /** Whether each epoch has a random order of its own. */
  readonly shuffle: boolean;
  /** Whether a smaller last batch is left out. */
  readonly dropLast: boolean;
  /** Batches made ahead in `for await` loops. */
  readonly prefetch: number;
  #length: number;
  #seed: number;
  #epoch = 0;
  #batch = 0;
  /** The batch that the next loop starts at: set by an assigned state, used once. */
  #resume = 0;

  /** Places in a stream that somebody may still read from. */
  readonly #cursors = new Set<Cursor>();

  /** Dtypes and shapes of the first batch's tensors, which all others have, and how they make it up. */
  #first: { readonly key: string; readonly tensors: readonly { readonly dtype: DType; readonly shape: readonly number[] }[] } | null = null;

  constructor(dataset: AnyDataset<X, Y>, options: DataLoaderOptions = {}) {
    const known = ['batchSize', 'shuffle', 'seed', 'dropLast', 'prefetch'];
    const {
      batchSize = 32,
      shuffle = false,
      seed = getSeed(),
      dropLast = false,
      prefetch = 2,
    } = checkOptions<DataLoaderOptions>(options, 'options', known);
    checkAnyDataset(dataset);
    for (const [name, value] of Object.entries({ shuffle, dropLast })) {
      if (typeof value !== 'boolean') throw new ArgumentError(expected('true or false', `options.${name}`, value));
    }
    this.dataset = dataset as Dataset<X, Y>;
    this.batchSize = checkInteger(batchSize, 'options.batchSize', 1, 0x7fffffff);
    this.shuffle = shuffle;
    this.dropLast = dropLast;
    this.prefetch = checkInteger(prefetch, 'options.prefetch', 0, 1024);
    this.#seed = checkInteger(seed, 'options.seed');
    this.#length = dropLast ? Math.floor(dataset.length / batchSize) : Math.ceil(dataset.length / batchSize);
    if (this.length === 0 && dataset.length > 0) {
      throw new ArgumentError(`\`dropLast\` leaves no batch: the data set has ${dataset.length} examples, a batch ${batchSize}`);
    }
  }

  /** Batches in an epoch. Of a data set that is read as a stream, Infinity until the epoch that is being read has come to its end. */
  get length(): number {
    return this.#length;
  }

  /** Seed, epoch and batches handed out; to resume a run, assign what was saved (course row L11: a position, no data). */
  get state(): DataLoaderState {
    if (this.#batch > 0 && this.#batch === this.length) return { seed: this.#seed, epoch: this.#epoch + 1, batch: 0 };
    return { seed: this.#seed, epoch: this.#epoch, batch: this.#batch };
  }

  set state(state: DataLoaderState) {
    if (typeof state !== 'object' || state === null) throw new ArgumentError(expected('{ seed, epoch, batch }', 'state', state));
    const seed = checkInteger(state.seed, 'state.seed');
    const epoch = checkInteger(state.epoch, 'state.epoch', 0);
    this.#batch = this.#resume = checkInteger(state.batch, 'state.batch', 0, this.length);
    this.#epoch = epoch;
    this.#seed = seed;
  }

  /**
   * The next loop runs this epoch, from its first batch.
   *
   * @throws {ArgumentError} if `epoch` is not an integer of at least 0
   */
  setEpoch(epoch: number): void {
    this.#epoch = checkInteger(epoch, 'epoch', 0);
    this.#batch = this.#resume = 0;
  }

  /**
   * The batches of one epoch, as often as wanted; the loader's own position stays where it is.
   *
   * @param first - The batch to begin with, from 0; `length` for none.
   * @throws {ArgumentError} if `epoch` is not an integer of at least 0, or there is no such batch
   */
  epoch(epoch: number, first = 0): Epoch<X, Y> {
    checkInteger(epoch, 'epoch', 0);
    checkInteger(first, 'first', 0, this.length);
    return {
      length: this.length - first,
      [Symbol.iterator]: () => this.#iterate(epoch, first),
      [Symbol.asyncIterator]: () => this.#iterateAhead(epoch, first),
    };
  }

  /** The batches of the next epoch, for `for` loops. */
  [Symbol.iterator](): Generator<Pair<X, Y>, void, undefined> {
    return this.#advance();
  }

  /** The batches of the next epoch, for `for await` loops: made ahead while the caller waits for something else. */
  [Symbol.asyncIterator](): AsyncGenerator<Pair<X, Y>, void, undefined> {
    return this.#advanceAhead();
  }

  *#advance(): Generator<Pair<X, Y>, void, undefined> {
    const { epoch, first } = this.#begin();
    let batch = first;
    try {
      for (const pair of this.#iterate(epoch, first)) {
        this.#batch = ++batch;
        yield pair;
      }
    } finally {
      this.#end(epoch);
    }
  }

  async *#advanceAhead(): AsyncGenerator<Pair<X, Y>, void, undefined> {
    const { epoch, first } = this.#begin();
    let batch = first;
    try {
      for await (const pair of this.#iterateAhead(epoch, first)) {
        this.#batch = ++batch;
        yield pair;
      }
    } finally {
      this.#end(epoch);
    }
  }

  #begin(): { epoch: number; first: number } {
    if (this.#resume > 0 && this.#resume === this.length) this.setEpoch(this.#epoch + 1);
    const first = this.#resume;
    this.#resume = 0;
    this.#batch = first;
    return { epoch: this.#epoch, first };
  }

  #end(epoch: number): void {
    if (this.#epoch === epoch) this.setEpoch(epoch + 1);
  }

  /** Which examples batch `batch` of an epoch holds. */
  #indices(order: Int32Array | null, batch: number): Int32Array {
    const start = batch * this.batchSize;
    const end = Math.min(start + this.batchSize, this.dataset.length);
    if (order !== null) return order.subarray(start, end);
    const indices = new Int32Array(end - start);
    for (let i = 0; i < indices.length; i++) indices[i] = start + i;
    return indices;
  }

  /** @internal The examples of an epoch in their order; null for the order of the data set; of a stream a place in it, at its beginning. */
  order(epoch: number): Order {
    checkInteger(epoch, 'epoch', 0);
    const { dataset, batchSize, dropLast, shuffle } = this;
    if (isStreamed(dataset)) {
      const cursor = new Cursor(dataset, { batchSize, dropLast, shuffle, seed: this.#seed, epoch });
      this.#cursors.add(cursor);
      this.#length = Number.POSITIVE_INFINITY;
      return cursor;
    }
    return this.shuffle ? new Random(this.#seed, `loader/${epoch}`).permutation(this.dataset.length) : null;
  }

  /** @internal What data sets draw by in an epoch. */
  key(epoch: number): EpochKey {
    return { seed: this.#seed, epoch: checkInteger(epoch, 'epoch', 0) };
  }

  /** @internal One batch of an epoch with that order; a promise where the data set gives one, of null where a stream has come to its end. */
  make(order: Order, batch: number, epoch: number): Pair<X, Y> | Promise<Pair<X, Y> | null> {
    refuseInStep('a batch was fetched', 'Pass batches to the step as arguments');
    if (order instanceof Cursor) return this.#read(order, batch);
    if (order !== null && !types.isInt32Array(order)) throw new ArgumentError(expected('an Int32Array or null', 'order', order));
    checkInteger(batch, 'batch', 0, this.length - 1);
    const indices = this.#indices(order, batch);
    const made: unknown = this.dataset.batch(indices, this.key(epoch));
    return whenThere(made, (one) => this.#check(checkBatch(this.dataset, one, indices.length)));
  }

  async #read(cursor: Cursor, batch: number): Promise<Pair<X, Y> | null> {
    const read = await cursor.batch(batch);
    if (read === 'end') this.#length = batch;
    if (read === 'end' || read === null) return null;
    return this.#check(read as unknown as Batch<X, Y>);
  }

  /** Ends the reading of a data set that is read as a stream: its source is closed. Loops that are under way end. Of other sets there is nothing to close. */
  close(): void {
    for (const cursor of this.#cursors) cursor.close();
    this.#cursors.clear();
  }

  /** The same as `close`, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal As {@link make}, where nothing can be waited for. */
  fetch(order: Order, batch: number, epoch: number): Pair<X, Y> {
    const made: Pair<X, Y> | Promise<Pair<X, Y> | null> = this.make(order, batch, epoch);
    refuseToWait(this.dataset, made, '`for await` loops, fit(), evaluate() and predict() wait for them');
    return made;
  }

  /** @internal The batches of an epoch, as training reads them. */
  feed(epoch: number): Feed {
    return feedOf(this as unknown as AnyLoader, epoch);
  }

  /** What differs from batch to batch besides the number of examples would train on something else, or not at all. */
  #check({ inputs, targets, weights }: Batch<X, Y>): Pair<X, Y> {
    const pair: TensorTree[] = weights === undefined ? [inputs, targets] : [inputs, targets, weights];
    const { leaves, paths, key } = tensorsOfPair(pair);
    this.#first ??= { key, tensors: leaves.map(({ dtype, shape }) => ({ dtype, shape })) }; // not the tensors: they would keep their memory
    const { name } = this.dataset;
    if (key !== this.#first.key) throw new ArgumentError(`data set '${name}' made batches of other tensors than before`);
    for (let k = 0; k < leaves.length; k++) {
      const [one, first] = [leaves[k], this.#first.tensors[k]];
      if (one.dtype !== first.dtype) throw new DTypeError(`data set '${name}' made batches of ${first.dtype} and of ${one.dtype}`);
      let isSame = one.rank === first.shape.length;
      for (let i = 1; i < one.rank; i++) isSame &&= one.shape[i] === first.shape[i];
      if (isSame) continue;
      const shapes = [first, one].map(({ shape }) => describeShape(shape.slice(1)));
      throw new ShapeError(`data set '${name}' made ${paths[k]} of shapes ${shapes[0]} and ${shapes[1]}`);
    }
    return pair as unknown as Pair<X, Y>;
  }

  *#iterate(epoch: number, first: number): Generator<Pair<X, Y>, void, undefined> {
    const order = this.order(epoch);
    try {
      for (let batch = first; batch < this.length; batch++) yield this.fetch(order, batch, epoch);
    } finally {
      if (order instanceof Cursor) order.close();
    }
  }

  async *#iterateAhead(epoch: number, first: number): AsyncGenerator<Pair<X, Y>, void, undefined> {
    const order = this.order(epoch);
    const ready: (Pair<X, Y> | Promise<Pair<X, Y> | null>)[] = [];
    let timer: NodeJS.Immediate | undefined;
    let isMaking = false;
    let isOver = false;
    let next = first; // the batch that is asked for next, by whoever asks
    const ask = (): Pair<X, Y> | Promise<Pair<X, Y> | null> => {
      const made = this.make(order, next, epoch);
      next += 1;
      if (isPromise(made)) {
        isMaking = true; // a data set is asked for one batch at a time
        const done = (): void => {
          isMaking = false;
          schedule();
        };
        made.then(done, () => {});
      }
      return made;
    };
    // One batch per turn of the event loop, which is idle while the consumer awaits native work; a failing batch fails where it is due.
    const fill = (): void => {
      timer = undefined;
      if (isMaking || ready.length >= this.prefetch || next >= this.length) return;
      try {
        ready.push(ask());
        schedule();
      } catch {
        // asked for again when it is due
      }
    };
    const schedule = (): void => {
      if (this.prefetch > 0 && !isOver && !isMaking && timer === undefined) timer = setImmediate(fill);
    };
    try {
      for (let batch = first; batch < this.length; batch++) {
        const made = ready.shift() ?? ask();
        const pair = isPromise(made) ? await made : made;
        if (pair === null) return;
        schedule();
        yield pair;
      }
    } finally {
      isOver = true;
      if (order instanceof Cursor) order.close();
      if (timer !== undefined) clearImmediate(timer);
    }
  }
}

const partNames = ['inputs', 'targets', 'weights'];

/** The tensors of a batch, and what it is made up of; of the plain case nothing is taken apart. */
function tensorsOfPair(pair: TensorTree[]): { leaves: readonly AnyTensor[]; paths: readonly string[]; key: string } {
  if (pair.every((part) => part instanceof Tensor)) return { leaves: pair as AnyTensor[], paths: partNames, key: String(pair.length) };
  const parts = pair.map((part, i) => tensorsOf(part, partNames[i]));
  return {
    leaves: parts.flatMap(({ leaves }) => leaves),
    paths: parts.flatMap(({ paths }) => paths),
    key: parts.map(({ structure }) => structure.key).join(),
  };
}

/** A loader of any data set. */
export type AnyLoader = DataLoader<BatchPart, BatchPart>;

keepNames({ DataLoader });

ours(DataLoader);
