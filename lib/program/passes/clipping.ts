// Gradients that are multiplied by a factor, as clipping by their norm does, and then used by an update: one pass over them.

import { scaledAdamOp, scaledSgdOp } from '../../ops/fused.js';
import { type List, merge, rewrite, sameGuard } from './list.js';

const scaled: Record<string, { op: typeof scaledSgdOp; clear: 0 | 1; gradient: number }> = {
  sgd: { op: scaledSgdOp, clear: 0, gradient: 2 },
  sgd_and_clear: { op: scaledSgdOp, clear: 1, gradient: 2 },
  adam: { op: scaledAdamOp, clear: 0, gradient: 3 },
  adam_and_clear: { op: scaledAdamOp, clear: 1, gradient: 3 },
};

export function fuseClipping(list: List): List {
  return rewrite(list, (uses, at) => {
    const { instructions } = uses.list;
    if (instructions[at].op.name !== 'scale_by') return null;
    const [target, factor] = instructions[at].operands;
    const next: number | undefined = uses.later(target, at).next().value?.at;
    const update = next === undefined ? undefined : instructions[next];
    const kind = update === undefined ? undefined : scaled[update.op.name];
    if (next === undefined || update === undefined || kind === undefined || !sameGuard(uses, at, next) || !uses.mayMove(at, next)) return null;
    const gradient = update.operands[kind.gradient];
    // Exactly what the update reads.
    if (uses.within(gradient, target) !== 0 || gradient.size !== target.size || uses.overlap(factor, target)) return null;
    return merge(uses, [at, next], next, {
      op: kind.op,
      operands: [...update.operands, factor],
      writes: kind.gradient + 1,
      ints: [kind.clear],
      reals: [],
    });
  });
}
