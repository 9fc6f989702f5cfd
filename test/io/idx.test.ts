// Proves lib/io/idx.ts: round trips of every type, every refusal with its byte, gzip bombs, and no crash on a million-shaped mess.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import fc from 'fast-check';
import { NodegradError } from '../../lib/errors.js';
import { readIdx, writeIdx } from '../../lib/io/idx.js';

type Values = Uint8Array | Int32Array | Float32Array | Float64Array;

const header = (code: number, dimensions: number[], rank = dimensions.length): number[] => [
  0,
  0,
  code,
  rank,
  ...dimensions.flatMap((d) => [(d >>> 24) & 255, (d >>> 16) & 255, (d >>> 8) & 255, d & 255]),
];
const bytesOf = (values: Values): Uint8Array => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
const withFolder = (use: (folder: string) => void): void => {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-idx-'));
  try {
    use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

const array: fc.Arbitrary<{ data: Values; shape: number[] }> = fc
  .tuple(fc.array(fc.nat(4), { minLength: 1, maxLength: 8 }), fc.constantFrom(Uint8Array, Int32Array, Float32Array, Float64Array))
  .chain(([shape, Kind]) => {
    const size = shape.reduce((product, dimension) => product * dimension, 1);
    const bytes = fc.uint8Array({ minLength: size * Kind.BYTES_PER_ELEMENT, maxLength: size * Kind.BYTES_PER_ELEMENT });
    return bytes.map((content) => ({ data: new Kind(content.slice().buffer), shape }));
  });

test('what writeIdx wrote, readIdx reads bit for bit, plain and gzip, from bytes at any offset', (t) => {
  fc.assert(
    fc.property(array, fc.nat(9), fc.boolean(), ({ data, shape }, shift, packed) => {
      const written = packed ? gzipSync(writeIdx(data, shape)) : writeIdx(data, shape);
      const shifted = new Uint8Array(written.length + shift).subarray(shift);
      shifted.set(written);
      const read = readIdx(shifted);
      return (
        read.data.constructor === data.constructor &&
        read.shape.join() === shape.join() &&
        Buffer.compare(bytesOf(read.data), bytesOf(data)) === 0 &&
        read.data.buffer !== shifted.buffer
      );
    }),
  );
  t.pass();
});

test('bytes written by hand mean what the format says', (t) => {
  t.deepEqual([...readIdx(new Uint8Array([...header(0x09, [3]), 0x80, 0xff, 0x7f])).data], [-128, -1, 127]);
  t.deepEqual([...readIdx(new Uint8Array([...header(0x0b, [2]), 0x80, 0x00, 0x01, 0x02])).data], [-32768, 258]);
  t.deepEqual([...readIdx(new Uint8Array([...header(0x0c, [1]), 0xff, 0xff, 0xff, 0xfe])).data], [-2]);
  t.deepEqual([...readIdx(new Uint8Array([...header(0x0d, [1]), 0x3f, 0x80, 0, 0])).data], [1]);
  t.deepEqual([...readIdx(new Uint8Array([...header(0x0e, [1]), 0xbf, 0xf0, 0, 0, 0, 0, 0, 0])).data], [-1]);
  t.deepEqual(readIdx(new Uint8Array(header(0x08, [0, 28, 28]))), { dtype: 'uint8', shape: [0, 28, 28], data: new Uint8Array(0) });
  t.deepEqual([...writeIdx(new Int32Array([-2]))], [...header(0x0c, [1]), 0xff, 0xff, 0xff, 0xfe]);
});

test('a path, a file URL and gzip files are read from disk', (t) => {
  withFolder((folder) => {
    const bytes = writeIdx(new Uint8Array([1, 2, 3, 4, 5, 6]), [2, 3]);
    writeFileSync(join(folder, 'plain'), bytes);
    writeFileSync(join(folder, 'packed.gz'), gzipSync(bytes));
    const wanted = { dtype: 'uint8' as const, shape: [2, 3], data: new Uint8Array([1, 2, 3, 4, 5, 6]) };
    t.deepEqual(readIdx(join(folder, 'plain')), wanted);
    t.deepEqual(readIdx(pathToFileURL(join(folder, 'packed.gz'))), wanted);
  });
});

test('every kind of broken header is refused with the file and the byte', (t) => {
  const cases: [string, number[], RegExp][] = [
    ['empty', [], /at byte 0, the file has 0/],
    ['short', [0, 0, 8], /at byte 0, the file has 3/],
    ['bad magic', [1, 0, 8, 1, 0, 0, 0, 0], /00 00 at byte 0, found 01 00/],
    ['PNG', [0x89, 0x50, 0x4e, 0x47], /found 89 50/],
    ['bad type', [0, 0, 0x0a, 1, 0, 0, 0, 0], /at byte 2, found 0a/],
    ['rank 0', [0, 0, 8, 0], /at byte 3, found 0/],
    ['rank 9', header(8, [1, 1, 1, 1, 1, 1, 1, 1, 1]).concat([7]), /at byte 3, found 9/],
    ['header cut', header(8, [1], 2), /needs 12 bytes, the file ends at byte 8/],
    ['overflow', header(8, [0xffffffff, 0xffffffff, 0xffffffff]), /\[4294967295, 4294967295\] at byte 4 multiply/],
    ['overflow beside zero', header(8, [0, 0xffffffff, 0xffffffff]), /multiply to more than any file/],
    ['huge', header(8, [0xffffffff]), /4294967303 bytes, this one ends at byte 8/],
    ['huge floats', header(0x0e, [0xffffffff, 1000]).concat([1, 2, 3]), /ends at byte 15/],
    ['truncated', [...header(8, [2, 2]), 1, 2, 3], /16 bytes, this one ends at byte 15/],
    ['trailing', [...header(8, [2]), 1, 2, 3], /1 trailing bytes at byte 10/],
    ['truncated value', [...header(0x0d, [1]), 1, 2, 3], /12 bytes, this one ends at byte 11/],
  ];
  for (const [name, bytes, message] of cases) {
    const error = t.throws(() => readIdx(new Uint8Array(bytes), { name: `${name}.idx` }), { code: 'ERR_FILE_FORMAT', message }, name);
    t.true(error?.message.startsWith(`${name}.idx`), error?.message);
  }
});

test('broken gzip is refused: cut, flipped, followed by something, or larger than its own header says', (t) => {
  const code = 'ERR_FILE_FORMAT';
  const bytes = writeIdx(
    new Uint8Array(5000).map((_, i) => (i * 7919) >> 3),
    [50, 100],
  );
  const packed = gzipSync(bytes);
  for (const cut of [2, 3, 10, 11, 20, 200, packed.length - 8, packed.length - 1]) {
    t.throws(() => readIdx(packed.subarray(0, cut)), { code }, `cut at ${cut}`);
  }
  const flipped = Uint8Array.from(packed);
  flipped[packed.length - 6] ^= 1; // the checksum
  t.throws(() => readIdx(flipped), { code, message: /gzip/ });
  t.throws(() => readIdx(Buffer.concat([packed, Buffer.from('more')])), { code });
  t.throws(() => readIdx(Buffer.concat([packed, Buffer.alloc(9)])), { code, message: /9 trailing bytes/ });
  t.throws(() => readIdx(gzipSync(Buffer.concat([bytes, Buffer.alloc(1)]))), { code, message: /trailing bytes at byte 5012/ });
  t.throws(() => readIdx(gzipSync(bytes.subarray(0, 5000))), { code, message: /ends at byte 5000/ });
  t.throws(() => readIdx(gzipSync(Buffer.from('hello, this is a text'))), { code, message: /not an IDX file/ });
  t.throws(() => readIdx(gzipSync(Buffer.alloc(0))), { code, message: /the file has 0/ });
});

test('a gzip bomb is refused before it is unpacked', (t) => {
  const small = new Uint8Array(64 << 20);
  small.set(header(8, [16]));
  const bomb = gzipSync(small); // 64 MiB of zeros in 65 kB behind a header that declares 16 values
  t.throws(() => readIdx(bomb), { code: 'ERR_FILE_FORMAT', message: /more than the 24 bytes/ });
  small.set(header(8, [0x7fffffff]));
  t.throws(() => readIdx(gzipSync(small)), { code: 'ERR_FILE_FORMAT', message: /declares 2147483655 bytes, more than `options.maxBytes`/ });
  small.set(header(8, [0x7ffffff0]));
  t.throws(() => readIdx(gzipSync(small)), { code: 'ERR_FILE_FORMAT', message: /packed bytes cannot hold/ });
  small.set(header(8, [(64 << 20) - 8]));
  t.throws(() => readIdx(gzipSync(small), { maxBytes: 1 << 20 }), { code: 'ERR_FILE_FORMAT', message: /maxBytes/ });
  t.is(readIdx(gzipSync(small)).data.length, (64 << 20) - 8);
});

test('a gzip header with a long file name is read like any other', (t) => {
  const packed = gzipSync(writeIdx(new Uint8Array([9])));
  const named = Buffer.concat([packed.subarray(0, 10), Buffer.alloc(3000, 'n'), Buffer.from([0]), packed.subarray(10)]);
  named[3] = 8; // FNAME
  t.deepEqual([...readIdx(named).data], [9]);
});

test('mutated and random bytes never do anything but succeed or fail with a typed error', (t) => {
  const base = writeIdx(
    Float32Array.from({ length: 24 }, (_, i) => i / 3),
    [2, 3, 4],
  );
  const mutation = fc.array(fc.tuple(fc.nat(base.length - 1), fc.nat(255)), { maxLength: 6 });
  const mutated = fc.tuple(mutation, fc.nat(base.length + 8), fc.boolean()).map(([changes, length, packed]) => {
    const bytes = new Uint8Array(base);
    for (const [at, value] of changes) bytes[at] = value;
    const cut = new Uint8Array(length);
    cut.set(bytes.subarray(0, length));
    return packed ? new Uint8Array(gzipSync(cut)) : cut;
  });
  const magic = fc.constantFrom([0, 0], [0x1f, 0x8b], [0x1f, 0x8b, 8, 0], [0, 0, 8], [0, 0, 14, 8]);
  const random = fc.tuple(magic, fc.uint8Array({ maxLength: 64 })).map(([start, rest]) => new Uint8Array([...start, ...rest]));
  fc.assert(
    fc.property(fc.oneof(mutated, random), (bytes) => {
      try {
        const { data, shape } = readIdx(bytes);
        return data.length === shape.reduce((product, dimension) => product * dimension, 1);
      } catch (error) {
        return error instanceof NodegradError && error.code === 'ERR_FILE_FORMAT';
      }
    }),
    { numRuns: 3000 },
  );
  t.pass();
});

test('wrong arguments are refused by name', (t) => {
  const code = 'ERR_ARGUMENT';
  for (const source of [1, null, undefined, {}, [0, 0, 8, 1]]) t.throws(() => readIdx(source as string), { code, message: /`source`/ });
  t.throws(() => readIdx('/nowhere/at/all'), { code, message: /"\/nowhere\/at\/all".*ENOENT/ });
  t.throws(() => readIdx(tmpdir()), { code, message: /regular file|EISDIR/ });
  t.throws(() => readIdx('a\0b'), { code });
  t.throws(() => readIdx(new URL('http://example.org/x')), { code });
  t.throws(() => readIdx(new Uint8Array(9), { maxBytes: 8 }), { code, message: /maxBytes/ });
  t.throws(() => readIdx(new Uint8Array(9), { maxBytes: 0 }), { code, message: /maxBytes/ });
  t.throws(() => readIdx(new Uint8Array(9), { size: 0 } as object), { code, message: /unknown option `size`/ });
  t.throws(() => readIdx(new Uint8Array(9), { name: 3 as unknown as string }), { code, message: /options.name/ });
  if (process.platform === 'linux') t.throws(() => readIdx('/dev/zero'), { code, message: /regular file/ });
  withFolder((folder) => {
    writeFileSync(join(folder, 'large'), new Uint8Array(100));
    t.throws(() => readIdx(join(folder, 'large'), { maxBytes: 99 }), { code, message: /100 bytes/ });
  });
  t.throws(() => writeIdx([1, 2] as unknown as Uint8Array), { code, message: /`data`/ });
  t.throws(() => writeIdx(new Uint8ClampedArray(2) as unknown as Uint8Array), { code, message: /`data`/ });
  for (const shape of [[], [3], [1, -2], [2.5], ['2'], '2', Array(9).fill(1)]) {
    t.throws(() => writeIdx(new Uint8Array(2), shape as number[]), { code, message: /`shape`/ });
  }
});
