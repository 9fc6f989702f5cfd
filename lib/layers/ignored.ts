// Names that are left out where values are loaded: of single entries, or of parts with all inside them.

import { ArgumentError, checkList, describe, expected } from '../errors.js';
import { nearest } from '../words.js';

/** What `options.ignore` names. */
export class Ignored {
  readonly #names: readonly string[];

  /** @throws {@link ArgumentError} for anything but names. */
  constructor(ignore: unknown) {
    this.#names = checkList(ignore ?? [], 'options.ignore', 'an array of names') as readonly string[];
    if (!this.#names.every((name) => typeof name === 'string' && name !== ''))
      throw new ArgumentError(expected("an array of names, such as ['head']", 'options.ignore', ignore));
  }

  /** Whether nothing is named. */
  get isEmpty(): boolean {
    return this.#names.length === 0;
  }

  /** Whether a name is among them, or inside of a part that is. */
  covers(name: string): boolean {
    return this.#names.some((one) => isIn(name, one));
  }

  /** Refuses a name that is none of `known`, nor of a part of them: a slip would have everything loaded that it was to spare. */
  check(known: Iterable<string>): void {
    const names = [...known];
    for (const one of this.#names) {
      if (names.some((name) => isIn(name, one))) continue;
      const parts = [...new Set(names.flatMap(partsOf))];
      const meant = nearest(one, parts);
      const there = parts.filter((part) => !part.includes('.')).slice(0, 8);
      const hint = meant === undefined ? `There are ${there.join(', ')} …` : `Did you mean ${describe(meant)}?`;
      throw new ArgumentError(
        `\`options.ignore\` names ${describe(one)}, and neither the model nor the source has an entry or part of that name. ${hint}`,
      );
    }
  }
}

const isIn = (name: string, part: string): boolean => name === part || name.startsWith(part.endsWith('.') ? part : `${part}.`);

/** A name and the parts that it is in: `a.b.c`, `a`, `a.b`. */
function partsOf(name: string): string[] {
  const words = name.split('.');
  return words.map((_, i) => words.slice(0, i + 1).join('.'));
}
