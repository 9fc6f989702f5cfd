// Copied into the folder where the tarballs are installed: trains, saves and loads through the public API, as a user would.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { Adam, CrossEntropyLoss, datasets, Flatten, info, Linear, load, ReLU, runReport, Sequential, setSeed } from 'nodegrad';

const facts = info();
console.log(JSON.stringify({ ...facts, cpu: facts.cpu.brand }));
assert.match(facts.binary, /^platform package: .*\/nodegrad\.node$/);
assert.equal(facts.blas.available, false, 'no OpenBLAS may be in reach');
for (const tool of ['cc', 'g++', 'clang++', 'cmake', 'make', 'ninja']) {
  assert.equal(spawnSync(tool, ['--version']).error?.code, 'ENOENT', `${tool} may not be in reach`);
}

setSeed(1);
const { train, test } = await datasets.digits({ train: 2000, test: 400 });
const model = new Sequential([new Flatten(), new Linear(784, 64), new ReLU(), new Linear(64, 10)]);
const loss = new CrossEntropyLoss();
const before = await model.evaluate(test, { loss });
assert.ok(Math.abs(before.loss - Math.log(10)) < 0.8, `the first loss must be near ln 10, received ${before.loss}`);
const history = await model.fit(train, {
  loss,
  optimizer: new Adam(model, { lr: 3e-3 }),
  epochs: 4,
  batchSize: 50,
  validation: test,
  log: false,
});
const after = await model.evaluate(test, { loss });
console.log(`test loss ${before.loss.toFixed(3)} -> ${after.loss.toFixed(3)}, accuracy ${after.metrics.accuracy.toFixed(3)}`);
assert.ok(after.metrics.accuracy > 0.8, 'the model must have learned');
assert.match(runReport([history]), /uPlot is\nThe MIT License[\s\S]*var uPlot=/, 'a report holds what draws its charts, with its licence');

await model.save('model.safetensors');
const again = await load('model.safetensors');
assert.deepEqual(await again.evaluate(test, { loss }), after, 'a loaded model must give the same scores');
