// Writes a file so that its name holds the old content or the new, never a part: temporary file, fsync, rename, fsync of the folder.

import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, realpath, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ArgumentError, describe, expected } from '../errors.js';

/** The system calls of a save, in one table, so that a test can let each of them fail in turn. */
export interface FileCalls {
  mkdir(folder: string): Promise<unknown>;
  realpath(path: string): Promise<string>;
  open(path: string, flags: string): Promise<FileHandle>;
  write(file: FileHandle, bytes: Uint8Array): Promise<number>;
  sync(file: FileHandle): Promise<void>;
  close(file: FileHandle): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
}

const system: FileCalls = {
  mkdir: (folder) => mkdir(folder, { recursive: true }),
  realpath,
  open,
  write: async (file, bytes) => (await file.write(bytes, 0, bytes.length)).bytesWritten,
  sync: (file) => file.sync(),
  close: (file) => file.close(),
  rename,
  unlink,
};

/**
 * Puts `pieces`, one after the other, under `path`, which holds its former content until everything is on the disk. The folder is made
 * when it is missing; a symbolic link stays one. A failed fsync is final: the pages may be marked clean with their content lost, so the
 * temporary file goes and the save has failed.
 *
 * @throws {ArgumentError} when the system refuses; the message has its code, and `path` holds its former content or all of the new
 */
export async function writeFileAtomic(path: string, pieces: readonly Uint8Array[], calls: FileCalls = system): Promise<void> {
  checkPath(path);
  let temporary = '';
  try {
    const target = await resolveTarget(path, calls);
    const folder = dirname(target);
    await calls.mkdir(folder);
    temporary = join(folder, `.${basename(target)}.${randomUUID()}.tmp`);
    await writeNew(temporary, pieces, calls);
    await calls.rename(temporary, target);
    temporary = '';
    await syncFolder(folder, calls);
  } catch (error) {
    if (temporary !== '') await calls.unlink(temporary).catch(() => {});
    throw refusal('a file that can be written', path, error);
  }
}

/** Checks what should be a path. */
export function checkPath(path: unknown, argument = 'path', what = 'the path of a file'): string {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) throw new ArgumentError(expected(what, argument, path));
  return path;
}

/** A system's refusal in the grammar of our errors. */
export function refusal(what: string, path: string, error: unknown): ArgumentError {
  const { code, message } = error as NodeJS.ErrnoException;
  return new ArgumentError(expected(what, 'path', path, `The system says ${code ?? message ?? describe(error)}`), { cause: error });
}

async function resolveTarget(path: string, calls: FileCalls): Promise<string> {
  try {
    return await calls.realpath(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return path;
    throw error;
  }
}

async function writeNew(path: string, pieces: readonly Uint8Array[], calls: FileCalls): Promise<void> {
  const file = await calls.open(path, 'wx');
  try {
    for (const piece of pieces) {
      // A write may be short: near a full disk, on network file systems, and above 2 GiB.
      for (let at = 0; at < piece.length; ) {
        const written = await calls.write(file, piece.subarray(at, at + 0x4000_0000));
        if (written <= 0) throw new Error('nothing was written');
        at += written;
      }
    }
    await calls.sync(file);
  } catch (error) {
    await calls.close(file).catch(() => {});
    throw error;
  }
  await calls.close(file);
}

/** Makes the rename itself survive a power cut. Windows cannot open folders; there it is done without. */
async function syncFolder(folder: string, calls: FileCalls): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await calls.open(folder, 'r');
  try {
    await calls.sync(handle);
  } finally {
    await calls.close(handle);
  }
}
