// Shards of a batch that are computed side by side: products of all of them by the same weights become one, and gradients are added as soon as they are there.

import { fusedOf, isPlain } from '../../ops/fused.js';
import { isOfGroup } from '../../ops/group.js';
import type { Buffer, Instruction, Slot } from '../record.js';
import { type List, sameSlot, type Uses, usesOf } from './list.js';

/** Products whose rows, or images, have the same bits in any number; the first integer says how many, the second input is the weights. */
const products = new Set(['conv2d', 'conv2d_input_gradient', 'matmul']);

/** Sums over shards, which are made as soon as all that they add up is there. */
const sums = new Set(['accumulate', 'conv2d_weight_gradient_shards', 'group_sum', 'group_reduce']);

/** Instructions that do the same in each shard, in the order of the shards. */
type Row = readonly number[];

/**
 * Where weights are larger than what a product of one shard reads and writes, it waits for the others': all are one product then, for which the
 * weights are read once. What lies between two such products is computed shard by shard. A sum of gradients is made as soon as both are there,
 * and so is one over a group begun. Every instruction computes what it did before: each still comes behind those that it depends on.
 *
 * @param sideBySide - False: shards stay in their order, and only the sums come earlier.
 */
export function weaveShards(list: List, sideBySide = true): List {
  const { instructions } = list;
  const streams = streamsOf(instructions);
  if (streams.length === 0) return list;
  const first = Math.min(...streams.map(([at]) => at));
  const last = Math.max(...streams.map((stream) => stream[stream.length - 1]));
  // State is written behind all shards.
  for (let at = first; at <= last; at++) if (stays(list, instructions[at])) return list;
  const order = new Order(list, first);
  if (!sideBySide || streams.length < 2) {
    for (let at = first; at <= last; at++) if (instructions[at].shard !== undefined) order.add(at);
    return { ...list, instructions: order.finish() };
  }
  const joins = new Joins(list);
  const rows = rowsOf(list, streams);
  const joined = new Map<Row, Instruction>();
  for (const row of rows) {
    const made = joins.join(row);
    if (made !== null) joined.set(row, made);
  }
  const reached = streams.map(() => 0);
  const goOn = (row: Row | null): boolean =>
    streams.every((stream, i) => {
      const to = row === null ? stream.length : stream.indexOf(row[i], reached[i]);
      const isDone = stream.slice(reached[i], to).every((at) => order.add(at));
      reached[i] = to + 1;
      return isDone;
    });
  for (const [row, product] of joined) if (!goOn(row) || !order.addAll(row, product)) return list;
  if (!goOn(null)) return list;
  return { ...list, buffers: joins.buffers, instructions: order.finish().map((instruction) => joins.renamed(instruction)) };
}

/** The instructions of each shard. */
function streamsOf(instructions: readonly Instruction[]): number[][] {
  const streams = new Map<number, number[]>();
  for (const [at, { shard }] of instructions.entries()) {
    if (shard === undefined) continue;
    const stream = streams.get(shard);
    if (stream === undefined) streams.set(shard, [at]);
    else stream.push(at);
  }
  return [...streams.values()];
}

/** Whether an instruction writes memory that stays. */
function stays({ buffers }: List, { operands, writes }: Instruction): boolean {
  return operands.some(({ buffer }, i) => i < writes && buffers[buffer].kind === 'external');
}

/** Products that all shards have, of weights that are larger than what passes through. */
function rowsOf({ instructions }: List, streams: readonly (readonly number[])[]): Row[] {
  const all = streams.map((stream) => stream.filter((at) => products.has(instructions[at].op.name)));
  if (all.some(({ length }) => length !== all[0].length)) return [];
  return all[0].map((_, i) => all.map((ofShard) => ofShard[i])).filter((row) => row.every((at) => isOfWeights(instructions[at])));
}

function isOfWeights(instruction: Instruction): boolean {
  const { op, operands, writes, ints } = instruction;
  if (!isPlain(instruction, 'prior', 'bias', 'map', 'parameters') || (op.name === 'matmul' && ints[3] !== 0)) return false;
  return operands[writes + 1].size >= operands[0].size + operands[writes].size;
}

/** Products of all shards as one, and the memory in which what they read and write lies side by side. */
class Joins {
  readonly buffers: Buffer[];
  /** Where a buffer of one shard lies now. */
  #places = new Map<number, { readonly buffer: number; readonly offset: number }>();
  readonly #uses: Uses;

  constructor(readonly list: List) {
    this.buffers = [...list.buffers];
    this.#uses = usesOf(list);
  }

  /** The product of all; null where they do not fit together. */
  join(row: Row): Instruction | null {
    const all = row.map((at) => this.list.instructions[at]);
    const [one] = all;
    const isAlike = ({ op, operands, writes, ints, reals, guard }: Instruction): boolean =>
      op === one.op &&
      guard === one.guard &&
      writes === one.writes &&
      operands.length === one.operands.length &&
      ints.length === one.ints.length &&
      ints.every((int, i) => i === 0 || int === one.ints[i]) &&
      reals.every((real, i) => Object.is(real, one.reals[i]));
    if (!all.every(isAlike)) return null;
    const [places, { length }] = [this.#places, this.buffers];
    this.#places = new Map(places);
    const operands: Slot[] = [];
    for (let i = 0; i < one.operands.length; i++) {
      const slots = all.map((instruction) => instruction.operands[i]);
      const isShared = slots.every((slot) => sameSlot(slot, slots[0]));
      const isOfAll = i === one.writes + 1 || (i === one.writes + 2 && fusedOf(one).bias === true);
      const slot = isShared !== isOfAll ? null : isShared ? slots[0] : this.#sideBySide(slots);
      if (slot === null) {
        this.#places = places;
        this.buffers.length = length;
        return null;
      }
      operands.push(slot);
    }
    const count = all.reduce((sum, { ints }) => sum + ints[0], 0);
    const { shard: _, ...product } = one;
    return { ...product, operands, ints: [count, ...one.ints.slice(1)], of: all.flatMap(({ op, of }) => of ?? [op.name]) };
  }

  /** The memory of all; null where that of one is not its own. */
  #sideBySide(slots: readonly Slot[]): Slot | null {
    const now = slots.map((slot) => this.#placed(slot));
    const size = slots.reduce((sum, slot) => sum + slot.size, 0);
    const [{ buffer, offset }] = now;
    let end = offset;
    if (now.every((slot) => slot.buffer === buffer && slot.offset === end && (end += slot.size) >= 0)) return { buffer, offset, size };
    const [{ dtype }] = slots.map((slot) => this.list.buffers[slot.buffer]);
    const isOwn = (slot: Slot): boolean => {
      const own = this.list.buffers[slot.buffer];
      const isWhole = own.kind === 'temporary' && own.dtype === dtype && own.size === slot.size;
      return isWhole && !this.#places.has(slot.buffer) && !this.#uses.results.has(slot.buffer);
    };
    if (!slots.every(isOwn) || new Set(slots.map((slot) => slot.buffer)).size < slots.length) return null;
    const made = this.buffers.push({ dtype, size, kind: 'temporary', data: null }) - 1;
    let at = 0;
    for (const slot of slots) {
      this.#places.set(slot.buffer, { buffer: made, offset: at });
      at += slot.size;
    }
    return { buffer: made, offset: 0, size };
  }

  #placed(slot: Slot): Slot {
    const place = this.#places.get(slot.buffer);
    return place === undefined ? slot : { buffer: place.buffer, offset: place.offset + slot.offset, size: slot.size };
  }

  /** An instruction with memory as it lies now. */
  renamed(instruction: Instruction): Instruction {
    const { operands, guard } = instruction;
    const made = operands.some(({ buffer }) => this.#places.has(buffer))
      ? { ...instruction, operands: operands.map((slot) => this.#placed(slot)) }
      : instruction;
    return guard === undefined || !this.#places.has(guard.slot.buffer)
      ? made
      : { ...made, guard: { ...guard, slot: this.#placed(guard.slot) } };
  }
}

/** Instructions in a new order, each behind those that it depends on. */
class Order {
  readonly #made: Instruction[];
  /** By instruction: those that come before it, and those behind it. */
  readonly #before: readonly (readonly number[])[];
  readonly #behind: readonly number[][];
  /** How many of those before are missing. */
  readonly #missing: number[];
  readonly #isDone: boolean[];

  constructor(
    readonly list: List,
    first: number,
  ) {
    const { instructions } = list;
    const uses = usesOf(list);
    let ofGroup = -1;
    this.#made = instructions.slice(0, first);
    this.#isDone = instructions.map((_, at) => at < first);
    this.#behind = instructions.map(() => []);
    this.#before = instructions.map(({ op, operands, writes, guard }, at) => {
      if (at < first) return [];
      const before = new Set<number>();
      for (const [i, slot] of (guard === undefined ? operands : [...operands, guard.slot]).entries())
        for (const use of uses.between(slot, first - 1, at)) if (use.writes || i < writes) before.add(use.at);
      // All processes sum in the same order.
      if (isOfGroup(op.name)) {
        if (ofGroup >= 0) before.add(ofGroup);
        ofGroup = at;
      }
      for (const one of before) this.#behind[one].push(at);
      return [...before];
    });
    this.#missing = this.#before.map(({ length }) => length);
  }

  /** Takes an instruction next, behind what it depends on; false where that includes one of a shard whose turn has not come. */
  add(at: number): boolean {
    if (this.#isDone[at]) return true;
    if (!this.#isReady(at)) return false;
    // A sum comes with the last of what it adds up.
    if (!this.#isDone[at]) this.#take([at], this.list.instructions[at]);
    return true;
  }

  /** Takes `product` next, which stands for all of `row`. */
  addAll(row: Row, product: Instruction): boolean {
    if (!row.every((at) => this.#isReady(at))) return false;
    this.#take(row, product);
    return true;
  }

  #isReady(at: number): boolean {
    return this.#before[at].every((one) => this.#isDone[one] || (this.list.instructions[one].shard === undefined && this.add(one)));
  }

  #take(places: readonly number[], instruction: Instruction): void {
    this.#made.push(instruction);
    for (const at of places) this.#isDone[at] = true;
    for (const behind of places.flatMap((at) => this.#behind[at])) {
      this.#missing[behind] -= 1;
      if (this.#missing[behind] === 0 && this.#isSum(behind)) this.add(behind);
    }
  }

  /** Whether an instruction adds up gradients, before they are written where they stay. */
  #isSum(at: number): boolean {
    const instruction = this.list.instructions[at];
    return instruction.shard === undefined && sums.has(instruction.op.name) && !stays(this.list, instruction);
  }

  /** All, what is left in its order of before. */
  finish(): readonly Instruction[] {
    for (let at = 0; at < this.#isDone.length; at++) this.add(at);
    return this.#made;
  }
}
