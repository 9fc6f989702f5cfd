// nodegrad's single layers: the operations themselves, with kept outputs.

import { allocate, nativeOps, run as runNative } from '../lib/native.js';
import type { Op } from '../lib/ops/define.js';
import { descriptor } from '../lib/ops/fused.js';
import { readFloats } from './data.js';
import { Skip, type Work } from './protocol.js';
import type { ActivationWork, ConvolutionWork, NormalizationWork } from './types.js';

type Timed = Pick<Work, 'check' | 'run'>;

/** The number of a native operation. */
export function operation(name: string): number {
  const index = nativeOps.findIndex((op) => op.name === name);
  if (index < 0) throw new Skip(`the addon has no operation '${name}'`);
  return index;
}

/** What a descriptor says of the ReLU behind an operation; its parameters are two reals. */
export const withRelu = (): number => descriptor({ map: { index: operation('relu') } as Op<unknown> });

/** Twenty values spread over a result, as every contestant picks them. */
export function picked(values: ArrayLike<number>): number[] {
  const pitch = Math.floor(values.length / 20);
  return Array.from({ length: Math.min(20, values.length) }, (_, index) => values[index * Math.max(1, pitch)]);
}

/** The sets of a file, one after the other in it. */
function setsOf(folder: string, name: string, sets: number): Float32Array[] {
  const all = readFloats(folder, name);
  const length = all.length / sets;
  return Array.from({ length: sets }, (_, index) => all.subarray(index * length, (index + 1) * length));
}

function rotating(sets: number, one: (set: number) => void): (steps: number) => void {
  let position = 0;
  return (steps) => {
    for (let index = 0; index < steps; index++) {
      one(position);
      position = (position + 1) % sets;
    }
  };
}

const directions = {
  forward: { name: 'conv2d', operands: ['x.bin', 'w.bin'] },
  dx: { name: 'conv2d_input_gradient', operands: ['dy.bin', 'w.bin'] },
  dw: { name: 'conv2d_weight_gradient', operands: ['x.bin', 'dy.bin'] },
} as const;

/** One direction of a convolution; the variant `direct` leaves Winograd's algorithms out. */
export function convolution(work: ConvolutionWork, folder: string, variant: string): Timed {
  const { direction, n, size, out, inputs, outputs, kernel, stride, padding, groups, sets } = work;
  // The fields of native/ops/convolution.h.
  const geometry = [n, size, size, inputs, out, out, outputs, kernel, kernel, stride, stride, padding, padding, 1, 1, groups];
  const ints = [...geometry, variant === 'direct' ? 1 : 0];
  const { name, operands } = directions[direction];
  const [a, b] = operands.map((file) => setsOf(folder, file, sets));
  const lengths = { forward: n * out * out * outputs, dx: n * size * size * inputs, dw: (kernel * kernel * inputs * outputs) / groups };
  const results = Array.from({ length: sets }, () => allocate(lengths[direction], 'float32'));
  const call = operation(name);
  const run = rotating(sets, (set) => runNative(call, [results[set], a[set], b[set]], ints, []));
  return {
    check() {
      run(1);
      return picked(results[0]);
    },
    run,
  };
}

/** Batch normalization and ReLU, as a training step runs them: statistics, then the map; sums, then the gradient. */
export function normalization(work: NormalizationWork, folder: string): Timed {
  const { direction, n, size, channels, sets } = work;
  const rows = n * size * size;
  const x = setsOf(folder, 'x.bin', sets);
  const [scale, shift] = setsOf(folder, 'scale.bin', 2);
  const results = x.map((values) => allocate(values.length, 'float32'));
  const statistics = operation('batch_norm_statistics');
  const eps = 1e-5;
  // Every set has its own, as it has its own x.
  const means = x.map(() => allocate(channels, 'float64'));
  const variances = x.map(() => allocate(channels, 'float64'));
  const measure = (set: number): void => runNative(statistics, [means[set], variances[set], x[set]], [rows, channels], []);
  if (direction === 'forward') {
    const map = operation('batch_norm');
    const rectified = withRelu();
    const run = rotating(sets, (set) => {
      measure(set);
      runNative(map, [results[set], x[set], means[set], variances[set], scale, shift], [rows, channels, rectified], [eps, 0, 0]);
    });
    return {
      check() {
        run(1);
        return picked(results[0]);
      },
      run,
    };
  }
  x.forEach((_, set) => {
    measure(set);
  });
  const dy = setsOf(folder, 'dy.bin', sets);
  const [dScale, dShift] = [allocate(channels, 'float32'), allocate(channels, 'float32')];
  const sums = operation('batch_norm_gradients');
  const gradient = operation('batch_norm_backward');
  const masked = descriptor({ mask: 'recomputed' });
  const run = rotating(sets, (set) => {
    const known = [dy[set], x[set], means[set], variances[set]];
    runNative(sums, [dScale, dShift, ...known, scale, shift], [rows, channels, masked], [eps]);
    runNative(gradient, [results[set], ...known, scale, dScale, dShift, scale, shift], [rows, channels, 1, masked], [eps]);
  });
  return {
    check() {
      run(1);
      return picked(results[0]);
    },
    run,
  };
}

/** An activation function. */
export function activation({ name, parameters, sets }: ActivationWork, folder: string): Timed {
  const x = setsOf(folder, 'x.bin', sets);
  const y = x.map(({ length }) => allocate(length, 'float32'));
  const call = operation(name);
  const run = rotating(sets, (set) => runNative(call, [y[set], x[set]], [], parameters));
  return {
    check() {
      run(1);
      return picked(y[0]);
    },
    run,
  };
}
