// Proves lib/sitter/finding.ts and docs/guides/findings.md: each kind of finding has an entry in the guide, and nothing else has.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { findingIds } from '../../lib/index.js';
import { isFinding } from '../../lib/sitter/finding.js';
import { root } from '../helpers/sources.js';

test('every kind of finding has an entry in the guide, in the order of the list, with what is seen, why, what to try, and when it is silent', (t) => {
  const guide = readFileSync(join(root, 'docs/guides/findings.md'), 'utf8');
  const entries = guide.split(/^### /m).slice(1);
  t.deepEqual(entries.map((entry) => entry.split('\n')[0]).sort(), [...findingIds].sort());
  for (const entry of entries)
    for (const part of ['Seen', 'Why', 'Try', 'Silent']) t.regex(entry, new RegExp(`^- \\*\\*${part}\\*\\*: \\S.{8,}`, 'm'));
});

test('what is a finding is told from other data', (t) => {
  for (const value of [null, 1, {}, { id: 'x' }, { id: 'dead-units', text: 'a', epoch: 1 }]) t.false(isFinding(value));
  t.true(isFinding({ id: 'dead-units', text: 'a', epoch: 1, step: 1, symptoms: [] }));
});
