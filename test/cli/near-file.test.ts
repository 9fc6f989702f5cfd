// Proves that a mistyped path finds its file.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { nearFile } from '../../lib/cli/near-file.js';

test('a name with a letter too many, too few or exchanged, or other capitals, finds the file of its folder', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-near-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'clean.csv'), '');
  for (const name of ['claen.csv', 'cleann.csv', 'clen.csv', 'Clean.csv']) t.is(nearFile(join(folder, name)), join(folder, 'clean.csv'), name);
  for (const name of ['other.csv', 'c', 'clean.parquet']) t.is(nearFile(join(folder, name)), null, name);
  t.is(nearFile(join(folder, 'none', 'a.csv')), null);
});
