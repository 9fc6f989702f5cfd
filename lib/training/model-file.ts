// What the file of a model holds beside tensors: architecture and preprocessing as JSON, and which tensors belong to which.

import { FileFormatError, NodegradError } from '../errors.js';
import type { Safetensors } from '../io/safetensors.js';
import { type Transform, type TransformDescription, buildTransform } from '../preprocessing/transform.js';
import type { AnyTensor } from '../tensor.js';

/** What the preprocessing learned stands beside the weights, under names that begin so; the metadata `preprocessing` says what it is. */
export const learnedBelow = 'preprocessing.';

/** The weights of a file, and its preprocessing. */
export function apart(
  { tensors, metadata }: Safetensors,
  source: string,
): { weights: Map<string, AnyTensor>; preprocessing: Transform | null } {
  const text = metadata.get('preprocessing');
  if (text === undefined) return { weights: tensors, preprocessing: null };
  const of = (isLearned: boolean): [string, AnyTensor][] => [...tensors].filter(([name]) => name.startsWith(learnedBelow) === isLearned);
  const description = parse(text, source, 'preprocessing');
  const learned = of(true).map(([name, value]) => [name.slice(learnedBelow.length), value.to('float64')] as const);
  const preprocessing = build(source, 'preprocessing', 'unknown transform class', () => {
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

/** What `make` builds from a file; an unknown class is for the caller to register, what a known class refuses is the file's fault. */
export function build<T>(source: string, what: string, unknownClass: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof NodegradError && error.message.startsWith(unknownClass)) throw error;
    throw new FileFormatError(`${source}: the ${what} cannot be built: ${(error as Error).message}`, { cause: error });
  }
}
