// Activation functions over 16 M elements, limited by memory bandwidth, and two of them on the output of a convolution, whose row stands beside.

import { Generator, writeParts } from '../data.js';
import type { BenchCase, MapWork } from '../types.js';

function map(operation: string, parameters: number[] = [], rows = 16384, columns = 1024, beside = ''): BenchCase {
  const elements = rows * columns;
  const work: MapWork = { kind: 'map', operation, parameters, rows, columns };
  return {
    name: `${operation.replaceAll('_', '-')}${beside === '' ? '' : '-beside-conv'}`,
    title: `y = ${operation}(x) over [${rows}, ${columns}] into kept memory${beside}; 8 bytes an element are counted`,
    work,
    chunk: 1,
    unit: 'ms',
    bytes: 8 * elements,
    limit: 'copy',
    contestants: ['nodegrad', 'torch eager', 'jax'],
    prepare(folder) {
      writeParts(folder, 'a.bin', [new Generator(elements).array(elements)]);
    },
  };
}

// 16 images of 56×56 pixels with 64 channels: less than 10 % of the time of the 3×3 convolution that gives them. [A06] [A33]
const besides = [16 * 56 * 56, 64, ', the output of the 3×3 convolution 64 → 64 of 56×56'] as const;

/** One case for each kernel of an activation. */
export const activationCases: BenchCase[] = [
  map('relu'),
  map('sigmoid'),
  map('tanh'),
  map('leaky_relu', [0.01]),
  map('elu', [1, 1]),
  map('celu', [2]),
  map('gelu'),
  map('gelu_tanh'),
  map('swish', [1, 1]),
  map('mish'),
  map('softplus', [1]),
  map('softsign'),
  map('hard_sigmoid'),
  map('hard_swish'),
  map('clip', [-1, 1]),
  map('sigmoid', [], ...besides),
  map('elu', [1, 1], ...besides),
];
