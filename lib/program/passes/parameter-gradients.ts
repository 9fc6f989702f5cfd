// Gradients of a linear layer's parameters: a sum that is added where it stays, and that sum beside the weight's product.

import { describedBy, fusedOf, isPlain } from '../../ops/fused.js';
import { type Edit, type List, merge, rewrite, sameGuard, sameSlot, type Uses } from './list.js';
import type { Instruction } from '../record.js';

export function fuseParameterGradients(list: List): List {
  return rewrite(rewrite(list, ['sum'], sumThenAccumulate), ['matmul'], weightAndBias);
}

function sumThenAccumulate(uses: Uses, at: number): Edit | null {
  const sum = uses.list.instructions[at];
  if (!isPlain(sum)) return null;
  const next = uses.soleReader(at, sum.operands[0]);
  if (next < 0 || !sameGuard(uses, at, next) || !uses.mayMove(at, next)) return null;
  const { op, operands } = uses.list.instructions[next];
  if (op.name !== 'accumulate' || !sameSlot(operands[1], sum.operands[0])) return null;
  return merge(uses, [at, next], next, {
    ...describedBy(sum, { prior: 'accumulate' }),
    operands: [operands[0], sum.operands[1]],
    writes: 1,
  });
}

const accumulates = (instruction: Instruction): boolean => fusedOf(instruction).prior === 'accumulate' && isPlain(instruction, 'prior');

// dW += xᵀ·dy and db += Σ dy over the rows of one dy
function weightAndBias(uses: Uses, at: number): Edit | null {
  const { instructions } = uses.list;
  const product = instructions[at];
  const [, n, k, transposeA, transposeB] = product.ints;
  if (!accumulates(product) || transposeA !== 1 || transposeB !== 0 || n < 2) return null;
  const [weight, x, dy] = product.operands;
  for (const use of uses.between(dy, -1, instructions.length)) {
    const sum = instructions[use.at];
    const [outer, rows, inner] = sum.ints;
    if (sum.op.name !== 'sum' || !accumulates(sum) || !sameSlot(sum.operands[1], dy)) continue;
    if (
      outer !== 1 ||
      rows !== k ||
      inner !== n ||
      [weight, x, dy].some((slot) => uses.overlap(sum.operands[0], slot)) ||
      !sameGuard(uses, at, use.at)
    )
      continue;
    const [first, last] = at < use.at ? [at, use.at] : [use.at, at];
    if (!uses.mayMove(first, last)) continue;
    return merge(uses, [first, last], last, {
      ...describedBy(product, { sums: 'accumulate' }),
      operands: [weight, sum.operands[0], x, dy],
      writes: 2,
    });
  }
  return null;
}
