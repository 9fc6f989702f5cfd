// Memory that a file or a data set is going to take, compared with what there is before it is taken.
import { readFile, stat } from 'node:fs/promises';
import { ArgumentError, FileFormatError, NodegradError } from '../errors.js';
import { checkAvailable } from '../native.js';
import { notRegular } from './atomic.js';

/** A number of bytes as people read it. */
export function formatBytes(bytes: number): string {
  let [value, unit] = [bytes, 'bytes'];
  for (const larger of ['KB', 'MB', 'GB', 'TB']) if (value >= 1000) [value, unit] = [value / 1000, larger];
  return unit === 'bytes' ? `${bytes} bytes` : `${value.toFixed(1)} ${unit}`;
}

/**
 * Compares what is wanted with what this process may take: a system that promises more than it has ends the process when the memory is used.
 *
 * @throws {ArgumentError} that says who wants how much, what there is, and what would help
 */
export function needMemory(bytes: number, who: string, help = ''): void {
  try {
    checkAvailable(bytes);
  } catch (error) {
    const way = help === '' ? '' : `. ${help}`;
    throw new ArgumentError(`no memory for ${who}: ${formatBytes(bytes)} are needed, ${(error as Error).message}${way}`, { cause: error });
  }
}

/**
 * The bytes of a file that is known to be small.
 *
 * @throws {FileFormatError} if it has more than `most` bytes
 * @throws {ArgumentError} if it cannot be read
 */
export async function readWhole(path: string, most: number): Promise<Uint8Array> {
  try {
    const status = await stat(path); // before opening: a pipe would wait for ever
    if (!status.isFile()) throw notRegular('the path of a file that can be read', 'path', path, status);
    if (status.size > most) throw new FileFormatError(`${path}: has ${formatBytes(status.size)}, at most ${formatBytes(most)} were expected`);
    needMemory(status.size, path);
    return await readFile(path);
  } catch (error) {
    if (error instanceof NodegradError) throw error;
    throw new ArgumentError(`${path} cannot be read: ${(error as NodeJS.ErrnoException).code}`, { cause: error });
  }
}
