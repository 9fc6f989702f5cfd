// What passes work on: a list of instructions, and who reads and writes which memory in it.

import { bytesOf } from '../../dtype.js';
import { gradientOperand, guardedOperand } from '../../ops/define.js';
import { fusedOf, titleOf } from '../../ops/fused.js';
import { effort } from '../effort.js';
import type { Buffer, Guard, Instruction, Slot } from '../record.js';
import { readyTemporaries } from './checks.js';
import { gone, type Place, PlacedUse, Places, type Use } from './places.js';

/** A program on its way through the passes. */
export interface List {
  readonly buffers: readonly Buffer[];
  readonly instructions: readonly Instruction[];
  /** What the step gives back. */
  readonly results: readonly Slot[];
}

/** A small function from list to list. What it leaves computes the same bits. */
export type Pass = (list: List) => List;

/** Operations whose outputs are inputs too: they update what is there. */
const updating = new Set(['accumulate', 'gru_weight_accumulate', 'scale_by', 'batch_norm_running', 'group_sum', 'group_reduce', 'group_share']);

/** Whether an instruction reads what it writes. */
export function updates(instruction: Instruction): boolean {
  if (updating.has(instruction.op.name) || gradientOperand(instruction.op) >= 0) return true;
  // scatter_add_rows may add to what is there.
  if (instruction.op.name === 'scatter_add_rows' && instruction.ints[2] === 1) return true;
  const { prior, sums } = fusedOf(instruction);
  return prior === 'accumulate' || sums === 'accumulate';
}

const known = new WeakMap<List, Uses>();

/** Who reads and writes what in a list: worked out when it is first asked for, and once. */
export function usesOf(list: List): Uses {
  let uses = known.get(list);
  if (uses === undefined) known.set(list, (uses = new Uses(list)));
  return uses;
}

/** The list after `edits`; `buffers` are those of now, of which none has become longer, and new ones. Who uses what goes along with it. */
export function edited(list: List, edits: Edit, buffers = list.buffers): List {
  if (edits.size === 0) return list;
  const uses = usesOf(list).after(edits, buffers);
  known.set(uses.list, uses);
  return uses.list;
}

/** Uses by memory, and by the instructions' places. */
interface Index {
  readonly memories: Map<unknown, Places>;
  readonly places: readonly Place[];
}

/** Who reads and writes what. Memory that stays may be named by several buffers: its uses are compared by address. */
export class Uses {
  /** Buffers of what the step gives back. */
  readonly results: ReadonlySet<number>;
  #index: Index | null = null;

  constructor(readonly list: List) {
    this.results = new Set(list.results.map(({ buffer }) => buffer));
  }

  #placesOf(memory: unknown): Places | undefined {
    return (this.#index ??= this.#collect()).memories.get(memory);
  }

  #collect(): Index {
    const memories = new Map<unknown, Places>();
    const places = this.list.instructions.map((instruction, at) => this.#enter(memories, instruction, at));
    effort.looks += places.length;
    return { memories, places };
  }

  #enter(memories: Map<unknown, Places>, instruction: Instruction, at: number): Place {
    const { operands, guard, writes } = instruction;
    const place: Place = { at };
    const isUpdate = updates(instruction);
    const count = guard === undefined ? operands.length : operands.length + 1;
    for (let operand = 0; operand < count; operand++) {
      const { memory, begin, end } = this.#place(operand < operands.length ? operands[operand] : (guard as Guard).slot);
      const use = new PlacedUse(place, operand, begin, end, operand >= writes || isUpdate, operand < writes);
      let uses = memories.get(memory);
      if (uses === undefined) memories.set(memory, (uses = new Places()));
      uses.add(use);
    }
    return place;
  }

  /** The uses of this list after `edits`. They are moved, not copied: asked again, this one would work out its own anew. */
  after(edits: Edit, buffers: readonly Buffer[]): Uses {
    const instructions: Instruction[] = [];
    const after = new Uses({ ...this.list, buffers, instructions });
    const index = this.#index;
    this.#index = null;
    const places: Place[] = [];
    const changed = new Set<Places>();
    const change = (memories: Map<unknown, Places>, { operands, guard }: Instruction, uses: Uses): void => {
      for (const slot of operands) changed.add(memories.get(uses.#place(slot).memory) as Places);
      if (guard !== undefined) changed.add(memories.get(uses.#place(guard.slot).memory) as Places);
    };
    for (let at = 0; at < this.list.instructions.length; at++) {
      const instruction = this.list.instructions[at];
      const made = edits.get(at);
      const place = index?.places[at];
      if (place !== undefined) place.at = made === undefined ? instructions.length : gone;
      if (made === undefined) {
        instructions.push(instruction);
        if (place !== undefined) places.push(place);
        continue;
      }
      if (index !== null) change(index.memories, instruction, this);
      for (const one of made) {
        if (index !== null) {
          places.push(after.#enter(index.memories, one, instructions.length));
          change(index.memories, one, after);
        }
        instructions.push(one);
      }
    }
    for (const places of changed) places.settle();
    effort.looks += this.list.instructions.length;
    if (index !== null) after.#index = { memories: index.memories, places };
    return after;
  }

  #place({ buffer, offset, size }: Slot): { memory: unknown; begin: number; end: number } {
    const { data, dtype, kind } = this.list.buffers[buffer];
    const width = bytesOf(dtype);
    const stays = kind === 'external' && data !== null;
    const begin = (stays ? data.byteOffset : 0) + offset * width;
    return { memory: stays ? data.buffer : buffer, begin, end: begin + size * width };
  }

  /** All uses of a temporary. */
  allOf(buffer: number): readonly Use[] {
    return this.#placesOf(buffer)?.all ?? [];
  }

  /** Uses of any byte of `slot` by instructions after `from` and before `to`. */
  between(slot: Slot, from: number, to: number): readonly Use[] {
    const { memory, begin, end } = this.#place(slot);
    return this.#placesOf(memory)?.between(begin, end, from, to) ?? [];
  }

  /** The same one after the other, for those who stop early. */
  *later(slot: Slot, from: number, to = this.list.instructions.length): Generator<Use> {
    const { memory, begin, end } = this.#place(slot);
    yield* this.#placesOf(memory)?.later(begin, end, from, to) ?? [];
  }

  /** Whether an instruction after `from` and before `to` writes any byte of `slot`; `others` do not count. */
  #isWritten(slot: Slot, from: number, to: number, others: readonly number[]): boolean {
    const { memory, begin, end } = this.#place(slot);
    for (const { at } of this.#placesOf(memory)?.writes.later(begin, end, from, to) ?? []) if (!others.includes(at)) return true;
    return false;
  }

  #isUsed(slot: Slot, from: number, to: number, others: readonly number[]): boolean {
    for (const { at } of this.later(slot, from, to)) if (!others.includes(at)) return true;
    return false;
  }

  /** Whether a use is of all bytes of `slot`, which is of the same memory. */
  isAll(use: Use, slot: Slot): boolean {
    const { begin, end } = this.#place(slot);
    return use.begin <= begin && end <= use.end;
  }

  /** Whether `inner` lies in `outer`, and if so how many elements from its start; else −1. Both have one dtype. */
  within(inner: Slot, outer: Slot): number {
    const [a, b] = [this.#place(inner), this.#place(outer)];
    if (a.memory !== b.memory || a.begin < b.begin || a.end > b.end) return -1;
    return (a.begin - b.begin) / bytesOf(this.list.buffers[inner.buffer].dtype);
  }

  /** Whether two slots share a byte. */
  overlap(one: Slot, two: Slot): boolean {
    const [a, b] = [this.#place(one), this.#place(two)];
    return a.memory === b.memory && a.begin < b.end && b.begin < a.end;
  }

  /** The one instruction that reads what `at` writes as `slot`, when all of a temporary is meant and nothing else touches it; else −1. */
  soleReader(at: number, slot: Slot): number {
    const buffer = this.list.buffers[slot.buffer];
    const uses = this.allOf(slot.buffer);
    if (buffer.kind !== 'temporary' || this.results.has(slot.buffer) || slot.size !== buffer.size || uses.length !== 2) return -1;
    const [write, read] = uses;
    if (write.at !== at || write.reads || read.writes || read.end - read.begin !== write.end - write.begin) return -1;
    return read.at;
  }

  /** Whether an instruction after `from` and before `to` may refuse the step by what is computed in it. */
  checksBetween(from: number, to: number): boolean {
    const { checks } = this.#counts();
    return checks[to] > checks[from + 1];
  }

  /** How many checks, and how many writes to memory that stays, come before each place. */
  #counts(): { checks: readonly number[]; staying: readonly number[] } {
    if (this.#counted === null) {
      const { length } = this.list.instructions;
      const counted = { checks: [0], staying: [0] };
      for (let at = 0; at < length; at++) {
        counted.checks.push(counted.checks[at] + (this.#mayRefuse(at) ? 1 : 0));
        counted.staying.push(counted.staying[at] + (this.#stays(at) ? 1 : 0));
      }
      this.#counted = counted;
    }
    return this.#counted;
  }
  #counted: { checks: readonly number[]; staying: readonly number[] } | null = null;

  #stays(at: number): boolean {
    const { operands, writes } = this.list.instructions[at];
    for (let i = 0; i < writes; i++) if (this.list.buffers[operands[i].buffer].kind === 'external') return true;
    return false;
  }

  // What is asked of arguments alone is asked before everything: see checks.ts.
  #mayRefuse(at: number): boolean {
    const { op, operands, writes } = this.list.instructions[at];
    const guarded = guardedOperand(op);
    if (guarded < 0) return false;
    if (writes === 0) return true;
    const slot = operands[guarded];
    const { kind } = this.list.buffers[slot.buffer];
    if (kind === 'external') return this.between(slot, -1, at).some((use) => use.writes);
    return kind === 'temporary' && !(this.#ready ??= readyTemporaries(this.list)).has(slot.buffer);
  }
  #ready: ReadonlyMap<number, number> | null = null;

  /**
   * Whether instruction `from` may run at place `to` instead: nothing between needs what it writes or changes what it reads, and no
   * write to memory that stays comes before a check that may refuse the step. `others` are fused with it.
   */
  mayMove(from: number, to: number, others: readonly number[] = []): boolean {
    const [first, last] = from < to ? [from, to] : [to, from];
    const { operands, writes, guard } = this.list.instructions[from];
    if (to < from && this.#stays(from) && this.checksBetween(to - 1, from)) return false;
    if (from < to && this.#mayRefuse(from) && this.#counts().staying[to] > this.#counts().staying[from + 1]) return false;
    return (guard === undefined ? operands : [...operands, guard.slot]).every((slot, operand) =>
      operand < writes ? !this.#isUsed(slot, first, last, others) : !this.#isWritten(slot, first, last, others),
    );
  }
}

/** Instructions by their place in place of which others come. */
export type Edit = ReadonlyMap<number, readonly Instruction[]>;

/** Edits of one sweep that lie within one another, from which place to which, and which way their instructions move. */
interface Cluster {
  begin: number;
  end: number;
  /** 1 for later, −1 for earlier, 0 for both. */
  way: number;
}

/**
 * Makes the edits that `match` finds at operations of these names (null: at any), place by place, until it finds none. Edits that do not
 * interleave are made in one sweep; so are, with `nested`, those that do, where all move their instructions the same way: then whatever
 * changes its order with something else was compared with it. They have to come from {@link merge} and use no memory that their members do
 * not use.
 */
export function rewrite(list: List, names: readonly string[] | null, match: (uses: Uses, at: number) => Edit | null, nested = false): List {
  for (let current = list; ; ) {
    const uses = usesOf(current);
    const { instructions } = current;
    const edits = new Map<number, readonly Instruction[]>();
    let cluster: Cluster = { begin: -1, end: -1, way: 0 };
    for (let at = 0; at < instructions.length; at++) {
      if (names !== null && !names.includes(instructions[at].op.name)) continue;
      if (at <= cluster.end && (cluster.way === 0 || edits.has(at))) continue;
      const edit = match(uses, at);
      if (edit === null) continue;
      const found = nested ? clusterOf(edit) : { ...clusterOf(edit), way: 0 };
      if (found.begin <= cluster.end) {
        const fits =
          found.way !== 0 && found.way === cluster.way && found.begin > cluster.begin && ![...edit.keys()].some((place) => edits.has(place));
        if (!fits) continue;
        cluster.end = Math.max(cluster.end, found.end);
      } else cluster = found;
      for (const [place, made] of edit) edits.set(place, made);
    }
    if (edits.size === 0) return current;
    current = edited(current, edits);
  }
}

function clusterOf(edit: Edit): Cluster {
  const places = [...edit.keys()];
  const [begin, end] = [Math.min(...places), Math.max(...places)];
  const kept = places.filter((place) => (edit.get(place) as readonly Instruction[]).length > 0);
  return { begin, end, way: kept.length !== 1 ? 0 : kept[0] === end ? 1 : kept[0] === begin ? -1 : 0 };
}

/** The edit that puts `fused` at place `to` and takes the other `members` away. Its origin is theirs, in their order. */
export function merge(uses: Uses, members: readonly number[], to: number, fused: Omit<Instruction, 'guard' | 'shard' | 'of'>): Edit {
  const { instructions } = uses.list;
  const of = [...members].sort((a, b) => a - b).flatMap((at) => instructions[at].of ?? [titleOf(instructions[at])]);
  const { guard, shard } = instructions[members[0]];
  const isOfShard = shard !== undefined && members.every((at) => instructions[at].shard === shard);
  // What is made of several may be made of one of them, and of another shard then.
  const { shard: _, ...rest } = fused as Instruction;
  const made: Instruction = { ...rest, ...(guard === undefined ? {} : { guard }), ...(isOfShard && { shard }), of };
  return new Map(members.map((at) => [at, at === to ? [made] : []]));
}

/** Makes all edits at once. Results that now lie in other memory get its name: `renamed` says from which buffer to which. */
function editedInPlace(list: List, edits: ReadonlyMap<number, readonly Instruction[]>, renamed: Map<number, number>): List {
  const all = new Map(edits);
  const uses = usesOf(list);
  const named = ({ buffer, ...slot }: Slot): Slot => {
    let name = buffer;
    for (let next = renamed.get(name); next !== undefined; next = renamed.get(name)) name = next;
    // A chain of names is followed once.
    for (let at = buffer; at !== name; ) {
      const next = renamed.get(at) as number;
      renamed.set(at, name);
      at = next;
    }
    return { ...slot, buffer: name };
  };
  const inPlace = (instruction: Instruction): Instruction => ({ ...instruction, operands: instruction.operands.map(named) });
  for (const buffer of renamed.keys()) {
    for (const { at } of uses.allOf(buffer)) {
      if (!all.has(at)) all.set(at, [list.instructions[at]]);
    }
  }
  for (const [at, made] of all) all.set(at, made.map(inPlace));
  return edited(list, all);
}

/** What a sweep of {@link sweeps} works with. */
export interface Sweep {
  readonly uses: Uses;
  /** Whether no edit of this sweep has touched memory of these instructions: what `uses` says of it still holds. */
  isFree(...places: readonly number[]): boolean;
  /** Makes an edit of free instructions at the end of the sweep; `renamed`: from which buffer to which. */
  edit(edit: Edit, renamed: readonly [from: number, to: number] | null): void;
}

/**
 * Sweeps over the operations of these names (null: over all) until one makes no edit. A memory that is written takes part in one edit of a sweep: the
 * next one sees what has become of it, so that two edits which are right each by itself cannot meet.
 */
export function sweeps(list: List, names: readonly string[] | null, look: (sweep: Sweep, at: number) => void): List {
  for (let current = list; ; ) {
    const uses = usesOf(current);
    const { instructions } = current;
    const edits = new Map<number, readonly Instruction[]>();
    const renamed = new Map<number, number>();
    const taken = new Set<number>();
    // Of what lies outside of the arena, such as weights, all may read.
    const read = new Set<number>();
    const isTaken = (at: number): boolean =>
      instructions[at].operands.some(({ buffer }, i) => taken.has(buffer) || (i < instructions[at].writes && read.has(buffer)));
    const sweep: Sweep = {
      uses,
      isFree: (...places) => places.every((at) => !edits.has(at) && !isTaken(at)),
      edit: (edit, name) => {
        for (const [place, made] of edit) {
          edits.set(place, made);
          for (const { operands, writes } of [instructions[place], ...made])
            for (const [i, { buffer }] of operands.entries())
              (i >= writes && current.buffers[buffer].kind !== 'temporary' ? read : taken).add(buffer);
        }
        if (name !== null) renamed.set(...name);
      },
    };
    for (let at = 0; at < instructions.length; at++) if (names === null || names.includes(instructions[at].op.name)) look(sweep, at);
    if (edits.size === 0) return current;
    current = editedInPlace(current, edits, renamed);
  }
}

/** Whether all run in the same steps. */
export function sameGuard(uses: Uses, ...places: readonly number[]): boolean {
  const { instructions } = uses.list;
  return places.every((at) => instructions[at].guard === instructions[places[0]].guard);
}

/** Whether two slots are the same stretch of the same buffer. */
export function sameSlot(a: Slot, b: Slot): boolean {
  return a.buffer === b.buffer && a.offset === b.offset && a.size === b.size;
}
