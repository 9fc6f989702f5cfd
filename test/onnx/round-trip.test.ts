// What we write comes back with the same numbers, for every kind of layer, and is a model as any other.
import test, { type ExecutionContext } from 'ava';
import * as lib from '../../lib/index.js';
import { freeCases, onnxCases, wave } from '../helpers/onnx-cases.js';

const { Tensor } = lib;

/** Models that come back with other parameters than they had: a projection is multiplied into weights, positions without a use are left out. */
const others = [/^LSTM.*projection/, /^PositionalEmbedding/, /^characterTransformer/];

const count = (model: lib.AnyLayer): number => model.parameters().reduce((sum, { size }) => sum + size, 0);
const tensorsOf = (output: unknown): lib.Tensor[] =>
  output instanceof Tensor ? [output] : Object.values(output as Record<string, lib.Tensor>);

/** Compares a model with what came back of it. */
function same(t: ExecutionContext, model: lib.AnyLayer, back: lib.OnnxModel<unknown, unknown>, input: unknown, isSoftmax = false): void {
  const own = model.forward(input as never) as lib.Tensor;
  const wanted = tensorsOf(isSoftmax ? lib.softmax(own) : own);
  const got = tensorsOf(back.forward(input));
  for (const [i, one] of wanted.entries()) {
    t.deepEqual(got[i].shape, one.shape);
    const largest = one.data.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
    const worst = one.data.reduce((most, value, k) => Math.max(most, Math.abs(value - got[i].data[k])), 0);
    t.true(worst <= 2e-6 * largest, `differs by ${worst}`);
  }
}

for (const { name, make, input, options, isLarge } of onnxCases()) {
  if (isLarge) continue;
  test(`${name}: out and in again`, async (t) => {
    const model = make();
    const bytes = await lib.encodeOnnx(model, options);
    const back = await lib.decodeOnnx<unknown, unknown>(bytes, options?.layout === 'NCHW' ? { layout: 'NHWC' } : {});
    same(t, model, back, input, options?.softmax);
    if (!others.some((pattern) => pattern.test(name))) t.is(count(back), count(model), 'as many parameters');
  });
}

for (const { name, make, inputs, options } of freeCases()) {
  test(`${name}: out once, and in again for several sizes`, async (t) => {
    const model = make();
    const bytes = await lib.encodeOnnx(model, options);
    const back = await lib.decodeOnnx<unknown, unknown>(bytes, options.layout === 'NCHW' ? { layout: 'NHWC' } : {});
    for (const input of inputs) same(t, model, back, input);
  });
}

const images = (count: number): lib.TensorDataset<'float32', 'int32'> =>
  new lib.TensorDataset(
    Tensor.from(
      Float32Array.from({ length: count * 64 }, (_, i) => Math.sin(i * (1 + (Math.floor(i / 64) % 2)))),
      [count, 8, 8, 1],
    ),
    Tensor.from(Int32Array.from({ length: count }, (_, i) => i % 2)),
  );

const network = (): lib.Sequential => {
  lib.setSeed(2);
  const layers = [new lib.Conv2d(1, 4, 3), new lib.BatchNorm2d(4), new lib.ReLU(), new lib.Flatten(), new lib.Linear(144, 2)];
  return new lib.Sequential(layers, { inputShape: [8, 8, 1] });
};

test('a model that comes in is trained as the one that went out: the same losses, step by step', async (t) => {
  const model = network();
  const back = await lib.decodeOnnx(await lib.encodeOnnx(model, { layout: 'NCHW' }), { layout: 'NHWC' });
  const losses: number[][] = [];
  for (const one of [model, back]) {
    lib.setSeed(5);
    const options = { loss: new lib.CrossEntropyLoss(), optimizer: new lib.SGD(one, { lr: 0.05, momentum: 0.9 }), epochs: 4, batchSize: 8 };
    const history = await one.fit(images(32), { ...options, shuffle: false, progress: false, log: false });
    losses.push(history.epochs.map(({ loss }) => loss));
  }
  t.true(losses[0][3] < losses[0][0] / 2);
  for (const [i, loss] of losses[0].entries()) t.true(Math.abs(loss - losses[1][i]) < 1e-4 * Math.max(1, loss), `${losses[1][i]} and ${loss}`);
});

test('its layers are those that it had, under their names, and it prints them', async (t) => {
  const model = network();
  const back = await lib.decodeOnnx(await lib.encodeOnnx(model));
  t.deepEqual([...back.namedLayers()].map(([path, layer]) => `${path} ${layer.constructor.name}`), [' OnnxModel', '0 Conv2d', '1 BatchNorm2d', '4 Linear']); // biome-ignore format: one line
  t.deepEqual([...back.stateDict().keys()].sort(), [...model.stateDict().keys()].sort());
  t.deepEqual(back.inputShape, [8, 8, 1]);
  t.regex(back.summary(), /Conv2d.*\n.*BatchNorm2d.*\n.*Linear/);
  t.is(lib.multiplyAccumulates(back), lib.multiplyAccumulates(model));
});

test('it is saved, cloned and exported again', async (t) => {
  const back = await lib.decodeOnnx(await lib.encodeOnnx(network(), { classNames: ['a', 'b'] }));
  const x = wave(3, 8, 8, 1);
  const wanted = Array.from(back.forward(x).data);
  const saved = lib.fromBytes(back.toBytes());
  saved.eval();
  t.deepEqual(Array.from((saved.forward(x) as lib.Tensor).data), wanted);
  t.deepEqual(Array.from(back.clone().forward(x).data), wanted);
  const again = await lib.decodeOnnx(await lib.encodeOnnx(back));
  t.deepEqual(Array.from(again.forward(x).data), wanted);
  t.is(back.metadata.classNames, '["a","b"]');
  t.deepEqual([back.inputNames, back.outputNames], [['input'], ['output']]);
});

test('a layer that stands in two places is one layer again', async (t) => {
  const shared = new lib.Linear(3, 3);
  const back = await lib.decodeOnnx(await lib.encodeOnnx(new lib.Sequential([shared, new lib.ReLU(), shared]), { inputShape: [3] }));
  t.is(count(back), 12);
  t.is(back.children().size, 1);
});
