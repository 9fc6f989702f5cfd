// A place in a data set that is gone through from its beginning: batch after batch of one epoch, and the end where it comes.

import { ArgumentError } from '../errors.js';
import type { AnyDataset, Batch, BatchPart, EpochKey } from './dataset.js';

/** What an epoch of a stream is asked for. */
export interface StreamRequest extends EpochKey {
  readonly batchSize: number;
  readonly dropLast: boolean;
  /** Whether the order is to be mixed. */
  readonly shuffle: boolean;
  /** Fires when nobody wants more. */
  readonly signal: AbortSignal;
}

/** A data set without numbers for its examples: epochs are read from their beginning to their end. */
export interface Streamed {
  /** The batches of one epoch, from its first one on. */
  stream(request: StreamRequest): AsyncIterator<Batch<BatchPart, BatchPart>, void>;
}

type AnyBatch = Batch<BatchPart, BatchPart>;

/** Whether a data set is read as a stream. */
export function isStreamed(dataset: unknown): dataset is AnyDataset & Streamed {
  return typeof (dataset as Partial<Streamed> | null)?.stream === 'function';
}

/** One epoch of a stream. Batches before the one that is asked for first are read and left out; no other one can be read twice. */
export class Cursor {
  readonly #abort = new AbortController();
  readonly #batches: AsyncIterator<AnyBatch, void>;
  /** The batch that comes next, and what has been asked for before it. */
  #next = 0;
  #reading: Promise<unknown> = Promise.resolve();
  readonly #closed: Promise<null>;

  constructor(
    readonly dataset: AnyDataset & Streamed,
    request: Omit<StreamRequest, 'signal'>,
  ) {
    const { signal } = this.#abort;
    this.#batches = dataset.stream({ ...request, signal });
    this.#closed = new Promise((resolve) => signal.addEventListener('abort', () => resolve(null), { once: true }));
  }

  /** Batch `number`; `'end'` where the epoch has fewer, null where the cursor was closed meanwhile. */
  batch(number: number): Promise<AnyBatch | 'end' | null> {
    const read = this.#reading.then(async () => {
      if (number < this.#next)
        throw new ArgumentError(`data set '${this.dataset.name}' is read as a stream: batch ${number} of this epoch has gone by`);
      for (;;) {
        if (this.isClosed) return null;
        const { done, value } = await this.#batches.next();
        if (done === true) return this.isClosed ? null : 'end';
        this.#next += 1;
        if (this.#next > number) return value;
      }
    });
    this.#reading = read.catch(() => {});
    // A source may be silent for ever: who closes the cursor does not wait for it.
    return Promise.race([read, this.#closed]);
  }

  get isClosed(): boolean {
    return this.#abort.signal.aborted;
  }

  /** Ends the reading, and lets the source go. */
  close(): void {
    if (this.isClosed) return;
    this.#abort.abort();
    Promise.resolve(this.#batches.return?.()).catch(() => {});
  }
}
