// What is written to files of ONNX, without anybody who runs them: onnxruntime does so in scripts/test-onnx.mjs.
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import * as lib from '../../lib/index.js';
import { decodeModel } from '../../lib/onnx/protobuf.js';
import type { GraphMessage } from '../../lib/onnx/schema.js';

const { ArgumentError, Linear, Model, Sequential, Tensor, encodeOnnx, saveOnnx, tensor } = lib;

const graphOf = async (model: lib.AnyLayer, options: lib.OnnxExportOptions): Promise<GraphMessage> =>
  (await decodeModel(await encodeOnnx(model, options), 'bytes')).graph as GraphMessage;
const types = ({ node = [] }: GraphMessage): (string | undefined)[] => node.map(({ opType }) => opType).filter((type) => type !== 'Constant');
const dimsOf = (value: { type?: { tensorType?: { shape?: { dim?: { dimValue?: number; dimParam?: string }[] } } } } | undefined) =>
  value?.type?.tensorType?.shape?.dim?.map(({ dimValue, dimParam }) => dimValue ?? dimParam);

/** A model whose forward is given. */
class Own extends Model {
  constructor(readonly body: (x: lib.Tensor) => lib.Tensor) {
    super();
  }
  forward(x: lib.Tensor): lib.Tensor {
    return this.body(x);
  }
}

test('a convolutional net is convolutions, and its images change their order of axes where they must', async (t) => {
  lib.setSeed(1);
  const graph = await graphOf(lib.lenet5(), {});
  t.is(types(graph).filter((type) => type === 'Conv').length, 3);
  // One channel needs no change at the input; the features of the last convolution are one pixel.
  t.false(types(graph).includes('Transpose'));
  t.deepEqual(dimsOf(graph.input?.[0]), ['batch', 28, 28, 1]);
  t.deepEqual(dimsOf(graph.output?.[0]), ['batch', 10]);
});

test('weights keep their paths, and are stored in the order that ONNX has', async (t) => {
  const model = new Sequential([new lib.Conv2d(2, 3, [4, 5]), new lib.ReLU(), new lib.GlobalAvgPool2d(), new Linear(3, 2)]);
  const graph = await graphOf(model, { inputShape: [8, 8, 2] });
  const stored = new Map(graph.initializer?.map(({ name, dims }) => [name, dims]));
  t.deepEqual(stored.get('0.weight'), [3, 2, 4, 5]);
  t.deepEqual(stored.get('0.bias'), [3]);
  t.deepEqual(stored.get('3.weight'), [3, 2]);
  t.deepEqual(types(graph), ['Transpose', 'Conv', 'Relu', 'GlobalAveragePool', 'Reshape', 'Gemm']);
  t.true(graph.node?.some(({ name }) => name === '0/Conv'));
});

test('the bytes of a small model are those that they were', async (t) => {
  const layer = new Linear(2, 2);
  layer.weight.data.set([1, 2, 3, 4]);
  const bytes = await encodeOnnx(new Sequential([layer, new lib.ReLU()]), { inputShape: [2], classNames: ['no', 'yes'] });
  const message = await decodeModel(bytes, 'bytes');
  t.is(message.irVersion, 8);
  t.deepEqual(message.opsetImport, [{ domain: '', version: 17 }]);
  t.is(message.producerName, 'nodegrad');
  t.deepEqual(message.metadataProps?.[2], { key: 'classNames', value: '["no","yes"]' });
  const withoutVersion = Buffer.from(bytes).toString('latin1').replaceAll(lib.info().version, '');
  t.is(createHash('sha256').update(withoutVersion, 'latin1').digest('hex').slice(0, 16), '861c91efa9f91eaf');
});

test('the number of examples is free, or fixed', async (t) => {
  const free = await graphOf(new lib.Flatten(), { inputShape: [3, 4] });
  t.deepEqual(
    [dimsOf(free.input?.[0]), dimsOf(free.output?.[0])],
    [
      ['batch', 3, 4],
      ['batch', 12],
    ],
  );
  const fixed = await graphOf(new lib.Flatten(), { inputShape: [3, 4], batchSize: 5 });
  t.deepEqual(
    [dimsOf(fixed.input?.[0]), dimsOf(fixed.output?.[0])],
    [
      [5, 3, 4],
      [5, 12],
    ],
  );
});

test('what depends on the number of examples is refused, and is no problem for a fixed one', async (t) => {
  const centred = new Own((x) => x.sub(x.mean(0)));
  await t.throwsAsync(encodeOnnx(centred, { inputShape: [3] }), { instanceOf: ArgumentError, message: /operation 'div'.*`batchSize`/ });
  t.deepEqual(types(await graphOf(centred, { inputShape: [3], batchSize: 2 })), ['ReduceSum', 'Div', 'Sub']);
  const more = new Own((x) => lib.concat([x, lib.ones([1, 3])]));
  await t.throwsAsync(encodeOnnx(more, { inputShape: [3] }), {
    message: /operation 'concat' has a tensor \[N \+ 1, 3\].*other numbers of examples N/,
  });
  const other = new Own((x) => (x.shape[0] > 1010 ? x : x.add(1)));
  await t.throwsAsync(encodeOnnx(other, { inputShape: [3] }), { message: /other numbers of examples/ });
});

test('a permutation that moves an axis of one is no slice', async (t) => {
  const x = Tensor.from(
    Float32Array.from({ length: 30 }, (_, i) => i),
    [1, 5, 6],
  );
  for (const order of [
    [1, 0, 2],
    [2, 1, 0],
    [0, 2, 1],
  ]) {
    const model = new Own((input) =>
      input
        .transpose(order)
        .add(0.5)
        .transpose(order.map((_, i) => order.indexOf(i)))
        .mul(2),
    );
    const { node = [] } = await graphOf(model, { inputShape: [5, 6], batchSize: 1 });
    t.deepEqual(
      node.filter(({ opType }) => opType === 'Transpose').map(({ attribute }) => attribute?.[0].ints),
      [order, order.map((_, i) => order.indexOf(i))],
    );
    const read = await lib.decodeOnnx(await encodeOnnx(model, { inputShape: [5, 6], batchSize: 1 }));
    t.deepEqual(read.forward(x).toArray(), model.forward(x).toArray());
  }
});

test('the number that stands for any number of examples shows in no message', async (t) => {
  const halves = new Own((x) => x.reshape([-1, 2, 3]));
  await t.throwsAsync(encodeOnnx(halves, { inputShape: [3] }), { instanceOf: lib.ShapeError, message: /N.*`batchSize`/ });
  await t.throwsAsync(encodeOnnx(halves, { inputShape: [3] }), { message: /^(?!.*\d{4})/s });
  await t.notThrowsAsync(encodeOnnx(halves, { inputShape: [3], batchSize: 4 }));
});

test('sizes that are free have names, and what depends on them is computed', async (t) => {
  const graph = await graphOf(lib.cifarResnet({ depth: 8 }), { dynamicAxes: ['height', 'width'] });
  t.deepEqual(dimsOf(graph.input?.[0]), ['batch', 'height', 'width', 3]);
  t.deepEqual(dimsOf(graph.output?.[0]), ['batch', 10]);
  const first = await graphOf(new lib.Conv2d(3, 4, 3), { dynamicAxes: ['width'], inputShape: [8, 8, 3], layout: 'NCHW' });
  t.deepEqual(dimsOf(first.output?.[0]), ['batch', 4, 6, 'width - 2']);
  t.deepEqual(types(first), ['Conv']);
  const strided = await graphOf(new lib.Conv2d(3, 4, 3, { stride: 2 }), { dynamicAxes: ['height'], inputShape: [8, 8, 3], layout: 'NCHW' });
  t.deepEqual(dimsOf(strided.output?.[0]), ['batch', 4, 'output_2', 3]);
  const example = { x: lib.ones([1, 6, 2]), mask: Tensor.from(new Uint8Array(6), [1, 6]) };
  const two = new (class extends Model<typeof example, lib.Tensor> {
    forward({ x, mask }: typeof example): lib.Tensor {
      return x.mul(mask.to('float32').reshape([-1, mask.shape[1], 1]));
    }
  })();
  const masked = await graphOf(two, { dynamicAxes: ['time'], example });
  t.deepEqual(masked.input?.map(dimsOf), [
    ['batch', 'time'],
    ['batch', 'time', 2],
  ]);
  t.deepEqual(types(masked).filter((type) => type === 'Shape').length, 1);
});

test('without free sizes nothing is computed from shapes', async (t) => {
  t.false(types(await graphOf(lib.cifarResnet({ depth: 8 }), {})).includes('Shape'));
  const [none, empty] = [await encodeOnnx(lib.lenet5(), {}), await encodeOnnx(lib.lenet5(), { dynamicAxes: [] })];
  t.is(none.length, empty.length);
});

test('a layer that takes one size alone is named, where sizes were to be free', async (t) => {
  const area = { dynamicAxes: ['height', 'width'], inputShape: [8, 8, 3] } as const;
  const time = { dynamicAxes: ['time'], inputShape: [8, 3] } as const;
  const refused = async (layer: lib.AnyLayer | ((x: lib.Tensor) => lib.Tensor), options: lib.OnnxExportOptions, message: RegExp) => {
    const inner = typeof layer === 'function' ? new Own(layer) : layer;
    await t.throwsAsync(encodeOnnx(new Sequential([new lib.Identity(), inner]), options), { instanceOf: ArgumentError, message });
  };
  await refused(
    new Sequential([new lib.Flatten(), new Linear(192, 2)]),
    area,
    /free 'height' and 'width': in layer '1.1': \[linear\] expected 192/,
  );
  await refused(new lib.AdaptiveAvgPool2d(2), area, /in layer '1' operator \w+ would be another one/);
  await refused(new lib.AdaptiveAvgPool2d(3), area, /in layer '1'/);
  await refused(new lib.Upsample2d({ outputSize: 16 }), area, /in layer '1' constants are others/);
  await refused(new lib.PositionalEmbedding(2, 3), { ...time, inputShape: [2, 3] }, /in layer '1': .*at most 2 positions/);
  await refused((x) => x.mul(1 / x.shape[1]), time, /in layer '1' a number depends on sizes in a way that has no formula: 0.125/);
  await refused((x) => x.mul(Tensor.from(Float32Array.from({ length: x.shape[1] }, (_, i) => i / x.shape[1])).reshape([1, -1, 1])), time, /in layer '1' constants/); // biome-ignore format: one line
  const unrolled = (x: lib.Tensor): lib.Tensor => {
    let sum = x.slice([0, 0], [x.shape[0], 1]);
    for (let i = 1; i < x.shape[1]; i++) sum = sum.add(x.slice([0, i], [x.shape[0], i + 1]));
    return sum;
  };
  await refused(unrolled, time, /layer '1' does other operations for other sizes/);
});

test('axes that do not exist are refused, and so are names that fit none', async (t) => {
  const refused = async (dynamicAxes: unknown, message: RegExp, inputShape: readonly number[] = [5, 3]) =>
    t.throwsAsync(encodeOnnx(new Linear(3, 3), { dynamicAxes: dynamicAxes as lib.DynamicAxes, inputShape }), {
      instanceOf: ArgumentError,
      message,
    });
  await refused(['depth'], /'time', 'height' or 'width', or axes by input for `options.dynamicAxes`/);
  await refused(['height'], /an input of images, \[height, width, channels\] for `options.dynamicAxes: "height"`/);
  await refused(['time'], /an input of sequences/, [2, 2, 3]);
  await refused({ x: { 1: 'time' } }, /no input "x", but "input"/);
  await refused({ input: { 0: 'count' } }, /axis 0 counts examples/);
  await refused({ input: { 3: 'a' } }, /an axis from 1 to 2/);
  await refused({ input: { 1: 'batch' } }, /other than 'batch'/);
  await refused({ input: { 1: 'a', 2: 'a' } }, /axes of one size under one name/);
  await refused({ input: 3 }, /names by axis/);
  await refused('time', /a list of names, or axes by input/);
});

test('a layer without a form in ONNX is named', async (t) => {
  const guess = new Own((x) => lib.dropout(x, 0.5));
  await t.throwsAsync(encodeOnnx(new Sequential([new Linear(3, 3), guess]), { inputShape: [3] }), {
    instanceOf: ArgumentError,
    message: /in layer '1'.*random numbers/,
  });
  const peek = new Own((x) => (x.data[0] > 0 ? x : x.neg()));
  await t.throwsAsync(encodeOnnx(peek, { inputShape: [3] }), { instanceOf: ArgumentError, message: /has no values.*where\(\)/ });
  const batch = new lib.BatchNorm1d(3, { trackRunningStats: false });
  await t.throwsAsync(encodeOnnx(new Sequential([batch]), { inputShape: [3] }), { message: /in layer '0'.*(statistics|no form)/ });
});

test('a file is whole or not there', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-onnx-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'model.onnx');
  await t.throwsAsync(saveOnnx(new Own((x) => (x.item() > 0 ? x : x)), path, { inputShape: [3] }));
  t.false(existsSync(path));
  await saveOnnx(new Linear(3, 2), path, { inputShape: [3] });
  t.deepEqual(types((await decodeModel(readFileSync(path), path)).graph as GraphMessage), ['Gemm']);
});

test('what it cannot know it asks for', async (t) => {
  const images = new Sequential([new lib.Conv2d(3, 4, 3)]);
  await t.throwsAsync(encodeOnnx(images, { inputShape: [3, 8, 8], layout: 'NCHW' }), {
    message: /`options\.inputShape` is \[height, width, channels\], whatever the layout$/,
  });
  await t.throwsAsync(encodeOnnx(new Linear(3, 2)), { instanceOf: ArgumentError, message: /`options.inputShape`/ });
  await t.throwsAsync(encodeOnnx(new Linear(3, 2), { example: tensor([[1, 2, 3]]), inputShape: [3] }), { message: /leave out `inputShape`/ });
  await t.throwsAsync(encodeOnnx(new Linear(3, 2), { inputShape: [3], layout: 'CHWN' as 'NCHW' }), { message: /`options.layout`/ });
  await t.throwsAsync(encodeOnnx(new Linear(3, 2), { inputShape: [3], classNames: [1] as never }), { message: /`options.classNames`/ });
  await t.throwsAsync(encodeOnnx({} as never, { inputShape: [3] }), { instanceOf: ArgumentError });
});

test('what is done to inputs first belongs to the graph, unless it is asked to stay out', async (t) => {
  const model = new Sequential([new Linear(2, 1)]);
  model.preprocessing = new lib.StandardScaler().fit(tensor([[1, 5], [3, 9]])); // biome-ignore format: one line
  t.deepEqual(types(await graphOf(model, {})), ['Sub', 'Div', 'Gemm']);
  t.deepEqual(types(await graphOf(model, { preprocessing: false, inputShape: [2] })), ['Gemm']);
});

test('a model of a table takes its columns as they are: gaps, categories and scales are in the graph, and the columns in its metadata', async (t) => {
  const rows = [
    { side: 'north', size: 30, price: 2, age: 1990 },
    { side: 'south', size: 90, price: 4, age: 2020 },
    { side: 'north', size: null, price: 3, age: null },
    { side: null, size: 50, price: 1, age: 2001 },
  ];
  const data = lib.tableFromRows(rows).dataset({ target: 'price' });
  const model = new Sequential([new Linear(4, 1)]);
  model.preprocessing = lib.tablePreprocessing(data.features).fit(data);
  const bytes = await lib.encodeOnnx(model);
  const message = await decodeModel(bytes, 'bytes');
  t.is(message.graph?.input?.[0].type?.tensorType?.elemType, 11, 'float64');
  const { columns } = Object.fromEntries((message.metadataProps ?? []).map(({ key, value }) => [key, value])) as Record<string, string>;
  t.deepEqual(
    (JSON.parse(columns) as lib.ColumnSchema[]).map(({ name, categories }) => [name, categories]),
    [
      ['side', ['north', 'south']],
      ['size', undefined],
      ['age', undefined],
    ],
  );
  const back = await lib.decodeOnnx<lib.Tensor, lib.Tensor>(bytes);
  const wanted = (await model.predict<lib.Tensor>(data)).data;
  const got = back.forward(data.inputs.to('float32') as lib.Tensor).data;
  for (const [i, value] of wanted.entries()) t.true(Math.abs(got[i] - value) < 1e-4, `${got[i]} for ${value}`);
  t.deepEqual(types(await graphOf(model, { preprocessing: false, inputShape: [4] })), ['Gemm']);
});

test('preprocessing that refuses values, as an encoder that knows all categories does, has no form, and the error says what can be exported', async (t) => {
  const model = new Sequential([new Linear(2, 1)]);
  model.preprocessing = new lib.OneHotEncoder().fit(tensor([[0], [1]]));
  await t.throwsAsync(graphOf(model, {}), {
    instanceOf: ArgumentError,
    message:
      /^OneHotEncoder, .* has no form in ONNX: it looks at values\. `preprocessing: false` exports the network behind it, .*: \[2\] for each/,
  });
  t.deepEqual(types(await graphOf(model, { preprocessing: false, inputShape: [2] })), ['Gemm']);
});

test('indices of words that are also compared come in as int64', async (t) => {
  class Masked extends lib.Model {
    readonly words = new lib.Embedding(9, 4);
    forward(x: lib.Tensor): lib.Tensor {
      const counts = x.greater(0).to('float32').reshape([x.shape[0], 5, 1]);
      return this.words.forward(x as never).mul(counts as lib.Tensor);
    }
  }
  const { input } = await graphOf(new Masked(), { inputShape: [5] });
  t.is(input?.[0].type?.tensorType?.elemType, 7);
});

test('indices come in as int64 where a table is looked up, as int32 or bytes where it is said', async (t) => {
  const model = new Sequential([new lib.Embedding(5, 2)]);
  const typesOf = async (options: lib.OnnxExportOptions) =>
    (await graphOf(model, options)).input?.map(({ type }) => type?.tensorType?.elemType);
  t.deepEqual(await typesOf({ inputShape: [4] }), [7]);
  t.deepEqual(await typesOf({ inputShape: [4], dtype: 'int32' }), [6]);
  t.deepEqual(await typesOf({ inputShape: [4], dtype: 'uint8' }), [2]);
  const example = Tensor.from(new Int32Array(4), [1, 4]);
  t.deepEqual(await typesOf({ example }), [7]);
  t.deepEqual(await typesOf({ example, dtype: 'int32' }), [6]);
  t.deepEqual(await typesOf({ example: example.to('uint8') }), [2]);
  await t.throwsAsync(encodeOnnx(model, { example, dtype: 'uint8' }), { instanceOf: ArgumentError, message: /'int32' or 'int64'/ });
});

test('a weight that stands in two places is stored once, and what no output needs is left out', async (t) => {
  const shared = new Linear(3, 3);
  const graph = await graphOf(new Sequential([shared, shared]), { inputShape: [3] });
  t.deepEqual(graph.initializer?.map(({ name }) => name), ['0.weight', '0.bias']); // biome-ignore format: one line
  const wasteful = new Own((x) => {
    lib.exp(x);
    return x.neg();
  });
  t.deepEqual(types(await graphOf(wasteful, { inputShape: [3] })), ['Neg']);
});

test('what does not depend on the input is computed when it is written', async (t) => {
  const model = new Own((x) => x.mul(lib.exp(tensor([0, 1])).add(lib.full([2], 1))));
  const graph = await graphOf(model, { inputShape: [2] });
  t.deepEqual(types(graph), ['Mul']);
  const rawData = graph.node?.[0].attribute?.[0].t?.rawData;
  t.deepEqual(
    Array.from(new Float32Array((rawData as Uint8Array).slice().buffer)),
    [2, Math.fround(Math.E + 1)].map((x) => Math.fround(x)),
  );
});

test('a model keeps its mode and its values', async (t) => {
  const model = new Sequential([new Linear(3, 3), new lib.BatchNorm1d(3), new lib.Dropout(0.5)]);
  model.train();
  const before = [...model.stateDict()].map(([name, { data }]) => [name, Array.from(data)]);
  await encodeOnnx(model, { inputShape: [3] });
  t.true(model.training && model.layers.every((layer) => layer.training));
  t.deepEqual([...model.stateDict()].map(([name, { data }]) => [name, Array.from(data)]), before); // biome-ignore format: one line
});

test('an output that is an input, and one that stands twice, have names of their own', async (t) => {
  const twice = new (class extends Model<lib.Tensor, { a: lib.Tensor; b: lib.Tensor; c: lib.Tensor }> {
    forward(x: lib.Tensor) {
      const y = x.neg();
      return { a: y, b: y, c: x };
    }
  })();
  const graph = await graphOf(twice, { inputShape: [3] });
  t.deepEqual(graph.output?.map(({ name }) => name), ['a', 'b', 'c']); // biome-ignore format: one line
  t.deepEqual(types(graph), ['Neg', 'Identity', 'Identity']);
});

test('a tree of inputs has the names of its tensors', async (t) => {
  const model = new (class extends Model<{ left: lib.Tensor; right: lib.Tensor }, lib.Tensor> {
    forward({ left, right }: { left: lib.Tensor; right: lib.Tensor }) {
      return left.add(right);
    }
  })();
  const graph = await graphOf(model, {
    example: { left: Tensor.from(new Float32Array(2), [1, 2]), right: Tensor.from(new Float32Array(2), [1, 2]) },
  });
  t.deepEqual(graph.input?.map(({ name }) => name), ['left', 'right']); // biome-ignore format: one line
});
