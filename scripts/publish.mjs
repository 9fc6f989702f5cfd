// `npm run publish:packages`: gives the tarballs of dist-packages/ to a registry, every platform's before the main one, so that nobody can
// install a nodegrad whose compiled part is not there yet. It refuses when a platform is missing, and goes on where an earlier try ended.
// `-- --dry-run` publishes nothing, `--registry <address>` is another registry, `--no-provenance` is for machines that are no public forge's.

import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { manifestOf } from './install-registry.mjs';
import { npmCommand } from './install-tools.mjs';
import { distributedPlatforms, platforms } from './platforms.mjs';
import { root } from './steps.mjs';

/** The tarballs in the order of publishing; throws where one is missing, too many, or of another version. */
export function orderOf(packages, version) {
  const parts = Object.keys(platforms).map((platform) => `@nodegrad/${platform}`);
  const wanted = [...parts, ...distributedPlatforms.map((platform) => `@nodegrad/dist-${platform}`), 'nodegrad'];
  const found = new Map(packages.map((entry) => [entry.manifest.name, entry]));
  const missing = wanted.filter((name) => !found.has(name));
  if (missing.length > 0) throw new Error(`nothing is published, because there is no tarball of ${missing.join(', ')}`);
  const strange = packages.filter(({ manifest }) => !wanted.includes(manifest.name) || manifest.version !== version);
  if (strange.length > 0)
    throw new Error(`nothing is published, because of ${strange.map(({ manifest }) => `${manifest.name} ${manifest.version}`).join(', ')}`);
  const pinned = found.get('nodegrad').manifest.optionalDependencies ?? {};
  const loose = parts.filter((name) => pinned[name] !== version);
  if (loose.length > 0) throw new Error(`nothing is published, because nodegrad does not name ${loose.join(', ')} in version ${version}`);
  return wanted.map((name) => found.get(name));
}

function main() {
  const options = { 'dry-run': { type: 'boolean' }, registry: { type: 'string' }, 'no-provenance': { type: 'boolean' } };
  const { values } = parseArgs({ options });
  const folder = join(root, 'dist-packages');
  const files = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
  const packages = files.map((file) => ({ path: join(folder, file), manifest: manifestOf(join(folder, file)) }));
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const ordered = orderOf(packages, version);
  const [npm, ...before] = npmCommand();
  const where = values.registry ? ['--registry', values.registry] : [];
  for (const { path, manifest } of ordered) {
    const name = `${manifest.name}@${version}`;
    if (
      !values['dry-run'] &&
      spawnSync(npm, [...before, 'view', name, 'version', ...where])
        .stdout?.toString()
        .trim() === version
    ) {
      console.log(`${name} is there already`);
      continue;
    }
    const how = values['dry-run'] ? ['--dry-run'] : values['no-provenance'] ? [] : ['--provenance'];
    const { status } = spawnSync(npm, [...before, 'publish', path, '--access', 'public', ...how, ...where], { stdio: 'inherit' });
    if (status !== 0) throw new Error(`${name} was not published; what came before it was`);
  }
}

if (process.argv[1] === resolve(import.meta.filename)) main();
