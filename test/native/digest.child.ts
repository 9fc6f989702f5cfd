// Prints a digest of every operation over a fixed corpus, and of the public API on top of them, for one instruction set; asked for nothing, only which one.
import { createHash } from 'node:crypto';
import {
  Adam,
  clipGradNorm,
  crossEntropy,
  Dropout,
  He,
  info,
  Linear,
  Normal,
  ReLU,
  SGD,
  Sequential,
  setReproducible,
  setSeed,
  Tanh,
  Tensor,
  Uniform,
  Xavier,
} from '../../lib/index.js';
import { ruleSamples } from '../helpers/optimizers.js';
import { Seeded } from '../helpers/seeded.js';
import { specials } from '../helpers/special.js';
import { bytesOf, runSample, type Sample, sampled, samplesOf } from './samples.js';

setReproducible(process.argv[2] !== 'default');
const lengths = [0, 1, 5, 15, 16, 17, 31, 40, 63, 65, 130, 700, 4095, 4097, 20000];
const digests: Record<string, string> = {};

// Special values in place of some elements, where an operation takes any float.
function disturbed(sample: Sample, random: Seeded): Sample {
  const inputs = sample.inputs.map((input) => {
    if (!(input instanceof Float32Array || input instanceof Float64Array) || sample.op in ruleSamples || sample.op === 'require_finite')
      return input;
    const copy = input.slice();
    // No integer stands for a NaN: a cast refuses it.
    const toInteger = sample.op === 'cast' && /int/.test(String(sample.form));
    const list = specials(copy instanceof Float32Array ? 'float32' : 'float64').filter(({ value }) => !toInteger || !Number.isNaN(value));
    for (let i = 0; i < copy.length; i++) if (random.integer(5) === 0) copy[i] = list[random.integer(list.length)].value;
    return copy;
  });
  return { ...sample, inputs };
}

for (const op of process.argv[2] === 'nothing' ? [] : sampled) {
  const hash = createHash('sha256');
  for (const dtype of ['float32', 'float64'] as const) {
    const random = new Seeded(77);
    for (const n of lengths) {
      for (const sample of samplesOf(op, n, dtype, 5)) {
        for (const one of [sample, disturbed(sample, random)]) for (const output of runSample(one)) hash.update(bytesOf(output));
      }
    }
  }
  digests[op] = hash.digest('hex');
}

// Products across the blocks of K and the borders of micro-kernels.
const products = createHash('sha256');
for (const [m, n, k] of [
  [7, 65, 130],
  [33, 49, 2049],
  [2, 3, 5000],
  [1, 100, 300],
  [130, 1, 17],
  [64, 64, 64],
]) {
  // biome-ignore format: one line
  const random = new Seeded(m * n);
  const a = Tensor.from(Float32Array.from(random.uniform(m * k)), [m, k]);
  const b = Tensor.from(Float32Array.from(random.uniform(k * n)), [k, n]);
  products.update(bytesOf(a.matmul(b).data));
  products.update(bytesOf(a.to('float64').matmul(b.to('float64')).data));
  products.update(bytesOf(a.transpose().matmul(b.transpose(), { transposeA: true, transposeB: true }).data));
}
digests['products'] = products.digest('hex');

// Initializers, layers, losses and optimizers together.
const training = createHash('sha256');
for (const dtype of ['float32', 'float64'] as const) {
  setSeed(3);
  const model = new Sequential([
    new Linear(19, 23, { init: new He() }),
    new ReLU(),
    new Dropout(0.3),
    new Linear(23, 17, { init: new Xavier({ distribution: 'uniform' }), biasInit: new Uniform() }),
    new Tanh(),
    new Linear(17, 5, { init: new Normal() }),
  ]).to(dtype);
  const optimizers = [new Adam(model), new SGD(model, { lr: 0.05, momentum: 0.9, weightDecay: 1e-3 })];
  const random = new Seeded(9);
  for (let step = 0; step < 20; step++) {
    const x = Tensor.from(Float32Array.from(random.uniform(13 * 19)), [13, 19]).to(dtype) as Tensor;
    const labels = Tensor.from(Int32Array.from({ length: 13 }, () => random.integer(5)));
    const optimizer = optimizers[step % 2];
    crossEntropy(model.forward(x), labels, { labelSmoothing: 0.05 }).backward();
    clipGradNorm(model, 0.5);
    optimizer.step();
    optimizer.zeroGrad();
  }
  for (const parameter of model.parameters()) training.update(bytesOf(parameter.data));
}
digests['training'] = training.digest('hex');

// Moments that decay to the end of the range and become zero.
const decay = createHash('sha256');
for (const dtype of ['float32', 'float64'] as const) {
  const start = Float64Array.from(
    { length: 83 },
    (_, i) => (i % 2 === 0 ? 1 : -1) * Number(`1e-${i % 2 === 0 ? 30 + (i % 17) : 300 + (i % 25)}`),
  );
  for (const make of [
    (weights: Tensor) => new Adam([weights], { betas: [0.3, 0.2] }),
    (weights: Tensor) => new SGD([weights], { lr: 0.05, momentum: 0.3, nesterov: true }),
  ]) {
    const weights = Tensor.from(start.slice()).to(dtype) as Tensor;
    weights.requiresGrad = true;
    const optimizer = make(weights);
    weights
      .mul(Tensor.from(start).to(dtype) as Tensor)
      .sum()
      .backward();
    for (let step = 0; step < 40; step++) {
      optimizer.step();
      if (step === 1) optimizer.zeroGrad();
      for (const { data } of optimizer.stateDict().tensors.values()) decay.update(bytesOf(data));
    }
    decay.update(bytesOf(weights.data));
  }
}
digests['decay'] = decay.digest('hex');

const { isa, isaProblem, numThreads: threads, warnings, cpu } = info();
console.log(
  JSON.stringify({
    isa,
    isaProblem,
    numThreads: threads,
    warnings,
    avx2: cpu.avx2 && cpu.fma,
    avx512: cpu.avx512,
    neon: cpu.neon,
    node: process.version,
    digests,
  }),
);
