// Planning: gives every temporary a place in one arena; two share memory when their lifetimes do not overlap.

import { bytesOf } from '../dtype.js';
import { effort } from './effort.js';
import type { Recording, Slot } from './record.js';

/** Where buffers lie in the arena. */
export interface MemoryPlan {
  arenaBytes: number;
  /** Byte offset by buffer; −1 for memory outside the arena, and for what no instruction uses. */
  offsets: readonly number[];
  /** What the temporaries would take side by side. */
  sumBytes: number;
}

const alignment = 64;

interface Lifetime {
  buffer: number;
  bytes: number;
  first: number;
  last: number;
}

/** Stretches of memory that are taken: disjoint, in order, and never touching. */
class Taken {
  readonly begins: number[] = [];
  readonly ends: number[] = [];

  /** The first stretch that ends behind `offset`. */
  after(offset: number): number {
    let low = 0;
    for (let high = this.ends.length; low < high; ) {
      const middle = (low + high) >> 1;
      if (this.ends[middle] > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  add(begin: number, end: number): void {
    const { begins, ends } = this;
    const from = this.after(begin - 1);
    let to = from;
    let low = begin;
    let high = end;
    for (; to < begins.length && begins[to] <= end; to++) {
      low = Math.min(low, begins[to]);
      high = Math.max(high, ends[to]);
    }
    effort.looks += to - from + 1;
    const { length } = begins;
    if (to === from) {
      begins.push(0);
      ends.push(0);
      begins.copyWithin(from + 1, from, length);
      ends.copyWithin(from + 1, from, length);
    } else if (to > from + 1) {
      begins.copyWithin(from + 1, to);
      ends.copyWithin(from + 1, to);
      begins.length = ends.length = length - (to - from - 1);
    }
    begins[from] = low;
    ends[from] = high;
  }
}

/**
 * The memory that is taken over time. A tree over the places of the program: a node knows what is taken throughout its stretch of time
 * (`cover`), and what is taken at some time within it (`any`), so that a lifetime asks some twice as many nodes as the tree has levels.
 */
class Timetable {
  readonly #leaves: number;
  readonly #cover: (Taken | undefined)[] = [];
  readonly #any: (Taken | undefined)[] = [];

  constructor(times: number) {
    let leaves = 1;
    while (leaves < times) leaves *= 2;
    this.#leaves = leaves;
  }

  /** The lowest offset from which `bytes` are free from time `first` to `last`. */
  place(bytes: number, first: number, last: number): number {
    const asked: Taken[] = [];
    this.#ask(asked, first, last, 1, 0, this.#leaves - 1);
    const at = asked.map(() => 0);
    let offset = 0;
    for (let moved = true; moved; ) {
      moved = false;
      for (let i = 0; i < asked.length; i++) {
        const { begins, ends } = asked[i];
        // The stretches behind which the search already is were passed before.
        let next = at[i];
        if (next < ends.length && ends[next] <= offset) next = asked[i].after(offset);
        for (; next < begins.length && begins[next] < offset + bytes; next++) {
          effort.looks += 1;
          if (ends[next] <= offset) continue;
          offset = ends[next];
          moved = true;
        }
        at[i] = next;
      }
      effort.looks += asked.length;
    }
    return offset;
  }

  /** Adds to `asked` what may be taken from `first` to `last`, of the node that stands for the times `from` to `to`. */
  #ask(asked: Taken[], first: number, last: number, node: number, from: number, to: number): void {
    const whole = first <= from && to <= last;
    const taken = (whole ? this.#any : this.#cover)[node];
    if (taken !== undefined) asked.push(taken);
    if (whole) return;
    const middle = (from + to) >> 1;
    if (first <= middle) this.#ask(asked, first, last, 2 * node, from, middle);
    if (last > middle) this.#ask(asked, first, last, 2 * node + 1, middle + 1, to);
  }

  take(begin: number, end: number, first: number, last: number): void {
    this.#enter(begin, end, first, last, 1, 0, this.#leaves - 1);
  }

  #enter(begin: number, end: number, first: number, last: number, node: number, from: number, to: number): void {
    (this.#any[node] ??= new Taken()).add(begin, end);
    if (first <= from && to <= last) {
      (this.#cover[node] ??= new Taken()).add(begin, end);
      return;
    }
    const middle = (from + to) >> 1;
    if (first <= middle) this.#enter(begin, end, first, last, 2 * node, from, middle);
    if (last > middle) this.#enter(begin, end, first, last, 2 * node + 1, middle + 1, to);
  }
}

/**
 * Places the largest buffers first, of equal ones inputs first, each at the lowest offset that is free over its lifetime. Inputs live from the start, results
 * (`kept`) to the end.
 */
export function planMemory(recording: Recording, kept: readonly number[]): MemoryPlan {
  const { buffers, instructions, inputs } = recording;
  const isArgument = new Set(inputs);
  const end = instructions.length;
  const lifetimes: (Lifetime | null)[] = buffers.map(({ kind, dtype, size }, buffer) =>
    !isArgument.has(buffer) && (kind === 'temporary' || kind === 'input')
      ? {
          buffer,
          bytes: Math.max(alignment, Math.ceil((size * bytesOf(dtype)) / alignment) * alignment),
          first: kind === 'input' ? -1 : end,
          last: -1,
        }
      : null,
  );
  const live = ({ buffer }: Slot, at: number): void => {
    const life = lifetimes[buffer];
    if (life === null) return;
    if (at < life.first) life.first = at;
    if (at > life.last) life.last = at;
  };
  for (let at = 0; at < instructions.length; at++) {
    const { operands, guard } = instructions[at];
    for (const slot of operands) live(slot, at);
    if (guard !== undefined) live(guard.slot, at);
  }
  for (const buffer of kept) {
    const life = lifetimes[buffer];
    if (life !== null) life.last = end;
  }
  const offsets = buffers.map(() => -1);
  // Times from −1, before the first instruction, to the end.
  const table = new Timetable(end + 2);
  let arenaBytes = 0;
  let sumBytes = 0;
  // What fusing has left without a use lies nowhere.
  const waiting = lifetimes.filter((life): life is Lifetime => life !== null && life.first <= life.last);
  for (const { buffer, bytes, first, last } of waiting.sort(
    (a, b) => b.bytes - a.bytes || Math.min(a.first, 0) - Math.min(b.first, 0) || a.buffer - b.buffer,
  )) {
    sumBytes += bytes;
    const offset = table.place(bytes, first + 1, last + 1);
    table.take(offset, offset + bytes, first + 1, last + 1);
    offsets[buffer] = offset;
    arenaBytes = Math.max(arenaBytes, offset + bytes);
  }
  return { arenaBytes, offsets, sumBytes };
}
