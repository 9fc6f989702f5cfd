// `npm run smoke`: installs the packed tarballs into an empty folder, without network, compiler or OpenBLAS, and uses them there: the API,
// the command, CommonJS, types. Then one row of each package manager, which `npm run test:install` has in all ways.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';
import { distributedPackageName } from '../dist/lib/distributed/addon.js';
import { outputDifference } from '../dist/test/helpers/expected-output.js';
import { checkBinary } from './check-binary.mjs';
import { checkTypes } from './check-types.mjs';
import { managers } from './install-managers.mjs';
import { runMatrix } from './install-matrix.mjs';
import { asDependencies, fetchPackages, npmCommand, packInto, temporaryFolder } from './install-tools.mjs';
import { root } from './steps.mjs';

/** What else looks at a package, with the words that make it look at a tarball; esm-only: `require` takes the ES module. */
const linters = [
  { specification: 'publint@0.3.25', program: 'src/cli.js', words: ['run', '--strict'] },
  { specification: '@arethetypeswrong/cli@0.18.5', program: 'dist/index.js', words: ['--profile', 'esm-only', '--no-color'] },
];

const folder = temporaryFolder();
const app = join(folder, 'app');
const vendor = join(folder, 'vendor');
const environment = cleanEnvironment();
const npm = npmCommand();
const offline = ['--offline', '--no-audit', '--no-fund'];
packInto(vendor, '--own');
await timed('install', install);
await timed('contents', inspect);
await timed('train', train);
await timed('exports', compareExports);
await timed('examples', runExamples);
await timed('lock file', installFromLock);
await timed('command', useCommand);
await timed('require', () => run([process.execPath, 'require.cjs']));
await timed('several processes', trainInGroup);
const tools = await timed('tools from the npm registry', fetchTools);
await timed('types', compile);
await timed('manifests', lintPackages);
await timed('package managers', installWithEach);
console.log('\nThe tarballs install and work on their own.');

async function timed(name, job) {
  const started = performance.now();
  console.log(`\n== ${name}`);
  const result = await job();
  console.log(`== ${name}: ${((performance.now() - started) / 1000).toFixed(1)} s`);
  return result;
}

/** Only what Node needs: no npm or nodegrad settings, and a PATH that holds node and the shell alone. */
function cleanEnvironment() {
  const bin = join(folder, 'bin');
  mkdirSync(bin, { recursive: true });
  symlinkSync(process.execPath, join(bin, 'node'));
  symlinkSync('/bin/sh', join(bin, 'sh'));
  return { PATH: bin, HOME: folder, LANG: process.env.LANG ?? 'C.UTF-8', TMPDIR: tmpdir(), NO_UPDATE_NOTIFIER: '1' };
}

function install() {
  mkdirSync(app);
  const dependencies = asDependencies(vendor);
  writeFileSync(join(app, 'package.json'), JSON.stringify({ name: 'app', version: '1.0.0', private: true, type: 'module', dependencies }));
  run([...npm, 'install', ...offline]);
  for (const name of ['train.mjs', 'require.cjs']) copyFileSync(join(root, 'scripts', `smoke-${name}`), join(app, name));
}

function train() {
  run([process.execPath, 'train.mjs']);
}

/** The package is a bundle of what was tested: under each public name stands a thing of the same kind, and classes keep their names. */
async function compareExports() {
  const describe = (module) =>
    Object.entries(module).map(([name, value]) => `${name}: ${typeof value}${typeof value === 'function' ? ` ${value.name}` : ''}`);
  const tested = describe(await import(join(root, 'dist/lib/index.js')));
  const list = `console.log(JSON.stringify((${describe})(await import('nodegrad'))))`;
  assert.deepEqual(JSON.parse(run([process.execPath, '--input-type=module', '-e', list], { capture: true })), tested);
  console.log(`${tested.length} names`);
}

/** The programs of the package, from where a user copies them to, print what they should. */
function runExamples() {
  cpSync(join(app, 'node_modules/nodegrad/examples'), join(app, 'examples'), { recursive: true });
  for (const [name, times] of Object.entries({ digits: [['1200', '2']], custom: [[]], fruit: [[], ['length=18']] })) {
    const program = runnable(join(app, 'examples', name));
    const printed = times.map((given) => run([process.execPath, program, ...given], { capture: true })).join('');
    const difference = outputDifference(readFileSync(join(root, 'examples/expected', `${name}.txt`), 'utf8'), printed);
    if (difference !== null) throw new Error(`examples/${name}.ts: ${difference}`);
    console.log(`examples/${name}.ts prints what it should`);
  }
}

/** A program as this Node.js reads it: with its types where it takes them off by itself, else without. */
function runnable(path) {
  if (process.features.typescript) return `${path}.ts`;
  const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, verbatimModuleSyntax: true };
  writeFileSync(`${path}.mjs`, ts.transpileModule(readFileSync(`${path}.ts`, 'utf8'), { compilerOptions }).outputText);
  return `${path}.mjs`;
}

/** What a second person does, and a deployment; install scripts are on. */
function installFromLock() {
  for (const words of [['install'], ['ci'], ['rebuild']]) {
    if (words[0] !== 'rebuild') rmSync(join(app, 'node_modules'), { recursive: true });
    run([...npm, ...words, ...offline]);
    train();
  }
}

function inspect() {
  const modules = join(app, 'node_modules');
  const manifest = JSON.parse(readFileSync(join(modules, 'nodegrad/package.json'), 'utf8'));
  const hooks = ['preinstall', 'install', 'postinstall'].filter((name) => name in (manifest.scripts ?? {}));
  if (hooks.length > 0) throw new Error('nodegrad must run nothing on install');
  const strays = ['test', 'bench', 'dist/test', 'dist/bench', 'build', 'binding.gyp'].filter((name) =>
    existsSync(join(modules, 'nodegrad', name)),
  );
  if (strays.length > 0) throw new Error(`the main tarball holds ${strays.join(', ')}`);
  const found = readdirSync(join(modules, '@nodegrad'));
  const { glibc, libraries } = checkBinary(join(modules, '@nodegrad', found[0], 'nodegrad.node'));
  console.log(`nodegrad.node needs glibc ${glibc} or newer (a release build 2.28 at most) and ${libraries.join(', ')}`);
}

/** Beside nodegrad, the package for training in several processes; it is packed from a release build. */
function trainInGroup() {
  const tarball = readdirSync(vendor).find((name) => name.startsWith(distributedPackageName().replace('@', '').replace('/', '-')));
  if (tarball === undefined) return console.log(`left out: build:platform has not made ${distributedPackageName()}`);
  run([...npm, 'install', ...offline, join(vendor, tarball)]);
  copyFileSync(join(root, 'scripts/smoke-group.mjs'), join(app, 'group.mjs'));
  // Not by run(): where it can, it takes the loopback network away as well.
  const { status } = spawnSync(process.execPath, ['group.mjs'], { cwd: app, env: environment, stdio: 'inherit' });
  if (status !== 0) throw new Error('two processes could not train together');
}

/** `nodegrad` as npx and as the file in .bin find it. */
function useCommand() {
  console.log(run([...npm, 'exec', '--offline', '--', 'nodegrad', 'info'], { capture: true }));
  const words = ['train', '--data', 'digits', '--epochs', '1', '--seed', '2', '--run-dir', 'run', '--json'];
  const result = JSON.parse(run([join(app, 'node_modules/.bin/nodegrad'), ...words], { capture: true }));
  console.log(`${result.outcome}: accuracy ${result.test.accuracy} after one epoch, ${result.seconds.toFixed(1)} s`);
  assert.equal(result.outcome, 'completed');
  assert.ok(result.test.accuracy > 0.7);
  const weights = join('run', 'model.safetensors');
  const scores = JSON.parse(run([join(app, 'node_modules/.bin/nodegrad'), 'evaluate', weights, '--json'], { capture: true }));
  assert.equal(scores.accuracy, result.test.accuracy);
  useEveryCommand(weights);
}

/** The other commands, each once: some of what they import is imported only then. */
function useEveryCommand(weights) {
  const use = (...words) => run([join(app, 'node_modules/.bin/nodegrad'), ...words], { capture: true });
  const rows = Array.from({ length: 60 }, (_, i) => `${(i * 7) % 13},${['north', 'south'][i % 2]},${((i * 7) % 13) * 10 + (i % 2)}`);
  writeFileSync(join(app, 'table.csv'), `area,place,price\n${rows.join('\n')}\n`);
  const search = 'data: table.csv\ntarget: price\nepochs: 1\nsearch:\n  lr: { log-uniform: [1e-3, 1e-2] }\ntrials: 2\nseed: 1\n';
  writeFileSync(join(app, 'search.yaml'), search);
  writeFileSync(join(app, 'rank.mjs'), "console.log('rank', process.env.NODEGRAD_RANK);\n");
  use('train', '--data', 'table.csv', '--target', 'price', '--epochs', '1', '--run-dir', 'table', '--report');
  const commands = [
    [/best +/, 'search', 'search.yaml', '--run-dir', 'study'],
    [/^price\n/, 'predict', join('table', 'model.safetensors'), '--data', 'table.csv'],
    [/^report: /, 'report', 'table'],
    [/^<svg/, 'plot', weights],
    [/digits\.onnx/, 'export', weights, 'digits.onnx'],
    [/rank 1/, 'launch', '--processes', '2', 'rank.mjs'],
    [/handwritten-like digits/, 'data'],
    [/What first weights do/, 'experiment'],
    [/shape/, 'explain', 'ERR_SHAPE'],
  ];
  for (const [expected, ...words] of commands) {
    assert.match(use(...words), expected, words.join(' '));
    console.log(`nodegrad ${words[0]} works`);
  }
}

/** TypeScript's own view of the package, from the oldest version that is promised and from the newest. */
function compile() {
  const own = join(root, 'node_modules/typescript');
  const compilers = { 5.4: tools.get('typescript@5.4'), [JSON.parse(readFileSync(join(own, 'package.json'), 'utf8')).version]: own };
  if (checkTypes(app, compilers) > 0) throw new Error('the declarations do not compile everywhere');
}

function lintPackages() {
  const [main, ...platforms] = readdirSync(vendor)
    .filter((file) => file.startsWith('nodegrad-'))
    .sort((a, b) => a.length - b.length);
  for (const { specification, program, words } of linters) {
    for (const file of specification.startsWith('publint') ? [main, ...platforms] : [main]) {
      const args = [join(tools.get(specification), program), ...words, join(vendor, file)];
      const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });
      console.log(`${specification} on ${file}\n${stdout.trim().replace(/^/gm, '    ')}`);
      if (status !== 0 || /suggestion|warning/i.test(stdout)) throw new Error(`${specification} finds fault with ${file}\n${stderr}`);
    }
  }
}

function fetchTools() {
  const wanted = [
    ...Object.values(managers).map((manager) => manager.package),
    'typescript@5.4',
    ...linters.map(({ specification }) => specification),
  ];
  const found = fetchPackages(join(folder, 'tools'), wanted);
  const missing = wanted.filter((specification) => !found.has(specification));
  if (missing.length > 0) throw new Error(`the npm registry did not give ${missing.join(', ')}`);
  return found;
}

/** Each manager with its usual settings, from a registry. */
async function installWithEach() {
  const wants = ({ manager, source, scripts }) => source === 'registry' && scripts === Object.keys(managers[manager].scripts)[0];
  const home = (name) => tools.get(managers[name].package);
  const red = await runMatrix({ folder: join(folder, 'each'), vendor, nodes: { [process.version]: process.execPath }, home, wants });
  if (red > 0) throw new Error('nodegrad does not install with every package manager');
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
