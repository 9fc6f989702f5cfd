// Objectives for worker threads, as a user's module exports them: good ones, and one for each way to die.
import { setTimeout as sleep } from 'node:timers/promises';
import { threadId } from 'node:worker_threads';
import { CrossEntropyLoss, type Dataset, SGD, Tensor, type Trial, defaultRandom, mlp } from '../../lib/index.js';
import { bowl } from '../helpers/search.js';

type Params = Parameters<typeof bowl>[0];

export default bowl;

/** Takes a moment, and reports. */
export async function slowBowl(params: Params, trial: Trial): Promise<number> {
  for (let epoch = 1; epoch <= 3; epoch++) {
    await sleep(2);
    trial.report({ epoch, score: bowl(params) + 1 / epoch, loss: 1 / epoch });
  }
  return bowl(params);
}

/** The thread, and a number of the trial's own seed. */
export async function whereAmI(_: Params, trial: Trial): Promise<number> {
  await sleep(20);
  trial.report({ epoch: threadId, score: defaultRandom().uniform() });
  return trial.number;
}

/** Each trial of the first ones dies in another way. */
export async function fragile(params: Params, { number, settings }: Trial): Promise<number> {
  const ways: (() => unknown)[] = [
    () => {
      throw new RangeError('out of range');
    },
    () => process.exit(7),
    () => {
      const all: unknown[] = [];
      for (;;) all.push(new Array(1e6).fill(number));
    },
    () => {
      setImmediate(() => {
        throw new Error('from nowhere');
      });
      return sleep(10_000);
    },
    () => Promise.reject(new Error('later')),
  ];
  await ways[number]?.();
  return bowl(params) + (settings as { offset: number }).offset;
}

/** The first trial leaves something behind that throws while the next one runs, after what that has told. */
export async function lateThrow(params: Params, trial: Trial): Promise<number> {
  if (trial.number === 0) {
    setTimeout(() => {
      throw new Error('left behind');
    }, 100);
    return 1;
  }
  trial.report({ epoch: 1, score: trial.number });
  await sleep(trial.number === 1 ? 400 : 1);
  trial.report({ epoch: 2, score: trial.number });
  return bowl(params);
}

/** Writes into the data that all threads share, and trains on them. */
export async function onShared({ lr }: Params, { number, data }: Trial<{ train: Dataset; validation: Dataset }>): Promise<number> {
  const { train, validation } = data;
  const { inputs } = train.memory?.() ?? {};
  if (!(inputs instanceof Tensor)) throw new Error('the inputs are no tensor');
  const values = inputs.data;
  // At the end, where the test looks.
  values[values.length - 8 + number] = number + 1;
  const model = mlp({ inputShape: train.inputShape, hidden: [4], classes: train.classes?.length ?? 0 });
  const loss = new CrossEntropyLoss();
  await model.fit(train, { loss, optimizer: new SGD(model, { lr }), epochs: 1, progress: false, log: false });
  return (await model.evaluate(validation, { loss })).loss;
}

/** A number that tells the data of the trial from others. */
export function sumOfShared(_: Params, { data }: Trial<{ validation: Dataset }>): number {
  const { inputs, targets } = data.validation.batch(Int32Array.from({ length: data.validation.length }, (_unused, i) => i));
  return inputs.to('float32').sum().item() + targets.to('float32').sum().item();
}

/** Runs until it is told to stop, or for ever. */
export async function endless(_: Params, { number, signal }: Trial): Promise<number> {
  while (!(signal.aborted && number > 0)) await sleep(5);
  return 1;
}
