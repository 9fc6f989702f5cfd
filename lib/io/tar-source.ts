// The bytes of an archive, plain or gzip, in pieces of the size that is asked for.
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { FileFormatError, NodegradError } from '../errors.js';
import { notRegular, refusal } from './atomic.js';
import { block } from './tar-header.js';

export async function openArchive(path: string): Promise<Readable> {
  try {
    const status = await stat(path); // before opening: a pipe would wait for ever
    if (!status.isFile()) throw notRegular('a readable archive', 'path', path, status);
    const file = await open(path, 'r');
    try {
      const magic = new Uint8Array(2);
      await file.read(magic, 0, 2, 0);
      const stream = createReadStream(path, { highWaterMark: 1 << 18 });
      if (magic[0] !== 0x1f || magic[1] !== 0x8b) return stream;
      return pipeline(stream, createGunzip({ chunkSize: 1 << 18 }), () => {}); // an error shows where the stream is read
    } finally {
      await file.close();
    }
  } catch (error) {
    throw error instanceof NodegradError ? error : refusal('a readable archive', path, error);
  }
}

/** Bytes in pieces of the size that is asked for. */
export class Source {
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
        const problem = (error as NodeJS.ErrnoException).code?.startsWith('Z_') ? 'not a complete gzip file' : 'cannot be read';
        throw new FileFormatError(`${this.#path}: ${problem}, at byte ${this.at}: ${(error as Error).message}`, { cause: error });
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
    await this.skip((block - (length % block)) % block);
    return bytes;
  }

  async skipPadded(length: number): Promise<void> {
    await this.skip(Math.ceil(length / block) * block);
  }

  async skip(length: number): Promise<void> {
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
