// Rows of files of any size, one after the other: comma-separated values and JSON lines, for data sets that are read as streams.

import { createReadStream } from 'node:fs';
import { ArgumentError, FileFormatError, checkFlag, checkOptions, describe, expected } from '../errors.js';
import { checkPath } from '../io/atomic.js';
import { detectDelimiter, linesOf, recordsOf } from '../io/csv.js';
import { checkDelimiter, checkEncoding } from './read-csv.js';

/** A file, or its bytes or text as they come: a Readable, the body of a response. */
export type RowSource = string | AsyncIterable<Uint8Array | string>;

/** Options of {@link csvRows}. */
export interface CsvRowsOptions {
  /** What stands between two fields; default: of a file what its first line has most of, see {@link readCsv}; of anything else a comma. */
  readonly delimiter?: string;
  /** Whether the first line has the names of the columns (default true); without one they are `column 1`, `column 2` and so on. */
  readonly header?: boolean;
  /** How characters are written as bytes: a name of the Encoding Standard. Default `'utf-8'`. */
  readonly encoding?: string;
}

/**
 * The rows of comma-separated values one after the other, as objects of texts by the names of the columns: `Number(row.area)` makes a number. Only
 * a few rows are in memory; {@link readCsv} reads a whole table and finds its types.
 *
 * @param source - Path of a file, or a stream of bytes or text.
 * @throws {@link FileFormatError} for a row with more or fewer fields than the first line, and for what {@link readCsv} does not take for a file of
 *   such values; {@link ArgumentError} for wrong options, or what cannot be read. Each comes when the first row is asked for, or where it stands.
 * @example
 * ```ts
 * import { csvRows } from 'nodegrad';
 * let sum = 0;
 * for await (const { price } of csvRows('houses.csv')) sum += Number(price);
 * ```
 */
export async function* csvRows(source: RowSource, options: CsvRowsOptions = {}): AsyncGenerator<Record<string, string>, void> {
  const given = checkOptions<CsvRowsOptions>(options, 'options', ['delimiter', 'header', 'encoding']);
  const { header = true, encoding = 'utf-8' } = given;
  checkFlag(header, 'options.header');
  checkEncoding(encoding);
  const name = nameOf(source);
  const delimiter = checkDelimiter(given.delimiter) ?? (typeof source === 'string' ? await detectDelimiter(source, encoding) : ',');
  let names: readonly string[] | null = null;
  for await (const { fields, line } of recordsOf(bytesOf(source), name, { delimiter, encoding })) {
    if (names === null) {
      names = fields.map((field, i) => (header && field.trim() !== '' ? field.trim() : `column ${i + 1}`));
      const twice = names.find((one, i) => names?.indexOf(one) !== i);
      if (twice !== undefined) throw new FileFormatError(`${name}: two columns are called '${twice}'`);
      if (header) continue;
    }
    if (fields.length !== names.length)
      throw new FileFormatError(
        `${name}, line ${line}: has ${fields.length} ${fields.length === 1 ? 'field' : 'fields'}, the first line has ${names.length}`,
      );
    yield Object.fromEntries(names.map((column, i) => [column, fields[i]]));
  }
}

/**
 * The values of JSON lines (one value in each line) one after the other; empty lines are left out.
 *
 * @param source - Path of a file, or a stream of bytes or text.
 * @throws {@link FileFormatError} for a line that is no JSON, with its number, {@link ArgumentError} for what cannot be read.
 * @example
 * ```ts
 * import { iterableDataset, jsonLines } from 'nodegrad';
 * const data = iterableDataset(() => jsonLines<{ x: number[]; label: string }>('examples.jsonl'), {
 *   classes: ['cat', 'dog'],
 *   example: ({ x, label }) => ({ inputs: x, targets: label }),
 * });
 * ```
 */
// biome-ignore lint/suspicious/noExplicitAny: what stands in a file is for whoever wrote it to say.
export async function* jsonLines<Row = any>(source: RowSource): AsyncGenerator<Row, void> {
  const name = nameOf(source);
  let line = 0;
  for await (const text of linesOf(bytesOf(source), name)) {
    line += 1;
    // trim() takes a byte order mark along, which some editors begin a file with.
    const json = text.trim();
    if (json === '') continue;
    let row: Row;
    try {
      row = JSON.parse(json) as Row;
    } catch (error) {
      throw new FileFormatError(`${name}, line ${line}: is no JSON, ${describe(text.slice(0, 60))}`, { cause: error });
    }
    yield row;
  }
}

const nameOf = (source: RowSource): string => (typeof source === 'string' ? checkPath(source, 'source') : 'the stream');

function bytesOf(source: RowSource): AsyncIterable<Uint8Array | string> {
  if (typeof source === 'string') return createReadStream(source);
  if (typeof (source as unknown) === 'object' && source !== null && Symbol.asyncIterator in source) return source;
  throw new ArgumentError(expected('the path of a file, or a stream of bytes or text', 'source', source));
}
