// What is wrong with a folder of images, gathered so that one refusal says all of it.
import { FileFormatError, NodegradError } from '../errors.js';

const skipHint = "`damaged: 'skip'` (--damaged skip) leaves out what cannot be read, and lists it";

/** The first of some faults of one kind. */
export const someOf = (texts: readonly string[]): string =>
  texts.length > 3 ? `${texts.slice(0, 3).join('; ')}; and ${texts.length - 3} more` : texts.join('; ');

/** Gathers faults, and refuses them together. */
export class FolderFaults {
  readonly #files: { readonly path: string; readonly problem: string; readonly cause?: Error }[] = [];
  readonly #others: NodegradError[] = [];

  /** @param source - The folder, as it stands at the beginning of messages. */
  constructor(readonly source: string) {}

  /** A file that cannot be read or decoded; `problem` goes on behind its path. */
  addFile(path: string, problem: string, cause?: Error): void {
    this.#files.push({ path, problem, cause });
  }

  /** Any other fault, with the error that it would be alone. */
  add(error: NodegradError): void {
    this.#others.push(error);
  }

  /** Throws what was gathered, if anything was. */
  refuse(): void {
    const all = [...this.#others, ...this.#damage()];
    if (all.length === 0) return;
    if (all.length === 1) throw all[0];
    const own = `${this.source}: `;
    const texts = all.map(({ message }, i) => `${i + 1}. ${message.startsWith(own) ? message.slice(own.length) : message}`);
    throw new FileFormatError([`${own}${all.length} things are wrong`, ...texts].join('\n'), { cause: all[0] });
  }

  /** What `body` gives; what it throws is one more fault. */
  with<R>(body: () => R): R {
    try {
      return body();
    } catch (error) {
      if (error instanceof NodegradError) this.add(error);
      else throw error;
      this.refuse();
      throw error;
    }
  }

  #damage(): NodegradError[] {
    if (this.#files.length === 0) return [];
    // Images are decoded side by side, and end in any order.
    const files = [...this.#files].sort((a, b) => (a.path < b.path ? -1 : 1));
    const named = someOf(files.map(({ path, problem }) => `${path}${problem}`));
    return [new FileFormatError(`${this.source}: ${named}. ${skipHint}`, { cause: files[0].cause })];
  }
}
