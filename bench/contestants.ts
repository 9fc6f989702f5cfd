// Who takes part: the commands, variants and environments of nodegrad and of its rivals.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's root, seen from dist/bench. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

/** One way to do the work of a case. */
export interface Contestant {
  name: string;
  /** `ours` is compared; `beside` is ours too, in another setting; `rival` is who we compare with. */
  role: 'ours' | 'beside' | 'rival';
  /** Program and arguments. */
  command: string[];
  /** Passed to the program in the setup message. */
  variant: string;
  environment: Record<string, string>;
  /** Whether `--quick` runs it. */
  quick: boolean;
  /** Whether its arithmetic is compared with the AVX2 peak of the machine. */
  avx2?: boolean;
}

const python = process.env.NODEGRAD_BENCH_PYTHON ?? 'python3';
const nodeModules = process.env.NODEGRAD_BENCH_NODE_MODULES ?? '';
const nodegradCommand = [process.execPath, join(root, 'dist/bench/nodegrad.js')];
const torchCommand = [python, join(root, 'bench/rivals/torch_rival.py')];
const jaxCommand = [python, join(root, 'bench/rivals/jax_rival.py')];

function ours(name: string, role: 'ours' | 'beside', variant: string, environment: Record<string, string> = {}): Contestant {
  return { name, role, command: nodegradCommand, variant, environment, quick: true };
}

function rival(name: string, command: string[], variant: string, quick = false, environment: Record<string, string> = {}): Contestant {
  return { name, role: 'rival', command, variant, environment, quick };
}

const contestants: Contestant[] = [
  ours('nodegrad', 'ours', 'await'),
  ours('nodegrad sync', 'beside', 'sync'),
  ours('nodegrad eager', 'beside', 'eager'),
  ours('nodegrad fit', 'ours', 'fit'),
  ours('nodegrad many', 'beside', 'many'),
  ours('nodegrad observed', 'beside', 'observed'),
  ours('nodegrad own', 'ours', 'eager', { NODEGRAD_GEMM: 'own' }),
  ours('nodegrad openblas', 'beside', 'eager', { NODEGRAD_GEMM: 'openblas' }),
  ours('nodegrad bfloat16 fma', 'beside', 'eager', { NODEGRAD_BFLOAT16: 'fma' }),
  ours('nodegrad recompute', 'beside', 'recompute'),
  ours('nodegrad direct', 'beside', 'direct'),
  { ...ours('nodegrad avx2', 'beside', 'auto', { NODEGRAD_ISA: 'avx2' }), avx2: true },
  { ...ours('nodegrad avx2 direct', 'beside', 'direct', { NODEGRAD_ISA: 'avx2' }), avx2: true },
  rival('torch eager', torchCommand, 'eager', true),
  rival('torch channels_last', torchCommand, 'channels_last', true),
  rival('torch compile channels_last', torchCommand, 'compile_channels_last'),
  rival('torch eager foreach', torchCommand, 'foreach'),
  rival('torch eager huge pages', torchCommand, 'eager', false, { THP_MEM_ALLOC_ENABLE: '1' }),
  rival('torch compile', torchCommand, 'compile'),
  rival('jax', jaxCommand, 'jit', true),
  rival('jax scan', jaxCommand, 'scan', true),
  rival('tfjs-wasm', [process.execPath, join(root, 'bench/rivals/tfjs_rival.mjs')], 'wasm', false, {
    NODEGRAD_BENCH_NODE_MODULES: nodeModules,
  }),
];

/** The contestant of that name. */
export function contestantNamed(name: string): Contestant {
  const found = contestants.find((contestant) => contestant.name === name);
  if (found === undefined) throw new Error(`no contestant is called '${name}'`);
  return found;
}

const reasons = new Map<string, string>();

function whyNotPython(module: string, install: string): string {
  const probe = spawnSync(python, ['-c', `import importlib.util, sys; sys.exit(0 if importlib.util.find_spec('${module}') else 3)`], {
    encoding: 'utf8',
  });
  if (probe.error !== undefined) return `${python} cannot be run (${probe.error.message}); set NODEGRAD_BENCH_PYTHON`;
  return probe.status === 0 ? '' : `${python} has no module ${module} (${install})`;
}

/** Why the contestant cannot take part on this machine, or an empty string; rivals are optional, so this is said and not thrown. */
export function whyNot(contestant: Contestant): string {
  const key = contestant.command.join(' ');
  let reason = reasons.get(key);
  if (reason !== undefined) return reason;
  if (contestant.command === torchCommand) reason = whyNotPython('torch', 'pip install torch');
  else if (contestant.command === jaxCommand)
    reason = whyNotPython('jax', 'pip install jax optax') || whyNotPython('optax', 'pip install optax');
  else if (contestant.name === 'tfjs-wasm') {
    if (nodeModules === '') reason = 'NODEGRAD_BENCH_NODE_MODULES is not set (see bench/README.md)';
    else if (!existsSync(join(nodeModules, '@tensorflow/tfjs-backend-wasm'))) reason = `no @tensorflow/tfjs-backend-wasm in ${nodeModules}`;
  }
  reason ??= '';
  reasons.set(key, reason);
  return reason;
}
