// The rules of optimizers over 16 M weights: what they read and write, and little arithmetic.

import { Generator, writeParts } from '../data.js';
import type { BenchCase, UpdateWork } from '../types.js';

const elements = 2 ** 24;

/** Weights and every state are read and written, gradients are read. */
function update(name: string, optimizer: UpdateWork['optimizer'], states: number, options: UpdateWork['options'], rivals: string[]): BenchCase {
  const bytes = 4 * (2 + 1 + 2 * states);
  return {
    name: `${name}-16m`,
    title: `one step of ${name} over 16 M weights with ${states} ${states === 1 ? 'state' : 'states'}; ${bytes} bytes a weight are counted`,
    work: { kind: 'update', optimizer, options, elements },
    chunk: 1,
    unit: 'ms',
    bytes: bytes * elements,
    limit: states === 0 ? 'update' : 'state',
    table: 'Optimizers',
    pace: 0.2,
    contestants: ['nodegrad', ...rivals],
    prepare(folder) {
      const generator = new Generator(bytes);
      writeParts(folder, 'a.bin', [generator.array(elements)]);
      writeParts(folder, 'b.bin', [generator.array(elements, 0.1)]);
    },
  };
}

const fused = ['torch eager', 'torch eager foreach'];
const foreach = ['torch eager foreach'];

/** The cases of optimizers, through their public classes. PyTorch has fused forms of some. */
export const optimizerCases: BenchCase[] = [
  update('sgd', 'SGD', 0, { lr: 1e-3 }, fused),
  update('sgd-momentum', 'SGD', 1, { lr: 1e-3, momentum: 0.9 }, fused),
  // Not PyTorch's foreach form, which adds the velocity to the gradients themselves: they would not stay.
  update('sgd-nesterov', 'SGD', 1, { lr: 1e-3, momentum: 0.9, nesterov: true }, ['torch eager']),
  update('adagrad', 'Adagrad', 1, { lr: 1e-2 }, fused),
  update('adadelta', 'Adadelta', 2, { lr: 1 }, foreach),
  update('rmsprop', 'RMSprop', 1, { lr: 1e-3 }, foreach),
  update('rmsprop-centred', 'RMSprop', 3, { lr: 1e-3, momentum: 0.9, centred: true }, foreach),
  update('adam', 'Adam', 2, { lr: 1e-3 }, fused),
  update('amsgrad', 'Adam', 3, { lr: 1e-3, amsgrad: true }, fused),
  update('adamax', 'Adamax', 2, { lr: 1e-3 }, foreach),
  update('nadam', 'NAdam', 2, { lr: 1e-3 }, foreach),
  update('radam', 'RAdam', 2, { lr: 1e-3 }, foreach),
  update('lion', 'Lion', 1, { lr: 1e-4 }, ['jax']),
];
