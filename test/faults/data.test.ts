// Data sets of users, held to their contract: what they answer is what they were asked, at once or later, or an error that names them.
import test, { type ExecutionContext } from 'ava';
import {
  Accuracy,
  Adam,
  type AnyDataset,
  type AsyncDataset,
  augmented,
  compileStep,
  CrossEntropyLoss,
  type Dataset,
  DataLoader,
  datasets,
  type FitOptions,
  Linear,
  MSELoss,
  Metric,
  ones,
  randomFlip,
  ReLU,
  Sequential,
  setSeed,
  Sitter,
  SGD,
  split,
  subset,
  Tensor,
  TensorDataset,
  type TypedArray,
  zeros,
  evaluate,
  predict,
  fit,
} from '../../lib/index.js';

const count = 64;
const inputs = Tensor.from(
  Float32Array.from({ length: count * 4 }, (_, i) => Math.sin(i)),
  [count, 4],
);
const targets = Tensor.from(Int32Array.from({ length: count }, (_, i) => i % 3));
const whole = new TensorDataset(inputs, targets, { name: 'whole', classes: 3 });
type Loose = Record<string, unknown>;
const batch = (indices: Int32Array) => whole.batch(indices);
const base = { name: 'mine', length: count, inputShape: [4], targetShape: [] };
const own = (more: Loose): Dataset => ({ ...base, batch, ...more }) as unknown as Dataset;
const later = async (indices: Int32Array) => {
  await new Promise((resolve) => setImmediate(resolve));
  return batch(indices);
};
const slow: AsyncDataset = { ...base, batch: later };

async function fitted(data: AnyDataset, more: Partial<FitOptions> = {}): Promise<{ weights: TypedArray; losses: number[]; model: Linear }> {
  setSeed(7);
  const model = new Linear(4, 3);
  const optimizer = new Adam(model, { lr: 0.01 });
  const history = await fit(model, data, {
    loss: new CrossEntropyLoss(),
    optimizer,
    epochs: 3,
    batchSize: 10,
    log: false,
    progress: false,
    ...more,
  });
  return { weights: model.weight.data.slice() as TypedArray, losses: history.epochs.map(({ loss }) => loss), model };
}

/** A metric that wants to see predictions. */
class Seen extends Metric {
  readonly name = 'seen';
  sum = 0;
  override update(prediction: Tensor, target: Tensor): void {
    this.sum += prediction.shape[0] * 1000 + [...target.data].reduce((total, one) => total + one, 0);
  }
  override result(): number {
    return this.sum;
  }
  override reset(): void {
    this.sum = 0;
  }
}

test('a data set that answers later trains, is scored and predicts as one that answers at once (fault R16)', async (t) => {
  const ways: Partial<FitOptions>[] = [
    {},
    { eager: true },
    { callbacks: [{ onBatchEnd() {} }] },
    { metrics: [new Accuracy(), new Seen()] },
    { validation: slow },
  ];
  for (const more of ways) {
    const expected = await fitted(own({}), { ...more, ...(more.validation && { validation: whole }) });
    t.deepEqual((await fitted(slow, more)).weights, expected.weights, Object.keys(more).join());
    t.deepEqual((await fitted(slow, more)).losses, expected.losses);
  }
  const { model } = await fitted(whole);
  for (const batchSize of [7, 64]) {
    const options = { loss: new CrossEntropyLoss(), metrics: [new Accuracy(), new Seen()], batchSize };
    t.deepEqual(await evaluate(model, slow, options), await evaluate(model, own({}), options));
    t.deepEqual((await predict(model, slow, { batchSize })).data, (await predict(model, inputs, { batchSize })).data);
  }
  const step = compileStep((x: Tensor, y: Tensor) => x.sum().add(y.to('float32').sum()));
  const [one, other] = [slow, whole].map((data) => new DataLoader(data as Dataset, { batchSize: 10 }));
  const sums = async (loader: DataLoader) => (await step.many(loader as never, 9)).map((sum) => sum.item());
  t.deepEqual(await sums(one), await sums(other));
});

test('the sitter waits for a data set that answers later (fault R16)', async (t) => {
  const told = async (data: AnyDataset): Promise<string[]> => {
    setSeed(7);
    const model = new Sequential([new Linear(4, 8), new ReLU(), new Linear(8, 3)]);
    const sitter = new Sitter();
    const options = {
      loss: new CrossEntropyLoss(),
      optimizer: new Adam(model),
      epochs: 2,
      batchSize: 10,
      log: false as const,
      progress: false,
    };
    await model.fit(data, { ...options, callbacks: [sitter] });
    return sitter.readings.map(({ text }) => text);
  };
  const findings = await told(slow);
  t.deepEqual(findings, await told(whole));
  t.true(findings.some((text) => text.startsWith('dead units')));
});

test('parts of a data set that answers later, and its augmented images, answer later too (fault R16)', async (t) => {
  const part = subset(slow, [3, 1, 2]);
  t.deepEqual((await part.batch(Int32Array.of(0, 2))).targets.toArray(), [0, 2]);
  const [first] = split(slow, [32, 32], { seed: 1 });
  const [same] = split(whole, [32, 32], { seed: 1 });
  const all = Int32Array.from({ length: 32 }, (_, i) => i);
  t.deepEqual((await first.batch(all)).inputs.data, same.batch(all).inputs.data);
  t.throws(() => split(slow, [32, 32], { stratify: true }), {
    code: 'ERR_ARGUMENT',
    message: /'mine' makes its batches asynchronously.*labels\(\)/,
  });
  const { train } = await datasets.digits({ train: 20, test: 0, raw: true });
  const images: AsyncDataset<'uint8'> = {
    name: 'images',
    length: 20,
    inputShape: [28, 28, 1],
    targetShape: [],
    batch: async (indices) => train.batch(indices),
  };
  const [drawn, expected] = [augmented(images, [randomFlip()]), augmented(own20(train), [randomFlip()])];
  const key = { seed: 3, epoch: 1 };
  t.deepEqual((await drawn.batch(Int32Array.of(4, 5), key)).inputs.data, expected.batch(Int32Array.of(4, 5), key).inputs.data);
});

const own20 = (train: TensorDataset<'uint8'>): Dataset<'uint8'> => ({
  name: 'images',
  length: 20,
  inputShape: [28, 28, 1],
  targetShape: [],
  batch: (indices) => train.batch(indices),
});

test('a loop that does not pause between batches gets each of them once, in order, however late they come (fault R16)', async (t) => {
  for (const delay of [0, 1, 5]) {
    const late: AsyncDataset = {
      ...base,
      batch: async (indices) => {
        await new Promise((resolve) => setTimeout(resolve, delay));
        return batch(indices);
      },
    };
    for (const prefetch of [0, 1, 2, 5]) {
      const labels: number[] = [];
      for await (const [, y] of new DataLoader(late, { batchSize: 10, prefetch })) labels.push(...y.data);
      t.deepEqual(labels, [...targets.data], `delay ${delay}, prefetch ${prefetch}`);
    }
  }
});

test('loaders wait for batches in for await loops, ask for one at a time, and say so where they cannot wait (fault R16)', async (t) => {
  let [under, most] = [0, 0];
  const counted: AsyncDataset = {
    ...base,
    batch: async (indices) => {
      most = Math.max(most, ++under);
      const made = await later(indices);
      under -= 1;
      return made;
    },
  };
  for (const prefetch of [0, 1, 3]) {
    const labels: number[] = [];
    for await (const [, y] of new DataLoader(counted, { batchSize: 10, prefetch })) {
      labels.push(...y.data);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    t.deepEqual(labels, [...targets.data]);
    t.is(most, 1);
  }
  t.throws(() => [...new DataLoader(slow)], { code: 'ERR_ARGUMENT', message: /'mine' makes its batches asynchronously.*for await/ });
  const gone: AsyncDataset = { ...base, batch: async () => Promise.reject(new Error('the server is gone')) };
  const reads = async () => {
    for await (const _ of new DataLoader(gone)) t.fail();
  };
  await t.throwsAsync(reads(), { message: 'the server is gone' });
  await t.throwsAsync(fitted(gone), { message: 'the server is gone' });
  let calls = 0;
  const breaks: AsyncDataset = { ...base, batch: (indices) => (++calls > 3 ? Promise.reject(new Error('broke')) : later(indices)) };
  await t.throwsAsync(fitted(breaks), { message: 'broke' });
});

const breaches: [what: string, more: Loose, message: RegExp][] = [
  ['too few rows', { batch: (i: Int32Array) => batch(i.slice(0, 3)) }, /'mine' was asked for 10 examples, and its batch\(\) gave inputs of shape \[3, 4\]/],
  ['too few targets', { batch: (i: Int32Array) => ({ inputs: batch(i).inputs, targets: batch(i.slice(1)).targets }) }, /asked for 10 examples, .* targets of shape \[9\]/],
  ['one example', { batch: (i: Int32Array) => ({ inputs: batch(i).inputs.slice(0, 1).reshape([4]), targets: zeros([], { dtype: 'int32' }) }) }, /asked for 10 examples, .* inputs of shape \[4\]/],
  ['nothing', { batch: () => undefined }, /Tensor for `inputs of a batch of data set 'mine'`, received undefined/],
  ['arrays', { batch: () => ({ inputs: [[1, 2, 3, 4]], targets: [0] }) }, /Tensor for `inputs of a batch of data set 'mine'`, received an array/],
  ['a pair', { batch: (i: Int32Array) => [batch(i).inputs, batch(i).targets] }, /'mine' gave an array: it must give an object, \{ inputs, targets \}/],
  ['another shape', { inputShape: [5] }, /'mine' names the inputShape \[5\], and has inputs of shape \[10, 4\]/],
  ['another target shape', { targetShape: [1] }, /'mine' names the targetShape \[1\], and has targets of shape \[10\]/],
  ['a later dtype', { batch: (i: Int32Array) => (i[0] < 10 ? batch(i) : { ...batch(i), targets: batch(i).targets.to('float32') }) }, /'mine' made batches of int32 and of float32/],
  ['a later shape', { inputShape: undefined, batch: (i: Int32Array) => (i[0] < 10 ? batch(i) : { ...batch(i), inputs: ones([i.length, 2, 2]) }) }, /'mine' made inputs of shapes \[4\] and \[2, 2\]/],
  ['few rows in memory', { memory: () => ({ inputs, targets, rows: new Int32Array(3) }) }, /'mine' has 64 examples, and its memory\(\) gives the rows of 3/],
  ['rows outside of memory', { memory: () => ({ inputs, targets, rows: new Int32Array(64).fill(64) }) }, /'mine' names row 64, and its memory\(\) has rows 0 to 63/],
  ['rows below memory', { memory: () => ({ inputs, targets, rows: new Int32Array(64).fill(-1) }) }, /'mine' names row -1/],
  ['rows that are no array', { memory: () => ({ inputs, targets, rows: [0, 1] }) }, /Int32Array or null for `rows of memory\(\) of data set 'mine'`/],
  ['short memory', { memory: () => ({ inputs: ones([8, 4]), targets, rows: null }) }, /'mine' has 64 examples, and its memory\(\) gives inputs of shape \[8, 4\]/],
  ['short targets', { memory: () => ({ inputs, targets: targets.slice(0, 8), rows: null }) }, /'mine' has 64 examples, and its memory\(\) gives targets of shape \[8\]/],
  ['memory that comes later', { memory: async () => ({ inputs, targets, rows: null }) }, /Tensor for `inputs of memory\(\) of data set 'mine'`, received undefined/],
  ['half an example', { length: 7.5 }, /integer from 0 to 2147483647 for `data(set)?.length`, received 7.5/],
  ['no length', { length: undefined }, /`data(set)?.length`, received undefined/],
]; // biome-ignore format: a table

async function refused(t: ExecutionContext, what: string, run: () => Promise<unknown>, message: RegExp): Promise<void> {
  const error = await t.throwsAsync(run, undefined, what);
  t.regex(error?.message ?? '', message, what);
  t.regex((error as { code?: string } | undefined)?.code ?? '', /^ERR_(ARGUMENT|SHAPE|DTYPE)$/, what);
}

test('a data set that does not give what it was asked for is an error that names it, what was asked and what came (fault R16)', async (t) => {
  const { model } = await fitted(whole);
  for (const [what, more, message] of breaches) {
    for (const eager of [false, true]) {
      // What lies in memory is compared where it is read from there.
      if (eager && 'memory' in more) continue;
      await refused(t, `${what}, fit${eager ? ', eager' : ''}`, () => fitted(own(more), { eager, shuffle: false }), message);
    }
    await refused(t, `${what}, evaluate`, () => evaluate(model, own(more), { loss: new CrossEntropyLoss(), batchSize: 10 }), message);
    await refused(t, `${what}, predict`, () => predict(model, own(more), { batchSize: 10 }), message);
  }
  for (const memory of breaches.filter(([, more]) => 'memory' in more).slice(0, 3))
    t.throws(() => new Set([subset(own(memory[1]), [0, 1]).memory?.()]), { message: memory[2] });
});

test('what a data set throws comes out as it is, and one that was not awaited is told so (fault R16)', async (t) => {
  const problem = new Error('no such row');
  const throwing = own({
    batch: () => {
      throw problem;
    },
  });
  t.is(await t.throwsAsync(fitted(throwing)), problem);
  t.is(await t.throwsAsync(predict(new Linear(4, 3), throwing)), problem);
  await t.throwsAsync(fitted(datasets.digits() as never), { code: 'ERR_ARGUMENT', message: /received a Promise\. Await it/ });
  t.throws(() => split(own({ labels: () => new Int32Array(3) }), [0.5, 0.5], { stratify: true }), {
    message: /Int32Array of 64 class indices/,
  });
});

test('validation data without an example are refused before the first step (fault F06)', async (t) => {
  const model = new Linear(2, 1);
  const none = new TensorDataset(zeros([0, 2]), zeros([0, 1]), { name: 'nobody' });
  const optimizer = new SGD(model, { lr: 0.1 });
  const options = { loss: new MSELoss(), optimizer, epochs: 5, validation: none as never, log: false as const, progress: false };
  const data = new TensorDataset(ones([8, 2]), ones([8, 1]));
  await t.throwsAsync(fit(model, data as never, options), {
    code: 'ERR_ARGUMENT',
    message: /nobody is empty: there is nothing to validate with.*options\.validation/,
  });
  t.is(optimizer.steps, 0);
});
