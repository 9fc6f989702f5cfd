// Tar archives, plain or gzip, read as a stream without trusting them: regular files only, nothing is ever written to a disk.
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { checkInteger, checkOptions, FileFormatError } from '../errors.js';
import { checkPath, refusal } from './atomic.js';

/** A regular file of an archive. */
export interface TarEntry {
  /** Its path: parts with `/` between, none of them empty, `.` or `..`. */
  readonly path: string;
  /** Its content, which belongs to the caller. */
  readonly data: Uint8Array;
}

/** Options of {@link readTar}. */
export interface TarOptions {
  /** Largest file in bytes; default 256 MiB. */
  readonly maxEntryBytes?: number;
}

const block = 512;
const longestName = 1 << 16;

/**
 * The regular files of a tar archive, one after the other: only the one in hand is in memory. Folders, links and devices are passed
 * over. Understands ustar, GNU long names and pax paths.
 *
 * @throws {FileFormatError} if the archive is damaged or cut off, a file is too large, or a path is absolute or leads out of the archive
 * @throws {ArgumentError} if the file cannot be read
 */
export async function* readTar(path: string, options: TarOptions = {}): AsyncGenerator<TarEntry, void, undefined> {
  checkPath(path);
  const { maxEntryBytes = 256 << 20 } = checkOptions<TarOptions>(options, 'options', ['maxEntryBytes']);
  checkInteger(maxEntryBytes, 'options.maxEntryBytes', 0, 0x7fffffff);
  const source = new Source(await openArchive(path), path);
  try {
    let longName: string | null = null;
    while (true) {
      const at = source.at;
      const bytes = await source.take(block, true);
      if (bytes === null) {
        if (longName !== null) throw new FileFormatError(`${path}: the archive ends behind a long name, at byte ${at}`);
        return;
      }
      if (bytes.every((byte) => byte === 0)) return;
      const header = readHeader(bytes, path, at);
      if (header.type === 'L' || header.type === 'x') {
        if (header.size > longestName) throw new FileFormatError(`${path}: a name of ${header.size} bytes at byte ${at}`);
        const text = Buffer.from((await source.takePadded(header.size)) as Uint8Array);
        longName = header.type === 'L' ? cString(text) : (paxPath(text) ?? longName);
      } else if (header.type === '0') {
        if (header.size > maxEntryBytes)
          throw new FileFormatError(`${path}: a file of ${header.size} bytes at byte ${at}, more than ${maxEntryBytes}`);
        const entryPath = checkEntryPath(longName ?? header.name, path, at);
        longName = null;
        yield { path: entryPath, data: await source.takePadded(header.size) };
      } else {
        await source.skipPadded(header.size);
        if (header.type !== 'g') longName = null;
      }
    }
  } finally {
    source.close();
  }
}

async function openArchive(path: string): Promise<Readable> {
  try {
    const file = await open(path, 'r');
    try {
      if (!(await file.stat()).isFile()) throw new Error('not a regular file');
      const magic = new Uint8Array(2);
      await file.read(magic, 0, 2, 0);
      const stream = createReadStream(path, { highWaterMark: 1 << 18 });
      if (magic[0] !== 0x1f || magic[1] !== 0x8b) return stream;
      return pipeline(stream, createGunzip({ chunkSize: 1 << 18 }), () => {}); // an error shows where the stream is read
    } finally {
      await file.close();
    }
  } catch (error) {
    throw refusal('a readable archive', path, error);
  }
}

/** Bytes in pieces of the size that is asked for. */
class Source {
  /** Bytes taken so far. */
  at = 0;
  readonly #pieces: AsyncIterator<Uint8Array>;
  readonly #stream: Readable;
  readonly #path: string;
  #piece: Uint8Array = new Uint8Array(0);

  constructor(stream: Readable, path: string) {
    this.#stream = stream;
    this.#path = path;
    this.#pieces = stream[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  }

  /** The next piece of what is there, at most `length` bytes; null at the end. */
  async #next(length: number): Promise<Uint8Array | null> {
    while (this.#piece.length === 0) {
      let next: IteratorResult<Uint8Array>;
      try {
        next = await this.#pieces.next();
      } catch (error) {
        throw new FileFormatError(`${this.#path}: not a complete gzip file, at byte ${this.at}: ${(error as Error).message}`, { cause: error });
      }
      if (next.done) return null;
      this.#piece = next.value;
    }
    const piece = this.#piece.subarray(0, length);
    this.#piece = this.#piece.subarray(piece.length);
    this.at += piece.length;
    return piece;
  }

  #cutOff(missing: number): FileFormatError {
    return new FileFormatError(`${this.#path}: the archive is cut off: ${missing} bytes are missing at byte ${this.at}`);
  }

  /** `length` bytes, copied; null where `mayEnd` and nothing is left. */
  async take(length: number, mayEnd = false): Promise<Uint8Array | null> {
    // What a header declares is allocated only as it comes.
    const parts: Uint8Array[] = [];
    let filled = 0;
    while (filled < length) {
      const piece = await this.#next(length - filled);
      if (piece === null) {
        if (mayEnd && filled === 0) return null;
        throw this.#cutOff(length - filled);
      }
      parts.push(piece);
      filled += piece.length;
    }
    return new Uint8Array(parts.length === 1 ? parts[0] : Buffer.concat(parts, length));
  }

  async takePadded(length: number): Promise<Uint8Array> {
    const bytes = (await this.take(length)) as Uint8Array;
    await this.#skip((block - (length % block)) % block);
    return bytes;
  }

  async skipPadded(length: number): Promise<void> {
    await this.#skip(Math.ceil(length / block) * block);
  }

  async #skip(length: number): Promise<void> {
    for (let left = length; left > 0; ) {
      const piece = await this.#next(left);
      if (piece === null) throw this.#cutOff(left);
      left -= piece.length;
    }
  }

  close(): void {
    this.#stream.destroy();
  }
}

interface Header {
  name: string;
  size: number;
  /** '0' for a regular file. */
  type: string;
}

function readHeader(bytes: Uint8Array, path: string, at: number): Header {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, block);
  let sum = 0;
  for (let i = 0; i < block; i++) sum += i >= 148 && i < 156 ? 32 : bytes[i];
  if (octal(text.subarray(148, 156)) !== sum) throw new FileFormatError(`${path}: not a tar header at byte ${at} (its checksum is wrong)`);
  const size = octal(text.subarray(124, 136));
  if (size === null) throw new FileFormatError(`${path}: no size in the tar header at byte ${at}`);
  const type = text.toString('latin1', 156, 157);
  const isUstar = text.toString('latin1', 257, 262) === 'ustar';
  const prefix = isUstar && text[262] === 0 ? cString(text.subarray(345, 500)) : '';
  const name = cString(text.subarray(0, 100));
  const isRegular = (type === '0' || type === '\0' || type === '7') && !name.endsWith('/');
  return { name: prefix === '' ? name : `${prefix}/${name}`, size, type: isRegular ? '0' : type };
}

function cString(text: Buffer): string {
  const end = text.indexOf(0);
  return text.toString('utf8', 0, end < 0 ? text.length : end);
}

function octal(field: Buffer): number | null {
  const digits = cString(field).trim();
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : null;
}

/** The path of a pax header, whose records are `<length> <key>=<value>\n`. */
function paxPath(text: Buffer): string | null {
  let path: string | null = null;
  for (let at = 0; at < text.length; ) {
    const space = text.indexOf(32, at);
    const length = space < 0 ? Number.NaN : Number(text.toString('latin1', at, space));
    if (!Number.isSafeInteger(length) || length <= space - at) break;
    const record = text.toString('utf8', space + 1, at + length - 1);
    if (record.startsWith('path=')) path = record.slice(5);
    at += length;
  }
  return path;
}

function checkEntryPath(name: string, path: string, at: number): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (name.startsWith('/') || name.includes('\\') || parts.includes('..') || parts.length === 0)
    throw new FileFormatError(`${path}: the path ${JSON.stringify(name.slice(0, 60))} at byte ${at} leads out of the archive`);
  return parts.join('/');
}
