// The backward of an activation goes into the epilogue of the product that gives its upstream gradient.

import { mapKind } from '../../ops/define.js';
import { matmulMapGradientOp } from '../../ops/fused.js';
import { type List, merge, rewrite, sameGuard, sameSlot } from './list.js';

export function fuseActivationGradient(list: List): List {
  return rewrite(list, (uses, at) => {
    const product = uses.list.instructions[at];
    if (product.op.name !== 'matmul') return null;
    const next = uses.soleReader(at, product.operands[0]);
    if (next < 0 || !sameGuard(uses, at, next) || !uses.mayMove(at, next)) return null;
    const backward = uses.list.instructions[next];
    if (mapKind(backward.op) !== 'backward' || !sameSlot(backward.operands[1], product.operands[0])) return null;
    const operands = [backward.operands[0], ...product.operands.slice(1), backward.operands[2]];
    const ints = [...product.ints, backward.op.index];
    return merge(uses, [at, next], next, { op: matmulMapGradientOp, operands, writes: 1, ints, reals: [] });
  });
}
