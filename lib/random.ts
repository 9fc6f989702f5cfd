// Counter-based random numbers (Philox4x32-10): the same seed, stream and offset give the same value on every machine.
import { ours } from './foreign.js';
import { TextEncoder, types } from 'node:util';
import { ArgumentError, checkInteger, expected } from './errors.js';
import { makes, refuseInStep } from './recording.js';
import { keepNames } from './names.js';
import { multiplyHigh, philox4x32 } from './philox.js';

export { philox4x32 } from './philox.js';

const TWO_32 = 4294967296;
const TWO_MINUS_24 = 5.9604644775390625e-8;
const TWO_MINUS_32 = 2.3283064365386963e-10;
const TWO_MINUS_53 = 1.1102230246251565e-16;

/** A 64-bit FNV-1a hash of the UTF-8 bytes of `text`, as [low, high] words: names of streams become stream ids. */
export function hashStream(text: string): [low: number, high: number] {
  let low = 0x84222325;
  let high = 0xcbf29ce4;
  for (const byte of new TextEncoder().encode(text)) {
    low = (low ^ byte) >>> 0;
    // hash * (2^40 + 0x1b3) modulo 2^64; low * 0x1b3 stays below 2^41 and is exact in a double.
    const product = low * 0x1b3;
    high = (Math.imul(high, 0x1b3) + Math.floor(product / TWO_32) + (low << 8)) >>> 0;
    low = product >>> 0;
  }
  return [low, high];
}

/** Uniform number in [0, 1) from one random word: its upper 24 bits, so that the value is exact in float32. */
export function uniformFromWord(word: number): number {
  return (word >>> 8) * TWO_MINUS_24;
}

/** Uniform number in [0, 1) with 53 bits from two random words: the upper 27 bits of the first, the upper 26 of the second. */
export function uniform53FromWords(first: number, second: number): number {
  return ((first >>> 5) * 67108864 + (second >>> 6)) * TWO_MINUS_53;
}

// Wichura's PPND16 (Applied Statistics 37, 1988, AS 241): centre, then tail up to sqrt(-log p) = 5, which 2^-33 (4.78) never passes.
const CENTRE_TOP = [
  3.3871328727963665, 133.14166789178438, 1971.5909503065513, 13731.69376550946, 45921.95393154987, 67265.7709270087, 33430.57558358813,
  2509.0809287301227,
];
const CENTRE_BOTTOM = [
  1, 42.31333070160091, 687.1870074920579, 5394.196021424751, 21213.794301586597, 39307.89580009271, 28729.085735721943, 5226.495278852854,
];
const TAIL_TOP = [
  1.4234371107496835, 4.630337846156546, 5.769497221460691, 3.6478483247632045, 1.2704582524523684, 0.2417807251774506, 0.022723844989269184,
  0.0007745450142783414,
];
const TAIL_BOTTOM = [
  1, 2.053191626637759, 1.6763848301838038, 0.6897673349851, 0.14810397642748008, 0.015198666563616457, 0.0005475938084995345,
  1.0507500716444169e-9,
];

function polynomial(c: readonly number[], x: number): number {
  return ((((((c[7] * x + c[6]) * x + c[5]) * x + c[4]) * x + c[3]) * x + c[2]) * x + c[1]) * x + c[0];
}

/** Natural logarithm of x in (0, 1] from + - * / alone (`Math.log` differs between engines): x = m 2^e, log m = 2 atanh((m-1)/(m+1)). */
function logarithm(x: number): number {
  let exponent = 0;
  while (x < Math.SQRT1_2) {
    x *= 2;
    exponent -= 1;
  }
  const s = (x - 1) / (x + 1);
  const q = s * s;
  let series = 1 / 23;
  for (let odd = 21; odd >= 1; odd -= 2) series = series * q + 1 / odd;
  return exponent * Math.LN2 + 2 * s * series;
}

/**
 * Standard normal number from one random word w: the inverse normal distribution function at p = (w + 1/2) / 2^32, so |value| < 6.34
 * (relative error below 1e-14). It uses + - * / and square root only, so its bits are the same in every
 * engine; native vector code may differ in the last bits of the double.
 */
export function normalFromWord(word: number): number {
  const p = (word + 0.5) * TWO_MINUS_32;
  const q = p - 0.5;
  if (q >= -0.425 && q <= 0.425) {
    const r = 0.180625 - q * q;
    return (q * polynomial(CENTRE_TOP, r)) / polynomial(CENTRE_BOTTOM, r);
  }
  const r = Math.sqrt(-logarithm(q < 0 ? p : 1 - p)) - 1.6;
  const value = polynomial(TAIL_TOP, r) / polynomial(TAIL_BOTTOM, r);
  return q < 0 ? -value : value;
}

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
    let low = Math.imul(word, n) >>> 0;
    if (low < n) {
      const threshold = (TWO_32 - n) % n;
      while (low < threshold) {
        word = this.uint32();
        low = Math.imul(word, n) >>> 0;
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

keepNames({ Random });
ours(Random);
