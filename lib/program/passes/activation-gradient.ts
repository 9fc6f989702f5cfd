// The backward of an activation goes into the epilogue of the product or convolution that gives its upstream gradient.

import { describedBy, fusedOf, isPlain, mapOf } from '../../ops/fused.js';
import type { Slot } from '../record.js';
import { type List, merge, rewrite, sameGuard, sameSlot, sweeps } from './list.js';

export function fuseActivationGradient(list: List): List {
  return intoSums(
    rewrite(list, ['matmul', 'conv2d_input_gradient'], (uses, at) => {
      const product = uses.list.instructions[at];
      if (!isPlain(product)) return null;
      const next = uses.soleReader(at, product.operands[0]);
      if (next < 0 || !sameGuard(uses, at, next) || !uses.mayMove(at, next)) return null;
      const backward = uses.list.instructions[next];
      const part = mapOf(backward, 'backward');
      if (part === null || !sameSlot(backward.operands[1], product.operands[0])) return null;
      const operands = [backward.operands[0], ...product.operands.slice(1), backward.operands[2]];
      return merge(uses, [at, next], next, { ...describedBy(product, part), operands, writes: 1 });
    }),
  );
}

// A convolution that adds into a gradient, and the backward that is the only one to read it: in place, and the result's name is the sum's.
function intoSums(list: List): List {
  return sweeps(list, ['conv2d_input_gradient'], ({ uses, isFree, edit }, at) => {
    const { instructions, buffers } = uses.list;
    const isOwn = ({ buffer, size }: Slot): boolean =>
      buffers[buffer].kind === 'temporary' && size === buffers[buffer].size && !uses.results.has(buffer);
    const product = instructions[at];
    if (fusedOf(product).prior !== 'accumulate' || !isPlain(product, 'prior')) return;
    const [sum] = product.operands;
    const after = uses.between(sum, at, instructions.length);
    if (after.length !== 1 || after[0].operand !== 1) return;
    const next = after[0].at;
    const backward = instructions[next];
    const [out, , y] = backward.operands;
    const part = mapOf(backward, 'backward');
    // The sum's memory becomes that of the result: nobody else may see either.
    if (part === null || !sameSlot(backward.operands[1], sum) || !isFree(at, next) || !isOwn(out) || !isOwn(sum)) return;
    if (uses.between(out, -1, next).length > 0 || y.buffer === sum.buffer) return;
    if (!sameGuard(uses, at, next) || !uses.mayMove(at, next, [next])) return;
    const fused = { ...describedBy(product, part), operands: [...product.operands, y], writes: 1 };
    edit(merge(uses, [at, next], next, fused), [out.buffer, sum.buffer]);
  });
}
