// Fields of a text file that stand for a missing value.

import { ArgumentError, expected } from '../errors.js';
import type { ColumnKind } from './columns.js';

/** Written in any capitals. */
const usual: ReadonlySet<string> = new Set(['na', 'n/a', 'nan', 'null']);
/** What people write where a number would stand; among categories they may be one, as of blood groups. */
const marks: ReadonlySet<string> = new Set(['-', '–', '—', '?']);

/** Which fields are missing ones: empty ones, and what is usual, or in its place what somebody says. */
export class MissingFields {
  readonly #said: ReadonlySet<string> | null;

  constructor(words: readonly string[] | undefined) {
    if (words !== undefined && (!Array.isArray(words) || !words.every((field) => typeof field === 'string')))
      throw new ArgumentError(expected('an array of strings', 'options.missing', words));
    this.#said = words === undefined ? null : new Set(words.map((field: string) => field.trim()));
  }

  /** Whether a field, without spaces around it, is a missing one in a column of this kind. */
  has(field: string, kind: ColumnKind): boolean {
    if (field === '') return true;
    if (this.#said !== null) return this.#said.has(field);
    return field.length <= 4 && (usual.has(field.toLowerCase()) || (kind === 'number' && marks.has(field)));
  }
}
