// The words of Philox4x32-10 and what is made of them: arithmetic alone, the same bits in every engine.

import { TextEncoder } from 'node:util';

// By its own name: in a test runner's realm, every look at a global costs a microsecond.
const { imul } = Math;

export const TWO_32 = 4294967296;
const TWO_MINUS_24 = 5.9604644775390625e-8;
const TWO_MINUS_32 = 2.3283064365386963e-10;
const TWO_MINUS_53 = 1.1102230246251565e-16;
const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;

/** High 32 bits of the 64-bit product of two unsigned 32-bit integers, from 16-bit halves that never leave 32 bits. */
export function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const low = imul(aLow, bLow) >>> 16;
  const middle = ((imul(aHigh, bLow) >>> 0) + low) >>> 0;
  const cross = ((imul(aLow, bHigh) >>> 0) + (middle & 0xffff)) >>> 0;
  return (imul(aHigh, bHigh) + (middle >>> 16) + (cross >>> 16)) >>> 0;
}

/**
 * @internal One block of Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011): four counter
 * words and two key words become four random words, written to `out[0..3]`. The native twin is in `native/kernels/random.h`.
 */
export function philox4x32(c0: number, c1: number, c2: number, c3: number, key0: number, key1: number, out: Uint32Array): Uint32Array {
  let k0 = key0 | 0;
  let k1 = key1 | 0;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(MULTIPLIER_0, c0);
    const high1 = multiplyHigh(MULTIPLIER_1, c2);
    const low0 = imul(MULTIPLIER_0, c0);
    const low1 = imul(MULTIPLIER_1, c2);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + WEYL_0) | 0;
    k1 = (k1 + WEYL_1) | 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
  return out;
}

const utf8 = new TextEncoder();

/** A 64-bit FNV-1a hash of the UTF-8 bytes of `text`, as [low, high] words: names of streams become stream ids. */
export function hashStream(text: string): [low: number, high: number] {
  let low = 0x84222325;
  let high = 0xcbf29ce4;
  for (const byte of utf8.encode(text)) {
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
