// Batch norm and the ReLU behind it, with or without an addition between them, become one pass over memory; and so do their gradients.

import {
  batchNormAddReluGradientsOp,
  batchNormAddReluOp,
  batchNormReluBackwardOp,
  batchNormReluGradientsOp,
  batchNormReluOp,
} from '../../ops/fused.js';
import type { Instruction, Slot } from '../record.js';
import { type Edit, isWhole, type List, merge, rewrite, sameGuard, sameSlot, type Uses, walkOf } from './list.js';

export function fuseBatchNorm(list: List): List {
  return rewrite(rewrite(list, withRelu), withoutMask);
}

/** What is left for the sums of the gradients, once convolutions have taken what they can. */
export function fuseBatchNormMask(list: List): List {
  return rewrite(list, withMask);
}

// batch_norm, then relu; or a sum of two tensors of its shape and relu, as one operation or two
function withRelu(uses: Uses, at: number): Edit | null {
  const norm = uses.list.instructions[at];
  if (norm.op.name !== 'batch_norm') return null;
  const [y, ...inputs] = norm.operands;
  const next = uses.soleReader(at, y);
  if (next < 0 || !sameGuard(uses, at, next) || !uses.mayMove(at, next)) return null;
  const after = uses.list.instructions[next];
  const { ints, reals } = norm;
  const [out, ...read] = after.operands;
  if (after.op.name === 'relu')
    return merge(uses, [at, next], next, { op: batchNormReluOp, operands: [out, ...inputs], writes: 1, ints, reals });
  const sums = after.op.name === 'add' || after.op.name === 'add_relu';
  if (!sums || read.some((slot, i) => slot.size !== out.size || !isWholeWalk(after, i))) return null;
  const other = sameSlot(read[0], y) ? read[1] : read[0];
  if (after.op.name === 'add_relu')
    return merge(uses, [at, next], next, { op: batchNormAddReluOp, operands: [out, ...inputs, other], writes: 1, ints, reals });
  const last = uses.soleReader(next, out);
  if (last < 0 || !sameGuard(uses, at, last) || uses.list.instructions[last].op.name !== 'relu') return null;
  const members = [at, next, last];
  if (!uses.mayMove(at, last, members) || !uses.mayMove(next, last, members)) return null;
  const operands = [uses.list.instructions[last].operands[0], ...inputs, other];
  return merge(uses, members, last, { op: batchNormAddReluOp, operands, writes: 1, ints, reals });
}

function isWholeWalk(instruction: Instruction, i: number): boolean {
  const walk = walkOf(instruction, i);
  return walk !== null && isWhole(walk);
}

const unchanged = (uses: Uses, slots: readonly Slot[], from: number, to: number): boolean =>
  slots.every((slot) => uses.between(slot, from, to).every((use) => !use.writes));

/** Who reads the masked gradient that relu_backward at `at` makes; null where it is more than a temporary of this step. */
function readersOf(uses: Uses, at: number): number[] | null {
  const { instructions, buffers } = uses.list;
  if (instructions[at].op.name !== 'relu_backward') return null;
  const [g] = instructions[at].operands;
  const buffer = buffers[g.buffer];
  if (buffer.kind !== 'temporary' || buffer.size !== g.size || uses.results.has(g.buffer)) return null;
  const found = uses.between(g, at, instructions.length);
  return found.every((use) => !use.writes) ? found.map((use) => use.at) : null;
}

// What a batch norm with ReLU lets through is known from its x: the masked gradient need not be stored where nobody else wants it.
function withoutMask(uses: Uses, at: number): Edit | null {
  const { instructions } = uses.list;
  const readers = readersOf(uses, at);
  if (readers === null || readers.length === 0) return null;
  const [g, dy, y] = instructions[at].operands;
  const made = uses.between(y, -1, at).filter((use) => use.writes);
  const forward = made.length === 1 ? made[0].at : -1;
  if (forward < 0 || instructions[forward].op !== batchNormReluOp || !sameSlot(instructions[forward].operands[0], y)) return null;
  const norm = instructions[forward];
  const inputs = norm.operands.slice(1);
  const edit = new Map<number, readonly Instruction[]>([[at, []]]);
  for (const reader of readers) {
    const instruction = instructions[reader];
    const { op, operands, writes, ints, reals, guard } = instruction;
    const given = operands.slice(writes + 1);
    const same =
      sameSlot(operands[writes], g) &&
      ['batch_norm_gradients', 'batch_norm_backward'].includes(op.name) &&
      (op.name === 'batch_norm_gradients' ? inputs.slice(0, 3) : inputs.slice(0, 4)).every(
        (slot, i) => given[i] === undefined || sameSlot(slot, given[i]),
      ) &&
      norm.ints.every((size, i) => size === ints[i]) &&
      norm.reals[0] === reals[0];
    if (!same || !sameGuard(uses, at, reader, forward)) return null;
    if (!unchanged(uses, inputs, forward, reader) || !unchanged(uses, [dy], at, reader)) return null;
    const first = edit.size === 1 ? ['relu_backward'] : [];
    edit.set(reader, [
      {
        op: op.name === 'batch_norm_gradients' ? batchNormReluGradientsOp : batchNormReluBackwardOp,
        operands: [...operands.slice(0, writes), dy, ...inputs, ...(op.name === 'batch_norm_gradients' ? [] : given.slice(4))],
        writes,
        ints,
        reals,
        ...(guard === undefined ? {} : { guard }),
        of: [...first, op.name],
      },
    ]);
  }
  return edit;
}

// Else the sums of a batch norm's gradients store it on their way.
function withMask(uses: Uses, at: number): Edit | null {
  const { instructions } = uses.list;
  const sums = readersOf(uses, at)?.find((reader) => instructions[reader].op.name === 'batch_norm_gradients');
  if (sums === undefined || !sameGuard(uses, at, sums)) return null;
  const [g, dy, y] = instructions[at].operands;
  const { operands, ints, reals } = instructions[sums];
  if (!sameSlot(operands[2], g) || sameSlot(operands[3], g)) return null;
  const members = [at, sums];
  const to = [sums, at].find((place) => members.every((member) => member === place || uses.mayMove(member, place, members)));
  if (to === undefined) return null;
  const fused = [g, operands[0], operands[1], dy, y, ...operands.slice(3)];
  return merge(uses, members, to, { op: batchNormAddReluGradientsOp, operands: fused, writes: 3, ints, reals });
}
