// Hand-made lists for the tests of passes, and what they leave in memory when they are run one instruction after the other.

import type { DType, TypedArray } from '../../../lib/dtype.js';
import { arrayTypes } from '../../../lib/dtype.js';
import '../../../lib/index.js';
import { nativeOps, run } from '../../../lib/native.js';
import { definedOp, mapKind, type Op } from '../../../lib/ops/define.js';
import { fusedOf, titleOf } from '../../../lib/ops/fused.js';
import { type List, updates } from '../../../lib/program/passes/list.js';
import type { Buffer, Guard, Instruction, Slot } from '../../../lib/program/record.js';
import { callOf } from '../../native/calls.js';
import { Seeded } from '../../helpers/seeded.js';

/** Writes a list down, instruction by instruction. */
export class Lister {
  readonly buffers: Buffer[] = [];
  readonly instructions: Instruction[] = [];
  readonly #random = new Seeded(5);

  #add(kind: Buffer['kind'], size: number, data: TypedArray | null, dtype: DType = 'float32'): Slot {
    this.buffers.push({ dtype, size, kind, data });
    return { buffer: this.buffers.length - 1, offset: 0, size };
  }

  temporary(size: number): Slot {
    return this.#add('temporary', size, null);
  }

  input(size: number, dtype: DType = 'float32'): Slot {
    return this.#add('input', size, null, dtype);
  }

  constant(...values: number[]): Slot {
    return this.#add('constant', values.length, Float32Array.from(values));
  }

  /** A condition under which instructions run. */
  guard(slot = this.input(1, 'int32')): Guard {
    return { slot, when: 1 };
  }

  /** A stretch of memory that stays; `of` names the memory, so that several may share it. */
  external(size: number, of = this.slab(size), begin = 0): Slot {
    return this.#add('external', size, of.subarray(begin, begin + size));
  }

  slab(size: number): Float32Array {
    const slab = new Float32Array(new SharedArrayBuffer(size * 4));
    slab.set(this.#random.uniform(size, -1, 1));
    return slab;
  }

  run(name: string, outputs: Slot[], inputs: Slot[], ints: number[] = [], reals: number[] = [], guard?: Guard): this {
    const call =
      definedOp(name.split(' + ')[0]) === undefined ? { op: { name, index: -1 } as Op<unknown>, ints, reals } : callOf(name, ints, reals);
    this.instructions.push({
      ...call,
      operands: [...outputs, ...inputs],
      writes: outputs.length,
      ...(guard === undefined ? {} : { guard }),
    });
    return this;
  }

  list(...results: Slot[]): List {
    return { buffers: this.buffers, instructions: this.instructions, results };
  }
}

/** Operations that are left, and what they do besides. */
export const names = ({ instructions }: List): string[] => instructions.map(titleOf);

/**
 * Refuses a list that is not well formed: operands as its signature and its descriptor say, slots within their memory, temporaries
 * written before they are read, results that somebody makes.
 */
export function verify({ buffers, instructions, results }: List): void {
  const written = new Set<number>();
  const isThere = ({ buffer }: Slot): boolean => buffers[buffer].kind !== 'temporary' || written.has(buffer);
  for (const [at, instruction] of instructions.entries()) {
    const { op, operands, writes } = instruction;
    const title = `${at} ${titleOf(instruction)}`;
    const signature = nativeOps[op.index]?.signature;
    if (signature !== undefined && !signature.includes('*')) {
      const { sums, mask, bias, residual, divisor, map } = fusedOf(instruction);
      const [outputs, inputs] = signature.split(';')[0].split(':');
      const reads = map !== undefined && mapKind(map) === 'backward' ? 1 : 0;
      const more = Number(bias ?? 0) + Number(residual ?? 0) + Number(divisor !== undefined) + reads;
      const made = outputs.length + Number(sums !== undefined) + Number(mask === 'kept');
      const masked = mask === 'recomputed' ? 2 : mask === 'kept' ? 1 : 0;
      if (writes !== made) throw new Error(`${title} writes ${writes} operands instead of ${made}`);
      if (operands.length !== made + inputs.length + more + masked) throw new Error(`${title} has ${operands.length} operands`);
    }
    for (const slot of operands) {
      const { size } = buffers[slot.buffer];
      if (slot.offset < 0 || slot.size < 0 || slot.offset + slot.size > size) throw new Error(`${title} leaves its memory`);
    }
    for (const slot of updates(instruction) ? operands : operands.slice(writes)) {
      if (!isThere(slot)) throw new Error(`${title} reads memory ${slot.buffer}, which nobody has written`);
    }
    for (const { buffer } of operands.slice(0, writes)) written.add(buffer);
  }
  for (const slot of results) if (!isThere(slot)) throw new Error(`nobody makes the result in memory ${slot.buffer}`);
}

/** All that a list leaves: results, and memory that stays. Inputs are the same in each call; memory that stays is put back. */
export function outcome(list: List): number[][] {
  verify(list);
  const { buffers, instructions, results } = list;
  const random = new Seeded(11);
  const before = buffers.map(({ kind, data }) => (kind === 'external' ? (data as TypedArray).slice() : null));
  const memory = buffers.map(({ kind, dtype, size, data }) => {
    if (data !== null) return data;
    const array = new arrayTypes[dtype](size) as TypedArray;
    if (kind === 'input') for (let i = 0; i < size; i++) array[i] = dtype === 'int32' ? random.integer(3) : random.uniform(1, -1, 1)[0];
    else array.fill(Number.NaN);
    return array;
  });
  const at = ({ buffer, offset, size }: Slot): TypedArray => memory[buffer].subarray(offset, offset + size) as TypedArray;
  for (const { op, operands, ints, reals } of instructions) {
    if (nativeOps[op.index]?.name === op.name) run(op.index, operands.map(at), ints, reals);
  }
  const left = [...results.map(at), ...memory.filter((_, i) => buffers[i].kind === 'external')].map((array) => [...array]);
  for (const [i, array] of before.entries()) if (array !== null) memory[i].set(array as never);
  return left;
}
