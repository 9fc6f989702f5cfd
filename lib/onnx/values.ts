// Numbers of tensors as the bytes of a file, and in another order of axes.

import type { TypedArray } from '../dtype.js';
import type { AnyTensor } from '../tensor.js';

/** The bytes of an array, in a copy: little-endian, as all processors that we run on are. */
export function rawBytes(data: TypedArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
}

/** The numbers of a tensor with its axes in another order: axis i of the result is axis `order[i]`. */
export function permuted({ memory, shape }: Pick<AnyTensor, 'memory' | 'shape'>, order: readonly number[]): TypedArray {
  const from = memory as TypedArray;
  const to = new (from.constructor as new (length: number) => TypedArray)(from.length);
  const strides = shape.map((_, d) => shape.slice(d + 1).reduce((product, size) => product * size, 1));
  const sizes = order.map((axis) => shape[axis]);
  const steps = order.map((axis) => strides[axis]);
  const at = sizes.map(() => 0);
  const last = sizes.length - 1;
  const [run, step] = [sizes[last] ?? 1, steps[last] ?? 1];
  for (let i = 0, source = 0; i < to.length; ) {
    for (let end = i + run, place = source; i < end; place += step) to[i++] = from[place];
    for (let d = last - 1; d >= 0; d--) {
      source += steps[d];
      if (++at[d] < sizes[d]) break;
      source -= steps[d] * sizes[d];
      at[d] = 0;
    }
  }
  return to;
}
