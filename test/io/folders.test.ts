// Proves lib/io/folders.ts: folders are made with those above them, and what a file system refuses is thrown, on every one of them.

import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { makeFolder } from '../../lib/io/folders.js';

test('a folder is made with those above it, once, and a file in its way is said', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'nodegrad-folders-'));
  t.teardown(() => rmSync(root, { recursive: true }));
  t.true(makeFolder(join(root, 'a', 'b', 'c')));
  t.true(statSync(join(root, 'a', 'b', 'c')).isDirectory());
  t.false(makeFolder(join(root, 'a', 'b')));
  t.true(makeFolder(`${join(root, 'a', 'd')}/`));
  mkdirSync(join(root, 'e'));
  t.false(makeFolder(join(root, 'e')));
  writeFileSync(join(root, 'file'), '');
  t.throws(() => makeFolder(join(root, 'file')), { code: 'EEXIST' });
  t.throws(() => makeFolder(join(root, 'file', 'f')), { code: 'ENOTDIR' });
});

// Node's own mkdir with `recursive` never returns there.
(existsSync('/proc/self') ? test : test.skip)('a folder that answers that it is not there ends in an error', (t) => {
  t.throws(() => makeFolder('/proc/nodegrad'), { code: 'ENOENT' });
  t.throws(() => makeFolder('/proc/nodegrad/a/b'), { code: 'ENOENT' });
});
