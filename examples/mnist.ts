// Trains a multilayer perceptron on MNIST to more than 98 % in five epochs, and saves it: `node examples/mnist.ts` (Node 22.18 or newer).

import { Adam, CrossEntropyLoss, datasets, Flatten, Linear, load, ReLU, Sequential, setSeed, Sitter, StepLR } from 'nodegrad';

setSeed(1);
const { train, test } = await datasets.mnist(); // from $NODEGRAD_DATA/mnist, the cache, or a download of 11 MB

const model = new Sequential([
  new Flatten(),
  new Linear(784, 512),
  new ReLU(),
  new Linear(512, 256),
  new ReLU(),
  new Linear(256, 10), // ten scores; the loss makes probabilities of them
]);
const loss = new CrossEntropyLoss();
const optimizer = new Adam(model, { lr: 1e-3 });
const schedule = new StepLR(optimizer, { stepSize: 2, gamma: 0.1 });
const sitter = new Sitter(); // says what goes wrong, if anything does

await model.fit(train, { loss, optimizer, schedule, epochs: 5, batchSize: 128, validation: test, callbacks: [sitter] });
await model.save('mnist.safetensors');

const { metrics } = await (await load('mnist.safetensors')).evaluate(test, { loss });
console.log(`test accuracy ${(100 * metrics.accuracy).toFixed(2)} %`);
