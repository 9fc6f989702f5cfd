// Operations over all processes of a group: in each of them the same ones run in the same order, and each waits for the others.

import { ArgumentError } from '../errors.js';
import type { AnyTensor } from '../tensor/core.js';
import { defineOp } from './define.js';
import { emitInPlace, isRecording } from './emit.js';

/** A group of processes as operations know it. */
export interface Channel {
  /** What native code knows it by. */
  readonly number: number;
  /** Which of its processes this one is, from 0. */
  readonly rank: number;
  /** How many processes it has. */
  readonly size: number;
}

/** A part of the tree that a step's shards are added along, `begin` to `end` − 1, which one process has computed. */
export type Branch = readonly [begin: number, end: number];

/** The rows of one of `count` shards: ⌊index·rows/count⌋ up to the next one's first. None where there are more shards than rows. */
export function rowsOfShard(rows: number, count: number, index: number): [begin: number, end: number] {
  return [Math.floor((index * rows) / count), Math.floor(((index + 1) * rows) / count)];
}

/** Where the range of shards `begin` to `end` − 1 is parted: its first part is the largest power of two below its length. */
export function middleOf(begin: number, end: number): number {
  return begin + (1 << (31 - Math.clz32(end - begin - 1)));
}

/** Which process computes a shard: process r has those from ⌊r·count/size⌋ up to the next one's first. */
export function ownerOf(index: number, count: number, size: number): number {
  let rank = Math.floor((index * size) / count);
  while (Math.floor(((rank + 1) * count) / size) <= index) rank += 1;
  return rank;
}

/** The largest parts of the tree that one process computes alone, those without rows left out; native/ops/group.cc has the same rule. */
export function branchesOf({ rank, size }: Omit<Channel, 'number'>, count: number, rows: number): Branch[] {
  const collect = (begin: number, end: number): Branch[] => {
    if (rowsOfShard(rows, count, begin)[0] === rowsOfShard(rows, count, end)[0]) return [];
    if (ownerOf(begin, count, size) === ownerOf(end - 1, count, size)) return ownerOf(begin, count, size) === rank ? [[begin, end]] : [];
    const middle = middleOf(begin, end);
    return [...collect(begin, middle), ...collect(middle, end)];
  };
  return collect(0, count);
}

/** The rows that a process computes of a batch of so many; those of the first shard that has any, where it has none of its own. */
export function rowsOfProcess({ rank, size }: Omit<Channel, 'number'>, count: number, rows: number): [begin: number, end: number] {
  const own: [number, number] = [
    rowsOfShard(rows, count, Math.floor((rank * count) / size))[0],
    rowsOfShard(rows, count, Math.floor(((rank + 1) * count) / size))[0],
  ];
  return own[0] < own[1] ? own : rowsOfShard(rows, count, shardWithRows(count, rows));
}

/** The first shard that has rows. */
export function shardWithRows(count: number, rows: number): number {
  let index = 0;
  while (rowsOfShard(rows, count, index)[1] === 0) index += 1;
  return index;
}

interface SumAttributes {
  readonly channel: Channel;
  readonly tensors: number;
  readonly shards: number;
  readonly rows: number;
}

const groupSumOp = defineOp<SumAttributes>('group_sum', {
  shape: (_, { channel, tensors, shards, rows }) => ({ outputs: [], ints: [channel.number, tensors, shards, rows], reals: [] }),
  gradient: 'none',
});

interface ReduceAttributes extends SumAttributes {
  readonly owners: readonly number[];
}

const groupReduceOp = defineOp<ReduceAttributes>('group_reduce', {
  shape: (_, { channel, tensors, shards, rows, owners }) => ({
    outputs: [],
    ints: [channel.number, tensors, shards, rows, ...owners],
    reals: [],
  }),
  gradient: 'none',
});

interface ShareAttributes {
  readonly channel: Channel;
  readonly owners: readonly number[];
}

const groupShareOp = defineOp<ShareAttributes>('group_share', {
  shape: (_, { channel, owners }) => ({ outputs: [], ints: [channel.number, ...owners], reals: [] }),
  gradient: 'none',
});

// An operation that runs at once takes so many operands; one of a program as many as there are.
const mostAtOnce = 60;

function inParts<T>(items: readonly T[], operands: number, body: (part: readonly T[]) => void): void {
  const most = isRecording() ? items.length : Math.max(1, Math.floor(mostAtOnce / operands));
  for (let at = 0; at < items.length; at += most) body(items.slice(at, at + most));
}

/** The items by element type, in the order in which each comes first. */
function byDType<T>(items: readonly T[], tensorOf: (item: T) => AnyTensor): T[][] {
  const kinds = new Map<string, T[]>();
  for (const item of items) {
    const { dtype } = tensorOf(item);
    const known = kinds.get(dtype);
    if (known === undefined) kinds.set(dtype, [item]);
    else known.push(item);
  }
  return [...kinds.values()];
}

/**
 * Adds up along the tree of `shards`, in place: of each of `sums` what this process has of {@link branchesOf}, of which the first tensor takes the
 * result. Where it has none, one tensor whose contents do not count.
 */
export function groupSum(channel: Channel, sums: readonly (readonly AnyTensor[])[], shards: number, rows: number): void {
  for (const kind of byDType(sums, ([first]) => first))
    inParts(kind, mostBranches(channel, shards, rows), (part) =>
      emitInPlace(groupSumOp, part.flat(), [], { channel, tensors: part.length, shards, rows }),
    );
}

/** A sum over the processes of a group that goes to one of them. */
export interface OwnedSum {
  /** What this process has of each of {@link branchesOf}. */
  readonly tensors: readonly AnyTensor[];
  /** Whose first tensor takes the result; what the others hold afterwards does not count. */
  readonly owner: number;
}

/** {@link groupSum}, each to its owner alone: about half of the bytes travel. */
export function groupReduce(channel: Channel, sums: readonly OwnedSum[], shards: number, rows: number): void {
  for (const kind of byDType(sums, ({ tensors: [first] }) => first))
    inParts(kind, mostBranches(channel, shards, rows), (part) =>
      emitInPlace(
        groupReduceOp,
        part.flatMap(({ tensors }) => tensors),
        [],
        { channel, tensors: part.length, shards, rows, owners: part.map(({ owner }) => owner) },
      ),
    );
}

/** The most partial sums that a process has: all cut what they add up alike, whatever each of them has of it. */
function mostBranches({ size }: Channel, shards: number, rows: number): number {
  return Math.max(...Array.from({ length: size }, (_, rank) => branchesOf({ rank, size }, shards, rows).length));
}

/** Gives all processes each of `tensors` as the process has it that `owners` names. */
export function groupShare(channel: Channel, tensors: readonly AnyTensor[], owners: readonly number[]): void {
  if (tensors.length !== owners.length) throw new ArgumentError('expected one owner for each tensor');
  const pairs = tensors.map((tensor, i) => [tensor, owners[i]] as const);
  inParts(pairs, 1, (part) =>
    emitInPlace(
      groupShareOp,
      part.map(([tensor]) => tensor),
      [],
      { channel, owners: part.map(([, owner]) => owner) },
    ),
  );
}

/** Whether an operation waits for other processes: it runs in all of them or in none. */
export function isOfGroup(name: string): boolean {
  return name === 'group_sum' || name === 'group_reduce' || name === 'group_share';
}
