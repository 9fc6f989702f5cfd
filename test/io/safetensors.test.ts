// Proves lib/io/safetensors.ts: round trips, the layout byte by byte, every refusal, checksums, mutations, and Python reading and writing the same.

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { ArgumentError, FileFormatError } from '../../lib/errors.js';
import {
  decodeSafetensors,
  encodeInTurns,
  encodeSafetensors,
  MAX_HEADER_BYTES,
  readSafetensors,
  writeSafetensors,
} from '../../lib/io/safetensors.js';
import { tensor } from '../../lib/create.js';
import { type AnyTensor, Tensor } from '../../lib/tensor.js';
import { testWithPython } from '../helpers/python.js';

const inFolder = async (use: (folder: string) => Promise<void>): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-safetensors-'));
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
const bytesOf = ({ data }: AnyTensor): Buffer => Buffer.from(data.buffer, data.byteOffset, data.byteLength);
const sameTensor = (a: AnyTensor | undefined, b: AnyTensor): boolean =>
  a !== undefined && a.dtype === b.dtype && a.shape.join() === b.shape.join() && bytesOf(a).equals(bytesOf(b));

/** A file from a header given as text, or as something to be JSON, and data of a length. */
function file(header: unknown, dataLength = 0): Uint8Array {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + dataLength);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}
const headerText = (bytes: Uint8Array): string => {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  return new TextDecoder().decode(bytes.subarray(8, 8 + length));
};

const anyTensor: fc.Arbitrary<AnyTensor> = fc
  .tuple(fc.array(fc.nat(4), { maxLength: 5 }), fc.constantFrom(Float32Array, Float64Array, Int32Array, Uint8Array))
  .chain(([shape, Kind]) => {
    const length = shape.reduce((product, dimension) => product * dimension, 1) * Kind.BYTES_PER_ELEMENT;
    return fc
      .uint8Array({ minLength: length, maxLength: length })
      .map((content) => Tensor.from(new Kind(content.slice().buffer) as Float32Array, shape) as AnyTensor);
  });
const name = fc.string({ unit: 'grapheme', maxLength: 20 }).filter((text) => text !== '__proto__' && text !== '__metadata__');
const key = name.filter((text) => !text.startsWith('sha256'));
const content = fc.tuple(
  fc.array(fc.tuple(name, anyTensor), { maxLength: 6 }),
  fc.array(fc.tuple(key, fc.string({ unit: 'grapheme' })), { maxLength: 3 }),
);

test('what was encoded is decoded bit for bit, whatever the names, shapes, types and metadata', (t) => {
  fc.assert(
    fc.property(content, fc.nat(9), ([pairs, texts], shift) => {
      const [tensors, metadata] = [new Map(pairs), new Map(texts)];
      const encoded = encodeSafetensors(tensors, metadata);
      const shifted = new Uint8Array(encoded.length + shift).subarray(shift);
      shifted.set(encoded);
      for (const source of [shifted, Buffer.from(encoded)]) {
        const decoded = decodeSafetensors(source);
        if (decoded.tensors.size !== tensors.size || decoded.metadata.size !== metadata.size) return false;
        for (const [title, value] of tensors) {
          const found = decoded.tensors.get(title);
          if (!sameTensor(found, value) || found?.data.buffer === source.buffer) return false;
        }
        for (const [title, text] of metadata) if (decoded.metadata.get(title) !== text) return false;
      }
      return true;
    }),
  );
  t.pass();
});

test('the layout is that of the format: length, JSON padded to 8 bytes, wide types first, names in order, bytes without a hole', (t) => {
  const tensors = new Map<string, AnyTensor>([
    ['b', tensor([[1, 2]])],
    ['bytes', Tensor.from(Uint8Array.of(7))],
    ['a', tensor([3])],
    ['double', Tensor.from(Float64Array.of(4))],
  ]);
  const bytes = encodeSafetensors(tensors, new Map([['note', 'ü']]));
  const text = headerText(bytes);
  t.is(new TextEncoder().encode(text).length % 8, 0);
  const header = JSON.parse(text);
  t.deepEqual(Object.keys(header), ['__metadata__', 'double', 'a', 'b', 'bytes']);
  t.deepEqual(header.b, { dtype: 'F32', shape: [1, 2], data_offsets: [12, 20] });
  t.is(header.__metadata__.note, 'ü');
  t.regex(header.__metadata__['sha256:a'], /^[0-9a-f]{16}$/);
  const data = bytes.subarray(bytes.length - 21);
  t.deepEqual([...new Float64Array(data.slice(0, 8).buffer)], [4]);
  t.deepEqual([...new Float32Array(data.slice(8, 20).buffer)], [3, 1, 2]);
  t.is(data[20], 7);
  t.deepEqual(encodeSafetensors(new Map([...tensors].reverse()), new Map([['note', 'ü']])), bytes, 'the same tensors give the same bytes');
});

test('encoding in turns gives the same bytes, uncopied, and leaves the event loop its turns', async (t) => {
  const large = Tensor.from(new Float32Array(5 << 20).fill(0.5)); // 20 MiB: five turns
  const tensors = new Map<string, AnyTensor>([
    ['large', large],
    ['small', tensor([1, 2, 3])],
  ]);
  const metadata = new Map([['note', 'text']]);
  let turns = 0;
  const count = (): void => {
    turns += 1;
    timer = setImmediate(count);
  };
  let timer = setImmediate(count);
  const pieces = await encodeInTurns(tensors, metadata);
  clearImmediate(timer);
  t.true(turns >= 4, `${turns} turns`);
  t.true(pieces.some(({ buffer }) => buffer === large.data.buffer));
  t.is(Buffer.compare(Buffer.concat(pieces), encodeSafetensors(tensors, metadata)), 0);
});

test('a file goes to the disk and back, and only under its own name', async (t) => {
  await inFolder(async (folder) => {
    const path = join(folder, 'model.safetensors');
    const tensors = new Map<string, AnyTensor>([
      [
        'w',
        tensor([
          [1, 2],
          [3, 4],
        ]),
      ],
      ['empty', Tensor.from(new Int32Array(0), [0, 3])],
    ]);
    await writeSafetensors(path, tensors, new Map([['format', 'test']]));
    t.deepEqual(readdirSync(folder), ['model.safetensors']);
    const read = await readSafetensors(path);
    t.true(sameTensor(read.tensors.get('w'), tensors.get('w')!));
    t.true(sameTensor(read.tensors.get('empty'), tensors.get('empty')!));
    t.deepEqual([...read.metadata], [['format', 'test']]);
    writeFileSync(path, readFileSync(path).subarray(0, -1));
    await t.throwsAsync(readSafetensors(path), { instanceOf: FileFormatError, message: /model\.safetensors.*cut off/ });
    writeFileSync(path, '');
    await t.throwsAsync(readSafetensors(path), { instanceOf: FileFormatError, message: /0 bytes are too few/ });
    await t.throwsAsync(readSafetensors(folder), { instanceOf: ArgumentError, message: /regular file/ });
    await t.throwsAsync(readSafetensors(join(folder, 'none')), { instanceOf: ArgumentError, message: /ENOENT/ });
  });
});

const entry = (shape: number[], data_offsets: number[], dtype = 'F32') => ({ dtype, shape, data_offsets });
const refusals: [string, Uint8Array, RegExp][] = [
  ['nothing', new Uint8Array(0), /0 bytes are too few/],
  ['half a length', new Uint8Array(7), /7 bytes are too few/],
  ['a header longer than the file', Uint8Array.of(200, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x7d), /ends at byte 10, inside its header of 200 bytes/],
  ['a gigantic header', Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0x80, 0x7b), /header of 9223372036854775808 bytes/],
  ['an empty header', file(''), /expected '\{'/],
  ['leading spaces', file(' {}'), /expected '\{' as the first byte/],
  ['bytes that are not UTF-8', (() => file('{"aa":0}').map((byte) => (byte === 0x61 ? 0xff : byte)))(), /not UTF-8/],
  ['an array', file('[]'), /expected '\{'/],
  ['a half header', file('{"a":'), /expected '\{'/],
  ['an open string', file('{"a'), /string without an end/],
  ['a string that ends in an escaped quote', file('{"a\\"'), /string without an end/],
  ['a bad escape', file('{"\\q":{}}'), /malformed string/],
  ['a control character in a string', file('{"a\nb":{}}'), /malformed string/],
  ['half a surrogate pair', file('{"\\ud800":{}}'), /surrogate/],
  ['text after the header', file('{}x'), /nothing but spaces/],
  ['a trailing comma', file('{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},}', 4), /expected '"'/],
  [
    'a name twice',
    file('{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\\u0061":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'),
    /"a" appears twice/,
  ],
  ['a key twice', file('{"a":{"dtype":"F32","dtype":"F32","shape":[],"data_offsets":[0,4]}}', 4), /"dtype" appears twice/],
  ['metadata twice', file('{"__metadata__":{},"__metadata__":{}}'), /appears twice/],
  ['__proto__ as a tensor', file('{"__proto__":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'), /__proto__ is not allowed/],
  ['__proto__ in metadata', file('{"__metadata__":{"__proto__":"x"}}'), /__proto__ is not allowed/],
  ['metadata that is no text', file({ __metadata__: { a: 1 } }), /expected '"'/],
  ['nested metadata', file({ __metadata__: { a: {} } }), /expected '"'/],
  ['an unknown key', file({ a: { ...entry([], [0, 4]), extra: 1 } }, 4), /unknown key "extra" in tensor "a"/],
  ['a missing shape', file({ a: { dtype: 'F32', data_offsets: [0, 4] } }, 4), /needs dtype, shape/],
  ['three offsets', file({ a: entry([1], [0, 4, 4]) }, 4), /more than 2 numbers/],
  ['one offset', file({ a: entry([1], [0]) }, 4), /two data_offsets/],
  ['a negative dimension', file('{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}', 4), /whole number/],
  ['a broken dimension', file('{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}', 4), /whole number/],
  ['a dimension in exponents', file('{"a":{"dtype":"F32","shape":[1e0],"data_offsets":[0,4]}}', 4), /whole number/],
  ['a leading zero', file('{"a":{"dtype":"F32","shape":[01],"data_offsets":[0,4]}}', 4), /whole number/],
  ['a number above 2^53', file('{"a":{"dtype":"F32","shape":[9007199254740993],"data_offsets":[0,4]}}', 4), /above 2\^53/],
  ['a number of 100 digits', file(`{"a":{"dtype":"F32","shape":[${'9'.repeat(100)}],"data_offsets":[0,4]}}`, 4), /whole number/],
  ['an end before its begin', file({ a: entry([1], [4, 0]) }, 4), /ends \(0\) before it begins \(4\)/],
  [
    'a type that nodegrad has not',
    file({ a: entry([4], [0, 4], 'F8_E4M3') }, 4),
    /tensor "a" has element type "F8_E4M3"; nodegrad reads F32, F64, BF16, I32, U8, F16, I64/,
  ],
  ['a size that does not fit', file({ a: entry([2], [0, 4]) }, 4), /tensor "a", F32 \[2\], needs 8 bytes, its offsets are \[0, 4\]/],
  ['a product that overflows', file({ a: entry([2 ** 32, 2 ** 32], [0, 4]) }, 4), /needs \d+ bytes/],
  ['a product that overflows to nothing', file({ a: entry(new Array(32).fill(2 ** 52), [0, 4]) }, 4), /more than 8 dimensions/],
  ['nine dimensions', file({ a: entry(new Array(9).fill(1), [0, 4]) }, 4), /more than 8 dimensions/],
  ['a hole', file({ a: entry([1], [0, 4]), b: entry([1], [8, 12]) }, 12), /"b" leaves a hole of 4 bytes/],
  ['a hole at the start', file({ a: entry([1], [4, 8]) }, 8), /hole/],
  ['an overlap', file({ a: entry([2], [0, 8]), b: entry([1], [4, 8]) }, 8), /"b" overlaps 4 bytes/],
  ['one place twice', file({ a: entry([1], [0, 4]), b: entry([1], [0, 4]) }, 4), /overlaps/],
  ['trailing bytes', file({ a: entry([1], [0, 4]) }, 5), /trailing bytes/],
  ['missing bytes', file({ a: entry([1], [0, 4]) }, 3), /cut off/],
  ['data without a tensor', file({}, 1), /trailing bytes/],
];

test('every malformed file is refused with a typed error that says what is wrong', (t) => {
  for (const [what, bytes, message] of refusals) {
    t.throws(() => decodeSafetensors(bytes, { name: 'model' }), { instanceOf: FileFormatError, code: 'ERR_FILE_FORMAT', message }, what);
    t.throws(() => decodeSafetensors(bytes, { name: 'model' }), { message: /^model: / }, what);
  }
});

test('a header is refused above its limit before anything is allocated, and hostile headers up to it are no trap', (t) => {
  const prefix = new Uint8Array(16);
  new DataView(prefix.buffer).setBigUint64(0, BigInt(MAX_HEADER_BYTES + 1), true);
  t.throws(() => decodeSafetensors(prefix), { message: /16777217 bytes is declared/ });
  for (const text of [
    `{"${'a'.repeat(MAX_HEADER_BYTES - 2)}`,
    `{"${'\\"'.repeat(MAX_HEADER_BYTES / 2 - 2)}`,
    `{${'['.repeat(MAX_HEADER_BYTES - 1)}`,
    `{"a":${'{"a":'.repeat(1 << 20)}`,
  ]) {
    t.throws(() => decodeSafetensors(file(text)), { instanceOf: FileFormatError });
  }
});

test('files of other writers are read: metadata last, no padding, data at odd addresses, spaces, no metadata', (t) => {
  const bytes = file(
    '{ "b" :{"dtype":"F64","shape":[1],"data_offsets":[1, 9]},\n"a":{"data_offsets":[0,1],"shape":[1],"dtype":"U8"} , "__metadata__":{"k":"v"}}  ',
    9,
  );
  bytes.set(new Uint8Array(Float64Array.of(2.5).buffer), bytes.length - 8);
  bytes[bytes.length - 9] = 9;
  const { tensors, metadata } = decodeSafetensors(bytes);
  t.is(tensors.get('b')?.item(), 2.5);
  t.is(tensors.get('a')?.item(), 9);
  t.is(metadata.get('k'), 'v');
  t.is(decodeSafetensors(file({ x: entry([], [0, 4]) }, 4)).tensors.get('x')?.rank, 0);
});

test('any changed bit in a file of ours is noticed', (t) => {
  const bytes = encodeSafetensors(
    new Map<string, AnyTensor>([
      ['w', tensor([1, 2, 3])],
      ['v', Tensor.from(Int32Array.of(5, 6, 7))],
    ]),
    new Map([['note', 'abc']]),
  );
  for (let at = 0; at < bytes.length; at++) {
    // JSON has several spellings of the same: a space may be another white space, which changes nothing.
    for (let bit = 0; bit < 8; bit++) {
      const damaged = bytes.slice();
      damaged[at] ^= 1 << bit;
      if (bytes[at] === 0x20 && [0x09, 0x0a, 0x0d].includes(damaged[at])) continue;
      t.throws(() => decodeSafetensors(damaged), { instanceOf: FileFormatError }, `bit ${bit} of byte ${at}`);
    }
  }
  const damaged = bytes.slice();
  damaged[bytes.length - 1] ^= 1;
  t.throws(() => decodeSafetensors(damaged), { message: /checksum of tensor "w" differs.*verify: false/ });
  t.not(decodeSafetensors(damaged, { verify: false }).tensors.get('w')?.data[2], 3);
});

test('mutations of valid files give tensors or a typed error, never anything else', (t) => {
  const mutation = fc.record({ at: fc.nat(), value: fc.nat(255), kind: fc.constantFrom('set', 'delete', 'insert', 'truncate') });
  let refused = 0;
  fc.assert(
    fc.property(content, fc.array(mutation, { minLength: 1, maxLength: 4 }), fc.boolean(), ([pairs, texts], mutations, verify) => {
      let bytes = [...encodeSafetensors(new Map(pairs), new Map(texts))];
      for (const { at, value, kind } of mutations) {
        const place = at % bytes.length;
        if (kind === 'set') bytes[place] = value;
        else if (kind === 'delete') bytes.splice(place, 1);
        else if (kind === 'insert') bytes.splice(place, 0, value);
        else bytes = bytes.slice(0, Math.max(1, place));
      }
      try {
        decodeSafetensors(Uint8Array.from(bytes), { verify });
      } catch (error) {
        refused += 1;
        if (!(error instanceof FileFormatError)) throw error;
      }
    }),
    { numRuns: 3000 },
  );
  t.true(refused > 1000);
  fc.assert(
    fc.property(fc.json(), fc.nat(40), (text, length) => {
      try {
        decodeSafetensors(file(text.startsWith('{') ? text : `{"a":${text}}`, length));
      } catch (error) {
        if (!(error instanceof FileFormatError)) throw error;
      }
    }),
    { numRuns: 1000 },
  );
});

test('wrong arguments are refused with typed errors', (t) => {
  const w = new Map([['w', tensor([1])]]);
  for (const call of [
    () => encodeSafetensors({} as never),
    () => encodeSafetensors(new Map([['w', [1]]]) as never),
    () => encodeSafetensors(new Map([[7, tensor([1])]]) as never),
    () => encodeSafetensors(new Map([['__proto__', tensor([1])]])),
    () => encodeSafetensors(new Map([['__metadata__', tensor([1])]])),
    () => encodeSafetensors(new Map([['\ud800', tensor([1])]])),
    () => encodeSafetensors(new Map([['a'.repeat(2000), tensor([1])]])),
    () => encodeSafetensors(w, new Map([['sha256', 'x']])),
    () => encodeSafetensors(w, new Map([['k', 1]]) as never),
    () => encodeSafetensors(w, {} as never),
    () => encodeSafetensors(w, new Map([['k', 'x'.repeat(MAX_HEADER_BYTES)]])),
    () => encodeSafetensors(w, undefined, { dtype: 'int32' as never }),
    () => encodeSafetensors(w, undefined, { wideIntegers: 1 as never }),
    () => encodeSafetensors(w, undefined, { as: 'float16' } as never),
    () => decodeSafetensors(encodeSafetensors(w), { dtype: 'float16' as never }),
    () => decodeSafetensors('x' as never),
    () => decodeSafetensors(encodeSafetensors(w), { verify: 1 } as never),
    () => decodeSafetensors(encodeSafetensors(w), { verifiy: true } as never),
    () => decodeSafetensors(encodeSafetensors(w), { name: 1 } as never),
  ]) {
    t.throws(call, { instanceOf: ArgumentError }, String(call));
  }
  const gone = new Float32Array(4);
  const lost = Tensor.from(gone);
  structuredClone(gone.buffer, { transfer: [gone.buffer] });
  t.throws(() => encodeSafetensors(new Map([['w', lost]])), { instanceOf: ArgumentError, message: /lost its memory/ });
});

testWithPython(
  'numpy, safetensors.numpy',
  "Python's safetensors reads what nodegrad wrote, and nodegrad reads what it wrote",
  async (t, python) => {
    await inFolder(async (folder) => {
      const tensors = new Map<string, AnyTensor>([
        [
          '0.weight',
          tensor([
            [1.5, -2],
            [3, 4e-40],
          ]),
        ],
        ['über', Tensor.from(Float64Array.of(Math.PI, NaN))],
        ['i', Tensor.from(Int32Array.of(-(2 ** 31), 5), [2, 1])],
        ['u', Tensor.from(Uint8Array.of(0, 255, 7))],
        ['nothing', Tensor.from(new Float32Array(0), [0, 3])],
        ['scalar', tensor(2.5)],
      ]);
      const [ours, theirs] = [join(folder, 'ours.safetensors'), join(folder, 'theirs.safetensors')];
      await writeSafetensors(ours, tensors, new Map([['note', 'größer']]));
      const script = [
        'import sys, json, numpy as np',
        'from safetensors.numpy import load_file, save_file',
        'from safetensors import safe_open',
        'arrays = load_file(sys.argv[1])',
        'with safe_open(sys.argv[1], "numpy") as f: note = f.metadata()["note"]',
        'save_file(arrays, sys.argv[2], metadata={"note": note})',
        'print(json.dumps({k: [str(v.dtype), list(v.shape), v.tobytes().hex()] for k, v in arrays.items()}))',
      ].join('\n');
      const seen = JSON.parse(python(script, ours, theirs));
      t.deepEqual(Object.keys(seen).sort(), [...tensors.keys()].sort());
      for (const [title, value] of tensors) t.deepEqual(seen[title], [value.dtype, [...value.shape], bytesOf(value).toString('hex')], title);
      const back = await readSafetensors(theirs);
      t.deepEqual([...back.tensors.keys()].sort(), [...tensors.keys()].sort());
      for (const [title, value] of tensors) t.true(sameTensor(back.tensors.get(title), value), title);
      t.is(back.metadata.get('note'), 'größer');
    });
  },
);
