// The platforms that nodegrad is published for: npm/platforms.json, where each one's release build lies, and what its package says.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { contentHash, filesBelow, isCurrent } from './stamps.mjs';
import { root } from './steps.mjs';

/** By name: `title`, the `os`, `cpu` and `libc` of npm, and the `target` of Zig, which holds the oldest system that serves. A `compiler` beside
 * it compiles, where Zig's clang makes slower kernels, and Zig links. `distributed`: there is a second addon, for training in several processes. */
export const platforms = JSON.parse(readFileSync(join(root, 'npm/platforms.json'), 'utf8'));

/** The compiler of release builds, and the linker of all of them. */
export const zigVersion = '0.17.1';

/** The version of Gloo in the second addon, as Debian 13 has its source. */
export const gloo = { version: '0.0~git20231202.5354032', sha256: '66d6fadb7b07cfcff08f74ae2acfab504e780d6b7536ee74d2011718cda25030' };

/** Where a release build lies: the addon, the second one, the linker's map, and the stamp of what it was built from; relative to the root. */
export function placesOf(platform) {
  const folder = `build-platforms/${platform}`;
  const [binary, distributed, map] = ['nodegrad.node', 'nodegrad_distributed.node', 'nodegrad.map'].map((name) => `${folder}/${name}`);
  return { folder, binary, distributed, map, stamp: `${folder}/.stamp` };
}

/** What a release build depends on. */
export function releaseHash(platform) {
  const versionOf = (name) => JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8')).version;
  const headers = ['node-addon-api', 'node-api-headers'].map(versionOf);
  return contentHash([...filesBelow('native'), 'CMakeLists.txt'], [zigVersion, gloo.version, JSON.stringify(platforms[platform]), ...headers]);
}

/** `current`, `stale` (of other sources) or `missing`. */
export function stateOf(platform) {
  const { binary, stamp } = placesOf(platform);
  if (!existsSync(join(root, binary))) return 'missing';
  return isCurrent(stamp, releaseHash(platform), [binary]) ? 'current' : 'stale';
}

/** Throws where a platform's release build is not current: what is published names all of them. */
export function requireEveryPlatform(states = Object.fromEntries(Object.keys(platforms).map((platform) => [platform, stateOf(platform)]))) {
  const wrong = Object.keys(platforms).filter((platform) => states[platform] !== 'current');
  if (wrong.length === 0) return;
  const list = wrong.map((platform) => `${platform} is ${states[platform] ?? 'missing'}`).join(', ');
  throw new Error(`a release holds every platform, but ${list}; run npm run build:platform -- ${wrong.join(' ')}`);
}

/** The package.json of a platform package. */
export function manifestOf(platform, version) {
  const { title, os, cpu, libc } = platforms[platform];
  return {
    name: `@nodegrad/${platform}`,
    version,
    description: `nodegrad's native part for ${title}; installed by nodegrad, not used on its own.`,
    license: 'Apache-2.0',
    engines: { node: '>=20.19' },
    os: [os],
    cpu: [cpu],
    ...(libc ? { libc: [libc] } : {}),
    type: 'commonjs',
    main: 'nodegrad.node',
    files: ['nodegrad.node', 'README.md', 'LICENSE', 'THIRD-PARTY.md'],
    preferUnplugged: true,
  };
}

/** The platforms that have a second addon. */
export const distributedPlatforms = Object.keys(platforms).filter((platform) => platforms[platform].distributed);

/** The package.json of the package that brings the second addon. */
export function distributedManifestOf(platform, version) {
  return {
    ...manifestOf(platform, version),
    name: `@nodegrad/dist-${platform}`,
    description: `Training in several processes with nodegrad, on ${platforms[platform].title}; installed beside nodegrad.`,
    main: 'nodegrad_distributed.node',
    files: ['nodegrad_distributed.node', 'README.md', 'LICENSE', 'THIRD-PARTY.md'],
  };
}

/** Its README.md. */
export function distributedReadmeOf(platform) {
  return `# @nodegrad/dist-${platform}

What [nodegrad](https://www.npmjs.com/package/nodegrad) needs to train one model in several processes, on one machine or many, on ${platforms[platform].title}:
connections over TCP by Gloo, which is linked in. Install it beside nodegrad, in the same version; nodegrad finds it by itself.
`;
}

/** The README.md of a platform package. */
export function readmeOf(platform) {
  return `# @nodegrad/${platform}

The compiled native part of [nodegrad](https://www.npmjs.com/package/nodegrad) for ${platforms[platform].title}. nodegrad names it as an
optional dependency and finds it by itself; there is nothing here to use directly. It needs no OpenBLAS and no C++ runtime from the
system; an OpenBLAS that is there is used.
`;
}
