// `npm run smoke`: installs the packed tarballs into an empty folder, without scripts, network, compiler or OpenBLAS, and uses them there:
// the API, the command, CommonJS, types.

import assert from 'node:assert/strict';
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
const app = join(folder, 'app');
const environment = cleanEnvironment();
const npm = npmCommand();
try {
  await timed('install', install);
  await timed('contents', inspect);
  await timed('train', () => run([process.execPath, 'train.mjs']));
  await timed('command', useCommand);
  await timed('require', () => run([process.execPath, 'require.cjs']));
  await timed('types', checkTypes);
  console.log('\nThe tarballs install and work on their own.');
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function timed(name, job) {
  const started = performance.now();
  console.log(`\n== ${name}`);
  await job();
  console.log(`== ${name}: ${((performance.now() - started) / 1000).toFixed(1)} s`);
}

/** Only what Node needs: no npm or nodegrad settings, and a PATH that holds node and the shell alone. */
function cleanEnvironment() {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  symlinkSync(process.execPath, join(bin, 'node'));
  symlinkSync('/bin/sh', join(bin, 'sh'));
  return { PATH: bin, HOME: folder, LANG: process.env.LANG ?? 'C.UTF-8', TMPDIR: tmpdir(), NO_UPDATE_NOTIFIER: '1' };
}

function install() {
  const vendor = join(folder, 'vendor');
  mkdirSync(vendor);
  for (const file of readdirSync(packages)) copyFileSync(join(packages, file), join(vendor, file));
  // The run-time dependencies are packed from node_modules, so that the installation needs no registry.
  for (const name of ['bindings', 'file-uri-to-path', 'commander']) {
    execFileSync(npm[0], [...npm.slice(1), 'pack', '--ignore-scripts', '--silent', '--pack-destination', vendor], {
      cwd: join(root, 'node_modules', name),
      env: { ...environment, PATH: process.env.PATH },
    });
  }
  mkdirSync(app);
  const dependencies = Object.fromEntries(readdirSync(vendor).map((file) => [packageName(join(vendor, file)), `file:../vendor/${file}`]));
  writeFileSync(join(app, 'package.json'), JSON.stringify({ name: 'app', version: '1.0.0', private: true, type: 'module', dependencies }));
  run([...npm, 'install', '--ignore-scripts', '--offline', '--no-audit', '--no-fund']);
  for (const name of ['train.mjs', 'require.cjs', 'types.ts']) copyFileSync(join(root, 'scripts', `smoke-${name}`), join(app, name));
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
  const modules = join(app, 'node_modules');
  const manifest = JSON.parse(readFileSync(join(modules, 'nodegrad/package.json'), 'utf8'));
  const hooks = ['preinstall', 'install', 'postinstall'].filter((name) => name in (manifest.scripts ?? {}));
  if (hooks.length > 0 || manifest.gypfile !== false) throw new Error('nodegrad must run nothing on install');
  const strays = ['test', 'bench', 'dist/test', 'dist/bench', 'build'].filter((name) => existsSync(join(modules, 'nodegrad', name)));
  if (strays.length > 0) throw new Error(`the main tarball holds ${strays.join(', ')}`);
  const found = readdirSync(join(modules, '@nodegrad'));
  const { glibc, libraries } = checkBinary(join(modules, '@nodegrad', found[0], 'nodegrad.node'));
  console.log(`nodegrad.node needs glibc ${glibc} or newer (release builds aim at 2.28) and ${libraries.join(', ')}`);
}

/** `nodegrad` as npx and as the file in .bin find it. */
function useCommand() {
  console.log(run([...npm, 'exec', '--offline', '--', 'nodegrad', 'info'], { capture: true }));
  const words = ['train', '--data', 'digits', '--epochs', '1', '--seed', '2', '--out', 'run', '--json'];
  const result = JSON.parse(run([join(app, 'node_modules/.bin/nodegrad'), ...words], { capture: true }));
  console.log(`${result.outcome}: accuracy ${result.test.accuracy} after one epoch, ${result.seconds.toFixed(1)} s`);
  assert.equal(result.outcome, 'completed');
  assert.ok(result.test.accuracy > 0.7);
  const weights = join('run', 'model.safetensors');
  const scores = JSON.parse(run([join(app, 'node_modules/.bin/nodegrad'), 'evaluate', weights, '--json'], { capture: true }));
  assert.equal(scores.accuracy, result.test.accuracy);
}

/** TypeScript's own view of the package, with its declarations checked too; Node's types are a user's only extra. */
function checkTypes() {
  mkdirSync(join(app, 'node_modules/@types'), { recursive: true });
  symlinkSync(join(root, 'node_modules/@types/node'), join(app, 'node_modules/@types/node'));
  copyFileSync(join(app, 'types.ts'), join(app, 'types-commonjs.cts'));
  const kinds = [
    { module: 'NodeNext', moduleResolution: 'NodeNext', files: ['types.ts', 'types-commonjs.cts'] },
    { module: 'ESNext', moduleResolution: 'Bundler', files: ['types.ts'] },
  ];
  for (const { files, ...resolution } of kinds) {
    const compilerOptions = { ...resolution, target: 'ES2022', strict: true, noEmit: true, skipLibCheck: false, types: ['node'] };
    writeFileSync(join(app, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
    run([process.execPath, join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.json']);
    console.log(`types resolve with moduleResolution ${resolution.moduleResolution}`);
  }
}

/**
 * Runs a command in the folder of the installation. As root it has no network and OpenBLAS is hidden for real, in namespaces of the
 * process; otherwise OpenBLAS's place is pointed elsewhere.
 */
function run(command, { capture = false } = {}) {
  const hide =
    'for d in /usr/lib/*/openblas-* /usr/lib64/openblas*; do [ -d "$d" ] && mount -t tmpfs none "$d"; done; PATH=$1; shift; exec "$@"';
  const canHide = process.getuid?.() === 0 && spawnSync('unshare', ['-mn', 'true']).status === 0;
  const [program, args] = canHide
    ? ['unshare', ['-mn', '/bin/sh', '-c', hide, 'sh', environment.PATH, ...command]]
    : [command[0], command.slice(1)];
  const env = canHide
    ? { ...environment, PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' }
    : { ...environment, NODEGRAD_OPENBLAS: '/nonexistent' };
  const stdio = ['ignore', capture ? 'pipe' : 'inherit', 'inherit'];
  const { status, signal, stdout } = spawnSync(program, args, { cwd: app, env, stdio, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command.join(' ')} ended with ${signal ?? `exit code ${status}`}\n${stdout ?? ''}`);
  return stdout;
}
