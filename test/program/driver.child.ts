// Trains in many ways at once, in worker threads that are terminated in the middle, or in a process that ends in the middle; run by driver.test.ts.

import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import {
  Adam,
  compileStep,
  crossEntropy,
  CrossEntropyLoss,
  DataLoader,
  Dropout,
  Linear,
  ones,
  ReLU,
  Sequential,
  type Tensor,
  TensorDataset,
  zeros,
} from '../../lib/index.js';
import { Seeded } from '../helpers/seeded.js';

function make() {
  const model = new Sequential([new Linear(200, 300), new ReLU(), new Dropout(0.2), new Linear(300, 10)]);
  const optimizer = new Adam(model);
  const step = compileStep((x: Tensor, y: Tensor<'int32'>) => {
    const loss = crossEntropy(model.forward(x), y);
    loss.backward();
    optimizer.step();
    optimizer.zeroGrad();
    return loss;
  });
  const data = new TensorDataset(ones([1024, 200]), zeros([1024], { dtype: 'int32' }), { classes: 10 });
  const fit = () => model.fit(data, { optimizer, loss: new CrossEntropyLoss(), batchSize: 32, epochs: 1e6, progress: false, log: false });
  return { model, step, data, fit };
}

const forever = async (body: () => Promise<unknown>): Promise<never> => {
  for (;;) await body();
};

/** What goes on while the thread or the process ends: none of them ever returns. */
const kinds: Record<string, () => Promise<unknown>> = {
  steps: () => {
    const { step } = make();
    const [x, y] = [ones([64, 200]), zeros([64], { dtype: 'int32' })];
    return forever(() => Promise.all(Array.from({ length: 8 }, () => step(x, y))));
  },
  many: () => {
    const { step, data } = make();
    return forever(() => step.many(new DataLoader(data, { batchSize: 32, shuffle: true }) as never));
  },
  fit: () => make().fit(),
  'predict during fit': () => {
    const { model, data, fit } = make();
    return Promise.all([fit(), forever(() => model.predict(data.inputs))]);
  },
  'clone and save during fit': () => {
    const { model, fit } = make();
    return Promise.all([fit(), forever(() => turn(void [model.clone(), model.toBytes()]))]);
  },
};
const names = Object.keys(kinds);

async function begin(kind: string, ready: () => void): Promise<void> {
  // A step must have been recorded and be under way.
  setTimeout(ready, 20);
  await kinds[kind]();
}

/** Bytes that go to another owner, as postMessage with a transfer list does. */
function transferAway({ data }: Tensor<never> | Tensor | Tensor<'int32'>): void {
  structuredClone(data.buffer, { transfer: [data.buffer as ArrayBuffer] });
}

/** What a promise ends in: a code, or `done`. */
const outcome = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'done',
    (error: { code?: string }) => error.code ?? String(error),
  );

/** Takes memory away wherever JavaScript can. */
async function transfers(round: number, random: Seeded): Promise<Set<string>> {
  const seen = new Set<string>();
  const { model, step, fit, data } = make();
  const wait = (): Promise<unknown> => (round % 3 === 0 ? turn() : delay(random.integer(4)));
  // Arguments: right after the call, and between calls that wait.
  const labels = zeros([64], { dtype: 'int32' });
  const steps = Array.from({ length: 6 }, () => {
    const x = ones([64, 200]);
    const result = step(x, labels);
    transferAway(x);
    return result;
  });
  const before = await Promise.all(steps);
  if (before.some((loss) => !Number.isFinite(loss.item()))) seen.add('wrong');
  // Results are copies.
  for (const loss of before) transferAway(loss);
  const lost = ones([64, 200]);
  const last = step(lost, labels);
  transferAway(lost);
  seen.add(`after: ${await outcome(last)}`).add(`before: ${await outcome(step(lost, labels))}`);
  // The data set, in the middle of an epoch.
  const stream = outcome(step.many(new DataLoader(data, { batchSize: 16 }) as never, 2000));
  await wait();
  transferAway(round % 2 === 0 ? data.inputs : data.targets);
  seen.add(`many: ${await stream}`);
  const other = make();
  const run = outcome(other.fit());
  const prediction = outcome(other.model.predict(ones([3000, 200])));
  await wait();
  transferAway(round % 2 === 0 ? other.data.targets : other.data.inputs);
  seen.add(`fit: ${await run}`).add(`predict: ${await prediction}`);
  seen.add(`fit without memory: ${await outcome(fit())}`);
  // Parameters lie where nothing can be taken from.
  try {
    transferAway(model.parameters()[0]);
    seen.add('wrong');
  } catch {
    // DataCloneError
  }
  return seen;
}

const [mode, rounds, seed] = isMainThread ? process.argv.slice(2) : ['worker', '0', '0'];
const random = new Seeded(Number(seed));
if (mode === 'worker') await begin(workerData as string, () => parentPort?.postMessage('training'));
else if (mode === 'terminate') {
  for (let round = 0; round < Number(rounds); round++) {
    const workers = Array.from(
      { length: 8 },
      (_, i) => new Worker(new URL(import.meta.url), { workerData: names[(i + round) % names.length] }),
    );
    await Promise.all(
      workers.map(async (worker) => {
        await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
        await delay(random.integer(30));
        await worker.terminate();
      }),
    );
  }
  console.log('survived');
} else if (mode === 'exit') {
  const wait = random.integer(60);
  await begin(names[Number(rounds) % names.length], () =>
    setTimeout(() => {
      console.log('leaving');
      process.exit(7);
    }, wait),
  );
} else if (mode === 'transfer') {
  const seen = new Set<string>();
  for (let round = 0; round < Number(rounds); round++) for (const one of await transfers(round, random)) seen.add(one);
  console.log([...seen].sort().join('\n'));
} else if (mode === 'idle') {
  // Nothing keeps the process alive without a step in flight.
  await make().step(ones([64, 200]), zeros([64], { dtype: 'int32' }));
  console.log('done');
}
