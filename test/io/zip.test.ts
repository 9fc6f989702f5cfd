// Proves lib/io/zip.ts: archives of Python's zipfile, sizes of 64 bits, bombs, and everything in a list that does not fit.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { deflateRawSync } from 'node:zlib';
import { FileFormatError } from '../../lib/errors.js';
import { withSource } from '../../lib/io/byte-source.js';
import { readMember, zipMembers, zipPieces } from '../../lib/io/zip.js';
import { testWithPython } from '../helpers/python.js';
import { inFolder } from '../helpers/reports.js';

const text = (value: string): Uint8Array[] => [Buffer.from(value)];
const archive = async (members: Record<string, string>, compress = false): Promise<Buffer> =>
  Buffer.concat(await zipPieces(new Map(Object.entries(members).map(([name, value]) => [name, text(value)])), compress));

/** All members of an archive, unpacked. */
const contents = (file: Uint8Array | string): Promise<Record<string, string>> =>
  withSource(file, 'a.zip', async (source) => {
    const found: Record<string, string> = {};
    for (const member of await zipMembers(source)) found[member.name] = Buffer.from(await readMember(source, member)).toString();
    return found;
  });

/** Changes 32 bits of the first entry of the list: at 16 its checksum, at 20 and 24 its sizes, at 42 its place. */
function withEntry(file: Buffer, at: number, value: number): Buffer {
  const changed = Buffer.from(file);
  changed.writeUInt32LE(value, changed.indexOf('PK\x01\x02', 'latin1') + at);
  return changed;
}

test('what was packed is unpacked, whatever stands before and behind it', async (t) => {
  const members = { a: 'aaaa', 'folder/ü': 'x'.repeat(5000), empty: '' };
  for (const compress of [false, true]) {
    const file = await archive(members, compress);
    t.deepEqual(await contents(file), members);
    const comment = Buffer.concat([file, Buffer.from('PK\x05\x06 a comment that looks like an end', 'latin1')]);
    comment.writeUInt16LE(comment.length - file.length, file.length - 2);
    t.deepEqual(await contents(comment), members);
  }
  t.deepEqual(await contents(await archive({})), {});
});

test('bombs are not unpacked: more than is declared, more than deflate can hold, members that share bytes', async (t) => {
  const file = await archive({ a: 'x'.repeat(100_000), b: 'y' }, true);
  const refused = async (bytes: Uint8Array, message: RegExp) => t.throwsAsync(contents(bytes), { instanceOf: FileFormatError, message });
  await refused(withEntry(file, 24, 10), /"a" of the zip archive cannot be unpacked: .*larger than 10 bytes/);
  await refused(withEntry(file, 24, 0x7fffffff), /declares 2147483647 bytes, which \d+ packed bytes cannot hold/);
  const shared = await archive({ a: 'x'.repeat(600), b: 'y'.repeat(600) });
  const second = shared.lastIndexOf('PK\x01\x02', undefined, 'latin1');
  for (const at of [20, 24]) shared.writeUInt32LE(1200, second + at);
  await refused(shared, /larger than itself/);
});

test('a damaged archive is refused with a typed error that names the member', async (t) => {
  const file = await archive({ a: 'aaaa' });
  const refusals: [string, Uint8Array, RegExp][] = [
    ['nothing', new Uint8Array(0), /not a zip archive, or cut off/],
    ['no end', file.subarray(0, -1), /cut off/],
    ['another checksum', withEntry(file, 16, 7), /member "a" .* is damaged: its checksum differs/],
    ['a place outside', withEntry(file, 42, 0x7fffffff), /is said to begin at byte 2147483647/],
    ['a place inside', withEntry(file, 42, 1), /does not begin at byte 1/],
    ['two sizes', withEntry(file, 20, 3), /declares 4 bytes, which 3 packed bytes cannot hold/],
    ['sizes of 64 bits that are not there', withEntry(file, 24, 0xffffffff), /list of the zip archive is damaged/],
    ['no end of 64 bits', withEnd(file, 16, 0xffffffff), /record of 64 bits/],
    ['a list beyond the end', withEnd(file, 16, 0x7fffffff), /does not fit/],
    ['a list too short', withEnd(file, 12, 3), /damaged/],
  ];
  for (const [what, bytes, message] of refusals) await t.throwsAsync(contents(bytes), { instanceOf: FileFormatError, message }, what);
  const entry = file.indexOf('PK\x01\x02', 'latin1');
  const [encrypted, method] = [Buffer.from(file), Buffer.from(file)];
  encrypted[entry + 8] |= 1;
  method[entry + 10] = 12;
  await t.throwsAsync(contents(encrypted), { message: /encrypted/ });
  await t.throwsAsync(contents(method), { message: /packed by method 12/ });
  const flipped = await archive({ a: 'x'.repeat(1000) }, true);
  flipped[31 + 5] ^= 0x55;
  await t.throwsAsync(contents(flipped), { instanceOf: FileFormatError, message: /member "a"/ });
  t.true(deflateRawSync('x'.repeat(1000)).length < 100);
});

function withEnd(file: Buffer, at: number, value: number): Buffer {
  const changed = Buffer.from(file);
  changed.writeUInt32LE(value, changed.length - 22 + at);
  return changed;
}

testWithPython('zipfile', "Python's zipfile reads ours, and its archives with sizes of 64 bits are read", async (t, python) => {
  await inFolder(async (folder) => {
    const [ours, theirs] = [join(folder, 'ours.zip'), join(folder, 'theirs.zip')];
    const members = { a: 'aaaa', 'folder/ü': 'x'.repeat(5000), empty: '' };
    writeFileSync(ours, await archive(members, true));
    const script = [
      'import sys, json, zipfile',
      'with zipfile.ZipFile(sys.argv[1]) as z: found = {n: z.read(n).decode() for n in z.namelist()}; assert z.testzip() is None',
      'zipfile.ZIP64_LIMIT = 100',
      'zipfile.ZIP_FILECOUNT_LIMIT = 2',
      'with zipfile.ZipFile(sys.argv[2], "w", zipfile.ZIP_DEFLATED) as z:',
      '    for n, v in found.items(): z.writestr(n, v)',
      'print(json.dumps(found))',
    ].join('\n');
    t.deepEqual(JSON.parse(python(script, ours, theirs)), members);
    t.deepEqual(await contents(theirs), members);
  });
});
