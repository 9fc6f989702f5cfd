// Shards side by side: one product of all by the same weights, and sums as soon as they can be made.

import test from 'ava';
import { descriptor } from '../../../lib/ops/fused.js';
import type { Slot } from '../../../lib/program/record.js';
import { weaveShards } from '../../../lib/program/passes/shards.js';
import { Lister, names, outcome } from './lists.js';

interface Shape {
  /** Rows of each shard. */
  readonly rows: readonly number[];
  /** Inputs and outputs of the layer. */
  readonly wide: number;
  /** Whether a shard does something else. */
  readonly odd?: (l: Lister, shard: number, y: Slot) => void;
}

/** Shards of a layer with bias and ReLU: its forward, the gradient of its input, and that of its weights, which is added up. */
function layer({ rows, wide, odd = () => {} }: Shape) {
  const l = new Lister();
  const all = rows.reduce((sum, count) => sum + count, 0);
  const [batch, w, b, upstream] = [l.input(all * wide), l.external(wide * wide), l.external(wide), l.input(all * wide)];
  const gradients = rows.map(() => l.temporary(wide * wide));
  const ends: Slot[] = [];
  let begin = 0;
  for (const [shard, count] of rows.entries()) {
    const first = l.instructions.length;
    const size = count * wide;
    const part = (slot: Slot): Slot => ({ ...slot, offset: begin * wide, size });
    const [y, dz, dx] = [l.temporary(size), l.temporary(size), l.temporary(size)];
    l.run('matmul', [y], [part(batch), w, b], [count, wide, wide, 0, 0, descriptor({ bias: true })]);
    odd(l, shard, y);
    l.run('relu_backward', [dz], [part(upstream), y])
      .run('matmul', [dx], [dz, w], [count, wide, wide, 0, 1])
      .run('matmul', [gradients[shard]], [part(batch), dz], [wide, wide, count, 1, 0])
      .run('neg', [l.temporary(size)], [dx]);
    ends.push(l.instructions[l.instructions.length - 1].operands[0]);
    for (const instruction of l.instructions.slice(first)) instruction.shard = shard;
    if (shard > 0) l.run('accumulate', [gradients[0]], [gradients[shard]]);
    begin += count;
  }
  l.run('abs', [l.external(wide * wide)], [gradients[0]]);
  return { l, list: (...results: Slot[]) => l.list(...ends, ...results), w, gradients };
}

const ofShards = ['relu_backward', 'matmul', 'neg'];

test('products by weights that are larger than what passes through are one for all shards, and sums follow at once', (t) => {
  for (const rows of [
    [1, 1],
    [2, 1, 2],
    [1, 2, 1, 1],
  ]) {
    const list = layer({ rows, wide: 9 }).list();
    const woven = weaveShards(list);
    const sums = rows.slice(1).flatMap(() => ['matmul', 'accumulate', 'neg']);
    t.deepEqual(names(woven), ['matmul + bias', ...rows.map(() => 'relu_backward'), 'matmul', 'matmul', 'neg', ...sums, 'abs']);
    t.deepEqual(outcome(woven), outcome(list));
    t.is(names(weaveShards(list, false)).length, list.instructions.length, 'not where a shard is to follow the other');
  }
});

test('where the weights are smaller, a shard follows the other', (t) => {
  const list = layer({ rows: [3, 3], wide: 4 }).list();
  const woven = weaveShards(list);
  const [, ...rest] = ofShards;
  const one = ['matmul + bias', 'relu_backward', 'matmul', ...rest];
  t.deepEqual(names(woven), [...one, ...one.slice(0, -1), 'accumulate', 'neg', 'abs']);
  t.deepEqual(outcome(woven), outcome(list));
});

test('a sum over the group begins as soon as what it adds up is there, in the order of all such sums', (t) => {
  const l = new Lister();
  const [x, one, two] = [l.input(4), l.temporary(4), l.temporary(4)];
  for (const shard of [0, 1]) {
    l.run('neg', [two], [x]).run('abs', [one], [x]);
    for (const instruction of l.instructions.slice(-2)) instruction.shard = shard;
  }
  l.run('fill', [l.external(2)], [], [], [0]);
  for (const slot of [one, two]) l.run('group_sum', [slot], [], [1, 1, 16, 16]);
  t.deepEqual(names(weaveShards(l.list())), ['neg', 'abs', 'neg', 'abs', 'group_sum', 'group_sum', 'fill']);
  t.deepEqual(names(weaveShards(l.list(), false)), names(weaveShards(l.list())));
  const [first, second] = l.instructions.splice(-2);
  l.instructions.push(second, first);
  t.deepEqual(names(weaveShards(l.list())), ['neg', 'abs', 'neg', 'group_sum', 'abs', 'group_sum', 'fill']);
  // A process that has a single shard.
  l.instructions.splice(0, 2);
  t.deepEqual(names(weaveShards(l.list())), ['neg', 'group_sum', 'abs', 'group_sum', 'fill']);
});

test('a sum of what is made behind the shards, for which one of them waits, is made once', (t) => {
  const l = new Lister();
  const [x, one, two, made] = [l.input(4), l.temporary(4), l.temporary(4), l.temporary(4)];
  l.run('neg', [one], [x])
    .run('neg', [two], [x])
    .run('abs', [made], [two])
    .run('accumulate', [one], [made])
    .run('abs', [l.temporary(4)], [one]);
  for (const [at, shard] of [
    [0, 0],
    [1, 1],
    [4, 0],
  ])
    l.instructions[at].shard = shard;
  for (const sideBySide of [true, false]) t.deepEqual(names(weaveShards(l.list(), sideBySide)), ['neg', 'neg', 'abs', 'accumulate', 'abs']);
});

test('a product of which one shard makes something else, or whose result is given back, is left to each shard', (t) => {
  const alone = (list: ReturnType<Lister['list']>): number => names(list).filter((name) => name === 'matmul + bias').length;
  const odd = layer({
    rows: [1, 1],
    wide: 9,
    odd: (l, shard, y) => void (shard === 1 && l.run('matmul', [l.temporary(81)], [y, y], [9, 9, 1, 1, 0])),
  });
  t.is(alone(weaveShards(odd.list())), 2);
  t.deepEqual(outcome(weaveShards(odd.list())), outcome(odd.list()));
  const seen: Slot[] = [];
  const given = layer({ rows: [1, 1], wide: 9, odd: (_, __, y) => void seen.push(y) });
  t.is(alone(weaveShards(given.list(...seen))), 2);
  t.deepEqual(outcome(weaveShards(given.list(...seen))), outcome(given.list(...seen)));
});

test('a list is left as it is where a shard writes what stays, or reads what a later part of another one makes', (t) => {
  const writing = layer({ rows: [1, 1], wide: 9, odd: (l, _, y) => void l.run('neg', [l.external(9)], [y]) }).list();
  t.is(weaveShards(writing), writing);
  let before: Slot | null = null;
  const reading = layer({
    rows: [1, 1],
    wide: 9,
    odd: (l, shard, y) => {
      if (shard === 0) before = l.temporary(9);
      if (shard === 1) l.run('accumulate', [y], [before as unknown as Slot]);
    },
  });
  const { instructions } = reading.l;
  const last = instructions.findIndex(({ op, shard }) => op.name === 'neg' && shard === 0);
  instructions.splice(last + 1, 0, { ...instructions[last], operands: [before as unknown as Slot, instructions[last].operands[1]] });
  const list = reading.list();
  t.is(weaveShards(list), list);
});
