// Transcripts: what a recording says as one flat list. Where two lists are equal, the recordings are one program.

import { types } from 'node:util';
import type { TypedArray } from '../dtype.js';
import { isPlainObject } from '../foreign.js';
import { Tensor } from '../tensor.js';
import { type Recorder, type Slot, sameBits } from './record.js';

/** Numbers, names, and the things that a recording refers to; the values of constants as arrays. */
export type Transcript = readonly unknown[];

/** What a recording says; `result` is what the step's function gave. */
export function transcriptOf(recorder: Recorder, result: unknown): Transcript {
  const said: unknown[] = [];
  const saySlot = ({ buffer, offset, size }: Slot): void => {
    said.push(buffer, offset, size);
  };
  const sayResult = (value: unknown): void => {
    if (value instanceof Tensor) {
      saySlot(recorder.slot(value));
      said.push(value.dtype, ...value.shape);
    } else if (Array.isArray(value) || isPlainObject(value)) {
      const entries = Object.entries(value as Record<string, unknown>);
      said.push(entries.length);
      for (const [name, item] of entries) {
        said.push(name);
        sayResult(item);
      }
    } else said.push(value);
  };
  sayResult(result); // first: it may add constants
  for (const { dtype, size, kind, data } of recorder.buffers) {
    said.push(dtype, size, kind);
    if (kind === 'constant') said.push(data);
    else if (data !== null) said.push(data.buffer, data.byteOffset);
  }
  for (const { op, operands, writes, ints, reals, guard } of recorder.instructions) {
    said.push(op, operands.length, writes, guard?.when ?? null);
    for (const operand of operands) saySlot(operand);
    if (guard !== undefined) saySlot(guard.slot);
    for (const list of [ints, reals]) {
      said.push(list.length);
      for (const number of list) said.push(number);
    }
  }
  for (const one of recorder.before) {
    // What a replay leaves of state is not told: a first step may set what later ones find set.
    if ('advance' in one) said.push(...(one.of ?? [null]));
    else said.push(one.buffer);
  }
  return said;
}

/** Whether two recordings say the same, to the bit. */
export function sameTranscript(a: Transcript, b: Transcript): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i]) && !sameConstant(a[i], b[i])) return false;
  return true;
}

function sameConstant(a: unknown, b: unknown): boolean {
  return types.isTypedArray(a) && types.isTypedArray(b) && sameBits(a as TypedArray, b as TypedArray);
}
