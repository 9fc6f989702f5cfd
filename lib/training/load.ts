// Models out of files: the architecture is built again, and filled.

import { isFloat } from '../dtype.js';
import { ArgumentError, FileFormatError, NodegradError, describe, describeShape } from '../errors.js';
import { type Safetensors, decodeSafetensors, readSafetensors } from '../io/safetensors.js';
import type { AnyLayer } from '../layers/layer.js';
import { buildModel } from '../layers/registry.js';
import type { AnyTensor } from '../tensor.js';
import { type AnyModel, Model } from './model.js';

/**
 * Builds the model that `model.toBytes()` took down.
 *
 * @throws {FileFormatError} when the bytes are no such model; {@link ArgumentError} when a layer class is not registered.
 * @example
 * ```ts
 * import { fromBytes, mlp } from 'nodegrad';
 * const copy = fromBytes(mlp({ hidden: [64] }).toBytes());
 * ```
 */
export function fromBytes(bytes: Uint8Array): AnyModel {
  return rebuild(decodeSafetensors(bytes), 'bytes');
}

/**
 * Builds the model that `model.save(path)` wrote. Weights alone, from other tools, go into a model that is there with `model.load(path)`.
 *
 * @throws {FileFormatError} when the file is no such model; {@link ArgumentError} when it cannot be read, or a layer class is not registered.
 * @example
 * ```ts
 * import { load, mlp } from 'nodegrad';
 * await mlp().save('digits.safetensors');
 * const model = await load('digits.safetensors');
 * ```
 */
export async function load(path: string): Promise<AnyModel> {
  return rebuild(await readSafetensors(path), path);
}

function rebuild({ tensors, metadata }: Safetensors, source: string): AnyModel {
  const architecture = metadata.get('architecture');
  if (architecture === undefined) {
    throw new FileFormatError(`${source}: holds weights without an architecture: build the model and fill it with model.load(path)`);
  }
  const model = buildFrom(architecture, source);
  if (!(model instanceof Model)) throw new FileFormatError(`${source}: holds a ${model.constructor.name}, which is a layer and no Model`);
  const places = model.namedState();
  // Before any memory: only what the file has bytes for is ever allocated.
  for (const [path, place] of places) checkValue(place, tensors.get(path), path, source);
  for (const path of tensors.keys())
    if (!places.has(path)) throw new FileFormatError(`${source}: tensor ${describe(path)} has no place in the architecture`);
  for (const [path, place] of places) place.convert((tensors.get(path) as AnyTensor).dtype);
  model.loadStateDict(tensors);
  return model as AnyModel;
}

function checkValue(place: AnyTensor, value: AnyTensor | undefined, path: string, source: string): void {
  if (value === undefined) throw new FileFormatError(`${source}: has no tensor ${describe(path)}, which its architecture asks for`);
  const fits = isFloat(place.dtype) ? isFloat(value.dtype) : value.dtype === place.dtype;
  if (!fits || describeShape(value.shape) !== describeShape(place.shape)) {
    throw new FileFormatError(
      `${source}: tensor ${describe(path)} is ${value.dtype} ${describeShape(value.shape)}, its architecture asks for ${isFloat(place.dtype) ? 'floats' : place.dtype} of shape ${describeShape(place.shape)}`,
    );
  }
}

function buildFrom(architecture: string, source: string): AnyLayer {
  let description: unknown;
  try {
    description = JSON.parse(architecture, (key, value) => {
      if (key === '__proto__') throw new Error('the key __proto__ is not allowed');
      return value;
    });
  } catch (error) {
    throw new FileFormatError(`${source}: the architecture is not JSON: ${(error as Error).message}`, { cause: error });
  }
  try {
    return buildModel(description);
  } catch (error) {
    // An unknown class is for the caller to register; what a known class refuses, or trips over, is the file's fault.
    if (error instanceof NodegradError && error.message.startsWith('unknown layer class')) throw error;
    throw new FileFormatError(`${source}: the architecture cannot be built: ${(error as Error).message}`, { cause: error });
  }
}
