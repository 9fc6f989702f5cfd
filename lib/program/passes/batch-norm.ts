// Batch norm and the ReLU behind it, with or without an addition between them, become one pass over memory; and so do their gradients.

import { describedBy, fusedOf, isPlain } from '../../ops/fused.js';
import type { Instruction, Slot } from '../record.js';
import { type Edit, type List, merge, rewrite, sameGuard, sameSlot, type Uses } from './list.js';
import { isWhole, walkOf } from './walk.js';

export function fuseBatchNorm(list: List): List {
  return rewrite(rewrite(list, ['batch_norm'], withRelu), ['relu_backward'], withoutMask);
}

/** What is left for the sums of the gradients, once convolutions have taken what they can. */
export function fuseBatchNormMask(list: List): List {
  return rewrite(list, ['relu_backward'], withMask);
}

// batch_norm, then relu; or a sum of two tensors of its shape and relu, as one operation or two
function withRelu(uses: Uses, at: number): Edit | null {
  const { instructions } = uses.list;
  const norm = instructions[at];
  if (!isPlain(norm)) return null;
  const [y, ...inputs] = norm.operands;
  const next = uses.soleReader(at, y);
  if (next < 0 || !sameGuard(uses, at, next) || !uses.mayMove(at, next)) return null;
  const after = instructions[next];
  const [out, ...read] = after.operands;
  if (after.op.name === 'relu')
    return merge(uses, [at, next], next, { ...describedBy(norm, { map: after.op }), operands: [out, ...inputs], writes: 1 });
  if (after.op.name !== 'add' || read.some((slot, i) => slot.size !== out.size || !isWholeWalk(after, i))) return null;
  const other = sameSlot(read[0], y) ? read[1] : read[0];
  const { map } = fusedOf(after);
  if (map?.name === 'relu')
    return merge(uses, [at, next], next, { ...describedBy(norm, { residual: true, map }), operands: [out, ...inputs, other], writes: 1 });
  const last = uses.soleReader(next, out);
  if (map !== undefined || last < 0 || !sameGuard(uses, at, last) || instructions[last].op.name !== 'relu') return null;
  const members = [at, next, last];
  if (!uses.mayMove(at, last, members) || !uses.mayMove(next, last, members)) return null;
  const operands = [instructions[last].operands[0], ...inputs, other];
  return merge(uses, members, last, { ...describedBy(norm, { residual: true, map: instructions[last].op }), operands, writes: 1 });
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
  const [g] = instructions[at].operands;
  const buffer = buffers[g.buffer];
  if (buffer.kind !== 'temporary' || buffer.size !== g.size || uses.results.has(g.buffer)) return null;
  const found = uses.between(g, at, instructions.length);
  return found.every((use) => !use.writes) ? found.map((use) => use.at) : null;
}

const isRectified = (norm: Instruction): boolean =>
  norm.op.name === 'batch_norm' && fusedOf(norm).map?.name === 'relu' && isPlain(norm, 'map', 'parameters');

// What a batch norm with ReLU lets through is known from its x: the masked gradient need not be stored where nobody else wants it.
function withoutMask(uses: Uses, at: number): Edit | null {
  const { instructions } = uses.list;
  const readers = readersOf(uses, at);
  if (readers === null || readers.length === 0) return null;
  const [g, dy, y] = instructions[at].operands;
  const made = uses.between(y, -1, at).filter((use) => use.writes);
  const forward = made.length === 1 ? made[0].at : -1;
  if (forward < 0 || !isRectified(instructions[forward]) || !sameSlot(instructions[forward].operands[0], y)) return null;
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
      isPlain(instruction) &&
      (op.name === 'batch_norm_gradients' ? inputs.slice(0, 3) : inputs.slice(0, 4)).every(
        (slot, i) => given[i] === undefined || sameSlot(slot, given[i]),
      ) &&
      norm.ints.slice(0, 2).every((size, i) => size === ints[i]) &&
      norm.reals[0] === reals[0];
    if (!same || !sameGuard(uses, at, reader, forward)) return null;
    if (!unchanged(uses, inputs, forward, reader) || !unchanged(uses, [dy], at, reader)) return null;
    const first = edit.size === 1 ? ['relu_backward'] : [];
    edit.set(reader, [
      {
        ...describedBy(instruction, { mask: 'recomputed' }),
        operands: [...operands.slice(0, writes), dy, ...given, inputs[3], inputs[4]],
        writes,
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
  const { operands } = instructions[sums];
  if (!isPlain(instructions[sums]) || !sameSlot(operands[2], g) || sameSlot(operands[3], g)) return null;
  const members = [at, sums];
  const to = [sums, at].find((place) => members.every((member) => member === place || uses.mayMove(member, place, members)));
  if (to === undefined) return null;
  const fused = [operands[0], operands[1], g, dy, ...operands.slice(3), y];
  return merge(uses, members, to, { ...describedBy(instructions[sums], { mask: 'kept' }), operands: fused, writes: 3 });
}
