// Proves the element types of safetensors files: those that tensors lack, read exactly, and rounding to others on request.

import test from 'ava';
import { type AnyTensor, ArgumentError, decodeSafetensors, encodeSafetensors, FileFormatError, Tensor, tensor } from '../../lib/index.js';

/** A file of one tensor `a`. */
function file(dtype: string, content: ArrayBufferView, length: number): Uint8Array {
  const header = Buffer.from(JSON.stringify({ a: { dtype, shape: [length], data_offsets: [0, content.byteLength] } }));
  const bytes = Buffer.alloc(8 + header.length + content.byteLength);
  bytes.writeBigUInt64LE(BigInt(header.length));
  header.copy(bytes, 8);
  bytes.set(new Uint8Array(content.buffer as ArrayBuffer), 8 + header.length);
  return bytes;
}

test('element types that tensors lack become those that hold them, exactly or not at all', (t) => {
  const cases: [dtype: string, content: ArrayBufferView, as: string, numbers: number[]][] = [
    ['F16', Uint16Array.of(0x3e00, 0x8001, 0x7c00), 'float32', [1.5, -(2 ** -24), Infinity]],
    ['BF16', Uint16Array.of(0x3fc0), 'bfloat16', [1.5]],
    ['I64', BigInt64Array.of(-5n, 2n ** 31n - 1n), 'int32', [-5, 2 ** 31 - 1]],
    ['U64', BigUint64Array.of(7n), 'int32', [7]],
    ['U32', Uint32Array.of(7), 'int32', [7]],
    ['I16', Int16Array.of(-300), 'int32', [-300]],
    ['U16', Uint16Array.of(65535), 'int32', [65535]],
    ['I8', Int8Array.of(-1, 5), 'int32', [-1, 5]],
    ['BOOL', Uint8Array.of(0, 1), 'uint8', [0, 1]],
  ];
  for (const [dtype, content, as, numbers] of cases) {
    const bytes = file(dtype, content, numbers.length);
    const read = decodeSafetensors(bytes).tensors.get('a')!;
    t.is(read.dtype, as, dtype);
    t.deepEqual(read.toArray(), numbers, dtype);
    const wide = decodeSafetensors(bytes, { dtype: 'float64' }).tensors.get('a')!;
    t.is(wide.dtype, ['F16', 'BF16'].includes(dtype) ? 'float64' : as, dtype);
  }
  t.throws(() => decodeSafetensors(file('I64', BigInt64Array.of(2n ** 62n), 1)), {
    instanceOf: FileFormatError,
    message: /tensor "a" holds 4611686018427387904/,
  });
});

const headerOf = (bytes: Uint8Array): string => {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  return new TextDecoder().decode(bytes.subarray(8, 8 + length));
};

test('real numbers are rounded to another element type on request, integers widened, and what float16 does not reach is refused', (t) => {
  const tensors = new Map<string, AnyTensor>([
    ['half', tensor([1 + 2 ** -11, 1 + 3 * 2 ** -11, 2 ** -25, 65519])],
    ['double', Tensor.from(Float64Array.of(1 + 2 ** -11 + 2 ** -40))],
    ['narrow', tensor([1.5], { dtype: 'bfloat16' })],
    ['labels', Tensor.from(Int32Array.of(-1, 7))],
    ['bytes', Tensor.from(Uint8Array.of(3))],
  ]);
  const half = encodeSafetensors(tensors, undefined, { dtype: 'float16', wideIntegers: true });
  const types = Object.entries(JSON.parse(headerOf(half)) as Record<string, { dtype?: string }>).map(([name, { dtype }]) => [name, dtype]);
  t.deepEqual(types.slice(1), [
    ['labels', 'I64'],
    ['double', 'F16'],
    ['half', 'F16'],
    ['narrow', 'F16'],
    ['bytes', 'U8'],
  ]);
  const read = decodeSafetensors(half).tensors;
  t.deepEqual(read.get('half')?.toArray(), [1, 1 + 2 ** -9, 0, 65504]);
  t.deepEqual(read.get('double')?.toArray(), [1 + 2 ** -10], 'rounded once, not by way of float32');
  t.deepEqual(read.get('narrow')?.toArray(), [1.5]);
  t.deepEqual(read.get('labels')?.toArray(), [-1, 7]);
  const short = decodeSafetensors(encodeSafetensors(tensors, undefined, { dtype: 'bfloat16' })).tensors;
  t.deepEqual(short.get('half')?.dtype, 'bfloat16');
  t.is(short.get('labels')?.dtype, 'int32');
  t.throws(() => encodeSafetensors(new Map([['w', tensor([1, -70000])]]), undefined, { dtype: 'float16' }), {
    instanceOf: ArgumentError,
    message: /tensor "w" holds -70000, and the largest number of float16 is 65504: dtype 'bfloat16'/,
  });
});

test('a parameter in training is written in another type without a trace on the tape', (t) => {
  const w = tensor([1, 2]);
  w.requiresGrad = true;
  for (const dtype of ['bfloat16', 'float16', 'float64'] as const)
    t.false(decodeSafetensors(encodeSafetensors(new Map([['w', w]]), undefined, { dtype })).tensors.get('w')!.requiresGrad);
});
