// A store: small values under keys, by which the processes of a group find each other.

import { performance } from 'node:perf_hooks';
import { AbortedError, ArgumentError, checkNumber, checkOptions, expected } from '../errors.js';
import { isAbortSignal, isUint8Array } from '../foreign.js';
import { formatDuration } from '../progress.js';
import { TimeoutError } from './errors.js';

/** Options of {@link Store.get}. */
export interface StoreGetOptions {
  /** Milliseconds to wait for the key; default: that of the store. */
  readonly timeout?: number;
  /** Gives up waiting. */
  readonly signal?: AbortSignal;
}

/**
 * Small values under keys, which all processes see that opened the same store: {@link openStore}. Keys have 1 to 128 lower-case letters, digits and
 * `.`, `_`, `-`, `/`, the first and the last of them a letter or a digit; values have up to 1 MiB, and are copied. Every method is atomic.
 *
 * @example
 * ```ts
 * import { type Store } from 'nodegrad';
 * async function meet(store: Store, rank: number, worldSize: number): Promise<string[]> {
 *   await store.set(`hosts/${rank}`, new TextEncoder().encode(process.env.HOSTNAME ?? 'here'));
 *   const hosts = Array.from({ length: worldSize }, (_, other) => store.get(`hosts/${other}`)); // waits for all
 *   return (await Promise.all(hosts)).map((bytes) => new TextDecoder().decode(bytes));
 * }
 * ```
 */
export interface Store {
  /** Where it is: `http://host:port` or `file:///folder`. */
  readonly address: string;
  /**
   * Puts a value under a key, in the place of what was there.
   *
   * @throws {@link StoreFullError} when there is no room for it.
   */
  set(key: string, value: Uint8Array): Promise<void>;
  /**
   * Puts a value under a key that has none; true for the one process that came first, false where a value is there.
   *
   * @throws {@link StoreFullError} when there is no room for it.
   */
  create(key: string, value: Uint8Array): Promise<boolean>;
  /**
   * The value of a key; waits until somebody sets it.
   *
   * @throws {@link TimeoutError} when nobody does in time.
   * @throws {@link AbortedError} when the signal fires, or the store is closed.
   */
  get(key: string, options?: StoreGetOptions): Promise<Uint8Array>;
  /** The value of a key as it is now; null where there is none. */
  peek(key: string): Promise<Uint8Array | null>;
  /** Removes a key; false where there was none. */
  delete(key: string): Promise<boolean>;
  /** Ends this process's use of the store; what is in it stays. Those who wait in `get` are told. */
  close(): Promise<void>;
  /** The same as `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** What a store may hold. */
export const storeLimits = {
  /** Bytes of a value. */
  value: 1 << 20,
  /** Keys of a store that is served. */
  keys: 16_384,
  /** Bytes of all values of a store that is served. */
  bytes: 256 << 20,
} as const;

/** How long is waited where nothing is said, in milliseconds. */
export const defaultTimeout = 300_000;

/** What a key is made of. All of it may stand in a URL; as the name of a file it is one on every system, once `/` is replaced. */
export const keyForm = /^[a-z0-9](?:[a-z0-9._/-]{0,126}[a-z0-9])?$/;

/** The longest time that timers of Node.js know. */
const mostMilliseconds = 2 ** 31 - 1;

/** Checks a time-out in milliseconds. */
export function checkTimeout(value: unknown, argument: string): number {
  return checkNumber(value, argument, 0, mostMilliseconds);
}

/** What all stores share: checks, waiting, closing. What comes to the methods below it is checked. */
export abstract class BaseStore implements Store {
  /** Of those who wait in `get`. */
  readonly #waits = new Set<AbortController>();
  #isClosed = false;

  constructor(
    readonly address: string,
    readonly timeout: number,
  ) {}

  /** Whether the value was put there: with `isNew` only where there was none. */
  protected abstract write(key: string, value: Uint8Array, isNew: boolean, stop: AbortSignal): Promise<boolean>;
  /** The value, or null where there is none after so many milliseconds, or somewhat before. */
  protected abstract read(key: string, wait: number, stop: AbortSignal): Promise<Uint8Array | null>;
  protected abstract remove(key: string, stop: AbortSignal): Promise<boolean>;
  /** Lets go of what the store needs of the system. */
  protected abstract release(): Promise<void>;

  async set(key: string, value: Uint8Array): Promise<void> {
    await this.#use(key, undefined, (stop) => this.write(key, checkedCopy(value), false, stop));
  }

  create(key: string, value: Uint8Array): Promise<boolean> {
    return this.#use(key, undefined, (stop) => this.write(key, checkedCopy(value), true, stop));
  }

  async get(key: string, options: StoreGetOptions = {}): Promise<Uint8Array> {
    const { timeout = this.timeout, signal } = checkOptions<StoreGetOptions>(options, 'options', ['timeout', 'signal']);
    checkTimeout(timeout, 'options.timeout');
    if (signal !== undefined && !isAbortSignal(signal)) throw new ArgumentError(expected('an AbortSignal', 'options.signal', signal));
    return this.#use(key, signal, async (stop) => {
      const until = performance.now() + timeout;
      for (;;) {
        const value = await this.read(key, Math.max(1, until - performance.now()), stop);
        if (value !== null) return value;
        if (performance.now() >= until)
          throw new TimeoutError(
            `nobody set '${key}' within ${formatDuration(timeout / 1000)} in the store at ${this.address}. Look at the process that should have: has it ended, ` +
              'does it run at all, and does it use this address?',
          );
      }
    });
  }

  peek(key: string): Promise<Uint8Array | null> {
    return this.#use(key, undefined, (stop) => this.read(key, 0, stop));
  }

  delete(key: string): Promise<boolean> {
    return this.#use(key, undefined, (stop) => this.remove(key, stop));
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const wait of this.#waits) wait.abort();
    await this.release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Runs what `signal` or the end of the store stops. */
  async #use<T>(key: unknown, signal: AbortSignal | undefined, body: (stop: AbortSignal) => Promise<T>): Promise<T> {
    if (typeof key !== 'string' || !keyForm.test(key))
      throw new ArgumentError(
        expected("1 to 128 lower-case letters, digits, '.', '_', '-' and '/', with a letter or a digit at both ends,", 'key', key),
      );
    if (this.#isClosed) throw new ArgumentError(`the store at ${this.address} is closed in this process`);
    const stop = new AbortController();
    const abort = (): void => stop.abort();
    this.#waits.add(stop);
    signal?.addEventListener('abort', abort);
    if (signal?.aborted) abort();
    try {
      stop.signal.throwIfAborted();
      return await body(stop.signal);
    } catch (error) {
      if (!stop.signal.aborted) throw error;
      const why = this.#isClosed ? 'was closed' : 'is waited for no longer: the signal fired';
      throw new AbortedError(`the store at ${this.address} ${why}`, { cause: error });
    } finally {
      signal?.removeEventListener('abort', abort);
      this.#waits.delete(stop);
    }
  }
}

/** What is stored is what the value was when it was given. */
function checkedCopy(value: unknown): Uint8Array {
  if (!isUint8Array(value)) throw new ArgumentError(expected('a Uint8Array', 'value', value));
  if (value.length > storeLimits.value)
    throw new ArgumentError(expected(`at most ${storeLimits.value} bytes (1 MiB)`, 'value', value, 'A store is for addresses, not for data'));
  return new Uint8Array(value);
}
