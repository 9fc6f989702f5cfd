// Where a step takes much memory, cheap values that wait for the backward pass are made a second time there: what they are made of waits anyway.

import { bytesOf } from '../../dtype.js';
import { guardedOperand } from '../../ops/define.js';
import { lettersOf, titleOf } from '../../ops/fused.js';
import type { Buffer, Instruction, Slot } from '../record.js';
import { edited, type List, updates, type Uses, usesOf } from './list.js';

/** In bytes. */
export interface Limits {
  /** Steps of which fewer live at one time are left as they are. */
  readonly step: number;
  /** Smaller values are not worth it. */
  readonly value: number;
}

const usual: Limits = { step: 300e6, value: 2 ** 18 };

/** Inputs of less than this part of a value wait for it. */
const smallPart = 1 / 16;

/** By the buffer of a value: the instruction that makes it, and the place at which that runs once more. */
type Found = Map<number, { readonly made: number; again: number }>;

/** Elementwise operations and batch norm are made again, which is one walk over memory; the bits are the same. */
export function remakeCheap(list: List, { step, value } = usual): List {
  const { bytes, at: fullest } = mostBytes(list);
  if (bytes < step) return list;
  const uses = usesOf(list);
  const found: Found = new Map();
  for (let made = 0; made < fullest; made++) {
    const instruction = list.instructions[made];
    const [to, ...inputs] = instruction.operands;
    if (instruction.writes !== 1 || bytesIn(list, to) < value) continue;
    const next = uses.between(to, fullest, list.instructions.length)[0];
    if (next === undefined || !isCheap(uses, made, instruction)) continue;
    const more: Found = new Map();
    if (inputs.every((slot) => hold(uses, slot, made, next.at, bytesIn(list, to) * smallPart, found, more))) {
      for (const [buffer, one] of more) found.set(buffer, one);
      found.set(to.buffer, { made, again: next.at });
    }
  }
  return found.size === 0 ? list : rewritten(list, found);
}

const bytesIn = ({ buffers }: List, { buffer, size }: Slot): number => size * bytesOf(buffers[buffer].dtype);

/** Where most bytes of temporaries live, and how many. */
function mostBytes(list: List): { bytes: number; at: number } {
  const { buffers, instructions, results } = list;
  const [first, last] = [new Int32Array(buffers.length).fill(-1), new Int32Array(buffers.length)];
  for (let at = 0; at < instructions.length; at++) {
    for (const { buffer } of instructions[at].operands) {
      if (first[buffer] < 0) first[buffer] = at;
      last[buffer] = at;
    }
  }
  for (const { buffer } of results) last[buffer] = instructions.length;
  const change = new Float64Array(instructions.length + 2);
  for (let buffer = 0; buffer < buffers.length; buffer++) {
    const { kind, size, dtype } = buffers[buffer];
    if (kind !== 'temporary' || first[buffer] < 0) continue;
    change[first[buffer]] += size * bytesOf(dtype);
    change[last[buffer] + 1] -= size * bytesOf(dtype);
  }
  let now = 0;
  return change.reduce((most, one, at) => ((now += one) > most.bytes ? { bytes: now, at } : most), { bytes: 0, at: 0 });
}

/** Whether an instruction makes one value by one walk over memory, a whole temporary that nobody changes and every step makes and reads. */
function isCheap(uses: Uses, made: number, instruction: Instruction): boolean {
  const { op, operands, writes } = instruction;
  if (writes !== 1 || updates(instruction) || guardedOperand(op) >= 0) return false;
  const letters = lettersOf(instruction, operands.length);
  if (op.name !== 'batch_norm' && (letters[0] !== 'S' || letters.some((letter) => letter === 'P' || letter === 'Q'))) return false;
  const { buffers, instructions } = uses.list;
  const [to] = operands;
  if (buffers[to.buffer].kind !== 'temporary' || to.size !== buffers[to.buffer].size || uses.results.has(to.buffer)) return false;
  return uses
    .between(to, -1, instructions.length)
    .every(({ at, writes: isWritten }) => isWritten === (at === made) && instructions[at].guard === undefined);
}

/** Sees to it that what instruction `made` reads as `slot` is there at place `again` too; says whether it can be. `more` gets what is made again for it beside `found`. */
function hold(uses: Uses, slot: Slot, made: number, again: number, small: number, found: Found, more: Found): boolean {
  const { buffers, instructions } = uses.list;
  const isWritten = uses.between(slot, made, again).some(({ writes }) => writes);
  if (isWritten) return false;
  if (buffers[slot.buffer].kind !== 'temporary' || uses.results.has(slot.buffer) || bytesIn(uses.list, slot) <= small) return true;
  const own = more.get(slot.buffer) ?? found.get(slot.buffer);
  if (own === undefined && uses.between(slot, again - 1, instructions.length).length > 0) return true;
  if (own !== undefined && own.again <= again) return true;
  const maker = own?.made ?? uses.between(slot, -1, made).find(({ writes }) => writes)?.at;
  if (maker === undefined || (own === undefined && !isCheap(uses, maker, instructions[maker]))) return false;
  if (!instructions[maker].operands.slice(1).every((input) => hold(uses, input, maker, again, small, found, more))) return false;
  more.set(slot.buffer, { made: maker, again });
  return true;
}

/** Readers from the second making on read its result. */
function rewritten(list: List, found: Found): List {
  const buffers: Buffer[] = [...list.buffers];
  const second = new Map<number, number>();
  const places = new Map<number, Instruction[]>();
  for (const [buffer, { made, again }] of [...found].sort(([, a], [, b]) => a.made - b.made)) {
    second.set(buffer, buffers.push(buffers[buffer]) - 1);
    const instruction = list.instructions[made];
    places.set(again, [...(places.get(again) ?? []), { ...instruction, of: [...(instruction.of ?? [titleOf(instruction)]), 'again'] }]);
  }
  const named = (at: number, slot: Slot): Slot => {
    const one = found.get(slot.buffer);
    return one === undefined || at < one.again ? slot : { ...slot, buffer: second.get(slot.buffer) as number };
  };
  const changed = new Set(places.keys());
  for (const [buffer, { again }] of found) for (const { at } of usesOf(list).allOf(buffer)) if (at >= again) changed.add(at);
  const edits = new Map<number, readonly Instruction[]>();
  for (const at of changed) {
    const made = [...(places.get(at) ?? []), list.instructions[at]];
    edits.set(
      at,
      made.map((one) => ({ ...one, operands: one.operands.map((slot) => named(at, slot)) })),
    );
  }
  return edited(list, edits, buffers);
}
