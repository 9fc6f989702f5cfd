// Training steps of multilayer perceptrons, and the time from the start of a process to its first step.

import { Generator, writeParts } from '../data.js';
import type { BenchCase, EpochWork, MlpWork } from '../types.js';

const everybody = ['nodegrad', 'nodegrad sync', 'nodegrad eager', 'torch eager', 'torch eager foreach', 'torch compile', 'jax', 'tfjs-wasm'];

/** FLOPs of a step: 6 a weight and example, but 4 in the first layer, which needs no gradient of its input. */
function flopsOf(layers: readonly number[], batch: number): number {
  let flops = 0;
  for (let index = 0; index + 1 < layers.length; index++) flops += (index === 0 ? 4 : 6) * layers[index] * layers[index + 1] * batch;
  return flops;
}

/**
 * Writes weights ([in, out] then bias, layer by layer), inputs and targets.
 *
 * Every input batch stands four times in the file, each time with other random targets. So the batches together are larger than the
 * caches, no two are the same memory, and the network cannot learn them by heart: after thousands of timed steps the loss
 * is still of order one and no gradient has decayed to denormal numbers, which some contestants would flush and others not.
 */
function prepare(folder: string, work: MlpWork | EpochWork): void {
  const generator = new Generator(work.batch * 1000 + work.layers.length);
  const weights: Float32Array[] = [];
  for (let index = 0; index + 1 < work.layers.length; index++) {
    const [inputs, outputs] = [work.layers[index], work.layers[index + 1]];
    weights.push(generator.array(inputs * outputs, Math.sqrt(2 / inputs)), generator.array(outputs, 0.01));
  }
  writeParts(folder, 'weights.bin', weights);
  const distinct = Math.ceil(work.batches / 4);
  const inputs = Array.from({ length: distinct }, () => generator.array(work.batch * work.layers[0]));
  writeParts(
    folder,
    'inputs.bin',
    Array.from({ length: work.batches }, (_, batch) => inputs[batch % distinct]),
  );
  const classes = work.layers[work.layers.length - 1];
  const targets = Int32Array.from({ length: work.batches * work.batch }, () => generator.integer(classes));
  writeParts(folder, 'targets.bin', [targets]);
}

function mlp(name: string, title: string, chunk: number, unit: BenchCase['unit'], work: MlpWork): BenchCase {
  return {
    name,
    title,
    work,
    chunk,
    unit,
    flops: flopsOf(work.layers, work.batch),
    limit: 'fma',
    contestants: everybody,
    prepare: (folder) => prepare(folder, work),
  };
}

/** As many batches as 40 MB hold: more than the last-level cache of the machines this was written on. */
function rotation(layers: readonly number[], batch: number): number {
  return Math.max(16, 4 * Math.ceil(10e6 / (batch * layers[0] * 4)));
}

const wide = [784, 512, 256, 10];
const narrow = [784, 64, 10];
const adam = { kind: 'adam', lr: 1e-3 } as const;

/** The perceptron cases. */
export const mlpCases: BenchCase[] = [
  mlp('mlp-128', 'training step of 784-512-256-10, ReLU, softmax cross-entropy, Adam (lr 1e-3), batch 128', 8, 'ms', {
    kind: 'mlp',
    layers: wide,
    batch: 128,
    batches: rotation(wide, 128),
    optimizer: adam,
  }),
  mlp('mlp-32', 'training step of 784-512-256-10, ReLU, softmax cross-entropy, Adam (lr 1e-3), batch 32', 16, 'ms', {
    kind: 'mlp',
    layers: wide,
    batch: 32,
    batches: rotation(wide, 32),
    optimizer: adam,
  }),
  mlp('mlp-tiny', 'training step of 784-64-10, ReLU, softmax cross-entropy, SGD (lr 0.1), batch 32', 64, 'µs', {
    kind: 'mlp',
    layers: narrow,
    batch: 32,
    batches: rotation(narrow, 32),
    optimizer: { kind: 'sgd', lr: 0.1 },
  }),
];

const everyEpoch = ['nodegrad fit', 'nodegrad many', 'torch eager', 'torch compile', 'jax scan', 'jax'];

function epoch(name: string, title: string, work: EpochWork, contestants = everyEpoch): BenchCase {
  const { layers, batch, batches } = work;
  return {
    name,
    title: `one epoch of ${batch * batches} examples in a fixed order, ${title}: ${batches} steps and the mean of their losses`,
    work,
    chunk: 1,
    unit: 'ms',
    inner: batches,
    flops: flopsOf(layers, batch) * batches,
    limit: 'fma',
    contestants,
    prepare: (folder) => prepare(folder, work),
  };
}

const examples = 12_800;
const wideEpoch: EpochWork = { kind: 'epoch', layers: wide, batch: 128, batches: examples / 128, optimizer: adam };

/** Whole epochs: what a training loop does, in one call where the contestant has one. */
export const epochCases: BenchCase[] = [
  epoch('mlp-epoch', '784-512-256-10, Adam (lr 1e-3), batch 128', wideEpoch),
  epoch('mlp-tiny-epoch', '784-64-10, SGD (lr 0.1), batch 32', {
    kind: 'epoch',
    layers: narrow,
    batch: 32,
    batches: examples / 32,
    optimizer: { kind: 'sgd', lr: 0.1 },
  }),
  epoch('observed', 'as mlp-epoch, with statistics of every tenth step beside', wideEpoch, ['nodegrad fit', 'nodegrad observed']),
];

const startWork: MlpWork = { kind: 'mlp', layers: wide, batch: 128, batches: 20, optimizer: adam };

/** Start-up: everything a user waits for before the first number appears. */
export const startCases: BenchCase[] = [
  {
    name: 'start',
    title:
      'from the start of the process to the first finished step of 784-512-256-10, Adam, batch 128: loading, reading 8 MB of operands, compiling (empty cache)',
    work: startWork,
    chunk: 1,
    unit: 'ms',
    contestants: ['nodegrad', 'nodegrad eager', 'torch eager', 'torch compile', 'jax', 'tfjs-wasm'],
    start: true,
    prepare: (folder) => prepare(folder, startWork),
  },
];
