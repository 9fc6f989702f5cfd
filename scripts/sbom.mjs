// `npm run sbom`: dist-packages/sbom.cdx.json lists what is in the packages: npm's own list of the run-time dependencies, and the run-time
// libraries that the linker put into each compiled part, with its hash.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { npmCommand } from './install-tools.mjs';
import { placesOf, platforms, zigVersion } from './platforms.mjs';
import { root } from './steps.mjs';
import { linkedParts } from './third-party.mjs';

const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const [npm, ...before] = npmCommand();
const args = [...before, 'sbom', '--omit', 'dev', '--omit', 'optional', '--omit', 'peer', '--sbom-format', 'cyclonedx', '--package-lock-only'];
const document = JSON.parse(execFileSync(npm, args, { cwd: root, encoding: 'utf8', maxBuffer: 64 << 20 }));
for (const platform of Object.keys(platforms)) {
  const { binary, map } = placesOf(platform);
  if (!existsSync(join(root, binary))) continue;
  const content = createHash('sha256')
    .update(readFileSync(join(root, binary)))
    .digest('hex');
  const parts = linkedParts(readFileSync(join(root, map), 'utf8'));
  document.components.push({
    type: 'library',
    'bom-ref': `@nodegrad/${platform}@${version}`,
    name: `@nodegrad/${platform}`,
    version,
    purl: `pkg:npm/%40nodegrad/${platform}@${version}`,
    licenses: [{ license: { id: 'Apache-2.0' } }],
    hashes: [{ alg: 'SHA-256', content }],
    components: parts.map((name) => ({ type: 'library', name, description: `linked in, as Zig ${zigVersion} brings it` })),
  });
}
const target = join(root, 'dist-packages/sbom.cdx.json');
mkdirSync(join(root, 'dist-packages'), { recursive: true });
writeFileSync(target, `${JSON.stringify(document, null, 2)}\n`);
console.log(`${target}: ${document.components.length} components`);
