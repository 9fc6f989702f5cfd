// Proves lib/io/elements.ts: every float16 there is, how numbers are rounded to it, and integers at the ends of their ranges.

import test from 'ava';
import fc from 'fast-check';
import { type FileType, decodeElements, encodeFloat16, swapWhereNeeded } from '../../lib/io/elements.js';

const never = (value: unknown): never => {
  throw new RangeError(String(value));
};
const decode = (type: FileType, from: ArrayBufferView): number[] =>
  Array.from(decodeElements(type, new Uint8Array(from.buffer as ArrayBuffer), never));

/** float16 by its definition. */
function half(bits: number): number {
  const [sign, exponent, fraction] = [bits >>> 15 === 0 ? 1 : -1, (bits >>> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
const all = Uint16Array.from({ length: 65536 }, (_, bits) => bits);

test('every float16 is read as the number that it is: denormal numbers, infinities, both zeros, and NaNs with their payload', (t) => {
  const read = decodeElements('float16', new Uint8Array(all.slice().buffer), never) as Float32Array;
  const wrong = [...all].filter((bits) => !Object.is(read[bits], half(bits)));
  t.deepEqual(wrong, []);
  const words = new Uint32Array(read.buffer);
  t.is(words[0x7e01], 0x7fc02000);
  t.is(words[0xfd55], 0xffaaa000, 'a signalling one stays one');
});

test('what was read from float16 is written as the same bits; NaNs become quiet', (t) => {
  const written = encodeFloat16(Float32Array.from(decode('float16', all.slice())), never);
  t.deepEqual(
    [...all].filter((bits) => written[bits] !== (Number.isNaN(half(bits)) ? (bits & 0x8000) | 0x7e00 : bits)),
    [],
  );
});

test('numbers are rounded once to the nearest float16, ties to even, from float64 too; what it does not reach is refused', (t) => {
  const finite = [...all.subarray(0, 0x7c00)].map(half);
  const nearest = (value: number): number => {
    const size = Math.abs(value);
    let [low, high] = [0, finite.length - 1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (finite[middle] <= size) low = middle;
      else high = middle;
    }
    const [below, above] = [size - finite[low], finite[high] - size];
    const bits = below < above || (below === above && low % 2 === 0) ? low : high;
    return value < 0 || Object.is(value, -0) ? bits + 0x8000 : bits;
  };
  const near = fc.tuple(fc.nat(0x7bfe), fc.constantFrom(0, 0.5, 0.25, 0.75, 0.5 - 2 ** -40, 0.5 + 2 ** -40), fc.boolean());
  fc.assert(
    fc.property(near, ([bits, part, isNegative]) => {
      const size = finite[bits] + part * (finite[bits + 1] - finite[bits]);
      const value = isNegative ? -size : size;
      return encodeFloat16(Float64Array.of(value), never)[0] === nearest(value);
    }),
    { numRuns: 5000 },
  );
  fc.assert(
    fc.property(
      fc.double({ min: -65519, max: 65519, noNaN: true }),
      (value) => encodeFloat16(Float64Array.of(value), never)[0] === nearest(value),
    ),
  );
  t.is(encodeFloat16(Float64Array.of(65519.99), never)[0], 0x7bff);
  t.deepEqual([...encodeFloat16(Float64Array.of(-Infinity, 5e-324, 2 ** -25, 2 ** -25 + 2 ** -60), never)], [0xfc00, 0, 0, 1]);
  for (const value of [65520, -65520, 1e308]) t.throws(() => encodeFloat16(Float64Array.of(value), never), { message: String(value) });
});

test('integers become int32 where they fit, and the first that does not is named', (t) => {
  t.is(decode('int8', Int8Array.of(-128, 127)).join(), '-128,127');
  t.is(decode('int16', Int16Array.of(-32768, 32767)).join(), '-32768,32767');
  t.is(decode('uint16', Uint16Array.of(65535)).join(), '65535');
  t.is(decode('bool', Uint8Array.of(0, 1, 7)).join(), '0,1,1');
  t.is(decode('uint32', Uint32Array.of(0, 2 ** 31 - 1)).join(), '0,2147483647');
  t.is(decode('int64', BigInt64Array.of(-(2n ** 31n), -1n, 0n, 2n ** 31n - 1n)).join(), '-2147483648,-1,0,2147483647');
  t.is(decode('uint64', BigUint64Array.of(0n, 2n ** 31n - 1n)).join(), '0,2147483647');
  t.throws(() => decode('uint32', Uint32Array.of(1, 2 ** 31)), { message: '2147483648' });
  for (const value of [2n ** 31n, -(2n ** 31n) - 1n, 2n ** 32n, 2n ** 63n - 1n, -(2n ** 63n)])
    t.throws(() => decode('int64', BigInt64Array.of(value)), { message: String(value) });
  for (const value of [2n ** 31n, 2n ** 32n + 1n, 2n ** 64n - 1n])
    t.throws(() => decode('uint64', BigUint64Array.of(value)), { message: String(value) });
});

test('bytes of the other order change places', (t) => {
  t.deepEqual([...swapWhereNeeded(Uint8Array.of(1, 2, 3, 4), 2, false)], [2, 1, 4, 3]);
  t.deepEqual([...swapWhereNeeded(Uint8Array.of(1, 2, 3, 4), 4, false)], [4, 3, 2, 1]);
  t.deepEqual([...swapWhereNeeded(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), 8, false)], [8, 7, 6, 5, 4, 3, 2, 1]);
  t.deepEqual([...swapWhereNeeded(Uint8Array.of(1, 2, 3, 4), 1, false)], [1, 2, 3, 4]);
  t.deepEqual([...swapWhereNeeded(Uint8Array.of(1, 2, 3, 4), 4, true)], [1, 2, 3, 4]);
});
