// Training steps of transformers over characters.

import { Generator, writeParts } from '../data.js';
import type { BenchCase, TransformerWork } from '../types.js';

const normal = (generator: Generator, features: number): Float32Array[] => [
  generator.array(features, 0.1).map((value) => 1 + value),
  generator.array(features, 0.1),
];
const linear = (generator: Generator, inputs: number, outputs: number): Float32Array[] => [
  generator.array(inputs * outputs, 1 / Math.sqrt(inputs)),
  generator.array(outputs, 0.01),
];

// Parameters in the order of nodegrad's model: characters, positions, then for each block norm, query, key, value, output, norm, hidden, output; at
// the end norm and scores. Weights are [in, out].
function prepare(folder: string, { layers, features, time, batch, characters, batches }: TransformerWork): void {
  const generator = new Generator(features * 1000 + time);
  const block = (): Float32Array[] => [
    ...normal(generator, features),
    ...Array.from({ length: 4 }, () => linear(generator, features, features)).flat(),
    ...normal(generator, features),
    ...linear(generator, features, 4 * features),
    ...linear(generator, 4 * features, features),
  ];
  writeParts(folder, 'weights.bin', [
    generator.array(characters * features, 0.5),
    generator.array(time * features, 0.5),
    ...Array.from({ length: layers }, block).flat(),
    ...normal(generator, features),
    ...linear(generator, features, characters),
  ]);
  const draw = (): Int32Array => Int32Array.from({ length: batches * batch * time }, () => generator.integer(characters));
  writeParts(folder, 'inputs.bin', [draw()]);
  writeParts(folder, 'targets.bin', [draw()]);
}

function transformer(name: string, work: TransformerWork): BenchCase {
  const { layers, features, heads, time, batch, characters } = work;
  // Twelve weights for each pair of features in a block, and two products of half of all positions by all in each head.
  const weights = layers * 12 * features * features + features * characters;
  return {
    name,
    title: `training step of a transformer over characters (${layers} blocks, ${features} features, ${heads} heads, ${time} positions, causal), softmax cross-entropy at every position, SGD (lr ${work.lr}), batch ${batch}`,
    work,
    chunk: 1,
    unit: 'ms',
    flops: 6 * batch * time * (weights + layers * time * features),
    limit: 'fma',
    contestants: ['nodegrad', 'nodegrad sync', 'torch eager', 'torch compile', 'jax'],
    tolerance: 1e-3,
    memory: true,
    prepare: (folder) => prepare(folder, work),
  };
}

const small = { kind: 'transformer', layers: 4, features: 256, heads: 4, time: 128, batch: 16, characters: 64 } as const;

/** The transformer cases. */
export const transformerCases: BenchCase[] = [transformer('transformer', { ...small, batches: 200, lr: 0.01 })];
