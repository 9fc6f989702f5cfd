// Files that are written and read: links are written through, modes kept, other things than files never replaced; tar archives keep all they hold.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { Linear, Sequential, readSafetensors, tensor, writeSafetensors } from '../../lib/index.js';
import { listTar, readTar } from '../../lib/io/tar.js';
import { plant } from '../helpers/pictures.js';
import { tarOf } from '../helpers/tar.js';

const folder = mkdtempSync(join(tmpdir(), 'nodegrad-files-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));
let made = 0;
const place = (): string => {
  const path = join(folder, `${made++}`);
  mkdirSync(path);
  return path;
};
const posix = process.platform === 'win32' ? test.skip : test;
const root = process.getuid?.() === 0 ? test : test.skip;
const weights = new Map([['w', tensor([1, 2, 3])]]);
const modeOf = (path: string): number => statSync(path).mode & 0o777;

posix('a save writes through links, also those that point to nothing (fault F05)', async (t) => {
  const path = place();
  symlinkSync(join('store', 'run.safetensors'), join(path, 'latest'));
  symlinkSync('latest', join(path, 'chain'));
  symlinkSync(join(path, 'absolute.safetensors'), join(path, 'far'));
  for (const name of ['chain', 'chain', 'far']) await new Sequential([new Linear(2, 2)]).save(join(path, name));
  t.deepEqual(readdirSync(path).sort(), ['absolute.safetensors', 'chain', 'far', 'latest', 'store']);
  t.deepEqual(readdirSync(join(path, 'store')), ['run.safetensors']);
  t.is(readlinkSync(join(path, 'chain')), 'latest');
  t.true(lstatSync(join(path, 'far')).isSymbolicLink());
  // `..` counts from where the link's folder really lies.
  mkdirSync(join(path, 'deep', 'er'), { recursive: true });
  symlinkSync(join('deep', 'er'), join(path, 'short'));
  symlinkSync(join('..', 'beside.safetensors'), join(path, 'deep', 'er', 'out'));
  await writeSafetensors(join(path, 'short', 'out'), weights);
  t.true(statSync(join(path, 'deep', 'beside.safetensors')).isFile());
  symlinkSync('ring', join(path, 'ring'));
  await t.throwsAsync(writeSafetensors(join(path, 'ring'), weights), { code: 'ERR_ARGUMENT', message: /ELOOP/ });
});

posix('a save keeps the mode of the file that it replaces; a new one has what the umask leaves (fault F05)', async (t) => {
  const path = place();
  for (const mode of [0o600, 0o640, 0o666]) {
    const file = join(path, mode.toString(8));
    writeFileSync(file, 'old');
    chmodSync(file, mode);
    await writeSafetensors(file, weights);
    t.is(modeOf(file), mode);
    t.is((await readSafetensors(file)).tensors.size, 1);
  }
  await writeSafetensors(join(path, 'new'), weights);
  writeFileSync(join(path, 'plain'), '');
  t.is(modeOf(join(path, 'new')), modeOf(join(path, 'plain')));
});

root('a save keeps the owner where the system allows it (fault F05)', async (t) => {
  const path = place();
  const file = join(path, 'theirs');
  writeFileSync(file, 'old');
  chmodSync(file, 0o640);
  chownSync(file, 12345, 54321);
  await writeSafetensors(file, weights);
  const { uid, gid } = statSync(file);
  t.deepEqual([uid, gid, modeOf(file)], [12345, 54321, 0o640]);
});

posix('devices, pipes, sockets and folders are refused by name and stay what they are (fault F05)', async (t) => {
  const path = place();
  execFileSync('mkfifo', [join(path, 'pipe')]);
  mkdirSync(join(path, 'folder'));
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(join(path, 'socket'), resolve));
  // Not as root: a save that replaced it would break the machine.
  const isSafe = process.getuid?.() !== 0;
  if (isSafe) symlinkSync('/dev/null', join(path, 'device'));
  symlinkSync('pipe', join(path, 'link to a pipe'));
  const isNode = spawnSync('mknod', [join(path, 'null'), 'c', '1', '3']).status === 0;
  const cases: Record<string, RegExp> = {
    pipe: /It is a pipe/,
    folder: /It is a folder/,
    socket: /It is a socket/,
    ...(isSafe && { device: /It is a device/ }),
    'link to a pipe': /It is a pipe/,
    ...(isNode && { null: /It is a device/ }),
  };
  for (const [name, message] of Object.entries(cases)) {
    const before = lstatSync(join(path, name));
    await t.throwsAsync(new Sequential([new Linear(2, 2)]).save(join(path, name)), { code: 'ERR_ARGUMENT', message }, name);
    await t.throwsAsync(readSafetensors(join(path, name)), { code: 'ERR_ARGUMENT', message: /regular file/ }, name);
    const after = lstatSync(join(path, name));
    t.deepEqual([after.ino, after.mode, after.rdev], [before.ino, before.mode, before.rdev], name);
  }
  t.deepEqual(
    readdirSync(path).filter((name) => name.endsWith('.tmp')),
    [],
  );
  await new Promise((resolve) => server.close(resolve));
});

// ---- tar ----

async function contents(path: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for await (const { path: name, data } of readTar(path)) files[name] = Buffer.from(data).toString('latin1').replace(/\0+/g, '~');
  return files;
}

const written = (bytes: Uint8Array): string => {
  const path = join(place(), 'a.tar');
  writeFileSync(path, bytes);
  return path;
};
const text = (content: string): Uint8Array => Buffer.from(content, 'latin1');

test('hard and symbolic links of an archive have the content of the file that they lead to, in whatever order (fault F25)', async (t) => {
  const members = [
    { path: 'a/first', type: '2', link: '../b/two' },
    { path: 'a/one', data: text('one') },
    { path: 'b/two', data: text('two') },
    { path: 'b/hard', type: '1', link: './a/one', size: '00000000003\0' },
    { path: 'b/round', type: '2', link: 'around' },
    { path: 'b/around', type: '2', link: 'round' },
    { path: 'b/through', type: '2', link: '../c/one' },
    { path: 'c', type: '2', link: 'a' },
    { path: 'b/out', type: '2', link: '../../etc/passwd' },
    { path: 'b/away', type: '2', link: '/etc/passwd' },
    { path: 'b/lost', type: '1', link: 'nowhere' },
    { path: 'b/device', type: '3' },
    { path: 'b/pipe', type: '6' },
    { path: 'b/odd', type: 'Z', data: text('odd') },
    { path: 'last', data: text('last') },
  ];
  const archive = tarOf(members);
  for (const path of [written(archive), written(gzipSync(archive))]) {
    t.deepEqual(await contents(path), { 'a/one': 'one', 'b/two': 'two', last: 'last', 'b/hard': 'one', 'a/first': 'two', 'b/through': 'one' });
    const { leftOut } = await listTar(path, () => false);
    t.deepEqual(Object.fromEntries(leftOut.map((one) => [one.path, one.reason])), {
      'b/lost': 'a hard link to nowhere, which is not before it in the archive',
      'b/device': 'a device',
      'b/pipe': 'a pipe',
      'b/odd': 'a member of type "Z"',
      'b/round': 'a symbolic link to around, which is no file of the archive',
      'b/around': 'a symbolic link to round, which is no file of the archive',
      c: 'a symbolic link to a, which is no file of the archive',
      'b/out': 'a symbolic link to ../../etc/passwd, which is no file of the archive',
      'b/away': 'a symbolic link to /etc/passwd, which is no file of the archive',
    });
  }
});

const record = (key: string, value: string): string => {
  const body = ` ${key}=${value}\n`;
  const digits = String(body.length + 1).length;
  const length = body.length + digits;
  return `${String(length).length === digits ? length : length + 1}${body}`;
};
const pax = (...records: [string, string][]): Uint8Array => text(records.map(([key, value]) => record(key, value)).join(''));
const number = (value: number): Buffer => Buffer.from(`${value.toString(8).padStart(11, '0')}\0`);
const padded = (content: string): Uint8Array => Buffer.concat([text(content), Buffer.alloc((512 - (content.length % 512)) % 512)]);

test('sparse files are read in the notation of GNU tar and the three of pax (fault F25)', async (t) => {
  // 'ab' at 4, 'cde' at 10, 20 bytes in all.
  const whole = { 'd/s': '~ab~cde~', last: 'last' };
  const last = { path: 'last', data: text('last') };
  const old = tarOf([{ path: 'd/s', type: 'S', data: text('abcde'), sparse: [4, 2, 10, 3], realSize: 20 }, last]);
  t.deepEqual(await contents(written(old)), whole);
  const many = Array.from({ length: 60 }, (_, i) => [2 * i + 1, 1]).flat();
  const extended = tarOf([{ path: 'd/s', type: 'S', data: text('x'.repeat(60)), sparse: many, realSize: 121 }, last]);
  t.deepEqual(await contents(written(extended)), { 'd/s': `${'~x'.repeat(60)}~`, last: 'last' });
  const name = { path: 'GNUSparseFile.1/s', data: text('abcde') };
  const versions: [[string, string][], { path: string; data: Uint8Array }][] = [
    [[['path', 'd/s'], ['GNU.sparse.size', '20'], ['GNU.sparse.numblocks', '2'], ['GNU.sparse.offset', '4'], ['GNU.sparse.numbytes', '2'], ['GNU.sparse.offset', '10'], ['GNU.sparse.numbytes', '3']], name],
    [[['GNU.sparse.name', 'd/s'], ['GNU.sparse.size', '20'], ['GNU.sparse.numblocks', '2'], ['GNU.sparse.map', '4,2,10,3'], ['path', 'd/GNUSparseFile.1/s']], name],
    [[['GNU.sparse.major', '1'], ['GNU.sparse.minor', '0'], ['GNU.sparse.name', 'd/s'], ['GNU.sparse.realsize', '20']], { ...name, data: Buffer.concat([padded('2\n4\n2\n10\n3\n'), text('abcde')]) }],
  ]; // biome-ignore format: a table
  for (const [records, member] of versions)
    t.deepEqual(await contents(written(tarOf([{ path: 'p', type: 'x', data: pax(...records) }, member, last]))), whole, records.join());
  const wrong = [[4, 2, 5, 3], [4, 2, 18, 3], [4, 2, 10, 4], [4, 2, 10, -1]]; // biome-ignore format: pairs
  for (const map of wrong) {
    const broken = tarOf([
      { path: 'p', type: 'x', data: pax(['GNU.sparse.name', 'd/s'], ['GNU.sparse.size', '20'], ['GNU.sparse.map', map.join()]) },
      name,
      last,
    ]);
    await t.throwsAsync(contents(written(broken)), {
      code: 'ERR_FILE_FORMAT',
      message: /d\/s, at byte \d+: the holes of this sparse file make no sense/,
    });
  }
});

test('sizes of 8 GiB and more are understood, and a file that is too large is named (fault F25)', async (t) => {
  const size = Buffer.alloc(12);
  size[0] = 0x80;
  size.writeBigUInt64BE(2n ** 33n, 4);
  const large = tarOf([{ path: 'd/large', size: size.toString('latin1') }]);
  await t.throwsAsync(contents(written(large)), {
    code: 'ERR_FILE_FORMAT',
    message: /a file of 8589934592 bytes at byte 0, more than 268435456: d\/large/,
  });
  const longer = tarOf([
    { path: 'p', type: 'x', data: pax(['size', '4']) },
    { path: 'a', data: text('four'), size: `${number(0).toString('latin1')}` },
  ]);
  t.deepEqual(await contents(written(longer)), { a: 'four' });
});

const gnu = spawnSync('tar', ['--version']).stdout?.toString().includes('GNU') ? test : test.skip;
gnu('what GNU tar makes of a folder gives its files, in all its formats (fault F25)', async (t) => {
  const path = plant(place(), { 'd/cat/a.bin': Buffer.alloc(600, 1), 'd/cat/b.bin': Buffer.alloc(3, 2) });
  linkSync(join(path, 'd/cat/a.bin'), join(path, 'd/cat/hard.bin'));
  symlinkSync('b.bin', join(path, 'd/cat/symbolic.bin'));
  const sparse = Buffer.alloc(1 << 18);
  for (let at = 4096; at < sparse.length; at += 1 << 15) sparse.fill(7, at, at + 100);
  writeFileSync(join(path, 'd/sparse.bin'), sparse);
  execFileSync('cp', ['--sparse=always', join(path, 'd/sparse.bin'), join(path, 'd/holes.bin')]);
  const names = ['d/cat/a.bin', 'd/cat/b.bin', 'd/cat/hard.bin', 'd/cat/symbolic.bin', 'd/holes.bin', 'd/sparse.bin'];
  for (const how of [
    '--format=v7',
    '--format=ustar',
    '--format=oldgnu -S',
    '--format=gnu -S',
    '--format=pax -S --sparse-version=0.0',
    '--format=pax -S --sparse-version=0.1',
    '--format=pax -S --sparse-version=1.0',
  ]) {
    execFileSync('tar', [...how.split(' '), '-cf', join(path, 'd.tar'), '-C', path, 'd']);
    const found: string[] = [];
    for await (const { path: name, data } of readTar(join(path, 'd.tar'))) {
      found.push(name);
      t.true(Buffer.from(data).equals(readFileSync(join(path, name))), `${how} ${name}`);
    }
    t.deepEqual(found.sort(), names, how);
  }
});
