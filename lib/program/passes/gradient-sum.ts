// The sum of two gradients that meet at one tensor, new or in place: the convolution that gives the later one adds into the earlier one.

import { describedBy, isPlain } from '../../ops/fused.js';
import type { Slot } from '../record.js';
import { type List, merge, sameGuard, sameSlot, sweeps, type Uses } from './list.js';
import { isWhole, walkOf } from './walk.js';

/** Every sum of a gradient and a convolution's input gradient; the sum's memory is the earlier gradient's. */
export function fuseGradientSum(list: List): List {
  return sweeps(list, ['conv2d_input_gradient'], ({ uses, isFree, edit }, at) => {
    const gradient = uses.list.instructions[at];
    const { operands } = gradient;
    if (!isPlain(gradient)) return;
    const sum = uses.soleReader(at, operands[0]);
    if (sum < 0 || !isFree(at, sum) || !sameGuard(uses, at, sum) || !uses.mayMove(at, sum)) return;
    const accumulates = uses.list.instructions[sum].op.name === 'accumulate';
    const other = accumulates ? uses.list.instructions[sum].operands[0] : otherGradient(uses, at, sum);
    // Nothing of the convolution's own inputs may be the memory that it now updates.
    if (other === null || other.size !== operands[0].size || operands.slice(1).some((slot) => uses.overlap(slot, other))) return;
    const fused = { ...describedBy(gradient, { prior: 'accumulate' }), operands: [other, ...operands.slice(1)], writes: 1 };
    const total = uses.list.instructions[sum].operands[0];
    edit(merge(uses, [at, sum], sum, fused), accumulates ? null : [total.buffer, other.buffer]);
  });
}

// What is added to the convolution's result, where it is a temporary that the sum is the last to read.
function otherGradient(uses: Uses, at: number, sum: number): Slot | null {
  const { instructions, buffers } = uses.list;
  const { op, operands } = instructions[sum];
  if (op.name !== 'add' || !isPlain(instructions[sum])) return null;
  const [total, a, b] = operands;
  const whole = [walkOf(instructions[sum], 0), walkOf(instructions[sum], 1)].every((walk) => walk !== null && isWhole(walk));
  const other = sameSlot(a, instructions[at].operands[0]) ? b : a;
  const mine = (slot: Slot): boolean =>
    buffers[slot.buffer].kind === 'temporary' && slot.size === buffers[slot.buffer].size && !uses.results.has(slot.buffer);
  if (!whole || other.size !== total.size || sameSlot(a, b) || !mine(other) || !mine(total)) return null;
  const before = uses.between(other, -1, sum);
  if (uses.between(other, sum, instructions.length).length > 0 || !before.some(({ writes }) => writes)) return null;
  // The sum's memory must hold nothing else.
  return uses.between(total, -1, sum).length > 0 ? null : other;
}
