// Tables: named columns of numbers and categories, and the data sets that are made of them.

import { types } from 'node:util';
import { ArgumentError, checkInteger, checkList, checkOptions, expected } from '../errors.js';
import { ours } from '../foreign.js';
import { keepNames } from '../names.js';
import { Tensor } from '../tensor.js';
import { plural, showAs } from '../words.js';
import { note } from './about.js';
import {
  type Column,
  type ColumnSchema,
  type KnownColumns,
  type OutsideValue,
  checkKnown,
  checkSchema,
  countPresent,
  describeColumn,
  schemaOf,
  someNames,
  whyNoCategories,
} from './columns.js';
import { type DatasetSplit, TensorDataset } from './dataset.js';

/** A row of a file that was left out, see `badRows` of {@link ReadCsvOptions}. */
export interface BadRow {
  /** Line of the file that it ends on, from 1; of Parquet and Arrow files the row. */
  readonly line: number;
  /** What is wrong with it. */
  readonly reason: string;
}

/** Options of {@link Table.dataset}. */
export interface TableDatasetOptions {
  /** The column that is to be predicted; default: none, and the targets are zeros. */
  readonly target?: string;
  /** The columns that it is predicted from; default: all others. A column of names, texts or dates is taken only where it is named here. */
  readonly features?: readonly string[];
  /** Which part of a split it is. */
  readonly split?: DatasetSplit;
}

/** Tables that were read by a schema: what is to be learned of their columns has been learned, of other rows. */
const bySchema = new WeakSet<Table>();

/** @internal Says that a table was read by the schema of others, or was made of one that was. */
export function markBySchema(table: Table, isSo = true): Table {
  if (isSo) bySchema.add(table);
  return table;
}

/** Where the rows of a table stand in what they were read from, by lines or rows from 1. */
interface Places {
  readonly unit: 'line' | 'row';
  readonly at: Int32Array;
}

const lines = new WeakMap<Table, Places>();

/** @internal Says where in what they were read from the rows of a table stand. */
export function markLines(table: Table, places: Places | undefined): Table {
  if (places !== undefined) lines.set(table, places);
  return table;
}

/** @internal Where a row is found: `line 1501` of the file that it was read from, else `row 1496` of the table. */
export function placeOfRow(table: Table, row: number): string {
  const known = lines.get(table);
  return known === undefined ? `row ${row + 1}` : `${known.unit} ${known.at[row]}`;
}

/** @internal What {@link markLines} said of a table. */
export const linesOf = (table: Table): Places | undefined => lines.get(table);

/**
 * Columns of equal length, by name: numbers, and categories as codes.
 *
 * @throws {@link ArgumentError} for columns of different lengths or equal names.
 * @example
 * ```ts
 * import { preprocessingFor, mlp, readCsv } from 'nodegrad';
 * const table = await readCsv('houses.csv');
 * console.log(table.describe().join('\n')); // price: numbers from 90000 to 2500000 …
 * const data = table.dataset({ target: 'price' });
 * ```
 */
export class Table {
  /** What messages call it. */
  readonly name: string;
  /** Columns in their order. */
  readonly columns: readonly Column[];
  /** Number of rows. */
  readonly length: number;
  /** Rows that were left out when it was read: the first thousand of them. */
  readonly badRows: readonly BadRow[];
  /** How many rows were left out. */
  readonly badRowCount: number;

  constructor(columns: readonly Column[], name = 'table', badRows: readonly BadRow[] = [], badRowCount = badRows.length) {
    checkColumns(columns, 'columns');
    this.name = checkText(name, 'name');
    this.columns = Object.freeze([...columns]);
    this.length = columns[0]?.values.length ?? 0;
    this.badRows = badRows;
    this.badRowCount = badRowCount;
    const names = new Set<string>();
    for (const column of columns) {
      if (column.values.length !== this.length) {
        throw new ArgumentError(
          `column '${column.name}' of ${name} has ${column.values.length} values, column '${columns[0].name}' ${this.length}`,
        );
      }
      if (names.has(column.name)) throw new ArgumentError(`two columns of ${name} are called '${column.name}'`);
      names.add(column.name);
    }
  }

  /** @throws {@link ArgumentError} where there is none of that name. */
  column(name: string): Column {
    return this.#find(name, 'column');
  }

  #find(name: string, argument: string): Column {
    const found = this.columns.find((column) => column.name === name);
    if (found !== undefined) return found;
    const names = this.columns.map((column) => column.name);
    const near = names.find((one) => one.toLowerCase() === String(name).trim().toLowerCase());
    throw new ArgumentError(
      expected(`a column of ${this.name} (${someNames(names, 20)})`, argument, name, near === undefined ? '' : `'${near}' is one`),
    );
  }

  /** The table of these columns alone, in this order. */
  select(names: readonly string[]): Table {
    checkList(names, 'names', 'an array of names of columns');
    return this.#of(names.map((name) => this.column(name)));
  }

  /** The table of all other columns. */
  without(names: readonly string[]): Table {
    checkList(names, 'names', 'an array of names of columns');
    const out = new Set(names.map((name) => this.column(name)));
    return this.#of(this.columns.filter((column) => !out.has(column)));
  }

  /** The table with this column in the place of the one of its name, or behind all others. */
  with(column: Column): Table {
    checkColumns([column], 'column');
    const isThere = this.columns.some(({ name }) => name === column.name);
    const columns = isThere ? this.columns.map((one) => (one.name === column.name ? column : one)) : [...this.columns, column];
    return this.#of(columns);
  }

  /** The rows with these indices, from 0, in this order; {@link Table.filter} chooses them by their values. */
  rows(indices: ArrayLike<number>): Table {
    if (typeof indices === 'function') throw new ArgumentError(expected('indices of rows', 'indices', indices, 'filter() takes a function'));
    const wanted = Int32Array.from({ length: indices.length }, (_, i) => checkInteger(indices[i], 'indices', 0, this.length - 1));
    const pick = (values: Float64Array): Float64Array => Float64Array.from({ length: wanted.length }, (_, i) => values[wanted[i]]);
    const known = lines.get(this);
    return this.#of(
      this.columns.map((column) => ({ ...column, values: pick(column.values) })),
      known && { ...known, at: wanted.map((row) => known.at[row]) },
    );
  }

  /**
   * The rows for which `keep` holds. It is given a row by the names of the columns: numbers, categories by name, null for a missing value.
   *
   * @example
   * ```ts
   * import { readCsv } from 'nodegrad';
   * const table = await readCsv('houses.csv');
   * const usual = table.filter(({ price }) => price !== null && Number(price) < 5_000_000);
   * ```
   */
  filter(keep: (row: Readonly<Record<string, number | string | null>>, index: number) => boolean): Table {
    if (typeof keep !== 'function') throw new ArgumentError(expected('a function that is given a row', 'keep', keep));
    const kept: number[] = [];
    for (let i = 0; i < this.length; i++) {
      const row = this.columns.map(({ name, values, categories }) => {
        const value = values[i];
        return [name, Number.isNaN(value) ? null : (categories?.[value] ?? value)] as const;
      });
      if (keep(Object.fromEntries(row), i)) kept.push(i);
    }
    return this.rows(kept);
  }

  /**
   * The numbers below the least or above the greatest one of training, of which a model knows nothing, row by row. Missing values are none.
   *
   * @param schema - What has learned from the columns, such as `model.preprocessing`; a column whose `range` it does not know has no such numbers.
   * @throws {@link ArgumentError} for what knows no columns.
   * @example
   * ```ts
   * import { load, tableFromRows } from 'nodegrad';
   * const model = await load('prices.safetensors');
   * const rows = tableFromRows([{ size: 9000, side: 'north' }], { schema: model.preprocessing });
   * for (const { row, column, value, range } of rows.outside(model.preprocessing)) console.log(row, column, value, range); // 0 size 9000 [ 30, 180 ]
   * ```
   */
  outside(schema: readonly ColumnSchema[] | KnownColumns | null): OutsideValue[] {
    const found: OutsideValue[] = [];
    for (const { name, range } of checkKnown(schema, 'schema').schema) {
      const column = this.columns.find((one) => one.name === name && one.kind === 'number');
      if (column === undefined || range === undefined) continue;
      for (const [row, value] of column.values.entries())
        if (value < range[0] || value > range[1]) found.push({ row, column: name, value, range });
    }
    return found.sort((a, b) => a.row - b.row);
  }

  #of(columns: readonly Column[], at: Places | undefined = lines.get(this)): Table {
    return markLines(markBySchema(new Table(columns, this.name, this.badRows, this.badRowCount), bySchema.has(this)), at);
  }

  /** Names and kinds: what `schema` of {@link readCsv} asks of a new file. */
  get schema(): readonly ColumnSchema[] {
    return this.columns.map(schemaOf);
  }

  /** A line for each column: what its values are, and how many are missing. */
  describe(): string[] {
    return this.columns.map(describeColumn);
  }

  /**
   * The features as float64 [rows, columns], missing values as NaN and categories as codes, which {@link tablePreprocessing} turns into
   * numbers for a net.
   *
   * Targets of numbers are float32 [rows, 1]; categories are class indices [rows], with their names as `classes`.
   *
   * @throws {@link ArgumentError} for a table of 0 rows, a column without any value, a target that is missing or infinite in a row or the same in all, and,
   *   where there is a target, a column of texts that nearly all differ, or of dates.
   *   Nothing is to be learned of a table that was read by the `schema` of another: its columns may be empty, which the preprocessing of a
   *   model takes as it does single gaps, and its target the same in all rows.
   */
  dataset(options: TableDatasetOptions = {}): TableDataset {
    const { target, features, split } = checkOptions<TableDatasetOptions>(options, 'options', ['target', 'features', 'split']);
    if (this.length === 0) throw new ArgumentError(`${this.name} has 0 rows`);
    const wanted = target === undefined ? undefined : checkTarget(this, this.#find(target, 'options.target'));
    const inputs = features === undefined ? this.columns.filter((column) => column !== wanted) : this.select(features).columns;
    if (inputs.length === 0) throw new ArgumentError(`${this.name} has no column to predict '${target}' from`);
    if (wanted !== undefined && inputs.includes(wanted))
      throw new ArgumentError(`'${target}' is the target, and stands among \`options.features\``);
    for (const column of inputs) {
      if (!bySchema.has(this) && countPresent(column) === 0)
        throw new ArgumentError(
          `column '${column.name}' of ${this.name} is empty: no row has a value. Leave it out: table.without(['${column.name}'])`,
        );
      const reason = bySchema.has(this) || target === undefined || features !== undefined ? null : whyNoCategories(column);
      if (reason !== null)
        throw new ArgumentError(
          `column '${column.name}' of ${this.name} holds ${reason} (${describeColumn(column)}): one of them says nothing about others. ` +
            `Leave it out: table.without(['${column.name}']), or make numbers of it; \`options.features\` may name it all the same`,
        );
    }
    return new TableDataset(this, inputs, wanted, split);
  }
}

const checkText = (value: unknown, argument: string): string => {
  if (typeof value !== 'string') throw new ArgumentError(expected('a text', argument, value));
  return value;
};

function checkColumns(columns: unknown, argument: string): void {
  for (const column of checkList<Partial<Column> | null>(columns, argument, 'an array of columns')) {
    if (typeof column?.name !== 'string')
      throw new ArgumentError(expected('columns with name, kind and values (a Float64Array)', argument, column));
    if (!types.isFloat64Array(column.values))
      throw new ArgumentError(
        expected('a Float64Array', `values of column '${column.name}'`, column.values, 'Float64Array.from(numbers) makes one'),
      );
    checkSchema([{ name: column.name, kind: column.kind }], argument);
    if (column.categories !== undefined) checkList(column.categories, `categories of column '${column.name}'`, 'an array of names');
  }
}

/** @internal Refuses a target that is missing or infinite in a row, or, where it is to be learned, the same in all. */
export function checkTarget(table: Table, column: Column): Column {
  const { name, length } = table;
  const { values } = column;
  const missing = values.findIndex((value) => Number.isNaN(value));
  if (missing >= 0) {
    const count = length - countPresent(column);
    throw new ArgumentError(
      `the target column '${column.name}' of ${name} has no value in ${count} of ${length} rows, the first of them ${placeOfRow(table, missing)}: leave them out with filter((row) => row['${column.name}'] !== null)`,
    );
  }
  const infinite = values.findIndex((value) => Math.abs(value) === Infinity);
  if (infinite >= 0) {
    const count = values.filter((value) => Math.abs(value) === Infinity).length;
    throw new ArgumentError(
      `the target column '${column.name}' of ${name} is ${values[infinite]} in ${count === 1 ? placeOfRow(table, infinite) : `${count} rows, the first of them ${placeOfRow(table, infinite)}`}, which nothing is learned from. ` +
        'Math.log(0) is −Infinity: leave such rows out with filter(), or take Math.log1p',
    );
  }
  if (!bySchema.has(table) && values.every((value) => value === values[0])) {
    const shown = column.categories?.[values[0]] ?? values[0];
    throw new ArgumentError(`the target column '${column.name}' of ${name} is constant, ${shown} in every row: there is nothing to learn`);
  }
  return column;
}

/**
 * The rows of a {@link Table} as examples: features as they are, in float64.
 *
 * @example
 * ```ts
 * import { readCsv, type TableDataset } from 'nodegrad';
 * const data: TableDataset = (await readCsv('houses.csv')).dataset({ target: 'price' });
 * console.log(data.features.map(({ name }) => name), data.target?.kind);
 * ```
 */
export class TableDataset extends TensorDataset<'float64', 'float32' | 'int32'> {
  /** The features, in the order of the inputs. */
  readonly features: readonly ColumnSchema[];
  /** The target, where there is one. */
  readonly target?: ColumnSchema;

  /** @internal {@link Table.dataset} makes one. */
  constructor(table: Table, inputs: readonly Column[], target: Column | undefined, split: DatasetSplit | undefined) {
    if (!(table instanceof Table)) throw new ArgumentError(expected('a table, such as readCsv() gives,', 'table', table));
    const { name, length } = table;
    checkColumns(target === undefined ? inputs : [...inputs, target], 'inputs');
    const numbers = new Float64Array(length * inputs.length);
    for (const [j, { values }] of inputs.entries()) for (let i = 0; i < length; i++) numbers[i * inputs.length + j] = values[i];
    const targets =
      target?.kind === 'category'
        ? Tensor.from(Int32Array.from(target.values), [length])
        : Tensor.from(target === undefined ? new Float32Array(length) : Float32Array.from(target.values), [length, 1]);
    super(Tensor.from(numbers, [length, inputs.length]) as Tensor<'float64'>, targets as Tensor<'float32' | 'int32'>, {
      name,
      classes: target?.categories,
      split,
    });
    this.features = inputs.map(schemaOf);
    note(this, { columns: inputs.map((column) => column.name), isWithoutTarget: target === undefined });
    if (target !== undefined) this.target = schemaOf(target);
  }
}

showAs(Table, (table, depth) =>
  [`Table '${table.name}': ${plural(table.length, 'row')}`, ...(depth < 0 ? [] : table.describe().map((line) => `  ${line}`))].join('\n'),
);
keepNames({ Table, TableDataset });
ours(Table);
