// The list of what is in the packages: every run-time dependency, those too that a development package needs, and no other package.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { root } from '../helpers/sources.js';

interface Locked {
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly devOptional?: boolean;
  readonly peer?: boolean;
}
interface List {
  readonly components: readonly { readonly 'bom-ref': string; readonly name: string }[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}
const read = <T>(...path: string[]): T => JSON.parse(readFileSync(join(...path), 'utf8')) as T;

test('the list of contents has all run-time dependencies of the lock file and no other package, and its edges lead to what it has', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-sbom-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  execFileSync(process.execPath, [join(root, 'scripts/sbom.mjs'), join(folder, 'sbom.json')], { stdio: 'pipe' });
  const { components, dependencies } = read<List>(folder, 'sbom.json');
  const { packages } = read<{ packages: Record<string, Locked> }>(root, 'package-lock.json');
  const shipped = Object.entries(packages).filter(([path, { dev, optional, devOptional, peer }]) => {
    return path !== '' && !dev && !optional && !devOptional && !peer;
  });
  const fromNpm = components.map(({ name }) => name).filter((name) => !name.startsWith('@nodegrad/'));
  t.deepEqual(fromNpm.sort(), shipped.map(([path]) => path.replace('node_modules/', '')).sort());
  t.true(fromNpm.includes('bindings'));
  const known = new Set(['nodegrad', ...fromNpm]);
  for (const { ref, dependsOn } of dependencies)
    for (const one of [ref, ...dependsOn]) t.true(known.has(one.slice(0, one.lastIndexOf('@'))), one);
});
