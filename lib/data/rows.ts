// Tables from objects: the rows of a JSON file, of a database, or the one that a request brings.

import { ArgumentError, FileFormatError, checkList, checkOptions, expected } from '../errors.js';
import { keepNames } from '../names.js';
import { columnOf } from './column-files.js';
import { Misfits, type ReadTableOptions, checkReadOptions, placesOf, refuseAbsent } from './read-csv.js';
import { Table, markBySchema, markLines } from './table.js';

const known = ['columns', 'schema', 'unknownCategories', 'absentColumns', 'badRows'];

/** The value that a {@link RowError} is about. */
export interface RefusedValue {
  /** Which of the rows that were given, from 0. */
  readonly row: number;
  /** Name of the column; null where the row is no object. */
  readonly column: string | null;
  /** What came: undefined for a column that the row lacks. */
  readonly value: unknown;
}

/**
 * A row of {@link tableFromRows} that does not fit: a category that training never saw, a column that is missing, something else than a number. A server
 * answers with `row` and `column`, so that a form can mark the field.
 *
 * @example
 * ```ts
 * import { RowError, tableFromRows } from 'nodegrad';
 * const schema = [{ name: 'side', kind: 'category', categories: ['north', 'south'] }] as const;
 * try {
 *   tableFromRows([{ side: 'north' }, { side: 'nroth' }], { schema });
 * } catch (error) {
 *   if (error instanceof RowError) console.log(error.row, error.column, error.value); // 1 side nroth
 * }
 * ```
 */
export class RowError extends ArgumentError {
  /** Which of the rows that were given, from 0. */
  readonly row: number;
  /** Name of the column; null where the row is no object. */
  readonly column: string | null;
  /** What came: undefined for a column that the row lacks. */
  readonly value: unknown;

  constructor(message: string, { row, column, value }: RefusedValue, options?: ErrorOptions) {
    super(message, options);
    this.row = row;
    this.column = column;
    this.value = value;
  }
}

/**
 * The table of some objects, whose keys are the names of the columns: what `JSON.parse` or a database gives. Numbers, bigints and dates (as milliseconds
 * since 1970) become numbers, texts and truth values categories; null, undefined and a key that an object lacks are missing values, never 0.
 *
 * With the `schema` of a saved model it takes rows to predict: numbers may be texts then, as a form sends them. Null says that a value is missing; a key that a row
 * lacks is an error, or with `absentColumns: 'missing'` a missing value as well.
 *
 * @param rows - At least one object.
 * @throws {@link RowError} for a row or a value that does not fit, with `row`, `column` and `value`; {@link ArgumentError} for a column that is neither numbers
 *   nor texts, and for wrong options.
 * @example
 * ```ts
 * import { load, tableFromRows } from 'nodegrad';
 * const data = tableFromRows([{ area: 95, city: 'Bonn', price: 310 }, { area: 60, city: 'Jena', price: 140 }]).dataset({ target: 'price' });
 *
 * const model = await load('prices.safetensors'); // trained on such rows
 * const price = await model.predict(tableFromRows([{ area: 80, city: null }], { schema: model.preprocessing }).dataset());
 * ```
 */
export function tableFromRows(rows: readonly object[], options: ReadTableOptions = {}): Table {
  checkList(rows, 'rows', 'an array of objects');
  const stranger = rows.findIndex((row) => typeof row !== 'object' || row === null || Array.isArray(row));
  if (stranger >= 0) {
    const refused = { row: stranger, column: null, value: rows[stranger] };
    throw new RowError(expected('objects with the columns as keys', `rows[${stranger}]`, rows[stranger]), refused);
  }
  if (rows.length === 0) throw new ArgumentError('`rows` is empty: a table has at least one row');
  const given = checkReadOptions(checkOptions<ReadTableOptions>(options, 'options', known));
  const misfits = new Misfits(
    'rows',
    given.badRows,
    'row',
    (message, line, column, value) => new RowError(message, { row: line - 1, column, value }),
  );
  const bad = new Set<number>();
  try {
    const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
    // Of each row: what it lacks may be a slip of the pen, and null says that a value is missing.
    if (given.schema !== undefined)
      for (const [row, one] of rows.entries())
        refuseAbsent(
          given.schema,
          Object.keys(one),
          `rows, row ${row + 1}`,
          given.absentColumns,
          'null stands for a missing value, and ',
          (message, column) => new RowError(message, { row, column, value: undefined }),
        );
    const columns = placesOf(names, given, 'rows').map(({ name, wanted }) => {
      const values = rows.map((row) => (Object.hasOwn(row, name) ? (row as Record<string, unknown>)[name] : null));
      return columnOf('rows', name, wanted, [{ first: 0, values }], misfits, bad, given);
    });
    const whole = new Table(columns, 'rows');
    const good = Array.from(rows.keys()).filter((row) => !bad.has(row));
    if (good.length === 0) throw new ArgumentError(`none of the ${rows.length} rows fits: ${misfits.rows[0].reason}, in row 1`);
    const table = markBySchema(new Table(whole.rows(good).columns, 'rows', misfits.rows, bad.size), given.schema !== undefined);
    return markLines(table, { unit: 'row', at: Int32Array.from(good, (row) => row + 1) });
  } catch (error) {
    // What is wrong with a file is here wrong with an argument.
    throw error instanceof FileFormatError ? new ArgumentError(error.message) : error;
  }
}

keepNames({ RowError });
