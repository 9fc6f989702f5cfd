// Tables from CSV files: kinds of columns, missing values, rows that do not fit, and files of other people.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { ArgumentError, FileFormatError, type ReadCsvOptions, readCsv, type Table } from '../../lib/index.js';

async function read(t: ExecutionContext, contents: string | Uint8Array, options?: ReadCsvOptions): Promise<Table> {
  const folder = await mkdtemp(join(tmpdir(), 'nodegrad-csv-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const path = join(folder, 'houses.csv');
  await writeFile(path, contents);
  return readCsv(path, options);
}

const values = (table: Table, name: string): number[] => [...table.column(name).values];

const houses = `id,rooms,area,city,new
1,3,70.5,Ulm,yes
2,, 1e2 ,Bonn,no
3,0x10,90,"Köln, Nord",yes
4,5,NA,,no
`;

test('kinds are found out, empty fields are missing and not 0, and categories stand in alphabetical order', async (t) => {
  const table = await read(t, houses);
  t.is(table.length, 4);
  t.deepEqual(values(table, 'rooms'), [3, Number.NaN, 16, 5]);
  t.deepEqual(values(table, 'area'), [70.5, 100, 90, Number.NaN]);
  t.deepEqual(table.column('city').categories, ['Bonn', 'Köln, Nord', 'Ulm']);
  t.deepEqual(values(table, 'city'), [2, 0, 1, Number.NaN]);
  t.deepEqual(table.describe(), [
    'id: numbers from 1 to 4',
    'rooms: numbers from 3 to 16, 1 value missing',
    'area: numbers from 70.5 to 100, 1 value missing',
    "city: 3 categories ('Bonn', 'Köln, Nord', 'Ulm'), 1 value missing",
    "new: 2 categories ('no', 'yes')",
  ]);
});

test('Windows line ends, a byte order mark, semicolons and spaces change nothing', async (t) => {
  const expected = await read(t, houses);
  const other = await read(t, `\ufeff${houses.replaceAll(/,(?=(?:[^"]*"[^"]*")*[^"]*$)/g, ';').replaceAll('\n', '\r\n')}`);
  t.deepEqual(other.columns, expected.columns);
});

test('a row that does not fit is an error with file, line, column and value, and with what to do', async (t) => {
  const rows = Array.from({ length: 30 }, (_, i) => `${i},x`).join('\n');
  const error = await t.throwsAsync(read(t, `rooms,city\n${rows}\nthree,y\n`), { instanceOf: FileFormatError });
  t.regex(
    error.message,
    /houses\.csv, line 32, column 'rooms': expected a number, received "three"\. Read the column as text with columns: \{ 'rooms': 'category' \}/,
  );
  await t.throwsAsync(read(t, 'a,b\n1,2\n3\n'), { message: /houses\.csv, line 3: has 1 field, the first line has 2/ });
  await t.throwsAsync(read(t, 'a,b\n1,2\n3,4,5\n'), { message: /line 3: has 3 fields, the first line has 2/ });
});

test('rows that do not fit are left out, counted and listed where that is asked for, and leave nothing behind', async (t) => {
  const rows = Array.from({ length: 40 }, (_, i) => `${i},x`).join('\n');
  const table = await read(t, `rooms,city\n${rows}\nthree,onlyhere\n5\n7,y\n`, { badRows: 'skip' });
  t.is(table.length, 41);
  t.is(table.badRowCount, 2);
  t.deepEqual(table.badRows, [
    { line: 42, reason: 'column \'rooms\': expected a number, received "three"' },
    { line: 43, reason: 'has 1 field, the first line has 2' },
  ]);
  t.deepEqual(table.column('city').categories, ['x', 'y']);
});

test('a column of mixed values is text, one of nearly all numbers is numbers, and `columns` says otherwise', async (t) => {
  const mixed = await read(t, 'a,b\n1,1\nx,2\n3,3\n');
  t.is(mixed.column('a').kind, 'category');
  const asText = await read(t, 'a,b\n1,1\n2,2\n', { columns: { a: 'category', b: 'skip' } });
  t.deepEqual(asText.schema, [{ name: 'a', kind: 'category', categories: ['1', '2'] }]);
  await t.throwsAsync(read(t, 'a\n1\n', { columns: { b: 'skip' } }), { instanceOf: ArgumentError, message: /names 'b'.*has the columns 'a'/ });
});

test('what comes behind the ten thousandth row must fit the kinds that were decided there', async (t) => {
  const many = Array.from({ length: 12_000 }, (_, i) => String(i)).join('\n');
  const table = await read(t, `n\n${many}\n`);
  t.is(table.length, 12_000);
  t.is(values(table, 'n')[11_999], 11_999);
  await t.throwsAsync(read(t, `n\n${many}\nend\n`), { message: /line 12002, column 'n': expected a number, received "end"/ });
});

test('a schema asks for its columns, in its order, with its categories; a category never seen in training is named', async (t) => {
  const { schema } = await read(t, houses);
  const next = await read(t, 'city,new,extra,area,rooms,id\nUlm,no,?,,4,9\n', { schema });
  t.deepEqual(
    next.columns.map(({ name, values: [value] }) => [name, value]),
    [
      ['id', 9],
      ['rooms', 4],
      ['area', Number.NaN],
      ['city', 2],
      ['new', 0],
    ],
  );
  const error = await t.throwsAsync(read(t, 'id,rooms,area,city,new\n1,1,1,Rom,no\n', { schema }), { instanceOf: FileFormatError });
  t.regex(
    error.message,
    /houses\.csv, line 2, column 'city': "Rom" was never seen in training, where the categories were 'Bonn', 'Köln, Nord', 'Ulm'\. .*unknownCategories: 'missing'/,
  );
  await t.throwsAsync(read(t, 'id\n1\n', { schema }), {
    message: /has no columns 'rooms', 'area', 'city', 'new', which are needed; it has 'id'/,
  });
  const absent = await read(t, 'id,rooms\n1,3\n2,\n', { schema, absentColumns: 'missing' });
  t.deepEqual([...absent.column('city').values], [Number.NaN, Number.NaN]);
  t.deepEqual([...absent.column('rooms').values], [3, Number.NaN]);
});

test('a category that the schema does not have is a missing value where that is asked for', async (t) => {
  const path = join(await mkdtemp(join(tmpdir(), 'nodegrad-csv-')), 'new.csv');
  t.teardown(() => rm(join(path, '..'), { recursive: true, force: true }));
  await writeFile(path, 'city,n\nUlm,1\nRome,2\nBonn,3\n');
  const schema = [{ name: 'city', kind: 'category', categories: ['Bonn', 'Ulm'] }] as const;
  const { values, categories } = (await readCsv(path, { schema, unknownCategories: 'missing' })).column('city');
  t.deepEqual(
    [[...values], categories],
    [
      [1, Number.NaN, 0],
      ['Bonn', 'Ulm'],
    ],
  );
  await t.throwsAsync(readCsv(path, { schema }), { message: /"Rome" was never seen in training/ });
  await t.throwsAsync(readCsv(path, { schema, unknownCategories: 'none' as never }), { message: /options\.unknownCategories/ });
});

test('a file of 0 rows, an empty one, and names that stand twice say so', async (t) => {
  await t.throwsAsync(read(t, 'a,b\n'), { instanceOf: FileFormatError, message: /has the names of columns and 0 rows/ });
  await t.throwsAsync(read(t, 'a,b\n1\n', { badRows: 'skip' }), { message: /has 0 rows that fit, and 1 that do not: has 1 field.*in line 2/ });
  await t.throwsAsync(read(t, ''), { instanceOf: FileFormatError, message: /is empty/ });
  await t.throwsAsync(read(t, '\n\n\n'), { instanceOf: FileFormatError, message: /is empty/ });
  await t.throwsAsync(read(t, 'a,a\n1,2\n'), { instanceOf: FileFormatError, message: /two columns are called 'a'/ });
});

test('files without a line of names, with other delimiters and other words for missing values', async (t) => {
  const table = await read(t, '1:-:x\n2:3:y\n', { header: false, delimiter: ':', missing: ['-'] });
  t.deepEqual(
    table.columns.map(({ name }) => name),
    ['column 1', 'column 2', 'column 3'],
  );
  t.deepEqual(values(table, 'column 2'), [Number.NaN, 3]);
});

test('wrong options are refused by name', async (t) => {
  const refused: [ReadCsvOptions, RegExp][] = [
    [{ delimiter: ', ' }, /delimiter/],
    [{ header: 'yes' as never }, /header/],
    [{ missing: 'NA' as never }, /missing/],
    [{ badRows: 'ignore' as never }, /badRows/],
    [{ columns: { a: 'text' as never } }, /columns\['a'\]/],
    [{ schema: [{ name: 'a' } as never] }, /kind of column 'a'/],
    [{ schema: [{ name: 'a', kind: 'number' }], columns: {} }, /leave `options.columns` out/],
    [{ separator: ',' } as never, /unknown option `separator`/],
  ];
  for (const [options, message] of refused) await t.throwsAsync(read(t, 'a\n1\n', options), { instanceOf: ArgumentError, message });
  await t.throwsAsync(readCsv(5 as never), { instanceOf: ArgumentError });
});

test('text in another encoding is read when its name is said, and else an error with the line', async (t) => {
  const latin = Buffer.from('city,price\nBonn,1\nKöln,2\nMünchen,3\n', 'latin1');
  await t.throwsAsync(read(t, latin), {
    instanceOf: FileFormatError,
    message: /houses\.csv, line 3: is no text in utf-8\. .*`encoding: 'windows-1252'`/,
  });
  t.deepEqual((await read(t, latin, { encoding: 'windows-1252' })).column('city').categories, ['Bonn', 'Köln', 'München']);
  const wide = Buffer.from('\ufeffcity,price\nKöln,2\n', 'utf16le');
  await t.throwsAsync(read(t, wide), { message: /UTF-16, .*`encoding: 'utf-16le'`/ });
  t.deepEqual((await read(t, wide, { encoding: 'utf-16le' })).column('city').categories, ['Köln']);
  await t.throwsAsync(read(t, latin, { encoding: 'latin-first' }), {
    instanceOf: ArgumentError,
    message: /name of an encoding, .*latin-first/,
  });
});

test('the line of a wrong byte is right far into a file, and where a character is cut between two pieces of it', async (t) => {
  const row = 'Köln,1\n';
  const lines = 40_000; // several pieces of 64 KiB
  const good = Buffer.from(`city,price\n${row.repeat(lines)}`);
  t.is((await read(t, good)).length, lines);
  const bad = Buffer.concat([good, Buffer.from('Köln,1\n', 'latin1'), Buffer.from(row.repeat(9))]);
  await t.throwsAsync(read(t, bad), { message: new RegExp(`line ${lines + 2}: is no text`) });
});

test('what is no path is refused', async (t) => {
  for (const path of [undefined, 3, '', {}]) await t.throwsAsync(readCsv(path as string), { instanceOf: ArgumentError, message: /path/ });
});
