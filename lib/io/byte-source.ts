// Where the bytes of a file come from, piece by piece: a path, or bytes that are already here.

import { open, stat } from 'node:fs/promises';
import { ArgumentError, FileFormatError, NodegradError, expected } from '../errors.js';
import { isUint8Array } from '../foreign.js';
import { checkAvailable, formatBytes } from '../memory.js';
import { allocate } from '../native.js';
import { checkPath, notRegular, refusal } from './atomic.js';
import { type FileBar, bytesAtOnce } from './file-bar.js';

/** Bytes that can be read in pieces. */
export interface ByteSource {
  /** What messages call it. */
  readonly name: string;
  /** Number of bytes. */
  readonly size: number;
  /** The bytes from `start` up to `end`, which must be there: memory of their own, at an address that fits every element type. */
  read(start: number, end: number): Promise<Uint8Array>;
}

/**
 * Opens a path, or takes bytes, for as long as `use` runs.
 *
 * @throws {ArgumentError} for anything else, and a file that cannot be read; {FileFormatError} when it becomes shorter meanwhile
 */
export async function withSource<T>(
  source: string | Uint8Array,
  name: string | undefined,
  use: (bytes: ByteSource) => Promise<T>,
  bar?: FileBar,
): Promise<T> {
  if (isUint8Array(source)) {
    const called = name ?? 'bytes';
    return use({
      name: called,
      size: source.length,
      read: async (start, end) => {
        const part = allocateBytes(end - start, called);
        part.set(source.subarray(start, end));
        return part;
      },
    });
  }
  if (typeof source !== 'string') throw new ArgumentError(expected('a path or a Uint8Array', 'source', source));
  return withFile(checkPath(source, 'source'), name ?? source, use, bar);
}

/** Opens a file for as long as `use` runs; `bar` shows how much of it has been read. */
export async function withFile<T>(path: string, name: string, use: (bytes: ByteSource) => Promise<T>, bar?: FileBar): Promise<T> {
  try {
    const status = await stat(path); // before opening: a pipe would wait for ever, /dev/zero would never end
    if (!status.isFile()) throw notRegular('the path of a file that can be read', 'path', path, status);
    bar?.expect(status.size);
    const most = bar === undefined ? 0x4000_0000 : bytesAtOnce;
    const file = await open(path, 'r');
    try {
      return await use({
        name,
        size: status.size,
        read: async (start, end) => {
          const part = allocateBytes(end - start, name);
          for (let at = 0; at < part.length; ) {
            const { bytesRead } = await file.read(part, at, Math.min(part.length - at, most), start + at);
            if (bytesRead === 0) throw new FileFormatError(`${name}: the file became shorter while it was read`);
            at += bytesRead;
            bar?.advance(bytesRead);
          }
          return part;
        },
      });
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof NodegradError) throw error;
    throw refusal('a readable file', path, error);
  }
}

/** Bytes that are nobody else's, in place of a source that copies: what is read from them lies in their memory where the address allows it. */
export function ownSource(bytes: Uint8Array, name: string): ByteSource {
  return {
    name,
    size: bytes.length,
    read: async (start, end) => ((bytes.byteOffset + start) % 8 === 0 ? bytes.subarray(start, end) : bytes.slice(start, end)),
  };
}

/** Memory for a number of bytes of a file, all of which are going to be written. */
export function allocateBytes(length: number, name: string): Uint8Array {
  checkAvailable(length, name);
  try {
    // Not zeroed, in large pages: clearing pages one by one takes longer than reading a file from the cache into them.
    return allocate(length, 'uint8');
  } catch (error) {
    throw new ArgumentError(`no memory for ${name}: ${formatBytes(length)} are needed`, { cause: error });
  }
}
