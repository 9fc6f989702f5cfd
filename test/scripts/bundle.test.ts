// The bundle that is published: it runs what it imports only when it is needed, and refuses what would have no names there.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import test from 'ava';
import { root } from '../helpers/sources.js';

interface Bundle {
  bundleInPlace(folder: string): void;
  refuseNameless(metafile: unknown): void;
}

const { bundleInPlace, refuseNameless } = (await import(pathToFileURL(join(root, 'scripts/bundle.mjs')).href)) as Bundle;

test('the bundled command reads the file of a search, and says its line and column where it is wrong', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-bundle-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(join(root, 'dist/lib'), join(folder, 'dist/lib'), { recursive: true });
  cpSync(join(root, 'package.json'), join(folder, 'package.json'));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  bundleInPlace(join(folder, 'dist/lib'));
  writeFileSync(join(folder, 's.yaml'), 'data: digits\nsearch:\n  lr: { log-uniform: [1e-4 }\n');
  const env = { ...process.env, NODEGRAD_BINARY: join(root, 'build/Release/nodegrad.node') };
  const { stderr } = spawnSync(process.execPath, ['dist/lib/cli/main.js', 'search', 's.yaml'], { cwd: folder, env, encoding: 'utf8' });
  t.regex(stderr, /^nodegrad: s\.yaml:3:\d+: /);
});

test('a bundle is refused that imports CommonJS only when it is needed: its exports would have no names', (t) => {
  const inputs = (format: string) => ({
    inputs: { 'a.js': { format: 'esm', imports: [{ kind: 'dynamic-import', path: 'b.js' }] }, 'b.js': { format, imports: [] } },
  });
  t.notThrows(() => refuseNameless(inputs('esm')));
  t.throws(() => refuseNameless(inputs('cjs')), { message: /^a\.js imports b\.js when it runs, which is CommonJS/ });
});
