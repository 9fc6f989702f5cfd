// Proves the lines of `train` about rows and columns.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { badRowsNote, capitalNotes, uselessness } from '../../lib/cli/table-notes.js';
import { Table } from '../../lib/index.js';
import { runCommand as run } from '../helpers/command.js';
import { houses } from '../helpers/houses.js';

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

test('a counter of rows is one when rows are left out, which are named, and what reading took stands in the next commands', async (t) => {
  const folder = houses(t, 5);
  const rows = Array.from(
    { length: 60 },
    (_, i) => `${i + 101},${i % 7},${i === 20 || i === 30 ? 'much' : i === 9 ? '' : (i % 7) * 3 + i / 50}`,
  );
  writeFileSync(join(folder, 'gaps.csv'), `${['id,a,y', ...rows].join('\n')}\n`);
  const words = ['train', '--data', 'gaps.csv', '--target', 'y', '--epochs', '1', '--bad-rows', 'skip', '--decimal', '.', '--run-dir', 'one'];
  const { code, out, error } = await run(folder, words);
  t.is(code, 0, error);
  t.regex(out, / 2 rows do not fit and are left out, the first in line 22: column 'y': expected a number, received "much"; then 32\n/);
  t.regex(out, / id: numbers from 101 to 160; left out: it only counts the rows; /);
  const next = /evaluate +npx nodegrad (.*)/.exec(out)?.[1].split(' ') ?? [];
  t.deepEqual(next.slice(2), ['--data', 'gaps.csv', '--decimal', '.', '--bad-rows', 'skip']);
  const evaluated = await run(folder, next);
  t.is(evaluated.code, 0, evaluated.error);
  t.regex(evaluated.out, /\n +46 rows of this file, or of one of its name, are what the model was trained on/);
  t.regex(evaluated.out, /\n {2}baseline +always the mean, /);
  const given = ['a', '1', '2', 'x', '4'].join('\n');
  writeFileSync(join(folder, 'new.csv'), `${given}\n`);
  const predicted = await run(folder, ['predict', 'one/model.safetensors', '--data', 'new.csv', '--bad-rows', 'skip']);
  t.deepEqual(
    predicted.out
      .trimEnd()
      .split('\n')
      .map((line) => line.split(',')[0]),
    ['line', '2', '3', '5'],
    'each prediction says whose it is',
  );
  writeFileSync(join(folder, 'other.csv'), 'a,y\n1,3\n2,6\n');
  t.notRegex((await run(folder, ['evaluate', 'one/model.safetensors', '--data', 'other.csv'])).out, /was trained on/);
});

test('a category that differs from another only in capitals is named with its line', async (t) => {
  const folder = houses(t, 5);
  const rows = Array.from({ length: 40 }, (_, i) => `${i % 5},${i === 7 ? 'Mitte' : 'mitte'},${i === 11 ? 'Yes' : ['yes', 'no'][i % 2]}`);
  writeFileSync(join(folder, 'caps.csv'), `${['a,place,balcony', ...rows].join('\n')}\n`);
  const { out, error } = await run(folder, ['train', '--data', 'caps.csv', '--target', 'balcony', '--epochs', '1', '--run-dir', 'one']);
  t.regex(out, / place: 'Mitte' \(line 9\) differs from 'mitte' only in capitals, and counts as a category of its own\n/, error);
  t.regex(out, / balcony: 'Yes' \(line 13\) differs from 'yes' only in capitals/);
});
