// `npm run test:platform -- linux-arm64-gnu …`: runs release builds of other platforms on an x86-64 Linux, emulated where it must be, and compares digests
// of operations and of reproducible training with those of this machine's own build. After the platforms a stem, a file or a folder are tests to
// run there, `computing` all of what computes: hours under QEMU, where an instruction takes ten to twenty times as long.

import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { computingTests } from './computing-tests.mjs';
import { launcherOf } from './emulators.mjs';
import { platforms, stateOf } from './platforms.mjs';
import { root, say, StepError } from './steps.mjs';

// Scripts whose output holds digests: their arguments, and in which environments they are computed.
const sets = { x64: instructionSets(), arm64: ['neon', 'scalar'] };
const products = { x64: ['fma', 'avx512_bf16'], arm64: ['fma'] };
const [isa, forms] = [
  (cpu) => sets[cpu].map((NODEGRAD_ISA) => ({ NODEGRAD_ISA })),
  (cpu) => products[cpu].map((NODEGRAD_BFLOAT16) => ({ NODEGRAD_BFLOAT16 })),
];
const best = () => [{}];
const all = (cpu) => [{}, ...forms(cpu), { NODEGRAD_ISA: 'scalar' }];
const digests = [
  { title: 'every operation', script: 'digest', args: ['reproducible'], ways: isa },
  { title: 'convolutions', script: 'convolutions', args: [], ways: best },
  { title: 'Winograd', script: 'winograd', args: [], ways: best },
  { title: 'products of bfloat16', script: 'gemm_bfloat16', args: [], ways: all },
  { title: 'training of an MLP', script: 'train', args: ['96-32-16-10', '200', '32', 'reproducible', 'eager'], ways: isa },
  { title: 'the same, compiled', script: 'train', args: ['96-32-16-10', '200', '32', 'reproducible', 'awaited'], ways: best },
  { title: 'training of a convolutional net', script: 'train', args: ['images', '20', '12', 'reproducible', 'awaited'], ways: best },
  ...['mlp', 'resnet', 'pooled', 'lstm', 'gru'].flatMap((net) => [
    { title: `training of ${net} in float32`, script: 'precision', args: [net, 'float32'], ways: best },
    { title: `training of ${net} in bfloat16`, script: 'precision', args: [net, 'bfloat16'], ways: all },
  ]),
];

/** This processor's, best first. */
function instructionSets() {
  const known = ['avx512', 'avx2', 'scalar'];
  return known.slice(known.indexOf(digestOf(process.execPath, { script: 'digest', args: ['nothing'] }, {}).isa));
}

function digestOf(node, { script, args }, env) {
  const path = join(root, `dist/test/native/${script}.child.js`);
  const text = execFileSync(node, [path, ...args], { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28, env: { ...process.env, ...env } });
  const { hash, digests, isa, products } = JSON.parse(text);
  return { parts: digests ?? { weights: hash }, isa, products };
}

const ownParts = new Map();

/** Whether all digests of a platform are this machine's. */
function compareDigests(platform, launcher) {
  let same = true;
  for (const one of digests) {
    if (!ownParts.has(one)) ownParts.set(one, digestOf(process.execPath, one, {}).parts);
    const here = ownParts.get(one);
    for (const env of one.ways(platforms[platform].cpu)) {
      const started = Date.now();
      const there = digestOf(launcher, one, env);
      const names = Object.keys(here);
      const different = names.filter((name) => here[name] === undefined || here[name] !== there.parts[name]);
      if (env.NODEGRAD_ISA && there.isa !== undefined && there.isa !== env.NODEGRAD_ISA) different.push(`the instruction set is ${there.isa}`);
      if (names.length === 0) different.push('no digest');
      const seconds = ((Date.now() - started) / 1000).toFixed(0);
      const by = [...new Set([there.isa, ...Object.values(env), there.products])].filter((word) => word).join(', ');
      const verdict = different.length === 0 ? 'same bits' : 'DIFFERENT';
      console.log(`${verdict}  ${platform}: ${one.title}, ${by}  (${names.length} digests, ${seconds} s) ${different.join(' ')}`);
      same &&= different.length === 0;
    }
  }
  return same;
}

function runTests(launcher, files) {
  const words = [join(root, 'scripts/test.mjs'), '--timeout', '60m', ...files];
  return spawnSync(launcher, words, { cwd: root, stdio: 'inherit', env: { ...process.env, NODEGRAD_PATIENCE: '30' } }).status === 0;
}

const words = process.argv.slice(2);
const wanted = words.filter((word) => word in platforms);
const files = words.filter((word) => !(word in platforms)).flatMap((word) => (word === 'computing' ? computingTests({ all: true }) : [word]));
try {
  if (process.platform !== 'linux' || process.arch !== 'x64') throw new StepError('This needs Linux on x86-64.');
  if (wanted.length === 0) throw new StepError(`say which platforms, such as ${Object.keys(platforms).join(', ')}`);
  for (const platform of wanted) {
    if (stateOf(platform) !== 'current') throw new StepError(`${platform} is ${stateOf(platform)}: npm run build:platform -- ${platform}`);
    const launcher = await launcherOf(platform);
    if (!(files.length > 0 ? runTests(launcher, files) : compareDigests(platform, launcher))) process.exitCode = 1;
  }
} catch (error) {
  if (!(error instanceof StepError)) throw error;
  say(error.message);
  process.exitCode = 1;
}
