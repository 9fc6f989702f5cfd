// The rule by which shards are dealt to processes, and added up: it is the same for all of them, and in native code.

import test from 'ava';
import { branchesOf, ownerOf, rowsOfProcess, rowsOfShard } from '../../lib/ops/group.js';
import { addInTree } from '../../lib/training/shards.js';

const sizes = [1, 2, 3, 4, 5, 7, 8, 16];

test('every shard with rows belongs to one branch of one process, whichever number there is of them', (t) => {
  for (const count of [1, 2, 5, 16, 24]) {
    for (const size of sizes.filter((one) => one <= count)) {
      for (const rows of [1, 3, 16, 37, 64]) {
        const found = Array.from({ length: size }, (_, rank) => branchesOf({ rank, size }, count, rows)).flat();
        const covered = found.flatMap(([begin, end]) => Array.from({ length: end - begin }, (_, i) => begin + i));
        t.is(new Set(covered).size, covered.length);
        for (let shard = 0; shard < count; shard++) {
          const [begin, end] = rowsOfShard(rows, count, shard);
          if (begin < end) t.true(covered.includes(shard));
        }
      }
    }
  }
});

test('the branches of all processes, added up along the rest of the tree, are the sum of one process', (t) => {
  const [count, rows] = [16, 37];
  const term = (shard: number): string | null => (rowsOfShard(rows, count, shard)[0] < rowsOfShard(rows, count, shard)[1] ? `${shard}` : null);
  const add = (left: string, right: string): string => `(${left}+${right})`;
  const whole = addInTree(0, count, term, add);
  for (const size of sizes) {
    const sums = new Map<string, string | null>();
    for (let rank = 0; rank < size; rank++)
      for (const [begin, end] of branchesOf({ rank, size }, count, rows)) sums.set(`${begin}-${end}`, addInTree(begin, end, term, add));
    const total = (begin: number, end: number): string | null => {
      const known = sums.get(`${begin}-${end}`);
      if (known !== undefined || end - begin === 1) return known ?? null;
      const half = 2 ** Math.ceil(Math.log2((end - begin) / 2));
      const [left, right] = [total(begin, begin + half), total(begin + half, end)];
      return left === null || right === null ? (left ?? right) : add(left, right);
    };
    t.is(total(0, count), whole);
  }
});

test('a process computes the rows of its shards; where these have none, the first shard that has any', (t) => {
  for (const size of sizes) {
    for (const rows of [2, 16, 33]) {
      let next = 0;
      for (let rank = 0; rank < size; rank++) {
        const [begin, end] = rowsOfProcess({ rank, size }, 16, rows);
        t.true(begin < end);
        const owns = branchesOf({ rank, size }, 16, rows).length > 0;
        if (owns) t.is(begin, next);
        if (owns) next = end;
      }
      t.is(next, rows);
    }
  }
  t.deepEqual(
    [0, 5, 6, 15].map((shard) => ownerOf(shard, 16, 3)),
    [0, 1, 1, 2],
  );
});
