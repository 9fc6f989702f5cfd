// Matrix products: the square ones everybody quotes and the shapes that the perceptron cases are made of, and of bfloat16 those of convolutions too.

import { Generator, writeParts } from '../data.js';
import type { BenchCase, GemmWork } from '../types.js';

const everybody = ['nodegrad own', 'nodegrad openblas', 'torch eager', 'jax'];

function gemm(
  name: string,
  remark: string,
  m: number,
  k: number,
  n: number,
  transposeA = false,
  transposeB = false,
  dtype: GemmWork['dtype'] = 'float32',
): BenchCase {
  const narrow = dtype === 'bfloat16';
  const bytes = (narrow ? 2 : 4) * (m * k + k * n + m * n);
  // Operands that stay in the last-level cache, as they do inside a training step; 16 pairs where 24 MB hold them.
  const sets = Math.max(1, Math.min(16, Math.floor(24e6 / bytes)));
  const work: GemmWork = { kind: 'gemm', m, n, k, transposeA, transposeB, dtype, sets };
  const flops = 2 * m * n * k;
  return {
    name,
    title: `${remark}: ${transposeA ? `[${k}, ${m}]ᵀ` : `[${m}, ${k}]`} · ${transposeB ? `[${n}, ${k}]ᵀ` : `[${k}, ${n}]`}, ${dtype}, ${sets} operand pairs`,
    work,
    chunk: Math.max(1, Math.min(32, Math.round(4e9 / 10 / flops))),
    unit: 'µs',
    flops,
    ...(narrow ? { tolerance: 0.02 } : { limit: 'fma' as const }),
    contestants: narrow ? ['nodegrad', 'nodegrad bfloat16 fma', 'torch eager'] : everybody,
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
  // In bfloat16: by AMX, VDPBF16PS or FMAs, as info().bfloat16 says.
  ...(
    [
      ['bfloat16-1024', 'square', 1024, 1024, 1024],
      ['bfloat16-512', 'square', 512, 512, 512],
      ['bfloat16-mlp', 'first layer of the MLP, batch 128', 128, 784, 512],
      ['bfloat16-mlp-dw', 'its weight gradient', 784, 128, 512, true],
      ['bfloat16-mlp-dx', 'its input gradient', 128, 512, 784, false, true],
      ['bfloat16-32', 'first layer of the MLP, batch 32', 32, 784, 512],
      ['bfloat16-1x1', 'a 1×1 convolution, batch 16', 3136, 256, 1024],
      ['bfloat16-3x3', 'a 3×3 convolution of 64 channels as a product, batch 4', 12544, 576, 64],
    ] as const
  ).map(([name, remark, m, k, n, transposeA = false, transposeB = false]) => gemm(name, remark, m, k, n, transposeA, transposeB, 'bfloat16')),
];
