// What the file of a model holds beside tensors, as JSON: architecture, preprocessing, class names, what is frozen; and which tensors belong to which.

import { FileFormatError, NodegradError } from '../errors.js';
import type { Safetensors } from '../io/safetensors.js';
import { type Transform, type TransformDescription, buildTransform } from '../preprocessing/transform.js';
import type { AnyTensor } from '../tensor.js';
import { checkClassNames } from './class-names.js';
import type { Frozen } from './frozen.js';
import type { TargetUnits } from './target-units.js';

/** What the preprocessing learned stands beside the weights, under names that begin so; the metadata `preprocessing` says what it is. */
export const learnedBelow = 'preprocessing.';

/** Names what wrote a file, in its metadata. */
export const format = 'nodegrad';

/** What a file holds beside its architecture. */
export interface FileParts {
  readonly weights: Map<string, AnyTensor>;
  readonly preprocessing: Transform | null;
  readonly classNames: readonly string[] | null;
  readonly targetUnits: TargetUnits | null;
}

/** The weights of a file, its preprocessing, its class names, and the units of its predictions. */
export function apart(file: Safetensors, source: string): FileParts {
  const { metadata } = file;
  const names = metadata.get('format') === format ? metadata.get('classNames') : undefined;
  const list = names === undefined ? null : parse(names, source, 'list of class names');
  const classNames = list === null ? null : build(source, 'list of class names', () => checkClassNames(list, 'classNames'));
  const units = metadata.get('targetUnits');
  return { ...withPreprocessing(file, source), classNames, targetUnits: units === 'targets' || units === 'scaled' ? units : null };
}

/** What of a model is frozen, as its file says; null where nothing is. */
export function frozenIn({ metadata }: Safetensors, source: string): Frozen | null {
  const text = metadata.get('frozen');
  if (text === undefined) return null;
  const { frozen, frozenLayers } = Object(parse(text, source, 'list of what is frozen')) as Partial<Frozen>;
  const isPaths = (paths: unknown): paths is string[] => Array.isArray(paths) && paths.every((path) => typeof path === 'string');
  if (isPaths(frozen) && isPaths(frozenLayers)) return { frozen, frozenLayers };
  throw new FileFormatError(`${source}: what is frozen are not two lists of paths`);
}

function withPreprocessing({ tensors, metadata }: Safetensors, source: string): Omit<FileParts, 'classNames' | 'targetUnits'> {
  const text = metadata.get('preprocessing');
  if (text === undefined) return { weights: tensors, preprocessing: null };
  const of = (isLearned: boolean): [string, AnyTensor][] => [...tensors].filter(([name]) => name.startsWith(learnedBelow) === isLearned);
  const description = parse(text, source, 'preprocessing');
  const learned = of(true).map(([name, value]) => [name.slice(learnedBelow.length), value.to('float64')] as const);
  const preprocessing = build(source, 'preprocessing', () => {
    const transform = buildTransform(description);
    const { inputShape } = description as Partial<TransformDescription>;
    if (inputShape != null) transform.restore(inputShape, new Map(learned));
    return transform;
  });
  return { weights: new Map(of(false)), preprocessing };
}

/** The JSON of a file's metadata. */
export function parse(text: string, source: string, what: string): unknown {
  try {
    return JSON.parse(text, (key, value) => {
      if (key === '__proto__') throw new Error('the key __proto__ is not allowed');
      return value;
    });
  } catch (error) {
    throw new FileFormatError(`${source}: the ${what} is not JSON: ${(error as Error).message}`, { cause: error });
  }
}

/** How a message begins about a class that nobody has registered. */
const unknownClass = /^unknown (layer|transform) class/;

/** What `make` builds from a file; an unknown class is for the caller to register, what a known class refuses is the file's fault. */
export function build<T>(source: string, what: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof NodegradError && unknownClass.test(error.message)) throw error;
    throw new FileFormatError(`${source}: the ${what} cannot be built: ${(error as Error).message}`, { cause: error });
  }
}
