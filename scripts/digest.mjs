// `npm run digest`: one hash of what every operation and a training compute in reproducible mode, which must be the same on every platform.
// `-- <file>` writes the hashes there; `-- --same <file> …` compares such files from several machines.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from './steps.mjs';

const { values, positionals } = parseArgs({ options: { same: { type: 'boolean' } }, allowPositionals: true });
if (values.same) {
  if (positionals.length < 2) throw new Error('say which files are to be compared: two at least');
  const [first, ...others] = positionals.map((path) => ({ path, digests: JSON.parse(readFileSync(path, 'utf8')).digests }));
  for (const { path, digests } of others) {
    const names = new Set([...Object.keys(first.digests), ...Object.keys(digests)]);
    const different = [...names].filter((name) => first.digests[name] !== digests[name]);
    console.log(`${first.path} and ${path}: ${different.length === 0 ? 'the same' : `${different.join(', ')} differ`}`);
    if (different.length > 0) process.exitCode = 1;
  }
} else {
  const child = join(root, 'dist/test/native/digest.child.js');
  const facts = JSON.parse(execFileSync(process.execPath, [child, 'reproducible'], { encoding: 'utf8', maxBuffer: 64 << 20 }));
  if (positionals[0]) writeFileSync(positionals[0], JSON.stringify(facts));
  const hash = createHash('sha256')
    .update(JSON.stringify(Object.entries(facts.digests).sort()))
    .digest('hex');
  console.log(`${hash}  ${process.platform} ${process.arch}, ${facts.isa}, ${Object.keys(facts.digests).length} digests`);
}
