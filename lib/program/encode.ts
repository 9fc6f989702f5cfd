// Encoding: a recording and its plan as one array of numbers for native/program.
//
// arena bytes; slots, each: 0 arena, 1 external or 2 argument, dtype, elements, number of the external or argument, byte offset; arguments,
// live inputs, results (counted lists of slots); the number of instructions, and how many of them are the prelude; instructions, each: op,
// guard (slot or −1) and the value for which it runs, whether its check comes first, counted operands (slots), counted integers, counted reals.

import { bytesOf, dtypes, type TypedArray } from '../dtype.js';
import { NativeError } from '../errors.js';
import type { MemoryPlan } from './plan.js';
import type { Recording, Slot } from './record.js';

/** What `createProgram` takes. */
export interface ProgramCode {
  code: Float64Array;
  externals: TypedArray[];
}

export function encode(recording: Recording, plan: MemoryPlan, results: readonly Slot[]): ProgramCode {
  const { buffers, instructions } = recording;
  const externals: TypedArray[] = [];
  const argumentOf = new Map(recording.inputs.map((buffer, i) => [buffer, i]));
  const slots: number[] = [];
  let count = 0;
  // Nearly all slots are whole buffers.
  const wholes = new Map<number, number>();
  const parts = new Map<string, number>();
  const slotOf = (slot: Slot): number => {
    const { buffer, offset, size } = slot;
    const isWhole = offset === 0 && size === buffers[buffer].size;
    const key = isWhole ? '' : `${buffer}:${offset}:${size}`;
    const known = isWhole ? wholes.get(buffer) : parts.get(key);
    if (known !== undefined) return known;
    if (isWhole) wholes.set(buffer, count);
    else parts.set(key, count);
    add(slot);
    return count++;
  };
  const add = ({ buffer, offset, size }: Slot): void => {
    const { dtype, data, size: whole } = buffers[buffer];
    if (offset + size > whole) throw new NativeError(`an instruction uses ${offset + size} elements of memory ${buffer}, which has ${whole}`);
    const code = dtypes.indexOf(dtype);
    const argument = argumentOf.get(buffer);
    if (argument !== undefined) slots.push(2, code, size, argument, offset * bytesOf(dtype));
    else if (data === null) slots.push(0, code, size, 0, plan.offsets[buffer] + offset * bytesOf(dtype));
    else {
      slots.push(1, code, size, externals.length, 0);
      externals.push(offset === 0 && size === data.length ? data : data.subarray(offset, offset + size));
    }
  };
  const whole = (buffer: number): Slot => ({ buffer, offset: 0, size: buffers[buffer].size });
  const body: number[] = [];
  const addPorts = (list: readonly Slot[]): void => {
    body.push(list.length);
    for (let i = 0; i < list.length; i++) body.push(slotOf(list[i]));
  };
  addPorts(recording.inputs.map(whole));
  addPorts(recording.live.map(({ buffer }) => whole(buffer)));
  addPorts(results);
  body.push(instructions.length, recording.prelude ?? 0);
  for (const { op, operands, ints, reals, guard, early } of instructions) {
    body.push(op.index, guard === undefined ? -1 : slotOf(guard.slot), guard?.when ?? 0, early === true ? 1 : 0);
    addPorts(operands);
    body.push(ints.length);
    for (let i = 0; i < ints.length; i++) body.push(ints[i]);
    body.push(reals.length);
    for (let i = 0; i < reals.length; i++) body.push(reals[i]);
  }
  const code = new Float64Array(2 + slots.length + body.length);
  code.set([plan.arenaBytes, count]);
  code.set(slots, 2);
  code.set(body, 2 + slots.length);
  return { code, externals };
}
