// HDF5 files, by the package h5wasm: groups, arrays of numbers, texts, read; arrays written. It works in memory of its own, and sees no other file.

import { Buffer } from 'node:buffer';
import { randomUUID } from 'node:crypto';
import type { Dataset, Group } from 'h5wasm';
import { arrayDType } from '../dtype.js';
import { FileFormatError, NodegradError, describe } from '../errors.js';
import { checkAvailable } from '../memory.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { otherKind } from './file-kinds.js';
import { optionalPackage } from './optional-package.js';

const signature = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a];
/** How a place for texts begins: its name, and version 1. */
const heapStart = Buffer.from('GCOL\x01\0\0\0', 'latin1');
/** More than a stack of errors takes. */
const mostPrinted = 1 << 16;
/** Deflate expands at most 1032 times. */
const maxRatio = 1040;

/** Whether bytes begin as an HDF5 file does. */
export const isHdf5 = (bytes: Uint8Array): boolean => signature.every((byte, i) => bytes[i] === byte);

/** An open file. */
export interface Hdf5File {
  /** Names in a group; null where there is no group. */
  names(path: string): string[] | null;
  /** An array as a tensor; null where there is none. */
  array(path: string): AnyTensor | null;
  /** An attribute that is a text, or a list of such; null where there is none. */
  texts(path: string, attribute: string): readonly string[] | null;
}

/**
 * Opens the bytes of a file for as long as `use` runs.
 *
 * @throws {FileFormatError} if it is no complete HDF5 file; {MissingPackageError} without h5wasm
 */
export async function withHdf5<T>(bytes: Uint8Array, name: string, use: (file: Hdf5File) => T): Promise<T> {
  if (!isHdf5(bytes)) throw new FileFormatError(`${name}: not an HDF5 file: it does not begin with \\x89HDF${otherKind(bytes)}`);
  checkHeaps(bytes, name);
  const { File, ready } = await optionalPackage('HDF5 files are read', 'h5wasm', () => import('h5wasm'));
  const { FS } = await ready;
  const path = `/${randomUUID()}.h5`;
  const { reason, restore } = listen(FS);
  try {
    checkAvailable(bytes.length, name);
    FS.writeFile(path, bytes);
    const file = new File(path, 'r');
    try {
      return use(contentsOf(file, name, bytes.length));
    } finally {
      file.close();
    }
  } catch (error) {
    if (error instanceof FileFormatError) error.message += reason();
    if (error instanceof NodegradError) throw error;
    throw new FileFormatError(`${name}: not a complete HDF5 file: ${(error as Error).message}${reason()}`, { cause: error });
  } finally {
    restore();
    if (FS.analyzePath(path, false).exists) FS.unlink(path);
  }
}

/**
 * Checks the places where texts are kept: libhdf5 runs without end over one whose sizes lead out of it or nowhere, and what runs in WebAssembly nobody can stop.
 *
 * `GCOL`, version, 3 reserved bytes, size of all; then objects of index, count, 4 reserved bytes, size, and so many bytes, in steps of 8. Index 0 is what is free.
 */
export function checkHeaps(bytes: Uint8Array, name: string): void {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = file.indexOf(heapStart); at >= 0; at = file.indexOf(heapStart, at + 1)) {
    const end = at + Number(at + 16 <= file.length ? file.readBigUInt64LE(at + 8) : 0);
    // What is no heap, but looks like one among weights, would have no such size.
    if (end > file.length || end < at + 16) continue;
    for (let object = at + 16; object + 16 <= end; ) {
      const size = Number(file.readBigUInt64LE(object + 8));
      // The size of what is free counts all of it.
      const step = file.readUInt16LE(object) === 0 ? size : 16 + 8 * Math.ceil(size / 8);
      if (step < 16 || object + step > end)
        throw new FileFormatError(`${name}: not a complete HDF5 file: texts at byte ${at} are said to have other sizes than their place`);
      object += step;
    }
  }
}

/**
 * The bytes of a file with arrays by their paths, in groups that the paths name.
 *
 * @throws {MissingPackageError} without h5wasm
 */
export async function hdf5Bytes(arrays: ReadonlyMap<string, AnyTensor>): Promise<Uint8Array> {
  const { File, ready } = await optionalPackage('HDF5 files are written', 'h5wasm', () => import('h5wasm'));
  const { FS } = await ready;
  const path = `/${randomUUID()}.h5`;
  try {
    const file = new File(path, 'w');
    try {
      const groups = new Map<string, Group>([['', file]]);
      const groupAt = (at: string): Group => {
        let group = groups.get(at);
        if (group === undefined) {
          const cut = at.lastIndexOf('/');
          group = groupAt(at.slice(0, Math.max(0, cut))).create_group(at.slice(cut + 1));
          groups.set(at, group);
        }
        return group;
      };
      for (const [at, { data, shape }] of arrays) {
        const cut = at.lastIndexOf('/');
        // A copy: the library reads the whole of an array's buffer.
        groupAt(at.slice(0, Math.max(0, cut))).create_dataset({
          name: at.slice(cut + 1),
          data: (data as Float32Array).slice(),
          shape: [...shape],
        });
      }
    } finally {
      file.close();
    }
    return FS.readFile(path);
  } finally {
    if (FS.analyzePath(path, false).exists) FS.unlink(path);
  }
}

/** The standard error of the package's own file system, which its library writes to. */
interface Stream {
  stream_ops: { write(stream: unknown, bytes: Int8Array, offset: number, length: number): number };
}

/**
 * Keeps what the library prints about a damaged file from the terminal. `reason` is the innermost cause of the first error, to stand behind a message; '' where nothing
 * was printed.
 */
function listen(files: unknown): { reason(): string; restore(): void } {
  const stream = (files as { getStream(descriptor: number): Stream | null }).getStream(2);
  if (stream === null) return { reason: () => '', restore() {} };
  const own = stream.stream_ops;
  let printed = '';
  const write: typeof own.write = (_stream, bytes, offset, length) => {
    if (printed.length < mostPrinted) printed += Buffer.from(bytes.subarray(offset, offset + length)).toString();
    return length;
  };
  stream.stream_ops = { ...own, write };
  const reason = (): string => {
    const [, first = ''] = printed.split('HDF5-DIAG', 2);
    // `#003: … in H5F_open(): unable to read superblock`, the outermost function first.
    const cause = [...first.matchAll(/^ *#\d+: .*\(\): (.*)$/gm)].pop()?.[1];
    return cause === undefined ? '' : ` (HDF5: ${cause})`;
  };
  return { reason, restore: () => void (stream.stream_ops = own) };
}

/** A number alone as an array of one, of its own type; a whole number of 64 bits in 32, where it fits. */
function arrayOf(value: unknown, dtype: unknown): unknown {
  if (typeof value === 'bigint') return BigInt.asIntN(32, value) === value ? Int32Array.of(Number(value)) : value;
  if (typeof value !== 'number') return value;
  return dtype === '<f' ? Float32Array.of(value) : dtype === '<d' ? Float64Array.of(value) : dtype === '<i' ? Int32Array.of(value) : value;
}

function contentsOf(file: Group, name: string, fileBytes: number): Hdf5File {
  const find = (path: string): Partial<Group & Dataset> | null => (path === '' ? file : (file.get(path) as Partial<Group & Dataset> | null));
  return {
    names: (path) => find(path)?.keys?.() ?? null,
    array(path) {
      const found = find(path);
      if (found?.metadata === undefined || !Array.isArray(found.shape)) return null;
      const { shape, metadata } = found as Dataset;
      // Sizes are declared, and cost nothing in a file: what could not be in it is not taken. The library looks for each piece that is not there.
      const bytes = (shape as number[]).reduce((product, dimension) => product * dimension, metadata.size);
      const ratio = (found as Dataset).filters.length === 0 ? 1 : maxRatio;
      if (!(bytes <= ratio * fileBytes))
        throw new FileFormatError(`${name}: ${describe(path)} is said to have ${bytes} bytes, in a file of ${fileBytes}`);
      checkAvailable(bytes, name);
      const value = arrayOf(found.value, found.dtype);
      const dtype = arrayDType(value);
      if (dtype === null || dtype === 'bfloat16')
        throw new FileFormatError(
          `${name}: ${describe(path)} has elements of ${String(found.dtype)}; float32, float64, int32 and uint8 are read`,
        );
      return Tensor.from((value as Float32Array).slice(), shape as number[]) as AnyTensor;
    },
    texts(path, attribute) {
      const value = find(path)?.attrs?.[attribute]?.value;
      const list = Array.isArray(value) ? value : [value];
      return list.every((item) => typeof item === 'string') ? list : null;
    },
  };
}
