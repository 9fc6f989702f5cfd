// Hand-made lists for the tests of passes, and what they leave in memory when they are run one instruction after the other.

import type { DType, TypedArray } from '../../../lib/dtype.js';
import { arrayTypes } from '../../../lib/dtype.js';
import '../../../lib/index.js';
import { nativeOps, run } from '../../../lib/native.js';
import { definedOp, type Op } from '../../../lib/ops/define.js';
import { titleOf } from '../../../lib/ops/fused.js';
import type { List } from '../../../lib/program/passes/list.js';
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

/** All that a list leaves: results, and memory that stays. Inputs are the same in each call; memory that stays is put back. */
export function outcome({ buffers, instructions, results }: List): number[][] {
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
