// Reads a file whole, after a look at its kind and size.
import { readFile, stat } from 'node:fs/promises';
import { ArgumentError, FileFormatError, NodegradError } from '../errors.js';
import { checkAvailable, formatBytes } from '../memory.js';
import { notRegular, systemReason } from './atomic.js';
import { withFile } from './byte-source.js';
import type { FileBar } from './file-bar.js';

/**
 * The bytes of a file; with a `bar`, of one that may be large.
 *
 * @throws {FileFormatError} if it has more than `most` bytes
 * @throws {ArgumentError} if it cannot be read
 */
export async function readWhole(path: string, most: number, bar?: FileBar): Promise<Uint8Array> {
  try {
    const status = await stat(path); // before opening: a pipe would wait for ever
    if (!status.isFile()) throw notRegular('the path of a file that can be read', 'path', path, status);
    if (status.size > most) throw new FileFormatError(`${path}: has ${formatBytes(status.size)}, at most ${formatBytes(most)} were expected`);
    checkAvailable(status.size, path);
    return bar === undefined ? await readFile(path) : await withFile(path, path, ({ size, read }) => read(0, size), bar);
  } catch (error) {
    if (error instanceof NodegradError) throw error;
    throw new ArgumentError(`${path} cannot be read: ${systemReason(error)}`, { cause: error });
  }
}
