// Many steps per native call: the bits of single steps, in the loader's order, whatever the data set is made of.

import test from 'ava';
import {
  Adam,
  ArgumentError,
  BusyError,
  compileStep,
  crossEntropy,
  DataLoader,
  type Dataset,
  Dropout,
  Linear,
  NodegradError,
  ReLU,
  Sequential,
  setSeed,
  subset,
  Tensor,
  TensorDataset,
} from '../../lib/index.js';
import { allocateShared } from '../../lib/native.js';
import { points } from '../helpers/training.js';

function shared(data: TensorDataset): TensorDataset {
  const inputs = allocateShared(data.inputs.size, 'float32');
  const targets = allocateShared(data.targets.size, 'int32');
  inputs.set(data.inputs.data);
  targets.set(data.targets.data);
  return new TensorDataset(Tensor.from(inputs, data.inputs.shape), Tensor.from(targets), { classes: 4 });
}

const base = points(75);
const sets: Record<string, Dataset> = {
  'tensors on ArrayBuffers': base,
  'tensors on SharedArrayBuffers': shared(base),
  'a subset of a subset': subset(
    subset(
      shared(points(90)),
      Array.from({ length: 80 }, (_, i) => 89 - i),
    ),
    Array.from({ length: 75 }, (_, i) => i),
  ),
  'batches made by a class': { ...base, name: 'made', length: 75, inputShape: [2], targetShape: [], batch: (rows) => base.batch(rows) },
};

function build() {
  setSeed(4);
  const model = new Sequential([new Linear(2, 16), new ReLU(), new Dropout(0.2), new Linear(16, 4)]);
  const optimizer = new Adam(model, { lr: 0.01 });
  const body = (x: Tensor, y: Tensor<'int32'>) => {
    const loss = crossEntropy(model.forward(x), y);
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    return { loss };
  };
  return { model, optimizer, body, weights: () => model.parameters().flatMap((parameter) => [...parameter.data]) };
}

for (const [name, data] of Object.entries(sets)) {
  test(`step.many gives the losses and weights of single steps, over epochs and a ragged last batch: ${name}`, async (t) => {
    const options = { batchSize: 16, shuffle: true, seed: 3 };
    const [single, many] = [build(), build()];
    const losses: number[] = [];
    const loader = new DataLoader(data, options);
    while (losses.length < 13) for (const [x, y] of loader) if (losses.length < 13) losses.push(single.body(x, y).loss.item());
    const stream = new DataLoader(data, options);
    const step = compileStep(many.body);
    const results = [...(await step.many(stream, 7)), ...(await step.many(stream, 6))];
    t.deepEqual(
      results.map(({ loss }) => loss.item()),
      losses,
    );
    t.deepEqual(many.weights(), single.weights());
    t.deepEqual(stream.state, { seed: 3, epoch: 2, batch: 3 });
    t.is(many.optimizer.steps, 13);
  });
}

test('a step that fails ends its stream: steps before it are whole, those behind it never run, counts and masks stand where they stopped', async (t) => {
  const labels = Int32Array.from({ length: 160 }, (_, i) => (i === 90 ? 7 : i % 4));
  const data = new TensorDataset(
    Tensor.from(
      Float32Array.from({ length: 320 }, (_, i) => (i % 13) / 13),
      [160, 2],
    ),
    Tensor.from(labels),
  );
  const [stopped, single] = [build(), build()];
  const step = compileStep(stopped.body);
  await t.throwsAsync(step.many(new DataLoader(data, { batchSize: 8 })), {
    instanceOf: NodegradError,
    message: /crossEntropy.*class index 7 at row 2/,
  });
  for (const [i, [x, y]] of [...new DataLoader(data, { batchSize: 8 })].entries()) if (i < 11) single.body(x, y);
  t.deepEqual(stopped.weights(), single.weights());
  t.is(stopped.optimizer.steps, 11);
  // The next step draws the mask that the single run would draw.
  const [x, y] = [...new DataLoader(points(8), { batchSize: 8 })][0];
  t.is((await step(x, y)).loss.item(), single.body(x, y).loss.item());
  t.deepEqual(stopped.weights(), single.weights());
});

test('while steps are in flight their model cannot be used eagerly; predictions, clones and saved bytes see whole steps', async (t) => {
  const { model, body, optimizer } = build();
  const data = points(512);
  const step = compileStep(body);
  const run = step.many(new DataLoader(data, { batchSize: 16 }), 200);
  const probe = data.inputs.slice(0, 4);
  t.throws(() => model.forward(probe), { instanceOf: BusyError, code: 'ERR_BUSY' });
  t.throws(() => optimizer.step(), { instanceOf: BusyError });
  t.throws(() => model.loadStateDict(model.stateDict()), { instanceOf: BusyError });
  t.throws(() => step.sync(probe, Tensor.from(Int32Array.of(0, 1, 2, 3))), { instanceOf: BusyError });
  const steps = optimizer.steps;
  const [prediction, twin, bytes] = [model.predict(probe), model.clone(), model.toBytes()];
  t.true(bytes.length > 0);
  t.true((await prediction).data.every(Number.isFinite));
  t.true(twin.parameters().every(({ data: values }) => values.every(Number.isFinite)));
  await run;
  t.true(steps <= 200);
  t.notThrows(() => model.forward(probe));
});

test('what is no loader, and a count that is none, are refused', async (t) => {
  const step = compileStep(build().body);
  await t.throwsAsync(step.many([] as never), { instanceOf: ArgumentError, message: /DataLoader/ });
  await t.throwsAsync(step.many(new DataLoader(points(8)) as never, -1), { instanceOf: ArgumentError });
  t.deepEqual(await step.many(new DataLoader(points(8)), 0), []);
});
