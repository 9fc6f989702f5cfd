// Proves lib/onnx/free-batch.ts: graphs that were exported for one number of examples take any, if nothing but reshapes depends on it, and say what to do if more does.

import test from 'ava';
import * as lib from '../../lib/index.js';
import { decodeModel, encodeModel } from '../../lib/onnx/protobuf.js';
import type { ModelMessage, NodeMessage, TensorMessage } from '../../lib/onnx/schema.js';
import { wave } from '../helpers/onnx-cases.js';

const { Conv2d, Flatten, GRU, LSTM, Linear, Sequential, TransformerBlock, decodeOnnx, encodeOnnx } = lib;

/** Several reshapes, and time before examples in the middle. */
class Turning extends lib.Model {
  readonly inner = new Linear(6, 6);
  readonly head = new Linear(6, 2);
  forward(x: lib.Tensor): lib.Tensor {
    const [batch, time] = x.shape;
    const rows = this.inner.forward(x.transpose([1, 0, 2]).reshape([time * batch, 6]));
    return this.head.forward(lib.relu(rows).reshape([time, batch, 6]).transpose([1, 0, 2]).mean(1));
  }
}

const models: readonly [name: string, make: () => lib.AnyLayer, inputShape: number[]][] = [
  ['a convolutional network', () => new Sequential([new Conv2d(3, 4, 3), new Flatten(), new Linear(64, 2)]), [6, 6, 3]],
  [
    'an LSTM in both directions',
    () => new Sequential([new LSTM(5, 4, { layers: 2, bidirectional: true }), new Flatten(), new Linear(48, 2)]),
    [6, 5],
  ],
  ['a block of attention', () => new Sequential([new TransformerBlock(8, 2), new Flatten(), new Linear(40, 2)]), [5, 8]],
];

for (const [name, make, inputShape] of models) {
  test(`${name} that was exported for one or three examples takes five`, async (t) => {
    lib.setSeed(3);
    const model = make().eval();
    const x = wave(5, ...inputShape);
    for (const batchSize of [1, 3]) {
      const read = await decodeOnnx(await encodeOnnx(model, { inputShape, batchSize, layout: 'NCHW' }), { layout: 'NHWC' });
      const own = model.forward(x) as lib.Tensor;
      t.true((read.forward(x).sub(own).abs().max().item() as number) < 1e-5, `${batchSize}`);
      const saved = lib.fromBytes(read.toBytes()).eval();
      t.deepEqual(saved.forward(x).toArray(), read.forward(x).toArray(), 'saved and loaded');
    }
  });
}

test('examples that stand between other axes are followed, and where one alone leaves that open, the file is read for one', async (t) => {
  const model = new Turning();
  model.eval();
  const x = wave(4, 5, 6);
  const read = await decodeOnnx(await encodeOnnx(model, { inputShape: [5, 6], batchSize: 2 }));
  t.true((read.forward(x).sub(model.forward(x)).abs().max().item() as number) < 1e-5);
  const single = await decodeOnnx(await encodeOnnx(model, { inputShape: [5, 6], batchSize: 1 }));
  const found = (await single.predict(x, { batchSize: 1 })) as lib.Tensor;
  t.true((found.sub(model.forward(x)).abs().max().item() as number) < 1e-5);
  const error = t.throws(() => single.forward(x), { instanceOf: lib.ShapeError });
  t.regex(error.message, /exported for batches of 1, and may fit no others: give { batchSize: 1 } to predict\(\).*torch\.export\.Dim/);
});

const graph = (nodes: NodeMessage[], initializer: TensorMessage[], shape: number[]): ModelMessage => ({
  irVersion: 8,
  opsetImport: [{ version: 17 }],
  graph: {
    node: nodes,
    initializer,
    input: [{ name: 'x', type: { tensorType: { elemType: 1, shape: { dim: shape.map((dimValue) => ({ dimValue })) } } } }],
    output: [{ name: 'y' }],
  },
});

const whole = (name: string, int64Data: number[]): TensorMessage => ({ name, dims: [int64Data.length], dataType: 7, int64Data });

test('a graph that mixes examples, or adds a number to each, keeps its number of them, and can be looked at', async (t) => {
  const mixing = graph([{ opType: 'Reshape', input: ['x', 's'], output: ['y'] }], [whole('s', [4, 2])], [2, 4]);
  const adding = graph(
    [{ opType: 'Add', input: ['x', 'a'], output: ['y'] }],
    [{ name: 'a', dims: [2, 4], dataType: 1, floatData: [1, 2, 3, 4, 5, 6, 7, 8] }],
    [2, 4],
  );
  for (const message of [mixing, adding]) {
    const model = await decodeOnnx(await encodeModel(message));
    t.throws(() => model.forward(wave(3, 4)), { message: /exported for batches of 2/ });
    t.is(model.forward(wave(2, 4)).size, 8);
    t.regex(model.summary(), /OnnxModel/);
  }
});

test('weights of a recurrent layer that are put together of constants are read, and first states of zeros are no parameters', async (t) => {
  lib.setSeed(4);
  const model = new Sequential([new GRU(3, 4)]).eval();
  const message = await decodeModel(await encodeOnnx(model, { inputShape: [6, 3], batchSize: 2 }), 'bytes');
  const { node = [], initializer = [] } = message.graph ?? {};
  const gru = node.find(({ opType }) => opType === 'GRU') as NodeMessage;
  const [x, w, ...rest] = gru.input as string[];
  const weight = initializer.find(({ name }) => name === w) as TensorMessage;
  const bytes = weight.rawData as Uint8Array;
  const halves = ['first', 'second'].map(
    (name, i): TensorMessage => ({
      name,
      dims: [6, 3],
      dataType: 1,
      rawData: bytes.slice((i * bytes.length) / 2, ((i + 1) * bytes.length) / 2),
    }),
  );
  const made: NodeMessage[] = [
    { opType: 'Concat', input: ['first', 'second'], output: ['joined'], attribute: [{ name: 'axis', i: 0, type: 2 }] },
    { opType: 'Unsqueeze', input: ['joined', 'zero'], output: ['made'] },
    { opType: 'ConstantOfShape', input: ['states'], output: ['initial'] },
  ];
  const changed: NodeMessage = { ...gru, input: [x, 'made', rest[0], rest[1], '', 'initial'] };
  const bytesOf = await encodeModel({
    ...message,
    graph: {
      ...message.graph,
      node: [...made, ...node.map((one) => (one === gru ? changed : one))],
      initializer: [...initializer.filter((one) => one !== weight), ...halves, whole('zero', [0]), whole('states', [1, 2, 4])],
    },
  });
  const read = await decodeOnnx(bytesOf);
  const input = wave(5, 6, 3);
  t.true(
    (read
      .forward(input)
      .sub(model.forward(input) as lib.Tensor)
      .abs()
      .max()
      .item() as number) < 1e-6,
  );
  t.is(read.parameterCount(), model.parameterCount());
});
