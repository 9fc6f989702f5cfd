// Trains for ever in a worker thread, with calls long enough to be terminated inside of one; `throw` in workerData ends with an error.
import { parentPort, workerData } from 'node:worker_threads';
import { Adam, crossEntropy, Dropout, Linear, ones, ReLU, Sequential, Tensor } from '../../lib/index.js';

const { throwAfter } = workerData as { throwAfter?: number };
const model = new Sequential([new Linear(128, 256), new ReLU(), new Dropout(0.2), new Linear(256, 10)]);
const optimizer = new Adam(model);
const x = ones([64, 128]);
const labels = Tensor.from(Int32Array.from({ length: 64 }, (_, i) => i % 10));
const large = ones([384, 384]);

parentPort?.postMessage('ready');
for (let step = 0; ; step++) {
  if (step === throwAfter) throw new Error('thrown on purpose');
  crossEntropy(model.forward(x), labels).backward();
  optimizer.step();
  optimizer.zeroGrad();
  large.matmul(large).sum().item();
}
