// Proves lib/random.ts: the published vectors, unbiased integers, exact conversions, states, and the same words in native code.

import test from 'ava';
import fc from 'fast-check';
import { nativeOps, run } from '../lib/native.js';
import { normalTensor, uniformTensor } from '../lib/ops/random.js';
import { hashStream, normalFromWord, philox4x32, Random, uniform53FromWords, uniformFromWord } from '../lib/random.js';

// p = (word + 1/2) / 2^32 and its normal quantile, from mpmath at 50 digits, rounded once; 322122547 is where the centre begins.
const NORMAL_TABLE: [number, number][] = [
  [0, -6.3379577545537895],
  [1, -6.166429517819751],
  [2, -6.085104545783031],
  [3, -6.030967019118252],
  [7, -5.906597343983775],
  [100, -5.463062554389539],
  [12345, -4.535422762090428],
  [1048576, -3.4871039765916905],
  [67108864, -2.153874691093316],
  [322122546, -1.4395314720898174],
  [322122547, -1.4395314704450153],
  [322122548, -1.4395314688002132],
  [536870912, -1.1503493798104831],
  [1073741824, -0.6744897498297384],
  [2000000000, -0.0861809490044897],
  [2147483646, -8.754298118749868e-10],
  [2147483647, -2.918099372916623e-10],
];

const hex = (words: Uint32Array): string => Array.from(words, (word) => word.toString(16).padStart(8, '0')).join(' ');

test('philox4x32-10 gives the published known answers', (t) => {
  const out = new Uint32Array(4);
  t.is(hex(philox4x32(0, 0, 0, 0, 0, 0, out)), '6627e8d5 e169c58d bc57ac4c 9b00dbd8');
  const ones = 0xffffffff;
  t.is(hex(philox4x32(ones, ones, ones, ones, ones, ones, out)), '408f276d 41c83b0e a20bc7c6 6d5451fd');
  const pi = philox4x32(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, out);
  t.is(hex(pi), 'd16cfe09 94fdcceb 5001e420 24126ea1');
});

test('philox4x32-10 agrees with 64-bit integer arithmetic on random counters and keys', (t) => {
  const word = fc.integer({ min: 0, max: 0xffffffff });
  const reference = (counter: number[], key: number[]): string => {
    let [c0, c1, c2, c3] = counter.map(BigInt);
    let [k0, k1] = key.map(BigInt);
    const mask = 0xffffffffn;
    for (let round = 0; round < 10; round++) {
      const p0 = 0xd2511f53n * c0;
      const p1 = 0xcd9e8d57n * c2;
      [c0, c1, c2, c3] = [(p1 >> 32n) ^ c1 ^ k0, p1 & mask, (p0 >> 32n) ^ c3 ^ k1, p0 & mask];
      k0 = (k0 + 0x9e3779b9n) & mask;
      k1 = (k1 + 0xbb67ae85n) & mask;
    }
    return [c0, c1, c2, c3].map((value) => value.toString(16).padStart(8, '0')).join(' ');
  };
  fc.assert(
    fc.property(fc.array(word, { minLength: 4, maxLength: 4 }), fc.tuple(word, word), (counter, key) => {
      const got = philox4x32(counter[0], counter[1], counter[2], counter[3], key[0], key[1], new Uint32Array(4));
      return hex(got) === reference(counter, key);
    }),
  );
  t.pass();
});

test('a stream is the blocks of its counter: seed is the key, offset and stream are the counter', (t) => {
  const random = new Random(-2, 2 ** 40 + 5);
  random.state = { ...random.state, offset: 2 ** 40 + 2 };
  const block = 2 ** 38; // (2^40 + 2) / 4, lane 2
  const words = philox4x32(0, 2 ** 6, 5, 2 ** 8, 0xfffffffe, 0xffffffff, new Uint32Array(4));
  t.is(block / 2 ** 32, 2 ** 6);
  t.is(random.uint32(), words[2]);
  t.is(random.uint32(), words[3]);
});

test('named streams are hashed with 64-bit FNV-1a', (t) => {
  const text = (name: string): string => {
    const [low, high] = hashStream(name);
    return high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');
  };
  t.is(text(''), 'cbf29ce484222325');
  t.is(text('a'), 'af63dc4c8601ec8c');
  t.is(text('foobar'), '85944171f73967e8');
});

test('a saved state continues with the same numbers, whatever was drawn in between', (t) => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), fc.string(), fc.nat(50), (seed, stream, skip) => {
      const random = new Random(seed, stream);
      for (let i = 0; i < skip; i++) random.uint32();
      const state = random.state;
      const first = [random.uniform(), random.normal(), random.integer(1000), random.uniform53()];
      const other = new Random(1, 'elsewhere');
      other.state = state;
      const second = [other.uniform(), other.normal(), other.integer(1000), other.uniform53()];
      return state.offset === skip && first.every((value, i) => Object.is(value, second[i]));
    }),
  );
  t.pass();
});

test('different seeds and different streams give different numbers', (t) => {
  const seen = new Set<number>();
  for (const seed of [0, 1, -1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
    for (const stream of [0, 1, 2 ** 32, 'a', 'b']) seen.add(new Random(seed, stream).uniform53());
  }
  t.is(seen.size, 25);
});

test('uniform numbers are exact in float32, below one, and have the right moments', (t) => {
  t.is(uniformFromWord(0), 0);
  t.is(uniformFromWord(0xffffffff), 1 - 2 ** -24);
  t.is(uniform53FromWords(0xffffffff, 0xffffffff), 1 - 2 ** -53);
  const random = new Random(3);
  const n = 100_000;
  let sum = 0;
  let squares = 0;
  for (let i = 0; i < n; i++) {
    const u = random.uniform();
    if (Math.fround(u) !== u || u < 0 || u >= 1) t.fail(`${u}`);
    sum += u;
    squares += u * u;
  }
  // Six standard errors: sqrt(1/12/n) for the mean, sqrt(4/45/n) for the mean square.
  t.true(Math.abs(sum / n - 1 / 2) < 6 * Math.sqrt(1 / 12 / n));
  t.true(Math.abs(squares / n - 1 / 3) < 6 * Math.sqrt(4 / 45 / n));
});

test('integers stay in range and are unbiased where a plain scaling is not', (t) => {
  const random = new Random(4);
  const n = 3 * 2 ** 30; // without rejection, floor(3 w / 4) would be a multiple of 3 half of the time
  const counts = [0, 0, 0];
  for (let i = 0; i < 30_000; i++) {
    const value = random.integer(n);
    if (!(Number.isInteger(value) && value >= 0 && value < n)) t.fail(`${value}`);
    counts[value % 3] += 1;
  }
  // Six standard deviations of a binomial(30000, 1/3).
  for (const count of counts) t.true(Math.abs(count - 10_000) < 6 * Math.sqrt(30_000 * (1 / 3) * (2 / 3)), `${counts}`);
  t.is(random.integer(1), 0);
  t.true(random.integer(2 ** 32) < 2 ** 32);
});

test('a permutation holds every number once, and all orders of four are equally likely', (t) => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), fc.nat(300), (seed, n) => {
      const sorted = new Random(seed).permutation(n).sort();
      return sorted.length === n && sorted.every((value, i) => value === i);
    }),
  );
  const random = new Random(5);
  const counts = new Map<string, number>();
  for (let i = 0; i < 24_000; i++) {
    const key = random.permutation(4).join('');
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  t.is(counts.size, 24);
  let chiSquare = 0;
  for (const count of counts.values()) chiSquare += (count - 1000) ** 2 / 1000;
  t.true(chiSquare < 64, `chi-square with 23 degrees of freedom: ${chiSquare}`); // p below 1e-5 otherwise
  t.deepEqual(new Random(5).shuffle(['a', 'b', 'c']).sort(), ['a', 'b', 'c']);
});

test('normal numbers follow the inverse normal distribution function', (t) => {
  for (const [word, value] of NORMAL_TABLE) {
    const got = normalFromWord(word);
    t.true(Math.abs(got - value) <= 2e-14 * Math.abs(value), `word ${word}: ${got}, expected ${value}`);
    t.is(normalFromWord(0xffffffff - word), -got);
  }
  const random = new Random(6);
  const n = 100_000;
  let sum = 0;
  let squares = 0;
  for (let i = 0; i < n; i++) {
    const value = random.normal();
    sum += value;
    squares += value * value;
  }
  t.true(Math.abs(sum / n) < 6 / Math.sqrt(n));
  t.true(Math.abs(squares / n - 1) < 6 * Math.sqrt(2 / n));
});

test('a fixed seed gives fixed numbers: these bits are a promise between versions', (t) => {
  const random = new Random(2026, 'promise');
  t.deepEqual([3652353767, 2821944171, 136367164], [random.uint32(), random.uint32(), random.uint32()]);
  const values = [0.3310593366622925, 0.5680968275728886, -1.4833126657597875, -1.5349923009824065, 450557];
  t.deepEqual(values, [random.uniform(), random.uniform53(), random.normal(), random.normal(), random.integer(1_000_000)]);
  t.deepEqual([7, 2, 5, 8, 3, 9, 1, 4, 0, 6], [...random.permutation(10)]);
});

test('reserve hands out whole blocks and never the same word twice', (t) => {
  const random = new Random(8);
  random.uint32();
  t.is(random.reserve(10), 4);
  t.is(random.reserve(0), 16);
  t.is(random.reserve(1), 16);
  t.is(random.state.offset, 17);
});

test('wrong arguments are refused by name', (t) => {
  const code = 'ERR_ARGUMENT';
  for (const seed of [NaN, 1.5, 2 ** 53, '1', null, undefined, 1n, Symbol('s')]) {
    t.throws(() => new Random(seed as number), { code, message: /`seed`/ });
  }
  for (const stream of [NaN, 0.5, null, {}, [], 3n]) t.throws(() => new Random(0, stream as string), { code, message: /`stream`/ });
  const random = new Random(0);
  for (const n of [0, -1, 1.5, NaN, 2 ** 32 + 1, '3']) t.throws(() => random.integer(n as number), { code, message: /`n`/ });
  for (const n of [-1, 0.5, 2 ** 31, Infinity]) t.throws(() => random.permutation(n), { code, message: /`n`/ });
  for (const state of [null, 1, {}, { seed: 1 }, { seed: 1, stream: 1, offset: -1 }]) {
    t.throws(() => (random.state = state as typeof random.state), { code });
  }
  t.throws(() => random.shuffle('abc' as unknown as string[]), { code, message: /`values`/ });
  t.throws(() => random.reserve(-1), { code, message: /`count`/ });
  t.deepEqual(random.state, { seed: 0, stream: 0, offset: 0 });
});

test('native operations draw the words of the same stream', (t) => {
  const skipped = 2 ** 36 + 8;
  for (const [seed, stream] of [
    [0, 0],
    [-7, 'name'],
    [2 ** 40 + 3, 2 ** 35 + 1],
  ] as [number, number | string][]) {
    const at = { seed, stream, offset: skipped };
    const native = new Random(0);
    const here = new Random(0);
    native.state = at;
    here.state = at;
    const uniform = uniformTensor([1001], 0, 1, 'float32', native).data;
    t.true(uniform.every((value) => value === here.uniform()));
    t.is(native.state.offset, skipped + 1001);
    native.state = at;
    here.state = at;
    const normal = normalTensor([1001], 0, 1, 'float64', native).data;
    // Both are within a few units of rounding; native code uses fused operations.
    t.true(normal.every((value) => Math.abs(value / here.normal() - 1) < 1e-14));
  }
});

test('native code gives the published known-answer vectors of Philox4x32-10', (t) => {
  // float64 uniforms are word / 2^32, so the words can be read off exactly. State: key, block, stream (two words each).
  const words = (key: number[], counter: number[]): string[] => {
    const state = Int32Array.of(key[0], key[1], counter[0], counter[1], counter[2], counter[3]);
    const out = new Float64Array(4);
    run(
      nativeOps.findIndex((op) => op.name === 'random_uniform'),
      [out, state],
      [],
      [0, 1],
    );
    return [...out].map((value) => (value * 2 ** 32).toString(16).padStart(8, '0'));
  };
  t.deepEqual(words([0, 0], [0, 0, 0, 0]), ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']);
  t.deepEqual(words([-1, -1], [-1, -1, -1, -1]), ['408f276d', '41c83b0e', 'a20bc7c6', '6d5451fd']);
  const pi = [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344].map((word) => word | 0);
  t.deepEqual(words([0xa4093822 | 0, 0x299f31d0], pi), ['d16cfe09', '94fdcceb', '5001e420', '24126ea1']);
});
