// The NPZ format of NumPy: a zip archive of NPY files, an array each.

import type { DType } from '../dtype.js';
import { ArgumentError, FileFormatError, checkFlag, checkOptions, describe, expected } from '../errors.js';
import { isMap, isPlainObject } from '../foreign.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { checkPath, writeFileAtomic } from './atomic.js';
import { ownSource, withSource } from './byte-source.js';
import { isOtherKind, kindBytes, otherKind } from './file-kinds.js';
import { type NpyOptions, checkNpyOptions, decodeNpy, encodeNpy } from './npy.js';
import { readMember, zipMembers, zipPieces } from './zip.js';

/** Options of {@link writeNpz}. */
export interface NpzWriteOptions {
  /** Whether the arrays are compressed, as `np.savez_compressed` does. Default false. */
  readonly compress?: boolean;
}

/**
 * Reads the arrays of a file of `np.savez` or `np.savez_compressed` by their names; each as {@link readNpy} reads it. What an array unpacks to is bounded
 * by the sizes that the archive declares, and these by the memory that there is; checksums are compared.
 *
 * @param options - `dtype` holds for all arrays.
 * @throws {@link FileFormatError} if it is not a complete archive of NPY files, and what {@link readNpy} throws
 * @example
 * ```ts
 * import { readNpz } from 'nodegrad';
 * const arrays = await readNpz('digits.npz');
 * arrays.get('x')?.shape;
 * ```
 */
export async function readNpz(source: string | Uint8Array, options: NpyOptions = {}): Promise<Map<string, AnyTensor>> {
  const { name, dtype } = checkNpyOptions(options);
  return withSource(source, name, async (archive) => {
    const arrays = new Map<string, AnyTensor>();
    const begin = await archive.read(0, Math.min(archive.size, kindBytes));
    if (isOtherKind(begin, 'npz')) throw new FileFormatError(`${archive.name}: not an NPZ file${otherKind(begin)}`);
    for (const member of await zipMembers(archive)) {
      if (!member.name.endsWith('.npy'))
        throw new FileFormatError(`${archive.name}: not an NPZ file: its member ${describe(member.name)} is no .npy`);
      const array = ownSource(await readMember(archive, member), `${archive.name}: ${member.name}`);
      arrays.set(member.name.slice(0, -4), await decodeNpy(array, dtype as DType | undefined));
    }
    return arrays;
  });
}

/**
 * Writes tensors as they are now into an NPZ file, which `np.load` reads: each as {@link writeNpy} writes it. The file appears under its name complete, or not at all, and
 * has at most 4 GiB.
 *
 * @param tensors - By name, in a Map or a plain object.
 * @throws {@link ArgumentError} for malformed names, and if it cannot be written
 * @example
 * ```ts
 * import { tensor, writeNpz } from 'nodegrad';
 * await writeNpz('data.npz', { x: tensor([[1, 2], [3, 4]]), y: tensor([0, 1], { dtype: 'int32' }) });
 * ```
 */
export async function writeNpz(
  path: string,
  tensors: ReadonlyMap<string, AnyTensor> | Readonly<Record<string, AnyTensor>>,
  options: NpzWriteOptions = {},
): Promise<void> {
  checkPath(path);
  const { compress = false } = checkOptions<NpzWriteOptions>(options, 'options', ['compress']);
  checkFlag(compress, 'options.compress');
  if (!isMap(tensors) && (!isPlainObject(tensors) || (tensors as unknown) instanceof Tensor))
    throw new ArgumentError(expected('a Map or an object of tensors by name', 'tensors', tensors));
  const members = new Map<string, readonly Uint8Array[]>();
  for (const [name, value] of isMap(tensors) ? (tensors as ReadonlyMap<string, AnyTensor>) : Object.entries(tensors)) {
    if (typeof name !== 'string' || name === '' || Buffer.byteLength(name) > 1024 || /[\p{Surrogate}\0]/u.test(name))
      throw new ArgumentError(expected('names of at most 1024 bytes', 'tensors', name));
    members.set(`${name}.npy`, encodeNpy(Tensor.check(value, `tensors['${name}']`), `tensor ${describe(name)}`));
  }
  await writeFileAtomic(path, await zipPieces(members, compress));
}
