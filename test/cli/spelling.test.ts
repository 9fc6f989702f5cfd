// Proves lib/cli/spelling.ts: a misspelt word finds what was meant, and another word nothing.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { nearest, nearestPath } from '../../lib/cli/spelling.js';

test('a letter too few, too many, wrong or swapped still names what was meant', (t) => {
  const known = ['digits', 'mnist', 'cifar10', 'photos'];
  for (const [word, meant] of [
    ['photo', 'photos'],
    ['photoss', 'photos'],
    ['Photos', 'photos'],
    ['phtoos', 'photos'],
    ['minst', 'mnist'],
    ['cifar', undefined],
    ['cats', undefined],
  ])
    t.is(nearest(word as string, known), meant);
});

test('a path that leads to nothing finds its neighbour, and a folder that is not there none', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-spelling-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, 'photos'));
  t.is(nearestPath(join(folder, 'photo')), join(folder, 'photos'));
  t.is(nearestPath(join(folder, 'gone', 'photo')), undefined);
});
