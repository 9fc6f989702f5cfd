// Content hashes that say whether a build is current, and the clean-up of compiled files whose source is gone.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { root } from './steps.mjs';

/** Every file below `folder` (relative to the root) that `keep` accepts, sorted, relative to the root. */
export function filesBelow(folder, keep = () => true) {
  const top = join(root, folder);
  if (!existsSync(top)) return [];
  return readdirSync(top, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath ?? entry.path, entry.name)).replaceAll('\\', '/'))
    .filter(keep)
    .sort();
}

/** SHA-256 over names and contents of `paths` and over `words`. */
export function contentHash(paths, words = []) {
  const hash = createHash('sha256');
  for (const path of paths) {
    const full = join(root, path);
    hash.update(`${path}\0`);
    if (existsSync(full)) hash.update(readFileSync(full));
    hash.update('\0');
  }
  return hash.update(words.join('\0')).digest('hex');
}

/** Whether the stamp file holds `hash` and every one of `products` exists. */
export function isCurrent(stamp, hash, products) {
  try {
    return readFileSync(join(root, stamp), 'utf8') === hash && products.every((product) => existsSync(join(root, product)));
  } catch {
    return false;
  }
}

/** Writes a stamp after its job has succeeded. */
export function writeStamp(stamp, hash) {
  mkdirSync(dirname(join(root, stamp)), { recursive: true });
  writeFileSync(join(root, stamp), hash);
}

/** What the native build depends on. */
export function nativeHash() {
  const versions = ['node-addon-api', 'node-api-headers', 'cmake-js'].map((name) => {
    const path = join(root, 'node_modules', name, 'package.json');
    return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).version : 'none';
  });
  const environment = ['CXX', 'CXXFLAGS', 'LDFLAGS'].map((name) => process.env[name] ?? '');
  const machine = [process.platform, process.arch, process.version];
  const gloo = existsSync('/usr/include/gloo/transport/tcp/pair.h') ? 'gloo' : 'no gloo'; // with it there is a second addon
  return contentHash([...filesBelow('native'), 'CMakeLists.txt'], [...machine, ...versions, ...environment, gloo]);
}

/** TypeScript sources of the one `tsc` build. */
export function typeScriptSources() {
  return ['lib', 'test', 'bench'].flatMap((folder) => filesBelow(folder, (path) => path.endsWith('.ts') && !path.endsWith('.d.ts')));
}

/** The file in dist/ that tsc makes of a source. */
export function compiledPath(source) {
  return `dist/${source.replace(/\.ts$/, '.js')}`;
}

/** Removes from dist/ what has no source any more: ava would still run a deleted test. */
export function pruneCompiled(sources) {
  const stems = new Set(sources.map((source) => `dist/${source.replace(/\.ts$/, '')}`));
  for (const path of ['dist/lib', 'dist/test', 'dist/bench'].flatMap((folder) => filesBelow(folder))) {
    const stem = path.replace(/(\.d\.ts|\.js)(\.map)?$/, '');
    if (stem !== path && !stems.has(stem)) rmSync(join(root, path));
  }
}
