// What starts a Node.js of another platform on this machine, x86-64 Linux: QEMU for arm64, musl's own loader for musl, Wine for Windows. For macOS there is no
// Node.js: a loader (mac-loader.c) takes its addon into one of Linux.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureDebian } from './debian.mjs';
import { makeMuslRoot } from './musl.mjs';
import { placesOf } from './platforms.mjs';
import { root, runStep, StepError } from './steps.mjs';
import { ensureZig } from './zig.mjs';

const out = join(root, 'build-platforms/nodes');
const crossLibraries = '/usr/aarch64-linux-gnu'; // of Debian's packages for cross compilers

const linuxArm64 = {
  needs: { 'qemu-aarch64-static': 'qemu-user-static', [`${crossLibraries}/lib/libstdc++.so.6`]: 'libstdc++6-arm64-cross' },
  words: async () => ['qemu-aarch64-static', '-L', crossLibraries, await npmNode('linux-arm64', 'bin/node')],
};

/** By platform: the commands and files that are needed with the Debian packages that have them, and `words`, which gives the words that start Node.js. */
const emulators = {
  'linux-x64-gnu': { needs: {}, words: async () => [process.execPath] },
  'linux-x64-musl': { needs: {}, words: async () => muslWords('x64') },
  'linux-arm64-gnu': linuxArm64,
  'linux-arm64-musl': {
    needs: { 'qemu-aarch64-static': 'qemu-user-static' },
    words: async () => ['qemu-aarch64-static', ...muslWords('arm64')],
  },
  'darwin-x64': { needs: {}, words: async () => [process.execPath], loader: 'x86_64-linux-gnu' },
  'darwin-arm64': { ...linuxArm64, loader: 'aarch64-linux-gnu' },
  'win32-x64': {
    needs: { wine: 'wine', '/usr/lib/wine/wine64': 'wine64' },
    words: async () => ['wine', await npmNode('win-x64', 'bin/node.exe')],
  },
};

/** The path of a program that behaves as the platform's Node.js with the release build of the addon. */
export async function launcherOf(platform) {
  if (!(platform in emulators)) throw new StepError(`nothing here can run ${platform}; ${Object.keys(emulators).join(', ')} can be run`);
  const { needs, words, loader } = emulators[platform];
  await ensureDebian(needs);
  mkdirSync(out, { recursive: true });
  const addon = join(root, placesOf(platform).binary);
  return writeLauncher(join(out, platform), await words(), {
    environment: loader ? { NODEGRAD_BINARY: await macLoader(loader), MAC_ADDON: addon } : { NODEGRAD_BINARY: addon },
    wine: platform === 'win32-x64' ? winePrefix() : undefined,
  });
}

/** Writes the program `path`, which starts Node.js by `words` with more in its `environment`, below Wine with the folder `wine` as its system. */
export function writeLauncher(path, words, { environment, wine }) {
  // What such a process starts is started the same way: the system cannot run the binary by itself.
  writeFileSync(`${path}.cjs`, `process.execPath = ${JSON.stringify(path)};\n`);
  const command = `${[...words, '--require', `${path}.cjs`].map(quoted).join(' ')} "$@"`;
  // Under Wine Node.js cannot write into pipes, only into files.
  const lines = wine
    ? [
        `export WINEPREFIX=${quoted(wine)} WINEDEBUG=-all`,
        'said=$(mktemp -d)',
        `${command} >"$said/out" 2>"$said/error" </dev/null`,
        'code=$?',
        'cat "$said/out"',
        'cat "$said/error" >&2',
        'rm -r "$said"',
        'exit $code',
      ]
    : [`exec ${command}`];
  const variables = Object.entries(environment).map(([name, value]) => `export ${name}=${quoted(value)}`);
  writeFileSync(path, `#!/bin/sh\n${[...variables, ...lines].join('\n')}\n`, { mode: 0o755 });
  return path;
}

/** As a word of a shell. */
const quoted = (word) => `'${word.replaceAll("'", `'\\''`)}'`;

/** A folder that is Wine's system; it must say to be a Windows 10. */
function winePrefix() {
  const prefix = join(out, 'wine');
  const environment = { ...process.env, WINEPREFIX: prefix, WINEDEBUG: '-all' };
  if (!existsSync(prefix)) execFileSync('wine', ['winecfg', '-v', 'win10'], { env: environment, stdio: 'ignore' });
  return prefix;
}

/** The addon of Linux, of Zig's `target`, that loads one for macOS. */
async function macLoader(target) {
  const path = join(out, `mac-loader-${target}.node`);
  const words = ['cc', '-target', `${target}.2.34`, '-O2', '-shared', '-fPIC', '-fvisibility=hidden', '-o', path];
  await runStep('Compiling the loader for macOS', await ensureZig(), [...words, join(root, 'scripts/mac-loader.c')]);
  return path;
}

function muslWords(cpu) {
  const room = join(out, `musl-${cpu}`);
  const loader = join(room, `lib/ld-musl-${cpu === 'x64' ? 'x86_64' : 'aarch64'}.so.1`);
  if (!existsSync(join(room, 'opt/node'))) makeMuslRoot(room, cpu);
  return [loader, '--library-path', join(room, 'lib'), join(room, 'opt/node')];
}

/** A Node.js of this one's version that is built for another system; gives the path of a file in its package. */
async function npmNode(name, path) {
  const folder = join(out, `node_modules/node-${name}`);
  const held = existsSync(folder) ? JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version : '';
  if (held !== process.versions.node) {
    if (!existsSync(join(out, 'package.json'))) writeFileSync(join(out, 'package.json'), '{ "private": true }\n');
    const quiet = ['--force', '--no-audit', '--no-fund', '--ignore-scripts']; // --force: it is for another processor
    const words = ['install', ...quiet, '--prefix', out, `node-${name}@${process.versions.node}`];
    await runStep(`Getting Node.js for ${name}`, 'npm', words);
  }
  return join(folder, path);
}
