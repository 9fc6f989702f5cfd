// The environment that every contestant gets, and the description of the machine that the results page opens with.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { familyOf } from './families.js';

/**
 * Variables that change the speed of a contestant without a word. A shell may carry them (some machines set `OPENBLAS_CORETYPE` for
 * everybody, which halves OpenBLAS), so all of them go, for everybody, and what a contestant needs is then set in the open.
 */
const dropped =
  /^(OPENBLAS|MKL|ONEDNN|DNNL|OMP|KMP|GOMP|ATEN|GOTO|BLIS|XLA|JAX|TF|TORCH|TORCHINDUCTOR|TORCHDYNAMO|PYTORCH|THP|MALLOC|NODEGRAD|UV)_|^(LD_PRELOAD|GLIBC_TUNABLES|NODE_OPTIONS|PYTHONOPTIMIZE|PYTHONMALLOC|VECLIB_MAXIMUM_THREADS|NUMEXPR_NUM_THREADS)$/;

/** The process environment without those variables, with one thread count for every library, and with `extra` on top. */
export function cleanedEnvironment(threads: number, extra: Record<string, string> = {}): NodeJS.ProcessEnv {
  const environment: NodeJS.ProcessEnv = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (!dropped.test(name)) environment[name] = value;
  }
  for (const name of ['OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'NODEGRAD_NUM_THREADS'])
    environment[name] = String(threads);
  // No graphics processor takes part, whatever the machine has.
  return { ...environment, JAX_PLATFORMS: 'cpu', CUDA_VISIBLE_DEVICES: '', TF_CPP_MIN_LOG_LEVEL: '2', ...extra };
}

/** Names of the variables that `cleanedEnvironment` takes out of this process's environment, for the record. */
export function droppedVariables(): string[] {
  return Object.keys(process.env)
    .filter((name) => dropped.test(name) && !name.startsWith('NODEGRAD_BENCH_'))
    .sort();
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

/** The CPUs that this process may use, as numbers; all of them where the system does not say. */
export function allowedCpus(): number[] {
  const list = /Cpus_allowed_list:\s*(\S+)/.exec(read('/proc/self/status'))?.[1];
  if (list === undefined) return cpus().map((_, index) => index);
  return list.split(',').flatMap((range) => {
    const [first, last] = range.split('-').map(Number);
    return Array.from({ length: (last ?? first) - first + 1 }, (_, index) => first + index);
  });
}

/** Seconds that the CPUs of this machine have been busy or stolen by the host since it started; NaN where the system does not say. */
export function busySeconds(): number {
  const ticks = /^cpu +(.*)$/m.exec(read('/proc/stat'))?.[1].split(' ').map(Number);
  if (ticks === undefined) return Number.NaN;
  const [user, nice, system, , , interrupt, softInterrupt, steal] = ticks;
  return (user + nice + system + interrupt + softInterrupt + steal) / 100;
}

/** The family of this machine's processor. */
export function processorFamily(): string {
  const cpu = read('/proc/cpuinfo');
  const field = (name: string): string | undefined => new RegExp(`^${name}\\s*:\\s*(.*)$`, 'm').exec(cpu)?.[1];
  return familyOf({
    maker: field('vendor_id') ?? cpus()[0]?.model ?? process.arch,
    family: Number(field('cpu family')),
    model: Number(field('model')),
    flags: (field('flags') ?? '').split(' '),
  });
}

/** Pairs of name and value that describe the machine; nothing in them identifies it. */
export function machineDescription(): [string, string][] {
  const cpu = read('/proc/cpuinfo');
  const field = (name: string): string => new RegExp(`^${name}\\s*:\\s*(.*)$`, 'm').exec(cpu)?.[1] ?? '?';
  const flags = field('flags').split(' ');
  const features = ['avx2', 'fma', 'avx512f', 'avx512_bf16', 'amx_tile'].filter((flag) => flags.includes(flag));
  const caches: string[] = [];
  for (let index = 0; index < 5; index++) {
    const folder = `/sys/devices/system/cpu/cpu0/cache/index${index}`;
    const level = read(`${folder}/level`);
    if (level !== '' && read(`${folder}/type`) !== 'Instruction') caches.push(`L${level} ${read(`${folder}/size`)}`);
  }
  return [
    ['CPU', `${cpus()[0]?.model ?? '?'} (family ${field('cpu family')}, model ${field('model')}), ${features.join(' ')}`],
    ['CPUs in use', `${allowedCpus().length} of ${cpus().length}`],
    ['Caches', caches.join(', ') || '?'],
    ['Virtual machine', flags.includes('hypervisor') ? 'yes' : 'no'],
    [
      'Memory',
      `${Math.round(totalmem() / 2 ** 30)} GiB, transparent huge pages ${/\[(\w+)\]/.exec(read('/sys/kernel/mm/transparent_hugepage/enabled'))?.[1] ?? '?'}`,
    ],
    ['Kernel', `${process.platform} ${release()}`],
    ['Node.js', process.version],
    ['Variables removed for every contestant', droppedVariables().join(', ') || 'none were set'],
  ];
}

/** The commit that is measured, with a mark where files were changed since; `?` outside a repository. */
export function commit(root: string): string {
  try {
    const git = (...args: string[]): string =>
      execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    const hash = git('rev-parse', '--short', 'HEAD');
    const changes = git('status', '--porcelain', '--untracked-files=no');
    return changes === '' ? hash : `${hash} with changes`;
  } catch {
    return '?';
  }
}
