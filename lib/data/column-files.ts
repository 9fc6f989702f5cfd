// Tables from files that hold columns: Parquet and Arrow, by packages that are optional. What is null there is a missing value here.

import { types } from 'node:util';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { ArgumentError, FileFormatError, NodegradError, checkOptions, describe } from '../errors.js';
import { checkPath, systemReason } from '../io/atomic.js';
import { numberOf } from '../io/csv.js';
import { isOtherKind, otherKind } from '../io/file-kinds.js';
import { optionalPackage } from '../io/optional-package.js';
import { type Column, ColumnBuilder, type ColumnSchema } from './columns.js';
import {
  type CheckedReadOptions,
  Misfits,
  type ReadCsvOptions,
  type ReadFileOptions,
  asMissing,
  checkReadOptions,
  neverSeen,
  placesOf,
  readCsv,
} from './read-csv.js';
import { Table, markBySchema, markLines } from './table.js';
import { ProgressBar, type ProgressOption } from '../progress.js';

const known = ['columns', 'schema', 'unknownCategories', 'absentColumns', 'badRows', 'progress'];

/** The values of a column in stretches, each with its first row. */
type Chunks = readonly { readonly first: number; readonly values: Iterable<unknown> & { readonly length: number } }[];

/** A file that holds columns. */
interface ColumnFile {
  readonly names: readonly string[];
  chunks(name: string): Promise<Chunks>;
  /** The values of a column that the file has as a table has them: float64, finite and without a gap. */
  ready?(name: string): Float64Array | null;
}

/**
 * Reads a Parquet file, with the package `hyparquet` (`npm install hyparquet`). Numbers of every kind, dates (as milliseconds since 1970)
 * and decimals become numbers, texts and truth values categories; null is a missing value, never 0.
 *
 * @throws {@link FileFormatError} for a value that does not fit, with file, row, column and value, for a column that is neither, and for a file
 *   without a row; {@link MissingPackageError} without the package; {@link ArgumentError} for wrong options, or a file that cannot be read.
 * @example
 * ```ts
 * import { readParquet } from 'nodegrad';
 * const data = (await readParquet('houses.parquet')).dataset({ target: 'price' });
 * ```
 */
export async function readParquet(path: string, options: ReadFileOptions = {}): Promise<Table> {
  const { progress, ...rest } = checkOptions<ReadFileOptions>(options, 'options', known);
  const given = checkReadOptions(rest);
  const library = await optionalPackage('Parquet files are read', 'hyparquet', () => import('hyparquet'));
  const bytes = await bytesOf(path, 'parquet');
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
  return tableOf(path, given, progress, async () => {
    const metadata = library.parquetMetadata(file);
    const names = library.parquetSchema(metadata).children.map(({ element }) => element.name);
    const chunks = async (name: string): Promise<Chunks> => {
      const found: { first: number; values: ArrayLike<unknown> & Iterable<unknown> }[] = [];
      const onChunk = (chunk: { rowStart: number; columnData: ArrayLike<unknown> }): void => {
        found.push({ first: chunk.rowStart, values: chunk.columnData as ArrayLike<unknown> & Iterable<unknown> });
      };
      await library.parquetRead({ file, metadata, columns: [name], onChunk });
      return found.sort((a, b) => a.first - b.first);
    };
    return { names, chunks };
  });
}

/**
 * Reads an Arrow file (Feather version 2, or the streaming format), with the package `apache-arrow` (`npm install apache-arrow`), as
 * {@link readParquet} reads Parquet. Compressed ones are for other tools to unpack. Columns of float64 without gaps, in one batch of rows, are not copied.
 *
 * @throws {@link FileFormatError} for a value that does not fit, with file, row, column and value, for a column that is neither, and for a file
 *   without a row; {@link MissingPackageError} without the package; {@link ArgumentError} for wrong options, or a file that cannot be read.
 * @example
 * ```ts
 * import { readArrow } from 'nodegrad';
 * const data = (await readArrow('houses.arrow')).dataset({ target: 'price' });
 * ```
 */
export async function readArrow(path: string, options: ReadFileOptions = {}): Promise<Table> {
  const { progress, ...rest } = checkOptions<ReadFileOptions>(options, 'options', known);
  const given = checkReadOptions(rest);
  const library = await optionalPackage('Arrow files are read', 'apache-arrow', () => import('apache-arrow'));
  const bytes = await bytesOf(path, 'arrow');
  return tableOf(path, given, progress, async () => {
    const table = library.tableFromIPC(bytes);
    const names = table.schema.fields.map(({ name }) => name as string);
    // By the iterator: toArray() of a column gives 0 for what is null.
    const column = (name: string): NonNullable<ReturnType<typeof table.getChild>> => table.getChild(name) as never;
    return {
      names,
      chunks: async (name) => [{ first: 0, values: column(name) }],
      ready(name) {
        const { data, nullCount } = column(name);
        const values: unknown = data.length === 1 && nullCount === 0 ? data[0].values : null;
        return types.isFloat64Array(values) && values.every(Number.isFinite) ? values : null;
      },
    };
  });
}

/**
 * Reads a table by the ending of its name: `.csv`, `.tsv` and `.txt` with {@link readCsv}, `.parquet` with {@link readParquet}, `.arrow` and
 * `.feather` with {@link readArrow}.
 *
 * @throws {@link ArgumentError} for other endings, and what these throw.
 * @example
 * ```ts
 * import { readTable } from 'nodegrad';
 * const table = await readTable('houses.csv');
 * ```
 */
export async function readTable(path: string, options: ReadFileOptions = {}): Promise<Table> {
  const kind = tableFormat(checkPath(path));
  if (kind === null) throw new ArgumentError(`${path}: tables end in ${tableEndings}`);
  if (kind === 'parquet') return readParquet(path, options);
  return kind === 'arrow' ? readArrow(path, options) : readCsv(path, options as ReadCsvOptions);
}

/** @internal The endings of tables. */
export const tableEndings = '.csv, .tsv, .txt, .parquet, .pq, .arrow, .feather or .ipc';

/** @internal Which format the name of a file says that it has; null for none of a table. */
export function tableFormat(path: string): 'csv' | 'parquet' | 'arrow' | null {
  if (/\.(csv|tsv|txt)$/i.test(path)) return 'csv';
  if (/\.(parquet|pq)$/i.test(path)) return 'parquet';
  return /\.(arrow|feather|ipc)$/i.test(path) ? 'arrow' : null;
}

async function bytesOf(path: string, kind: 'arrow' | 'parquet'): Promise<Uint8Array> {
  try {
    const bytes = await readFile(checkPath(path));
    if (isOtherKind(bytes, kind)) throw new FileFormatError(`${path}: no ${kind === 'arrow' ? 'Arrow' : 'Parquet'} file${otherKind(bytes)}`);
    return bytes;
  } catch (error) {
    if (error instanceof NodegradError) throw error;
    throw new ArgumentError(`${path} cannot be read: ${systemReason(error)}`, { cause: error });
  }
}

async function tableOf(
  path: string,
  options: CheckedReadOptions,
  progress: ProgressOption | undefined,
  open: () => Promise<ColumnFile>,
): Promise<Table> {
  const bar = new ProgressBar(progress, `reading ${basename(path)}, columns:`, null);
  const misfits = new Misfits(path, options.badRows, 'row');
  const bad = new Set<number>();
  const columns: Column[] = [];
  try {
    const file = await open();
    const places = placesOf(file.names, options, path);
    bar.total = places.length;
    for (const [i, { name, place, wanted }] of places.entries()) {
      bar.update(i);
      if (place < 0) continue;
      const values = wanted === undefined || wanted.kind === 'number' ? (file.ready?.(name) ?? null) : null;
      if (values !== null) columns.push({ name, kind: 'number', values });
      else columns.push(columnOf(path, name, wanted, await file.chunks(name), misfits, bad, options));
    }
    const { length } = columns[0]?.values ?? [];
    // What the file does not have, and need not have, is missing in all rows.
    for (const [i, { place, wanted }] of places.entries())
      if (place < 0 && wanted !== undefined) columns.splice(i, 0, { ...wanted, values: new Float64Array(length).fill(Number.NaN) });
  } catch (error) {
    if (error instanceof NodegradError) throw error;
    throw new FileFormatError(`${path}: ${(error as Error).message}`, { cause: error });
  } finally {
    bar.end();
  }
  const isBySchema = options.schema !== undefined;
  const whole = markBySchema(new Table(columns, basename(path)), isBySchema);
  if (whole.length === 0) throw new FileFormatError(`${path}: has ${columns.length} columns and 0 rows`);
  if (bad.size === 0) return whole;
  const good = Array.from({ length: whole.length }, (_, i) => i).filter((row) => !bad.has(row));
  const table = markBySchema(new Table(whole.rows(good).columns, whole.name, misfits.rows, bad.size), isBySchema);
  return markLines(table, { unit: 'row', at: Int32Array.from(good, (row) => row + 1) });
}

/** @internal A column of values that come in stretches; rows with one that does not fit are added to `bad`. */
export function columnOf(
  path: string,
  name: string,
  wanted: ColumnSchema | undefined,
  chunks: Chunks,
  misfits: Misfits,
  bad: Set<number>,
  { unknownCategories }: CheckedReadOptions,
): Column {
  const builder = new ColumnBuilder(wanted ?? { name, kind: kindOf(path, name, chunks) }, unknownCategories === 'missing');
  for (const { first, values } of chunks) {
    let row = first;
    for (const value of values) {
      const number = value === null || value === undefined || Number.isNaN(value) ? Number.NaN : numberIn(builder, value);
      if (typeof number === 'string') {
        const hint = builder.kind === 'category' ? asMissing : '';
        if (!bad.has(row)) misfits.add(row + 1, `, column '${name}': ${number}`, hint, name, value);
        bad.add(row);
      }
      builder.add(typeof number === 'string' ? Number.NaN : number);
      row += 1;
    }
  }
  return builder.finish();
}

/** What the first value of a column that is there says of it. */
function kindOf(path: string, name: string, chunks: Chunks): 'number' | 'category' {
  for (const { values } of chunks) {
    for (const value of values) {
      if (value === null || value === undefined) continue;
      if (typeof value === 'string' || typeof value === 'boolean') return 'category';
      if (typeof value === 'number' || typeof value === 'bigint' || types.isDate(value)) return 'number';
      throw new FileFormatError(
        `${path}, column '${name}': is neither numbers nor texts, its first value is ${describe(value)}. Leave it out with columns: { '${name}': 'skip' }`,
      );
    }
  }
  return 'number'; // no value at all, which whoever uses the column will say
}

/** A value as the column has it; as text why it does not fit. */
function numberIn(builder: ColumnBuilder, value: unknown): number | string {
  if (builder.kind === 'category') return builder.takes(String(value)) ? builder.codeOf(String(value)) : neverSeen(String(value), builder);
  const number =
    typeof value === 'bigint' ? Number(value) : types.isDate(value) ? value.getTime() : typeof value === 'string' ? numberOf(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : `expected a number, received ${describe(value)}`;
}
