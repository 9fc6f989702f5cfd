// Trains a small MLP with dropout, or a convolutional net where the sizes are `images`, and prints the SHA-256 of its weights: arguments
// are sizes, steps, batch, `reproducible`, and how: eager (default), sync or awaited.
import { createHash } from 'node:crypto';
import {
  Adam,
  compileStep,
  crossEntropy,
  Dropout,
  Flatten,
  info,
  Linear,
  ReLU,
  SGD,
  Sequential,
  setReproducible,
  setSeed,
  Tensor,
} from '../../lib/index.js';
import { convNet } from '../helpers/conv-net.js';
import { Seeded } from '../helpers/seeded.js';

const [sizes, steps, batch, mode, how = 'eager'] = process.argv.slice(2);
const isImages = sizes === 'images';
const widths = isImages ? [16 * 16 * 3, 10] : sizes.split('-').map(Number);
const [inputs, classes] = [widths[0], widths[widths.length - 1]];
const shape = isImages ? [16, 16, 3] : [inputs, 1];
setReproducible(mode === 'reproducible');
setSeed(11);

const layers = [new Flatten(), ...widths.slice(1).flatMap((width, i) => [new Linear(widths[i], width), new ReLU(), new Dropout(0.25)])];
const model = isImages ? convNet() : new Sequential(layers.slice(0, -2) as Sequential[]);
const adam = new Adam(model);
const momentum = new SGD(model, { lr: 0.01, momentum: 0.9 });

const random = new Seeded(23);
const examples = Float32Array.from(random.uniform(1000 * inputs, 0, 1));
const labels = Int32Array.from({ length: 1000 }, (_, i) => Math.floor(examples[i * inputs] * classes));
const steppers = [adam, momentum].map((optimizer) => {
  const body = (x: Tensor, y: Tensor<'int32'>): Tensor => {
    const loss = crossEntropy(model.forward(x), y);
    loss.backward();
    optimizer.step();
    optimizer.zeroGrad();
    return loss;
  };
  return how === 'eager' ? body : how === 'sync' ? compileStep(body).sync : compileStep(body);
});
let last = 0;
for (let step = 0; step < Number(steps); step++) {
  const count = Number(batch);
  const begin = (step * 37) % (1000 - count);
  const x = Tensor.from(examples.subarray(begin * inputs, (begin + count) * inputs), [count, ...shape]) as unknown as Tensor;
  const loss = await steppers[step % 50 < 40 ? 0 : 1](x, Tensor.from(labels.subarray(begin, begin + count)));
  last = loss.item();
}
const hash = createHash('sha256');
for (const [path, value] of model.stateDict()) hash.update(path).update(new Uint8Array(Float32Array.from(value.data).buffer));
const { isa, numThreads: threads, gemm, blas, reproducible } = info();
console.log(
  JSON.stringify({
    hash: hash.digest('hex'),
    loss: last,
    isa,
    threads,
    gemm,
    blas: blas.available,
    reproducible,
    node: process.version,
  }),
);
