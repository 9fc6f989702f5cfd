// A model in several safetensors files, as Hugging Face writes large ones: an index in JSON says which file has which tensor.

import { basename, dirname, join } from 'node:path';
import { TextDecoder } from 'node:util';
import { describe, FileFormatError } from '../errors.js';
import { isPlainObject } from '../foreign.js';
import type { AnyTensor } from '../tensor.js';
import { readWhole } from './read-whole.js';
import type { Safetensors } from './safetensors.js';

const maxIndexBytes = 64 << 20;

/**
 * Reads the files that an index names, one after the other.
 *
 * @throws {FileFormatError} if it is no such index, names a file in another folder, or a file lacks a tensor that it should have
 */
export async function readShards(path: string, name: string, read: (path: string, name: string) => Promise<Safetensors>): Promise<Safetensors> {
  const namesOf = filesOf(await readWhole(path, maxIndexBytes), name);
  const tensors = new Map<string, AnyTensor>();
  const metadata = new Map<string, string>();
  for (const [file, names] of namesOf) {
    const shard = await read(join(dirname(path), file), `${name}: ${file}`);
    for (const [key, text] of shard.metadata) metadata.set(key, text);
    for (const wanted of names) {
      const value = shard.tensors.get(wanted);
      if (value === undefined) throw new FileFormatError(`${name}: ${file} lacks tensor ${describe(wanted)}, which the index puts into it`);
      tensors.set(wanted, value);
    }
  }
  return { tensors, metadata };
}

/** The names of tensors by the file that has them. */
function filesOf(bytes: Uint8Array, name: string): Map<string, string[]> {
  let weightMap: unknown;
  try {
    weightMap = (JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as { weight_map?: unknown } | null)?.weight_map;
  } catch (error) {
    throw new FileFormatError(`${name}: not JSON: ${(error as Error).message}`, { cause: error });
  }
  if (!isPlainObject(weightMap))
    throw new FileFormatError(`${name}: not an index of safetensors files: it has no weight_map of files by tensor`);
  if (Object.keys(weightMap).length === 0) throw new FileFormatError(`${name}: its weight_map is empty: it names no file of weights`);
  const namesOf = new Map<string, string[]>();
  for (const [tensor, file] of Object.entries(weightMap)) {
    // A name with a path in it could lead anywhere.
    if (typeof file !== 'string' || file !== basename(file) || !/^[^\\/\0]+\.safetensors$/.test(file))
      throw new FileFormatError(`${name}: tensor ${describe(tensor)} stands in ${describe(file)}, expected the name of a safetensors file`);
    const names = namesOf.get(file);
    if (names === undefined) namesOf.set(file, [tensor]);
    else names.push(tensor);
  }
  return namesOf;
}
