// Element types that files have and tensors lack: how they become those of tensors, exactly or not at all, and float16 the other way.

import { endianness } from 'node:os';
import { arrayTypes, bytesOf, type DType, type TypedArray, type TypedArrayOf } from '../dtype.js';

/** Element types of files. */
export type FileType = DType | 'float16' | 'bool' | 'int8' | 'int16' | 'uint16' | 'uint32' | 'int64' | 'uint64';

/** Those that tensors lack: their size, and what they become. */
const foreign = {
  float16: [2, 'float32'],
  bool: [1, 'uint8'],
  int8: [1, 'int32'],
  int16: [2, 'int32'],
  uint16: [2, 'int32'],
  uint32: [4, 'int32'],
  int64: [8, 'int32'],
  uint64: [8, 'int32'],
} as const;

const isForeign = (type: FileType): type is keyof typeof foreign => type in foreign;

/** Bytes of an element in a file. */
export const bytesInFile = (type: FileType): number => (isForeign(type) ? foreign[type][0] : bytesOf(type));

/** Element type of the tensor that a file's elements become. */
export const dtypeInMemory = (type: FileType): DType => (isForeign(type) ? foreign[type][1] : type);

/** Turns elements of `width` bytes from the order of a file into the machine's, or back, in place. */
export function swapWhereNeeded<B extends Uint8Array>(bytes: B, width: number, isLittle = true): B {
  if (width === 1 || (endianness() === 'LE') === isLittle) return bytes;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (width === 2) buffer.swap16();
  else if (width === 4) buffer.swap32();
  else buffer.swap64();
  return bytes;
}

/** The bytes of elements in little order; a copy where the machine's order is another. */
export function littleEndian(bytes: Uint8Array, width: number): Uint8Array {
  return endianness() === 'LE' ? bytes : swapWhereNeeded(bytes.slice(), width);
}

/**
 * The elements of a file as those of a tensor; on the same memory where the types are one.
 *
 * @param bytes - In the machine's order, at an address that fits, and nobody else's.
 * @param refuse - Called with the first integer that does not fit into int32.
 */
export function decodeElements(type: FileType, bytes: Uint8Array, refuse: (value: bigint) => never): TypedArrayOf<DType> {
  const { buffer, byteOffset } = bytes;
  const length = bytes.length / bytesInFile(type);
  if (!isForeign(type)) return new arrayTypes[type](buffer as ArrayBuffer, byteOffset, length) as TypedArrayOf<DType>;
  switch (type) {
    case 'float16':
      return widen(new Uint16Array(buffer, byteOffset, length));
    case 'bool':
      return bytes.map((value) => (value === 0 ? 0 : 1));
    case 'int8':
      return Int32Array.from(new Int8Array(buffer, byteOffset, length));
    case 'int16':
      return Int32Array.from(new Int16Array(buffer, byteOffset, length));
    case 'uint16':
      return Int32Array.from(new Uint16Array(buffer, byteOffset, length));
    case 'uint32': {
      const values = new Uint32Array(buffer, byteOffset, length);
      return Int32Array.from(values, (value) => (value < 2 ** 31 ? value : refuse(BigInt(value))));
    }
    default:
      return narrow(new Int32Array(buffer, byteOffset, 2 * length), type === 'int64');
  }

  function narrow(words: Int32Array, isSigned: boolean): Int32Array {
    const low = endianness() === 'LE' ? 0 : 1;
    const values = new Int32Array(length);
    for (let i = 0; i < length; i++) {
      values[i] = words[2 * i + low];
      const high = words[2 * i + 1 - low];
      if (high === values[i] >> 31 && (isSigned || high === 0)) continue;
      const value = (BigInt(high) << 32n) | BigInt(values[i] >>> 0);
      refuse(isSigned ? value : BigInt.asUintN(64, value));
    }
    return values;
  }
}

/** The smallest float16 above 0: 2^−24. */
const smallest = 1 / 2 ** 24;

/** float16 as float32, every bit pattern: denormal numbers are normal ones there, a NaN keeps its payload. */
function widen(halves: Uint16Array): Float32Array {
  const values = new Float32Array(halves.length);
  const words = new Uint32Array(values.buffer); // bits are moved as integers: a NaN stays the one that it is
  for (let i = 0; i < halves.length; i++) {
    const half = halves[i];
    const sign = (half & 0x8000) << 16;
    const exponent = (half >>> 10) & 31;
    const fraction = half & 1023;
    if (exponent === 0) values[i] = (sign < 0 ? -fraction : fraction) * smallest;
    else words[i] = sign | ((exponent === 31 ? 255 : exponent + 112) << 23) | (fraction << 13);
  }
  return values;
}

/**
 * Numbers as float16, rounded once, to nearest, ties to even.
 *
 * @param refuse - Called with the first finite number that float16 does not reach: 65520 and above.
 */
export function encodeFloat16(values: TypedArray, refuse: (value: number) => never): Uint16Array {
  const halves = new Uint16Array(values.length);
  const double = new Float64Array(1);
  const word = new Uint32Array(double.buffer);
  const top = endianness() === 'LE' ? 1 : 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    double[0] = value;
    const sign = (word[top] >>> 16) & 0x8000;
    if (!Number.isFinite(value)) {
      halves[i] = sign | (Number.isNaN(value) ? 0x7e00 : 0x7c00);
      continue;
    }
    // The exponent, from that of the smallest normal number on: what is smaller has its distance between neighbours.
    const exponent = Math.max(((word[top] >>> 20) & 2047) - 1023, -14);
    double[0] = 0;
    word[top] = (1023 + 10 - exponent) << 20; // 2^(10 − exponent)
    const scaled = Math.abs(value) * double[0];
    // Beside 2^52 a number has no digits behind the point: adding it rounds, ties to even.
    const fraction = scaled + 2 ** 52 - 2 ** 52;
    const bits = (exponent + 14) * 1024 + fraction;
    if (bits >= 0x7c00) refuse(value);
    halves[i] = sign | bits;
  }
  return halves;
}
