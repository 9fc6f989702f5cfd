// What the checks of an installation need from outside: npm, packages of its registry, a temporary folder that goes in any case, tarballs.

import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { platformPackageName } from '../dist/lib/loader.js';
import { manifestOf } from './install-registry.mjs';
import { root } from './steps.mjs';

/** npm as a script for node, for environments whose PATH holds nothing else. */
export function npmCommand() {
  const candidates = [process.env.npm_execpath, join(process.execPath, '../../lib/node_modules/npm/bin/npm-cli.js')];
  const cli = candidates.find((path) => path?.endsWith('npm-cli.js') && existsSync(path));
  if (cli) return [process.execPath, cli];
  return [execFileSync('which', ['npm'], { encoding: 'utf8' }).trim()];
}

/** A folder that is removed when this process ends, also by Ctrl-C. */
export function temporaryFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-install-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ]) {
    process.once(signal, () => process.exit(code));
  }
  return folder;
}

/** Packs nodegrad, with options of pack-local.mjs, and gathers its tarballs and those of its run-time dependencies, which come from node_modules, in `vendor`. */
export function packInto(vendor, ...options) {
  const packages = join(root, 'dist-packages');
  rmSync(packages, { recursive: true, force: true });
  execFileSync(process.execPath, [join(root, 'scripts/pack-local.mjs'), ...options], { stdio: 'inherit' });
  mkdirSync(vendor, { recursive: true });
  for (const file of readdirSync(packages)) copyFileSync(join(packages, file), join(vendor, file));
  const [npm, ...before] = npmCommand();
  for (const name of ['bindings', 'file-uri-to-path']) {
    execFileSync(npm, [...before, 'pack', '--ignore-scripts', '--silent', '--pack-destination', vendor], {
      cwd: join(root, 'node_modules', name),
      env: withoutNpmVariables(),
    });
  }
}

/** The tarballs of `folder` as a project's dependencies, without the compiled parts of other platforms. */
export function asDependencies(folder, keep = () => true) {
  const files = readdirSync(folder)
    .filter(keep)
    .map((file) => join(folder, file));
  const here = (name) => !name.startsWith('@nodegrad/') || name === platformPackageName();
  return Object.fromEntries(files.map((file) => [manifestOf(file).name, `file:${file}`]).filter(([name]) => here(name)));
}

/** Installs packages of the npm registry below `folder`; gives the folder of each by what was asked for, without those that do not exist. */
export function fetchPackages(folder, specifications) {
  const wanted = [...new Set(specifications)];
  const alias = (specification) => specification.replace(/[^a-z0-9.]+/gi, '-').replace(/^-/, '');
  const install = (list) => {
    mkdirSync(folder, { recursive: true });
    if (!existsSync(join(folder, 'package.json'))) writeFileSync(join(folder, 'package.json'), '{ "private": true }');
    const [npm, ...before] = npmCommand();
    const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error'];
    const args = [...before, 'install', ...quiet, ...list.map((specification) => `${alias(specification)}@npm:${specification}`)];
    return spawnSync(npm, args, { cwd: folder, env: withoutNpmVariables(), encoding: 'utf8' });
  };
  if (wanted.length > 0 && install(wanted).status !== 0) {
    // One of them cannot be had: the others can.
    for (const specification of wanted) {
      const { status, stderr } = install([specification]);
      if (status !== 0) console.log(`CANNOT BE HAD: ${specification}\n${stderr.trimEnd().replace(/^/gm, '    ')}`);
    }
  }
  const places = wanted.map((specification) => [specification, join(folder, 'node_modules', alias(specification))]);
  return new Map(places.filter(([, place]) => existsSync(join(place, 'package.json'))));
}

/** The environment less what a running npm adds to it, which would steer another npm. */
export function withoutNpmVariables() {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.toLowerCase().startsWith('npm_') || name === 'npm_config_registry'),
  );
}
