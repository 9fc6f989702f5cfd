// The cost of a call: operations so small that only the way to them counts.

import { Generator, writeParts } from '../data.js';
import type { BenchCase, TinyWork } from '../types.js';

function tiny(operation: TinyWork['operation'], title: string): BenchCase {
  const work: TinyWork = { kind: 'tiny', operation, size: 64 };
  return {
    name: `tiny-${operation}`,
    title: `${title}, through the public interface, the result allocated`,
    work,
    chunk: 1000,
    unit: 'ns',
    contestants: ['nodegrad', 'torch eager', 'jax', 'tfjs-wasm'],
    prepare(folder) {
      const generator = new Generator(64);
      writeParts(folder, 'a.bin', [generator.array(work.size)]);
      writeParts(folder, 'b.bin', [generator.array(work.size)]);
    },
  };
}

/** The call-cost cases. */
export const tinyCases: BenchCase[] = [tiny('add', 'x + y of 64 floats'), tiny('relu', 'relu(x) of 64 floats')];
