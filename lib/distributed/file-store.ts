// A store in a folder that all processes see: a file per key, which is there as a whole or not at all.

import { randomUUID } from 'node:crypto';
import { link, mkdir, open, opendir, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ArgumentError } from '../errors.js';
import { systemReason } from '../io/atomic.js';
import { BaseStore, storeLimits } from './store.js';

/** Between two looks at a file that is not there yet, in milliseconds. */
const [firstPause, longestPause] = [5, 200];

/** A folder as a store. */
export class FileStore extends BaseStore {
  private constructor(
    address: string,
    timeout: number,
    readonly folder: string,
  ) {
    super(address, timeout);
  }

  /** Makes the folder where it is missing, for this user alone. */
  static async open(address: URL, timeout: number): Promise<FileStore> {
    let folder = address.href;
    try {
      folder = fileURLToPath(address);
      await mkdir(folder, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw refused(folder, error);
    }
    return new FileStore(address.href, timeout, folder);
  }

  protected async write(key: string, value: Uint8Array, isNew: boolean): Promise<boolean> {
    const path = this.#pathOf(key);
    const temporary = join(this.folder, `.${randomUUID()}.tmp`);
    try {
      const file = await open(temporary, 'wx', 0o600);
      try {
        await file.writeFile(value);
      } finally {
        await file.close();
      }
      if (!isNew) await rename(temporary, path);
      else return await isLinked(temporary, path);
      return true;
    } catch (error) {
      throw refused(this.folder, error);
    } finally {
      await unlink(temporary).catch(() => {}); // renamed, it is gone
    }
  }

  protected async read(key: string, wait: number, stop: AbortSignal): Promise<Uint8Array | null> {
    const until = performance.now() + wait;
    for (let ms = firstPause; ; ms = Math.min(longestPause, ms * 1.5)) {
      stop.throwIfAborted();
      const value = await this.#readNow(key);
      const left = until - performance.now();
      if (value !== null || left <= 0) return value;
      await pause(Math.min(ms, left), undefined, { signal: stop });
      // NFS believes for up to a minute that a file is not there; who opens the folder makes it ask.
      await opendir(this.folder).then(
        (folder) => folder.close(),
        () => {},
      );
    }
  }

  protected async remove(key: string): Promise<boolean> {
    try {
      await unlink(this.#pathOf(key));
      return true;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return false;
      throw refused(this.folder, error);
    }
  }

  protected async release(): Promise<void> {}

  /** Names of one folder, which no system takes for a device, and none for another one's by its case. */
  #pathOf(key: string): string {
    return join(this.folder, `key~${key.replaceAll('/', '~')}`);
  }

  async #readNow(key: string): Promise<Uint8Array | null> {
    try {
      const file = await open(this.#pathOf(key), 'r');
      try {
        const { size } = await file.stat();
        if (size > storeLimits.value) throw new ArgumentError(`${this.#pathOf(key)} is no value of a store: it has ${size} bytes`);
        return new Uint8Array(await file.readFile());
      } finally {
        await file.close();
      }
    } catch (error) {
      // On NFS, a file that was replaced while it was read is stale.
      if (['ENOENT', 'ESTALE'].includes(codeOf(error))) return null;
      throw error instanceof ArgumentError ? error : refused(this.folder, error);
    }
  }
}

/** Gives a file a second name that must be new; whether it got it. An answer that was lost on the way is seen in the count of names. */
async function isLinked(path: string, name: string): Promise<boolean> {
  try {
    await link(path, name);
    return true;
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    return (await stat(path)).nlink === 2;
  }
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? '';

function refused(folder: string, error: unknown): ArgumentError {
  return new ArgumentError(`the folder ${folder} cannot be used as a store. The system says ${systemReason(error)}`, { cause: error });
}
