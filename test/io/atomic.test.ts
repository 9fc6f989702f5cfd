// Proves lib/io/atomic.ts: whichever system call fails, the name holds the old content or all of the new, and no temporary file stays.

import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { ArgumentError } from '../../lib/errors.js';
import { type FileCalls, system, writeFileAtomic } from '../../lib/io/atomic.js';

const inFolder = async (use: (folder: string) => Promise<void>): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-atomic-'));
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The real calls, of which the one with this number fails; writes are 3 bytes at most. */
function failing(number: number): { calls: FileCalls; made: () => number } {
  let made = 0;
  const count = async <R>(body: () => Promise<R>): Promise<R> => {
    made += 1;
    if (made === number) throw Object.assign(new Error('injected'), { code: 'EIO' });
    return body();
  };
  const calls: FileCalls = {
    mkdir: (folder) => count(() => system.mkdir(folder)),
    stat: (path) => count(() => system.stat(path)),
    access: (path) => count(() => system.access(path)),
    realpath: (path) => count(() => system.realpath(path)),
    readlink: (path) => count(() => system.readlink(path)),
    open: (path, flags, mode) => count(() => system.open(path, flags, mode)),
    status: (file) => count(() => system.status(file)),
    chown: (file, user, group) => count(() => system.chown(file, user, group)),
    chmod: (file, mode) => count(() => system.chmod(file, mode)),
    write: (file, piece) => count(() => system.write(file, piece.subarray(0, 3))),
    sync: (file) => count(() => system.sync(file)),
    // A close that fails has closed all the same.
    close: async (file) => {
      await file.close();
      await count(async () => {});
    },
    rename: (from, to) => count(() => system.rename(from, to)),
    unlink: (path) => system.unlink(path),
  };
  return { calls, made: () => made };
}

test('a file is written in full, its folder made, and a second write replaces the first', async (t) => {
  await inFolder(async (folder) => {
    const path = join(folder, 'a', 'b', 'weights');
    await writeFileAtomic(path, [bytes('first '), bytes(''), bytes('content')]);
    t.is(readFileSync(path, 'utf8'), 'first content');
    await writeFileAtomic(path, [bytes('second')]);
    t.is(readFileSync(path, 'utf8'), 'second');
    t.deepEqual(readdirSync(join(folder, 'a', 'b')), ['weights']);
  });
});

test('every system call may fail: the name holds the old content or all of the new, and nothing else is left', async (t) => {
  await inFolder(async (folder) => {
    const path = join(folder, 'weights');
    let refused = 0;
    for (let number = 1; ; number++) {
      writeFileSync(path, 'old');
      const { calls, made } = failing(number);
      const error = await writeFileAtomic(path, [bytes('new content'), bytes(' in two pieces')], calls).then(
        () => null,
        (reason: unknown) => reason,
      );
      const content = readFileSync(path, 'utf8');
      t.deepEqual(readdirSync(folder), ['weights'], `failure of call ${number}`);
      if (error === null) {
        t.is(content, 'new content in two pieces');
        t.true(made() < number, 'it succeeded because nothing failed');
        break;
      }
      refused += 1;
      t.true(error instanceof ArgumentError);
      t.regex((error as Error).message, /EIO/);
      t.true(content === 'old' || content === 'new content in two pieces', `failure of call ${number} left ${content}`);
    }
    t.true(refused >= 15, `${refused} calls were made to fail`);
  });
});

test('a symbolic link stays a link, and what it points to is replaced', async (t) => {
  await inFolder(async (folder) => {
    mkdirSync(join(folder, 'store'));
    writeFileSync(join(folder, 'store', 'v1'), 'old');
    symlinkSync(join('store', 'v1'), join(folder, 'latest'));
    await writeFileAtomic(join(folder, 'latest'), [bytes('new')]);
    t.true(lstatSync(join(folder, 'latest')).isSymbolicLink());
    t.is(readFileSync(join(folder, 'store', 'v1'), 'utf8'), 'new');
  });
});

test('a folder in the place of the file, and paths that are none, are refused with typed errors', async (t) => {
  await inFolder(async (folder) => {
    mkdirSync(join(folder, 'taken'));
    await t.throwsAsync(writeFileAtomic(join(folder, 'taken'), [bytes('x')]), {
      instanceOf: ArgumentError,
      message: /a folder, not a regular file/,
    });
    t.deepEqual(readdirSync(folder), ['taken']);
    writeFileSync(join(folder, 'file'), '');
    await t.throwsAsync(writeFileAtomic(join(folder, 'file', 'x'), [bytes('x')]), { instanceOf: ArgumentError, message: /ENOTDIR|EEXIST/ });
  });
  for (const path of ['', 'a\0b', 7, null, undefined, {}]) {
    await t.throwsAsync(writeFileAtomic(path as string, []), { instanceOf: ArgumentError });
  }
});

test('two writers of one name do not disturb each other: the last rename wins, whole', async (t) => {
  await inFolder(async (folder) => {
    const path = join(folder, 'weights');
    const texts = Array.from({ length: 8 }, (_, i) => String(i).repeat(10_000));
    await Promise.all(texts.map((text) => writeFileAtomic(path, [bytes(text)])));
    t.true(texts.includes(readFileSync(path, 'utf8')));
    t.deepEqual(readdirSync(folder), ['weights']);
  });
});
