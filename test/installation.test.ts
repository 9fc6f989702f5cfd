// Where nodegrad finds itself: in a checkout, in a bundle of one file at another depth, and outside of any package of that name.
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import test from 'ava';
import { manifestOf, packageFile, packageRoot } from '../lib/installation.js';
import { root } from './helpers/sources.js';

test('a checkout is its own root, and the files of the package are below it', (t) => {
  t.is(join(packageRoot(), '.'), join(root, '.'));
  t.regex(manifestOf(packageRoot()).version, /^\d+\.\d+\.\d+/);
  t.true(existsSync(packageFile('lib/report/page/page.js')));
});

test('code that lies at another depth finds the package above it, and outside of one says that the version is unknown', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-installation-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const copy = async (...place: string[]): Promise<typeof import('../lib/installation.js')> => {
    const file = join(folder, ...place, 'installation.mjs');
    mkdirSync(join(folder, ...place), { recursive: true });
    copyFileSync(fileURLToPath(new URL('../lib/installation.js', import.meta.url)), file);
    return (await import(pathToFileURL(file).href)) as typeof import('../lib/installation.js');
  };
  mkdirSync(join(folder, 'node_modules/nodegrad/dist'), { recursive: true });
  writeFileSync(join(folder, 'node_modules/nodegrad/package.json'), '{ "name": "nodegrad", "version": "9.8.7" }');
  writeFileSync(join(folder, 'node_modules/nodegrad/dist/package.json'), '{ "type": "module" }');
  const deep = await copy('node_modules/nodegrad/dist/a/b/c');
  t.is(deep.packageRoot(), join(folder, 'node_modules/nodegrad'));
  t.deepEqual(deep.manifestOf(deep.packageRoot()).version, '9.8.7');
  const alone = await copy('app/out/x');
  t.is(alone.packageRoot(), join(folder, 'app'));
  t.deepEqual(alone.manifestOf(alone.packageRoot()), { version: 'unknown', optionalDependencies: {} });
});
