// Dead instructions: what computes only what nobody reads goes.

import type { Instruction } from '../record.js';
import { type List, updates } from './list.js';

export function removeDead(list: List): List {
  const { buffers, results } = list;
  const live = new Set(results.map(({ buffer }) => buffer));
  const kept: Instruction[] = [];
  for (const instruction of [...list.instructions].reverse()) {
    const outputs = instruction.operands.slice(0, instruction.writes);
    // An instruction without outputs is there for what it checks.
    const needed = outputs.length === 0 || outputs.some(({ buffer }) => buffers[buffer].kind !== 'temporary' || live.has(buffer));
    if (!needed) continue;
    for (const { buffer } of updates(instruction) ? instruction.operands : instruction.operands.slice(instruction.writes)) live.add(buffer);
    if (instruction.guard !== undefined) live.add(instruction.guard.slot.buffer);
    kept.push(instruction);
  }
  return kept.length === list.instructions.length ? list : { ...list, instructions: kept.reverse() };
}
