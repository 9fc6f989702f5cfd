// Fields of a text file that stand for a missing value.

import { ArgumentError, expected } from '../errors.js';
import type { ColumnKind } from './columns.js';

/** Written in any capitals. */
const usual: ReadonlySet<string> = new Set(['na', 'n/a', 'nan', 'null']);
/** What people write where a number would stand; among categories they may be one, as of blood groups. */
const marks: ReadonlySet<string> = new Set(['-', '–', '—', '?']);

/** Which fields are missing ones: empty ones, what is usual, and what somebody says; whoever says nothing but an empty list means empty ones alone. */
export class MissingFields {
  readonly #said: ReadonlySet<string>;
  readonly #isUsual: boolean;

  constructor(words: readonly string[] | undefined) {
    if (words !== undefined && (!Array.isArray(words) || !words.every((field) => typeof field === 'string')))
      throw new ArgumentError(expected('an array of strings', 'options.missing', words));
    this.#said = new Set(words?.map((field: string) => field.trim()).filter((field) => field !== ''));
    this.#isUsual = words === undefined || this.#said.size > 0;
  }

  /** Whether a field, without spaces around it, is a missing one in a column of this kind. */
  has(field: string, kind: ColumnKind): boolean {
    if (field === '' || this.#said.has(field)) return true;
    return this.#isUsual && field.length <= 4 && (usual.has(field.toLowerCase()) || (kind === 'number' && marks.has(field)));
  }
}
