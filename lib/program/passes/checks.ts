// What may refuse a step is asked first: class indices and rows by index are looked at before anything is written that stays.

import { guardedOperand } from '../../ops/define.js';
import type { Instruction, Recording } from '../record.js';
import { type List, updates, usesOf } from './list.js';

/**
 * Which temporaries come from arguments and live inputs alone, and the instruction that makes each; a temporary that is written twice, or
 * in some steps only, is none of them. All inputs and constants are ready too.
 */
export function readyTemporaries({ buffers, instructions }: Pick<List, 'buffers' | 'instructions'>): ReadonlyMap<number, number> {
  const writers = new Map<number, number>();
  for (const { operands, writes } of instructions) {
    for (const { buffer } of operands.slice(0, writes)) writers.set(buffer, (writers.get(buffer) ?? 0) + 1);
  }
  const makers = new Map<number, number>();
  const isReady = (buffer: number): boolean => buffers[buffer].kind === 'input' || buffers[buffer].kind === 'constant' || makers.has(buffer);
  for (const [at, instruction] of instructions.entries()) {
    const { operands, writes, guard } = instruction;
    const alone =
      writes > 0 &&
      guard === undefined &&
      !updates(instruction) &&
      operands.slice(0, writes).every(({ buffer, size }) => {
        const { kind, size: whole } = buffers[buffer];
        return kind === 'temporary' && size === whole && writers.get(buffer) === 1;
      }) &&
      operands.slice(writes).every(({ buffer }) => isReady(buffer));
    if (alone) for (const { buffer } of operands.slice(0, writes)) makers.set(buffer, at);
  }
  return makers;
}

/**
 * Marks the checks that can be made before all else, and moves to the front what they need for it (the prelude): casts of labels, indices
 * that are computed from arguments. A check of what the step computes by its parameters stays where it is.
 */
export function askFirst<L extends Pick<Recording, 'buffers' | 'instructions' | 'prelude'>>(recording: L): L {
  const { buffers, instructions } = recording;
  if (!instructions.some(({ op, writes }) => writes > 0 && guardedOperand(op) >= 0)) return recording;
  const makers = readyTemporaries(recording);
  const uses = usesOf({ buffers, instructions, results: [] });
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
    ...recording,
    prelude: needed.size,
    instructions: [...all.filter((_, at) => needed.has(at)), ...all.filter((_, at) => !needed.has(at))],
  };
}
