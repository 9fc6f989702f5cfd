// `npm run test:reproducible -- linux-x64-gnu …`: a platform's release build once more, from a copy of the sources in another folder and with
// an empty compiler cache; its hash must be that of the build in build-platforms/, which must be current.

import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildPlatform } from './build-platform.mjs';
import { temporaryFolder } from './install-tools.mjs';
import { placesOf, stateOf } from './platforms.mjs';
import { root } from './steps.mjs';

const wanted = process.argv.slice(2);
if (wanted.length === 0) throw new Error('say which platforms, such as linux-x64-gnu');
const hashOf = (path) => createHash('sha256').update(readFileSync(path)).digest('hex');
const folder = temporaryFolder();
const source = join(folder, 'somewhere else');
for (const name of ['native', 'CMakeLists.txt', 'node_modules/node-api-headers', 'node_modules/node-addon-api'])
  cpSync(join(root, name), join(source, name), { recursive: true });
for (const platform of wanted) {
  if (stateOf(platform) !== 'current') throw new Error(`${platform} is ${stateOf(platform)}; run npm run build:platform -- ${platform}`);
  for (const name of ['ZIG_GLOBAL_CACHE_DIR', 'ZIG_LOCAL_CACHE_DIR']) {
    process.env[name] = join(folder, platform, name);
    mkdirSync(process.env[name], { recursive: true });
  }
  const [first, second] = [
    hashOf(join(root, placesOf(platform).binary)),
    hashOf(await buildPlatform(platform, { folder: join(folder, platform), source })),
  ];
  console.log(`${platform}\n  ${first}  here\n  ${second}  from another folder, with an empty cache`);
  if (first !== second) process.exitCode = 1;
}
console.log(process.exitCode ? 'The builds differ.' : 'The builds are the same.');
