// `npm run pack:local`: dist-packages/ gets the tarballs of nodegrad and of every platform whose release build is current, and of this machine's
// platform in any case: from build/, where there is no release build of it. The main package names the platform packages only in the
// packed copy: a checkout must not ask the registry for them.
// `-- --list` writes nothing and prints as JSON what each tarball would hold: its manifest, its bytes and its files.
// `-- --own` leaves the other platforms out: npm's lock file takes no tarball that this machine may not install, and `npm ci` without network misses it.
// `-- --release` wants a current release build of every platform, and refuses otherwise: what is published names all of them.

import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { platformPackageName } from '../dist/lib/loader.js';
import { addUPlot, appendLicences, bundled, bundleInPlace } from './bundle.mjs';
import { checkRelease } from './check-binary.mjs';
import { mendDocuments } from './packed-documents.mjs';
import {
  distributedManifestOf,
  distributedPlatforms,
  distributedReadmeOf,
  manifestOf,
  placesOf,
  platforms,
  readmeOf,
  requireEveryPlatform,
  stateOf,
} from './platforms.mjs';
import { root } from './steps.mjs';

const listOnly = process.argv.includes('--list');
const ownOnly = process.argv.includes('--own');
const own = platformPackageName().replace('@nodegrad/', '');
const target = join(root, 'dist-packages');
const main = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const binaries = process.argv.includes('--release') ? releaseBinaries() : localBinaries();

const stage = mkdtempSync(join(tmpdir(), 'nodegrad-pack-'));
try {
  // A local build needs the Gloo of this machine: it is no package.
  const distributed = distributedPlatforms.filter(isPacked);
  const packed = [...Object.keys(binaries).map(stagePlatform), ...distributed.map(stageDistributed), stageMain()].map(pack);
  if (listOnly) console.log(JSON.stringify(packed));
} finally {
  rmSync(stage, { recursive: true, force: true });
}

/** Every platform's release build. */
function releaseBinaries() {
  requireEveryPlatform();
  for (const platform of Object.keys(platforms)) checkRelease(platform, join(root, placesOf(platform).binary));
  for (const platform of distributedPlatforms) checkRelease(platform, join(root, placesOf(platform).distributed));
  return Object.fromEntries(Object.keys(platforms).map((platform) => [platform, join(root, placesOf(platform).binary)]));
}

/** Whether there is a release build of a platform to pack. */
function isPacked(platform) {
  return stateOf(platform) === 'current' && (!ownOnly || platform === own);
}

/** The release builds that are packed, and this machine's platform. */
function localBinaries() {
  const found = Object.keys(platforms).filter(isPacked);
  const list = Object.fromEntries(found.map((platform) => [platform, join(root, placesOf(platform).binary)]));
  if (own in list) return list;
  const local = join(root, 'build/Release/nodegrad.node');
  if (!(own in platforms)) throw new Error(`there is no platform package for ${own} in npm/platforms.json`);
  if (!existsSync(local)) throw new Error(`${local} is not built; run npm run build first`);
  return { ...list, [own]: local };
}

function stagePlatform(platform) {
  return stageCompiled(platform, binaries[platform], readmeOf(platform), manifestOf(platform, main.version));
}

/** What is installed beside nodegrad by who trains in several processes. */
function stageDistributed(platform) {
  const binary = join(root, placesOf(platform).distributed);
  return stageCompiled(`dist-${platform}`, binary, distributedReadmeOf(platform), distributedManifestOf(platform, main.version));
}

function stageCompiled(name, binary, readme, manifest) {
  const folder = join(stage, name);
  mkdirSync(folder);
  for (const text of ['LICENSE', 'THIRD-PARTY.md']) copyFileSync(join(root, text), join(folder, text));
  copyFileSync(binary, join(folder, manifest.main));
  writeFileSync(join(folder, 'README.md'), readme);
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  return folder;
}

/**
 * The main package holds no binding.gyp: package managers compile a package that has one, whatever `gypfile` says. What stays is
 * what `npm run build:native` needs in the installed folder, and no other command or development package.
 */
function stageMain() {
  const folder = join(stage, 'nodegrad');
  mkdirSync(folder);
  // What begins with ! is for npm, which leaves it out of the staged folder.
  for (const name of main.files.filter((one) => !one.startsWith('!'))) {
    if (existsSync(join(root, name))) cpSync(join(root, name), join(folder, name), { recursive: true });
    else console.warn(`${name} is not there yet and is left out`);
  }
  bundleInPlace(join(folder, 'dist/lib'));
  addUPlot(join(folder, 'lib/report/page'));
  appendLicences(join(folder, 'THIRD-PARTY.md'));
  mendDocuments(folder);
  const { scripts, devDependencies, ava: _, ...rest } = main;
  const pick = (from, names) => Object.fromEntries(names.map((name) => [name, from[name]]));
  const manifest = {
    ...rest,
    dependencies: Object.fromEntries(Object.entries(main.dependencies).filter(([name]) => !bundled.includes(name))),
    scripts: pick(scripts, ['build:native']),
    optionalDependencies: Object.fromEntries(Object.keys(binaries).map((platform) => [`@nodegrad/${platform}`, main.version])),
    devDependencies: pick(devDependencies, ['cmake-js', 'node-addon-api', 'node-api-headers']),
  };
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  return folder;
}

function pack(folder) {
  // Neither a user's npm settings nor the running npm's variables may change what is packed.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.toLowerCase().startsWith('npm_')));
  if (!listOnly) mkdirSync(target, { recursive: true });
  const where = listOnly ? ['--dry-run'] : ['--pack-destination', target];
  const options = { cwd: folder, env, encoding: 'utf8', maxBuffer: 64 << 20 };
  const [{ filename, size, unpackedSize, files }] = JSON.parse(execFileSync('npm', ['pack', '--json', '--ignore-scripts', ...where], options));
  if (listOnly) {
    return {
      manifest: JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')),
      bytes: unpackedSize,
      files: files.map(({ path }) => path),
    };
  }
  const path = join(target, basename(filename));
  console.log(`${path}  ${(size / 1e6).toFixed(2)} MB packed, ${(unpackedSize / 1e6).toFixed(2)} MB unpacked, ${files.length} files`);
  return path;
}
