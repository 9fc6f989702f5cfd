// Memory that a file or a data set is going to take, compared with what there is before it is taken.
import { ArgumentError } from '../errors.js';
import { checkAvailable } from '../native.js';

/** A number of bytes as people read it. */
export function formatBytes(bytes: number): string {
  const units = ['bytes', 'KB', 'MB', 'GB', 'TB'];
  const at = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(bytes, 1)) / 3));
  return at === 0 ? `${bytes} bytes` : `${(bytes / 10 ** (3 * at)).toFixed(1)} ${units[at]}`;
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
