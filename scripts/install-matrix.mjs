// Installs the packed tarballs as users do: package managers × settings of install scripts × versions of Node.js, from a registry on
// loopback and from the files; in each folder first anew, then once more, from the lock file, frozen, rebuilt, and trains after each.

import { spawn } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { delimiter, join } from 'node:path';
import { managers } from './install-managers.mjs';
import { startRegistry } from './install-registry.mjs';
import { asDependencies } from './install-tools.mjs';
import { root } from './steps.mjs';

/** A cell that hangs is red after this long. */
const limit = 300_000;
/** What no output of an installation may say: something was compiled, or wanted to be. */
const compiling = /node-gyp|gyp ERR|cmake|ignored build scripts/i;

/** What a manager may look for in vain: a newer version of itself, and optional peers that nobody asked to install. */
const unneeded = /^(npm|pnpm|yarn|bun|sharp|hyparquet|h5wasm|apache-arrow|pg|@pnpm\/exe|@yarnpkg\/cli-dist|-\/.*|)$/;

/**
 * Fills every cell and prints a line for each, then the table; gives the number of red ones.
 *
 * @param {object} options
 * @param {string} options.folder - An empty folder, which the caller removes.
 * @param {string} options.vendor - The folder of all tarballs: ours and those of the run-time dependencies.
 * @param {Record<string, string>} options.nodes - Programs of Node.js by the name of their column.
 * @param {(name: string) => string} options.home - The folder of a manager's npm package.
 * @param {(row: { manager: string, source: string, scripts: string }) => boolean} options.wants
 */
export async function runMatrix({ folder, vendor, nodes, home, wants = () => true }) {
  // What a project takes from files no registry has. That of other platforms cannot be taken so, and not every manager does without: npm 11 then refuses
  // its own lock file, and yarn stops.
  const taken = Object.values(asDependencies(vendor, isOurs));
  const serves = (file) => !taken.includes(`file:${join(vendor, file)}`);
  const registries = { registry: await startRegistry(vendor), files: await startRegistry(vendor, serves) };
  const rows = rowsOf().filter(wants);
  const results = rows.map(() => ({}));
  const remarks = new Set();
  const total = rows.length * Object.keys(nodes).length;
  let count = 0;
  try {
    for (const [column, node] of Object.entries(nodes)) {
      for (const [at, row] of rows.entries()) {
        const started = performance.now();
        const cell = new Cell({ folder, vendor, registry: registries[row.source], node, row, home: home(row.manager) });
        const problem = await cell.run().catch((error) => error);
        const seconds = (performance.now() - started) / 1000;
        const result = problem === undefined ? `ok ${seconds.toFixed(0)} s` : problem instanceof CannotRun ? 'does not run' : 'FAILED';
        if (problem instanceof CannotRun) remarks.add(`${row.manager} does not run on Node.js ${column}: ${problem.message}`);
        results[at][column] = result;
        count += 1;
        console.log(`[${count}/${total}] Node.js ${column}  ${nameOf(row)}  ${result}`);
        if (result === 'FAILED') console.log(`${problem.message.replace(/^/gm, '    ')}\n`);
        rmSync(cell.app, { recursive: true, force: true });
      }
    }
  } finally {
    for (const { close } of Object.values(registries)) close();
  }
  printTable(rows, Object.keys(nodes), results);
  for (const remark of remarks) console.log(remark);
  const red = results.flatMap((cells) => Object.values(cells)).filter((cell) => cell === 'FAILED').length;
  const green = results.flatMap((cells) => Object.values(cells)).filter((cell) => cell.startsWith('ok')).length;
  console.log(`${total} cells: ${green} green, ${red} red, ${total - green - red} where the manager does not run`);
  return red;
}

/** Every manager with every setting of scripts from a registry, and with its default from the files. */
export function rowsOf() {
  return Object.entries(managers).flatMap(([manager, { scripts }]) => {
    const modes = Object.keys(scripts);
    return [...modes.map((mode) => ({ manager, source: 'registry', scripts: mode })), { manager, source: 'files', scripts: modes[0] }];
  });
}

export const nameOf = ({ manager, source, scripts }) =>
  `${manager}, from ${source === 'files' ? 'the files' : 'a registry'}, scripts ${scripts}`;

const isOurs = (file) => file.startsWith('nodegrad-');

export class CannotRun extends Error {}

/** One folder in which one manager installs. */
export class Cell {
  constructor({ folder, vendor, registry, node, row, home }) {
    this.manager = managers[row.manager];
    this.settings = this.manager.scripts[row.scripts];
    this.entry = join(home, this.manager.entry);
    this.registry = registry;
    this.vendor = vendor;
    this.source = row.source;
    this.bin = join(folder, 'bin');
    this.home = join(folder, 'home');
    this.app = join(folder, 'app');
    this.node = node;
    rmSync(this.app, { recursive: true, force: true });
    makeTools(this.bin, node);
    if (this.manager.native) chmodSync(this.entry, 0o755);
    for (const place of [this.home, this.app]) mkdirSync(place, { recursive: true });
  }

  async run() {
    const { install, frozen, rebuild, exec } = this.manager;
    await this.mustStart();
    this.prepare();
    const deeds = [
      ['install', install],
      ['install once more', install],
      ['install from the lock file', install, 'anew'],
      ['install frozen from the lock file', frozen, 'anew'],
      ['rebuild', rebuild],
    ];
    for (const [name, args, anew] of deeds) {
      if (anew) this.forget();
      const output = await this.manage([...args, ...this.scriptArgs(args)], name);
      if (compiling.test(output)) throw new Error(`${name} speaks of compiling:\n${lastLines(output)}`);
      await this.program('train.mjs', `training after ${name}`);
    }
    const said = await this.manage([...exec, 'nodegrad', 'info', '--json'], 'nodegrad info');
    const facts = JSON.parse(said.slice(said.indexOf('{'), said.lastIndexOf('}') + 1));
    if (!facts.binary.startsWith('platform package')) throw new Error(`nodegrad info says ${said}`);
    await this.program('require.cjs', 'require');
    const asked = this.source === 'registry' ? this.registry.refused.filter((path) => !unneeded.test(path)) : [];
    if (asked.length > 0) throw new Error(`it asked the registry for ${asked.join(', ')}`);
  }

  /** Runs a program of the project as the manager's users do. */
  program(file, what, ...args) {
    return this.call([...(this.manager.node ? this.command(this.manager.node) : [this.node]), file, ...args], what);
  }

  scriptArgs(deed) {
    // `rebuild` has no such flag everywhere, and there is no script that it could run.
    return deed === this.manager.rebuild && deed[0] === 'rebuild' ? [] : this.settings.args;
  }

  /** A manager that does not start on this Node.js says so itself; that is no fault of ours. */
  async mustStart() {
    const { code, output } = await spawned(this.command(['--version']), this.home, this.environment());
    if (code !== 0) throw new CannotRun(output.split('\n').find((line) => /node|version|support/i.test(line)) ?? lastLines(output, 1));
  }

  prepare() {
    for (const name of ['train.mjs', 'require.cjs']) copyFileSync(join(root, 'scripts', `smoke-${name}`), join(this.app, name));
    this.registry.refused.length = 0;
    const dependencies = this.dependencies();
    const manifest = { name: 'app', version: '1.0.0', private: true, type: 'module', dependencies };
    const resolutions = this.source === 'files' && this.manager.resolves ? { resolutions: this.resolutionsOf(dependencies) } : {};
    const extra = this.manager.configure(this.app, { registry: this.registry.url, scripts: this.settings });
    writeFileSync(join(this.app, 'package.json'), `${JSON.stringify({ ...manifest, ...extra, ...resolutions }, null, 2)}\n`);
  }

  dependencies() {
    return this.source === 'files' ? asDependencies(this.vendor, isOurs) : { nodegrad: this.registry.latest('nodegrad') };
  }

  resolutionsOf(dependencies) {
    // For what nodegrad asks for: a resolution of what the project asks for itself makes yarn 1 forget its commands when it installs from the lock file.
    return Object.fromEntries(Object.entries(dependencies).filter(([name]) => name !== 'nodegrad'));
  }

  /** Removes what was installed and keeps the lock file. */
  forget() {
    for (const name of ['node_modules', '.pnp.cjs', '.pnp.loader.mjs', '.yarn']) rmSync(join(this.app, name), { recursive: true, force: true });
    const locks = ['package-lock.json', 'pnpm-lock.yaml', 'yarn.lock', 'bun.lock', 'bun.lockb'];
    if (!locks.some((name) => existsSync(join(this.app, name)))) throw new Error('there is no lock file');
  }

  command(args) {
    return this.manager.native ? [this.entry, ...args] : [this.node, this.entry, ...args];
  }

  manage(args, what) {
    return this.call(this.command(args), what);
  }

  async call(command, what) {
    const { code, output } = await spawned(command, this.app, this.environment());
    if (code !== 0) throw new Error(`${what}: ${command.join(' ')} ended with ${code}\n${lastLines(output)}`);
    return output;
  }

  /** Nothing of the user's: an own home, a PATH with Node.js and the shell's few helpers, no compiler, no OpenBLAS. */
  environment() {
    return {
      PATH: this.bin,
      HOME: this.home,
      LANG: 'C.UTF-8',
      TMPDIR: join(this.home, '..'),
      NODEGRAD_OPENBLAS: '/nonexistent',
      NODEGRAD_NUM_THREADS: String(availableParallelism()),
      NO_UPDATE_NOTIFIER: '1',
      YARN_ENABLE_GLOBAL_CACHE: '1',
    };
  }
}

/** A folder with what the shims of package managers call, and nothing that could build. */
function makeTools(bin, node) {
  mkdirSync(bin, { recursive: true });
  for (const name of ['sh', 'sed', 'dirname', 'basename', 'uname', 'readlink']) {
    const place = (process.env.PATH ?? '').split(delimiter).find((folder) => existsSync(join(folder, name)));
    if (place !== undefined && !existsSync(join(bin, name))) symlinkSync(join(place, name), join(bin, name));
  }
  rmSync(join(bin, 'node'), { force: true });
  symlinkSync(node, join(bin, 'node'));
}

function spawned([program, ...args], cwd, env) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], timeout: limit, killSignal: 'SIGKILL' });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
    child.on('error', (error) => resolve({ code: error.message, output }));
    child.on('close', (code, signal) => resolve({ code: code ?? signal, output }));
  });
}

function lastLines(text, count = 20) {
  return text.trimEnd().split('\n').slice(-count).join('\n');
}

function printTable(rows, columns, results) {
  const lines = [
    ['package manager', 'from', 'scripts', ...columns.map((column) => `Node ${column}`)],
    ...rows.map(({ manager, source, scripts }, at) => [manager, source, scripts, ...columns.map((column) => results[at][column])]),
  ];
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  console.log('');
  for (const line of lines)
    console.log(
      line
        .map((text, column) => text.padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    );
  console.log('');
}
