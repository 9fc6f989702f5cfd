// Constant folding: what depends on nothing but constants is computed once, when the program is made.

import { arrayTypes, type TypedArray } from '../../dtype.js';
import { runNow } from '../../ops/emit.js';
import { type AnyTensor, Tensor } from '../../tensor.js';
import type { Buffer, Instruction, Slot } from '../record.js';
import { edited, type List, usesOf } from './list.js';

/** Larger ones stay instructions: writing them takes no longer than reading them, and the arena has room for many things. */
const most = 1 << 14;

/** Which matrix product serves may change between two steps, for those that are made of it, too. */
const products = new Set(['matmul', 'conv2d', 'conv2d_input_gradient', 'conv2d_weight_gradient', 'gru_weight_accumulate']);

export function foldConstants(list: List): List {
  const uses = usesOf(list);
  const buffers: Buffer[] = [...list.buffers];
  const tensor = ({ buffer, offset, size }: Slot): AnyTensor => {
    const { data, dtype } = buffers[buffer];
    const part = (data as TypedArray).subarray(offset, offset + size);
    return Tensor.wrap(part as Float32Array, [size], dtype as 'float32') as AnyTensor;
  };
  const end = list.instructions.length;
  const edits = new Map<number, readonly Instruction[]>();
  for (const [at, { op, operands, writes, ints, reals, guard }] of list.instructions.entries()) {
    if (writes === 0 || guard !== undefined || products.has(op.name)) continue;
    if (operands.some(({ buffer }, i) => i >= writes && buffers[buffer].kind !== 'constant')) continue;
    const outputs = operands.slice(0, writes);
    const inputs = operands.slice(writes);
    const foldable = outputs.every((slot) => {
      const { kind, size } = buffers[slot.buffer];
      if (kind !== 'temporary' || slot.size !== size || size > most) return false;
      return uses.between(slot, -1, end).filter((use) => use.writes).length === 1;
    });
    if (!foldable) continue;
    for (const { buffer } of outputs) {
      const { dtype, size } = buffers[buffer];
      buffers[buffer] = { dtype, size, kind: 'constant', data: new arrayTypes[dtype](size) as TypedArray };
    }
    runNow(op, outputs.map(tensor), inputs.map(tensor), { outputs: [], ints, reals });
    edits.set(at, []);
  }
  return edited(list, edits, buffers);
}
