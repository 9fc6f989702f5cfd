// Tables from files of comma-separated values: types are found out, and rows that do not fit them are named.

import { basename } from 'node:path';
import { TextDecoder } from 'node:util';
import { ArgumentError, FileFormatError, checkChoice, checkFlag, checkObject, checkOptions, describe, expected } from '../errors.js';
import { checkPath } from '../io/atomic.js';
import { detectDelimiter, readRecords } from '../io/csv.js';
import { ProgressBar, type ProgressOption } from '../progress.js';
import { MissingFields } from './missing-fields.js';
import { ColumnBuilder, type ColumnKind, type ColumnSchema, type KnownColumns, checkKnown, someNames } from './columns.js';
import { type DecimalMark, type NumberReader, areThousands, checkDecimal, decimalOf, numberReader } from './decimals.js';
import { type BadRow, Table, markBySchema, markLines } from './table.js';

/** Options of {@link tableFromRows}, and of every reader of tables. */
export interface ReadTableOptions {
  /** Kinds of columns by name, where they are not to be found out, or `'skip'` to leave a column out. */
  readonly columns?: Readonly<Record<string, ColumnKind | 'skip'>>;
  /**
   * The columns that the file must have, with the categories of training: others are left out, and another category does not fit. A column may
   * be empty. `model.preprocessing` of a model that was trained on a table knows them, and takes the target in where the file has it.
   */
  readonly schema?: readonly ColumnSchema[] | KnownColumns | null;
  /** Whether a category that the `schema` does not have makes its row one that does not fit (default), or is taken for a missing value. */
  readonly unknownCategories?: 'error' | 'missing';
  /**
   * Whether a column of the `schema` that a file or a row does not have is an error (default), since its name may be misspelt, or all of it is missing, as in the
   * body of a request that leaves out what nobody knows. A name that differs in its capitals alone is an error in any case.
   */
  readonly absentColumns?: 'error' | 'missing';
  /** What becomes of a row that does not fit: an error (default), or it is left out, counted and listed in `table.badRows`. */
  readonly badRows?: 'error' | 'skip';
}

/** Options of {@link readTable}, for every format. */
export interface ReadFileOptions extends ReadTableOptions {
  /** A line on a terminal, where it takes longer than a second: standard error; a stream to write to, or false. Default `'auto'`. */
  readonly progress?: ProgressOption;
}

/** Options of {@link readCsv}. */
export interface ReadCsvOptions extends ReadFileOptions {
  /** What stands between two fields; default: of `,`, `;`, tab and `|` the one that the first line has most of. */
  readonly delimiter?: string;
  /**
   * What stands before the decimals of a number: `'.'` for 1,234.5, `','` for 1.234,5. Default: what the columns of the first ten thousand rows have;
   * where they have both, or nobody can tell, an error.
   */
  readonly decimal?: DecimalMark;
  /** Whether the first line has the names of the columns (default true); without one they are `column 1`, `column 2` and so on. */
  readonly header?: boolean;
  /**
   * Fields that stand for a missing value, besides empty ones and the usual `NA`, `N/A`, `NaN` and `null` in any capitals, and where numbers stand `-` and
   * `?`. An empty array leaves these out: a country `NA` is Namibia then.
   */
  readonly missing?: readonly string[];
  /** How characters are written as bytes: a name of the Encoding Standard, such as `'windows-1252'`. Default `'utf-8'`. */
  readonly encoding?: string;
}

const known = [
  'columns',
  'schema',
  'unknownCategories',
  'absentColumns',
  'badRows',
  'delimiter',
  'decimal',
  'header',
  'missing',
  'encoding',
  'progress',
];

/** Rows that are looked at before the kinds of the columns are decided. */
const lookedAt = 10_000;
/** From this share of numbers on, a column is one of numbers, and what is none in it does not fit. */
const mostlyNumbers = 0.9;
/** As many bad rows are listed; all are counted. */
const listed = 1000;

/**
 * Reads a file of comma-separated values: quoted fields, line ends of every system, a byte order mark. Columns are numbers or categories: a
 * column of which nine tenths of the values in the first ten thousand rows are numbers is one of numbers; `table.describe()` says what was
 * found. Empty fields are missing values, never 0; spaces around a field do not count; `0x10` is 16, `1,234.5` and `1.234,5` are numbers by
 * the `decimal` of the file. Spaces stand between thousands where all digits of a column fit that, as 950 and 1 234 do: a column that has
 * `555 123` and `555 1234`, or 1 234 and 1234, is text unless `columns` says that it is one of numbers.
 *
 * @param path - The file.
 * @throws {@link FileFormatError} for a row that does not fit, with file, line, column and value, for decimal points and decimal commas in one file, for
 *   bytes that are no text in the encoding, and for a file without a row;
 *   {@link ArgumentError} for wrong options, or a file that cannot be read.
 * @example
 * ```ts
 * import { readCsv } from 'nodegrad';
 * const table = await readCsv('houses.csv', { columns: { id: 'skip' }, badRows: 'skip' });
 * console.log(table.length, table.badRowCount, table.describe());
 * ```
 */
export async function readCsv(path: string, options: ReadCsvOptions = {}): Promise<Table> {
  checkPath(path);
  const given = checkOptions<ReadCsvOptions>(options, 'options', known);
  const { delimiter, header = true, missing, encoding = 'utf-8', progress } = given;
  checkFlag(header, 'options.header');
  checkDelimiter(delimiter);
  const gaps = new MissingFields(missing);
  checkEncoding(encoding);
  const decimal = checkDecimal(given.decimal);
  const asked = checkReadOptions(given);
  const bar = new ProgressBar(progress, `reading ${basename(checkPath(path))}, lines:`, null);
  const detected = await detectDelimiter(path, encoding);
  const format = { delimiter: delimiter ?? detected, decimal };
  const reader = new RowReader(path, asked, gaps, format);
  const onRecord = (fields: readonly string[], line: number): void => {
    reader.record(fields, line, header);
    if (line % 1024 === 0) bar.update(line);
  };
  try {
    await readRecords(path, { delimiter: format.delimiter, encoding, onRecord });
  } finally {
    bar.end();
  }
  return reader.finish();
}

/** @internal */
export function checkDelimiter(delimiter: string | undefined): string | undefined {
  if (delimiter !== undefined && (typeof delimiter !== 'string' || delimiter.length !== 1 || /["\r\n]/.test(delimiter)))
    throw new ArgumentError(expected('one character', 'options.delimiter', delimiter));
  return delimiter;
}

/** @internal */
export function checkEncoding(encoding: unknown): void {
  try {
    if (typeof encoding === 'string') return void new TextDecoder(encoding);
  } catch {
    // Said below.
  }
  throw new ArgumentError(expected("the name of an encoding, such as 'utf-8' or 'windows-1252'", 'options.encoding', encoding));
}

/** @internal The options of every format, checked. */
export interface CheckedReadOptions {
  readonly columns: Readonly<Record<string, ColumnKind | 'skip'>>;
  readonly schema?: readonly ColumnSchema[];
  /** A column that is read by its schema where it is there. */
  readonly target?: ColumnSchema;
  readonly unknownCategories: 'error' | 'missing';
  readonly absentColumns: 'error' | 'missing';
  readonly badRows: 'error' | 'skip';
}

/** @internal Checks them. */
export function checkReadOptions({ columns, schema, unknownCategories, absentColumns, badRows }: ReadTableOptions): CheckedReadOptions {
  const kinds = checkObject<Record<string, ColumnKind | 'skip'>>(columns, 'options.columns', "names and kinds, such as { age: 'number' }");
  for (const [name, kind] of Object.entries(kinds)) checkChoice(kind, `options.columns['${name}']`, ['number', 'category', 'skip']);
  const asked = schema === undefined ? {} : checkKnown(schema, 'options.schema');
  if (schema !== undefined && columns !== undefined)
    throw new ArgumentError('`options.schema` says the kinds of all columns: leave `options.columns` out');
  return {
    columns: kinds,
    ...asked,
    unknownCategories: checkChoice(unknownCategories ?? 'error', 'options.unknownCategories', ['error', 'missing']),
    absentColumns: checkChoice(absentColumns ?? 'error', 'options.absentColumns', ['error', 'missing']),
    badRows: checkChoice(badRows ?? 'error', 'options.badRows', ['error', 'skip']),
  };
}

/** @internal The error about what a row has in a column. */
export type Refusal = (message: string, line: number, column: string, value: unknown) => Error;

const ofFile: Refusal = (message) => new FileFormatError(message);

/** @internal Lists what does not fit, or ends the reading with it. */
export class Misfits {
  readonly rows: BadRow[] = [];
  count = 0;

  constructor(
    readonly path: string,
    readonly badRows: 'error' | 'skip',
    readonly unit: 'line' | 'row',
    readonly refusal: Refusal = ofFile,
  ) {}

  add(line: number, reason: string, hint = '', column = '', value: unknown = undefined): void {
    if (this.badRows === 'error')
      throw this.refusal(`${this.path}, ${this.unit} ${line}${reason}${hint === '' ? '' : `. ${hint}`}`, line, column, value);
    if (this.rows.length < listed) this.rows.push({ line, reason: reason.replace(/^, |^: /, '') });
    this.count += 1;
  }
}

/** @internal The columns of a file that are wanted, by their place in it; −1 for one that it does not have, and need not have. */
export function placesOf(
  names: readonly string[],
  { columns, schema, target, absentColumns }: CheckedReadOptions,
  path: string,
): { name: string; place: number; wanted?: ColumnSchema }[] {
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) throw new FileFormatError(`${path}: two columns are called '${twice}'`);
  if (schema === undefined) {
    for (const name of Object.keys(columns ?? {}))
      if (!names.includes(name))
        throw new ArgumentError(`\`options.columns\` names '${name}', and ${path} has the columns ${someNames(names, 20)}`);
    return names.flatMap((name, place) => {
      const kind = columns?.[name];
      return kind === 'skip' ? [] : [{ name, place, ...(kind && { wanted: { name, kind } }) }];
    });
  }
  const wantedOnes = target !== undefined && names.includes(target.name) ? [...schema, target] : schema;
  refuseAbsent(schema, names, path, absentColumns);
  return wantedOnes.map((wanted) => ({ name: wanted.name, place: names.indexOf(wanted.name), wanted }));
}

/** @internal Refuses what lacks columns of a schema: all of them at once, with the names that are nearly theirs. */
export function refuseAbsent(
  schema: readonly ColumnSchema[],
  names: readonly string[],
  where: string,
  absentColumns: 'error' | 'missing',
  way = '',
  refusal: (message: string, column: string) => Error = (message) => new FileFormatError(message),
): void {
  const absent = schema.map(({ name }) => name).filter((name) => !names.includes(name));
  if (absent.length === 0) return;
  const plain = (name: string): string => name.trim().toLowerCase();
  const near = names.filter((name) => absent.some((one) => plain(one) === plain(name)) && schema.every((one) => one.name !== name));
  if (absentColumns === 'missing' && near.length === 0 && absent.length < schema.length) return;
  // Others may only be left out.
  const first = absent.find((one) => near.some((name) => plain(name) === plain(one))) ?? absent[0];
  if (absent.length === schema.length && near.length === 0)
    throw refusal(
      `${where}: has none of the columns that are needed, ${someNames(absent, 20)}; it has ${names.length === 0 ? 'none' : someNames(names, 20)}. ` +
        'Rename its columns; a file without a line of names needs one',
      first,
    );
  const they = absent.length === 1 ? `no column '${absent[0]}', which is needed` : `no columns ${someNames(absent, 20)}, which are needed`;
  const hint =
    near.length > 0 ? `Capitals count: ${someNames(near)}` : `${way}absentColumns: 'missing' takes what is absent for missing values`;
  throw refusal(`${where}: has ${they}; it has ${names.length === 0 ? 'none' : someNames(names, 20)}. ${hint}`, first);
}

const areNumbers = (present: readonly string[], numberOf: NumberReader): boolean =>
  present.filter((field) => !Number.isNaN(numberOf(field))).length >= mostlyNumbers * present.length;

/** A field without spaces around it; of a column that the file does not have, a missing one. */
const fieldOf = (fields: readonly string[], place: number): string => (place < 0 ? '' : fields[place].trim());

class RowReader {
  readonly #misfits: Misfits;
  #places: { name: string; place: number; wanted?: ColumnSchema }[] | null = null;
  #width = 0;
  /** Rows that wait until the kinds are decided; null afterwards. */
  #waiting: { fields: readonly string[]; line: number }[] | null = [];
  #columns: { builder: ColumnBuilder; place: number; numberOf: NumberReader }[] = [];
  #numbers = new Float64Array(0);
  /** The lines of the rows that fit. */
  readonly #lines: number[] = [];

  constructor(
    readonly path: string,
    readonly options: CheckedReadOptions,
    readonly missing: MissingFields,
    readonly format: { readonly delimiter: string; readonly decimal?: DecimalMark },
  ) {
    this.#misfits = new Misfits(path, options.badRows, 'line');
  }

  record(fields: readonly string[], line: number, header: boolean): void {
    if (this.#places === null) {
      this.#width = fields.length;
      const names = fields.map((field, i) => (header && field.trim() !== '' ? field.trim() : `column ${i + 1}`));
      this.#places = placesOf(names, this.options, this.path);
      if (header) return;
    }
    if (this.#waiting === null) this.#take(fields, line);
    else if (this.#waiting.push({ fields, line }) === lookedAt) this.#decide();
  }

  /** Decides the kinds of the columns, and takes the rows in that were looked at. */
  #decide(): void {
    const rows = this.#waiting ?? [];
    this.#waiting = null;
    const decimal = this.format.decimal ?? this.#decimal(rows);
    this.#columns = (this.#places ?? []).map(({ name, place, wanted }) => {
      const present = this.#present(rows, place);
      // Whoever says that a column is one of numbers knows what its spaces are.
      const numberOf = numberReader(decimal, wanted !== undefined || areThousands(present));
      const schema = wanted ?? { name, kind: areNumbers(present, numberOf) ? ('number' as const) : ('category' as const) };
      return { builder: new ColumnBuilder(schema, this.options.unknownCategories === 'missing'), place, numberOf };
    });
    this.#numbers = new Float64Array(this.#columns.length);
    for (const { fields, line } of rows) this.#take(fields, line);
  }

  #decimal(rows: readonly { fields: readonly string[] }[]): DecimalMark {
    const columns = (this.#places ?? []).flatMap(({ name, place, wanted }) =>
      wanted?.kind === 'category' ? [] : [{ name, isNumbers: wanted !== undefined, fields: this.#present(rows, place) }],
    );
    return decimalOf(columns, this.format.delimiter, mostlyNumbers, this.path);
  }

  /** The fields of a column that are there, without spaces around them. */
  #present(rows: readonly { fields: readonly string[] }[], place: number): string[] {
    return rows.flatMap(({ fields }) => {
      const field = fields.length === this.#width ? fieldOf(fields, place) : '';
      return this.missing.has(field, 'number') ? [] : [field];
    });
  }

  #take(fields: readonly string[], line: number): void {
    if (fields.length !== this.#width) {
      this.#misfits.add(line, `: has ${fields.length} ${fields.length === 1 ? 'field' : 'fields'}, the first line has ${this.#width}`);
      return;
    }
    // The whole row first: what a row that is left out has must not get into any column.
    for (const [i, { builder, place, numberOf }] of this.#columns.entries()) {
      const field = fieldOf(fields, place);
      this.#numbers[i] = Number.NaN;
      if (this.missing.has(field, builder.kind)) continue;
      if (builder.kind === 'number') this.#numbers[i] = numberOf(field);
      const doesFit = builder.kind === 'number' ? !Number.isNaN(this.#numbers[i]) : builder.takes(field);
      if (doesFit) continue;
      this.#misfit(builder, fields[place], line);
      return;
    }
    this.#lines.push(line);
    for (const [i, { builder, place }] of this.#columns.entries()) {
      const field = fieldOf(fields, place);
      builder.add(builder.kind === 'number' || this.missing.has(field, builder.kind) ? this.#numbers[i] : builder.codeOf(field));
    }
  }

  #misfit(builder: ColumnBuilder, field: string, line: number): void {
    const { name, kind } = builder;
    const reason = kind === 'number' ? `expected a number, received ${describe(field)}` : neverSeen(field.trim(), builder);
    const word = field.trim();
    const asGap = /\d/.test(word) ? '' : `take ${describe(word)} for a missing value with missing: ['${word}'], `;
    const asText = `Read the column as text with columns: { '${name}': 'category' }, ${asGap}or leave such rows out with badRows: 'skip'`;
    // A schema has said what the column is.
    const hint = this.options.schema === undefined ? asText : "Leave such rows out with badRows: 'skip'";
    this.#misfits.add(line, `, column '${name}': ${reason}`, kind === 'number' ? hint : asMissing);
  }

  finish(): Table {
    if (this.#places === null) throw new FileFormatError(`${this.path}: is empty`);
    if (this.#waiting !== null) this.#decide();
    const columns = this.#columns.map(({ builder }) => builder.finish());
    const { rows, count } = this.#misfits;
    const table = markBySchema(new Table(columns, basename(this.path), rows, count), this.options.schema !== undefined);
    markLines(table, { unit: 'line', at: Int32Array.from(this.#lines) });
    if (table.length > 0) return table;
    const why =
      count === 0
        ? 'has the names of columns and 0 rows'
        : `has 0 rows that fit, and ${count} that do not: ${rows[0].reason}, in line ${rows[0].line}`;
    throw new FileFormatError(`${this.path}: ${why}`);
  }
}

/** @internal What may be done about a category that training did not have. */
export const asMissing = "Take such values for missing ones with unknownCategories: 'missing', or leave their rows out with badRows: 'skip'";

/** @internal What to say of a category that training did not have. */
export function neverSeen(category: string, { categories }: ColumnBuilder): string {
  return `${describe(category)} was never seen in training, where the categories were ${someNames(categories, 8)}`;
}
