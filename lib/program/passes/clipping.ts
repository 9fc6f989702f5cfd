// Gradients that are multiplied by a factor, as clipping by their norm does, and then used by an update: one pass over them.

import { gradientOperand } from '../../ops/define.js';
import { type List, merge, rewrite, sameGuard } from './list.js';

export function fuseClipping(list: List): List {
  return rewrite(list, ['scale_by'], (uses, at) => {
    const { instructions } = uses.list;
    const [target, factor] = instructions[at].operands;
    const next: number | undefined = uses.later(target, at).next().value?.at;
    if (next === undefined) return null;
    const update = instructions[next];
    const gradientAt = gradientOperand(update.op);
    // Behind the gradients stand the hyperparameters, then the factor.
    if (gradientAt < 0 || update.operands.length > gradientAt + 2 || !sameGuard(uses, at, next) || !uses.mayMove(at, next)) return null;
    const gradient = update.operands[gradientAt];
    // Exactly what the update reads.
    if (uses.within(gradient, target) !== 0 || gradient.size !== target.size || uses.overlap(factor, target)) return null;
    return merge(uses, [at, next], next, { ...update, operands: [...update.operands, factor], writes: gradientAt + 1 });
  });
}
