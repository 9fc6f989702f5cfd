// `npm run smoke:published`: after publishing, installs nodegrad from the registry into an empty folder and trains there, as the first user will.
// `-- --registry <address>` is another registry; `--local` serves the tarballs of dist-packages/ on loopback, which tries this script itself.

import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startRegistry } from './install-registry.mjs';
import { npmCommand, packInto, temporaryFolder, withoutNpmVariables } from './install-tools.mjs';
import { root } from './steps.mjs';

const { values } = parseArgs({ options: { registry: { type: 'string' }, local: { type: 'boolean' } } });
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const folder = temporaryFolder();
const app = join(folder, 'app');
mkdirSync(app);
const local = values.local ? await serve() : undefined;
const registry = local?.url ?? values.registry;
const [npm, ...before] = npmCommand();
writeFileSync(join(app, 'package.json'), '{ "name": "app", "version": "1.0.0", "private": true, "type": "module" }');
copyFileSync(join(root, 'scripts/smoke-require.cjs'), join(app, 'require.cjs'));
const where = registry ? ['--registry', registry] : [];
// A registry may take a minute until everybody sees what is new.
for (let attempt = 1; ; attempt++) {
  const code = await run(npm, [...before, 'install', `nodegrad@${version}`, '--no-audit', '--no-fund', ...where]);
  if (code === 0) break;
  if (local || attempt === 10) throw new Error(`nodegrad ${version} cannot be installed`);
  await new Promise((resolve) => setTimeout(resolve, 30_000));
}
for (const words of [
  ['require.cjs'],
  ['node_modules/nodegrad/dist/lib/cli/main.js', 'train', '--data', 'digits', '--epochs', '1', '--seed', '2'],
]) {
  if ((await run(process.execPath, words)) !== 0) throw new Error(`${words[0]} failed`);
}
console.log(`\nnodegrad ${version} installs and trains on ${process.platform} ${process.arch}.`);
local?.close();

async function serve() {
  const vendor = join(folder, 'vendor');
  packInto(vendor);
  return startRegistry(vendor);
}

/** Not the synchronous kind: the local registry is in this process. */
function run(command, args) {
  const env = { ...withoutNpmVariables(), NODEGRAD_RUNS: 'off' };
  return new Promise((resolve, reject) => {
    spawn(command, args, { cwd: app, env, stdio: 'inherit' }).on('error', reject).on('close', resolve);
  });
}
