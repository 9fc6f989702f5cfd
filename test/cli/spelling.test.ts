// Proves lib/cli/spelling.ts: a misspelt path finds what was meant, and another one nothing.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { nearestPath } from '../../lib/cli/spelling.js';

test('a path that leads to nothing finds its neighbour, and a folder that is not there none', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-spelling-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, 'photos'));
  t.is(nearestPath(join(folder, 'photo')), join(folder, 'photos'));
  t.is(nearestPath(join(folder, 'gone', 'photo')), undefined);
});
