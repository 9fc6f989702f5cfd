// Memory of an optimizer's state: all of it, or the part that one process of a group keeps while it trains.

import type { FloatDType, TypedArrayOf } from '../dtype.js';
import { ArgumentError, BusyError } from '../errors.js';
import { allocateShared } from '../native.js';
import { isBusy } from '../ops/busy.js';
import { holdsWhile, withoutGradients } from '../ops/emit.js';
import { type Channel, groupShare, type OwnedRange } from '../ops/group.js';
import { squaresBlock } from '../ops/statistics.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { type Home, type Segment, homeOf, part } from './memory.js';

/** Elements `begin` to `end` − 1 of a home. */
type Range = readonly [begin: number, end: number];

/** State by home and name. */
type Arrays = Map<Home, Map<string, TypedArrayOf<FloatDType>>>;

/** A state tensor: what it is called as a whole, whose it is, and its name among those of its parameter. */
export interface StateKey {
  readonly key: string;
  readonly parameter: AnyTensor;
  readonly name: string;
}

/** Elements that processes share out among themselves at a time: gradients of a few layers, which are summed while backward goes on, have parts of all. */
const stretch = 1 << 20;

/** Parts begin at multiples of so many elements: of 64 bytes, or of 128; larger ones at blocks that are summed at once for a norm. */
const alignment = 16;

/** Cuts elements `first` to `last` − 1 into ranges, in their order, of which each process of a group of `size` has about as much. */
export function shareOutRanges(first: number, last: number, size: number): OwnedRange[] {
  const ranges: OwnedRange[] = [];
  for (let begin = first; begin < last; begin += stretch) {
    const length = Math.min(stretch, last - begin);
    const unit = length >= 4 * squaresBlock * size ? squaresBlock : alignment;
    const cut = (owner: number): number => begin + (owner === size ? length : Math.floor((owner * length) / size / unit) * unit);
    for (let owner = 0; owner < size; owner++) if (cut(owner) < cut(owner + 1)) ranges.push({ begin: cut(owner), end: cut(owner + 1), owner });
  }
  return ranges;
}

/** The parts of ranges that lie in elements `begin` to `end` − 1. */
function within(ranges: readonly OwnedRange[], begin: number, end: number): OwnedRange[] {
  return ranges
    .map((range) => ({ begin: Math.max(begin, range.begin), end: Math.min(end, range.end), owner: range.owner }))
    .filter((range) => range.begin < range.end);
}

const lengthOf = (ranges: readonly OwnedRange[]): number => ranges.reduce((sum, { begin, end }) => sum + end - begin, 0);

/**
 * State tensors, each as long as the parameters that they belong to, in one array for each home and name. In a group each process may keep its ranges of
 * every array alone, one behind the other: the state of the weights that it updates.
 */
export class StateMemory {
  #arrays: Arrays = new Map();
  readonly #extents = new Map<Home, Range>();
  /** Who updates what of a home. */
  readonly #ranges = new Map<Home, readonly OwnedRange[]>();
  /** The processes that share the state; null where it is whole. */
  #channel: Channel | null = null;
  /** Where the state is of which this process had a part; null where it is here. */
  #lost: string | null = null;
  /** Whether process 0 is about to give this one its part. */
  #isComing = false;
  /** All of it, in process 0, until it is released. */
  #gathered: Arrays | null = null;
  #version = 0;

  /**
   * @param parameters - What the optimizer updates.
   * @param keys - The state that it has now.
   */
  constructor(
    readonly parameters: () => Iterable<AnyTensor>,
    readonly keys: () => Iterable<StateKey>,
  ) {}

  /** A recording that works on this memory holds until other memory takes its place. */
  holdsWhileItStays(): void {
    const version = this.#version;
    holdsWhile(() => this.#version === version);
  }

  /** Bytes that this process keeps. */
  get bytes(): number {
    return [...this.#arrays.values()].flatMap((named) => [...named.values()]).reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  /** Whether steps in flight write to it. */
  get isBusy(): boolean {
    return [...this.#arrays.values()].some((named) => [...named.values()].some(({ buffer }) => isBusy(buffer)));
  }

  /** Refuses to go on where this process has no whole state, nor a part of one. */
  refuseLost(): void {
    if (this.#lost !== null)
      throw new ArgumentError(
        `the state of this optimizer was shared out over the processes of a group, and ${this.#lost}: give it one by loadStateDict()`,
      );
  }

  /** Which processes update elements `begin` to `end` − 1 of a home; null where each updates all. Elements between parameters may be nobody's. */
  ownersOf(home: Home, begin: number, end: number): OwnedRange[] | null {
    return this.#channel === null ? null : within(this.#rangesOf(home), begin, end);
  }

  /** What this process updates of these segments. */
  ownOf(segments: readonly Segment[]): Segment[] {
    return segments.flatMap(({ home, begin, end, first }) =>
      within(this.#ownRangesOf(home), begin, end).map((range) => ({ home, first, begin: range.begin, end: range.end })),
    );
  }

  /** The state of a segment that this process updates, one of {@link ownOf}. */
  of({ home, begin, end }: Segment, name: string): AnyTensor {
    const at = this.#placeOf(home, begin);
    return part(this.#arrayOf(home, name), at, at + end - begin, home.dtype);
  }

  /** Gives all processes the weights of these segments as those that updated them have them. */
  shareWeights(segments: readonly Segment[]): void {
    const channel = this.#channel;
    if (channel === null) return;
    const pieces = segments.flatMap(({ home, begin, end }) => within(this.#rangesOf(home), begin, end).map((range) => ({ home, ...range })));
    if (pieces.length === 0) return;
    groupShare(
      channel,
      pieces.map(({ home, begin, end }) => part(home.values, begin, end, home.dtype)),
      pieces.map(({ owner }) => owner),
    );
  }

  /** The state of a parameter, on this memory. */
  whole({ parameter, name }: StateKey): AnyTensor {
    this.refuseLost();
    const { home, begin } = homeOf(parameter);
    if (this.#channel !== null && this.#gathered === null)
      throw new ArgumentError(
        `the state of this optimizer is shared out over ${this.#channel.size} processes while fit() runs: take it afterwards, in process 0`,
      );
    const [first] = this.#extentOf(home);
    const array = this.#gathered?.get(home)?.get(name) ?? this.#arrayOf(home, name);
    const data = array.subarray(begin - first, begin - first + parameter.size) as Float32Array;
    return Tensor.wrap(data, parameter.shape, parameter.dtype as 'float32');
  }

  /** Refuses what {@link load} could not take in. */
  check(keys: readonly StateKey[], tensors: ReadonlyMap<string, AnyTensor>): void {
    for (const { key, parameter } of this.#isComing ? [] : keys) {
      const value = tensors.get(key);
      if (!(value instanceof Tensor) || value.size !== parameter.size || value.dtype !== parameter.dtype)
        throw new ArgumentError(`the state has no fitting tensor '${key}'`);
    }
    if (this.isBusy) throw new BusyError('steps of this optimizer are in flight: await them first');
  }

  /** Takes in what is kept here of the state: all of it, where there was none any more. */
  load(keys: readonly StateKey[], tensors: ReadonlyMap<string, AnyTensor>): void {
    if (this.#isComing) return;
    if (this.#lost !== null) this.#replace(new Map());
    this.#lost = null;
    for (const { key, parameter, name } of keys) {
      const { home, begin } = homeOf(parameter);
      const { data } = tensors.get(key) as AnyTensor;
      for (const own of this.ownOf([{ home, first: parameter, begin, end: begin + parameter.size }]))
        this.of(own, name).data.set(data.subarray(own.begin - begin, own.end - begin) as never);
    }
  }

  /** Does without tensors in what is loaded, which {@link shareOut} brings. */
  expect(): void {
    this.#isComing = true;
    this.#replace(new Map());
  }

  /**
   * Shares the state that process 0 has out over processes: each keeps what belongs to the weights that it updates from now on. All processes do it at the
   * same step.
   */
  shareOut(channel: Channel): void {
    const whole = this.#arrays;
    this.#channel = channel;
    this.#ranges.clear();
    this.#lost = null;
    this.#isComing = false;
    this.#replace(new Map());
    this.#travel('first', (home, name, range) => {
      const own = range.owner === channel.rank ? this.#pieceOf(home, name, range) : null;
      if (channel.rank > 0) return own;
      // What no step has made yet is zero.
      const piece = this.#pieceOfWhole(whole.get(home)?.get(name), home, range);
      if (piece !== undefined) own?.set(piece as never);
      return piece ?? null;
    });
  }

  /** Brings all of it to process 0, which holds it beside its part until {@link release}. All processes do it at the same step. */
  gather(): void {
    const gathered: Arrays = new Map();
    this.#travel('each', (home, name, range) => {
      const own = range.owner === this.#channel?.rank ? this.#pieceOf(home, name, range) : null;
      if (this.#channel?.rank !== 0) return own;
      const [first, last] = this.#extentOf(home);
      const named = gathered.get(home) ?? new Map<string, TypedArrayOf<FloatDType>>();
      gathered.set(home, named);
      const whole = named.get(name) ?? allocateShared(last - first, home.dtype);
      named.set(name, whole);
      const piece = this.#pieceOfWhole(whole, home, range) as TypedArrayOf<FloatDType>;
      if (own !== null) piece.set(own as never);
      return piece;
    });
    if (this.#channel?.rank === 0) this.#gathered = gathered;
  }

  /** Lets go what was gathered. */
  release(): void {
    this.#gathered = null;
  }

  /** Ends the sharing: process 0 has all of it where it was gathered, and everybody else nothing. */
  end(hasFailed: boolean): void {
    if (this.#channel === null && !this.#isComing) return;
    this.#channel = null;
    this.#ranges.clear();
    this.#isComing = false;
    if (this.#gathered === null && [...this.keys()].length > 0)
      this.#lost = hasFailed
        ? 'was lost when their run failed'
        : 'is whole in process 0 alone, which gives others their part when they train on in a group';
    this.#replace(this.#gathered ?? new Map());
    this.#gathered = null;
  }

  /**
   * Gives all processes every part of the state, one after the other: none has room for more than one that is not its own.
   *
   * @param from - Who has the parts: process 0, or each its own.
   * @param memoryOf - Where this process has a part or wants it; null for nowhere.
   */
  #travel(from: 'first' | 'each', memoryOf: (home: Home, name: string, range: OwnedRange) => TypedArrayOf<FloatDType> | null): void {
    const channel = this.#channel;
    if (channel === null) return;
    const done = new Map<Home, Set<string>>();
    for (const { parameter, name } of this.keys()) {
      const { home } = homeOf(parameter);
      const names = done.get(home) ?? new Set();
      done.set(home, names);
      if (names.has(name)) continue;
      names.add(name);
      for (const range of this.#rangesOf(home)) {
        const { begin, end, owner } = range;
        const memory = memoryOf(home, name, range);
        if (owner === 0) continue; // it comes from process 0, or goes there
        const room = memory ?? allocateShared(end - begin, home.dtype);
        withoutGradients(() => groupShare(channel, [part(room, 0, end - begin, home.dtype)], [from === 'first' ? 0 : owner]));
      }
    }
  }

  #replace(arrays: Arrays): void {
    this.#arrays = arrays;
    this.#version += 1;
  }

  /** From the first of the optimizer's parameters in a home to the end of the last one. */
  #extentOf(home: Home): Range {
    let extent = this.#extents.get(home);
    if (extent === undefined) {
      const there = [...this.parameters()]
        .map((parameter) => ({ ...homeOf(parameter), size: parameter.size }))
        .filter((one) => one.home === home);
      extent = [Math.min(...there.map(({ begin }) => begin)), Math.max(...there.map(({ begin, size }) => begin + size))];
      this.#extents.set(home, extent);
    }
    return extent;
  }

  #rangesOf(home: Home): readonly OwnedRange[] {
    let ranges = this.#ranges.get(home);
    if (ranges === undefined) {
      const [begin, end] = this.#extentOf(home);
      ranges = this.#channel === null ? [{ begin, end, owner: 0 }] : shareOutRanges(begin, end, this.#channel.size);
      this.#ranges.set(home, ranges);
    }
    return ranges;
  }

  /** What this process keeps of a home. */
  #ownRangesOf(home: Home): OwnedRange[] {
    return this.#rangesOf(home).filter(({ owner }) => owner === (this.#channel?.rank ?? 0));
  }

  /** Where the state of an element lies in this process's array. */
  #placeOf(home: Home, element: number): number {
    return lengthOf(within(this.#ownRangesOf(home), 0, element));
  }

  #pieceOf(home: Home, name: string, { begin, end }: OwnedRange): TypedArrayOf<FloatDType> {
    const at = this.#placeOf(home, begin);
    return this.#arrayOf(home, name).subarray(at, at + end - begin) as TypedArrayOf<FloatDType>;
  }

  #pieceOfWhole<T extends TypedArrayOf<FloatDType> | undefined>(whole: T, home: Home, { begin, end }: OwnedRange): T {
    const [first] = this.#extentOf(home);
    return whole?.subarray(begin - first, end - first) as T;
  }

  #arrayOf(home: Home, name: string): TypedArrayOf<FloatDType> {
    let named = this.#arrays.get(home);
    if (named === undefined) this.#arrays.set(home, (named = new Map()));
    let array = named.get(name);
    if (array === undefined) {
      named.set(name, (array = allocateShared(lengthOf(this.#ownRangesOf(home)), home.dtype)));
    }
    return array;
  }
}
