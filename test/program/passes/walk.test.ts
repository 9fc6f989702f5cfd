// Walks over broadcast inputs, by the attributes of their operation.

import test from 'ava';
import type { Instruction } from '../../../lib/program/record.js';
import { isWhole, walkOf } from '../../../lib/program/passes/walk.js';

/** Rank, sizes of the output, then the steps of each input. */
const of = (...ints: number[]): Instruction => ({ ints }) as unknown as Instruction;

test('an input of two dimensions is walked as its steps say, one of fewer as one row, and of more not at all', (t) => {
  const both = of(2, 3, 4, 4, 1, 0, 1);
  t.deepEqual(walkOf(both, 0), { rows: 3, columns: 4, rowStride: 4, columnStride: 1 });
  t.deepEqual(walkOf(both, 1), { rows: 3, columns: 4, rowStride: 0, columnStride: 1 });
  t.deepEqual(walkOf(of(1, 5, 1, 0), 0), { rows: 1, columns: 5, rowStride: 5, columnStride: 1 });
  t.deepEqual(walkOf(of(1, 5, 1, 0), 1), { rows: 1, columns: 5, rowStride: 0, columnStride: 0 });
  t.deepEqual(walkOf(of(0), 0), { rows: 1, columns: 1, rowStride: 0, columnStride: 0 });
  t.is(walkOf(of(3, 2, 3, 4, 12, 4, 1), 0), null);
});

test('a walk is whole where it visits each element once and in order', (t) => {
  t.true(isWhole({ rows: 3, columns: 4, rowStride: 4, columnStride: 1 }));
  t.true(isWhole({ rows: 1, columns: 1, rowStride: 0, columnStride: 0 }));
  t.true(isWhole({ rows: 4, columns: 1, rowStride: 1, columnStride: 0 }));
  t.false(isWhole({ rows: 3, columns: 4, rowStride: 0, columnStride: 1 }), 'a row for all rows');
  t.false(isWhole({ rows: 3, columns: 4, rowStride: 1, columnStride: 3 }), 'transposed');
});
