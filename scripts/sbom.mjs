// `npm run sbom`: dist-packages/sbom.cdx.json lists what is in the packages: npm's own list of the run-time dependencies, and the run-time
// libraries that the linker put into each compiled part, with its hash; Gloo in the second addon. `-- <file>` writes to another place.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { npmCommand } from './install-tools.mjs';
import { gloo, placesOf, platforms, zigVersion } from './platforms.mjs';
import { root } from './steps.mjs';
import { linkedParts } from './third-party.mjs';

const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const [npm, ...before] = npmCommand();
// Not --omit: npm 11 then leaves out what a development package needs, too, such as `bindings`.
const args = [...before, 'sbom', '--sbom-format', 'cyclonedx', '--package-lock-only'];
const document = JSON.parse(execFileSync(npm, args, { cwd: root, encoding: 'utf8', maxBuffer: 64 << 20 }));
document.components = document.components.filter(({ scope, properties }) => {
  return scope === 'required' && !properties.some(({ name }) => name === 'cdx:npm:package:development');
});
const shipped = new Set([document.metadata.component, ...document.components].map((component) => component['bom-ref']));
document.dependencies = document.dependencies
  .filter(({ ref }) => shipped.has(ref))
  .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((name) => shipped.has(name)) }));
for (const platform of Object.keys(platforms)) {
  const { binary, distributed, map } = placesOf(platform);
  if (!existsSync(join(root, binary))) continue;
  const by = platforms[platform].compiler ? 'linked in' : `linked in, as Zig ${zigVersion} brings it`;
  const parts = linkedParts(readFileSync(join(root, map), 'utf8')).map((name) => ({ type: 'library', name, description: by }));
  document.components.push(compiled(`@nodegrad/${platform}`, binary, parts));
  // The map is that of both.
  const sources = { type: 'library', name: 'gloo', version: gloo.version, licenses: [{ license: { id: 'BSD-3-Clause' } }] };
  if (platforms[platform].distributed) document.components.push(compiled(`@nodegrad/dist-${platform}`, distributed, [sources, ...parts]));
}
const target = process.argv[2] ?? join(root, 'dist-packages/sbom.cdx.json');
mkdirSync(dirname(target), { recursive: true });
writeFileSync(target, `${JSON.stringify(document, null, 2)}\n`);
console.log(`${target}: ${document.components.length} components`);

/** The component of a package that brings a compiled part, with what is in it. */
function compiled(name, path, components) {
  const content = createHash('sha256')
    .update(readFileSync(join(root, path)))
    .digest('hex');
  return {
    type: 'library',
    'bom-ref': `${name}@${version}`,
    name,
    version,
    purl: `pkg:npm/${name.replace('@', '%40')}@${version}`,
    licenses: [{ license: { id: 'Apache-2.0' } }],
    hashes: [{ alg: 'SHA-256', content }],
    components,
  };
}
