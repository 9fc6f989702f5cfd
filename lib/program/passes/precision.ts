// Mixed precision: which values of a step are stored as bfloat16, and the casts where an operation wants them otherwise.
//
// The letters of ops.def say what an operation takes. Products get bfloat16 operands, always: all of them (P), or one (Q), and then they round the
// others themselves. From there it spreads backwards along the list, to what those operands are made of: results of products and of elementwise
// operations (S), of normalizations and pooling (U), of copies (A). All else is float32: what the other operations read and write (T:
// softmax, losses, sums, statistics, recurrent layers), parameters and their gradients, arguments and results.
//
// A value that one elementwise operation alone takes on stays float32: fused, both would be one instruction, with no rounding between them. So
// it changes no bit whether something else looks at that value too, which keeps the two apart, as an observed step does.

import type { DType } from '../../dtype.js';
import type { Op } from '../../ops/define.js';
import { lettersOf } from '../../ops/fused.js';
import { castOp } from '../../ops/shape.js';
import type { Buffer, Guard, Instruction, Slot } from '../record.js';
import { type List, type Uses, usesOf } from './list.js';

export function storeNarrow(list: List): List {
  return new Narrowing(list).rewritten();
}

const cast = castOp as unknown as Op<unknown>;

const isOfProduct = (letter: string): boolean => letter === 'P' || letter === 'Q';

class Narrowing {
  readonly #letters: readonly (readonly string[])[];
  /** Instructions that want a value as bfloat16, and whether each is elementwise. */
  readonly #readers = new Map<number, boolean[]>();
  readonly #narrow = new Set<number>();
  readonly #buffers: Buffer[];
  readonly #uses: Uses;
  /** Casts that serve later readers too. */
  readonly #known = new Map<string, { to: Slot; at: number; guard: Guard | undefined }>();

  constructor(readonly list: List) {
    this.#letters = list.instructions.map((instruction) => lettersOf(instruction, instruction.operands.length));
    this.#buffers = [...list.buffers];
    this.#uses = usesOf(list);
  }

  rewritten(): List {
    this.#collect();
    this.#choose();
    const { instructions, results } = this.list;
    const ends = this.#rename();
    const made = instructions.flatMap((instruction, at) => this.#withCasts(instruction, at, ends));
    const last = results
      .filter(({ buffer }) => ends.has(buffer))
      .map((slot) => castOf(slot, { ...slot, buffer: ends.get(slot.buffer) as number }));
    return { ...this.list, buffers: this.#buffers, instructions: [...made, ...last] };
  }

  #isTemporary({ buffer }: Slot): boolean {
    const { kind, dtype, size } = this.list.buffers[buffer];
    return kind === 'temporary' && dtype === 'float32' && size > 0;
  }

  /** Who wants what as bfloat16, from the end: products, and what makes something of it that is wanted. */
  #collect(): void {
    const { instructions } = this.list;
    for (let at = instructions.length - 1; at >= 0; at--) {
      const { operands, writes } = instructions[at];
      const letters = this.#letters[at];
      const gives = operands.slice(0, writes).some(({ buffer }, i) => 'SUA'.includes(letters[i]) && this.#readers.has(buffer));
      const wants = operands.filter(
        (slot, i) => i >= writes && this.#isTemporary(slot) && (isOfProduct(letters[i]) || (gives && 'SUA'.includes(letters[i]))),
      );
      for (const buffer of new Set(wants.map((slot) => slot.buffer))) {
        const isElementwise = !letters.some(isOfProduct) && letters[0] === 'S';
        this.#readers.set(buffer, [...(this.#readers.get(buffer) ?? []), isElementwise]);
      }
    }
  }

  /** What is stored as bfloat16, in the order of first writes: what is wanted, and what all that write it can write so. */
  #choose(): void {
    const { instructions } = this.list;
    const seen = new Set<number>();
    for (const { operands, writes } of instructions) {
      for (const slot of operands.slice(0, writes)) {
        if (seen.has(slot.buffer) || !this.#isTemporary(slot)) continue;
        seen.add(slot.buffer);
        const writers = this.#uses.between({ ...slot, offset: 0, size: this.list.buffers[slot.buffer].size }, -1, instructions.length);
        if (writers.every((use) => !use.writes || this.#mayWrite(use.at, use.operand))) this.#narrow.add(slot.buffer);
      }
    }
  }

  #mayWrite(at: number, operand: number): boolean {
    const { operands, writes } = this.list.instructions[at];
    const letters = this.#letters[at];
    const readers = this.#readers.get(operands[operand].buffer) ?? [];
    const isWanted = readers.length > 1 || readers.some((isElementwise) => !isElementwise);
    const own = operands.slice(writes).filter((_, i) => letters[writes + i] === letters[operand]);
    const narrow = own.filter(({ buffer }) => this.#narrow.has(buffer));
    if (letters[operand] === 'S') return isWanted;
    if (letters[operand] === 'U') return isWanted && narrow.length === own.length;
    // What is only moved stays as it is, wanted or not.
    return letters[operand] === 'A' && (narrow.length === own.length ? own.length > 0 || isWanted : isWanted && narrow.length > 0);
  }

  /** Results are float32: what is stored as bfloat16 among them has other memory in the step. From which buffer to which. */
  #rename(): ReadonlyMap<number, number> {
    const ends = new Map<number, number>();
    for (const buffer of this.#narrow) {
      const stored: Buffer = { ...this.#buffers[buffer], dtype: 'bfloat16' };
      if (!this.#uses.results.has(buffer)) this.#buffers[buffer] = stored;
      else ends.set(buffer, this.#buffers.push(stored) - 1);
    }
    return ends;
  }

  /** An instruction behind the casts that it needs. */
  #withCasts(instruction: Instruction, at: number, ends: ReadonlyMap<number, number>): Instruction[] {
    const { operands, writes, guard } = instruction;
    const letters = this.#letters[at];
    const group = letters.find(isOfProduct) ?? (letters.includes('U') ? 'U' : 'A');
    const isProduct = isOfProduct(group);
    const isNarrow = isProduct || this.#runsNarrow(instruction, letters, group);
    const first = operands.findIndex((_, i) => letters[i] === 'Q');
    const isServed = operands.some(({ buffer }, i) => letters[i] === 'Q' && this.#narrow.has(buffer));
    const casts: Instruction[] = [];
    const final = operands.map((slot, i) => {
      const stored = this.#narrow.has(slot.buffer);
      const own = stored ? { ...slot, buffer: ends.get(slot.buffer) ?? slot.buffer } : slot;
      if (i < writes || (!stored && this.#buffers[slot.buffer].dtype !== 'float32')) return own;
      // Elementwise operations take any; what a product multiplies its result by is stored as that is.
      if (letters[i] === 'S' && !isProduct) return own;
      if (letters[i] === 'Q' && (isServed || i !== first)) return own;
      const wanted = letters[i] === 'S' ? this.#narrow.has(operands[0].buffer) : letters[i] === group && isNarrow;
      if (wanted === stored) return own;
      return this.#cast(slot, own, wanted ? 'bfloat16' : 'float32', at, guard, casts);
    });
    return [...casts, { ...instruction, operands: final }];
  }

  /** Whether operands that have to be stored alike are bfloat16: where all results are, or without any all that is read. */
  #runsNarrow({ operands, writes }: Instruction, letters: readonly string[], group: string): boolean {
    const isOne = (_: unknown, i: number): boolean => letters[i] === group;
    const results = operands.slice(0, writes).filter(isOne);
    const read = operands.filter(isOne).slice(results.length);
    const all = (slots: readonly Slot[]): boolean => slots.length > 0 && slots.every(({ buffer }) => this.#narrow.has(buffer));
    return group === 'A' ? all(results) : all(read) && (results.length === 0 || all(results));
  }

  #cast(slot: Slot, from: Slot, dtype: DType, at: number, guard: Guard | undefined, casts: Instruction[]): Slot {
    const key = `${slot.buffer}:${slot.offset}:${slot.size}`;
    const known = this.#known.get(key);
    if (known !== undefined && (known.guard === undefined || known.guard === guard)) {
      if (!this.#uses.between(slot, known.at - 1, at).some(({ writes }) => writes)) return known.to;
    }
    const to: Slot = { buffer: this.#buffers.push({ dtype, size: slot.size, kind: 'temporary', data: null }) - 1, offset: 0, size: slot.size };
    casts.push(castOf(to, from, guard));
    // A wide copy that waits for its next reader would take the memory that was saved, and so would copies of all weights.
    if (dtype === 'bfloat16' && this.#buffers[slot.buffer].kind !== 'external') this.#known.set(key, { to, at, guard });
    return to;
  }
}

function castOf(to: Slot, from: Slot, guard?: Guard): Instruction {
  return { op: cast, operands: [to, from], writes: 1, ints: [], reals: [], ...(guard === undefined ? {} : { guard }) };
}
