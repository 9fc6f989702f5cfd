// Parquet and Arrow files as tables: the same columns from both, with what is null missing.
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { ArgumentError, FileFormatError, readArrow, readParquet, readTable } from '../../lib/index.js';
import { root } from '../helpers/sources.js';

const path = (ending: string): string => join(root, `test/golden/houses.${ending}`);
const columns = { tags: 'skip' } as const;

for (const ending of ['parquet', 'arrow']) {
  test(`houses.${ending}: numbers of every kind, texts, truth values and dates, and null is a missing value, never 0`, async (t) => {
    const table = await readTable(path(ending), { columns });
    const found = Object.fromEntries(table.columns.map(({ name, values, categories }) => [name, [[...values], categories]]));
    const none = Number.NaN;
    t.deepEqual(found, {
      rooms: [[3, none, 5, 2], undefined],
      area: [[70.5, 90.25, none, 40], undefined],
      id: [[1, 2, 3, 4], undefined],
      city: [
        [1, 0, none, 1],
        ['Bonn', 'Ulm'],
      ],
      kind: [
        [0, 1, 0, none],
        ['a', 'b'],
      ],
      new: [
        [1, none, 0, 1],
        ['false', 'true'],
      ],
      sold: [[0, 86_400_000, none, 2], undefined],
      half: [[1.5, none, 2, 3], undefined],
      price: [[100, 200, 300, 400], undefined],
    });
  });

  test(`houses.${ending}: a column of lists, a category of training that is not there, and a damaged file are errors in words`, async (t) => {
    await t.throwsAsync(readTable(path(ending)), {
      instanceOf: FileFormatError,
      message: /column 'tags': is neither numbers nor texts.*'tags': 'skip'/,
    });
    const schema = [{ name: 'city', kind: 'category', categories: ['Ulm'] }] as const;
    await t.throwsAsync(readTable(path(ending), { schema }), {
      instanceOf: FileFormatError,
      message: /row 2, column 'city': "Bonn" was never seen in training/,
    });
    const table = await readTable(path(ending), { schema, badRows: 'skip' });
    t.is(table.length, 3);
    t.deepEqual(table.badRows, [{ line: 2, reason: "column 'city': \"Bonn\" was never seen in training, where the categories were 'Ulm'" }]);
    const more = [
      { name: 'garden', kind: 'number' },
      { name: 'city', kind: 'category' },
      { name: 'view', kind: 'category', categories: ['sea'] },
    ] as const;
    await t.throwsAsync(readTable(path(ending), { schema: more }), { message: /has no columns 'garden', 'view', which are needed/ });
    const filled = await readTable(path(ending), { schema: more, absentColumns: 'missing' });
    t.deepEqual(
      filled.columns.map(({ name, values }) => [name, values.every(Number.isNaN), values.length]),
      [
        ['garden', true, 4],
        ['city', false, 4],
        ['view', true, 4],
      ],
    );
    const numbers = [{ name: 'city', kind: 'number' }] as const;
    await t.throwsAsync(readTable(path(ending), { schema: numbers }), { message: /row 1, column 'city': expected a number, received "Ulm"/ });
    const folder = await mkdtemp(join(tmpdir(), 'nodegrad-table-'));
    t.teardown(() => rm(folder, { recursive: true }));
    await writeFile(join(folder, `x.${ending}`), new Uint8Array(100).fill(7));
    await t.throwsAsync(readTable(join(folder, `x.${ending}`)), { instanceOf: FileFormatError });
    await t.throwsAsync(readTable(join(folder, `y.${ending}`)), { instanceOf: ArgumentError, message: /ENOENT/ });
  });
}

test('a table is read by the ending of its name', async (t) => {
  await t.throwsAsync(readTable('houses.xlsx'), { instanceOf: ArgumentError, message: /end in \.csv/ });
  const folder = await mkdtemp(join(tmpdir(), 'nodegrad-table-'));
  t.teardown(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'a.TSV'), 'a\tb\n1\t2\n');
  t.is((await readTable(join(folder, 'a.TSV'))).column('b').values[0], 2);
  await copyFile(path('arrow'), join(folder, 'a.feather'));
  t.is((await readTable(join(folder, 'a.feather'), { columns })).length, 4);
  await t.throwsAsync(readParquet(path('parquet'), { delimiter: ',' } as never), { message: /unknown option `delimiter`/ });
  await t.throwsAsync(readArrow(path('arrow'), { columns: { garden: 'skip' } }), { message: /names 'garden'/ });
});
