// Broadcasting: the common shape of several inputs, its collapsed dimensions for the native call, and the way back for gradients.

import { ShapeError, describeShape } from '../errors.js';
import type { AnyTensor } from '../tensor/core.js';
import { sizeOf } from './emit.js';

/** The shape that all inputs stretch to: dimensions are aligned at the end, equal or 1 (or absent). */
export function broadcastShape(name: string, inputs: readonly AnyTensor[]): readonly number[] {
  const first = inputs[0].shape;
  let same = true;
  for (let i = 1; i < inputs.length; i++) same &&= sameShape(inputs[i].shape, first);
  if (same) return first;
  const rank = Math.max(...inputs.map((input) => input.shape.length));
  const out: number[] = new Array(rank).fill(1);
  for (const { shape } of inputs) {
    for (let d = 0; d < shape.length; d++) {
      const at = rank - shape.length + d;
      if (out[at] === 1) out[at] = shape[d];
      else if (shape[d] !== 1 && shape[d] !== out[at]) {
        throw new ShapeError(
          `[${name}] shapes ${inputs.map((input) => describeShape(input.shape)).join(' and ')} do not fit together: ` +
            'dimensions are compared from the last one backwards and must be equal or 1',
        );
      }
    }
  }
  return out;
}

/** Attributes of a broadcasting native call: rank, dims, then strides per input, adjacent dimensions merged where possible. */
export function broadcastInts(out: readonly number[], inputs: readonly AnyTensor[]): number[] {
  // An input as large as the result is not stretched, and is walked as one row.
  const size = out === inputs[0].shape ? inputs[0].size : sizeOf(out);
  let same = true;
  for (let i = 0; i < inputs.length; i++) same &&= inputs[i].size === size;
  if (same) {
    const ints = [1, size];
    for (let i = 0; i < inputs.length; i++) ints.push(1);
    return ints;
  }
  const dims: number[] = [];
  const strides: number[][] = inputs.map(() => []);
  const running = inputs.map(() => 1); // stride of the dimension at hand in each input
  for (let d = out.length - 1; d >= 0; d--) {
    const step: number[] = [];
    for (let i = 0; i < inputs.length; i++) {
      const shape = inputs[i].shape;
      const at = d - (out.length - shape.length);
      const dimension = at >= 0 ? shape[at] : 1;
      step.push(dimension === 1 ? 0 : running[i]);
      running[i] *= dimension;
    }
    if (out[d] === 1) continue;
    const last = dims.length - 1;
    // Merges into the dimension inside it when every input walks both as one.
    if (last >= 0 && inputs.every((_, i) => step[i] === strides[i][last] * dims[last])) dims[last] *= out[d];
    else {
      dims.push(out[d]);
      for (let i = 0; i < inputs.length; i++) strides[i].push(step[i]);
    }
  }
  dims.reverse();
  const ints = [dims.length, ...dims];
  for (const list of strides) ints.push(...list.reverse());
  return ints;
}

/** Axes along which `shape` was stretched to reach `out`; missing leading ones included. */
export function stretchedAxes(shape: readonly number[], out: readonly number[]): number[] {
  const axes: number[] = [];
  const missing = out.length - shape.length;
  for (let d = 0; d < out.length; d++) if (d < missing || (shape[d - missing] === 1 && out[d] !== 1)) axes.push(d);
  return axes;
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
