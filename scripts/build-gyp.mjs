// `npm run build:gyp`: builds the addon with node-gyp in build-gyp/, leaving cmake-js's build/ alone and downloading nothing.
// node-gyp wants a folder of Node headers with a common.gypi; Node-API needs only node-api-headers, so such a folder is made here.

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(import.meta.url);
const stage = join(root, 'build-gyp');
const headers = join(stage, 'node', 'include', 'node');

mkdirSync(headers, { recursive: true });
cpSync(require('node-api-headers').include_dir, headers, { recursive: true });
writeFileSync(join(headers, 'config.gypi'), JSON.stringify({ target_defaults: {}, variables: { node_engine_include_dir: 'include' } }));
writeFileSync(
  join(headers, 'common.gypi'),
  JSON.stringify({ target_defaults: { default_configuration: 'Release', configurations: { Release: {}, Debug: { cflags: ['-g'] } } } }),
);
for (const name of ['binding.gyp', 'package.json', 'native', 'scripts', 'node_modules']) {
  const link = join(stage, name);
  rmSync(link, { force: true });
  symlinkSync(join(root, name), link);
}

const gyp = require.resolve('node-gyp/bin/node-gyp.js');
const { status } = spawnSync(
  process.execPath,
  [gyp, 'rebuild', '-C', stage, '--nodedir', join(stage, 'node'), '-j', String(availableParallelism()), ...process.argv.slice(2)],
  { stdio: 'inherit', env: { ...process.env, npm_config_nodedir: join(stage, 'node') } },
);
const product = join(stage, 'build', 'Release', 'nodegrad.node');
if (status === 0 && existsSync(product)) console.log(`\nBuilt ${product}\nUse it with NODEGRAD_BINARY=${product}`);
process.exitCode = status ?? 1;
