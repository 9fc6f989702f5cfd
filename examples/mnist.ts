// Trains a multilayer perceptron on MNIST to more than 98 % in five epochs, with a falling learning rate and somebody who watches, and saves it. The files, 11 MB,
// come from $NODEGRAD_DATA/mnist, from the cache, or once from the network. Half a minute. `node examples/mnist.ts`; `node examples/mnist.ts 1`: one epoch.

import { Adam, CrossEntropyLoss, datasets, Flatten, Linear, load, ReLU, Sequential, setSeed, Sitter, StepDecay } from 'nodegrad';

const epochs = Number(process.argv[2] ?? 5);
setSeed(1);
const { train, test } = await datasets.mnist();
console.log(`${train.length} digits to learn from, ${test.length} to be tested on`);

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

const history = await model.fit(train, { loss, optimizer, epochs, batchSize: 128, validation: test, callbacks: [sitter] });
console.log(`the sitter has ${history.findings.length === 0 ? 'nothing to say' : history.findings.map(({ text }) => text).join('\n')}`);
await model.save('mnist.safetensors');

const { metrics } = await (await load('mnist.safetensors')).evaluate(test, { loss });
console.log(`test accuracy ${(100 * metrics.accuracy).toFixed(2)} %`);
