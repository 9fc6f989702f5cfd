// Counter-based random numbers (Philox4x32-10): the same seed, stream and offset give the same value on every machine.
import { ours } from './foreign.js';
import { types } from 'node:util';

import { ArgumentError, checkInteger, expected } from './errors.js';
import { makes, refuseInStep } from './recording.js';
import { keepNames } from './names.js';
import { TWO_32, hashStream, multiplyHigh, normalFromWord, philox4x32, uniform53FromWords, uniformFromWord } from './philox.js';

export { hashStream, normalFromWord, philox4x32, uniform53FromWords, uniformFromWord } from './philox.js';

// By its own name: in a test runner's realm, every look at a global costs a microsecond.
const { imul } = Math;

/** Where a generator stands: assign it to {@link Random.state} and the numbers continue from there. */
export interface RandomState {
  /** The seed that the generator was made with. */
  readonly seed: number;
  /** The stream: a number, or a name that is hashed. */
  readonly stream: number | string;
  /** How many 32-bit words were drawn so far. */
  readonly offset: number;
}

/**
 * A stream of random numbers: word `i` of stream `stream` under `seed` is lane `i mod 4` of the Philox block with
 * key = seed and counter = (⌊i / 4⌋, stream). Streams are independent of each other, any offset is reached in constant time,
 * and native code computes the same words from the same three numbers.
 *
 * @example
 * ```ts
 * import { Random } from 'nodegrad';
 * const random = new Random(42, 'my-experiment');
 * random.uniform();          // in [0, 1)
 * random.normal();           // mean 0, standard deviation 1
 * random.permutation(10);    // Int32Array of 0..9 in random order
 * ```
 */
export class Random {
  static {
    ours(Random);
  }

  #seed = 0;
  #stream: number | string = 0;
  /** Blocks made so far, and how many words of the last one are used up. */
  #blocks = 0;
  #lane = 4;
  #key0 = 0;
  #key1 = 0;
  #stream0 = 0;
  #stream1 = 0;
  readonly #words = new Uint32Array(4);
  #key: (() => Pick<RandomState, 'seed' | 'stream'>) | null = null;

  /** @internal A generator whose seed and stream are asked for at the first number. */
  static later(key: () => Pick<RandomState, 'seed' | 'stream'>): Random {
    const random = new Random(0);
    random.#key = key;
    return random;
  }

  /**
   * @param seed any safe integer; its 64-bit two's complement is the key
   * @param stream a safe integer, or a name (hashed with FNV-1a to 64 bits); default 0
   * @throws {ArgumentError} if `seed` or `stream` is of another kind
   */
  constructor(seed: number, stream: number | string = 0) {
    this.#setKey(seed, stream);
    makes(this, 'a generator');
  }

  #setKey(seed: number, stream: number | string): void {
    this.#seed = checkInteger(seed, 'seed');
    this.#stream = stream;
    this.#key0 = seed >>> 0;
    this.#key1 = Math.floor(seed / TWO_32) >>> 0;
    if (typeof stream === 'string') {
      [this.#stream0, this.#stream1] = hashStream(stream);
    } else if (typeof stream === 'number' && Number.isSafeInteger(stream)) {
      this.#stream0 = stream >>> 0;
      this.#stream1 = Math.floor(stream / TWO_32) >>> 0;
    } else {
      throw new ArgumentError(expected('a safe integer or a string', 'stream', stream));
    }
  }

  #settle(): void {
    if (this.#key === null) return;
    const { seed, stream } = this.#key();
    this.#key = null;
    this.#setKey(seed, stream);
  }

  get #offset(): number {
    return this.#blocks * 4 - 4 + this.#lane;
  }

  set #offset(offset: number) {
    this.#blocks = Math.floor(offset / 4);
    this.#lane = 4;
    if (offset % 4 !== 0) {
      this.#refill();
      this.#lane = offset % 4;
    }
  }

  #refill(): void {
    this.#settle();
    const block = this.#blocks;
    philox4x32(block >>> 0, Math.floor(block / TWO_32), this.#stream0, this.#stream1, this.#key0, this.#key1, this.#words);
    this.#blocks = block + 1;
    this.#lane = 0;
  }

  /** Seed, stream and number of words drawn; assigning a saved state continues exactly where it was taken. */
  get state(): RandomState {
    refuseGenerator();
    this.#settle();
    return { seed: this.#seed, stream: this.#stream, offset: this.#offset };
  }

  set state(state: RandomState) {
    refuseGenerator();
    if (typeof state !== 'object' || state === null) throw new ArgumentError(expected('{ seed, stream, offset }', 'state', state));
    const { seed, stream } = new Random(state.seed, state.stream).state;
    const offset = checkInteger(state.offset, 'state.offset', 0);
    this.#key = null;
    this.#setKey(seed, stream);
    this.#offset = offset;
  }

  /** The next random word: an integer from 0 to 2^32 - 1. */
  uint32(): number {
    refuseGenerator();
    if (this.#lane === 4) this.#refill();
    return this.#words[this.#lane++];
  }

  /** A uniform number in [0, 1) with 24 bits, exact in float32; one word. */
  uniform(): number {
    return uniformFromWord(this.uint32());
  }

  /** A uniform number in [0, 1) with 53 bits; two words. */
  uniform53(): number {
    const first = this.uint32();
    return uniform53FromWords(first, this.uint32());
  }

  /** A standard normal number (mean 0, standard deviation 1); one word, turned by the inverse of the distribution function. */
  normal(): number {
    return normalFromWord(this.uint32());
  }

  /**
   * A uniform integer from 0 to `n` - 1, without bias: Lemire's multiplication with rejection ("Fast random integer generation in
   * an interval", 2019).
   *
   * @throws {ArgumentError} if `n` is not an integer from 1 to 2^32
   */
  integer(n: number): number {
    checkInteger(n, 'n', 1, TWO_32);
    return this.#below(n);
  }

  #below(n: number): number {
    if (n === TWO_32) return this.uint32();
    let word = this.uint32();
    let low = imul(word, n) >>> 0;
    if (low < n) {
      const threshold = (TWO_32 - n) % n;
      while (low < threshold) {
        word = this.uint32();
        low = imul(word, n) >>> 0;
      }
    }
    return multiplyHigh(word, n);
  }

  /**
   * The integers 0 to `n` - 1 in random order (Fisher–Yates, every order equally likely).
   *
   * @throws {ArgumentError} if `n` is not an integer from 0 to 2^31 - 1
   */
  permutation(n: number): Int32Array {
    checkInteger(n, 'n', 0, 0x7fffffff);
    const order = new Int32Array(n);
    for (let i = 0; i < n; i++) order[i] = i;
    return this.#shuffle(order);
  }

  /**
   * Shuffles an array or typed array in place and returns it (Fisher–Yates, every order equally likely).
   *
   * @throws {ArgumentError} if `values` is not an array or a typed array of numbers
   */
  shuffle<T extends unknown[] | Int32Array | Uint8Array | Float32Array | Float64Array>(values: T): T {
    const list: unknown = values;
    if (!Array.isArray(list) && !(ArrayBuffer.isView(list) && !types.isDataView(list))) {
      throw new ArgumentError(expected('an array or a typed array', 'values', values));
    }
    this.#shuffle(values as unknown[]);
    return values;
  }

  #shuffle<T extends unknown[] | Int32Array>(values: T): T {
    for (let i = values.length - 1; i > 0; i--) {
      const j = this.#below(i + 1);
      const value = values[i];
      values[i] = values[j];
      values[j] = value;
    }
    return values;
  }

  /**
   * Sets `count` words aside for native code and returns the offset of the first, a multiple of 4 (the start of a block); this generator
   * goes on behind them.
   *
   * @throws {ArgumentError} if `count` is not a non-negative integer
   */
  reserve(count: number): number {
    refuseGenerator();
    checkInteger(count, 'count', 0, Number.MAX_SAFE_INTEGER - 8 - this.#offset);
    const start = Math.ceil(this.#offset / 4) * 4;
    this.#offset = start + count;
    return start;
  }
}

const refuseGenerator = (): void =>
  refuseInStep(
    'a random number was drawn by JavaScript, or a generator set',
    'Draw with operations, such as dropout(), or pass the numbers to the step as an argument',
  );

let defaultSeed = 0;
const defaultGenerator = new Random(0, 'default');

/**
 * Sets the seed that everything uses which is not given one of its own (initial weights, dropout, shuffling, splits), and restarts
 * the generator behind {@link dropout}. The seed at the start of a process is 0: runs repeat unless you ask for something else.
 *
 * @throws {ArgumentError} if `seed` is not a safe integer
 *
 * @example
 * ```ts
 * import { setSeed } from 'nodegrad';
 * setSeed(7);
 * ```
 */
export function setSeed(seed: number): void {
  refuseInStep('setSeed() was called', 'Call it between two steps');
  // The same generator goes on: recorded steps draw from it.
  defaultGenerator.state = { seed, stream: 'default', offset: 0 };
  defaultSeed = seed;
  era += 1;
  made = 0;
}

/** @internal When a layer or a parameter was made: the seed in force, the number of its {@link setSeed}, and how many were made since. */
export type Birth = Readonly<Record<'seed' | 'era' | 'number', number>>;

let era = 0;
let made = 0;

/** @internal Counts a layer or a parameter that is being made. */
export function noteBirth(): Birth {
  makes(noteBirth, 'a layer or a parameter');
  return { seed: defaultSeed, era, number: made++ };
}

/**
 * The seed in force, see {@link setSeed}.
 *
 * @example
 * ```ts
 * import { getSeed, setSeed } from 'nodegrad';
 * setSeed(7);
 * getSeed(); // 7
 * ```
 */
export function getSeed(): number {
  return defaultSeed;
}

/**
 * The process-wide generator that {@link setSeed} restarts; ops that need fresh numbers at each call (dropout) reserve words from it.
 *
 * @example
 * ```ts
 * import { defaultRandom, setSeed } from 'nodegrad';
 * setSeed(7);
 * defaultRandom().uniform(); // the same number after every setSeed(7)
 * ```
 */
export function defaultRandom(): Random {
  return defaultGenerator;
}

keepNames({ Random });
