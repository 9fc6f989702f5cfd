// A copy from one temporary to another goes: both are one memory, where neither changes while the other is still needed.

import type { Guard } from '../record.js';
import { type List, sameSlot, sweeps, type Uses } from './list.js';

/** Copies of whole temporaries; most are from parts of a model that some steps leave out, whose result is then made where it is wanted. */
export function fuseCopies(list: List): List {
  return sweeps(list, ['copy_strided'], ({ uses, isFree, edit }, at) => {
    if (!isFree(at) || !isNeedless(uses, at)) return;
    const [to, from] = uses.list.instructions[at].operands;
    edit(new Map([[at, []]]), [from.buffer, to.buffer]);
  });
}

function isNeedless(uses: Uses, at: number): boolean {
  const { instructions, buffers } = uses.list;
  const { operands, ints, guard } = instructions[at];
  if (!isStraight(ints)) return false;
  const [to, from] = operands;
  for (const { buffer, size } of [to, from]) {
    const { kind, size: whole } = buffers[buffer];
    if (kind !== 'temporary' || size !== whole || uses.results.has(buffer)) return false;
  }
  // Of a single row, the first columns lie as in a copy of all of it.
  if (to.size !== from.size || buffers[to.buffer].dtype !== buffers[from.buffer].dtype || to.buffer === from.buffer) return false;
  const others = (slot: typeof to) => uses.between(slot, -1, instructions.length).filter((use) => use.at !== at);
  const source = others(from);
  const lastRead = Math.max(at, ...source.map((use) => use.at));
  return (
    source.every((use) => isAlike(instructions[use.at].guard, guard) && (use.at < at || !use.writes)) &&
    others(to).every((use) => isOpposite(instructions[use.at].guard, guard) || (use.at > at && (!use.writes || use.at > lastRead)))
  );
}

const isAlike = (a: Guard | undefined, b: Guard | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && a.when === b.when && sameSlot(a.slot, b.slot));
/** Whether no step runs both. */
const isOpposite = (a: Guard | undefined, b: Guard | undefined): boolean =>
  a !== undefined && b !== undefined && a.when !== b.when && sameSlot(a.slot, b.slot);

// Whether a strided copy takes the elements as they lie.
function isStraight([offset, rank, ...rest]: readonly number[]): boolean {
  let step = 1;
  for (let d = rank - 1; d >= 0; d--) {
    if (rest[d] !== 1 && rest[rank + d] !== step) return false;
    step *= rest[d];
  }
  return offset === 0;
}
