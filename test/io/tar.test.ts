// Proves lib/io/tar.ts: what archives hold, every kind of damage and hostility, and no crash on bytes of any sort.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import fc from 'fast-check';
import { NodegradError } from '../../lib/index.js';
import { readTar, type TarEntry, type TarOptions } from '../../lib/io/tar.js';
import { tarOf } from '../helpers/tar.js';

const folder = mkdtempSync(join(tmpdir(), 'nodegrad-tar-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;

async function read(bytes: Uint8Array, options?: TarOptions): Promise<TarEntry[]> {
  const path = join(folder, `${files++}.tar`);
  writeFileSync(path, bytes);
  const entries: TarEntry[] = [];
  for await (const entry of readTar(path, options)) entries.push(entry);
  return entries;
}

const text = (content: string): Uint8Array => new TextEncoder().encode(content);
const small = [
  { path: 'a/', type: '5' },
  { path: './a/one.txt', data: text('one') },
  { path: 'a/two.txt', data: new Uint8Array(1000).fill(7) },
  { path: 'a/empty', data: new Uint8Array(0) },
];

test('regular files come in their order, from plain and gzip archives, with or without the zeros at the end', async (t) => {
  const plain = tarOf(small);
  for (const bytes of [plain, gzipSync(plain), plain.subarray(0, plain.length - 1024)]) {
    const entries = await read(bytes);
    t.deepEqual(
      entries.map(({ path, data }) => [path, data.length]),
      [
        ['a/one.txt', 3],
        ['a/two.txt', 1000],
        ['a/empty', 0],
      ],
    );
    t.is(new TextDecoder().decode(entries[0].data), 'one');
  }
});

test('long names of GNU tar and paths of pax are understood; links and devices are passed over', async (t) => {
  const long = `${'d'.repeat(120)}/file`;
  const record = (path: string): string => {
    const body = ` path=${path}\n`;
    const length = body.length + String(body.length + 3).length;
    return `${length}${body}`;
  };
  const entries = await read(
    tarOf([
      { path: '././@LongLink', type: 'L', data: text(`${long}\0`) },
      { path: 'short', data: text('1') },
      { path: 'pax', type: 'x', data: text(record(`p/${long}`)) },
      { path: 'short', data: text('2') },
      { path: 'global', type: 'g', data: text('11 a=bcdef\n') },
      { path: 'link', type: '2' },
      { path: 'hard', type: '1' },
      { path: 'device', type: '3' },
      { path: 'last', data: text('3') },
    ]),
  );
  t.deepEqual(
    entries.map(({ path }) => path),
    [long, `p/${long}`, 'last'],
  );
});

test('paths that lead out of the archive are refused, wherever they stand', async (t) => {
  for (const path of ['../up', 'a/../../up', '/etc/passwd', 'a\\..\\up', '.']) {
    await t.throwsAsync(read(tarOf([{ path, data: text('x') }])), { code: 'ERR_FILE_FORMAT', message: /leads out/ }, path);
    const hidden = [
      { path: 'x', type: 'L', data: text(path) },
      { path: 'fine', data: text('x') },
    ];
    await t.throwsAsync(read(tarOf(hidden)), { code: 'ERR_FILE_FORMAT', message: /leads out/ }, path);
  }
});

test('damage is told with its byte: a wrong checksum, a cut end, a broken gzip stream, sizes that lie', async (t) => {
  const plain = tarOf(small);
  const wrong = Buffer.from(plain);
  wrong[512 + 3] ^= 1;
  const cases: [Uint8Array, RegExp][] = [
    [wrong, /not a tar header at byte 512/],
    [plain.subarray(0, 512 + 100), /cut off/],
    [plain.subarray(0, 512 + 512 + 2), /cut off: 1 bytes|cut off/],
    [gzipSync(plain).subarray(0, 60), /gzip/],
    [text('this is no archive'), /cut off/],
    [tarOf([{ path: 'a', size: 'not octal..\0' }]), /no size/],
    [tarOf([{ path: 'a', size: '77777777777\0' }]), /bytes at byte 0, more than/],
    [tarOf([{ path: 'x', type: 'L', size: '77777777777\0' }]), /a name of/],
    [tarOf([{ path: 'a', type: '5', size: '77777777777\0' }]), /cut off/],
    [tarOf([{ path: 'x', type: 'L', data: text('a') }]).subarray(0, 1024), /ends behind a long name/],
  ];
  for (const [bytes, message] of cases) await t.throwsAsync(read(bytes), { code: 'ERR_FILE_FORMAT', message }, String(message));
  await t.throwsAsync(read(tarOf(small), { maxEntryBytes: 999 }), { code: 'ERR_FILE_FORMAT', message: /1000 bytes/ });
  await t.throwsAsync(readTar(join(folder, 'nowhere.tar')).next(), { code: 'ERR_ARGUMENT', message: /ENOENT/ });
  await t.throwsAsync(readTar(folder).next(), { code: 'ERR_ARGUMENT', message: /regular file|EISDIR/ });
});

test('any change of any byte gives other entries or a typed error, and never a crash', async (t) => {
  const plain = tarOf(small);
  const property = fc.asyncProperty(
    fc.boolean(),
    fc.array(fc.tuple(fc.nat(plain.length - 1), fc.nat(255)), { minLength: 1, maxLength: 5 }),
    async (packed, changes) => {
      const bytes = Buffer.from(packed ? gzipSync(plain) : plain);
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      try {
        await read(bytes);
      } catch (error) {
        t.true(error instanceof NodegradError, String(error));
      }
    },
  );
  await fc.assert(property, { numRuns: 300, seed: 1 });
  t.pass();
});
