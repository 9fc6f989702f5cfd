// `npm run test:isa`: the suite under every instruction set and both matrix-product back ends, and under each OpenBLAS that is installed.
// With `-- --fast` only the tests whose results could depend on them; other arguments go to the test runner.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { filesBelow } from './stamps.mjs';
import { root } from './steps.mjs';

// Tests of files, commands, processes and documents: the same under every instruction set, and slow.
const independent = /(architecture|cli|worker|fuzz|loader|idx|safetensors|mnist|digits|download|bootstrap|ulp|golden-training)/;

const flags = process.platform === 'linux' ? (/^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? '').split(' ') : [];
const available = {
  scalar: true,
  avx2: ['avx2', 'fma', 'bmi2'].every((flag) => flags.includes(flag)),
  avx512: ['avx512f', 'avx512dq', 'avx512bw', 'avx512vl'].every((flag) => flags.includes(flag)),
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

const cells = [];
for (const isa of ['scalar', 'avx2', 'avx512']) {
  for (const gemm of ['own', 'openblas']) cells.push({ NODEGRAD_ISA: isa, NODEGRAD_GEMM: gemm });
}
for (const path of openBlasBuilds()) cells.push({ NODEGRAD_GEMM: 'openblas', NODEGRAD_OPENBLAS: path });

const args = process.argv.slice(2).filter((word) => word !== '--fast');
const fast = process.argv.includes('--fast');
const files = filesBelow('test', (path) => path.endsWith('.test.ts') && !independent.test(path));
const results = [];
for (const cell of cells) {
  const name = Object.entries(cell)
    .map(([key, value]) => `${key}=${value}`)
    .join(' ');
  if (available[cell.NODEGRAD_ISA ?? 'scalar'] === false) {
    results.push(`skipped (this CPU cannot)  ${name}`);
    continue;
  }
  console.log(`\n== ${name}`);
  const { status, stdout } = spawnSync(process.execPath, [join(root, 'scripts/test.mjs'), ...(fast ? files : []), ...args], {
    cwd: root,
    env: { ...process.env, ...cell },
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const count = /^\d+ passed, \d+ failed$/m.exec(stdout)?.[0] ?? 'no result';
  console.log(status === 0 ? count : stdout);
  results.push(`${status === 0 ? 'ok    ' : 'FAILED'} ${count.padEnd(24)} ${name}`);
  if (status !== 0) process.exitCode = 1;
}
console.log(`\n${results.join('\n')}`);
