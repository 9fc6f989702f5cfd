// `npm run smoke`: installs the packed tarballs into an empty folder, without scripts, network, compiler or OpenBLAS, and trains.

import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkBinary } from './check-binary.mjs';
import { root } from './steps.mjs';

const packages = join(root, 'dist-packages');
rmSync(packages, { recursive: true, force: true });
execFileSync(process.execPath, [join(root, 'scripts/pack-local.mjs')], { stdio: 'inherit' });

const folder = mkdtempSync(join(tmpdir(), 'nodegrad-smoke-'));
const environment = cleanEnvironment();
try {
  install();
  inspect();
  train();
  console.log('\nThe tarballs install and train on their own.');
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Only what Node needs: no npm or nodegrad settings, and a PATH that holds node alone. */
function cleanEnvironment() {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  symlinkSync(process.execPath, join(bin, 'node'));
  return { PATH: bin, HOME: folder, LANG: process.env.LANG ?? 'C.UTF-8', TMPDIR: tmpdir() };
}

function install() {
  const vendor = join(folder, 'vendor');
  mkdirSync(vendor);
  for (const file of readdirSync(packages)) copyFileSync(join(packages, file), join(vendor, file));
  // The run-time dependencies are packed from node_modules, so that the installation needs no registry.
  const npm = npmCommand();
  for (const name of ['bindings', 'file-uri-to-path', 'commander']) {
    execFileSync(npm[0], [...npm.slice(1), 'pack', '--ignore-scripts', '--silent', '--pack-destination', vendor], {
      cwd: join(root, 'node_modules', name),
      env: { ...environment, PATH: process.env.PATH },
    });
  }
  const app = join(folder, 'app');
  mkdirSync(app);
  const dependencies = Object.fromEntries(readdirSync(vendor).map((file) => [packageName(join(vendor, file)), `file:../vendor/${file}`]));
  writeFileSync(join(app, 'package.json'), JSON.stringify({ name: 'app', version: '1.0.0', private: true, type: 'module', dependencies }));
  execFileSync(npm[0], [...npm.slice(1), 'install', '--ignore-scripts', '--offline', '--no-audit', '--no-fund'], {
    cwd: app,
    env: environment,
    stdio: 'inherit',
  });
  copyFileSync(join(root, 'scripts/smoke-train.mjs'), join(app, 'train.mjs'));
}

/** npm as a script for node, since the PATH that it is given holds nothing else. */
function npmCommand() {
  const candidates = [process.env.npm_execpath, join(process.execPath, '../../lib/node_modules/npm/bin/npm-cli.js')];
  const cli = candidates.find((path) => path?.endsWith('npm-cli.js') && existsSync(path));
  if (cli) return [process.execPath, cli];
  return [execFileSync('which', ['npm'], { encoding: 'utf8' }).trim()];
}

function packageName(tarball) {
  return JSON.parse(execFileSync('tar', ['-xzOf', tarball, 'package/package.json'], { encoding: 'utf8' })).name;
}

function inspect() {
  const modules = join(folder, 'app/node_modules');
  const manifest = JSON.parse(readFileSync(join(modules, 'nodegrad/package.json'), 'utf8'));
  const hooks = ['preinstall', 'install', 'postinstall'].filter((name) => name in (manifest.scripts ?? {}));
  if (hooks.length > 0 || manifest.gypfile !== false) throw new Error('nodegrad must run nothing on install');
  const strays = ['test', 'bench', 'dist/test', 'dist/bench', 'build'].filter((name) => existsSync(join(modules, 'nodegrad', name)));
  if (strays.length > 0) throw new Error(`the main tarball holds ${strays.join(', ')}`);
  const found = readdirSync(join(modules, '@nodegrad'));
  const { glibc, libraries } = checkBinary(join(modules, '@nodegrad', found[0], 'nodegrad.node'));
  console.log(`nodegrad.node needs glibc ${glibc} or newer (release builds aim at 2.28) and ${libraries.join(', ')}`);
}

function train() {
  const app = join(folder, 'app');
  const command = [process.execPath, 'train.mjs'];
  // As root OpenBLAS is hidden for real, in a mount namespace of this process; otherwise its place is pointed elsewhere.
  const hide =
    'for d in /usr/lib/*/openblas-* /usr/lib64/openblas*; do [ -d "$d" ] && mount -t tmpfs none "$d"; done; PATH=$1; shift; exec "$@"';
  const canHide = process.getuid?.() === 0 && spawnSync('unshare', ['-m', 'true']).status === 0;
  const [program, args] = canHide
    ? ['unshare', ['-m', '/bin/sh', '-c', hide, 'sh', environment.PATH, ...command]]
    : [command[0], command.slice(1)];
  const env = canHide
    ? { ...environment, PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' }
    : { ...environment, NODEGRAD_OPENBLAS: '/nonexistent' };
  const { status } = spawnSync(program, args, { cwd: app, env, stdio: 'inherit' });
  if (status !== 0) throw new Error(`training from the tarballs failed with exit code ${status}`);
}
