// Files of ONNX by others: what PyTorch exported, graphs by hand for single operators, damaged ones, and weights beside the file.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import * as lib from '../../lib/index.js';
import { encodeModel } from '../../lib/onnx/protobuf.js';
import { type AttributeMessage, type ModelMessage, type NodeMessage, type TensorMessage, attributeTypes } from '../../lib/onnx/schema.js';
import { wave } from '../helpers/onnx-cases.js';
import { root } from '../helpers/sources.js';

const { FileFormatError, Tensor, decodeOnnx, loadOnnx } = lib;

// ---- files of PyTorch ----

interface Row {
  readonly file: string;
  readonly shape: number[];
  readonly input: number[];
  readonly output: number[];
  readonly outputShape: number[];
  /** Of the sum of squares by the input; where that is indices, by the table of the embedding. */
  readonly gradient: number[];
}

const golden = join(root, 'test/golden');
const { rows } = JSON.parse(readFileSync(join(golden, 'onnx.json'), 'utf8')) as { rows: Row[] };

const close = (a: ArrayLike<number>, b: ArrayLike<number>): boolean => {
  const largest = Array.from(b).reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  return a.length === b.length && Array.from(a).every((value, i) => Math.abs(value - b[i]) <= 1e-5 * largest);
};

test('there are files of both exporters', (t) => {
  t.true(rows.length >= 13);
});

for (const { file, shape, input, output, outputShape, gradient } of rows) {
  test(`${file}: the numbers of PyTorch, and its gradients`, async (t) => {
    const model = await loadOnnx(join(golden, 'onnx', file));
    const isWords = file.startsWith('lstm') || file.startsWith('gru') || file.startsWith('rnn');
    const x = Tensor.from((isWords ? Int32Array.from(input) : Float32Array.from(input)) as Float32Array, shape);
    const y = model.forward(x);
    t.deepEqual(y.shape, outputShape);
    t.true(close(y.data, output), 'outputs');
    const saved = lib.fromBytes(model.toBytes());
    saved.eval();
    t.deepEqual(Array.from(saved.forward(x).data), Array.from(y.data), 'saved and loaded');
    const leaf = isWords ? (model.parameters().find(({ shape: [count] }) => count === 11) as lib.Parameter) : x;
    leaf.requiresGrad = true;
    const again = model.forward(x);
    again.mul(again).sum().backward();
    t.true(close((leaf.grad as lib.Tensor).data, gradient), 'gradients');
  });
}

test('images of a file in the order of PyTorch come in with their channels last where that is asked for', async (t) => {
  const row = rows.find(({ file }) => file.startsWith('residual')) as Row;
  const model = await loadOnnx(join(golden, 'onnx', row.file), { layout: 'NHWC' });
  const x = Tensor.from(Float32Array.from(row.input), row.shape).transpose([0, 2, 3, 1]);
  t.true(close(model.forward(x).data, row.output));
  t.is(model.inputShape?.[2], 3);
});

// ---- graphs by hand ----

const ints = (name: string, values: number[]): AttributeMessage => ({ name, ints: values, type: attributeTypes.ints });
const int = (name: string, i: number): AttributeMessage => ({ name, i, type: attributeTypes.int });
const float = (name: string, f: number): AttributeMessage => ({ name, f, type: attributeTypes.float });
const word = (name: string, s: string): AttributeMessage => ({ name, s: new TextEncoder().encode(s), type: attributeTypes.string });
const floats = (name: string, dims: number[], floatData: number[]): TensorMessage => ({ name, dims, dataType: 1, floatData });
const whole = (name: string, int64Data: number[], dims = [int64Data.length]): TensorMessage => ({ name, dims, dataType: 7, int64Data });

const node = (opType: string, input: string[], output: string[], attribute: AttributeMessage[] = []): NodeMessage => ({
  opType,
  input,
  output,
  attribute,
});

const file = (nodes: NodeMessage[], initializer: TensorMessage[] = [], version = 17, more: Partial<ModelMessage> = {}): ModelMessage => ({
  irVersion: 8,
  opsetImport: [{ version }],
  graph: { node: nodes, initializer, input: [{ name: 'x' }], output: [{ name: 'y' }] },
  ...more,
});

const run = async (message: ModelMessage, x: lib.AnyTensor): Promise<lib.Tensor> =>
  (await decodeOnnx<lib.AnyTensor>(await encodeModel(message))).forward(x);

const image = Tensor.from(
  Float32Array.from({ length: 2 * 3 * 4 * 5 }, (_, i) => Math.sin(i * 1.7)),
  [2, 3, 4, 5],
);
const matrix = lib.tensor([
  [1, -2, 3],
  [4, 5, -6],
]);

/** Operators and forms of them that our own export does not write. */
const operators: readonly [title: string, message: ModelMessage, x: lib.AnyTensor, wanted: () => lib.Tensor][] = [
  ['Softmax of version 11, whose axis is 1', file([node('Softmax', ['x'], ['y'])], [], 11), matrix, () => lib.softmax(matrix)],
  ['Clip with attributes, as before version 11', file([node('Clip', ['x'], ['y'], [float('min', -1), float('max', 2)])], [], 10), matrix, () => matrix.clip(-1, 2)],
  ['Clip without an upper bound', file([node('Clip', ['x', 'low', ''], ['y'])], [floats('low', [], [0])]), matrix, () => lib.relu(matrix)],
  ['Squeeze and Unsqueeze with attributes', file([node('Unsqueeze', ['x'], ['u'], [ints('axes', [0, 3])]), node('Squeeze', ['u'], ['y'], [ints('axes', [0])])], [], 11), matrix, () => matrix.reshape([2, 3, 1])],
  ['Slice backwards', file([node('Slice', ['x', 'a', 'b', 'c', 'd'], ['y'])], [whole('a', [-1]), whole('b', [-(2 ** 40)]), whole('c', [1]), whole('d', [-1])]), matrix, () => matrix.transpose().gather([2, 1, 0]).transpose()],
  ['Slice of every second', file([node('Slice', ['x', 'a', 'b', 'c', 'd'], ['y'])], [whole('a', [0]), whole('b', [2 ** 62]), whole('c', [1]), whole('d', [2])]), matrix, () => matrix.transpose().gather([0, 2]).transpose()],
  ['Split into parts', file([node('Split', ['x', 's'], ['a', 'b'], [int('axis', 1)]), node('Concat', ['b', 'a'], ['y'], [int('axis', 1)])], [whole('s', [1, 2])]), matrix, () => matrix.transpose().gather([1, 2, 0]).transpose()],
  ['a shape that is computed', file([node('Shape', ['x'], ['s']), node('Gather', ['s', 'one'], ['g']), node('Concat', ['g', 'rest'], ['t'], [int('axis', 0)]), node('Reshape', ['x', 't'], ['y'])], [whole('one', [1]), whole('rest', [-1])]), matrix, () => matrix.reshape([3, 2])],
  ['products of four axes', file([node('Transpose', ['x'], ['t'], [ints('perm', [0, 1, 3, 2])]), node('MatMul', ['x', 't'], ['y'])]), image, () => products(image)],
  ['GELU by the error function', file(gelu(), [floats('r', [], [Math.SQRT2]), floats('o', [], [1]), floats('h', [], [0.5])]), matrix, () => lib.gelu(matrix)],
  ['Gelu with tanh', file([node('Gelu', ['x'], ['y'], [word('approximate', 'tanh')])], [], 20), matrix, () => lib.gelu(matrix, { approximate: 'tanh' })],
  ['convolution with auto_pad', file([node('Conv', ['x', 'w'], ['y'], [word('auto_pad', 'SAME_UPPER'), ints('strides', [2, 2])])], [floats('w', [1, 3, 3, 2], wave(18).toArray() as number[])]), image, convolved],
  ['MaxPool with unequal padding', file([node('MaxPool', ['x'], ['y'], [ints('kernel_shape', [2, 2]), ints('pads', [1, 0, 0, 1])])]), image, () => pooled(lib.maxPool2d(lib.pad2d(last(image), [[1, 0], [0, 1]], { value: -1e30 }), 2, { stride: 1 }))],
  ['AveragePool with unequal padding, which does not count', file([node('AveragePool', ['x'], ['y'], [ints('kernel_shape', [2, 2]), ints('pads', [1, 0, 0, 1])])]), image, means],
  ['Resize to twice the size', file([node('Resize', ['x', '', 's'], ['y'], [word('mode', 'nearest'), word('coordinate_transformation_mode', 'asymmetric'), word('nearest_mode', 'floor')])], [floats('s', [4], [1, 1, 2, 2])]), image, () => pooled(lib.upsample2d(last(image), { scaleFactor: 2 }))],
  ['ReduceMean of images', file([node('Relu', ['x'], ['r']), node('ReduceMean', ['r'], ['y'], [ints('axes', [2, 3]), int('keepdims', 0)])]), image, () => lib.relu(image).mean([2, 3])],
  ['weights of 16 bits', file([node('Add', ['x', 'w'], ['y'])], [{ name: 'w', dims: [3], dataType: 10, int32Data: [0x3c00, 0xc000, 0x3555] }]), matrix, () => matrix.add(lib.tensor([1, -2, 0.333251953125]))],
  ['Dropout, which is one in training', file([node('Dropout', ['x', 'p'], ['y'])], [floats('p', [], [0.25])]), matrix, () => matrix],
]; // biome-ignore format: one line each

function products(x: lib.Tensor): lib.Tensor {
  const each = Array.from({ length: 6 }, (_, i) => x.reshape([6, 4, 5]).slice(i, i + 1).reshape([4, 5])); // biome-ignore format: one line
  return lib.stack(each.map((one) => one.matmul(one, { transposeB: true }))).reshape([2, 3, 4, 4]);
}

function gelu(): NodeMessage[] {
  const scaled = [node('Div', ['x', 'r'], ['d']), node('Erf', ['d'], ['e'])];
  return [...scaled, node('Add', ['e', 'o'], ['a']), node('Mul', ['x', 'a'], ['m']), node('Mul', ['m', 'h'], ['y'])];
}

const last = (x: lib.Tensor): lib.Tensor => x.transpose([0, 2, 3, 1]);
const pooled = (x: lib.Tensor): lib.Tensor => x.transpose([0, 3, 1, 2]);

function convolved(): lib.Tensor {
  const weight = wave(18).reshape([1, 3, 3, 2]).transpose([2, 3, 1, 0]);
  return pooled(lib.conv2d(last(image), weight, null, { padding: 'same', stride: 2 }));
}

function means(): lib.Tensor {
  const sums = lib.avgPool2d(lib.pad2d(last(image), [[1, 0], [0, 1]]), 2, { stride: 1, divisorOverride: 1 }); // biome-ignore format: one line
  const counts = lib.avgPool2d(lib.pad2d(lib.ones([1, 4, 5, 1]), [[1, 0], [0, 1]]), 2, { stride: 1, divisorOverride: 1 }); // biome-ignore format: one line
  return pooled(sums.div(counts));
}

for (const [title, message, x, wanted] of operators) {
  test(`operator: ${title}`, async (t) => {
    const y = await run(message, x);
    const other = wanted();
    t.deepEqual(y.shape, other.shape);
    t.true(close(y.data, other.data), `${Array.from(y.data.slice(0, 6))} and ${Array.from(other.data.slice(0, 6))}`);
  });
}

test('weights that are constants are not trained, weights that others use in another way are parameters of the model', async (t) => {
  const constant = node('Constant', [], ['c'], [{ name: 'value', t: floats('', [3], [1, 2, 3]), type: attributeTypes.tensor }]);
  const message = file(
    [constant, node('Mul', ['x', 'c'], ['m']), node('MatMul', ['m', 'w'], ['p']), node('Add', ['p', 'w'], ['y'])],
    [floats('w', [3, 3], [1, 0, 0, 0, 1, 0, 0, 0, 1])],
  );
  const model = await decodeOnnx(await encodeModel(message));
  t.deepEqual([...model.namedParameters().keys()], ['weights.w']);
  t.deepEqual(model.forward(lib.ones([3, 3])).toArray(), [[2, 2, 3], [1, 3, 3], [1, 2, 4]]); // biome-ignore format: one line
});

// ---- what is refused ----

const refused = async (
  t: { throwsAsync: (promise: Promise<unknown>, expectation: object) => Promise<unknown> },
  message: ModelMessage,
  pattern: RegExp,
) =>
  t.throwsAsync(
    encodeModel(message).then((bytes) => decodeOnnx(bytes)),
    { instanceOf: FileFormatError, message: pattern },
  );

test('what cannot be read is refused with the node', async (t) => {
  const named = { ...node('NonMaxSuppression', ['x'], ['y']), name: 'boxes' };
  await refused(t, file([named]), /^bytes: node 'boxes' \(NonMaxSuppression\) is an operator that nodegrad has no form for/);
  await refused(t, file([{ ...node('Attention', ['x'], ['y']), domain: 'com.microsoft' }]), /'Attention_0'.*of com\.microsoft/);
  await refused(t, file([node('Relu', ['z'], ['y'])]), /reads 'z' before anything makes it/);
  await refused(t, file([node('Relu', ['x'], ['z'])]), /output 'y' is made by no node/);
  await refused(t, file([node('Relu', ['x'], ['y'])], [], 99), /version 7 to 26.*received 99/);
  await refused(t, file([node('Erf', ['x'], ['y'])]), /the error function/);
  await refused(t, file([node('Conv', ['x', 'w'], ['y'])], [floats('w', [1, 1, 3], [1, 2, 3])]), /weights \[1, 1, 3\] has no form/);
  await refused(t, file([node('Conv', ['x', 'x'], ['y'])]), /weights that are computed/);
  await refused(t, file([node('Add', ['x', 'w'], ['y'])], [floats('w', [4], [1, 2, 3])]), /weight 'w' of shape \[4\] has 3 numbers/);
  await refused(
    t,
    file([node('Add', ['x', 'w'], ['y'])], [{ name: 'w', dims: [2 ** 40], dataType: 1, rawData: new Uint8Array(8) }]),
    /'w'.*has 8 bytes/,
  );
  await refused(t, file([node('Add', ['x', 'w'], ['y'])], [{ name: 'w', dims: [1], dataType: 8 }]), /element type 8/);
  await refused(t, {}, /it has no graph/);
  await t.throwsAsync(decodeOnnx('model.onnx' as never), { instanceOf: lib.ArgumentError, message: /`bytes`/ });
  await t.throwsAsync(loadOnnx('/nowhere/model.onnx'), { instanceOf: lib.ArgumentError, message: /ENOENT/ });
  await t.throwsAsync(decodeOnnx(new Uint8Array(4), { layout: 'HWC' as 'NHWC' }), {
    instanceOf: lib.ArgumentError,
    message: /options\.layout/,
  });
});

test('what goes wrong while a graph runs is said with the node', async (t) => {
  const model = await decodeOnnx(await encodeModel(file([{ ...node('Reshape', ['x', 's'], ['y']), name: 'there' }], [whole('s', [7, 7])])));
  t.throws(() => model.forward(matrix), { instanceOf: lib.ShapeError, message: /^in node 'there' \(Reshape\): / });
  t.throws(() => model.forward(undefined as never), { instanceOf: lib.ArgumentError, message: /each of the inputs x/ });
  const rest = await decodeOnnx(await encodeModel(file([node('Reshape', ['x', 's'], ['y'])], [whole('s', [-1, 7])])));
  t.throws(() => rest.forward(matrix), { instanceOf: lib.ShapeError, message: /does not fit into \[-1, 7\]/ });
});

test('whatever is changed in a file, it is read, or refused by an error of ours', async (t) => {
  const name = rows.find(({ file: path }) => path === 'residual-script.onnx')?.file ?? rows[0].file;
  const bytes = readFileSync(join(golden, 'onnx', name));
  const x = Tensor.from(Float32Array.from(rows[0].input), rows[0].shape);
  let state = 12345;
  const next = (most: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state % most;
  };
  let [read, wrong] = [0, 0];
  // The weights are most of a file: the graph is what is changed.
  for (let round = 0; round < 400; round++) {
    const changed = new Uint8Array(bytes);
    for (let k = 0; k <= next(3); k++) changed[next(2) === 0 ? next(1500) : next(bytes.length)] = next(256);
    try {
      const model = await decodeOnnx(round % 10 === 0 ? changed.subarray(0, next(bytes.length)) : changed);
      model.forward(x);
      read++;
    } catch (error) {
      wrong++;
      if (!(error instanceof lib.NodegradError)) t.fail(`round ${round}: ${(error as Error).stack}`);
    }
  }
  t.true(read > 20 && wrong > 50, `${read} read, ${wrong} refused`);
});

// ---- weights beside the file ----

test('weights lie beside the file where it says so, and nowhere else', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-onnx-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, 'models'));
  const path = join(folder, 'models', 'm.onnx');
  const write = async (location: string, offset = 4, length = 12): Promise<void> => {
    const entries = Object.entries({ location, offset: String(offset), length: String(length) }).map(([key, value]) => ({ key, value }));
    const weight = { name: 'w', dims: [3], dataType: 1, dataLocation: 1, externalData: entries };
    writeFileSync(path, await encodeModel(file([node('Add', ['x', 'w'], ['y'])], [weight])));
  };
  writeFileSync(join(folder, 'models', 'm.data'), new Uint8Array(Float32Array.of(0, 1, 2, 3).buffer));
  writeFileSync(join(folder, 'secret'), new Uint8Array(64));
  await write('m.data');
  t.deepEqual((await loadOnnx(path)).forward(lib.zeros([1, 3])).toArray(), [[1, 2, 3]]);
  await t.throwsAsync(decodeOnnx(readFileSync(path)), { instanceOf: FileFormatError, message: /in another file, 'm\.data'/ });
  for (const outside of ['../secret', '/etc/hostname', 'a/../../secret']) {
    await write(outside);
    await t.throwsAsync(loadOnnx(path), { instanceOf: FileFormatError, message: /outside of its folder/ });
  }
  await write('gone.data');
  await t.throwsAsync(loadOnnx(path), {
    instanceOf: lib.ArgumentError,
    message: /m\.onnx keeps its weights in a file beside it.*gone\.data cannot be read: ENOENT/,
  });
  writeFileSync(join(folder, 'm.onnx.data'), new Uint8Array(64));
  await t.throwsAsync(loadOnnx(join(folder, 'm.onnx.data')), {
    instanceOf: FileFormatError,
    message: /the weights of one, by its name of '.*m\.onnx': give that/,
  });
  await write('m.data', 8);
  await t.throwsAsync(loadOnnx(path), { instanceOf: FileFormatError, message: /up to byte 20, and that has 16/ });
  await write('m.data', 4, 8);
  await t.throwsAsync(loadOnnx(path), { instanceOf: FileFormatError, message: /12 were expected/ });
});

test('an input of another shape than the file says is refused by name; the batch is free', async (t) => {
  const net = new lib.Sequential([new lib.Flatten(), new lib.Linear(12, 3)]);
  const model = await decodeOnnx(await lib.encodeOnnx(net, { inputShape: [2, 2, 3] }));
  t.deepEqual(model.forward(lib.zeros([5, 2, 2, 3])).shape, [5, 3]);
  // Both would give a row too many or too few to a Flatten that counts.
  for (const shape of [
    [4, 4, 3, 1],
    [4, 2, 2, 6],
    [4, 12],
  ])
    t.throws(() => model.forward(lib.zeros(shape)), {
      instanceOf: lib.ShapeError,
      message: /the file wants \[N, 2, 2, 3\] for 'input' \(N examples\)/,
    });
});

test('real numbers in the place of indices are refused by name, where they would lose their fractions', async (t) => {
  const words = new lib.Sequential([new lib.Embedding(11, 4)]);
  for (const dtype of ['int64', 'int32', 'uint8'] as const) {
    const bytes = await lib.encodeOnnx(words, { inputShape: [3], dtype });
    const model = await decodeOnnx<lib.AnyTensor>(bytes);
    const indices = Tensor.from(Int32Array.of(1, 5, 10), [1, 3]);
    const wanted = Array.from(words.forward(indices as never).data);
    for (const x of [indices, indices.to('uint8')]) t.deepEqual(Array.from(model.forward(x).data), wanted);
    const saved = lib.fromBytes(model.toBytes()) as typeof model;
    for (const one of [model, saved])
      t.throws(() => one.forward(lib.tensor([[1, 5.7, 10]])), {
        instanceOf: lib.DTypeError,
        message: "the file wants whole numbers for 'input', received float32: x.to('int32')",
      });
    await t.throwsAsync(model.predict(lib.tensor([[1, 5, 10]]) as never), { instanceOf: lib.DTypeError });
    t.regex(model.summary(), /Embedding/);
  }
});

test('a model of one input takes a tensor whatever the input is called, or by its name, or first of a list', async (t) => {
  const message = file([node('Relu', ['pixel_values'], ['y'])]);
  const graph = { ...message.graph, input: [{ name: 'pixel_values' }] };
  const model = await decodeOnnx<unknown>(await encodeModel({ ...message, graph }));
  for (const given of [matrix, { pixel_values: matrix }, [matrix]]) t.deepEqual(Array.from(model.forward(given).data), [1, 0, 3, 4, 5, 0]);
  t.throws(() => model.forward({ x: matrix }), { instanceOf: lib.ArgumentError, message: /pixel_values/ });
});
