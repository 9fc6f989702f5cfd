// Trains a multilayer perceptron on MNIST to more than 98 % in five epochs, and saves it: `node examples/mnist.ts` (Node 22.18 or newer).

import { Adam, CrossEntropyLoss, datasets, Flatten, Linear, load, ReLU, Sequential, setSeed, Sitter, StepDecay } from 'nodegrad';

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
const optimizer = new Adam(model, { lr: new StepDecay(1e-3, { every: 2 }) }); // a tenth after two epochs
const sitter = new Sitter(); // says what goes wrong, if anything does

await model.fit(train, { loss, optimizer, epochs: 5, batchSize: 128, validation: test, callbacks: [sitter] });
await model.save('mnist.safetensors');

const { metrics } = await (await load('mnist.safetensors')).evaluate(test, { loss });
console.log(`test accuracy ${(100 * metrics.accuracy).toFixed(2)} %`);
