// The safetensors format: 8 bytes with the length of a JSON header, the header, then the tensors' bytes. Read without trusting any of it.

import { basename } from 'node:path';
import { setImmediate } from 'node:timers';
import { isMap, isUint8Array } from '../foreign.js';
import { type DType, type FloatDType, floatDTypes, isReal } from '../dtype.js';
import { ArgumentError, checkChoice, checkFlag, checkOptions, describe, expected, FileFormatError } from '../errors.js';
import { withoutGradients } from '../ops/emit.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { checkPath, writeFileWithBar } from './atomic.js';
import { type ByteSource, allocateBytes, withFile } from './byte-source.js';
import { bytesInFile, decodeElements, dtypeInMemory, encodeFloat16, type FileType, littleEndian, swapWhereNeeded } from './elements.js';
import { checkAvailable } from '../memory.js';
import { type ProgressOption, streamOf } from '../progress.js';
import { FileBar } from './file-bar.js';
import { kindBytes, otherKind } from './file-kinds.js';
import { atOnce, checksumInTurns, checksumKeyOf, hasChecksums, isChecksumKey, seal, verifyChecksum } from './safetensors-checksums.js';
import { checkLayout, fileTypes, type Header, type HeaderEntry, parseHeader, typeNames } from './safetensors-header.js';
import { readShards } from './safetensors-shards.js';

/** What a safetensors file holds. */
export interface Safetensors {
  /** Tensors by name, in the order of the file, each with memory of its own. */
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
  /** Element type of all tensors that hold real numbers; default: that of the file, and float32 for F16. */
  readonly dtype?: FloatDType;
  /** Where progress of {@link readSafetensors} goes: a bar on a terminal, after a second; false for none. Default: standard error. */
  readonly progress?: ProgressOption;
}

/** Options of {@link writeSafetensors} and {@link encodeSafetensors}. */
export interface SafetensorsWriteOptions {
  /**
   * Element type in the file of all tensors that hold real numbers, rounded once, to nearest, ties to even; default: their own. Numbers
   * that `'float16'` does not reach (65520 and above) are an error.
   */
  readonly dtype?: FloatDType | 'bfloat16' | 'float16';
  /** Write int32 as I64, as PyTorch has class indices and counts; default false. */
  readonly wideIntegers?: boolean;
  /** Where progress of {@link writeSafetensors} goes: a bar on a terminal, after a second; false for none. Default: standard error. */
  readonly progress?: ProgressOption;
}

/** Larger headers are refused, before anything is allocated: 16 MiB describe some 200,000 tensors. */
export const MAX_HEADER_BYTES = 16 << 20;
const bytesPerTurn = 4 << 20;
/**
 * The bytes of a safetensors file. Wider element types come first, then names in order, as in the reference implementation, so that every
 * tensor is aligned and the same tensors give the same bytes. For each tensor the metadata gets `sha256:<name>`, SHA-256 of its header
 * entry and bytes (the first 16 hexadecimal digits), and `sha256` the same of all other metadata.
 *
 * @param tensors - By name; any dtype.
 * @param metadata - Free text by key.
 * @returns a copy: later changes of the tensors do not show in it
 * @throws {ArgumentError} for names that a reader could not keep apart or would refuse, and numbers that float16 does not reach
 * @example
 * ```ts
 * import { encodeSafetensors, tensor } from 'nodegrad';
 * const bytes = encodeSafetensors(new Map([['w', tensor([1, 2, 3])]]), new Map([['note', 'three numbers']]));
 * ```
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, AnyTensor>,
  metadata: ReadonlyMap<string, string> = new Map(),
  options: SafetensorsWriteOptions = {},
): Uint8Array {
  const pieces = atOnce(encodePieces(tensors, metadata, options));
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
  const work = encodePieces(tensors, metadata, {});
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
function* encodePieces(
  tensors: ReadonlyMap<string, AnyTensor>,
  metadata: ReadonlyMap<string, string>,
  options: SafetensorsWriteOptions,
): Generator<number, Uint8Array[]> {
  if (!isMap(tensors)) throw new ArgumentError(expected('a Map of tensors by name', 'tensors', tensors));
  if (!isMap(metadata)) throw new ArgumentError(expected('a Map of texts by key', 'metadata', metadata));
  const typeInFile = checkWriteOptions(options);
  const names = [...tensors.keys()];
  for (const name of names) {
    checkName(name, 'tensors');
    Tensor.check(tensors.get(name), `tensors['${name}']`);
  }
  const typeOf = (name: string): FileType => typeInFile((tensors.get(name) as AnyTensor).dtype);
  names.sort((a, b) => bytesInFile(typeOf(b)) - bytesInFile(typeOf(a)) || (a < b ? -1 : 1));
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
    const value = tensors.get(name) as AnyTensor;
    const type = typeOf(name);
    const content = contentOf(name, value, type);
    const entry = { dtype: typeNames.get(type) as string, shape: value.shape, data_offsets: [end, end + content.length] };
    end += content.length;
    contents.push(content);
    entries.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
    texts.set(checksumKeyOf(name), yield* checksumInTurns({ name, ...entry }, content));
  }
  seal(texts);
  const pairs = [...texts].map(([key, text]) => `${JSON.stringify(key)}:${JSON.stringify(text)}`);
  const json = Buffer.from(`{"__metadata__":{${pairs.join(',')}}${entries.map((entry) => `,${entry}`).join('')}}`);
  const headerLength = Math.ceil(json.length / 8) * 8;
  if (headerLength > MAX_HEADER_BYTES) throw new ArgumentError(`names and metadata need ${headerLength} bytes, more than ${MAX_HEADER_BYTES}`);
  const header = new Uint8Array(8 + headerLength).fill(0x20, 8 + json.length);
  new DataView(header.buffer).setBigUint64(0, BigInt(headerLength), true);
  header.set(json, 8);
  return [header, ...contents];
}

/** Checks the options; which element type in the file one of ours gets. */
function checkWriteOptions(options: SafetensorsWriteOptions): (dtype: DType) => FileType {
  const { dtype, wideIntegers = false } = checkOptions<SafetensorsWriteOptions>(options, 'options', ['dtype', 'wideIntegers', 'progress']);
  streamOf(options.progress);
  const real = dtype === undefined ? undefined : checkChoice(dtype, 'options.dtype', ['float32', 'float64', 'bfloat16', 'float16']);
  const integer = checkFlag(wideIntegers, 'options.wideIntegers') ? 'int64' : 'int32';
  return (own) => (isReal(own) ? (real ?? own) : own === 'int32' ? integer : own);
}

/** The bytes of a tensor in the file; its own memory where nothing has to be converted. */
function contentOf(name: string, value: AnyTensor, type: FileType): Uint8Array {
  const { data, size } = value;
  if (data.length !== size) throw new ArgumentError(`tensor ${describe(name)} has lost its memory: its ArrayBuffer was transferred or resized`);
  const refuse = (number: number): never => {
    throw new ArgumentError(
      `tensor ${describe(name)} holds ${number}, and the largest number of float16 is 65504: dtype 'bfloat16' reaches as far as float32`,
    );
  };
  const converted =
    type === 'float16'
      ? encodeFloat16((value.dtype === 'bfloat16' ? withoutGradients(() => value.to('float32')) : value).data, refuse)
      : type === 'int64'
        ? BigInt64Array.from(data as Int32Array, BigInt)
        : withoutGradients(() => value.to(type as DType)).data;
  return littleEndian(new Uint8Array(converted.buffer, converted.byteOffset, converted.byteLength), bytesInFile(type));
}

/**
 * Reads the bytes of a safetensors file. F32, F64, BF16, I32 and U8 stay what they are, F16 becomes float32, BOOL uint8, and I8, I16, U16, U32, I64
 * and U64 become int32 where every number fits: all of it exactly. Everything that the header says is checked before a tensor is made: names
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
  const given = checkReadOptions(options, 'bytes');
  if (!isUint8Array(bytes)) throw new ArgumentError(expected('a Uint8Array', 'bytes', bytes));
  const headerEnd = 8 + headerLengthOf(bytes.subarray(0, kindBytes), bytes.length, given.name);
  const file = new SafetensorsFile(bytes.subarray(8, headerEnd), bytes.length - headerEnd, given);
  for (const entry of file.entries) {
    // A copy: the caller's bytes stay the caller's, and the elements start at an aligned address.
    const content = allocateBytes(entry.end - entry.begin, given.name);
    content.set(bytes.subarray(headerEnd + entry.begin, headerEnd + entry.end));
    file.take(entry, content);
  }
  return file.contents;
}

/**
 * Reads a safetensors file, see {@link decodeSafetensors}, or a model in several: of an index as Hugging Face writes it
 * (`model.safetensors.index.json`), all files beside it that it names.
 *
 * @throws {FileFormatError} if it is not a complete safetensors file, a checksum differs, or a file lacks a tensor that the index puts into it
 * @throws {ArgumentError} if it cannot be read
 * @example
 * ```ts
 * import { readSafetensors } from 'nodegrad';
 * const { tensors, metadata } = await readSafetensors('model.safetensors');
 * ```
 */
export async function readSafetensors(path: string, options: SafetensorsOptions = {}): Promise<Safetensors> {
  const given = checkReadOptions(options, checkPath(path));
  if (/\.json$/i.test(path)) return readShards(path, given.name, (shard, name) => readFile(shard, { ...given, name }));
  return readFile(path, given);
}

async function readFile(path: string, given: ReadOptions): Promise<Safetensors> {
  const bar = new FileBar(given.progress, 'reading', path);
  const contents = async ({ name, size, read }: ByteSource): Promise<Safetensors> => {
    const headerLength = headerLengthOf(await read(0, Math.min(kindBytes, size)), size, name);
    const start = 8 + headerLength;
    // A header that does not fit the size of the file is found before that size is taken.
    const file = new SafetensorsFile(await read(8, start), size - start, given);
    // One after the other: of what is converted, only one tensor is in memory twice.
    for (const entry of file.entries) file.take(entry, await read(start + entry.begin, start + entry.end));
    return file.contents;
  };
  return withFile(path, given.name, contents, bar).finally(() => bar.end());
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
  options: SafetensorsWriteOptions = {},
): Promise<void> {
  checkPath(path);
  await writeFileWithBar(path, encodeSafetensors(tensors, metadata, options), options.progress);
}

/** Options as they are in force. */
interface ReadOptions {
  readonly verify: boolean;
  readonly name: string;
  readonly dtype: FloatDType | undefined;
  readonly progress: ProgressOption | undefined;
}

function checkReadOptions(options: unknown, defaultName: string): ReadOptions {
  const known = ['verify', 'name', 'dtype', 'progress'];
  const { verify = true, name = defaultName, dtype, progress } = checkOptions<SafetensorsOptions>(options, 'options', known);
  streamOf(progress);
  checkFlag(verify, 'options.verify');
  if (typeof name !== 'string') throw new ArgumentError(expected('a string', 'options.name', name));
  return { verify, name, dtype: dtype === undefined ? undefined : checkChoice(dtype, 'options.dtype', floatDTypes), progress };
}

/** A name must survive JSON in every language, and must not be one that objects treat specially. */
function checkName(name: unknown, argument: string): void {
  if (typeof name !== 'string' || !isWellFormed(name) || Buffer.byteLength(name) > 1024) {
    throw new ArgumentError(expected('well-formed names of at most 1024 bytes', argument, name));
  }
  if (name === '__proto__' || name === '__metadata__') throw new ArgumentError(`the name '${name}' cannot be used in \`${argument}\``);
}

const isWellFormed = (text: string): boolean => !/\p{Surrogate}/u.test(text);

/** Length of the header, which must fit into what is there. */
function headerLengthOf(prefix: Uint8Array, size: number, name: string): number {
  const hint = otherKind(prefix, 'safetensors', 'model').replaceAll("'a.pth'", `'${basename(name)}'`);
  if (prefix.length >= 8 && hint !== '') throw new FileFormatError(`${name}: not a safetensors file${hint}`);
  if (prefix.length < 8)
    throw new FileFormatError(`${name}: ${size} bytes are too few for a safetensors file (its first 8 hold the header's length)${hint}`);
  const length = new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw new FileFormatError(
      `${name}: not a safetensors file: a header of ${length} bytes is declared at byte 0, at most ${MAX_HEADER_BYTES} are allowed`,
    );
  }
  if (Number(length) > size - 8) {
    throw new FileFormatError(
      `${name}: the file ends at byte ${size}, inside its header of ${length} bytes: it is cut off, or not a safetensors file`,
    );
  }
  return Number(length);
}

/** A file whose header agrees with itself and with the number of bytes behind it: takes in its tensors, one after the other. */
class SafetensorsFile {
  readonly contents: Safetensors;
  readonly entries: readonly HeaderEntry[];
  readonly #checksums: ReadonlyMap<string, string> | null;
  readonly #options: ReadOptions;

  constructor(header: Uint8Array, size: number, options: ReadOptions) {
    const { name, verify } = options;
    const { entries, metadata }: Header = parseHeader(header, name);
    checkLayout(entries, size, name);
    this.entries = entries;
    this.#options = options;
    this.#checksums = verify && hasChecksums(metadata, name) ? metadata : null;
    this.contents = { tensors: new Map(), metadata: new Map([...metadata].filter(([key]) => !isChecksumKey(key))) };
    checkAvailable(size, name);
  }

  /** Takes in the tensor of an entry; `content` is its own, and aligned. */
  take(entry: HeaderEntry, content: Uint8Array): void {
    const { name: file, dtype } = this.#options;
    if (this.#checksums !== null) verifyChecksum(entry, content, this.#checksums, file);
    const type = fileTypes.get(entry.dtype) as FileType;
    const kind = dtypeInMemory(type);
    const values = decodeElements(type, swapWhereNeeded(content, bytesInFile(type)), (value) => {
      throw new FileFormatError(
        `${file}: tensor ${describe(entry.name)} holds ${value}: integers of more than 32 bits are read where they fit into int32`,
      );
    });
    const read = Tensor.from(values as Uint16Array, entry.shape, { dtype: kind as 'bfloat16' }) as AnyTensor;
    this.contents.tensors.set(entry.name, dtype !== undefined && isReal(kind) ? read.to(dtype) : read);
  }
}
