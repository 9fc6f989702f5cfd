// Activation functions over large arrays, into kept memory.

import { Generator, writeParts } from '../data.js';
import type { ActivationWork, BenchCase } from '../types.js';

function activation(name: string, title: string, work: ActivationWork): BenchCase {
  return {
    name,
    title: `${title}; 8 bytes an element are counted`,
    work,
    chunk: 1,
    unit: 'ms',
    bytes: 8 * work.elements,
    limit: 'copy',
    table: 'Activations',
    pace: 0.2,
    contestants: ['nodegrad', 'torch eager', 'jax'],
    prepare(folder) {
      const generator = new Generator(work.elements);
      writeParts(
        folder,
        'x.bin',
        Array.from({ length: work.sets }, () => generator.array(work.elements, 2)),
      );
    },
  };
}

const elements = 2 ** 24;
const large = (name: string, parameters: number[] = []): BenchCase =>
  activation(`${name}-16m`, `y = ${name}(x), 16 M elements`, { kind: 'activation', name, parameters, elements, sets: 1 });

/** The cases of activations. */
export const activationCases: BenchCase[] = [
  // What an exponential costs beside a comparison: sigmoid, ELU and their like beside ReLU. [A33]
  large('relu'),
  large('sigmoid'),
  large('tanh'),
  large('leaky_relu', [0.01]),
  large('elu', [1, 1]),
  large('celu', [1]),
  large('gelu'),
  large('gelu_tanh'),
  large('swish', [1, 1]),
  large('mish'),
  large('softplus', [1]),
  large('softsign'),
  large('hard_sigmoid'),
  large('hard_swish'),
  // The output of the 3×3 convolution 64 → 64 at 56×56 of the case conv3s1-n16c64h56k64-forward: a tenth of its time at most. [A06]
  activation('sigmoid-conv', 'sigmoid over the output of a 3×3 convolution, [16, 56, 56, 64]', {
    kind: 'activation',
    name: 'sigmoid',
    parameters: [],
    elements: 16 * 56 * 56 * 64,
    sets: 3,
  }),
];
