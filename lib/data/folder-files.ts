// The files below a folder: each real file and folder once, whatever links lead to it, and what cannot be read by its name.
import type { Dirent, Stats } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { AbortedError } from '../errors.js';
import { kindOf, refusal } from '../io/atomic.js';
import { nameOf } from '../io/names.js';

/** A regular file. */
export interface FoundFile {
  /** Relative to the folder, with `/` between its parts, as text; empty for the folder's own path. */
  readonly path: string;
  /** Where it lies: bytes, where its name is no text. */
  readonly place: string | Buffer;
  readonly bytes: number;
  /** When it changed, in milliseconds. */
  readonly changed: number;
}

/** What is below a folder. */
export interface FoundFiles {
  readonly files: FoundFile[];
  readonly folders: string[];
  /** What is no regular file, and links to what is found without them. */
  readonly passedOver: { readonly path: string; readonly reason: string }[];
  /** What cannot be read. */
  readonly unreadable: { readonly path: string; readonly reason: string }[];
}

/** Files and folders that systems and tools leave behind; what begins with a dot is theirs too. */
const litter = /^(\.|__MACOSX$|Thumbs\.db$|desktop\.ini$)/i;
/** Whether a path is passed over without a word. */
export const isHidden = (path: string): boolean => path.split('/').some((part) => litter.test(part));

/** As many questions to the file system as wait at a time. */
const atOnce = 64;

type Place = string | Buffer;

interface Folder {
  path: string;
  place: Place;
  /** Its real path. */
  real: string;
}

/**
 * Lists `path`. Real folders come first, in all depths; then links are followed, one after the other, where they lead to something that
 * was not seen yet, so that neither loops nor several ways to one place multiply anything.
 *
 * @throws {ArgumentError} if `path` itself cannot be read
 * @throws {AbortedError} if the signal stopped it
 */
export async function listFiles(path: string, signal: AbortSignal | undefined): Promise<FoundFiles> {
  const walk = new Walk(signal);
  try {
    const status = await stat(path);
    if (!status.isDirectory()) {
      walk.found.files.push({ path: '', place: path, bytes: status.size, changed: status.mtimeMs });
      if (!status.isFile()) throw new Error(`it is ${kindOf(status)}`);
      return walk.found;
    }
    const root = { path: '', place: path, real: await realOf(path) };
    await readdir(path);
    await walk.run(root);
  } catch (error) {
    throw error instanceof AbortedError ? error : refusal('a folder or archive that can be read', path, error);
  }
  for (const list of [walk.found.files, walk.found.passedOver, walk.found.unreadable]) list.sort(byPath);
  walk.found.folders.sort();
  return walk.found;
}

const byPath = (a: { path: string }, b: { path: string }): number => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0);

class Walk {
  readonly found: FoundFiles = { files: [], folders: [], passedOver: [], unreadable: [] };
  readonly #signal: AbortSignal | undefined;
  /** Real paths of the folders that were read, and of files outside of them. */
  readonly #seen = new Set<string>();
  readonly #links: { path: string; place: Place }[] = [];
  #root = '';

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  async run(root: Folder): Promise<void> {
    this.#root = root.real;
    await this.#read(root);
    // Which of two links to one place counts must not depend on the order in which a disk lists them.
    this.#links.sort(byPath);
    for (let i = 0; i < this.#links.length; i++) await this.#follow(this.#links[i]);
  }

  #check(): void {
    if (this.#signal?.aborted) throw new AbortedError('listing files was stopped', { cause: this.#signal.reason });
  }

  /** A folder and the real folders below it. */
  async #read(first: Folder): Promise<void> {
    const waiting = [first];
    for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
      this.#check();
      const { path, place, real } = folder;
      if (this.#seen.has(real)) {
        this.found.passedOver.push({ path, reason: 'a folder that is read elsewhere' });
        continue;
      }
      this.#seen.add(real);
      let entries: Dirent[];
      try {
        entries = await readdir(place, { withFileTypes: true, encoding: 'buffer' as 'utf8' });
      } catch (error) {
        this.#fail(path, 'a folder that cannot be read', error);
        continue;
      }
      if (path !== '') this.found.folders.push(path);
      const files: { path: string; place: Place }[] = [];
      entries.sort((a, b) => Buffer.compare(a.name as unknown as Buffer, b.name as unknown as Buffer));
      for (const entry of entries) {
        const bytes = entry.name as unknown as Buffer;
        const name = nameOf(bytes);
        if (isHidden(name)) continue;
        const one = { path: path === '' ? name : `${path}/${name}`, place: below(place, bytes) };
        if (entry.isDirectory()) waiting.push({ ...one, real: `${real === '/' ? '' : real}/${name}` });
        else if (entry.isSymbolicLink()) this.#links.push(one);
        else if (entry.isFile()) files.push(one);
        else this.found.passedOver.push({ path: one.path, reason: kindOf(entry) });
      }
      for (let at = 0; at < files.length; at += atOnce) {
        this.#check();
        await Promise.all(files.slice(at, at + atOnce).map((file) => this.#take(file)));
      }
    }
  }

  async #take({ path, place }: { path: string; place: Place }): Promise<void> {
    try {
      const { size, mtimeMs } = await stat(place);
      this.found.files.push({ path, place, bytes: size, changed: mtimeMs });
    } catch (error) {
      this.#fail(path, 'a file that cannot be read', error);
    }
  }

  async #follow({ path, place }: { path: string; place: Place }): Promise<void> {
    this.#check();
    let status: Stats;
    let real: string;
    try {
      status = await stat(place);
      real = await realOf(place);
    } catch (error) {
      this.#fail(path, 'a symbolic link that leads nowhere', error);
      return;
    }
    const at = real.lastIndexOf('/');
    const pass = (reason: string): void => {
      this.found.passedOver.push({ path, reason });
    };
    if (status.isDirectory()) {
      if (this.#seen.has(real)) pass('a symbolic link to a folder that is read without it');
      else if (`${this.#root}/`.startsWith(real === '/' ? real : `${real}/`)) pass('a symbolic link to a folder above');
      else await this.#read({ path, place, real });
    } else if (!status.isFile()) pass(`a symbolic link to ${kindOf(status)}`);
    else if (this.#seen.has(real) || (this.#seen.has(real.slice(0, Math.max(at, 1))) && !isHidden(real.slice(at + 1))))
      pass('a symbolic link to a file that is read without it');
    else {
      this.#seen.add(real);
      await this.#take({ path, place });
    }
  }

  #fail(path: string, what: string, error: unknown): void {
    const { code, message } = error as NodeJS.ErrnoException;
    this.found.unreadable.push({ path, reason: `${what} (${code ?? message})` });
  }
}

/** A real path as text, with `/` between its parts. */
async function realOf(place: Place): Promise<string> {
  const real = nameOf(await realpath(place, { encoding: 'buffer' }));
  return process.platform === 'win32' ? real.replaceAll('\\', '/') : real;
}

/** A path below a folder: text where both are. */
function below(folder: Place, name: Buffer): Place {
  if (typeof folder === 'string' && nameOf(name) === name.toString('utf8')) return `${folder}/${name.toString('utf8')}`;
  return Buffer.concat([typeof folder === 'string' ? Buffer.from(folder) : folder, Buffer.from('/'), name]);
}
