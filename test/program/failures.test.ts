// Steps that fail: counts stand where the whole steps left them, those behind do not run, and nothing of a failed recording stays.

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
  DTypeError,
  IndexError,
  Layer,
  Linear,
  NativeError,
  NodegradError,
  ones,
  ReLU,
  Sequential,
  setSeed,
  SGD,
  Tensor,
  TensorDataset,
  zeros,
} from '../../lib/index.js';
import { betweenSteps } from '../../lib/program/driver.js';
import { points } from '../helpers/training.js';

function build(dropout = 0.2) {
  setSeed(4);
  const model = new Sequential([new Linear(2, 16), new ReLU(), new Dropout(dropout), new Linear(16, 4)]);
  const optimizer = new Adam(model, { lr: 0.01 });
  const body = (x: Tensor, y: Tensor<'int32'>) => {
    const loss = crossEntropy(model.forward(x), y);
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    return loss;
  };
  return { model, optimizer, body, weights: () => model.parameters().flatMap((parameter) => [...parameter.data]) };
}

/** `count` examples in two dimensions; example `bad` has a label that is out of range. */
function labelled(count: number, bad = -1): TensorDataset {
  const inputs = Float32Array.from({ length: 2 * count }, (_, i) => (i % 13) / 13);
  const labels = Int32Array.from({ length: count }, (_, i) => (i === bad ? 9 : i % 4));
  return new TensorDataset(Tensor.from(inputs, [count, 2]), Tensor.from(labels));
}

const [x, y] = [ones([8, 2]), zeros([8], { dtype: 'int32' })];
const wrong = Tensor.from(new Int32Array(8).fill(9));

test('a chunk of steps that fails while the next one waits behind it takes back the counts of both', async (t) => {
  // The first two chunks have a step each: the second one is in the queue when the first fails.
  const [stopped, single] = [build(), build()];
  await t.throwsAsync(compileStep(stopped.body).many(new DataLoader(labelled(160, 3), { batchSize: 8 }) as never), {
    instanceOf: NodegradError,
    message: /class index/,
  });
  t.is(stopped.optimizer.steps, 0);
  t.true(Object.values(stopped.optimizer.stateDict().counts).every((count) => count === 0));
  // The next step draws the mask, and takes the bias correction, of a first one.
  t.is((await compileStep(stopped.body)(x, y)).item(), single.body(x, y).item());
  t.deepEqual(stopped.weights(), single.weights());
});

test('two streams that fail at once both end where they failed', async (t) => {
  // In the queue: A1 A2 B1 B2 A3 B3; A2 and B2 fail, so B2 is the last failure when A3 comes.
  const runs = [build(0), build(0)];
  const single = build(0);
  single.body(...[...new DataLoader(labelled(160, 11), { batchSize: 8 })][0]);
  await Promise.all(
    runs.map(({ body }) =>
      t.throwsAsync(compileStep(body).many(new DataLoader(labelled(160, 11), { batchSize: 8 }) as never), { instanceOf: NodegradError }),
    ),
  );
  for (const { optimizer, weights } of runs) {
    t.is(optimizer.steps, 1);
    t.deepEqual(weights(), single.weights());
  }
});

test('a step that fails with others behind it is taken off the count, and what another model does in between changes nothing', async (t) => {
  const { model, optimizer, body } = build();
  const step = compileStep(body);
  const results = await Promise.allSettled([step(x, y), step(x, wrong), step(x, y), step(x, y)]);
  t.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
  );
  t.is(optimizer.steps, 3);
  t.true(Object.values(optimizer.stateDict().counts).every((count) => count === 3));
  // A prediction has no counts.
  const failing = step(x, wrong);
  const prediction = model.predict(x);
  await t.throwsAsync(failing, { instanceOf: IndexError });
  await prediction;
  t.is(optimizer.steps, 3);
});

test('a step that is refused when it is called moves no count', async (t) => {
  const { optimizer, body, weights } = build();
  const step = compileStep(body);
  await step(x, y);
  const before = weights();
  const gone = ones([8, 2]);
  structuredClone(gone.data.buffer, { transfer: [gone.data.buffer as ArrayBuffer] });
  await t.throwsAsync(step(gone, y), { instanceOf: NodegradError });
  t.throws(() => step.sync(gone, y), { instanceOf: NodegradError });
  t.is(optimizer.steps, 1);
  t.deepEqual(weights(), before);
});

test('a step that throws while it is recorded leaves no trace', async (t) => {
  const [one, two] = [build(), build()];
  const failing = compileStep((a: Tensor, b: Tensor<'int32'>) => {
    one.body(a, b);
    throw new Error('on purpose');
  });
  await t.throwsAsync(failing(x, y), { message: 'on purpose' });
  t.throws(() => failing.sync(x, y), { message: 'on purpose' });
  t.is(one.optimizer.steps, 0);
  for (let i = 0; i < 3; i++) t.is(one.body(x, y).item(), two.body(x, y).item());
  t.deepEqual(one.weights(), two.weights());
});

test('steps cannot be recorded inside of one another, and the outer one can be recorded afterwards', async (t) => {
  const inner = compileStep((a: Tensor) => a.mul(2));
  let nested = true;
  const outer = compileStep((a: Tensor) => (nested ? inner.sync(a) : a.mul(3)));
  t.throws(() => outer.sync(ones([2])), { instanceOf: ArgumentError, message: /while another one is being recorded/ });
  nested = false;
  t.deepEqual((await outer(ones([2]))).toArray(), [3, 3]);
  t.deepEqual(inner.sync(ones([2])).toArray(), [2, 2]);
});

test('an async function is refused, and what it throws meanwhile does not end the process', async (t) => {
  const step = compileStep((async (a: Tensor) => a.item()) as never) as (a: Tensor) => Promise<unknown>;
  await t.throwsAsync(step(ones([1])), { instanceOf: ArgumentError, message: /synchronous/ });
  await new Promise((resolve) => setImmediate(resolve)); // an unhandled rejection would be reported by now
});

test('a step that wants more memory than there is is refused', (t) => {
  const step = compileStep((a: Tensor) => a.matmul(a.transpose()).sum());
  t.throws(() => step.sync(ones([450_000, 1])), { instanceOf: NodegradError, message: /memory|bytes/ });
});

test('what comes back of 64 steps, with the step disposed of meanwhile, and BusyError for the 65th', async (t) => {
  const { body, optimizer } = build();
  const step = compileStep(body);
  const waiting: Promise<Tensor>[] = [];
  // Held, so that none is done before the last is queued.
  const first = step(x, y);
  let refused: Promise<Tensor> | null = null;
  betweenSteps(() => {
    for (let i = 0; i < 63; i++) waiting.push(step(x, y));
    refused = step(x, y);
    step.dispose();
  });
  await t.throwsAsync(refused as unknown as Promise<Tensor>, { instanceOf: BusyError, message: /64 steps/ });
  const losses = (await Promise.all([first, ...waiting])).map((loss) => loss.item());
  t.is(new Set(losses).size, 64);
  t.is(optimizer.steps, 64);
  await step(x, y);
  t.is(optimizer.steps, 65);
});

test('parameters that moved to other memory are recorded anew', (t) => {
  const model = new Linear(2, 2);
  const step = compileStep(() => model.parameters()[0].mul(1));
  t.is(step.sync().dtype, 'float32');
  model.to('float64');
  model.parameters()[0].data.fill(7);
  t.deepEqual([(step.sync() as Tensor<never>).dtype, ...step.sync().data], ['float64', 7, 7, 7, 7]);
});

test('the state of an optimizer cannot be replaced while its steps are in flight', async (t) => {
  const { optimizer, body } = build();
  const step = compileStep(body);
  await step(x, y);
  const state = structuredCloneOfState(optimizer);
  const last = step(x, y);
  t.throws(() => optimizer.loadStateDict(state), { instanceOf: BusyError });
  await last;
  t.notThrows(() => optimizer.loadStateDict(state));
  t.is(optimizer.steps, 1);
});

function structuredCloneOfState(optimizer: Adam) {
  const { tensors, ...rest } = optimizer.stateDict();
  return { ...rest, tensors: new Map([...tensors].map(([name, tensor]) => [name, tensor.clone()])) };
}

test('a data set whose batches change their dtype, or have lost their memory, ends a stream with an error that says so', async (t) => {
  const good = labelled(64);
  const made = (batch: (rows: Int32Array) => ReturnType<Dataset['batch']>): Dataset => ({
    name: 'made',
    length: 64,
    inputShape: [2],
    targetShape: [],
    batch,
  });
  const doubled = made((rows) => {
    const pair = good.batch(rows);
    return rows[0] < 16 ? pair : { ...pair, inputs: Tensor.from(Float64Array.from(pair.inputs.data), pair.inputs.shape) as never };
  });
  const identity = compileStep((a: Tensor) => a.mul(1));
  // Chunk by chunk it is another program; within a chunk it is an error. Never the bytes of one read as the other.
  try {
    const results = await identity.many(new DataLoader(doubled, { batchSize: 8 }) as never);
    t.deepEqual(
      results.flatMap(({ data }) => [...data]),
      [...good.inputs.data],
    );
  } catch (error) {
    t.true(error instanceof DTypeError);
  }
  const lost = made((rows) => {
    const pair = good.batch(rows);
    if (rows[0] >= 16) structuredClone(pair.inputs.data.buffer, { transfer: [pair.inputs.data.buffer as ArrayBuffer] });
    return pair;
  });
  const run = build();
  await t.throwsAsync(compileStep(run.body).many(new DataLoader(lost, { batchSize: 8 }) as never), {
    instanceOf: NativeError,
    message: /lost its memory/,
  });
  t.is(run.optimizer.steps, 2);
});

test('a prediction that began before the training goes on through it, and leaves modes alone in between', async (t) => {
  class Slow extends Layer<Tensor, Tensor> {
    forward(input: Tensor): Tensor {
      // Longer than a slice, so that each batch is followed by a turn of the event loop.
      for (const end = performance.now() + 12; performance.now() < end; );
      return input.mul(1);
    }
  }
  const model = new Sequential([new Slow(), new Linear(2, 16), new Dropout(0.5), new Linear(16, 4)]);
  const optimizer = new SGD(model, { lr: 0 });
  const step = compileStep((a: Tensor, b: Tensor<'int32'>) => {
    const loss = crossEntropy(model.forward(a), b);
    loss.backward();
    optimizer.step();
    return loss;
  });
  const data = points(24);
  const expected = [...(await model.predict(data.inputs)).data];
  model.train();
  const prediction = model.predict(data.inputs, { batchSize: 8 });
  t.true(model.training, 'in its mode again between two batches');
  const [a, b] = [data.inputs.slice(0, 8), data.targets.slice(0, 8)];
  const steps = Array.from({ length: 40 }, () => step(a, b));
  t.deepEqual([...(await prediction).data], expected);
  const losses = (await Promise.all(steps)).map((loss) => loss.item());
  t.true(new Set(losses).size > 30, 'dropout was on');
});
