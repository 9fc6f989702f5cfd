// The NPY format of NumPy: a magic number, a header that is a Python dictionary, then the elements. Read without trusting any of it.

import { type DType, dtypes, isReal } from '../dtype.js';
import { ArgumentError, DTypeError, FileFormatError, checkChoice, checkOptions, describeShape, expected } from '../errors.js';
import { withoutGradients } from '../ops/emit.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { checkPath, writeFileAtomic } from './atomic.js';
import { type ByteSource, withSource } from './byte-source.js';
import { bytesInFile, decodeElements, dtypeInMemory, littleEndian, swapWhereNeeded } from './elements.js';
import { kindBytes, otherKind } from './file-kinds.js';
import { type NpyHeader, npyTypes, parseNpyHeader } from './npy-header.js';

/** Options of {@link readNpy} and {@link readNpz}. */
export interface NpyOptions<D extends DType = DType> {
  /** Element type of the result; default: that of the file, or what holds it (see {@link readNpy}). Real numbers never become integers. */
  readonly dtype?: D;
  /** What error messages call the source; default: the path, or `bytes`. */
  readonly name?: string;
}

const magic = '\x93NUMPY';
/** Headers of version 1 have at most 64 KiB; those of fields with many names, which need more, are no tensors. */
const maxHeaderBytes = 1 << 16;

/**
 * Reads an array that NumPy saved with `np.save`, from a path or from its bytes: versions 1 to 3 of the format, both orders of bytes, and of axes
 * (`fortran_order`). float32, float64, int32 and uint8 stay what they are, float16 becomes float32, bool uint8, and other integers become int32 where every
 * number fits: all of it exactly. Objects, which are pickles, texts, dates, complex numbers and fields are refused.
 *
 * @throws {@link FileFormatError} if it is not a complete NPY file, holds such a type, or an integer that int32 does not; {@link ArgumentError} if it
 *   cannot be read; {@link DTypeError} if integers are asked for and the file has real numbers
 * @example
 * ```ts
 * import { TensorDataset, readNpy } from 'nodegrad';
 * const data = new TensorDataset(await readNpy('x.npy', { dtype: 'float32' }), await readNpy('y.npy', { dtype: 'int32' }));
 * ```
 */
export function readNpy<const D extends DType>(source: string | Uint8Array, options: NpyOptions<D> & { readonly dtype: D }): Promise<Tensor<D>>;
export function readNpy(source: string | Uint8Array, options?: NpyOptions): Promise<AnyTensor>;
export async function readNpy(source: string | Uint8Array, options: NpyOptions = {}): Promise<AnyTensor> {
  const { name, dtype } = checkNpyOptions(options);
  return withSource(source, name, (bytes) => decodeNpy(bytes, dtype));
}

/** Checks what both readers take. */
export function checkNpyOptions(options: unknown): NpyOptions {
  const { name, dtype } = checkOptions<NpyOptions>(options, 'options', ['dtype', 'name']);
  if (name !== undefined && typeof name !== 'string') throw new ArgumentError(expected('a string', 'options.name', name));
  if (dtype !== undefined) checkChoice(dtype, 'options.dtype', dtypes);
  return { ...(name !== undefined && { name }), ...(dtype !== undefined && { dtype }) };
}

/** The array of a file, or of a part of an archive. */
export async function decodeNpy({ name, size, read }: ByteSource, dtype: DType | undefined): Promise<AnyTensor> {
  const prefix = await read(0, Math.min(size, kindBytes));
  if (prefix.length < 10 || Buffer.from(prefix.subarray(0, 6)).toString('latin1') !== magic)
    throw new FileFormatError(
      `${name}: not an NPY file: it does not begin with \\x93NUMPY, a version and the length of a header${otherKind(prefix, 'npy')}`,
    );
  const [version, view] = [prefix[6], new DataView(prefix.buffer)];
  if (version < 1 || version > 3) throw new FileFormatError(`${name}: version ${version} of the NPY format; versions 1 to 3 are read`);
  const start = version === 1 ? 10 : 12;
  const length = version === 1 ? view.getUint16(8, true) : prefix.length < 12 ? size : view.getUint32(8, true);
  if (length > maxHeaderBytes)
    throw new FileFormatError(`${name}: a header of ${length} bytes is declared, at most ${maxHeaderBytes} are allowed`);
  if (start + length > size) throw new FileFormatError(`${name}: the file ends at byte ${size}, inside its header of ${length} bytes`);
  const text = Buffer.from(await read(start, start + length)).toString(version === 3 ? 'utf8' : 'latin1');
  const header = parseNpyHeader(text, name);
  const wanted = header.elements * bytesInFile(header.type);
  const left = size - start - length;
  if (wanted !== left) {
    const problem = left < wanted ? 'it is cut off' : 'there are trailing bytes';
    throw new FileFormatError(
      `${name}: ${problem}: ${header.type} ${describeShape(header.shape)} takes ${wanted} bytes, the file has ${left} after its header`,
    );
  }
  const array = arrayOf(await read(start + length, size), header, name);
  if (dtype === undefined || dtype === array.dtype) return array;
  if (isReal(array.dtype as DType) && !isReal(dtype))
    throw new DTypeError(`${name} holds ${header.type}, which \`options.dtype\` '${dtype}' would round`);
  return withoutGradients(() => array.to(dtype));
}

function arrayOf(content: Uint8Array, { type, shape, isLittle, isFortran }: NpyHeader, name: string): AnyTensor {
  const values = decodeElements(type, swapWhereNeeded(content, bytesInFile(type), isLittle), (value) => {
    throw new FileFormatError(
      `${name}: holds ${value}: integers of more than 32 bits are read where they fit into int32. numpy's astype('float64') keeps them up to 2^53`,
    );
  });
  const made = Tensor.from(values as Uint16Array, isFortran ? [...shape].reverse() : shape, { dtype: dtypeInMemory(type) as 'bfloat16' });
  return isFortran ? withoutGradients(() => made.transpose()) : made;
}

/**
 * Writes a tensor as it is now into an NPY file, byte for byte what `np.save` writes: `np.load` reads it. bfloat16, which NumPy lacks, is widened to float32. The file
 * appears under its name complete, or not at all.
 *
 * @throws {@link ArgumentError} if it cannot be written
 * @example
 * ```ts
 * import { tensor, writeNpy } from 'nodegrad';
 * await writeNpy('x.npy', tensor([[1, 2], [3, 4]]));
 * ```
 */
export async function writeNpy(path: string, value: AnyTensor): Promise<void> {
  checkPath(path);
  await writeFileAtomic(path, encodeNpy(Tensor.check(value, 'value'), 'the tensor'));
}

/** The bytes of an NPY file: its header, and a copy of the elements: the tensor may change while they are written. */
export function encodeNpy(value: AnyTensor, what: string): [header: Uint8Array, content: Uint8Array] {
  const { data, dtype, shape } = value.dtype === 'bfloat16' ? withoutGradients(() => value.to('float32')) : value;
  if (data.length !== value.size) throw new ArgumentError(`${what} has lost its memory: its ArrayBuffer was transferred or resized`);
  const kind = [...npyTypes].find(([, type]) => type === dtype)?.[0] as string;
  const dimensions = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const dictionary = `{'descr': '${dtype === 'uint8' ? '|' : '<'}${kind}', 'fortran_order': False, 'shape': (${dimensions}), }`;
  // A line end closes the header, and the elements begin at a multiple of 64.
  const length = Math.ceil((10 + dictionary.length + 1) / 64) * 64;
  const header = Buffer.from(`${magic}\x01\0\0\0${dictionary.padEnd(length - 11)}\n`, 'latin1');
  header.writeUInt16LE(length - 10, 8);
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
  return [header, littleEndian(bytes, bytesInFile(dtype))];
}
