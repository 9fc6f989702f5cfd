// Matrix products: the square ones everybody quotes and the shapes that the perceptron cases are made of.

import { Generator, writeParts } from '../data.js';
import type { BenchCase, GemmWork } from '../types.js';

const everybody = ['nodegrad own', 'nodegrad openblas', 'torch eager', 'jax'];

function gemm(name: string, remark: string, m: number, k: number, n: number, transposeA = false, transposeB = false): BenchCase {
  const bytes = 4 * (m * k + k * n + m * n);
  // Operands that stay in the last-level cache, as they do inside a training step; 16 pairs where 24 MB hold them.
  const sets = Math.max(1, Math.min(16, Math.floor(24e6 / bytes)));
  const work: GemmWork = { kind: 'gemm', m, n, k, transposeA, transposeB, sets };
  const flops = 2 * m * n * k;
  return {
    name,
    title: `${remark}: ${transposeA ? `[${k}, ${m}]ᵀ` : `[${m}, ${k}]`} · ${transposeB ? `[${n}, ${k}]ᵀ` : `[${k}, ${n}]`}, float32, ${sets} operand pairs`,
    work,
    chunk: Math.max(1, Math.min(32, Math.round(4e9 / 10 / flops))),
    unit: 'µs',
    flops,
    limit: 'fma',
    contestants: everybody,
    prepare(folder) {
      const generator = new Generator(m + 7 * k + 11 * n);
      // Scaled so that results are of order one.
      writeParts(
        folder,
        'a.bin',
        Array.from({ length: sets }, () => generator.array(m * k)),
      );
      writeParts(
        folder,
        'b.bin',
        Array.from({ length: sets }, () => generator.array(k * n, 1 / Math.sqrt(k))),
      );
    },
  };
}

/** The matrix-product cases. */
export const gemmCases: BenchCase[] = [
  gemm('sgemm-1024', 'square', 1024, 1024, 1024),
  gemm('sgemm-512', 'square', 512, 512, 512),
  gemm('sgemm-mlp', 'first layer of the MLP, batch 128', 128, 784, 512),
  gemm('sgemm-mlp-dw', 'its weight gradient', 784, 128, 512, true, false),
  gemm('sgemm-mlp-dx', 'its input gradient', 128, 512, 784, false, true),
  gemm('sgemm-32', 'first layer of the MLP, batch 32', 32, 784, 512),
];
