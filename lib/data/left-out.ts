// What a reader of images did not take, gathered so that thousands of files are a line.

/** Files that are not among the examples of a data set, and why. */
export interface LeftOut {
  /** The first of them, which may lie in several folders; where `count` is 0, what the remark is about. */
  readonly path: string;
  /** How many; 0 for a remark on something that is there. */
  readonly count: number;
  /** Why. */
  readonly reason: string;
}

/** Gathers files by folder and reason. */
export class LeftOutList {
  readonly #groups = new Map<string, { path: string; count: number; reason: string; folders: Set<string> }>();

  add(path: string, reason: string, folder?: string): void {
    const own = path.slice(0, Math.max(0, path.lastIndexOf('/')));
    const key = `${folder ?? own}\n${reason}`;
    const group = this.#groups.get(key);
    if (group === undefined) this.#groups.set(key, { path, count: 1, reason, folders: new Set([own]) });
    else {
      group.count += 1;
      group.folders.add(own);
    }
  }

  /** A remark on what is among the examples. */
  remark(path: string, reason: string): void {
    this.take({ path, count: 0, reason });
  }

  /** What another list has gathered. */
  take({ path, count, reason }: LeftOut): void {
    this.#groups.set(`${path}\n\n${reason}`, { path, count, reason, folders: new Set() });
  }

  get list(): LeftOut[] {
    return [...this.#groups.values()].map(({ path, count, reason, folders }) => ({
      path,
      count,
      reason: folders.size > 1 ? `${reason}, in ${folders.size} folders` : reason,
    }));
  }
}

/** A line for people. */
export function leftOutText({ path, count, reason }: LeftOut): string {
  return `${path}${count > 1 ? ` and ${count - 1} more` : ''}: ${count === 1 ? reason.replace(/^no images$/, 'no image') : reason}`;
}
