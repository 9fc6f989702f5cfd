// Cross-entropy, its reduction to one number and its gradient become one instruction.

import type { TypedArray } from '../../dtype.js';
import { describedBy, isPlain } from '../../ops/fused.js';
import { type List, merge, rewrite, sameGuard, sameSlot, type Uses } from './list.js';

export function fuseCrossEntropy(list: List): List {
  return rewrite(
    list,
    ['cross_entropy', 'cross_entropy_dense'],
    (uses, at) => {
      const { instructions } = uses.list;
      const loss = instructions[at];
      if (!isPlain(loss)) return null;
      const [losses, difference, logits, target] = loss.operands;
      const back = uses.soleReader(at, difference);
      const sum = uses.soleReader(at, losses);
      if (back < 0 || sum < 0) return null;
      const gradient = instructions[back];
      if (gradient.op.name !== 'cross_entropy_backward' || !sameSlot(gradient.operands[2], difference)) return null;
      if (instructions[sum].op.name !== 'sum' || !isPlain(instructions[sum]) || instructions[sum].operands[0].size !== 1) return null;
      const mean = meanOf(uses, sum);
      const members = mean === null ? [at, sum, back] : [at, sum, mean.at, back];
      // At the place of the loss if its gradient's factor is there, else where that is.
      const to = [at, back].find((place) => members.every((member) => member === place || uses.mayMove(member, place, members)));
      if (to === undefined || !sameGuard(uses, ...members)) return null;
      return merge(uses, members, to, {
        ...describedBy(loss, { divisor: mean?.divisor ?? 1 }),
        operands: [instructions[mean?.at ?? sum].operands[0], gradient.operands[0], logits, target, gradient.operands[1]],
        writes: 2,
      });
    },
    true,
  );
}

// The division of a sum by a constant number.
function meanOf(uses: Uses, sum: number): { at: number; divisor: number } | null {
  const { instructions, buffers } = uses.list;
  const total = instructions[sum].operands[0];
  const at = uses.soleReader(sum, total);
  if (at < 0) return null;
  const { op, operands } = instructions[at];
  const divisor = operands[2];
  if (op.name !== 'div' || !sameSlot(operands[1], total) || divisor.size !== 1 || operands[0].size !== 1) return null;
  const { kind, data } = buffers[divisor.buffer];
  return kind === 'constant' ? { at, divisor: (data as TypedArray)[divisor.offset] } : null;
}
