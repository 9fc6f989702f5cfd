// Work that is limited by memory bandwidth: 16 M elements, 64 MiB an array.

import { Generator, writeParts } from '../data.js';
import type { BenchCase, Limit, MemoryWork } from '../types.js';

const rows = 16384;
const columns = 1024;
const elements = rows * columns;

function memory(
  name: string,
  title: string,
  limit: Limit,
  bytesPerElement: number,
  contestants: string[],
  work: Partial<MemoryWork>,
): BenchCase {
  const description: MemoryWork = { kind: 'memory', operation: 'sgd', rows, columns, fresh: false, lr: 1e-3, ...work };
  return {
    name,
    title: `${title}; ${bytesPerElement} bytes an element are counted`,
    work: description,
    chunk: 1,
    unit: 'ms',
    bytes: bytesPerElement * elements,
    limit,
    contestants,
    prepare(folder) {
      const generator = new Generator(bytesPerElement);
      writeParts(folder, 'a.bin', [generator.array(elements)]);
      const second = description.operation === 'bias-relu' ? generator.array(columns) : generator.array(elements, 0.1);
      writeParts(folder, 'b.bin', [second]);
    },
  };
}

const updates = ['nodegrad', 'torch eager', 'torch eager foreach', 'jax'];
const passes = ['nodegrad', 'torch eager', 'torch compile', 'jax'];

/** The bandwidth cases. */
export const memoryCases: BenchCase[] = [
  memory('bias-relu', 'y = max(x + b, 0) over [16384, 1024] into kept memory', 'copy', 8, passes, { operation: 'bias-relu' }),
  memory('bias-relu-fresh', 'the same into newly allocated memory', 'copy', 8, [...passes, 'torch eager huge pages'], {
    operation: 'bias-relu',
    fresh: true,
  }),
  memory('sgd-update', 'p −= lr·g, 16 M elements, in place', 'update', 12, updates, { operation: 'sgd' }),
  memory('adam-update', 'Adam over 16 M elements, in place (p, m, v from g)', 'state', 28, updates, { operation: 'adam' }),
];
