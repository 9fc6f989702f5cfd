// Whether something can be written, asked before the work whose result it is for; and in which words the system's refusal is told.

import { accessSync, constants, lstatSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { ArgumentError, expected } from '../errors.js';

/**
 * What the system says of a folder that cannot be made or written, with the real cause: of a folder that is missing below a read-only one
 * systems say that it is missing.
 */
export function folderRefusal(what: string, argument: string, folder: string, error: unknown): ArgumentError {
  const { code, message } = error as NodeJS.ErrnoException;
  const there = nearest(folder);
  const cause = codeOf(() => accessSync(there, constants.W_OK)) ?? code ?? message;
  const where = there === resolve(folder) ? '' : ` about ${there}, the nearest folder that exists`;
  return new ArgumentError(expected(what, argument, folder, `The system says ${cause}${where}`), { cause: error });
}

/** The folder, or the one above it that exists. */
function nearest(folder: string): string {
  for (let path = resolve(folder); ; path = dirname(path)) {
    if (path === dirname(path) || codeOf(() => lstatSync(path)) === null) return path;
  }
}

function codeOf(body: () => unknown): string | null {
  try {
    body();
    return null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}
