// `npm start` and `npm test` on any machine: finds what is missing, installs packages, builds once, then does the job.
// Uses Node built-ins only, because it runs before there is a node_modules.

import { spawn } from 'node:child_process';
import { existsSync, lstatSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { compiledPath, contentHash, isCurrent, nativeHash, pruneCompiled, typeScriptSources, writeStamp } from './stamps.mjs';
import { root, runStep, StepError, say } from './steps.mjs';
import { ensurePieces, hasOpenBlas } from './system.mjs';

const usage = `usage: node scripts/bootstrap.mjs <start|test|build> [arguments]

  start   builds what is needed, then trains the default model    (npm start -- --help lists its options)
  test    builds what is needed, then runs the test suite         (npm test -- [file or stem ...] [--match 'title*'])
  build   only builds`;

async function main() {
  const [mode, ...args] = process.argv.slice(2);
  if (!['start', 'test', 'build'].includes(mode)) {
    say(usage);
    return 2;
  }
  checkNode();
  await ensureTools();
  await ensurePackages();
  await ensureNative();
  await ensureTypeScript();
  if (mode === 'start') return runJob([join(root, 'dist/lib/cli/main.js'), 'start', ...args]);
  if (mode === 'test') return runJob([join(root, 'scripts/test.mjs'), ...args]);
  return 0;
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  say(`nodegrad needs Node.js 20.19 or newer; this is ${process.version} (${process.execPath}). See https://nodejs.org/en/download`);
  throw new StepError('node');
}

const nativeStamp = 'build/.native-stamp';
const nativeProduct = 'build/Release/nodegrad.node';
// Once a user has been asked for OpenBLAS (or its installation was tried), the next runs only mention it.
const blasStamp = 'build/.openblas-stamp';

async function ensureTools() {
  const wanted = isCurrent(nativeStamp, nativeHash(), [nativeProduct]) ? [] : ['compiler', 'make', 'cmake'];
  if (existsSync(join(root, blasStamp)) && !hasOpenBlas()) say("OpenBLAS is not installed: nodegrad's own matrix kernels serve.");
  else wanted.push('openblas');
  await ensurePieces(wanted);
  if (wanted.includes('openblas') && !hasOpenBlas()) writeStamp(blasStamp, 'missing');
}

async function ensurePackages() {
  if (packagesMatch()) return;
  if (lstatSync(join(root, 'node_modules'), { throwIfNoEntry: false })?.isSymbolicLink()) {
    say('node_modules is a link and differs from package-lock.json; it is used as it is.');
    return;
  }
  const cli = process.env.npm_execpath;
  const [command, before] = cli && basename(cli) === 'npm-cli.js' ? [process.execPath, [cli]] : ['npm', []];
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund', '--progress=false', '--loglevel=http'];
  await runStep('Installing packages (npm ci)', command, [...before, ...args], {
    percent: () => undefined,
    hint: 'npm needs its registry once; behind a proxy see `npm help config`.',
  });
}

/** Whether npm's record of what it installed has every package of the lock file in the same version. */
function packagesMatch() {
  try {
    const read = (path) => JSON.parse(readFileSync(join(root, path), 'utf8')).packages;
    const installed = read('node_modules/.package-lock.json');
    // Optional packages belong to other platforms, mostly.
    return Object.entries(read('package-lock.json')).every(
      ([path, { version, optional }]) => path === '' || optional || installed[path]?.version === version,
    );
  } catch {
    return false;
  }
}

async function ensureNative() {
  const hash = nativeHash();
  if (isCurrent(nativeStamp, hash, [nativeProduct])) return;
  const cache = join(root, 'build/CMakeCache.txt');
  // A cache from another folder (a moved or copied checkout) makes CMake refuse; one that never reached a build is not worth keeping.
  if (existsSync(cache) && !readFileSync(cache, 'utf8').includes(`CMAKE_HOME_DIRECTORY:INTERNAL=${root.replaceAll('\\', '/')}\n`)) {
    for (const entry of ['CMakeCache.txt', 'CMakeFiles', 'build.ninja', 'Makefile', 'Release']) {
      rmSync(join(root, 'build', entry), { recursive: true, force: true });
    }
  }
  rmSync(join(root, nativeStamp), { force: true });
  const cmakeJs = join(root, 'node_modules/cmake-js/bin/cmake-js');
  const compiler = process.env.CXX ? ['--cxx', process.env.CXX, '--cc', process.env.CC ?? process.env.CXX] : [];
  // `build`, not `compile`: the latter throws everything away and starts again when a source has an error.
  await runStep(
    'Building the native part (cmake-js)',
    process.execPath,
    [cmakeJs, 'build', '-p', String(availableParallelism()), ...compiler],
    {
      hint: 'If a tool was upgraded in between, remove the folder build/ and try again.',
    },
  );
  writeStamp(nativeStamp, hash);
}

async function ensureTypeScript() {
  const stamp = 'dist/.stamp';
  const sources = typeScriptSources();
  const products = sources.map(compiledPath);
  const version = JSON.parse(readFileSync(join(root, 'node_modules/typescript/package.json'), 'utf8')).version;
  const hash = contentHash([...sources, 'tsconfig.json', 'package.json'], [version]);
  if (isCurrent(stamp, hash, products)) return;
  rmSync(join(root, stamp), { force: true });
  // tsc trusts its own record of what it wrote, so the record goes when a file it names is gone.
  if (!products.every((product) => existsSync(join(root, product)))) rmSync(join(root, 'dist/.tsbuildinfo'), { force: true });
  await runStep('Compiling TypeScript (tsc)', process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.json']);
  pruneCompiled(sources);
  writeStamp(stamp, hash);
}

/** Runs the job in its own process, with the terminal in its hands, and gives its exit code. */
function runJob(args) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: process.cwd(), stdio: 'inherit' });
    // The terminal sends Ctrl-C to both; the job decides what it means, and this process waits for it.
    process.on('SIGINT', () => {});
    process.on('SIGTERM', () => child.kill('SIGTERM'));
    child.on('error', (error) => {
      say(error.message);
      resolve(1);
    });
    child.on('close', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 1)));
  });
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof StepError)) throw error;
  process.exitCode = 1;
}
