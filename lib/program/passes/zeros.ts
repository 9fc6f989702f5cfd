// Zeroing of gradients: the optimizer writes the zeros behind itself, or the first accumulation after them overwrites instead.

import { gradientOperand } from '../../ops/define.js';
import { describedBy, fusedOf, titleOf } from '../../ops/fused.js';
import { bytesOf } from '../../dtype.js';
import type { Instruction, Slot } from '../record.js';
import { type List, merge, rewrite, sameGuard, type Uses } from './list.js';

const isZeros = ({ op, reals }: Instruction): boolean => op.name === 'fill' && Object.is(reals[0], 0);

/** Optimizer, then zeros into its gradients: one pass over them. */
export function fuseClear(list: List): List {
  return rewrite(list, null, (uses, at) => {
    const { instructions } = uses.list;
    const update = instructions[at];
    const gradientAt = gradientOperand(update.op);
    if (gradientAt < 0 || update.ints[0] === 1) return null;
    const gradient = update.operands[gradientAt];
    // Only this stretch of zeros moves: nobody may use it in between.
    const fill: number | undefined = uses.later(gradient, at).next().value?.at;
    if (fill === undefined || !isZeros(instructions[fill]) || !covers(uses, instructions[fill], gradient)) return null;
    if (!sameGuard(uses, at, fill)) return null;
    if (uses.checksBetween(at - 1, fill)) return null;
    const edit = new Map(merge(uses, [at], at, { ...update, ints: [1], writes: gradientAt + 1 }));
    edit.set(at, [{ ...(edit.get(at) as Instruction[])[0], of: [...(update.of ?? [update.op.name]), 'fill'] }]);
    edit.set(fill, without(uses, instructions[fill], [gradient]));
    return edit;
  });
}

/** What an accumulation is when the target of one of its outputs is zero: that output is overwritten. */
function overwriting(instruction: Instruction, output: number): Pick<Instruction, 'op' | 'ints' | 'reals'> | null {
  const part = output === 0 ? 'prior' : 'sums';
  return fusedOf(instruction)[part] === 'accumulate' ? describedBy(instruction, { [part]: 'overwrite' }) : null;
}

/** Zeros, then an accumulation into them: the accumulation overwrites, with zero plus its sum, which is what it would have added up to. */
export function fuseOverwrite(list: List): List {
  return rewrite(list, ['fill'], (uses, at) => {
    const { instructions } = uses.list;
    const fill = instructions[at];
    if (!isZeros(fill)) return null;
    const edit = new Map<number, Instruction[]>();
    const targets: Slot[] = [];
    let last = instructions.length;
    for (const use of uses.later(fill.operands[0], at)) {
      if (use.at > last) break;
      // Behind a use of them all, none is the first.
      if (uses.isAll(use, fill.operands[0])) last = use.at;
      const [instruction] = edit.get(use.at) ?? [instructions[use.at]];
      const target = instruction.operands[use.operand];
      if (!use.writes || !covers(uses, fill, target) || !sameGuard(uses, at, use.at)) continue;
      const fused = overwriting(instruction, use.operand);
      if (fused === null || !uses.later(target, at, use.at).next().done) continue;
      edit.set(use.at, [
        { ...instruction, ...fused, of: ['fill', ...(instruction.of ?? [titleOf(instruction)]).filter((name) => name !== 'fill')] },
      ]);
      targets.push(target);
    }
    return targets.length === 0 ? null : edit.set(at, without(uses, fill, targets));
  });
}

/** Whether `part` is a whole tensor within those zeros. */
function covers(uses: Uses, fill: Instruction, part: Slot): boolean {
  return part.size === uses.list.buffers[part.buffer].size && uses.within(part, fill.operands[0]) >= 0;
}

/** The zeros that are left when those of `parts` come from elsewhere. */
function without(uses: Uses, fill: Instruction, parts: readonly Slot[]): Instruction[] {
  const [whole] = fill.operands;
  const { buffer, offset, size } = whole;
  const cuts = parts.map((part) => ({ from: offset + uses.within(part, whole), size: part.size })).sort((a, b) => a.from - b.from);
  const pieces: Slot[] = [];
  let at = offset;
  for (const cut of [...cuts, { from: offset + size, size: 0 }]) {
    pieces.push({ buffer, offset: at, size: cut.from - at });
    at = cut.from + cut.size;
  }
  // Parameters start at 64-byte boundaries of their slab, and only whole ones are cut out: what lies between the end of one and the
  // next boundary is zero, and stays zero.
  const line = 64 / bytesOf(uses.list.buffers[buffer].dtype);
  const padding = (piece: Slot): boolean => piece.offset % line !== 0 && piece.size <= line - (piece.offset % line);
  return pieces.filter((piece) => piece.size > 0 && !padding(piece)).map((piece) => ({ ...fill, operands: [piece] }));
}
