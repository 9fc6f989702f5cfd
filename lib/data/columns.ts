// Columns of a table: numbers or categories, how they grow row by row, and how they are described.

import { ArgumentError, checkChoice, describe, expected } from '../errors.js';

/** What the values of a column are. */
export type ColumnKind = 'number' | 'category';

/** Name and kind of a column: what a new file must have, too. */
export interface ColumnSchema {
  /** Name. */
  readonly name: string;
  /** What its values are. */
  readonly kind: ColumnKind;
  /** Names of the categories, in the order of their codes; only for categories. */
  readonly categories?: readonly string[];
  /** Least and greatest number of training; only in the `columns` of what has learned from numbers, such as `model.preprocessing`. */
  readonly range?: readonly [least: number, greatest: number];
}

/** A number that training had none as small or as large as, see {@link Table.outside}. */
export interface OutsideValue {
  /** Row of the table, from 0. */
  readonly row: number;
  /** Name of the column. */
  readonly column: string;
  /** The number. */
  readonly value: number;
  /** Least and greatest number of training. */
  readonly range: readonly [least: number, greatest: number];
}

/** What knows the columns of a table, such as `model.preprocessing` of a model that was trained on one. */
export interface KnownColumns {
  /** The columns that it needs; null where it knows of none. */
  readonly columns: readonly ColumnSchema[] | null;
  /** What is predicted from them: read where a file has it, and not asked for. */
  readonly target?: ColumnSchema | null;
}

/** A column of a {@link Table}. */
export interface Column extends ColumnSchema {
  /** One number for each row: the value, or the code of the category, from 0. NaN where the value is missing. */
  readonly values: Float64Array;
}

/** Takes in the values of one column. */
export class ColumnBuilder {
  readonly name: string;
  readonly kind: ColumnKind;
  #values = new Float64Array(64);
  #length = 0;
  /** Codes by category, in the order of their appearance. */
  readonly #codes: Map<string, number>;
  readonly #isClosed: boolean;
  readonly #othersAreMissing: boolean;

  /** With categories in the schema, no others are taken, or taken for missing values. */
  constructor({ name, kind, categories }: ColumnSchema, othersAreMissing = false) {
    this.name = name;
    this.kind = kind;
    this.#codes = new Map(categories?.map((category, code) => [category, code]));
    this.#isClosed = categories !== undefined;
    this.#othersAreMissing = othersAreMissing;
  }

  /** Adds a number, NaN for a missing value. */
  add(value: number): void {
    if (this.#length === this.#values.length) {
      const grown = new Float64Array(2 * this.#length);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.#length++] = value;
  }

  /** Whether a category may be. */
  takes(category: string): boolean {
    return !this.#isClosed || this.#othersAreMissing || this.#codes.has(category);
  }

  /** The code of a category that may be; NaN for one that counts as missing. */
  codeOf(category: string): number {
    if (this.#isClosed && !this.#codes.has(category)) return Number.NaN;
    const code = this.#codes.get(category) ?? this.#codes.size;
    if (code === this.#codes.size) this.#codes.set(category, code);
    return code;
  }

  /** The categories so far. */
  get categories(): readonly string[] {
    return [...this.#codes.keys()];
  }

  /** The column; categories that were found are put in alphabetical order, whatever the order of the rows. */
  finish(): Column {
    const values = this.#values.slice(0, this.#length);
    const { name, kind, categories: found } = this;
    if (kind === 'number') return { name, kind, values };
    if (this.#isClosed) return { name, kind, values, categories: found };
    const categories = [...found].sort();
    const codes = new Map(categories.map((category, code) => [category, code]));
    const places = found.map((category) => codes.get(category) as number);
    return { name, kind, categories, values: values.map((code) => (Number.isNaN(code) ? code : places[code])) };
  }
}

/** Checks that a list describes columns of different names. */
export function checkSchema(schema: unknown, argument: string): readonly ColumnSchema[] {
  if (!Array.isArray(schema)) throw new ArgumentError(expected('an array of columns', argument, schema));
  const names = new Set<string>();
  for (const column of schema as Partial<ColumnSchema>[]) {
    if (typeof column?.name !== 'string') throw new ArgumentError(expected('a column with a name', argument, column));
    checkChoice(column.kind, `kind of column '${column.name}'`, ['number', 'category']);
    const { range } = column;
    if (range !== undefined && !(Array.isArray(range) && range.length === 2 && range.every((end) => typeof end === 'number')))
      throw new ArgumentError(`expected the least and the greatest number as range of column '${column.name}', received ${describe(range)}`);
    if (names.has(column.name)) throw new ArgumentError(`two columns are called '${column.name}'`);
    names.add(column.name);
  }
  return schema as readonly ColumnSchema[];
}

/** Checks that something knows columns: a list of them, or the preprocessing of a model; gives them, and what is predicted from them. */
export function checkKnown(given: unknown, argument: string): { schema: readonly ColumnSchema[]; target?: ColumnSchema } {
  const { columns, target = null } = (
    typeof given === 'object' && given !== null && !Array.isArray(given) ? given : {}
  ) as Partial<KnownColumns>;
  if (given === null || columns === null)
    throw new ArgumentError(expected('columns, or the preprocessing of a model that was trained on a table', argument, given));
  const schema = checkSchema(columns ?? given, argument);
  if (target !== null) checkSchema([target], argument);
  return target === null || schema.some(({ name }) => name === target.name) ? { schema } : { schema, target };
}

/** The schema of a column, without its values. */
export const schemaOf = ({ name, kind, categories }: ColumnSchema): ColumnSchema => ({ name, kind, ...(categories && { categories }) });

/** A column with more categories than this, or, from ten on, with more than half as many as rows, is names or text. */
const mostCategories = 100;
const fewCategories = 10;
/** A day, or a time on a day: 2024-05-31, 31.5.2024, 5/31/24 10:30. */
const date = /^(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](\d{2}|\d{4}))([T ].*)?$/;

/** €314000, 1.200 EUR, 80 m². */
const numberWithSign = /^(?:\p{Sc}\s?[+-]?\d[\d.,'\s]*|[+-]?\d[\d.,'\s]*(?:\p{Sc}|%|\p{L}{1,4}[²³]?))$/u;

/** Why the categories of a column say nothing about other rows; null where they may, and for numbers. */
export function whyNoCategories({ kind, categories = [], values }: Column): string | null {
  if (kind === 'number' || categories.length === 0) return null;
  if (categories.every((category) => date.test(category))) return 'dates as text';
  const areTooMany = categories.length > mostCategories || (categories.length >= fewCategories && 2 * categories.length > values.length);
  if (!areTooMany) return null;
  const around = categories.filter((category) => numberWithSign.test(category)).length;
  return around >= 0.9 * categories.length
    ? 'numbers with a currency sign or a unit, which makes them text'
    : 'names or text, too many different';
}

/** How many values of a column are there. */
export function countPresent({ values }: Column): number {
  let count = 0;
  for (let i = 0; i < values.length; i++) if (!Number.isNaN(values[i])) count += 1;
  return count;
}

/** The first of some names, and how many more there are. */
export function someNames(names: readonly string[], most = 8): string {
  const shown = names.slice(0, most).map((name) => `'${name}'`);
  return `${shown.join(', ')}${names.length > most ? ` and ${names.length - most} more` : ''}`;
}

/** A column in words: `age: number from 18 to 80, 3 values missing`. */
export function describeColumn(column: Column): string {
  const { name, kind, values, categories = [] } = column;
  const present = countPresent(column);
  const missing = values.length - present;
  const gaps = missing === 0 ? '' : `, ${missing} ${missing === 1 ? 'value' : 'values'} missing`;
  if (present === 0) return `${name}: empty, no row has a value`;
  if (kind === 'category')
    return `${name}: ${categories.length} ${categories.length === 1 ? 'category' : 'categories'} (${someNames(categories, 4)})${gaps}`;
  let [least, greatest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < values.length; i++) {
    if (values[i] < least) least = values[i];
    if (values[i] > greatest) greatest = values[i];
  }
  return `${name}: ${least === greatest ? `number, always ${least}` : `numbers from ${least} to ${greatest}`}${gaps}`;
}
