// Models out of files: the architecture is built again, and filled.

import { isFloat, isReal } from '../dtype.js';
import { FileFormatError, describe, describeShape } from '../errors.js';
import { type Safetensors, decodeSafetensors, readSafetensors } from '../io/safetensors.js';
import { buildModel } from '../layers/registry.js';
import { Parameter } from '../parameter.js';
import type { AnyTensor } from '../tensor.js';
import { type AnyModel, Model } from './model.js';
import { restoreFrozen } from './frozen.js';
import { apart, build, frozenIn, parse } from './model-file.js';
import { setTargetUnits } from './target-units.js';

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
 * Builds the model that `model.save(path)` wrote, with its preprocessing and class names; what was frozen is frozen. Weights alone, from other tools, go into a model
 * that is there with `model.load(path)`.
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

function rebuild(file: Safetensors, source: string): AnyModel {
  const architecture = file.metadata.get('architecture');
  if (architecture === undefined) {
    throw new FileFormatError(
      `${source}: holds weights without an architecture: build the model and fill it with model.load(path), or loadPyTorch(model, path) if PyTorch wrote it`,
    );
  }
  const { weights, preprocessing, classNames, targetUnits } = apart(file, source);
  const frozen = frozenIn(file, source);
  const description = parse(architecture, source, 'architecture');
  const model = build(source, 'architecture', () => buildModel(description));
  if (!(model instanceof Model)) throw new FileFormatError(`${source}: holds a ${model.constructor.name}, which is a layer and no Model`);
  const places = model.namedState();
  // Before any memory: only what the file has bytes for is ever allocated.
  for (const [path, place] of places) checkValue(place, weights.get(path), path, source);
  for (const path of weights.keys())
    if (!places.has(path)) throw new FileFormatError(`${source}: tensor ${describe(path)} has no place in the architecture`);
  for (const [path, place] of places) {
    const { dtype } = weights.get(path) as AnyTensor;
    // Only parameters are stored as bfloat16.
    if (place instanceof Parameter || dtype !== 'bfloat16') place.convert(dtype);
  }
  model.loadStateDict(weights);
  model.preprocessing = preprocessing;
  model.classNames = classNames;
  setTargetUnits(model, targetUnits);
  if (frozen !== null) restoreFrozen(model, frozen);
  return model as AnyModel;
}

function checkValue(place: AnyTensor, value: AnyTensor | undefined, path: string, source: string): void {
  if (value === undefined) throw new FileFormatError(`${source}: has no tensor ${describe(path)}, which its architecture asks for`);
  const fits = isFloat(place.dtype) ? isReal(value.dtype) : value.dtype === place.dtype;
  if (!fits || describeShape(value.shape) !== describeShape(place.shape)) {
    throw new FileFormatError(
      `${source}: tensor ${describe(path)} is ${value.dtype} ${describeShape(value.shape)}, its architecture asks for ${isFloat(place.dtype) ? 'floats' : place.dtype} of shape ${describeShape(place.shape)}. ` +
        `Weights of a model with another layer there: build it so, as resnet18({ classes: 4 }), and fill it with model.load(path)`,
    );
  }
}
