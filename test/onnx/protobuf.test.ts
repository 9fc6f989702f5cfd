// Messages of ONNX to bytes and back.
import test from 'ava';
import { FileFormatError } from '../../lib/index.js';
import { decodeModel, encodeModel } from '../../lib/onnx/protobuf.js';
import { type ModelMessage, model } from '../../lib/onnx/schema.js';

const message: ModelMessage = {
  irVersion: 8,
  producerName: 'nodegrad',
  graph: {
    name: 'net',
    node: [
      {
        input: ['x', ''],
        output: ['y'],
        name: 'n',
        opType: 'Conv',
        attribute: [
          { name: 'pads', ints: [0, -1, 2 ** 40, 3], type: 7 },
          { name: 'alpha', f: 0.5, type: 1 },
          { name: 'mode', s: Uint8Array.of(97), type: 3 },
          { name: 'value', t: { dims: [2], dataType: 1, rawData: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), name: 't' } },
        ],
      },
    ],
    initializer: [{ dims: [3], dataType: 7, int64Data: [-1, 0, 2 ** 50], name: 'w' }],
    input: [{ name: 'x', type: { tensorType: { elemType: 1, shape: { dim: [{ dimParam: 'batch' }, { dimValue: 3 }] } } } }],
    output: [{ name: 'y' }],
  },
  opsetImport: [{ domain: '', version: 17 }],
  metadataProps: [{ key: 'ключ', value: 'значение' }],
};

test('a message comes back as it was', async (t) => {
  t.deepEqual(await decodeModel(await encodeModel(message), 'bytes'), message);
});

test('the bytes are those of the wire format, field by field', async (t) => {
  // irVersion: field 1, a number; opsetImport: field 8, a message of 2 bytes with field 2, a number.
  t.deepEqual([...(await encodeModel({ irVersion: 8, opsetImport: [{ version: 17 }] }))], [0x08, 8, 0x42, 2, 0x10, 17]);
});

test('lists of numbers are read packed and one by one, unknown fields are passed over, and the last of several single values counts', async (t) => {
  const decode = (...bytes: number[]) => decodeModel(Uint8Array.from(bytes), 'bytes');
  const node = (...attribute: number[]): number[] => [
    0x3a,
    attribute.length + 4,
    0x0a,
    attribute.length + 2,
    0x2a,
    attribute.length,
    ...attribute,
  ];
  const ints = async (...bytes: number[]) => (await decode(...node(...bytes))).graph?.node?.[0].attribute?.[0].ints;
  t.deepEqual(await ints(0x40, 5, 0x40, 6), [5, 6]);
  t.deepEqual(await ints(0x42, 2, 5, 6), [5, 6]);
  // Field 100 of length 1.
  t.deepEqual(await decode(0xa2, 6, 1, 7, 0x08, 3, 0x08, 4), { irVersion: 4 });
});

test('damaged bytes are refused with the byte, whatever they are', async (t) => {
  const bytes = await encodeModel(message);
  for (let length = 1; length < bytes.length; length++) {
    try {
      await decodeModel(bytes.subarray(0, length), 'm.onnx');
    } catch (error) {
      if (!(error instanceof FileFormatError)) t.fail(`cut off at ${length}: ${String(error)}`);
      else t.regex(error.message, /^m\.onnx: .*at byte \d+/);
    }
  }
  const random = (seed: number): number => ((seed * 1103515245 + 12345) >>> 8) & 255;
  let refused = 0;
  for (let round = 0; round < 2000; round++) {
    const changed = bytes.slice();
    for (let k = 0; k < 3; k++) changed[(round * 31 + k * 97) % bytes.length] = random(round * 3 + k);
    try {
      await decodeModel(changed, 'm.onnx');
    } catch (error) {
      if (!(error instanceof FileFormatError)) t.fail(String(error));
      refused++;
    }
  }
  t.true(refused > 500);
});

test('messages in messages have an end', async (t) => {
  // An attribute that holds a graph that holds a node that holds an attribute …
  let bytes: number[] = [];
  const wrap = (field: number, inner: readonly number[]): number[] => [(field << 3) | 2, ...length(inner.length), ...inner];
  for (let depth = 0; depth < 60; depth++) bytes = wrap(6, wrap(1, wrap(5, bytes)));
  await t.throwsAsync(decodeModel(Uint8Array.from(wrap(7, wrap(1, wrap(5, bytes)))), 'm.onnx'), {
    instanceOf: FileFormatError,
    message: /levels/,
  });
});

const length = (n: number): number[] => (n < 128 ? [n] : [(n & 127) | 128, ...length(n >> 7)]);

test('no field of the schema has the number of another', (t) => {
  const walk = (schema: typeof model, seen: Set<unknown>): void => {
    if (seen.has(schema)) return;
    seen.add(schema);
    const numbers = Object.values(schema).map(([number]) => number);
    t.is(new Set(numbers).size, numbers.length);
    for (const [, kind] of Object.values(schema)) if (typeof kind === 'function') walk(kind(), seen);
  };
  walk(model, new Set());
});
