// Proves `nodegrad plot` as a user meets it: a saved model becomes a picture, on standard output or in a file.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { Linear, Sequential, StandardScaler, full, lenet5 } from '../../lib/index.js';
import { inFolder } from '../helpers/reports.js';

const main = fileURLToPath(new URL('../../lib/cli/main.js', import.meta.url));

function run(folder: string, words: readonly string[]): { code: number | null; out: string; error: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...words], { cwd: folder, encoding: 'utf8' });
  return { code: status, out: stdout, error: stderr };
}

test('plot draws a saved model as SVG, to standard output or a file, and says what it needs', async (t) => {
  await inFolder(async (folder) => {
    const file = join(folder, 'model.safetensors');
    const model = lenet5();
    await model.save(file);
    const plain = run(folder, ['plot', file]);
    t.is(plain.code, 0, plain.error);
    t.is(plain.out, await model.plot());
    t.is(run(folder, ['plot', file, '--output', 'lenet.svg', '--title', 'Le <Net>', '--depth', '0']).out, '');
    t.is(readFileSync(join(folder, 'lenet.svg'), 'utf8'), await model.plot(undefined, { title: 'Le <Net>', depth: 0 }));
    const misnamed = run(folder, ['plot', file, '--output', 'lenet.png']);
    t.is(misnamed.code, 1);
    t.regex(misnamed.error, /a file of SVG, .*received "lenet\.png"\. Name it "lenet\.svg"/);
    const flat = new Sequential([new Linear(3, 2)]);
    await flat.save(file);
    const unknown = run(folder, ['plot', file]);
    t.is(unknown.code, 1);
    t.regex(unknown.error, /does not say the shape of one example: --input-shape 28,28,1 does/);
    t.is(run(folder, ['plot', file, '--input-shape', '3']).out, await flat.plot(undefined, { inputShape: [3] }));
    flat.preprocessing = new StandardScaler().fit(full([2, 3], 1));
    await flat.save(file);
    t.is(run(folder, ['plot', file]).out, await flat.plot(undefined, { inputShape: [3] }), 'what preprocessing puts out');
  });
});
