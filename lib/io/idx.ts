// The IDX format of MNIST (a magic number, big-endian sizes, then the values), plain or gzip, read without trusting the header.
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { arrayDType } from '../dtype.js';
import { isUint8Array, isUrl } from '../foreign.js';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { ArgumentError, checkInteger, checkOptions, describeShape, expected, FileFormatError, NodegradError } from '../errors.js';
import { notRegular, systemReason } from './atomic.js';
import { kindBytes, otherKind } from './file-kinds.js';
import { checkAvailable } from '../memory.js';

/** Element types that {@link readIdx} returns. */
export type IdxDType = 'uint8' | 'int32' | 'float32' | 'float64';

/** What every {@link IdxArray} has: `data` holds the product of `shape` values in row-major order and belongs to the caller. */
export interface IdxContents<D extends IdxDType, A> {
  /** Element type. */
  readonly dtype: D;
  /** Dimensions, 1 to 8. */
  readonly shape: number[];
  /** The values. */
  readonly data: A;
}

/** The contents of an IDX file; `dtype` says which of the four it is. */
export type IdxArray =
  | IdxContents<'uint8', Uint8Array>
  | IdxContents<'int32', Int32Array>
  | IdxContents<'float32', Float32Array>
  | IdxContents<'float64', Float64Array>;

/** Options of {@link readIdx}. */
export interface IdxOptions {
  /** What error messages call the source; default: the path, or `bytes`. */
  readonly name?: string;
  /** Largest size in bytes of the file, and of what a gzip file may unpack to; default 2^31 - 1. */
  readonly maxBytes?: number;
}

const TYPES: ReadonlyMap<number, { dtype: IdxDType; bytes: number }> = new Map([
  [0x08, { dtype: 'uint8', bytes: 1 }],
  [0x09, { dtype: 'int32', bytes: 1 }],
  [0x0b, { dtype: 'int32', bytes: 2 }],
  [0x0c, { dtype: 'int32', bytes: 4 }],
  [0x0d, { dtype: 'float32', bytes: 4 }],
  [0x0e, { dtype: 'float64', bytes: 8 }],
]);
/** The codes that writeIdx uses. */
const CODES: Readonly<Record<IdxDType, number>> = { uint8: 0x08, int32: 0x0c, float32: 0x0d, float64: 0x0e };
const MAX_RANK = 8;
const DEFAULT_MAX_BYTES = 2 ** 31 - 1;
/** Compressed bytes in which a gzip file must show its IDX header: the first should do, the second covers long gzip headers. */
const PEEK_BYTES = [1024, 16384];
/** Deflate expands at most 1032 times. */
const MAX_RATIO = 1040;
/** What is copied all the same: memory of this size may be a part of a pool. */
const small = 1 << 20;

/**
 * Reads an IDX file, plain or gzip, from a path or from its bytes. Type codes 0x08 to 0x0e: unsigned bytes become `uint8`; signed
 * bytes, 16-bit and 32-bit integers become `int32`; floats become `float32` and `float64`. Nothing is allocated from a declared size:
 * the header must agree with the bytes that are there, to the byte, before the values are copied; a gzip file is unpacked to at most
 * the size that its own IDX header declares.
 *
 * @throws {FileFormatError} if the bytes are not a complete IDX file; the message names the file and the byte
 * @throws {ArgumentError} if the file cannot be opened, is not a regular file, or is larger than `maxBytes`
 *
 * @example
 * ```ts
 * import { readIdx } from 'nodegrad';
 * const { dtype, shape, data } = readIdx('data/mnist/train-images-idx3-ubyte.gz'); // 'uint8', [60000, 28, 28]
 * ```
 */
export function readIdx(source: string | URL | Uint8Array, options: IdxOptions = {}): IdxArray {
  const { name: givenName, maxBytes: givenMax } = checkOptions<IdxOptions>(options, 'options', ['name', 'maxBytes']);
  const maxBytes = checkInteger(givenMax ?? DEFAULT_MAX_BYTES, 'options.maxBytes', 1, DEFAULT_MAX_BYTES);
  if (givenName !== undefined && typeof givenName !== 'string') throw new ArgumentError(expected('a string', 'options.name', givenName));
  const name = givenName ?? (isUint8Array(source) ? 'bytes' : String(source));
  const isGiven = isUint8Array(source);
  const bytes = isGiven ? source : readBytes(source, name, maxBytes);
  if (bytes.length > maxBytes) throw new ArgumentError(`${name} has ${bytes.length} bytes, more than \`options.maxBytes\` (${maxBytes})`);
  if (isPacked(bytes)) return decode(unpack(bytes, name, maxBytes), `${name} (unpacked)`, true);
  return decode(bytes, name, !isGiven);
}

const isPacked = (bytes: Uint8Array): boolean => bytes.length >= 2 && bytes[0] === 0x1f && bytes[1] === 0x8b;

function readBytes(source: unknown, name: string, maxBytes: number): Uint8Array {
  if (typeof source !== 'string' && !isUrl(source)) {
    throw new ArgumentError(expected('a path, a file URL or a Uint8Array', 'source', source));
  }
  try {
    const path = typeof source === 'string' ? source : fileURLToPath(source.href);
    const status = statSync(path); // before opening: a pipe would wait for ever, /dev/zero would never end
    if (!status.isFile()) throw notRegular('the path of a file that can be read', 'source', path, status);
    if (status.size > maxBytes) throw new ArgumentError(`${path} has ${status.size} bytes, more than \`options.maxBytes\` (${maxBytes})`);
    const file = openSync(path, 'r');
    try {
      const head = readUpTo(file, new Uint8Array(Math.min(status.size, kindBytes)), 0);
      // A header that does not fit the size of the file is found before that size is taken.
      if (!isPacked(head)) checkTotal(readHeader(head, name), status.size, name);
      checkAvailable(status.size, path);
      return readUpTo(file, new Uint8Array(status.size), 0);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if (error instanceof NodegradError) throw error;
    throw new ArgumentError(expected('a readable file', 'source', String(source), `The system says ${systemReason(error)}`), { cause: error });
  }
}

/** Fills `to` from a file, as far as that goes. */
function readUpTo(file: number, to: Uint8Array, start: number): Uint8Array {
  let at = 0;
  for (let read = -1; at < to.length && read !== 0; at += read) read = readSync(file, to, at, to.length - at, start + at);
  return to.subarray(0, at);
}

/** Unpacks gzip: a look at the IDX header in the first bytes, then everything, up to the size that the header declares and no further. */
function unpack(bytes: Uint8Array, name: string, maxBytes: number): Uint8Array {
  let head = new Uint8Array(0);
  for (const length of PEEK_BYTES) {
    if (head.length < 4 + 4 * MAX_RANK) head = inflate(bytes.subarray(0, length), name, MAX_RATIO * length, true).buffer;
  }
  const { total } = readHeader(head, `${name} (unpacked)`);
  if (total > maxBytes) {
    throw new FileFormatError(`${name}: the IDX header at byte 4 declares ${total} bytes, more than \`options.maxBytes\` (${maxBytes})`);
  }
  if (total > MAX_RATIO * bytes.length) {
    throw new FileFormatError(`${name}: the IDX header at byte 4 declares ${total} bytes, which ${bytes.length} packed bytes cannot hold`);
  }
  checkAvailable(total, name, 'Unpack the file');
  const { buffer, consumed } = inflate(bytes, name, total, false);
  if (consumed !== bytes.length)
    throw new FileFormatError(`${name}: ${bytes.length - consumed} trailing bytes after the gzip data at byte ${consumed}`);
  return buffer;
}

function inflate(bytes: Uint8Array, name: string, limit: number, partial: boolean): { buffer: Uint8Array<ArrayBuffer>; consumed: number } {
  try {
    // One piece for all of it: pieces would be joined by a copy.
    const chunkSize = partial ? undefined : Math.max(limit + 1, 64);
    const options = {
      maxOutputLength: limit,
      info: true,
      ...(chunkSize && { chunkSize }),
      ...(partial ? { finishFlush: 2 /* Z_SYNC_FLUSH: a cut end is no error */ } : {}),
    };
    const result = gunzipSync(bytes, options) as unknown as { buffer: Uint8Array<ArrayBuffer>; engine: { bytesWritten: number } };
    return { buffer: result.buffer, consumed: result.engine.bytesWritten };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ERR_BUFFER_TOO_LARGE') {
      throw new FileFormatError(
        `${name}: unpacks to more than the ${limit} bytes that its IDX header declares: trailing bytes at byte ${limit}`,
        {
          cause: error,
        },
      );
    }
    throw new FileFormatError(`${name}: not a complete gzip file of ${bytes.length} bytes: ${message}`, { cause: error });
  }
}

interface Header {
  dtype: IdxDType;
  code: number;
  shape: number[];
  /** Number of values. */
  size: number;
  /** Byte at which the values begin. */
  start: number;
  /** Size of the whole file in bytes. */
  total: number;
}

function readHeader(bytes: Uint8Array, name: string): Header {
  if (bytes.length < 4)
    throw new FileFormatError(`${name}: expected an IDX header of at least 4 bytes at byte 0, the file has ${bytes.length}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes[0] !== 0 || bytes[1] !== 0) {
    throw new FileFormatError(
      `${name}: not an IDX file: expected the two bytes 00 00 at byte 0, found ${hex(bytes[0])} ${hex(bytes[1])}${otherKind(bytes, 'idx')}`,
    );
  }
  const code = bytes[2];
  const type = TYPES.get(code);
  if (type === undefined) {
    throw new FileFormatError(`${name}: expected an IDX type code (08, 09, 0b, 0c, 0d or 0e) at byte 2, found ${hex(code)}`);
  }
  const rank = bytes[3];
  if (rank < 1 || rank > MAX_RANK) throw new FileFormatError(`${name}: expected 1 to ${MAX_RANK} dimensions at byte 3, found ${rank}`);
  const start = 4 + 4 * rank;
  if (bytes.length < start) {
    throw new FileFormatError(`${name}: the header of ${rank} dimensions needs ${start} bytes, the file ends at byte ${bytes.length}`);
  }
  const shape: number[] = [];
  let size = 1;
  let bound = 1; // the product without zeros: an absurd size is refused even beside a dimension of 0
  for (let i = 0; i < rank; i++) {
    const dimension = view.getUint32(4 + 4 * i);
    shape.push(dimension);
    size *= dimension;
    bound *= Math.max(dimension, 1);
    if (bound > Number.MAX_SAFE_INTEGER / 16) {
      throw new FileFormatError(`${name}: the dimensions ${describeShape(shape)} at byte 4 multiply to more than any file can hold`);
    }
  }
  return { dtype: type.dtype, code, shape, size, start, total: start + size * type.bytes };
}

const hex = (byte: number): string => byte.toString(16).padStart(2, '0');

/** Compares what a header declares with the bytes that there are. */
function checkTotal({ shape, total }: Header, length: number, name: string): void {
  if (length === total) return;
  const what = length < total ? `ends at byte ${length}` : `has ${length - total} trailing bytes at byte ${total}`;
  throw new FileFormatError(`${name}: dimensions ${describeShape(shape)} need a file of ${total} bytes, this one ${what}`);
}

/** The values; on the same memory where the bytes are nobody else's and need no change. */
function decode(bytes: Uint8Array, name: string, isOwn: boolean): IdxArray {
  const header = readHeader(bytes, name);
  checkTotal(header, bytes.length, name);
  const { dtype, code, shape, size, start, total } = header;
  if (dtype === 'uint8') return { dtype, shape, data: isOwn && total > small ? bytes.subarray(start) : new Uint8Array(bytes.subarray(start)) };
  checkAvailable(size * (dtype === 'float64' ? 8 : 4), name);
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, total - start);
  if (dtype === 'float32') {
    const data = new Float32Array(size);
    const words = new Uint32Array(data.buffer); // bits are moved as integers: a NaN keeps its payload
    for (let i = 0; i < size; i++) words[i] = view.getUint32(4 * i);
    return { dtype, shape, data };
  }
  if (dtype === 'float64') {
    const data = new Float64Array(size);
    const words = new BigUint64Array(data.buffer);
    for (let i = 0; i < size; i++) words[i] = view.getBigUint64(8 * i);
    return { dtype, shape, data };
  }
  const data = new Int32Array(size);
  if (code === 0x09) for (let i = 0; i < size; i++) data[i] = view.getInt8(i);
  else if (code === 0x0b) for (let i = 0; i < size; i++) data[i] = view.getInt16(2 * i);
  else for (let i = 0; i < size; i++) data[i] = view.getInt32(4 * i);
  return { dtype, shape, data };
}

/**
 * Writes an array in IDX format: the type follows from the typed array (`Uint8Array`, `Int32Array`, `Float32Array`, `Float64Array`).
 *
 * @param data the values in row-major order
 * @param shape 1 to 8 dimensions whose product is `data.length`; default one dimension
 * @returns the bytes of the file
 * @throws {ArgumentError} if `data` is of another kind, or `shape` does not fit it
 *
 * @example
 * ```ts
 * import { readIdx, writeIdx } from 'nodegrad';
 * const bytes = writeIdx(new Uint8Array(2 * 28 * 28), [2, 28, 28]);
 * readIdx(bytes).shape; // [2, 28, 28]
 * ```
 */
export function writeIdx(data: Uint8Array | Int32Array | Float32Array | Float64Array, shape?: readonly number[]): Uint8Array {
  const dtype = arrayDType(data);
  if (dtype === null || dtype === 'bfloat16')
    throw new ArgumentError(expected('a Uint8Array, Int32Array, Float32Array or Float64Array', 'data', data));
  const dimensions = shape ?? [data.length];
  if (!Array.isArray(dimensions) || dimensions.length < 1 || dimensions.length > MAX_RANK) {
    throw new ArgumentError(expected(`an array of 1 to ${MAX_RANK} dimensions`, 'shape', dimensions));
  }
  let size = 1;
  for (const dimension of dimensions) size *= checkInteger(dimension, 'shape', 0, 0xffffffff);
  if (size !== data.length) throw new ArgumentError(expected(`dimensions that multiply to ${data.length} values`, 'shape', dimensions));
  const start = 4 + 4 * dimensions.length;
  const bytes = new Uint8Array(start + data.byteLength);
  const view = new DataView(bytes.buffer);
  bytes[2] = CODES[dtype];
  bytes[3] = dimensions.length;
  for (const [i, dimension] of dimensions.entries()) view.setUint32(4 + 4 * i, dimension);
  // An array whose memory was transferred away is empty, and takes no view.
  if (data.length === 0) return bytes;
  if (dtype === 'uint8') {
    bytes.set(data, start);
  } else if (dtype === 'float64') {
    const words = new BigUint64Array(data.buffer, data.byteOffset, data.length);
    for (let i = 0; i < words.length; i++) view.setBigUint64(start + 8 * i, words[i]);
  } else {
    const words = new Uint32Array(data.buffer, data.byteOffset, data.length);
    for (let i = 0; i < words.length; i++) view.setUint32(start + 4 * i, words[i]);
  }
  return bytes;
}
