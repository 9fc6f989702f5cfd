// `npm run pack:local`: dist-packages/ gets the tarballs of nodegrad and of the prebuilt package for this machine.
// The main package names the platform packages only in the packed copy: a checkout must not ask the registry for them.

import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { platformPackageName } from '../dist/lib/loader.js';
import { root } from './steps.mjs';

const target = join(root, 'dist-packages');
const main = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const platform = platformPackageName().replace('@nodegrad/', '');
const platformFolder = join(root, 'npm', platform);
const binary = join(root, 'build/Release/nodegrad.node');
if (!existsSync(platformFolder)) throw new Error(`there is no platform package for ${platform} in npm/`);
if (!existsSync(binary)) throw new Error(`${binary} is not built; run npm run build first`);

const stage = mkdtempSync(join(tmpdir(), 'nodegrad-pack-'));
mkdirSync(target, { recursive: true });
try {
  packPlatform();
  packMain();
} finally {
  rmSync(stage, { recursive: true, force: true });
}

function packPlatform() {
  const folder = join(stage, platform);
  cpSync(platformFolder, folder, { recursive: true });
  for (const name of ['LICENSE', 'THIRD-PARTY.md']) copyFileSync(join(root, name), join(folder, name));
  copyFileSync(binary, join(folder, 'nodegrad.node'));
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  if (manifest.version !== main.version) throw new Error(`npm/${platform} has version ${manifest.version}, nodegrad has ${main.version}`);
  pack(folder);
}

function packMain() {
  const folder = join(stage, 'nodegrad');
  mkdirSync(folder);
  for (const name of main.files) {
    if (existsSync(join(root, name))) cpSync(join(root, name), join(folder, name), { recursive: true });
    else console.warn(`${name} is not there yet and is left out`);
  }
  const { scripts, ava: _, ...rest } = main;
  const kept = Object.fromEntries(['build:native', 'build:gyp'].map((name) => [name, scripts[name]]));
  const manifest = { ...rest, scripts: kept, optionalDependencies: { [platformPackageName()]: main.version } };
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  pack(folder);
}

function pack(folder) {
  // Neither a user's npm settings nor the running npm's variables may change what is packed.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.toLowerCase().startsWith('npm_')));
  const output = execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', target], {
    cwd: folder,
    env,
    encoding: 'utf8',
  });
  const [{ filename, size, unpackedSize, files }] = JSON.parse(output);
  const path = join(target, basename(filename));
  console.log(`${path}  ${(size / 1e6).toFixed(2)} MB packed, ${(unpackedSize / 1e6).toFixed(2)} MB unpacked, ${files.length} files`);
}
