// Comma-separated values, read record by record: the one place that loads `csv-parse`.

import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { TextDecoder } from 'node:util';
import type { Options, Parser } from 'csv-parse';
import { ArgumentError, FileFormatError, NodegradError } from '../errors.js';
import { checkPath, notRegular, systemReason } from './atomic.js';
import { otherKind } from './file-kinds.js';

/** How a file of comma-separated values is written. */
export interface CsvFormat {
  /** What stands between two fields, one character. */
  readonly delimiter: string;
  /** How characters are written as bytes: a name of the Encoding Standard. */
  readonly encoding: string;
  /** Called with each record and the number of the line that it ends on, from 1. What it throws ends the reading. */
  readonly onRecord: (fields: readonly string[], line: number) => void;
}

/** Longer than any row: what is longer has a quotation mark too many, and would fill the memory. */
const longestRecord = 2 ** 24;
const mark = 0xfeff; // the byte order mark that Excel and PowerShell begin files with
const lineFeed = 0x0a;
const delimiters = [',', ';', '\t', '|'];

/**
 * Reads records: quoted fields, quotation marks doubled inside of them, line ends of every system, a byte order mark, empty lines left out.
 *
 * @throws {ArgumentError} if the file cannot be read
 * @throws {FileFormatError} if quotation marks do not match, or bytes are no text in the encoding; the message names the line
 */
export async function readRecords(path: string, { delimiter, encoding, onRecord }: CsvFormat): Promise<void> {
  const parser = await newParser(delimiter, {
    on_record: (fields: string[], { lines }: { lines: number }) => {
      onRecord(fields, lines);
      return null; // nothing is kept
    },
  });
  parser.resume();
  try {
    await pipeline(createReadStream(path), (bytes) => decoded(bytes as AsyncIterable<Uint8Array>, path, encoding), parser);
  } catch (error) {
    throw refused(error, path);
  }
}

/** The same as they come, no faster than they are taken; `name` is what messages call the source. */
export async function* recordsOf(
  source: AsyncIterable<Uint8Array | string>,
  name: string,
  { delimiter, encoding }: Omit<CsvFormat, 'onRecord'>,
): AsyncGenerator<{ readonly fields: readonly string[]; readonly line: number }, void> {
  const parser = await newParser(delimiter, { info: true });
  const feeding = pipeline(source, (bytes) => decoded(bytes as AsyncIterable<Uint8Array>, name, encoding), parser);
  feeding.catch(() => {}); // the parser has the same error
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: string[]; info: { lines: number } }>) {
      yield { fields: record, line: info.lines };
    }
  } catch (error) {
    throw refused(error, name);
  } finally {
    parser.destroy();
  }
}

async function newParser(delimiter: string, options: Options): Promise<Parser> {
  const { parse } = await import('csv-parse');
  return parse({
    delimiter,
    bom: true,
    relax_column_count: true, // whoever reads says which fields are missing
    skip_empty_lines: true,
    max_record_size: longestRecord,
    ...options,
  });
}

function refused(error: unknown, name: string): unknown {
  if (error instanceof NodegradError) return error;
  const { code, lines, message } = error as { code?: string; lines?: number; message: string };
  if (lines !== undefined) return new FileFormatError(`${name}, line ${lines}: ${explain(code, message)}`, { cause: error });
  return new ArgumentError(`${name} cannot be read: ${systemReason(error)}`, { cause: error });
}

/** Lines of text as they come, without their ends; the last one also where it has none. */
export async function* linesOf(source: AsyncIterable<Uint8Array | string>, name: string): AsyncGenerator<string, void> {
  let rest = '';
  try {
    for await (const text of decoded(source, name, 'utf-8')) {
      const lines = (rest + text).split(/\r\n|\n/);
      rest = lines.pop() ?? '';
      if (rest.length > longestRecord) throw new FileFormatError(`${name}: has a line of more than ${longestRecord} characters`);
      yield* lines;
    }
  } catch (error) {
    throw refused(error, name);
  }
  if (rest !== '') yield rest;
}

/** Bytes as text. What is no text would become a replacement character without a word, and two categories one. */
async function* decoded(file: AsyncIterable<Uint8Array | string>, path: string, encoding: string): AsyncGenerator<string> {
  const decoder = new TextDecoder(encoding, { fatal: true, ignoreBOM: true });
  let lines = 1;
  /** Text of the bytes that were read; the end of the file with none. */
  const decode = (bytes?: Uint8Array): string => {
    try {
      return decoder.decode(bytes, { stream: bytes !== undefined });
    } catch (error) {
      throw noText(`${path}, line ${lines + (bytes === undefined ? 0 : lineWithout(bytes))}`, encoding, error);
    }
  };
  for await (const bytes of file) {
    if (typeof bytes === 'string') {
      yield bytes;
      continue;
    }
    yield decode(bytes);
    for (const byte of bytes) if (byte === lineFeed) lines += 1;
  }
  yield decode();
}

/** The line of a piece of a file, from 0, that is no UTF-8; its first line may begin within a character. */
function lineWithout(bytes: Uint8Array): number {
  let [line, start] = [0, 0];
  while (start < 3 && (bytes[start] & 0xc0) === 0x80) start += 1;
  for (;;) {
    const end = bytes.indexOf(lineFeed, start);
    if (end < 0 || !isUtf8(bytes.subarray(start, end))) return line;
    [line, start] = [line + 1, end + 1];
  }
}

function noText(where: string, encoding: string, cause: unknown): FileFormatError {
  const hint = encoding === 'utf-8' ? ". Files of Windows are often in another encoding, which `encoding: 'windows-1252'` reads" : '';
  return new FileFormatError(`${where}: is no text in ${encoding}${hint}`, { cause });
}

function explain(code: string | undefined, message: string): string {
  if (code === 'CSV_QUOTE_NOT_CLOSED' || code === 'CSV_MAX_RECORD_SIZE') return 'a quotation mark is opened here or before, and never closed';
  if (code === 'INVALID_OPENING_QUOTE' || code === 'CSV_INVALID_CLOSING_QUOTE')
    return 'a quotation mark within a field: the whole field is to be quoted, and the mark doubled ("3 "" pipe")';
  return message;
}

/**
 * The character that stands between fields: of `,`, `;`, tab and `|` the one that the first line has most of outside of quotation marks.
 *
 * @throws {ArgumentError} if the file cannot be read
 * @throws {FileFormatError} if it is empty, or no text in UTF-8
 */
export async function detectDelimiter(path: string, encoding = 'utf-8'): Promise<string> {
  const start = await firstBytes(checkPath(path), 2 ** 16);
  const [a, b] = start;
  const isUtf16 = (a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff);
  if (isUtf16 && encoding === 'utf-8')
    throw new FileFormatError(
      `${path}: is text in UTF-16, UTF-8 was expected: save it as "CSV UTF-8", or read it with \`encoding: 'utf-16${a === 0xff ? 'le' : 'be'}'\``,
    );
  if (!isUtf16 && start.includes(0)) throw new FileFormatError(`${path}: is no text${otherKind(start)}`);
  const text = new TextDecoder(encoding, { ignoreBOM: true }).decode(start);
  const line = (text.charCodeAt(0) === mark ? text.slice(1) : text).trimStart().split(/\r\n|\n|\r/, 1)[0];
  if (line === '') throw new FileFormatError(`${path}: is empty`);
  const outside = line.replace(/"(?:[^"]|"")*"?/g, '');
  const counts = delimiters.map((delimiter) => outside.split(delimiter).length);
  return delimiters[counts.indexOf(Math.max(...counts))];
}

async function firstBytes(path: string, most: number): Promise<Uint8Array> {
  try {
    const status = await stat(path); // before opening: a pipe would wait for ever
    if (!status.isFile()) throw notRegular('the path of a file that can be read', 'path', path, status);
    const file = await open(path);
    try {
      const bytes = new Uint8Array(Math.min(most, status.size));
      return bytes.subarray(0, (await file.read(bytes, 0, bytes.length, 0)).bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof NodegradError) throw error;
    throw new ArgumentError(`${path} cannot be read: ${systemReason(error)}`, { cause: error });
  }
}

const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const hexadecimal = /^([+-]?)(0[xX][0-9a-fA-F]{1,13})$/;

/**
 * A field as a number; NaN for what is none. Spaces around it do not count, `0x10` is 16, and what JavaScript would take for a number by
 * accident is none: an empty field (0), `Infinity`, `0b1`, or the `12` of `12 rooms`.
 */
export function numberOf(field: string): number {
  const text = field.trim();
  if (decimal.test(text)) {
    const value = Number(text);
    return Number.isFinite(value) ? value : Number.NaN; // 1e999
  }
  const [, sign, digits] = hexadecimal.exec(text) ?? [];
  return digits === undefined ? Number.NaN : sign === '-' ? -Number(digits) : Number(digits);
}

/** A field as it stands in a file: quoted where it must be. */
export function csvField(value: string | number): string {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
