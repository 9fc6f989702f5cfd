// Copied into the folder where the tarballs are installed: trains a few steps through the public API, as a user would.

import assert from 'node:assert/strict';
import { Adam, CrossEntropyLoss, info, Linear, ReLU, Sequential, setSeed, Tensor } from 'nodegrad';

const facts = info();
console.log(JSON.stringify(facts, null, 2));
assert.match(JSON.stringify(facts), /platform package/, 'the binary must come from the platform package');
assert.match(JSON.stringify(facts), /node_modules\/@nodegrad\/linux-x64-gnu\/nodegrad\.node/);

setSeed(1);
const [rows, columns, classes] = [256, 20, 4];
const inputs = new Float32Array(rows * columns);
const targets = new Int32Array(rows);
// A small linear congruential sequence: values in -1..1, and a class that depends on the largest of four of them.
let state = 12345;
for (let index = 0; index < inputs.length; index++) {
  state = (state * 1103515245 + 12345) % 2147483648;
  inputs[index] = state / 1073741824 - 1;
}
for (let row = 0; row < rows; row++) {
  const four = [...inputs.subarray(row * columns, row * columns + classes)];
  targets[row] = four.indexOf(Math.max(...four));
}
const x = Tensor.from(inputs, [rows, columns]);
const y = Tensor.from(targets, [rows]);
const model = new Sequential([new Linear(columns, 32), new ReLU(), new Linear(32, classes)]);
const optimizer = new Adam(model, { lr: 1e-2 });
const criterion = new CrossEntropyLoss();
const losses = [];
for (let step = 0; step < 60; step++) {
  const loss = criterion.forward(model.forward(x), y);
  losses.push(loss.item());
  loss.backward();
  optimizer.step();
  optimizer.zeroGrad();
}
console.log(`loss ${losses[0].toFixed(4)} -> ${losses.at(-1).toFixed(4)} in ${losses.length} steps`);
assert.ok(Math.abs(losses[0] - Math.log(classes)) < 1, 'the first loss must be near ln 4');
assert.ok(losses.at(-1) < losses[0] * 0.5, 'the loss must fall by half');
