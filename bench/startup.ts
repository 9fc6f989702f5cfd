// `node dist/bench/startup.js`: from nothing to the end of the first training step of a small perceptron, of the installed package and of its rivals.
// Each round starts every program anew, one after the other; what the first round reads into the system's file cache is there for all others.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { cleanedEnvironment } from './environment.js';
import { median, minimum } from './statistics.js';

const usage = `Usage: node dist/bench/startup.js [--rounds n]      (default 10)
Environment: NODEGRAD_BENCH_PYTHON (a Python with torch, jax, optax), NODEGRAD_BENCH_NODE_MODULES (a node_modules with @tensorflow/tfjs).`;

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const python = process.env.NODEGRAD_BENCH_PYTHON ?? 'python3';
const nodeModules = process.env.NODEGRAD_BENCH_NODE_MODULES ?? '';

// 784-64-10, 32 examples, SGD: the program prints the milliseconds from before its import to after its step.
const nodegrad = `
const start = performance.now();
const { Linear, ReLU, SGD, Sequential, crossEntropy, ones, zeros } = await import('nodegrad');
const model = new Sequential([new Linear(784, 64), new ReLU(), new Linear(64, 10)]);
const optimizer = new SGD(model, { lr: 0.1 });
const loss = crossEntropy(model.forward(ones([32, 784])), zeros([32], { dtype: 'int32' }));
loss.backward();
optimizer.step();
console.log(performance.now() - start);
`;
const tfjs = `
const start = performance.now();
const { default: tf } = await import('@tensorflow/tfjs');
const model = tf.sequential({ layers: [tf.layers.dense({ units: 64, inputShape: [784], activation: 'relu' }), tf.layers.dense({ units: 10 })] });
model.compile({ optimizer: tf.train.sgd(0.1), loss: (y, z) => tf.losses.softmaxCrossEntropy(y, z) });
await model.trainOnBatch(tf.ones([32, 784]), tf.oneHot(tf.zeros([32], 'int32'), 10));
console.log(performance.now() - start);
`;
const torch = `
import time
start = time.perf_counter()
import torch
from torch import nn
model = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loss = nn.functional.cross_entropy(model(torch.ones(32, 784)), torch.zeros(32, dtype=torch.long))
loss.backward()
optimizer.step()
print((time.perf_counter() - start) * 1e3)
`;
// Eagerly, like the others: compiling by jax.jit takes longer than it saves in one step.
const jax = `
import time
start = time.perf_counter()
import jax, jax.numpy as jnp
import optax
w1, w2 = jnp.full((784, 64), 0.01), jnp.full((64, 10), 0.01)
def loss(w):
    z = jax.nn.relu(jnp.ones((32, 784)) @ w[0]) @ w[1]
    return optax.softmax_cross_entropy_with_integer_labels(z, jnp.zeros(32, dtype=jnp.int32)).mean()
optimizer = optax.sgd(0.1)
state = optimizer.init((w1, w2))
updates, state = optimizer.update(jax.grad(loss)((w1, w2)), state)
jax.block_until_ready(optax.apply_updates((w1, w2), updates))
print((time.perf_counter() - start) * 1e3)
`;

interface Program {
  readonly name: string;
  readonly command: readonly string[];
  readonly folder: string;
}

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '10' }, help: { type: 'boolean', default: false } } });
if (values.help) console.log(usage);
else measure(Math.max(1, Number(values.rounds) || 10));

function measure(rounds: number): void {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-startup-'));
  try {
    const programs = [installed(folder), ...rivals()];
    const seen = new Map(programs.map(({ name }) => [name, { inside: [] as number[], whole: [] as number[] }]));
    for (let round = 0; round <= rounds; round++) {
      for (const { name, command, folder: cwd } of programs) {
        const start = performance.now();
        const { status, stdout, stderr } = spawnSync(command[0], command.slice(1), { cwd, env: cleanedEnvironment(2), encoding: 'utf8' });
        const whole = performance.now() - start;
        if (status !== 0) throw new Error(`${name} failed:\n${stderr}`);
        if (round === 0) continue; // the file cache fills
        seen.get(name)?.whole.push(whole);
        seen.get(name)?.inside.push(Number(stdout.trim().split('\n').at(-1)));
      }
    }
    console.log(`| ${rounds} rounds | import to the end of the first step: median / minimum | process start to its end |\n|---|---|---|`);
    const cell = (list: readonly number[]): string => `${median(list).toFixed(0)} / ${minimum(list).toFixed(0)} ms`;
    for (const [name, { inside, whole }] of seen) console.log(`| ${name} | ${cell(inside)} | ${cell(whole)} |`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The packed tarballs in an empty folder, as users have them: the package is a bundle, a checkout is some four hundred files. */
function installed(folder: string): Program {
  const packages = join(root, 'dist-packages');
  rmSync(packages, { recursive: true, force: true });
  execFileSync(process.execPath, [join(root, 'scripts/pack-local.mjs'), '--own'], { cwd: root, stdio: 'ignore' });
  const app = join(folder, 'app');
  mkdirSync(app);
  writeFileSync(join(app, 'package.json'), '{ "private": true }');
  // Without the package for groups of processes, which nobody needs for a first step.
  const tarballs = readdirSync(packages).flatMap((file) => (file.includes('-dist-') ? [] : [join(packages, file)]));
  execFileSync('npm', ['install', '--silent', '--no-audit', '--no-fund', '--ignore-scripts', ...tarballs], { cwd: app });
  return { name: 'nodegrad', command: [process.execPath, '--input-type=module', '-e', nodegrad], folder: app };
}

function rivals(): Program[] {
  const has = (module: string): boolean => spawnSync(python, ['-c', `import ${module}`]).status === 0;
  const found: Program[] = [];
  const offer = (name: string, reason: string, program: Program | false): void => {
    if (program === false) console.log(`${name} is left out: ${reason}`);
    else found.push(program);
  };
  for (const [name, text] of Object.entries({ torch, jax }))
    offer(name, `${python} has no ${name}`, has(name) && { name, command: [python, '-c', text], folder: root });
  offer(
    'tfjs',
    'no @tensorflow/tfjs in NODEGRAD_BENCH_NODE_MODULES',
    existsSync(join(nodeModules, '@tensorflow/tfjs/package.json')) && {
      name: 'tfjs (pure JavaScript)',
      command: [process.execPath, '--input-type=module', '-e', tfjs],
      folder: dirname(nodeModules),
    },
  );
  return found;
}
