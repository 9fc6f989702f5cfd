// Numbers with decimal commas and with digits in groups: what a file of them is read as, and what nobody can tell.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type ColumnSchema, FileFormatError, type ReadCsvOptions, type Table, readCsv } from '../../lib/index.js';
import { numberReader } from '../../lib/data/decimals.js';

async function read(t: ExecutionContext, contents: string, options?: ReadCsvOptions): Promise<Table> {
  const folder = await mkdtemp(join(tmpdir(), 'nodegrad-decimals-'));
  t.teardown(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'a.csv'), contents);
  return readCsv(join(folder, 'a.csv'), options);
}

const valuesOf = ({ columns }: Table): Record<string, number[]> =>
  Object.fromEntries(columns.map(({ name, kind, values }) => [`${name}: ${kind}`, [...values]]));

test('a field is the number that it is with this mark, with digits in groups or not, and nothing that it is with the other', (t) => {
  const fields: [string, point: number, comma: number][] = [
    ['12', 12, 12],
    ['-0x1f', -31, -31],
    ['12.5', 12.5, Number.NaN],
    ['12,5', Number.NaN, 12.5],
    [' -,5e2 ', Number.NaN, -50],
    ['3,', Number.NaN, 3],
    ['1.234', 1.234, 1234],
    ['1,234', 1234, 1.234],
    ['0,123', Number.NaN, 0.123],
    ['0.123', 0.123, Number.NaN],
    ['1,234,567.25', 1234567.25, Number.NaN],
    ['-1.234.567,25', Number.NaN, -1234567.25],
    ["1'234.5", 1234.5, Number.NaN],
    ['1 234,5', Number.NaN, 1234.5],
    ['1\u202f234', 1234, 1234],
    ['1,234.567,8', Number.NaN, Number.NaN],
    ['12,34,567', Number.NaN, Number.NaN],
    ['1.234 567', Number.NaN, Number.NaN],
    ['3.12.2024', Number.NaN, Number.NaN],
    ['1,5 m', Number.NaN, Number.NaN],
    ['', Number.NaN, Number.NaN],
  ];
  for (const [field, point, comma] of fields) {
    t.is(numberReader('.')(field), point, field);
    t.is(numberReader(',')(field), comma, field);
  }
});

test('a file of semicolons and decimal commas has numbers, whose points stand between thousands', async (t) => {
  const table = await read(t, 'area;price;rooms;when\n70,5;1.234.000,50;3;3.12.2024\n81;950.000;4;4.12.2024\n;1.000;5;5.12.2024\n');
  t.deepEqual(valuesOf(table), {
    'area: number': [70.5, 81, Number.NaN],
    'price: number': [1_234_000.5, 950_000, 1000],
    'rooms: number': [3, 4, 5],
    'when: category': [0, 1, 2],
  });
});

test('a file of decimal points stays as it was, and its quoted thousands are numbers', async (t) => {
  const table = await read(t, 'a,b,c\n1.5,"1,234",1.234\n2.5,"12,345.5",2.5\n');
  t.deepEqual(valuesOf(table), { 'a: number': [1.5, 2.5], 'b: number': [1234, 12345.5], 'c: number': [1.234, 2.5] });
  t.deepEqual(valuesOf(await read(t, 'a;b\n1.234;2\n5.678;3\n')), { 'a: number': [1.234, 5.678], 'b: number': [2, 3] });
});

test('spaces stand between thousands where all digits of a column fit that; telephone numbers and the like are text', async (t) => {
  const kindOf = async (fields: readonly string[], options?: ReadCsvOptions) =>
    (await read(t, `a;b\n${fields.join(';1\n')};1\n`, options)).column('a');
  t.deepEqual([...(await kindOf(['950', '1 234', '1 234 567', '0', '-12 345'])).values], [950, 1234, 1_234_567, 0, -12345]);
  t.deepEqual([...(await kindOf(['950 000', '1 250 000,5', '12,25'])).values], [950_000, 1_250_000.5, 12.25]);
  t.deepEqual([...(await kindOf(['450\u202f000', '451\u00a0000'])).values], [450_000, 451_000]);
  for (const fields of [
    ['555 123', '555 1234'],
    ['555 123', '044 555'],
    ['1 234', '1234'],
    ['12 34', '12 345'],
    ['555 123', '007'],
  ])
    t.is((await kindOf(fields)).kind, 'category', fields.join());
  // Nine tenths of numbers are numbers still, and the one of another kind is named.
  const prices = Array.from({ length: 20 }, (_, i) => `${i + 1} 000`);
  await t.throwsAsync(kindOf([...prices, 'on request']), { message: /line 22, column 'a': expected a number, received "on request"/ });
  const whole = Array.from({ length: 20 }, (_, i) => `${i + 1000}`);
  await t.throwsAsync(kindOf([...whole, '1 234']), { message: /line 22, column 'a': expected a number, received "1 234"/ });
  t.deepEqual([...(await kindOf(['1 234', '1234'], { columns: { a: 'number' } })).values], [1234, 1234]);
});

test('one comma among many whole numbers says what the mark is, and a slip among points is one', async (t) => {
  const whole = Array.from({ length: 30 }, (_, i) => `${i};${i}`).join('\n');
  t.is((await read(t, `a;b\n${whole}\n2,5;3\n`)).column('a').values[30], 2.5);
  const slip = read(t, `a;b\n${Array.from({ length: 30 }, (_, i) => `${i};${i}.5`).join('\n')}\n2,5;1\n`);
  await t.throwsAsync(slip, { message: /line 32, column 'a': expected a number, received "2,5"/ });
});

test('1,234 is what the delimiter says, and with tabs nobody can tell', async (t) => {
  t.deepEqual(valuesOf(await read(t, 'a;b\n1,234;1\n5,678;2\n')), { 'a: number': [1.234, 5.678], 'b: number': [1, 2] });
  t.deepEqual(valuesOf(await read(t, 'a,b\n"1,234",1\n"5,678",2\n')), { 'a: number': [1234, 5678], 'b: number': [1, 2] });
  const tabs = 'a\tb\n1,234\t1\n5,678\t2\n';
  await t.throwsAsync(read(t, tabs), {
    instanceOf: FileFormatError,
    message: /column 'a': "1,234" may be a whole number of thousands, or one with decimals: `decimal: '\.'`/,
  });
  t.deepEqual([...(await read(t, tabs, { decimal: ',' })).column('a').values], [1.234, 5.678]);
  t.deepEqual([...(await read(t, tabs, { decimal: '.' })).column('a').values], [1234, 5678]);
});

test('points in one column and commas in another are an error that names both, and so are both in one', async (t) => {
  const both = 'area;version\n70,5;1.1\n80,5;2.0\n';
  await t.throwsAsync(read(t, both), {
    instanceOf: FileFormatError,
    message: /decimal points in column 'version' \("1\.1"\) and decimal commas in column 'area' \("70,5"\)/,
  });
  for (const options of [{ decimal: ',' }, { columns: { version: 'category' } }] as const)
    t.deepEqual(valuesOf(await read(t, both, options)), { 'area: number': [70.5, 80.5], 'version: category': [0, 1] });
  await t.throwsAsync(read(t, 'a;b\n70,5;1\n80.5;2\n'), {
    message: /column 'a': has numbers with decimal points \("80\.5"\) and with decimal commas \("70,5"\).*columns: \{ 'a': 'category' \}/,
  });
  await t.throwsAsync(read(t, both, { decimal: ';' as ',' }), { message: /`options\.decimal`/ });
});

test('rows for a saved model are read by the mark of their own file', async (t) => {
  const schema: ColumnSchema[] = [
    { name: 'area', kind: 'number' },
    { name: 'city', kind: 'category', categories: ['1,5', 'Ulm'] },
  ];
  t.deepEqual(valuesOf(await read(t, 'area;city\n70,5;Ulm\n', { schema })), { 'area: number': [70.5], 'city: category': [1] });
  t.deepEqual(valuesOf(await read(t, 'area,city\n70.5,"1,5"\n', { schema })), { 'area: number': [70.5], 'city: category': [0] });
});
