// Trains with a hidden layer of some width, or a convolutional net, and prints what the threads allocated and faulted after the warm-up.

import { readdirSync, readFileSync } from 'node:fs';
import { Adam, compileStep, crossEntropy, Dropout, Linear, ReLU, Sequential, setNumThreads, Tensor } from '../../lib/index.js';
import { convNet } from '../helpers/conv-net.js';

const [size, mode, file] = process.argv.slice(2);
const isImages = size === 'images';
const [batch, shape] = isImages ? [8, [16, 16, 3]] : [128, [64]];
setNumThreads(2);
const perceptron = (hidden: number): Sequential =>
  new Sequential([new Linear(64, hidden), new ReLU(), new Dropout(0.1), new Linear(hidden, 10)]);
const model = isImages ? convNet() : perceptron(Number(size));
const optimizer = new Adam(model, { lr: 1e-3 });
const step = compileStep((x: Tensor, y: Tensor<'int32'>) => {
  const loss = crossEntropy(model.forward(x), y);
  loss.backward();
  optimizer.step();
  optimizer.zeroGrad();
  return { loss };
});
const x = Tensor.from(
  Float32Array.from({ length: shape.reduce((product, dimension) => product * dimension, batch) }, (_, i) => (i % 17) / 17),
  [batch, ...shape],
);
const y = Tensor.from(Int32Array.from({ length: batch }, (_, i) => i % 10));

/** Allocations by thread. */
function allocations(): Map<number, number> {
  if (file === undefined) return new Map();
  const { buffer, byteOffset } = readFileSync(file);
  const numbers = new BigInt64Array(buffer.slice(byteOffset, byteOffset + 4096));
  return new Map(Array.from({ length: 256 }, (_, i) => [Number(numbers[2 * i]), Number(numbers[2 * i + 1])] as const));
}

/** Minor page faults of the addon's own threads. */
function faults(): Map<number, number> {
  const found = new Map<number, number>();
  for (const id of readdirSync('/proc/self/task')) {
    if (!readFileSync(`/proc/self/task/${id}/comm`, 'utf8').startsWith('nodegrad')) continue;
    const fields = readFileSync(`/proc/self/task/${id}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    found.set(Number(id), Number(fields[7]));
  }
  return found;
}

async function train(steps: number): Promise<void> {
  for (let i = 0; i < steps; i++) {
    if (mode === 'sync') step.sync(x, y);
    else await step(x, y);
  }
}

// A system may take back a page of a running program; what a step costs shows in each stretch of steps.
const stretches = 4;
const steps = 160;
// Awaited steps run on this thread or on the driver's, as their length has it: both are warmed up.
await train(400);
for (let i = 0; i < 50; i++) {
  step.sync(x, y);
  await Promise.all([step(x, y), step(x, y)]);
}
allocations();
faults();
(globalThis as { gc?: () => void }).gc?.();
await train(100);
const grown = (now: Map<number, number>, then: Map<number, number>): number =>
  [...now].reduce((sum, [thread, value]) => sum + value - (then.get(thread) ?? 0), 0);
const before = { allocations: allocations(), heap: process.memoryUsage().heapUsed };
const faulted = [faults()];
for (let i = 0; i < stretches; i++) {
  await train(steps);
  faulted.push(faults());
}
const heap = process.memoryUsage().heapUsed - before.heap;
const allocated = allocations();
console.log(
  JSON.stringify({
    threads: faulted[0]?.size,
    sawAllocations: [...allocated.values()].some((count) => count > 0),
    allocations: grown(allocated, before.allocations),
    faults: faulted.slice(1).map((now, i) => grown(now, faulted[i] as Map<number, number>)),
    heapPerStep: heap / (stretches * steps),
  }),
);
