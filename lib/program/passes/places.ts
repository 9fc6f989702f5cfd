// The uses of one memory by place and time: who touches these bytes between those two instructions.

import { effort } from '../effort.js';

/** A use of memory by an instruction, in bytes from where that memory starts. */
export interface Use {
  at: number;
  /** The one behind the last is the guard's bit. */
  operand: number;
  begin: number;
  end: number;
  reads: boolean;
  writes: boolean;
}

/** The place of a use whose instruction is gone. */
export const gone = -1;

/** A place in the list, which changes with the list. */
export interface Place {
  at: number;
}

/** A use at a place. */
export class PlacedUse implements Use {
  constructor(
    readonly place: Place,
    readonly operand: number,
    readonly begin: number,
    readonly end: number,
    readonly reads: boolean,
    readonly writes: boolean,
  ) {}

  get at(): number {
    return this.place.at;
  }
}

/** Below this many uses in a stretch of time each is looked at. */
const few = 32;

/** The first of `uses`, which are in the order of time, that is not before `at`. */
function firstFrom(uses: readonly Use[], at: number): number {
  let low = 0;
  for (let high = uses.length; low < high; ) {
    const middle = (low + high) >> 1;
    if (uses[middle].at < at) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Slabs of parameters have uses of all their layers, and whole ones by optimizers. Where a question is about a long time, a tree over the
 * borders between uses answers it: each use stands at the nodes that it covers, and the nodes of the bytes in question are looked at.
 */
export class Places {
  #all: Use[] = [];
  #tree: Tree | null = null;
  #writes: Places | null = null;

  get all(): readonly Use[] {
    return this.#all;
  }

  /** Those that write. */
  get writes(): Places {
    if (this.#writes === null) {
      this.#writes = new Places();
      for (const use of this.#all) if (use.writes) this.#writes.add(use);
      effort.looks += this.#all.length;
    }
    return this.#writes;
  }

  /** Adds a use; they come in the order of time. */
  add(use: Use): void {
    this.#all.push(use);
  }

  /** Uses are {@link gone}, and others were added out of their order: only what is left counts. */
  settle(): void {
    effort.looks += this.#all.length;
    this.#all = this.#all.filter(({ at }) => at !== gone).sort((a, b) => a.at - b.at);
    this.#tree = null;
    this.#writes = null;
  }

  /** Uses of any byte from `begin` to `end` by instructions after `from` and before `to`, in their order. */
  between(begin: number, end: number, from: number, to: number): readonly Use[] {
    const first = firstFrom(this.#all, from + 1);
    const last = firstFrom(this.#all, to);
    if (last - first > few) {
      this.#tree ??= new Tree(this.#all);
      return this.#tree.between(begin, end, from, to);
    }
    const found: Use[] = [];
    for (let i = first; i < last; i++) if (this.#all[i].begin < end && begin < this.#all[i].end) found.push(this.#all[i]);
    effort.looks += 1 + Math.max(0, last - first);
    return found;
  }

  /** The same one after the other: who stops early has looked at little more than what came before. */
  *later(begin: number, end: number, from: number, to: number): Generator<Use> {
    let after = from;
    for (let width = few; after + 1 < to; width *= 2) {
      yield* this.between(begin, end, after, Math.min(to, after + width + 1));
      after += width;
    }
  }
}

class Tree {
  /** Where uses begin or end, in order. */
  readonly #borders: readonly number[];
  /** By node: numbers of the uses that cover it and not the node above, in the order of time. */
  readonly #covering: (number[] | undefined)[] = [];
  /** Whether there are any below a node. */
  readonly #below: boolean[] = [];

  constructor(readonly uses: readonly Use[]) {
    this.#borders = [...new Set(uses.flatMap(({ begin, end }) => [begin, end]))].sort((a, b) => a - b);
    for (const [number, { begin, end }] of uses.entries()) {
      this.#visit(begin, end, (node, whole) => {
        if (whole) (this.#covering[node] ??= []).push(number);
        else this.#below[node] = true;
        return !whole;
      });
    }
  }

  between(begin: number, end: number, from: number, to: number): Use[] {
    const found = new Set<number>();
    this.#visit(begin, end, (node) => {
      const covering = this.#covering[node];
      if (covering !== undefined) {
        let low = 0;
        for (let high = covering.length; low < high; ) {
          const middle = (low + high) >> 1;
          if (this.uses[covering[middle]].at <= from) low = middle + 1;
          else high = middle;
        }
        for (let i = low; i < covering.length && this.uses[covering[i]].at < to; i++) {
          found.add(covering[i]);
          effort.looks += 1;
        }
      }
      return this.#below[node] === true;
    });
    return [...found].sort((a, b) => a - b).map((number) => this.uses[number]);
  }

  /** Calls `body` for the nodes that share a byte with begin … end, from above; it says whether to go on below. */
  #visit(begin: number, end: number, body: (node: number, whole: boolean) => boolean): void {
    const borders = this.#borders;
    const walk = (node: number, low: number, high: number): void => {
      if (low >= high || borders[low] >= end || begin >= borders[high]) return;
      effort.looks += 1;
      if (!body(node, begin <= borders[low] && borders[high] <= end) || high - low === 1) return;
      const middle = (low + high) >> 1;
      walk(2 * node, low, middle);
      walk(2 * node + 1, middle, high);
    };
    walk(1, 0, borders.length - 1);
  }
}
