// Rows of CSV files and JSON lines one after the other: what is read, what is refused, and that nothing is held.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import test from 'ava';
import * as lib from '../../lib/index.js';

const folder = mkdtempSync(join(tmpdir(), 'nodegrad-rows-'));
let files = 0;
function file(content: string | Uint8Array): string {
  const path = join(folder, `${files++}.txt`);
  writeFileSync(path, content);
  return path;
}
async function all<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const row of rows) found.push(row);
  return found;
}

test('rows of comma-separated values are objects of texts, from files, bytes and text', async (t) => {
  const content = '\ufeffarea;name\r\n1,5;"a;b"\r\n\r\n2;"c ""d"""\r\n';
  const wanted = [
    { area: '1,5', name: 'a;b' },
    { area: '2', name: 'c "d"' },
  ];
  t.deepEqual(await all(lib.csvRows(file(content))), wanted);
  t.deepEqual(await all(lib.csvRows(Readable.from([content.slice(0, 9), content.slice(9)]), { delimiter: ';' })), wanted);
  const bytes = [...Buffer.from(content)].map((byte) => Uint8Array.of(byte));
  t.deepEqual(await all(lib.csvRows(Readable.from(bytes), { delimiter: ';' })), wanted);
  t.deepEqual(await all(lib.csvRows(file('1,2\n'), { header: false })), [{ 'column 1': '1', 'column 2': '2' }]);
  t.deepEqual(await all(lib.csvRows(file(Uint8Array.of(0x61, 0x0a, 0xe4)), { encoding: 'windows-1252' })), [{ a: 'ä' }]);
});

test('what does not fit is refused with its line', async (t) => {
  const refused = (source: lib.RowSource, message: RegExp, options = {}): Promise<unknown> =>
    t.throwsAsync(all(lib.csvRows(source, options)), { message });
  await refused(file('a,b\n1,2\n3\n'), /line 3: has 1 field, the first line has 2/);
  await refused(file('a,a\n1,2\n'), /two columns are called 'a'/);
  await refused(file('a,b\n1,"2\n'), /a quotation mark is opened/);
  await refused(file(Uint8Array.of(0x61, 0x0a, 0xe4)), /no text in utf-8/);
  await refused(join(folder, 'missing.csv'), /ENOENT/);
  await refused(file('a\n1\n'), /one character/, { delimiter: 'ab' });
  await refused(file('a\n1\n'), /unknown option `delimter`/, { delimter: ',' });
  await refused(7 as never, /the path of a file, or a stream/);
  await refused(
    (async function* () {
      yield 'a,b\n1,2\n';
      throw new Error('socket closed');
    })(),
    /the stream cannot be read: socket closed/,
  );
});

test('JSON lines are values, whatever the ends of their lines', async (t) => {
  const content = '{"x":[1,2]}\r\n\n  \n"ü"\n3';
  t.deepEqual(await all(lib.jsonLines(file(content))), [{ x: [1, 2] }, 'ü', 3]);
  t.deepEqual(await all(lib.jsonLines(file(`\uFEFF${content}`))), [{ x: [1, 2] }, 'ü', 3]);
  const bytes = [...Buffer.from(content)].map((byte) => Uint8Array.of(byte));
  t.deepEqual(await all(lib.jsonLines(Readable.from(bytes))), [{ x: [1, 2] }, 'ü', 3]);
  await t.throwsAsync(all(lib.jsonLines(file('1\n\n{x}\n'))), { instanceOf: lib.FileFormatError, message: /line 3: is no JSON.*\{x\}/ });
  await t.throwsAsync(all(lib.jsonLines(join(folder, 'missing.jsonl'))), { message: /missing\.jsonl cannot be read: ENOENT/ });
});

test('a file is read no faster than its rows are taken, and is closed when nobody takes more', async (t) => {
  let given = 0;
  let isClosed = false;
  async function* pieces(): AsyncGenerator<string> {
    try {
      yield 'a,b\n';
      for (; given < 10_000; given++) yield `${'1,2\n'.repeat(200)}`;
    } finally {
      isClosed = true;
    }
  }
  let rows = 0;
  for await (const _ of lib.csvRows(pieces())) if (++rows === 1000) break;
  await new Promise((resolve) => setTimeout(resolve, 20));
  t.true(given < 1000, `${given} pieces were read for 1000 rows`);
  t.true(isClosed);
  for await (const _ of lib.jsonLines(Readable.from(['1\n2\n', '3\n']))) break;
});
