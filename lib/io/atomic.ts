// Writes a file so that its name holds the old content or the new, never a part: temporary file, fsync, rename, fsync of the folder.

import { randomUUID } from 'node:crypto';
import { constants, fsync, type Stats } from 'node:fs';
import { access, type FileHandle, open, readlink, realpath, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { promisify } from 'node:util';
import { ArgumentError, describe, expected, NodegradError } from '../errors.js';
import type { ProgressOption } from '../progress.js';
import { FileBar, bytesAtOnce } from './file-bar.js';
import { makeFolder } from './folders.js';

/** The system calls of a save, in one table, so that a test can let each of them fail in turn. */
export interface FileCalls {
  mkdir(folder: string): Promise<unknown>;
  stat(path: string): Promise<Stats>;
  access(path: string): Promise<void>;
  realpath(path: string): Promise<string>;
  readlink(path: string): Promise<string>;
  open(path: string, flags: string, mode?: number): Promise<FileHandle>;
  status(file: FileHandle): Promise<Stats>;
  chown(file: FileHandle, user: number, group: number): Promise<void>;
  chmod(file: FileHandle, mode: number): Promise<void>;
  write(file: FileHandle, bytes: Uint8Array): Promise<number>;
  sync(file: FileHandle): Promise<void>;
  close(file: FileHandle): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
}

/** Resolves when the file is on the disk. By descriptor, since file handles under Yarn's Plug'n'Play have no `sync`. */
export function syncFile(file: FileHandle): Promise<void> {
  return promisify(fsync)(file.fd);
}

/** The system's own. */
export const system: FileCalls = {
  mkdir: async (folder) => makeFolder(folder),
  stat: (path) => stat(path),
  access: (path) => access(path, constants.W_OK),
  realpath: (path) => realpath(path),
  readlink: (path) => readlink(path),
  open,
  status: (file) => file.stat(),
  chown: (file, user, group) => file.chown(user, group),
  chmod: (file, mode) => file.chmod(mode),
  write: async (file, bytes) => (await file.write(bytes, 0, bytes.length)).bytesWritten,
  sync: syncFile,
  close: (file) => file.close(),
  rename,
  unlink,
};

/**
 * Puts `pieces`, one after the other, under `path`, which holds its former content until everything is on the disk. The folder is made
 * when it is missing. A symbolic link stays one, and what it points to is written, or made; a file that is there keeps its mode, and its owner
 * where the system allows that. What is no regular file is never replaced. A failed fsync is final: the pages may be marked clean with their
 * content lost, so the temporary file goes and the save has failed.
 *
 * @throws {ArgumentError} when the system refuses, or `path` is a folder, a device, a pipe or a socket; the message says which, and `path`
 *   holds its former content or all of the new
 */
export async function writeFileAtomic(path: string, pieces: readonly Uint8Array[], calls: FileCalls = system, bar?: FileBar): Promise<void> {
  checkPath(path);
  let temporary = '';
  try {
    const former = await statusOf(path, calls);
    if (former !== null && !former.isFile()) throw notRegular('the path of a file that can be written', 'path', path, former);
    // A rename asks only for rights on the folder: without this, a file that is protected from writing would be replaced.
    if (former !== null) await calls.access(path);
    const target = former === null ? await danglingTarget(path, calls) : await calls.realpath(path);
    const folder = dirname(target);
    await calls.mkdir(folder);
    temporary = join(folder, `.${basename(target)}.${randomUUID()}.tmp`);
    await writeNew(temporary, pieces, former, calls, bar);
    await calls.rename(temporary, target);
    temporary = '';
    await syncFolder(folder, calls);
  } catch (error) {
    if (temporary !== '') await calls.unlink(temporary).catch(() => {});
    throw error instanceof NodegradError ? error : refusal('a file that can be written', path, error);
  }
}

/** Checks what should be a path. */
export function checkPath(path: unknown, argument = 'path', what = 'the path of a file'): string {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) throw new ArgumentError(expected(what, argument, path));
  return path;
}

/** What systems answer most often, in words. */
const words: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  EACCES: 'this user may not do that',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of the path is a file, and no folder',
  ENOSPC: 'the disk is full',
};

/** Why a system refused: its code, and what that means. */
export function systemReason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === undefined) return message ?? describe(error);
  return Object.hasOwn(words, code) ? `${code}: ${words[code]}` : code;
}

/** A system's refusal in the grammar of our errors. */
export function refusal(what: string, path: string, error: unknown): ArgumentError {
  return new ArgumentError(expected(what, 'path', path, `The system says ${systemReason(error)}`), { cause: error });
}

/** The refusal of something that has a name in the file system and is no regular file: reading it might never end, writing would replace it. */
export function notRegular(what: string, argument: string, path: string, status: Stats): ArgumentError {
  return new ArgumentError(expected(what, argument, path, `It is ${kindOf(status)}, not a regular file`));
}

/** What a path leads to, in words. */
export function kindOf(status: Pick<Stats, 'isDirectory' | 'isFIFO' | 'isSocket' | 'isFile'>): string {
  if (status.isDirectory()) return 'a folder';
  if (status.isFIFO()) return 'a pipe';
  if (status.isSocket()) return 'a socket';
  return status.isFile() ? 'a regular file' : 'a device';
}

/** What is there; null for nothing, also behind a link. */
async function statusOf(path: string, calls: FileCalls): Promise<Stats | null> {
  try {
    return await calls.stat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** As many links as systems follow. */
const mostLinks = 40;

/** Where a path leads at which nothing is: through links that point to nothing. */
async function danglingTarget(path: string, calls: FileCalls): Promise<string> {
  let target = path;
  for (let followed = 0; followed < mostLinks; followed++) {
    let link: string;
    try {
      link = await calls.readlink(target);
    } catch (error) {
      if (['ENOENT', 'EINVAL', 'UNKNOWN'].includes((error as NodeJS.ErrnoException).code ?? '')) return target;
      throw error;
    }
    // Not join(): `a/../b` is another place where `a` is a link.
    target = isAbsolute(link) ? link : `${await calls.realpath(dirname(target))}/${link}`;
  }
  throw Object.assign(new Error('too many links'), { code: 'ELOOP' });
}

/** {@link writeFileAtomic} of one that may be large: `progress` says where its bar goes. */
export async function writeFileWithBar(path: string, bytes: Uint8Array, progress: ProgressOption | undefined): Promise<void> {
  const bar = new FileBar(progress, 'writing', path);
  await writeFileAtomic(path, [bytes], system, bar).finally(() => bar.end());
}

/** A new file with these pieces, on the disk; with mode and owner of the one that it is to replace. */
async function writeNew(
  path: string,
  pieces: readonly Uint8Array[],
  former: Stats | null,
  calls: FileCalls,
  bar: FileBar | undefined,
): Promise<void> {
  // Nobody else may look into it before it has the mode that it should have.
  const file = await calls.open(path, 'wx', former === null ? 0o666 : 0o600);
  try {
    if (former !== null) await takeAfter(former, file, calls);
    bar?.expect(pieces.reduce((sum, { length }) => sum + length, 0));
    const most = bar === undefined ? 0x4000_0000 : bytesAtOnce;
    for (const piece of pieces) {
      // A write may be short: near a full disk, on network file systems, and above 2 GiB.
      for (let at = 0; at < piece.length; ) {
        const written = await calls.write(file, piece.subarray(at, at + most));
        if (written <= 0) throw new Error('nothing was written');
        at += written;
        bar?.advance(written);
      }
    }
    bar?.advance(0);
    await calls.sync(file);
  } catch (error) {
    await calls.close(file).catch(() => {});
    throw error;
  }
  await calls.close(file);
}

/** Gives a file the owner of another, where the system allows it, and its mode. */
async function takeAfter(former: Stats, file: FileHandle, calls: FileCalls): Promise<void> {
  const own = await calls.status(file);
  if (own.uid !== former.uid || own.gid !== former.gid) {
    await calls.chown(file, former.uid, former.gid).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPERM') throw error; // only root gives files away
    });
  }
  const mode = former.mode & 0o777;
  if ((own.mode & 0o777) !== mode) await calls.chmod(file, mode);
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
