// The sum of two shards' gradients: the product that gives the second one adds it to the first one.

import { describedBy, fusedOf } from '../../ops/fused.js';
import type { Instruction, Slot } from '../record.js';
import { type List, merge, sameGuard, sameSlot, sweeps, type Uses } from './list.js';

/** The outputs of a product that may be added to what is there. */
const parts = ['prior', 'sums'] as const;

/** Every sum of two gradients that are there for it alone. */
export function fuseShardSums(list: List): List {
  return sweeps(list, ['accumulate'], ({ uses, isFree, edit }, at) => {
    const { instructions } = uses.list;
    const [sum, addend] = instructions[at].operands;
    const [one, two] = [makerOf(uses, at, sum), makerOf(uses, at, addend)];
    if (
      one < 0 ||
      two <= one ||
      uses.allOf(addend.buffer).length > 2 ||
      !isFree(at, two) ||
      !sameGuard(uses, at, one, two) ||
      !uses.mayMove(at, two, [two])
    )
      return;
    const product = instructions[two];
    const output = product.operands.findIndex((slot) => sameSlot(slot, addend));
    const fused = {
      ...describedBy(product, { [parts[output]]: 'accumulate' }),
      operands: product.operands.map((slot, i) => (i === output ? sum : slot)),
      writes: product.writes,
    };
    // It stays a part of its shard, though it waits for another one.
    const [made] = merge(uses, [two, at], two, fused).get(two) as readonly Instruction[];
    edit(
      new Map([
        [two, [product.shard === undefined ? made : { ...made, shard: product.shard }]],
        [at, []],
      ]),
      null,
    );
  });
}

/**
 * The one instruction that makes what instruction `at` adds, all of a temporary, where nobody else uses it before: as zero plus a sum, so that it holds
 * no −0, which +0 would change; else −1.
 */
function makerOf(uses: Uses, at: number, slot: Slot): number {
  const { instructions, buffers } = uses.list;
  const { kind, size } = buffers[slot.buffer];
  if (kind !== 'temporary' || slot.size !== size || uses.results.has(slot.buffer)) return -1;
  const [write, next] = uses.allOf(slot.buffer);
  if (next?.at !== at || !write.writes || write.operand >= parts.length) return -1;
  const product = instructions[write.at];
  return fusedOf(product)[parts[write.operand]] === 'overwrite' && sameSlot(product.operands[write.operand], slot) ? write.at : -1;
}
