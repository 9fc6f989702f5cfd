// The gradients of a convolution's weights by several shards: one operation makes them and adds them up, tile by tile.

import { shardGradientsOp } from '../../ops/convolution.js';
import { describedBy, fusedOf } from '../../ops/fused.js';
import type { Instruction, Slot } from '../record.js';
import { type List, merge, sameGuard, sweeps, type Uses } from './list.js';

/** A shard's images, and how many sums of two end with it: see native/ops/weight_gradients.h. */
type Shard = readonly [images: number, sums: number];

/** How many integers describe a convolution. */
const geometryInts = 17;

/**
 * Where weights are larger than what the gradient of one shard is made of, each of several would be written for a sum that reads it again. One operation
 * of all computes the same numbers in the same order.
 */
export function joinShardGradients(list: List): List {
  return sweeps(list, ['accumulate'], ({ uses, isFree, edit }, at) => {
    const { instructions } = uses.list;
    const [sum, addend] = instructions[at].operands;
    const [one, two] = [gradientOf(uses, at, sum), gradientOf(uses, at, addend)];
    if (one < 0 || two < 0 || one === two || uses.allOf(addend.buffer).length > 2 || !isFree(at, one, two) || !sameGuard(uses, at, one, two))
      return;
    if (!uses.mayMove(one, at, [two, at]) || !uses.mayMove(two, at, [one, at])) return;
    const joined = join(instructions[one], instructions[two], sum);
    if (joined !== null) edit(merge(uses, [one, two, at], at, joined), null);
  });
}

/** The one instruction that makes what instruction `at` adds, all of a temporary, where nobody else uses it before; else −1. */
function gradientOf(uses: Uses, at: number, slot: Slot): number {
  const { instructions, buffers } = uses.list;
  const { kind, size } = buffers[slot.buffer];
  if (kind !== 'temporary' || slot.size !== size || uses.results.has(slot.buffer)) return -1;
  const [write, next] = uses.allOf(slot.buffer);
  return write?.writes && next?.at === at && isGradient(instructions[write.at]) ? write.at : -1;
}

/** Whether an instruction makes a gradient that is larger than what it is made of, as zero plus a sum. */
function isGradient(instruction: Instruction): boolean {
  const { op, operands } = instruction;
  if (fusedOf(instruction).prior !== 'overwrite') return false;
  return op === shardGradientsOp || (op.name === 'conv2d_weight_gradient' && operands[0].size >= operands[1].size + operands[2].size);
}

/** The gradients of two as one instruction that makes their sum; null where they are not of the same convolution. */
function join(one: Instruction, two: Instruction, sum: Slot): Omit<Instruction, 'guard' | 'shard' | 'of'> | null {
  for (let i = 1; i < geometryInts; i++) if (one.ints[i] !== two.ints[i]) return null;
  const shards = [...shardsOf(one), ...shardsOf(two)];
  const [images, sums] = shards[shards.length - 1];
  shards[shards.length - 1] = [images, sums + 1];
  const ints = [one.ints[0] + two.ints[0], ...one.ints.slice(1, geometryInts), ...shards.flat()];
  return {
    ...describedBy({ op: shardGradientsOp, ints, reals: [] }, { prior: 'overwrite' }),
    operands: [sum, ...one.operands.slice(1), ...two.operands.slice(1)],
    writes: 1,
  };
}

function shardsOf({ op, ints }: Instruction): Shard[] {
  if (op !== shardGradientsOp) return [[ints[0], 0]];
  const shards: Shard[] = [];
  // A descriptor stands behind them.
  for (let i = geometryInts; i < ints.length - 1; i += 2) shards.push([ints[i], ints[i + 1]]);
  return shards;
}
