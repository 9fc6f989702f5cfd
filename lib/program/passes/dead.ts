// Dead instructions: what computes only what nobody reads goes.

import { isOfGroup } from '../../ops/group.js';
import type { Instruction } from '../record.js';
import { edited, type List, updates } from './list.js';

export function removeDead(list: List): List {
  const { buffers, results } = list;
  const live = new Set(results.map(({ buffer }) => buffer));
  const edits = new Map<number, readonly Instruction[]>();
  for (let at = list.instructions.length - 1; at >= 0; at--) {
    const instruction = list.instructions[at];
    const outputs = instruction.operands.slice(0, instruction.writes);
    // An instruction without outputs is there for what it checks; other processes wait for those of a group.
    const needed =
      outputs.length === 0 ||
      isOfGroup(instruction.op.name) ||
      outputs.some(({ buffer }) => buffers[buffer].kind !== 'temporary' || live.has(buffer));
    if (!needed) {
      edits.set(at, []);
      continue;
    }
    for (const { buffer } of updates(instruction) ? instruction.operands : instruction.operands.slice(instruction.writes)) live.add(buffer);
    if (instruction.guard !== undefined) live.add(instruction.guard.slot.buffer);
  }
  return edited(list, edits);
}
