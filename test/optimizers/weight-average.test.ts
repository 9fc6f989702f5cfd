// Averages of weights.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import {
  ArgumentError,
  compileStep,
  fit,
  LBFGS,
  Linear,
  MSELoss,
  mseLoss,
  ones,
  SGD,
  setSeed,
  Tensor,
  TensorDataset,
  WeightAverage,
  zeros,
} from '../../lib/index.js';
import { Seeded } from '../helpers/seeded.js';

function seen(model: Linear, average: WeightAverage, values: readonly number[]): number {
  for (const value of values) {
    model.weight.data.fill(value);
    average.update();
  }
  average.swapIn();
  const found = model.weight.data[0];
  average.swapOut();
  return found;
}

test('a mean of many weights loses no digits on the way', (t) => {
  const model = new Linear(1, 1, { bias: false });
  const average = new WeightAverage(model);
  t.is(
    seen(
      model,
      average,
      Array.from({ length: 3000 }, (_, i) => i),
    ),
    1499.5,
  );
  t.is(average.count, 3000);
});

test('the average is swapped in and out, and waits for that', (t) => {
  const model = new Linear(2, 2);
  const average = new WeightAverage(model, { decay: 0.5 });
  t.throws(() => average.swapIn(), { instanceOf: ArgumentError, message: /no average yet/ });
  average.update();
  const first = [...model.weight.data];
  model.weight.data.fill(0);
  average.update();
  average.swapIn();
  average.swapIn();
  t.true(average.isSwappedIn);
  t.deepEqual([...model.weight.data], first.map((w) => Math.fround(w / 2))); // biome-ignore format: one line
  t.throws(() => average.update(), { instanceOf: ArgumentError, message: /swapOut/ });
  average.swapOut();
  t.deepEqual([...model.weight.data], [0, 0, 0, 0]);
  t.throws(() => compileStep(() => average.update()).sync(), { message: /between two steps/ });
  for (const decay of [-1, 2, NaN, '1'])
    t.throws(() => new WeightAverage(model, { decay: decay as number }), { instanceOf: ArgumentError, message: /options\.decay/ });
  t.throws(() => new WeightAverage({} as never), { instanceOf: ArgumentError });
});

test('while an average is swapped in no optimizer takes a step, which swapOut would lose: not in fit, in a loop, or in a step recorded before', async (t) => {
  const model = new Linear(2, 1);
  const average = new WeightAverage(model);
  const [x, y] = [ones([4, 2]), zeros([4, 1])];
  const optimizer = new SGD(model, { lr: 0.1 });
  const body = () => {
    const loss = mseLoss(model.forward(x), y);
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    return loss;
  };
  const step = compileStep(body);
  step.sync();
  average.update();
  step.sync();
  average.swapIn();
  const before = [...model.weight.data];
  const wanted = { instanceOf: ArgumentError, message: /swapOut\(\) before training/ };
  t.throws(body, wanted);
  t.throws(() => step.sync(), wanted);
  t.throws(() => new LBFGS(model).step(() => 0), wanted);
  for (const eager of [false, true]) {
    const options = { loss: new MSELoss(), optimizer, progress: false, log: false, eager } as const;
    await t.throwsAsync(fit(model, new TensorDataset(x, y), options), wanted);
  }
  const other = new WeightAverage(model);
  t.throws(() => other.update(), { instanceOf: ArgumentError, message: /swapOut/ });
  t.deepEqual([...model.weight.data], before);
  average.swapOut();
  step.sync();
  other.update();
  body();
  other.swapIn();
  t.throws(() => average.swapIn(), { instanceOf: ArgumentError, message: /another average/ });
});

test('an average goes on from its state', (t) => {
  const model = new Linear(2, 1);
  const [one, other] = [new WeightAverage(model), new WeightAverage(model)];
  for (const value of [1, 2]) {
    model.weight.data.fill(value);
    one.update();
  }
  other.loadStateDict(one.stateDict(), one.stateTensors());
  model.weight.data.fill(6);
  other.update();
  other.swapIn();
  t.deepEqual([...model.weight.data], [3, 3]);
  const tensors = one.stateTensors();
  const bad = [
    [null, tensors],
    [{}, tensors],
    [{ count: 1 }, new Map()],
    [{ count: 1 }, null],
    [{ count: -1 }, tensors],
  ] as const;
  for (const [state, of] of bad) t.throws(() => one.loadStateDict(state, of as never), { instanceOf: ArgumentError });
  const fresh = new WeightAverage(model);
  one.loadStateDict(fresh.stateDict(), fresh.stateTensors());
  t.is(one.count, 0);
});

test('an average that is a callback of fit takes in each epoch, and a resumed run has that of all its epochs', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'nodegrad-average-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  const random = new Seeded(5);
  const data = new TensorDataset(
    Tensor.from(Float32Array.from(random.uniform(48)), [16, 3]),
    Tensor.from(Float32Array.from(random.uniform(16)), [16, 1]),
  );
  const train = async (parts: readonly number[], options: object) => {
    let [found, count]: [number[], number] = [[], 0];
    for (const epochs of parts) {
      setSeed(3);
      const model = new Linear(3, 1);
      const average = new WeightAverage(model, options);
      const checkpoint = parts.length === 1 ? {} : { checkpoint: { dir: join(dir, JSON.stringify(options)) }, resume: true };
      const optimizer = new SGD(model, { lr: 0.1 });
      await fit(model, data, {
        loss: new MSELoss(),
        optimizer,
        epochs,
        seed: 1,
        callbacks: [average],
        progress: false,
        log: false,
        ...checkpoint,
      });
      average.swapIn();
      [found, count] = [[...model.weight.data], average.count];
    }
    return { found, count };
  };
  for (const options of [{}, { decay: 0.5 }]) {
    const whole = await train([5], options);
    t.is(whole.count, 5);
    t.deepEqual(await train([2, 5], options), whole);
  }
});
