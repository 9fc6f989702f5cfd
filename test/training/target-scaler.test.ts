// Scaled targets: what a net learns of prices, and that the trained model gives them in their units.
import test from 'ava';
import {
  Adam,
  ArgumentError,
  type AsyncDataset,
  Linear,
  MSELoss,
  Parallel,
  R2,
  ReLU,
  Sequential,
  ShapeError,
  TargetScaler,
  TensorDataset,
  type Tensor,
  decodeOnnx,
  encodeOnnx,
  fromBytes,
  mlp,
  setSeed,
  split,
  subset,
  tableFromRows,
  tablePreprocessing,
  tensor,
} from '../../lib/index.js';
import { close, identical } from '../helpers/close.js';

const rows = Array.from({ length: 400 }, (_, i) => {
  const [area, rooms, city] = [40 + ((i * 37) % 120), 1 + ((i * 7) % 5), ['Bonn', 'Jena', 'Ulm'][i % 3]];
  return { area, rooms, city, price: 40_000 + 4_000 * area + 9_000 * rooms + (city === 'Ulm' ? 60_000 : 0) };
});

test('[B01] prices of hundreds of thousands are learned in scaled units, and the saved model predicts them in their own', async (t) => {
  setSeed(1);
  const data = tableFromRows(rows).dataset({ target: 'price' });
  const [train, validation] = split(data, [0.8, 0.2], { seed: 1 });
  const create = (): ReturnType<typeof mlp> => {
    setSeed(1);
    const model = mlp({ inputShape: [5], hidden: [32], classes: 1 });
    model.preprocessing = tablePreprocessing(data.features, data.target).fit(train);
    return model;
  };
  const [loss, metrics] = [new MSELoss(), [new R2()]];
  const options = (model: ReturnType<typeof mlp>) =>
    ({ loss, optimizer: new Adam(model, { lr: 3e-3 }), epochs: 20, log: false, progress: false }) as const;
  const plain = create();
  await plain.fit(train, options(plain));
  const model = create();
  const scaler = new TargetScaler().fit(train);
  await model.fit(scaler.scaled(train), { ...options(model), validation: scaler.scaled(validation) });
  const before = (await model.predict(validation)) as Tensor;
  scaler.foldInto(model);
  close(t, (await model.predict(validation)) as Tensor, before.mul(scaler.std.item()).add(scaler.mean.item()), { relative: 1e-5 });
  const read = fromBytes(model.toBytes()) as typeof model;
  const r2 = async (one: typeof model): Promise<number> => (await one.evaluate(validation, { loss, metrics })).metrics.r2 as number;
  t.true((await r2(plain)) < 0, 'without scaling nothing is learned of such targets');
  t.true((await r2(read)) > 0.95, `R2 ${await r2(read)}`);
  t.throws(() => scaler.foldInto(model), { instanceOf: ArgumentError, message: /has the units of the targets already/ });
});

test('several targets have a mean and a deviation each, the same from memory, from batches and from sets that have to be waited for', async (t) => {
  const data = new TensorDataset(
    tensor([[1], [2], [3]]),
    tensor([
      [1, 100],
      [3, 100],
      [5, 100],
    ]),
  ); // prettier-ignore
  const scaler = new TargetScaler().fit(data);
  t.deepEqual([[...scaler.mean.data], scaler.std.data[1]], [[3, 100], 1]);
  const scaled = scaler.scaled(data);
  const all = Int32Array.of(0, 1, 2);
  const wanted = scaled.memory?.().targets as Tensor;
  identical(t, scaled.batch(all).targets, wanted);
  const { name, length, inputShape, targetShape } = data;
  const slow: AsyncDataset<'float32', 'float32'> = {
    name,
    length,
    inputShape,
    targetShape,
    batch: async (indices) => data.batch(indices) as never,
  };
  const later = await new TargetScaler().fit(slow as never as AsyncDataset);
  identical(t, (await later.scaled(slow).batch(all)).targets, wanted);
  const model = new Sequential([new Sequential([new Linear(1, 4), new ReLU()]), new Sequential([new Linear(4, 2)])]);
  const before = model.forward(tensor([[2]]));
  scaler.foldInto(model);
  close(t, model.forward(tensor([[2]])), before.mul(tensor([[scaler.std.data[0], 1]])).add(tensor([[3, 100]])), { relative: 1e-6 });
});

test('class indices, validation data, models that end otherwise and a scaler that learned nothing are refused', (t) => {
  const data = new TensorDataset(tensor([[1], [2]]), tensor([[1], [2]]));
  const classes = new TensorDataset(tensor([[1], [2]]), tensor([0, 1], { dtype: 'int32' }));
  const held = new TensorDataset(tensor([[1], [2]]), tensor([[1], [2]]), { split: 'validation' });
  t.throws(() => new TargetScaler().fit(classes), { instanceOf: ArgumentError, message: /are class indices, which are not scaled/ });
  t.throws(() => new TargetScaler().fit(held as never), { instanceOf: ArgumentError, message: /is the validation part of a split/ });
  t.throws(() => new TargetScaler().fit(3 as never), { instanceOf: ArgumentError });
  t.throws(() => new TargetScaler().scaled(data), { instanceOf: ArgumentError, message: /call fit\(training data\) first/ });
  t.throws(() => new TargetScaler().foldInto(new Linear(1, 1)), { message: /call fit\(training data\) first/ });
  const scaler = new TargetScaler().fit(data);
  for (const model of [new ReLU(), new Sequential([new Linear(1, 1), new ReLU()]), new Linear(1, 1, { bias: false }), null, {}])
    t.throws(() => scaler.foldInto(model as never), { instanceOf: ArgumentError, message: /whose last layer is a Linear with a bias/ });
  t.throws(() => scaler.foldInto(new Linear(1, 2)), { instanceOf: ShapeError });
});

test('logarithms of prices are learned, and the model, its file and its ONNX predict prices', async (t) => {
  const wide = rows.map((row, i) => ({ ...row, price: row.price * (i % 4 === 0 ? 100 : 1), luxury: i % 4 === 0 ? 'yes' : 'no' }));
  const data = tableFromRows(wide).dataset({ target: 'price' });
  const [train, validation] = split(data, [0.8, 0.2], { seed: 1 });
  setSeed(1);
  const model = mlp({ inputShape: [7], hidden: [32], classes: 1 });
  model.preprocessing = tablePreprocessing(data.features).fit(train);
  const scaler = new TargetScaler({ log: true }).fit(train);
  t.true(scaler.log);
  const { targets } = scaler.scaled(train).batch(Int32Array.from({ length: 5 }, (_, i) => i));
  const prices = train.batch(Int32Array.from({ length: 5 }, (_, i) => i)).targets;
  for (const [i, one] of [...targets.data].entries())
    t.true(Math.abs(one - (Math.log(prices.data[i]) - scaler.mean.item()) / scaler.std.item()) < 1e-5);
  const loss = new MSELoss();
  const optimizer = new Adam(model, { lr: 3e-3 });
  await model.fit(scaler.scaled(train), { loss, optimizer, epochs: 120, validation: scaler.scaled(validation), log: false, progress: false });
  const before = (await model.predict(validation)) as Tensor;
  scaler.foldInto(model);
  const after = (await model.predict(validation)) as Tensor;
  const wanted = before.data.map((one) => Math.exp(one * scaler.std.item() + scaler.mean.item()));
  for (const [i, one] of [...after.data].entries()) t.true(Math.abs(one / wanted[i] - 1) < 1e-4, `${one} for ${wanted[i]}`);
  const { metrics } = await model.evaluate(validation, { loss, metrics: [new R2()] });
  t.true(metrics.r2 > 0.95, `R2 ${metrics.r2}`);
  const read = fromBytes(model.toBytes()) as typeof model;
  for (const one of [read, model.clone()]) identical(t, (await one.predict(validation)) as Tensor, after);
  for (const one of [model, read]) t.throws(() => scaler.foldInto(one), { message: /has the units of the targets already/ });
  const onnx = await decodeOnnx(await encodeOnnx(model, { preprocessing: false }));
  const { inputs } = validation.batch(Int32Array.from({ length: validation.length }, (_, i) => i));
  close(t, (await onnx.predict(model.preprocessing.transform(inputs))) as Tensor, after, { relative: 1e-5 });
  await read.fit(train, { loss, optimizer: new Adam(read, { lr: 1e-5 }), log: false, progress: false });
});

test('targets without a logarithm are named by their row, those of another part of the set do not count, and a bare layer cannot end in an exponential', async (t) => {
  const data = new TensorDataset(tensor([[1], [2], [3], [4]]), tensor([[1], [10], [0], [-5]]), { name: 'sales' });
  const scaler = new TargetScaler({ log: true });
  t.throws(() => scaler.fit(data), {
    instanceOf: ArgumentError,
    message: /^the target of row 2 of data set 'sales' is 0, and only finite numbers above 0/,
  });
  const whole = subset(data, [1, 0]);
  scaler.fit(whole);
  close(
    t,
    scaler
      .scaled(whole)
      .memory?.()
      .targets.gather(tensor([1, 0], { dtype: 'int32' })) as Tensor,
    tensor([[1], [-1]]),
    { absolute: 1e-6 },
  );
  const part = subset(data, [3, 1]);
  const says = { instanceOf: ArgumentError, message: /^the target of row 0 of data set 'sales\[2\]' is -5,/ };
  t.throws(() => scaler.scaled(part).memory?.(), says);
  t.throws(() => scaler.scaled(part).batch(Int32Array.of(1, 0)), says);
  const loss = new MSELoss();
  const model = mlp({ inputShape: [1], hidden: [2], classes: 1 });
  await t.throwsAsync(model.fit(scaler.scaled(part), { loss, optimizer: new Adam(model), log: false, progress: false }), says);
  t.throws(() => scaler.foldInto(new Linear(1, 1)), { instanceOf: ArgumentError, message: /expected a stack of layers/ });
  t.throws(() => scaler.foldInto(new Parallel([new Linear(1, 1)])), { instanceOf: ArgumentError, message: /whose last layer is a Linear/ });
  t.throws(() => new TargetScaler({ log: 1 as never }), { instanceOf: ArgumentError });
  t.throws(() => new TargetScaler({ logs: true } as never), { instanceOf: ArgumentError, message: /unknown option `logs`/ });
});
