// nodegrad as a contestant: through its public interface; matrix products, memory passes and single layers call operations with kept outputs.

import { readFileSync } from 'node:fs';
import { addRelu, getNumThreads, info, relu, Tensor } from '../lib/index.js';
import { allocate, allocateShared, run as runNative } from '../lib/native.js';
import { readFloats } from './data.js';
import { activation, convolution, normalization, operation, picked, withRelu } from './layer.js';
import { network } from './network.js';
import { epochs, mlp } from './perceptron.js';
import { sequence } from './sequence.js';
import { Skip, serve, type Work } from './protocol.js';
import { transformer } from './transformer.js';
import { update } from './update.js';
import type { GemmWork, MemoryWork, Setup, TinyWork } from './types.js';

type Timed = Pick<Work, 'check' | 'run'>;

function gemm(work: GemmWork, folder: string): Timed {
  const { m, n, k, sets } = work;
  const allA = readFloats(folder, 'a.bin');
  const allB = readFloats(folder, 'b.bin');
  const narrow = work.dtype === 'bfloat16';
  const operands = (all: Float32Array, size: number) =>
    Array.from({ length: sets }, (_, index) => {
      const part = all.subarray(index * size, (index + 1) * size);
      return narrow ? Tensor.from(part, [size]).to('bfloat16').data : part;
    });
  const a = operands(allA, m * k);
  const b = operands(allB, k * n);
  const c = narrow ? new Uint16Array(m * n) : new Float32Array(m * n);
  const matmul = operation('matmul');
  const ints = [m, n, k, Number(work.transposeA), Number(work.transposeB)];
  let position = 0;
  const run = (steps: number): void => {
    for (let index = 0; index < steps; index++) {
      runNative(matmul, [c, a[position], b[position]], ints, []);
      position = (position + 1) % sets;
    }
  };
  return {
    check() {
      run(1);
      return picked(c instanceof Uint16Array ? Tensor.from(c, [m * n], { dtype: 'bfloat16' }).to('float32').data : c);
    },
    run,
  };
}

function memory(work: MemoryWork, folder: string): Timed {
  const { rows, columns, lr } = work;
  const a = readFloats(folder, 'a.bin');
  const b = readFloats(folder, 'b.bin');
  if (work.operation === 'bias-relu' && work.fresh) {
    const [x, bias] = [Tensor.from(a, [rows, columns]), Tensor.from(b, [columns])];
    let result = addRelu(x, bias);
    return {
      check: () => picked(result.data),
      run(steps) {
        for (let index = 0; index < steps; index++) result = addRelu(x, bias);
      },
    };
  }
  // Results, parameters, gradients and state live where the library puts them.
  const slab = (values?: Float32Array): Float32Array => {
    const memory = allocateShared(a.length, 'float32');
    if (values !== undefined) memory.set(values);
    return memory;
  };
  const kept = work.operation === 'bias-relu' ? allocate(a.length, 'float32') : slab(a);
  const gradients = work.operation === 'bias-relu' ? kept : slab(b);
  const [m, v] = work.operation === 'adam' ? [slab(), slab()] : [kept, kept];
  const rectified = withRelu();
  const call = operation(work.operation === 'bias-relu' ? 'add' : work.operation);
  // Learning rate, weight decay, decoupled, then the numbers of native/kernels/optimizers.h.
  const hyper = new Float64Array(work.operation === 'adam' ? [lr, 0, 0, 0.9, 0.999, 1e-8, 0, 0, 0] : [lr, 0, 0, 0, 0, 0, 0]);
  const powers = [1, 1];
  const none = new Float32Array(0);
  const run = (steps: number): void => {
    for (let index = 0; index < steps; index++) {
      if (work.operation === 'bias-relu') runNative(call, [kept, a, b], [2, rows, columns, columns, 1, 0, 1, rectified], [0, 0]);
      else if (work.operation === 'sgd') runNative(call, [kept, none, gradients, hyper], [0], []);
      else {
        for (const beta of [0, 1]) powers[beta] *= hyper[3 + beta];
        hyper[6] = lr / (1 - powers[0]);
        hyper[7] = 1 / (1 - powers[1]);
        runNative(call, [kept, m, v, none, gradients, hyper], [0], []);
      }
    }
  };
  return {
    check() {
      run(3);
      return picked(kept);
    },
    run,
  };
}

function tiny(work: TinyWork, folder: string): Timed {
  const x = Tensor.from(readFloats(folder, 'a.bin'), [work.size]);
  const y = Tensor.from(readFloats(folder, 'b.bin'), [work.size]);
  let result = x;
  const run =
    work.operation === 'add'
      ? (steps: number): void => {
          for (let index = 0; index < steps; index++) result = x.add(y);
        }
      : (steps: number): void => {
          for (let index = 0; index < steps; index++) result = relu(x);
        };
  return {
    check() {
      run(1);
      return Array.from(result.data.subarray(0, 20));
    },
    run,
  };
}

/** The way that computes products of bfloat16, which is chosen at the first one. */
function multiplierOfBfloat16(): string {
  runNative(operation('matmul'), [new Uint16Array(1), new Uint16Array(1), new Uint16Array(1)], [1, 1, 1, 0, 0], []);
  return info().bfloat16.products ?? '?';
}

/** Versions for the table. `info()` opens OpenBLAS, so where start-up is timed it has to stay out. */
function versions(work: Setup['work']): Record<string, string> {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };
  if (work.kind === 'convolution') return { nodegrad: version, kernels: info().isa };
  if (work.kind !== 'gemm') return { nodegrad: version };
  const { isa, gemm: choice, blas } = info();
  if (choice === 'openblas' && !blas.available) throw new Skip(blas.problem ?? 'there is no OpenBLAS on this machine');
  if (work.dtype === 'bfloat16') return { nodegrad: version, kernels: isa, products: multiplierOfBfloat16() };
  return { nodegrad: version, kernels: isa, ...(choice === 'openblas' ? { library: blas.config ?? '?', core: blas.core ?? '?' } : {}) };
}

function prepare({ work, folder, threads, variant }: Setup): Work {
  if (getNumThreads() !== threads) throw new Skip(`runs with ${getNumThreads()} threads instead of ${threads}`);
  const of = versions(work);
  if (work.kind === 'mlp') return { versions: of, ...mlp(work, folder, variant) };
  if (work.kind === 'epoch') return { versions: of, ...epochs(work, folder, variant) };
  if (work.kind === 'network') return { versions: of, ...network(work, folder, variant) };
  if (work.kind === 'sequence') return { versions: of, ...sequence(work, folder, variant) };
  if (work.kind === 'activation') return { versions: of, ...activation(work, folder) };
  if (work.kind === 'update') return { versions: of, ...update(work, folder) };
  if (work.kind === 'transformer') return { versions: of, ...transformer(work, folder, variant) };
  if (work.kind === 'convolution') return { versions: of, ...convolution(work, folder, variant) };
  if (work.kind === 'normalization') return { versions: of, ...normalization(work, folder) };
  if (work.kind === 'gemm') return { versions: of, ...gemm(work, folder) };
  if (work.kind === 'memory') return { versions: of, ...memory(work, folder) };
  return { versions: of, ...tiny(work, folder) };
}

await serve(prepare);
