// Weights and images that are a formula of their names, as test/golden/models.py makes them: logits alone stand in golden files.
import type { ExecutionContext } from 'ava';
import { type AnyTensor, Tensor } from '../../lib/index.js';

/** A model of another library: the names and shapes of its weights, and its logits for two images. */
export interface ModelCase {
  size: number;
  names: string[];
  shapes: number[][];
  logits: number[][];
}

/** The weights' formula of test/golden/models.py: element i is a hash of (name, i), in [−1, 1). */
function noise(name: string, count: number): Float64Array {
  let seed = 2166136261;
  for (const byte of new TextEncoder().encode(name)) seed = Math.imul(seed ^ byte, 16777619) >>> 0;
  return Float64Array.from({ length: count }, (_, i) => {
    let x = (Math.imul(i, 2654435761) + seed) >>> 0;
    x = (x ^ (x >>> 16)) >>> 0;
    x = Math.imul(x, 73244475) >>> 0;
    x = (x ^ (x >>> 16)) >>> 0;
    return x / 2 ** 31 - 1;
  });
}

/** A weight by its name. */
export function valueOf(name: string, shape: readonly number[]): Tensor {
  const count = shape.reduce((product, dimension) => product * dimension, 1);
  const scale = Math.sqrt(6 / (count / shape[0]));
  const one = (u: number): number => {
    if (name.endsWith('running_var')) return 1 + 0.5 * u;
    if (shape.length > 1) return u * scale;
    return name.endsWith('weight') ? 1 + 0.2 * u : 0.1 * u;
  };
  return Tensor.from(Float32Array.from(noise(name, count), one), shape);
}

/** The weights of a model. */
export const weightsOf = ({ names, shapes }: ModelCase): Map<string, AnyTensor> =>
  new Map(names.map((name, i) => [name, valueOf(name, shapes[i]) as unknown as AnyTensor]));

/** What a model gets that takes no images. */
export const noiseOf = (shape: readonly number[]): Tensor =>
  Tensor.from(
    Float32Array.from(
      noise(
        'images',
        shape.reduce((product, dimension) => product * dimension, 1),
      ),
    ),
    shape,
  );

/** Two images. */
export const imagesOf = ({ size }: Pick<ModelCase, 'size'>): Tensor => noiseOf([2, 3, size, size]).transpose([0, 2, 3, 1]);

/** Logits are those of the other library, to 2e-5 of the largest. */
export function agreesWith(t: ExecutionContext, name: string, logits: AnyTensor, golden: readonly (readonly number[])[]): void {
  const expected = golden.flat();
  const largest = Math.max(...expected.map(Math.abs));
  expected.forEach((value, i) => {
    const difference = Math.abs(logits.data[i] - value);
    t.true(difference < 2e-5 * largest, `${name}: logit ${i} is ${logits.data[i]}, expected ${value}`);
  });
}
