// The update of a linear layer goes into the instruction that computes its gradients: they are used while they are in the cache.

import { linearAdamOp, linearGradientsOp, linearSgdOp } from '../../ops/fused.js';
import type { Instruction, Slot } from '../record.js';
import { type Edit, type List, rewrite, sameGuard, type Uses } from './list.js';
import { cut, isWholeIn } from './zeros.js';

/** How many operands an update has before its gradient. */
const updates: Record<string, { op: typeof linearAdamOp; before: number; clear: 0 | 1 }> = {
  sgd: { op: linearSgdOp, before: 2, clear: 0 },
  sgd_and_clear: { op: linearSgdOp, before: 2, clear: 1 },
  adam: { op: linearAdamOp, before: 3, clear: 0 },
  adam_and_clear: { op: linearAdamOp, before: 3, clear: 1 },
};

export function fuseUpdate(list: List): List {
  return rewrite(list, (uses, at) => {
    const { instructions } = uses.list;
    const kind = updates[instructions[at].op.name];
    return kind === undefined ? null : updateOfLayers(uses, at, kind);
  });
}

function updateOfLayers(uses: Uses, at: number, { op, before, clear }: (typeof updates)[string]): Edit | null {
  const { instructions } = uses.list;
  const update = instructions[at];
  const gradient = update.operands[before];
  const hyper = update.operands[before + 1];
  const written = update.operands.slice(0, before + 1);
  const edit = new Map<number, Instruction[]>();
  const made: Instruction[] = [];
  const parts: Slot[] = [];
  for (const { at: from } of uses.between(gradient, -1, at)) {
    const layer = instructions[from];
    const [weight, bias, x, dy] = layer.operands;
    if (layer.op !== linearGradientsOp || edit.has(from) || layer.ints.slice(0, 3).includes(0) || !sameGuard(uses, from, at)) continue;
    if ([x, dy].some((slot) => written.some((other) => uses.overlap(slot, other)))) continue;
    if (![weight, bias].every((part) => isWholeIn(uses, part, gradient)) || !uses.mayMove(from, at)) continue;
    // The stretch of weights, states and gradients that belongs to one parameter.
    const stretch = (part: Slot): Slot[] =>
      written.map((slot) =>
        slot.size === 0 ? slot : { buffer: slot.buffer, offset: slot.offset + uses.within(part, gradient), size: part.size },
      );
    edit.set(from, []);
    parts.push(weight, bias);
    made.push({
      op,
      operands: [...stretch(weight), ...stretch(bias), x, dy, hyper],
      writes: 2 * (before + 1),
      ints: [...layer.ints, clear],
      reals: [],
      ...(update.guard === undefined ? {} : { guard: update.guard }),
      of: [...(layer.of ?? [layer.op.name]), ...(update.of ?? [update.op.name])],
    });
  }
  if (made.length === 0) return null;
  const rest = cut(uses, gradient, parts).map(({ offset, size }) => ({
    ...update,
    operands: update.operands.map((slot, i) =>
      i > before || slot.size === 0 ? slot : { buffer: slot.buffer, offset: slot.offset + offset - gradient.offset, size },
    ),
  }));
  return edit.set(at, [...made, ...rest]);
}
