// The safetensors format: 8 bytes with the length of a JSON header, the header, then the tensors' bytes. Read without trusting any of it.

import { setImmediate } from 'node:timers';
import { isMap, isUint8Array } from '../foreign.js';
import { createHash } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import { endianness } from 'node:os';
import { arrayTypes, bytesOf, type DType, type TypedArrayOf } from '../dtype.js';
import { ArgumentError, checkOptions, describe, describeShape, expected, FileFormatError, NodegradError } from '../errors.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { checkPath, notRegular, refusal, writeFileAtomic } from './atomic.js';
import { checkAvailable, formatBytes } from '../memory.js';
import { foreignHint, type Header, type HeaderEntry, parseHeader } from './safetensors-header.js';

/** What a safetensors file holds. */
export interface Safetensors {
  /** Tensors by name, in the order of the file. They share one buffer where alignment allows. */
  readonly tensors: Map<string, AnyTensor>;
  /** Free text by key; checksums are not among it. */
  readonly metadata: Map<string, string>;
}

/** Options of {@link readSafetensors} and {@link decodeSafetensors}. */
export interface SafetensorsOptions {
  /** Compare the checksums that nodegrad writes, where there are any; default true. */
  readonly verify?: boolean;
  /** What error messages call the source; default: the path, or `bytes`. */
  readonly name?: string;
}

/** Larger headers are refused, before anything is allocated: 16 MiB describe some 200,000 tensors. */
export const MAX_HEADER_BYTES = 16 << 20;
const bytesPerTurn = 4 << 20;
const checksumKey = 'sha256';
const fileTypes: ReadonlyMap<string, DType> = new Map([
  ['F32', 'float32'],
  ['F64', 'float64'],
  ['BF16', 'bfloat16'],
  ['I32', 'int32'],
  ['U8', 'uint8'],
]);
/** Read as int32 where every number fits: PyTorch counts batches in 64 bits. */
const wideIntegers = 'I64';
const typeNames = new Map([...fileTypes].map(([name, dtype]) => [dtype, name]));

/**
 * The bytes of a safetensors file. Wider element types come first, then names in order, as in the reference implementation, so that every
 * tensor is aligned and the same tensors give the same bytes. For each tensor the metadata gets `sha256:<name>`, SHA-256 of its header
 * entry and bytes (the first 16 hexadecimal digits), and `sha256` the same of all other metadata.
 *
 * @param tensors - By name; any dtype.
 * @param metadata - Free text by key.
 * @returns a copy: later changes of the tensors do not show in it
 * @throws {ArgumentError} for names that a reader could not keep apart or would refuse
 * @example
 * ```ts
 * import { encodeSafetensors, tensor } from 'nodegrad';
 * const bytes = encodeSafetensors(new Map([['w', tensor([1, 2, 3])]]), new Map([['note', 'three numbers']]));
 * ```
 */
export function encodeSafetensors(tensors: ReadonlyMap<string, AnyTensor>, metadata: ReadonlyMap<string, string> = new Map()): Uint8Array {
  const pieces = atOnce(encodePieces(tensors, metadata));
  const file = allocateBytes(
    pieces.reduce((sum, piece) => sum + piece.length, 0),
    'the bytes of these tensors',
  );
  let at = 0;
  for (const piece of pieces) {
    file.set(piece, at);
    at += piece.length;
  }
  return file;
}

/**
 * What {@link encodeSafetensors} gives, in pieces that follow each other in the file and hold the tensors' own memory, which must not change
 * until they are written. The event loop gets a turn after every few megabytes of checksums.
 */
export async function encodeInTurns(tensors: ReadonlyMap<string, AnyTensor>, metadata: ReadonlyMap<string, string>): Promise<Uint8Array[]> {
  const work = encodePieces(tensors, metadata);
  for (let bytes = 0; ; ) {
    const turn = work.next();
    if (turn.done) return turn.value;
    bytes += turn.value;
    if (bytes < bytesPerTurn) continue;
    bytes = 0;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** The pieces of a file; yields the number of bytes that it has worked on since the last time. */
function* encodePieces(tensors: ReadonlyMap<string, AnyTensor>, metadata: ReadonlyMap<string, string>): Generator<number, Uint8Array[]> {
  if (!isMap(tensors)) throw new ArgumentError(expected('a Map of tensors by name', 'tensors', tensors));
  if (!isMap(metadata)) throw new ArgumentError(expected('a Map of texts by key', 'metadata', metadata));
  const names = [...tensors.keys()];
  for (const name of names) {
    checkName(name, 'tensors');
    Tensor.check(tensors.get(name), `tensors['${name}']`);
  }
  const width = (name: string): number => bytesOf((tensors.get(name) as AnyTensor).dtype);
  names.sort((a, b) => width(b) - width(a) || (a < b ? -1 : 1));
  const texts = new Map<string, string>();
  for (const [key, text] of metadata) {
    checkName(key, 'metadata');
    if (isChecksumKey(key)) throw new ArgumentError(`the metadata key '${key}' is kept for checksums`);
    if (typeof text !== 'string' || !isWellFormed(text)) throw new ArgumentError(expected('well-formed text', `metadata['${key}']`, text));
    texts.set(key, text);
  }
  const entries: string[] = [];
  const contents: Uint8Array[] = [];
  let end = 0;
  for (const name of names) {
    const { data, dtype, shape, size } = tensors.get(name) as AnyTensor;
    if (data.length !== size)
      throw new ArgumentError(`tensor ${describe(name)} has lost its memory: its ArrayBuffer was transferred or resized`);
    const content = littleEndian(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), dtype);
    const entry = { dtype: typeNames.get(dtype) as string, shape, data_offsets: [end, end + content.length] };
    end += content.length;
    contents.push(content);
    entries.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
    texts.set(`${checksumKey}:${name}`, yield* checksumInTurns(describeEntry(name, entry.dtype, shape), content));
  }
  texts.set(checksumKey, checksumOfTexts(texts));
  const pairs = [...texts].map(([key, text]) => `${JSON.stringify(key)}:${JSON.stringify(text)}`);
  const json = Buffer.from(`{"__metadata__":{${pairs.join(',')}}${entries.map((entry) => `,${entry}`).join('')}}`);
  const headerLength = Math.ceil(json.length / 8) * 8;
  if (headerLength > MAX_HEADER_BYTES) throw new ArgumentError(`names and metadata need ${headerLength} bytes, more than ${MAX_HEADER_BYTES}`);
  const header = new Uint8Array(8 + headerLength).fill(0x20, 8 + json.length);
  new DataView(header.buffer).setBigUint64(0, BigInt(headerLength), true);
  header.set(json, 8);
  return [header, ...contents];
}

/**
 * Reads the bytes of a safetensors file: F32, F64, BF16, I32 and U8. Everything that the header says is checked before a tensor is made: names
 * are unique, offsets follow each other from 0 to the end without a hole or an overlap, sizes agree with shapes and types.
 *
 * @throws {FileFormatError} if the bytes are not a complete safetensors file, or a checksum differs; the message names the byte or tensor
 * @example
 * ```ts
 * import { decodeSafetensors, encodeSafetensors, tensor } from 'nodegrad';
 * const { tensors } = decodeSafetensors(encodeSafetensors(new Map([['w', tensor([1, 2])]])));
 * tensors.get('w')?.toArray(); // [1, 2]
 * ```
 */
export function decodeSafetensors(bytes: Uint8Array, options: SafetensorsOptions = {}): Safetensors {
  const { verify, name } = checkReadOptions(options, 'bytes');
  if (!isUint8Array(bytes)) throw new ArgumentError(expected('a Uint8Array', 'bytes', bytes));
  const headerEnd = 8 + headerLengthOf(bytes.subarray(0, 8), bytes.length, name);
  const header = readHeader(bytes.subarray(8, headerEnd), bytes.length - headerEnd, name);
  // A copy: the caller's bytes stay the caller's, and the data starts at an aligned address.
  const data = allocateBytes(bytes.length - headerEnd, name);
  data.set(bytes.subarray(headerEnd));
  return decode(header, data, name, verify);
}

/**
 * Reads a safetensors file, see {@link decodeSafetensors}.
 *
 * @throws {FileFormatError} if it is not a complete safetensors file, or a checksum differs
 * @throws {ArgumentError} if it cannot be read
 * @example
 * ```ts
 * import { readSafetensors } from 'nodegrad';
 * const { tensors, metadata } = await readSafetensors('model.safetensors');
 * ```
 */
export async function readSafetensors(path: string, options: SafetensorsOptions = {}): Promise<Safetensors> {
  const { verify, name } = checkReadOptions(options, checkPath(path));
  try {
    const status = await stat(path); // before opening: a pipe would wait for ever, /dev/zero would never end
    if (!status.isFile()) throw notRegular('the path of a file that can be read', 'path', path, status);
    const file = await open(path, 'r');
    try {
      const read = async (start: number, end: number): Promise<Uint8Array> => {
        const part = allocateBytes(end - start, name);
        for (let at = 0; at < part.length; ) {
          const { bytesRead } = await file.read(part, at, Math.min(part.length - at, 0x4000_0000), start + at);
          if (bytesRead === 0) throw new FileFormatError(`${name}: the file became shorter while it was read`);
          at += bytesRead;
        }
        return part;
      };
      const headerLength = headerLengthOf(await read(0, Math.min(8, status.size)), status.size, name);
      // A header that does not fit the size of the file is found before that size is taken.
      const header = readHeader(await read(8, 8 + headerLength), status.size - 8 - headerLength, name);
      return decode(header, await read(8 + headerLength, status.size), name, verify);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof NodegradError) throw error;
    throw refusal('a readable file', path, error);
  }
}

/**
 * Writes a safetensors file: it appears under its name complete, or not at all. See {@link encodeSafetensors}.
 *
 * @throws {ArgumentError} if it cannot be written
 * @example
 * ```ts
 * import { tensor, writeSafetensors } from 'nodegrad';
 * await writeSafetensors('weights.safetensors', new Map([['w', tensor([1, 2, 3])]]));
 * ```
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, AnyTensor>,
  metadata?: ReadonlyMap<string, string>,
): Promise<void> {
  checkPath(path);
  await writeFileAtomic(path, [encodeSafetensors(tensors, metadata)]);
}

function allocateBytes(length: number, name: string): Uint8Array<ArrayBuffer> {
  checkAvailable(length, name);
  try {
    return new Uint8Array(length);
  } catch (error) {
    throw new ArgumentError(`no memory for ${name}: ${formatBytes(length)} are needed`, { cause: error });
  }
}

function checkReadOptions(options: unknown, defaultName: string): { verify: boolean; name: string } {
  const { verify = true, name = defaultName } = checkOptions<SafetensorsOptions>(options, 'options', ['verify', 'name']);
  if (typeof verify !== 'boolean') throw new ArgumentError(expected('true or false', 'options.verify', verify));
  if (typeof name !== 'string') throw new ArgumentError(expected('a string', 'options.name', name));
  return { verify, name };
}

/** A name must survive JSON in every language, and must not be one that objects treat specially. */
function checkName(name: unknown, argument: string): void {
  if (typeof name !== 'string' || !isWellFormed(name) || Buffer.byteLength(name) > 1024) {
    throw new ArgumentError(expected('well-formed names of at most 1024 bytes', argument, name));
  }
  if (name === '__proto__' || name === '__metadata__') throw new ArgumentError(`the name '${name}' cannot be used in \`${argument}\``);
}

const isChecksumKey = (key: string): boolean => key === checksumKey || key.startsWith(`${checksumKey}:`);
const isWellFormed = (text: string): boolean => !/\p{Surrogate}/u.test(text);

/** Length of the header, which must fit into what is there. */
function headerLengthOf(prefix: Uint8Array, size: number, name: string): number {
  if (prefix.length < 8)
    throw new FileFormatError(`${name}: ${size} bytes are too few for a safetensors file (its first 8 hold the header's length)`);
  const length = new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw new FileFormatError(
      `${name}: not a safetensors file: a header of ${length} bytes is declared at byte 0, at most ${MAX_HEADER_BYTES} are allowed${foreignHint(prefix)}`,
    );
  }
  if (Number(length) > size - 8) {
    throw new FileFormatError(
      `${name}: the file ends at byte ${size}, inside its header of ${length} bytes: it is cut off, or not a safetensors file`,
    );
  }
  return Number(length);
}

/** A header that agrees with itself and with the number of bytes behind it. */
interface CheckedHeader extends Header {
  readonly kinds: readonly DType[];
}

function readHeader(bytes: Uint8Array, size: number, name: string): CheckedHeader {
  const header = parseHeader(bytes, name);
  return { ...header, kinds: checkLayout(header.entries, size, name) };
}

function decode({ entries, metadata, kinds }: CheckedHeader, data: Uint8Array, name: string, verify: boolean): Safetensors {
  if (verify) verifyChecksums(entries, metadata, data, name);
  const tensors = new Map<string, AnyTensor>();
  for (const [i, entry] of entries.entries()) {
    const { begin, end } = entry;
    const values = entry.dtype === wideIntegers ? narrow(data.subarray(begin, end), entry.name, name) : view(data, begin, end, kinds[i]);
    tensors.set(entry.name, tensorOf(values, entry.shape, kinds[i]));
  }
  for (const key of [...metadata.keys()]) if (isChecksumKey(key)) metadata.delete(key);
  return { tensors, metadata };
}

const tensorOf = (values: TypedArrayOf<DType>, shape: readonly number[], kind: DType): AnyTensor =>
  kind === 'bfloat16' ? Tensor.from(values as Uint16Array, shape, { dtype: kind }) : (Tensor.from(values as Int32Array, shape) as AnyTensor);

/** Element types of all entries, after checking that they cover the data exactly once. */
function checkLayout(entries: readonly HeaderEntry[], size: number, name: string): DType[] {
  const kinds = entries.map(({ name: tensor, dtype, shape, begin, end }) => {
    const kind = dtype === wideIntegers ? 'int32' : fileTypes.get(dtype);
    if (kind === undefined) {
      throw new FileFormatError(
        `${name}: tensor ${describe(tensor)} has element type ${describe(dtype)}; nodegrad reads ${[...fileTypes.keys(), wideIntegers].join(', ')}`,
      );
    }
    let bytes = dtype === wideIntegers ? 8 : bytesOf(kind);
    for (const dimension of shape) bytes *= dimension;
    // Products of 0 and numbers up to 2^53 are exact; beyond 2^53 they cannot be equal to a length that is there.
    if (shape.length > 8 || !Number.isSafeInteger(bytes) || bytes !== end - begin) {
      const needs = shape.length > 8 ? 'more than 8 dimensions' : `${bytes} bytes`;
      throw new FileFormatError(
        `${name}: tensor ${describe(tensor)}, ${dtype} ${describeShape(shape)}, needs ${needs}, its offsets are [${begin}, ${end}]`,
      );
    }
    return kind;
  });
  let at = 0;
  for (const { name: tensor, begin, end } of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== at) {
      const problem = begin > at ? `leaves a hole of ${begin - at} bytes` : `overlaps ${at - begin} bytes`;
      throw new FileFormatError(`${name}: tensor ${describe(tensor)} ${problem} before byte ${Math.max(begin, at)} of the data`);
    }
    at = end;
  }
  if (at !== size) {
    const problem = at > size ? 'the file is cut off' : 'there are trailing bytes';
    throw new FileFormatError(`${name}: ${problem}: the tensors take ${at} bytes, the file has ${size} after its header`);
  }
  return kinds;
}

function verifyChecksums(entries: readonly HeaderEntry[], metadata: ReadonlyMap<string, string>, data: Uint8Array, name: string): void {
  const advice = 'It is damaged, or was changed by a tool that kept the old checksums: `verify: false` reads it all the same';
  if (![...metadata.keys()].some(isChecksumKey)) return;
  if (metadata.get(checksumKey) !== checksumOfTexts(metadata))
    throw new FileFormatError(`${name}: the checksum of the header differs. ${advice}`);
  for (const { name: tensor, dtype, shape, begin, end } of entries) {
    if (metadata.get(`${checksumKey}:${tensor}`) !== checksum(describeEntry(tensor, dtype, shape), data.subarray(begin, end))) {
      throw new FileFormatError(`${name}: the checksum of tensor ${describe(tensor)} differs. ${advice}`);
    }
  }
}

const describeEntry = (name: string, dtype: string, shape: readonly number[]): string => JSON.stringify([name, dtype, shape]);

const checksum = (text: string, content: Uint8Array): string => atOnce(checksumInTurns(text, content));

function* checksumInTurns(text: string, content: Uint8Array): Generator<number, string> {
  const hash = createHash('sha256').update(text).update('\n');
  for (let at = 0; at < content.length; at += bytesPerTurn) {
    const part = content.subarray(at, at + bytesPerTurn);
    hash.update(part);
    yield part.length;
  }
  return hash.digest('hex').slice(0, 16);
}

function atOnce<R>(work: Generator<number, R>): R {
  for (;;) {
    const turn = work.next();
    if (turn.done) return turn.value;
  }
}

/** Of all metadata but this checksum itself, the tensors' checksums included. */
function checksumOfTexts(texts: ReadonlyMap<string, string>): string {
  const pairs = [...texts].filter(([key]) => key !== checksumKey).sort(([a], [b]) => (a < b ? -1 : 1));
  return checksum(JSON.stringify(pairs), new Uint8Array(0));
}

/** Integers of 64 bits as int32. */
function narrow(bytes: Uint8Array, tensor: string, name: string): Int32Array {
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Int32Array.from({ length: bytes.length / 8 }, (_, i) => {
    const value = words.getBigInt64(8 * i, true);
    if (value !== BigInt.asIntN(32, value)) {
      throw new FileFormatError(`${name}: tensor ${describe(tensor)} holds ${value}: integers of 64 bits are read where they fit into 32`);
    }
    return Number(value);
  });
}

/** A typed array on the data where its address allows it, else on a copy. */
function view<D extends DType>(data: Uint8Array, begin: number, end: number, dtype: D): TypedArrayOf<D> {
  const ArrayType = arrayTypes[dtype];
  const width = bytesOf(dtype);
  const aligned = (data.byteOffset + begin) % width === 0 && endianness() === 'LE';
  const bytes = aligned ? data.subarray(begin, end) : littleEndian(new Uint8Array(data.subarray(begin, end)), dtype);
  return new ArrayType(bytes.buffer as ArrayBuffer, bytes.byteOffset, (end - begin) / width) as TypedArrayOf<D>;
}

/** The bytes in the file's order; a copy where the machine's order is another. */
function littleEndian(bytes: Uint8Array, dtype: DType): Uint8Array {
  if (endianness() === 'LE' || dtype === 'uint8') return bytes;
  const swapped = Buffer.from(bytes);
  return bytesOf(dtype) === 8 ? swapped.swap64() : bytesOf(dtype) === 2 ? swapped.swap16() : swapped.swap32();
}
