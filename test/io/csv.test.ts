// Comma-separated values: records, line numbers, delimiters, and what is a number.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { ArgumentError, FileFormatError } from '../../lib/index.js';
import { csvField, detectDelimiter, numberOf, readRecords } from '../../lib/io/csv.js';

async function write(t: ExecutionContext, contents: string | Uint8Array): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'nodegrad-csv-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const path = join(folder, 'some.csv');
  await writeFile(path, contents);
  return path;
}

async function records(path: string, delimiter = ','): Promise<[line: number, ...fields: string[]][]> {
  const found: [number, ...string[]][] = [];
  await readRecords(path, { encoding: 'utf-8', delimiter, onRecord: (fields, line) => found.push([line, ...fields]) });
  return found;
}

test('quotes, doubled quotes, line ends of every system, a byte order mark and empty lines', async (t) => {
  const path = await write(t, '\ufeffa,b\r\n1,"x, y"\r\n\r\n"two\nlines","a ""quote"""\r\n,\r\n3, 4 ');
  t.deepEqual(await records(path), [
    [1, 'a', 'b'],
    [2, '1', 'x, y'],
    [5, 'two\nlines', 'a "quote"'],
    [6, '', ''],
    [7, '3', ' 4 '],
  ]);
  t.deepEqual(await records(await write(t, 'a,b\r1,2\r')), [
    [1, 'a', 'b'],
    [2, '1', '2'],
  ]);
});

test('quotation marks that do not match are an error with file and line', async (t) => {
  for (const [contents, says] of [
    ['a,b\n1,"open\n2,3\n', /some\.csv, line \d: a quotation mark is opened here or before, and never closed/],
    ['a,b\n1,3" pipe\n', /some\.csv, line 2: a quotation mark within a field/],
    ['a,b\n1,"x"y\n', /some\.csv, line 2: a quotation mark within a field/],
  ] as const) {
    const path = await write(t, contents);
    await t.throwsAsync(records(path), { instanceOf: FileFormatError, message: says });
  }
});

test('a file that cannot be read, and one that is no text, say so', async (t) => {
  await t.throwsAsync(records('/nowhere/at.csv'), { instanceOf: ArgumentError, message: /cannot be read: ENOENT/ });
  await t.throwsAsync(detectDelimiter('/nowhere/at.csv'), { instanceOf: ArgumentError, message: /cannot be read: ENOENT/ });
  await t.throwsAsync(detectDelimiter(tmpdir()), { instanceOf: ArgumentError, message: /folder/ });
  await t.throwsAsync(detectDelimiter(await write(t, '')), { instanceOf: FileFormatError, message: /is empty/ });
  await t.throwsAsync(detectDelimiter(await write(t, Uint8Array.of(0xff, 0xfe, 0x61, 0))), { message: /UTF-16, UTF-8 was expected/ });
  await t.throwsAsync(detectDelimiter(await write(t, Uint8Array.of(0x50, 0x4b, 0, 1))), { message: /is no text/ });
});

test('what an error of the reader throws is thrown, and nothing is read any more', async (t) => {
  const path = await write(t, 'a\n'.repeat(100_000));
  let seen = 0;
  const reading = readRecords(path, {
    delimiter: ',',
    encoding: 'utf-8',
    onRecord: () => {
      seen += 1;
      if (seen === 3) throw new ArgumentError('enough');
    },
  });
  await t.throwsAsync(reading, { instanceOf: ArgumentError, message: 'enough' });
  t.is(seen, 3);
});

test('the delimiter is the one that the first line has most of, outside of quotation marks', async (t) => {
  const found = async (line: string): Promise<string> => detectDelimiter(await write(t, `${line}\n1,2;3\t4|5\n`));
  t.is(await found('a,b;c,d'), ',');
  t.is(await found('a;b;c,d'), ';');
  t.is(await found('\ufeffa\tb'), '\t');
  t.is(await found('a|b|c'), '|');
  t.is(await found('"a;b;c;d",e'), ',');
  t.is(await found('alone'), ',');
});

test('numbers are what people write as numbers, not what JavaScript makes of any text', (t) => {
  const numbers: [string, number][] = [
    ['1', 1],
    [' 1e5 ', 1e5],
    ['-.5', -0.5],
    ['+3.', 3],
    ['1E-3', 1e-3],
    ['0x10', 16],
    ['-0XfF', -255],
    ['007', 7],
  ];
  for (const [text, value] of numbers) t.is(numberOf(text), value, text);
  const others = [
    '',
    ' ',
    '1,5',
    '1 000',
    '12 rooms',
    'Infinity',
    '-inf',
    'NaN',
    '0b1',
    '0o7',
    '1_000',
    '1e999',
    '0x',
    '.',
    'e5',
    `0x${'f'.repeat(20)}`,
  ];
  for (const text of others) t.true(Number.isNaN(numberOf(text)), `'${text}'`);
});

test('a field is written so that it is read as it was', async (t) => {
  const fields = ['plain', 'a,b', 'a "quote"', 'two\nlines', ' spaces ', ''];
  t.deepEqual(await records(await write(t, `${fields.map(csvField).join(',')}\n`)), [[2, ...fields]]);
  t.is(csvField(1.5), '1.5');
});
