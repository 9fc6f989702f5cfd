// The backward of max pooling takes the gradient through the ReLU before it in the same pass.

import { describedBy, isPlain } from '../../ops/fused.js';
import { type List, merge, rewrite, sameGuard, sameSlot } from './list.js';

export function fusePooling(list: List): List {
  return rewrite(list, ['max_pool2d_backward'], (uses, at) => {
    const pool = uses.list.instructions[at];
    if (!isPlain(pool)) return null;
    const next = uses.soleReader(at, pool.operands[0]);
    if (next < 0 || !sameGuard(uses, at, next) || !uses.mayMove(at, next)) return null;
    const relu = uses.list.instructions[next];
    if (relu.op.name !== 'relu_backward' || !sameSlot(relu.operands[1], pool.operands[0])) return null;
    const operands = [relu.operands[0], ...pool.operands.slice(1), relu.operands[2]];
    return merge(uses, [at, next], next, { ...describedBy(pool, { map: relu.op }), operands, writes: 1 });
  });
}
