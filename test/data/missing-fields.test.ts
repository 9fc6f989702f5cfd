// Fields that stand for a missing value, by themselves and in a file.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { readCsv } from '../../lib/index.js';
import { MissingFields } from '../../lib/data/missing-fields.js';

test('what is usual is missing in any capitals, a dash only where numbers stand, and what somebody says is as well', (t) => {
  const [usual, said, none] = [undefined, ['unknown', ' -9 '], [' ']].map((words) => new MissingFields(words));
  for (const field of ['', 'NA', 'n/a', 'N/A', 'NaN', 'Null']) t.true(usual.has(field, 'category'), field);
  for (const field of ['-', '?', '–']) t.deepEqual([usual.has(field, 'number'), usual.has(field, 'category')], [true, false]);
  t.false(usual.has('none', 'number'));
  t.deepEqual(
    ['', 'unknown', '-9', 'NA', '-'].map((field) => said.has(field, 'number')),
    [true, true, true, true, true],
  );
  t.false(said.has('Unknown', 'number'), 'as it was said');
  t.deepEqual(
    ['', 'NA', '-'].map((field) => none.has(field, 'number')),
    [true, false, false],
    'an empty list leaves empty fields alone',
  );
  t.true(new MissingFields([]).has('', 'category'));
  t.false(new MissingFields([]).has('NA', 'category'));
});

test('a column of numbers with n/a and dashes is one of numbers, and other words for nothing are named with what takes them', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-missing-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'a.csv');
  writeFileSync(path, 'a,blood\n1,+\nn/a,-\n-,+\n4,-\n');
  t.deepEqual((await readCsv(path)).describe(), ['a: numbers from 1 to 4, 2 values missing', "blood: 2 categories ('+', '-')"]);
  writeFileSync(path, `a,b\n${'1,2\n'.repeat(30)}unknown,n/a\n`);
  await t.throwsAsync(readCsv(path), {
    message: /line 32, .* received "unknown"\. Read .*, take "unknown" for a missing value with missing: \['unknown'\], or /,
  });
  const { columns } = await readCsv(path, { missing: ['unknown'] });
  t.deepEqual(
    columns.map(({ kind, values }) => [kind, values.filter(Number.isNaN).length]),
    [
      ['number', 1],
      ['number', 1],
    ],
    'and n/a all the same',
  );
});
