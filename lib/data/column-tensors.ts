// Columns of Arrow and Parquet files as tensors: on the memory of the file where their layout is that of a tensor.

import type { Data, Vector } from 'apache-arrow';
import { type DType, arrayTypes } from '../dtype.js';
import { ArgumentError, FileFormatError, NodegradError, checkList, checkOptions, describe, expected } from '../errors.js';
import { withFile } from '../io/byte-source.js';
import { isOtherKind, otherKind } from '../io/file-kinds.js';
import { checkPath } from '../io/atomic.js';
import { bytesInFile, decodeElements, dtypeInMemory, type FileType } from '../io/elements.js';
import { optionalPackage } from '../io/optional-package.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { tableFormat } from './column-files.js';

/** Options of {@link readColumns}. */
export interface ReadColumnsOptions {
  /** Which columns. Default all. */
  readonly columns?: readonly string[];
}

/**
 * Reads columns of numbers as tensors by their names: of an Arrow file (Feather version 2, or the streaming format) with the package
 * `apache-arrow`, of a Parquet file with `hyparquet`. A list of k numbers in each row gives [rows, k], any other column [rows].
 *
 * Of an Arrow file, float32, float64, int32 and uint8 are not copied: all such tensors lie in one memory, which holds the file. They are copied where the
 * file has several batches of rows, and where they have to be converted, exactly: float16 becomes float32, truth values uint8, other integers int32
 * where every number fits. Parquet is unpacked, and always copied. {@link readTable} reads columns with missing values, texts and dates.
 *
 * @throws {@link FileFormatError} for a column that is no numbers, or has missing values, or integers that int32 does not hold; {@link MissingPackageError}
 *   without the package; {@link ArgumentError} for wrong options, or a file that cannot be read.
 * @example
 * ```ts
 * import { Tensor, TensorDataset, readColumns } from 'nodegrad';
 * const columns = await readColumns('digits.arrow', { columns: ['pixels', 'label'] });
 * const data = new TensorDataset(columns.get('pixels') as Tensor, columns.get('label') as Tensor<'int32'>);
 * ```
 */
export async function readColumns(path: string, options: ReadColumnsOptions = {}): Promise<Map<string, AnyTensor>> {
  const { columns } = checkOptions<ReadColumnsOptions>(options, 'options', ['columns']);
  const wanted = columns === undefined ? undefined : checkList<string>(columns, 'options.columns', 'an array of names of columns');
  const format = tableFormat(checkPath(path));
  if (format !== 'arrow' && format !== 'parquet') throw new ArgumentError(`${path}: columns are read of .arrow, .feather and .parquet files`);
  const bytes = await withFile(path, path, ({ size, read }) => read(0, size));
  if (isOtherKind(bytes, format)) throw new FileFormatError(`${path}: no ${format === 'arrow' ? 'Arrow' : 'Parquet'} file${otherKind(bytes)}`);
  try {
    return await (format === 'arrow' ? arrowColumns(bytes, path, wanted) : parquetColumns(bytes.buffer as ArrayBuffer, path, wanted));
  } catch (error) {
    if (error instanceof NodegradError) throw error;
    throw new FileFormatError(`${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** Checks that there are such columns. */
function choose(names: readonly string[], wanted: readonly string[] | undefined, path: string): readonly string[] {
  for (const name of wanted ?? []) {
    if (!names.includes(name))
      throw new ArgumentError(expected(`columns of ${path} (${names.slice(0, 20).join(', ')})`, 'options.columns', name));
  }
  return wanted ?? names;
}

const refuse = (path: string, name: string, problem: string): never => {
  throw new FileFormatError(
    `${path}, column '${name}': ${problem}. Choose others with columns: [...], or read the file as a table with readTable()`,
  );
};

function tensorOf(values: ArrayLike<number>, width: number | null, dtype: DType): AnyTensor {
  const shape = width === null ? [values.length] : [width === 0 ? 0 : values.length / width, width];
  return Tensor.from(values as Uint16Array, shape, { dtype: dtype as 'bfloat16' }) as AnyTensor;
}

// ---- Arrow ----

async function arrowColumns(bytes: Uint8Array, path: string, wanted: readonly string[] | undefined): Promise<Map<string, AnyTensor>> {
  const { DataType, tableFromIPC } = await optionalPackage('Arrow files are read', 'apache-arrow', () => import('apache-arrow'));
  const table = tableFromIPC(bytes);
  const names = table.schema.fields.map(({ name }) => String(name));
  return new Map(choose(names, wanted, path).map((name) => [name, arrowColumn(table.getChild(name) as Vector, path, name)]));

  function arrowColumn(column: Vector, file: string, name: string): AnyTensor {
    const isList = DataType.isFixedSizeList(column.type);
    const type = typeOf(isList ? column.type.children[0].type : column.type);
    if (type === null) return refuse(file, name, `is ${column.type}, and no numbers`);
    const stretches: Data[] = isList
      ? column.data.map((data) => data.children[0].slice(data.offset * column.type.listSize, data.length * column.type.listSize))
      : [...column.data];
    const missing = column.nullCount + (isList ? stretches.reduce((sum, data) => sum + data.nullCount, 0) : 0);
    if (missing > 0) return refuse(file, name, missing === 1 ? 'a value is missing' : `${missing} values are missing`);
    const parts = stretches.map((data) => numbersOf(data, type, file, name));
    return tensorOf(joined(parts, dtypeInMemory(type)), isList ? column.type.listSize : null, dtypeInMemory(type));
  }

  /** Arrow's type by our name. */
  function typeOf(type: Vector['type']): FileType | null {
    if (DataType.isBool(type)) return 'bool';
    if (DataType.isInt(type)) return `${type.isSigned ? '' : 'u'}int${type.bitWidth}` as FileType;
    return DataType.isFloat(type) ? (`float${16 << type.precision}` as FileType) : null;
  }
}

/** The numbers of a stretch, on the memory of the file where they need no conversion. */
function numbersOf(data: Data, type: FileType, path: string, name: string): ArrayLike<number> & ArrayBufferView {
  const { values, offset, length } = data as Data & { values: Uint8Array };
  // Truth values are bits.
  if (type === 'bool') return Uint8Array.from({ length }, (_, i) => (values[(offset + i) >> 3] >> ((offset + i) & 7)) & 1);
  const bytes = new Uint8Array(values.buffer, values.byteOffset, length * bytesInFile(type));
  return decodeElements(type, bytes, (value) => refuse(path, name, `holds ${value}, which int32 does not`));
}

function joined(parts: readonly (ArrayLike<number> & ArrayBufferView)[], dtype: DType): ArrayLike<number> {
  if (parts.length === 1) return parts[0];
  const whole = new arrayTypes[dtype](parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

// ---- Parquet ----

/** Element types by Parquet's physical types. */
const physical: Readonly<Record<string, DType>> = { FLOAT: 'float32', DOUBLE: 'float64', INT32: 'int32', INT64: 'int32', BOOLEAN: 'uint8' };

async function parquetColumns(file: ArrayBuffer, path: string, wanted: readonly string[] | undefined): Promise<Map<string, AnyTensor>> {
  const library = await optionalPackage('Parquet files are read', 'hyparquet', () => import('hyparquet'));
  const metadata = library.parquetMetadata(file);
  const rows = Number(metadata.num_rows);
  const elements = new Map(
    library.parquetSchema(metadata).children.map(({ element, children }) => [element.name, children.length > 0 ? null : element]),
  );
  const columns = new Map<string, AnyTensor>();
  for (const name of choose([...elements.keys()], wanted, path)) {
    const element = elements.get(name);
    const dtype = physical[element?.type ?? ''];
    if (element == null || dtype === undefined) return refuse(path, name, 'is no column of numbers');
    const values = new arrayTypes[dtype](rows);
    // Nothing may be thrown in there: hyparquet would leave it to nobody, and the process would end.
    const chunks: { readonly rowStart: number; readonly columnData: ArrayLike<unknown> }[] = [];
    await library.parquetRead({ file, metadata, columns: [name], onChunk: (chunk) => chunks.push(chunk) });
    for (const { rowStart, columnData } of chunks)
      for (let i = 0; i < columnData.length; i++) values[rowStart + i] = numberIn(columnData[i], dtype, path, name);
    columns.set(name, tensorOf(values, null, dtype));
  }
  return columns;
}

function numberIn(value: unknown, dtype: DType, path: string, name: string): number {
  if (value === null || value === undefined) return refuse(path, name, 'a value is missing');
  const number = typeof value === 'bigint' || typeof value === 'boolean' ? Number(value) : value;
  if (typeof number !== 'number') return refuse(path, name, `its values are ${describe(value)} and the like, and no numbers`);
  if (dtype === 'int32' && number !== (number | 0)) return refuse(path, name, `holds ${String(value)}, which int32 does not`);
  return number;
}
