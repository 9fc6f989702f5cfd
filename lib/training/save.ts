// Models in files: weights by path and the architecture, in one safetensors file that other tools read too.

import { isFloat } from '../dtype.js';
import { ArgumentError, FileFormatError, NodegradError, describe, describeShape } from '../errors.js';
import { checkPath, writeFileAtomic } from '../io/atomic.js';
import { type Safetensors, decodeSafetensors, encodeSafetensors, readSafetensors } from '../io/safetensors.js';
import { checkLayer } from '../layers/check.js';
import type { AnyLayer } from '../layers/layer.js';
import { buildModel, describeModel } from '../layers/registry.js';
import type { LoadOptions, LoadReport } from '../layers/state.js';
import { type Transform, type TransformDescription, buildTransform } from '../preprocessing/transform.js';
import { betweenSteps } from '../program/driver.js';
import { info } from '../runtime.js';
import type { AnyTensor } from '../tensor.js';

/** Names what wrote a file, in its metadata. */
const format = 'nodegrad';
/** What the preprocessing learned stands beside the weights, under names that begin so; the metadata `preprocessing` says what it is. */
const below = 'preprocessing.';

/** `model.toBytes()`: weights by path, and the architecture as JSON under `architecture` in the metadata. */
export function toBytes(model: AnyLayer): Uint8Array {
  checkLayer(model);
  const metadata = new Map([
    ['format', format],
    ['nodegrad', info().version],
    ['architecture', JSON.stringify(describeModel(model))],
  ]);
  const { preprocessing } = model;
  if (preprocessing !== null)
    metadata.set('preprocessing', JSON.stringify({ ...preprocessing.describe(), inputShape: preprocessing.inputShape }));
  const learned = [...(preprocessing?.stateDict() ?? [])].map(([name, value]) => [`${below}${name}`, value] as const);
  return betweenSteps(() => encodeSafetensors(new Map<string, AnyTensor>([...model.stateDict(), ...learned]), metadata));
}

/** `model.save(path)`: documented there. */
export async function save(model: AnyLayer, path: string): Promise<void> {
  checkPath(path);
  // The copy is made now, the rest of the work is the system's: the run may go on.
  await writeFileAtomic(path, [toBytes(model)]);
}

/**
 * Builds the model that `model.toBytes()` took down.
 *
 * @throws {FileFormatError} when the bytes are no such model; {@link ArgumentError} when a layer class is not registered.
 * @example
 * ```ts
 * import { Linear, fromBytes } from 'nodegrad';
 * fromBytes(new Linear(2, 1).toBytes()).parameterCount(); // 3
 * ```
 */
export function fromBytes(bytes: Uint8Array): AnyLayer {
  return rebuild(decodeSafetensors(bytes), 'bytes');
}

/**
 * Builds the model that `model.save(path)` wrote. Weights alone, from other tools, go into a model that is there with `model.load(path)`.
 *
 * @throws {FileFormatError} when the file is no such model; {@link ArgumentError} when it cannot be read, or a layer class is not registered.
 * @example
 * ```ts
 * import { Linear, load } from 'nodegrad';
 * await new Linear(2, 1).save('line.safetensors');
 * const model = await load('line.safetensors');
 * ```
 */
export async function load(path: string): Promise<AnyLayer> {
  return rebuild(await readSafetensors(path), path);
}

/** `model.load(path, options)`: documented there. */
export async function loadInto(model: AnyLayer, path: string, options: LoadOptions = {}): Promise<LoadReport> {
  const { weights, preprocessing } = apart(await readSafetensors(path), path);
  const report = model.loadStateDict(weights, options);
  if (preprocessing !== null) model.preprocessing = preprocessing;
  return report;
}

/** The weights of a file, and its preprocessing. */
function apart({ tensors, metadata }: Safetensors, source: string): { weights: Map<string, AnyTensor>; preprocessing: Transform | null } {
  const text = metadata.get('preprocessing');
  if (text === undefined) return { weights: tensors, preprocessing: null };
  const of = (isLearned: boolean): [string, AnyTensor][] => [...tensors].filter(([name]) => name.startsWith(below) === isLearned);
  const description = parse(text, source, 'preprocessing');
  const learned = of(true).map(([name, value]) => [name.slice(below.length), value.to('float64')] as const);
  const preprocessing = build(source, 'preprocessing', 'unknown transform class', () => {
    const transform = buildTransform(description);
    const { inputShape } = description as Partial<TransformDescription>;
    if (inputShape != null) transform.restore(inputShape, new Map(learned));
    return transform;
  });
  return { weights: new Map(of(false)), preprocessing };
}

function rebuild(file: Safetensors, source: string): AnyLayer {
  const { metadata } = file;
  const architecture = metadata.get('architecture');
  if (architecture === undefined) {
    throw new FileFormatError(`${source}: holds weights without an architecture: build the model and fill it with model.load(path)`);
  }
  const { weights: tensors, preprocessing } = apart(file, source);
  const description = parse(architecture, source, 'architecture');
  const model = build(source, 'architecture', 'unknown layer class', () => buildModel(description));
  const places = model.namedState();
  // Before any memory: only what the file has bytes for is ever allocated.
  for (const [path, place] of places) checkValue(place, tensors.get(path), path, source);
  for (const path of tensors.keys())
    if (!places.has(path)) throw new FileFormatError(`${source}: tensor ${describe(path)} has no place in the architecture`);
  for (const [path, place] of places) place.convert((tensors.get(path) as AnyTensor).dtype);
  model.loadStateDict(tensors);
  model.preprocessing = preprocessing;
  return model;
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

function parse(text: string, source: string, what: string): unknown {
  try {
    return JSON.parse(text, (key, value) => {
      if (key === '__proto__') throw new Error('the key __proto__ is not allowed');
      return value;
    });
  } catch (error) {
    throw new FileFormatError(`${source}: the ${what} is not JSON: ${(error as Error).message}`, { cause: error });
  }
}

function build<T>(source: string, what: string, unknownClass: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    // An unknown class is for the caller to register; what a known class refuses, or trips over, is the file's fault.
    if (error instanceof NodegradError && error.message.startsWith(unknownClass)) throw error;
    throw new FileFormatError(`${source}: the ${what} cannot be built: ${(error as Error).message}`, { cause: error });
  }
}
