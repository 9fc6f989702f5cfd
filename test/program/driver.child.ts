// Trains by awaited steps in worker threads that are terminated in mid-step, or ends the process in mid-step; run by driver.test.ts.

import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { Adam, compileStep, crossEntropy, Linear, ones, ReLU, Sequential, type Tensor, zeros } from '../../lib/index.js';

const [mode = 'terminate', rounds = '10'] = isMainThread ? process.argv.slice(2) : [workerData as string];

function makeStep() {
  const model = new Sequential([new Linear(200, 300), new ReLU(), new Linear(300, 10)]);
  const optimizer = new Adam(model);
  return compileStep((x: Tensor, y: Tensor<'int32'>) => {
    const loss = crossEntropy(model.forward(x), y);
    loss.backward();
    optimizer.step();
    optimizer.zeroGrad();
    return loss;
  });
}

async function train(): Promise<void> {
  const step = makeStep();
  const [x, y] = [ones([64, 200]), zeros([64], { dtype: 'int32' })];
  await step(x, y);
  parentPort?.postMessage('training');
  for (;;) await Promise.all(Array.from({ length: 8 }, () => step(x, y)));
}

if (!isMainThread) await train();
else if (mode === 'terminate') {
  for (let round = 0; round < Number(rounds); round++) {
    const workers = Array.from({ length: 4 }, () => new Worker(new URL(import.meta.url), { workerData: 'train' }));
    await Promise.all(workers.map((worker) => new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))));
    await new Promise((resolve) => setTimeout(resolve, (round * 7) % 5));
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  console.log('survived');
} else if (mode === 'exit') {
  setTimeout(() => {
    console.log('leaving');
    process.exit(7);
  }, 150);
  await train();
} else if (mode === 'idle') {
  // Nothing keeps the process alive without a step in flight.
  const step = makeStep();
  await step(ones([64, 200]), zeros([64], { dtype: 'int32' }));
  console.log('done');
}
