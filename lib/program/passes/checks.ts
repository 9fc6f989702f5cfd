// What may refuse a step is asked first: class indices and rows by index are looked at before anything is written that stays.

import { guardedOperand } from '../../ops/define.js';
import type { Instruction, Recording, Slot } from '../record.js';
import { type List, updates, usesOf } from './list.js';

/**
 * Which temporaries come from arguments and live inputs alone, and the instruction that makes each; a temporary that is written twice, or
 * in some steps only, is none of them. All inputs and constants are ready too.
 */
export function readyTemporaries({ buffers, instructions }: List): ReadonlyMap<number, number> {
  const writers = new Map<number, number>();
  for (const { operands, writes } of instructions) {
    for (let i = 0; i < writes; i++) writers.set(operands[i].buffer, (writers.get(operands[i].buffer) ?? 0) + 1);
  }
  const makers = new Map<number, number>();
  const isReady = ({ buffer }: Slot): boolean => makers.has(buffer) || buffers[buffer].kind === 'input' || buffers[buffer].kind === 'constant';
  const isOwn = ({ buffer, size }: Slot): boolean =>
    buffers[buffer].kind === 'temporary' && size === buffers[buffer].size && writers.get(buffer) === 1;
  for (const [at, instruction] of instructions.entries()) {
    const { operands, writes, guard } = instruction;
    if (writes === 0 || guard !== undefined || updates(instruction)) continue;
    if (!operands.every((slot, i) => (i < writes ? isOwn(slot) : isReady(slot)))) continue;
    for (let i = 0; i < writes; i++) makers.set(operands[i].buffer, at);
  }
  return makers;
}

/**
 * Marks the checks that can be made before all else, and moves to the front what they need for it (the prelude): casts of labels, indices
 * that are computed from arguments. A check of what the step computes by its parameters stays where it is.
 */
export function askFirst(list: List): Pick<Recording, 'instructions' | 'prelude'> {
  const { buffers, instructions } = list;
  if (!instructions.some(({ op, writes }) => writes > 0 && guardedOperand(op) >= 0)) return { instructions };
  const makers = readyTemporaries(list);
  const uses = usesOf(list);
  const early = new Set<number>();
  const needed = new Set<number>();
  const waiting: number[] = [];
  const need = (buffer: number): void => {
    const maker = makers.get(buffer);
    if (maker === undefined || needed.has(maker)) return;
    needed.add(maker);
    waiting.push(maker);
  };
  for (const [at, { op, operands, writes, guard }] of instructions.entries()) {
    const guarded = writes > 0 ? guardedOperand(op) : -1;
    if (guarded < 0) continue;
    const asked = guard === undefined ? [operands[guarded]] : [operands[guarded], guard.slot];
    const isThere = asked.every((slot) => {
      const { kind } = buffers[slot.buffer];
      if (kind === 'external') return uses.between(slot, -1, at).every((use) => !use.writes);
      return kind !== 'temporary' || makers.has(slot.buffer);
    });
    if (!isThere) continue;
    early.add(at);
    for (const { buffer } of asked) need(buffer);
  }
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    for (const { buffer } of instructions[at].operands.slice(instructions[at].writes)) need(buffer);
  }
  const marked = (instruction: Instruction, at: number): Instruction =>
    early.has(at) && !needed.has(at) ? { ...instruction, early: true } : instruction;
  const all = instructions.map(marked);
  return {
    prelude: needed.size,
    instructions: [...all.filter((_, at) => needed.has(at)), ...all.filter((_, at) => !needed.has(at))],
  };
}
