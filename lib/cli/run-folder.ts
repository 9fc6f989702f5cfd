// The folder that a run of the command line leaves its model in: tried and locked before the work begins.

import type { AnyModel } from '../training/model.js';
import { copyFileSync, existsSync, rmdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { ArgumentError, NodegradError } from '../errors.js';
import { makeFolder } from '../io/folders.js';
import { FolderLock } from '../training/folder-lock.js';
import { save } from '../training/save.js';
import { folderRefusal } from '../training/writable.js';

/** A folder that is this run's alone. */
export class RunFolder {
  readonly #path: string;
  readonly #lock: FolderLock;
  readonly #isNew: boolean;

  private constructor(path: string, lock: FolderLock, isNew: boolean) {
    this.#path = path;
    this.#lock = lock;
    this.#isNew = isNew;
  }

  /** @throws {ArgumentError} when it cannot be written; {@link BusyError} when another run writes there */
  static async open(path: string): Promise<RunFolder> {
    const what = 'a folder for model and log that can be written';
    try {
      const isNew = makeFolder(path);
      const model = join(path, 'model.safetensors');
      if (statSync(model, { throwIfNoEntry: false })?.isFile() === false) throw new ArgumentError(`${model} is no file: the model goes there`);
      // A name of its own: checkpoints may lie in the same folder.
      return new RunFolder(path, await FolderLock.take(path, '.run-lock'), isNew);
    } catch (error) {
      throw error instanceof NodegradError ? error : folderRefusal(what, 'options.runDir', path, error);
    }
  }

  /**
   * Saves the model and gives its path. The model of an earlier run becomes `model.previous.safetensors`. Where saving fails, the work is not
   * lost: it goes to the system's folder for temporary files.
   */
  async save(model: AnyModel): Promise<string> {
    const path = resolve(this.#path, 'model.safetensors');
    try {
      // Copied, not renamed: there is a model at every moment.
      if (existsSync(path)) copyFileSync(path, resolve(this.#path, 'model.previous.safetensors'));
      await save(model, path);
      return path;
    } catch (error) {
      const rescue = join(tmpdir(), `nodegrad-${basename(resolve(this.#path))}-${process.pid}.safetensors`);
      const isRescued = await save(model, rescue).then(
        () => true,
        () => false,
      );
      if (!isRescued) throw error;
      throw new ArgumentError(`${(error as Error).message}. The model is in ${rescue}`, { cause: error });
    }
  }

  /** Lets it go; a new folder that nothing was written to goes away. */
  async close(): Promise<void> {
    await this.#lock.release();
    if (!this.#isNew) return;
    try {
      rmdirSync(this.#path);
    } catch {
      // There is something in it.
    }
  }
}
