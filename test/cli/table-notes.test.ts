// Proves the lines of `train` about rows and columns.
import test from 'ava';
import { badRowsNote, capitalNotes, uselessness } from '../../lib/cli/table-notes.js';
import { Table } from '../../lib/index.js';

test('numbers that rise by one count rows, also where a few are skipped; years with gaps and numbers that fall do not', (t) => {
  const counts = (values: number[], leftOut = 0): boolean => {
    const reason = uselessness({ name: 'a', kind: 'number', values: Float64Array.from(values) }, leftOut);
    return /only counts the rows/.test(reason ?? '');
  };
  t.true(counts([5, 6, 7]));
  t.false(counts([5, 6, 9]));
  t.true(counts([5, 6, 9], 2));
  t.false(counts([1990, 1995, 2000, 2005], 2));
  t.false(counts([1, 2, 2, 3], 5));
  t.false(counts([1, Number.NaN, 3], 5));
  t.true(counts(Array.from({ length: 100 }, (_, i) => (i < 50 ? i : i + 3))));
});

test('rows that do not fit are listed by line, ten of them, and pairs of capitals by the rarer one', (t) => {
  const columns = [
    { name: 'c', kind: 'category' as const, categories: ['NO', 'No', 'no', 'yes'], values: Float64Array.from([2, 2, 0, 1, 2, 3, 0]) },
  ];
  const bad = Array.from({ length: 14 }, (_, i) => ({ line: i + 5, reason: 'why' }));
  const table = new Table(columns, 'a', bad);
  t.is(badRowsNote(table), '14 rows do not fit and are left out, the first in row 5: why; then 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 and 3 more');
  t.deepEqual(capitalNotes(table, columns[0]), [
    "c: 'NO' (2 rows, the first of them row 3) differs from 'no' only in capitals, and counts as a category of its own",
    "c: 'No' (row 4) differs from 'no' only in capitals, and counts as a category of its own",
  ]);
});
