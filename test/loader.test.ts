// The loader: its order, and errors that name every place tried and the command that helps. Each case runs in its own process.

import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import test from 'ava';
import { expectedAbi, loadBinding, platformPackageName } from '../lib/loader.js';

const compiled = join(dirname(fileURLToPath(import.meta.url)), '..', 'lib');
const repository = join(compiled, '..', '..');

// An installed package in a temporary folder: the loader and what stands beside it, its one dependency, and whatever addons the case writes.
function installation(): string {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-loader-'));
  const modules = join(folder, 'node_modules');
  mkdirSync(join(modules, 'nodegrad', 'dist', 'lib'), { recursive: true });
  for (const name of readdirSync(compiled).filter((file) => file.endsWith('.js')))
    copyFileSync(join(compiled, name), join(modules, 'nodegrad', 'dist', 'lib', name));
  writeFileSync(join(modules, 'nodegrad', 'package.json'), '{ "name": "nodegrad", "version": "9.8.7", "type": "module" }');
  for (const name of ['bindings', 'file-uri-to-path']) {
    mkdirSync(join(modules, name), { recursive: true });
    const main = name === 'bindings' ? 'bindings.js' : 'index.js';
    for (const file of ['package.json', main]) {
      copyFileSync(join(repository, 'node_modules', name, file), join(modules, name, file));
    }
  }
  return folder;
}

function addAddon(folder: string, ...place: string[]): string {
  const path = join(folder, 'node_modules', ...place, 'nodegrad.node');
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, 'not an addon at all');
  return path;
}

interface Answer {
  origin?: string;
  path?: string;
  name?: string;
  code?: string;
  message?: string;
}

// Runs loadBinding in a new process. With `abi` the process pretends that every .node file is an addon with that number.
function load(folder: string, { abi, binary }: { abi?: number; binary?: string } = {}): Answer {
  const url = pathToFileURL(join(folder, 'node_modules', 'nodegrad', 'dist', 'lib', 'loader.js')).href;
  const program = `
    import Module from 'node:module';
    if (${abi !== undefined}) Module._extensions['.node'] = (module) => { module.exports = { abi: ${abi} }; };
    const { loadBinding } = await import(${JSON.stringify(url)});
    try {
      const { origin, path } = loadBinding();
      console.log(JSON.stringify({ origin, path }));
    } catch (error) {
      console.log(JSON.stringify({ name: error.name, code: error.code, message: error.message }));
    }`;
  const { NODEGRAD_BINARY: _, ...environment } = process.env;
  const env = binary === undefined ? environment : { ...environment, NODEGRAD_BINARY: binary };
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { env, encoding: 'utf8' });
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as Answer;
}

test('the addon loads and speaks the interface that lib expects', (t) => {
  const { binding, path, origin } = loadBinding();
  t.is((binding as { abi: number }).abi, expectedAbi);
  t.regex(path, /nodegrad\.node$/);
  t.is(origin, process.env['NODEGRAD_BINARY'] ? 'NODEGRAD_BINARY' : 'local build');
});

test('with nothing installed the error names every place, this machine and the command that helps', (t) => {
  const folder = installation();
  const { name, code, message = '' } = load(folder);
  t.is(name, 'NativeError');
  t.is(code, 'ERR_NATIVE');
  t.regex(message, /NODEGRAD_BINARY: not set/);
  t.true(message.includes(`platform package ${platformPackageName()}: not installed`));
  const local = join('node_modules', 'nodegrad', 'build', 'Release', 'nodegrad.node');
  t.true(message.includes(local) && message.includes('no such file'));
  t.true(message.includes(`${process.platform} ${process.arch}`) && message.includes(process.version) && message.includes('9.8.7'));
  t.regex(message, /npm (install|explore)/);
  rmSync(folder, { recursive: true });
});

test('the error names the prebuilt package for every package manager and the folder to build in, or the folder alone (fault F01)', (t) => {
  const folder = installation();
  const home = join(folder, 'node_modules', 'nodegrad');
  const alone = load(folder).message ?? '';
  t.regex(alone, /no prebuilt package for this platform/);
  t.notRegex(alone, /--save-optional/);
  const name = platformPackageName();
  writeFileSync(
    join(home, 'package.json'),
    JSON.stringify({ name: 'nodegrad', version: '9.8.7', type: 'module', optionalDependencies: { [name]: '9.8.7' } }),
  );
  const { message = '' } = load(folder);
  t.true(message.includes(`npm install --include=optional --save-optional ${name}@9.8.7\n`));
  for (const other of ['pnpm add', 'yarn add', 'bun add']) t.true(message.includes(other));
  for (const text of [alone, message])
    t.regex(text, /^ {2}cd \S*nodegrad"? && npm install --include=dev --no-save --no-package-lock && npm run build:native$/m);
  rmSync(folder, { recursive: true });
});

test('the platform package comes before a local build, and a local release build before a debug build', (t) => {
  const folder = installation();
  const debug = addAddon(folder, 'nodegrad', 'build', 'Debug');
  t.deepEqual(load(folder, { abi: expectedAbi }), { origin: 'local build', path: debug });
  const release = addAddon(folder, 'nodegrad', 'build', 'Release');
  t.deepEqual(load(folder, { abi: expectedAbi }), { origin: 'local build', path: release });
  const [scope = '', name = ''] = platformPackageName().split('/');
  const packaged = addAddon(folder, scope, name);
  t.deepEqual(load(folder, { abi: expectedAbi }), { origin: 'platform package', path: packaged });
  rmSync(folder, { recursive: true });
});

test('NODEGRAD_BINARY comes first, and when it does not load nothing else is tried', (t) => {
  const folder = installation();
  addAddon(folder, 'nodegrad', 'build', 'Release');
  const mine = addAddon(folder, 'mine');
  t.deepEqual(load(folder, { abi: expectedAbi, binary: mine }), { origin: 'NODEGRAD_BINARY', path: mine });
  const { code, message = '' } = load(folder, { abi: expectedAbi, binary: join(folder, 'absent.node') });
  t.is(code, 'ERR_NATIVE');
  t.true(message.includes('absent.node: no such file') && !message.includes('local build'));
  rmSync(folder, { recursive: true });
});

test('a file that is there but cannot be loaded is named with the reason', (t) => {
  const folder = installation();
  addAddon(folder, 'nodegrad', 'build', 'Release');
  const { code, message = '' } = load(folder);
  t.is(code, 'ERR_NATIVE');
  t.regex(message, /local build .*Release.nodegrad\.node: (?!no such file)\S/);
  rmSync(folder, { recursive: true });
});

test('an addon of another version is refused and the error says to rebuild', (t) => {
  const folder = installation();
  addAddon(folder, 'nodegrad', 'build', 'Release');
  const { name, code, message = '' } = load(folder, { abi: expectedAbi + 1 });
  t.is(name, 'NativeError');
  t.is(code, 'ERR_NATIVE');
  t.true(message.includes(`interface number ${expectedAbi}`) && message.includes(`has ${expectedAbi + 1}`));
  t.regex(message, /Rebuild or reinstall/);
  rmSync(folder, { recursive: true });
});
