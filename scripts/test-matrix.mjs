// `npm run test:isa`: the suite under every instruction set and both matrix-product back ends, and under each OpenBLAS that is installed.
// With `-- --fast` only the tests whose results could depend on them, in fewer combinations; other arguments go to the test runner.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { computingTests } from './computing-tests.mjs';
import { root } from './steps.mjs';

// Where OpenBLAS could change a result that the other tests do not see.
const withProducts = /\/(golden|ops)\/|\/linear\.test/;

const flags = process.platform === 'linux' ? (/^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? '').split(' ') : [];
const available = {
  scalar: true,
  avx2: ['avx2', 'fma', 'bmi2'].every((flag) => flags.includes(flag)),
  avx512: ['avx512f', 'avx512dq', 'avx512bw', 'avx512vl'].every((flag) => flags.includes(flag)),
  neon: process.arch === 'arm64',
};

/** Other builds of OpenBLAS on this machine (Debian keeps them side by side). */
function openBlasBuilds() {
  const folder = '/usr/lib/x86_64-linux-gnu';
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.startsWith('openblas-'))
    .map((name) => join(folder, name, 'libopenblas.so.0'))
    .filter((path) => existsSync(path));
}

/** What the addon says of itself under `env`. */
function facts(env) {
  const program = "import('./dist/lib/index.js').then(({ info }) => console.log(JSON.stringify(info())))";
  const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', program], { cwd: root, env, encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

/** A cell that silently computes with something else proves nothing: why it does not do what it says, or undefined. */
function whyNot(cell, env) {
  const { isa, gemm, blas } = facts(env);
  if (cell.NODEGRAD_ISA && isa !== cell.NODEGRAD_ISA) return `the instruction set in use is ${isa}`;
  if (gemm !== cell.NODEGRAD_GEMM) return `the matrix product in use is ${gemm}`;
  if (cell.NODEGRAD_GEMM !== 'openblas') return undefined;
  if (!blas.available) return `OpenBLAS is not available: ${blas.problem}`;
  const wanted = cell.NODEGRAD_OPENBLAS;
  if (wanted && realpathSync(blas.path) !== realpathSync(wanted)) return `the OpenBLAS in use is ${blas.path}`;
  return undefined;
}

const fast = process.argv.includes('--fast');
const builds = openBlasBuilds();
const hasOpenBlas = builds.length > 0 || facts({ ...process.env, NODEGRAD_GEMM: 'openblas' }).blas.available;
const results = hasOpenBlas ? [] : ['skipped (no OpenBLAS here)  NODEGRAD_GEMM=openblas'];
const cells = [];
const usual = facts(process.env).isa; // `npm test` has run it
for (const isa of ['scalar', 'avx2', 'avx512', 'neon']) {
  if (fast && isa === usual) continue;
  cells.push({ NODEGRAD_ISA: isa, NODEGRAD_GEMM: 'own' });
  if (!fast && hasOpenBlas) cells.push({ NODEGRAD_ISA: isa, NODEGRAD_GEMM: 'openblas' });
}
for (const path of builds) cells.push({ NODEGRAD_GEMM: 'openblas', NODEGRAD_OPENBLAS: path });
if (fast && hasOpenBlas && builds.length === 0) cells.push({ NODEGRAD_GEMM: 'openblas' });

const args = process.argv.slice(2).filter((word) => word !== '--fast');
const files = computingTests();
for (const cell of cells) {
  const name = Object.entries(cell)
    .map(([key, value]) => `${key}=${value}`)
    .join(' ');
  if (available[cell.NODEGRAD_ISA ?? 'scalar'] === false) {
    results.push(`skipped (this CPU cannot)  ${name}`);
    continue;
  }
  console.log(`\n== ${name}`);
  const started = performance.now();
  const env = { ...process.env, ...cell };
  const obstacle = whyNot(cell, env);
  if (obstacle !== undefined) {
    console.log(obstacle);
    results.push(`FAILED ${obstacle}  ${name}`);
    process.exitCode = 1;
    continue;
  }
  const own = cell.NODEGRAD_GEMM === 'own' ? files : files.filter((path) => withProducts.test(path));
  const { status, stdout } = spawnSync(process.execPath, [join(root, 'scripts/test.mjs'), ...(fast ? own : []), ...args], {
    cwd: root,
    env,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const count = /^\d+ passed, \d+ failed$/m.exec(stdout)?.[0] ?? 'no result';
  console.log(status === 0 ? count : stdout);
  const seconds = `${((performance.now() - started) / 1000).toFixed(0)} s`;
  results.push(`${status === 0 ? 'ok    ' : 'FAILED'} ${count.padEnd(24)} ${seconds.padStart(6)}  ${name}`);
  if (status !== 0) process.exitCode = 1;
}
console.log(`\n${results.join('\n')}`);
