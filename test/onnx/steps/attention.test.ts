// Attention in files: found in every form in which it is written, and run as one operation, or as it was written where its shapes or mask do not allow that.
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import test from 'ava';
import * as lib from '../../../lib/index.js';
import { encodeModel } from '../../../lib/onnx/protobuf.js';
import { type NodeMessage, type TensorMessage, attributeTypes } from '../../../lib/onnx/schema.js';
import { trace } from '../../../lib/ops/trace.js';
import { generated } from '../../helpers/golden.js';
import { wave } from '../../helpers/onnx-cases.js';
import { root } from '../../helpers/sources.js';

const { Tensor, decodeOnnx, encodeOnnx } = lib;

const node = (opType: string, input: string[], output: string): NodeMessage => ({
  opType,
  input,
  output: [output],
  ...(opType === 'Softmax' && { attribute: [{ name: 'axis', i: -1, type: attributeTypes.int }] }),
});
const floats = (name: string, dims: number[], floatData: number[]): TensorMessage => ({ name, dims, dataType: 1, floatData });

/** softmax(q·k, masked)·v with what stands between; a graph of the inputs q, k and v. */
const graphOf = async (between: readonly NodeMessage[], initializer: readonly TensorMessage[]) =>
  decodeOnnx<Record<string, lib.Tensor>>(
    await encodeModel({
      irVersion: 8,
      opsetImport: [{ version: 17 }],
      graph: {
        node: [node('MatMul', ['q', 'k'], 's0'), ...between, node('Softmax', ['s'], 'p'), node('MatMul', ['p', 'v'], 'y')],
        initializer: [...initializer],
        input: ['q', 'k', 'v'].map((name) => ({ name })),
        output: [{ name: 'y' }],
      },
    }),
  );

const opsOf = (model: lib.AnyLayer): string[] => (model.config() as { plan: { nodes: { op: string }[] } }).plan.nodes.map(({ op }) => op);
const close = (a: lib.Tensor, b: lib.Tensor): boolean => a.shape.join() === b.shape.join() && a.sub(b).abs().max().item() < 1e-5;

const [examples, heads, places, depth] = [2, 3, 5, 4];
const q = wave(examples, heads, places, depth);
const k = wave(examples, heads, depth, places).mul(0.7);
const v = wave(examples, heads, places, depth).mul(1.3);

/** Slice by slice, in the plainest way. */
function wanted(scale: number, mask: (query: number, key: number) => number): lib.Tensor {
  const added = Tensor.from(Float32Array.from({ length: places * places }, (_, i) => mask(Math.floor(i / places), i % places)), [places, places]); // biome-ignore format: one line
  const made = Array.from({ length: examples * heads }, (_, i) => {
    const [one, two, three] = [q, k, v].map((x) => x.reshape([examples * heads, -1]).slice(i, i + 1));
    const scores = one
      .reshape([places, depth])
      .matmul(two.reshape([depth, places]))
      .mul(scale)
      .add(added);
    return lib.softmax(scores).matmul(three.reshape([places, depth]));
  });
  return lib.stack(made).reshape([examples, heads, places, depth]);
}

const causal = Array.from({ length: places * places }, (_, i) => i % places <= Math.floor(i / places));
const behind = (query: number, key: number): number => (key <= query ? 0 : -1e38);
const keeps: TensorMessage = { name: 'm', dims: [1, 1, places, places], dataType: 9, int32Data: causal.map(Number) };

const forms: readonly [title: string, between: NodeMessage[], weights: TensorMessage[], wanted: () => lib.Tensor, ops: number][] = [
  ['nothing between', [node('Identity', ['s0'], 's')], [], () => wanted(1, () => 0), 4],
  ['scores divided', [node('Div', ['s0', 'd'], 's')], [floats('d', [], [2])], () => wanted(0.5, () => 0), 1],
  ['a factor and a causal mask that is added', [node('Mul', ['f', 's0'], 's1'), node('Add', ['m', 's1'], 's')], [floats('f', [1], [0.5]), floats('m', [places, places], causal.map((sees) => (sees ? 0 : -Infinity)))], () => wanted(0.5, behind), 1],
  ['truth values that keep scores', [node('Where', ['m', 's0', 'low'], 's')], [keeps, floats('low', [], [-1e38])], () => wanted(1, behind), 1],
  ['another mask, which runs as it was written', [node('Add', ['s0', 'm'], 's')], [floats('m', [places, places], causal.map((sees, i) => (sees ? i / 50 : -2)))], () => wanted(1, (query, key) => (key <= query ? (query * places + key) / 50 : -2)), 1],
  ['a factor behind the mask, which scales it too', [node('Add', ['s0', 'm'], 's1'), node('Mul', ['s1', 'f'], 's')], [floats('m', [places], [1, 2, 3, 4, 5]), floats('f', [], [0.5])], () => wanted(0.5, (_, key) => (key + 1) / 2), 5],
]; // biome-ignore format: a form a line

for (const [title, between, weights, expected, count] of forms) {
  test(`scores with ${title}`, async (t) => {
    const model = await graphOf(between, weights);
    t.is(opsOf(model).length, count, opsOf(model).join());
    t.true(close(model.forward({ q, k, v }), expected()));
    // Of three axes it is no attention of heads, and has the same numbers.
    const flat = [q, k, v].map((x) => x.reshape([examples * heads, ...x.shape.slice(2)]));
    if (!title.startsWith('truth'))
      t.true(close(model.forward({ q: flat[0], k: flat[1], v: flat[2] }).reshape(q.shape), expected()), 'three axes');
  });
}

test('a transformer that comes in computes its attention at once, learns, and goes out again for any number of examples', async (t) => {
  lib.setSeed(3);
  for (const isCausal of [false, true]) {
    const block = new lib.Sequential([new lib.TransformerBlock(8, 2, { causal: isCausal })]);
    block.eval();
    const back = await decodeOnnx(await encodeOnnx(block, { inputShape: [6, 8] }));
    t.is(opsOf(back).filter((op) => op === 'nodegrad.Attention').length, 1);
    t.false(opsOf(back).includes('Softmax'));
    const x = wave(3, 6, 8);
    t.true(close(back.forward(x), block.forward(x) as lib.Tensor));
    const gradients = [block, back].map((model) => {
      const leaf = x.clone();
      leaf.requiresGrad = true;
      const y = model.forward(leaf) as lib.Tensor;
      y.mul(y).sum().backward();
      return leaf.grad as lib.Tensor;
    });
    t.true(gradients[0].sub(gradients[1]).abs().max().item() < 1e-4 * gradients[0].abs().max().item());
    const again = await decodeOnnx(await encodeOnnx(back, { inputShape: [6, 8] }));
    t.true(close(again.forward(wave(5, 6, 8)), block.forward(wave(5, 6, 8)) as lib.Tensor));
  }
});

/** Names of the operations that a model runs, by shapes alone. */
function operationsOf(model: lib.OnnxModel<Record<string, lib.AnyTensor>>, inputs: Readonly<Record<string, lib.AnyTensor>>): Set<string> {
  const names = new Set<string>();
  const given = Object.entries(inputs).map(([name, { shape, dtype }]) => ({ name, shape, dtype }));
  const observer = { execute: (op: { name: string }) => void names.add(op.name), view() {} };
  trace(given, observer, (...tensors) => model.forward(Object.fromEntries(given.map(({ name }, i) => [name, tensors[i]]))));
  return names;
}

interface Masks {
  readonly generatorSha256: string;
  readonly x: number[];
  readonly mask: number[];
  readonly rows: readonly { readonly name: string; readonly file: string; readonly output: number[] }[];
}

test('masks of padding in files of both exporters are masks here, and no products of one head after the other', async (t) => {
  const { x, mask, rows } = generated<Masks>('onnx-masks');
  const inputs = { x: Tensor.from(Float32Array.from(x), [3, 5, 8]), mask: Tensor.from(Int32Array.from(mask), [3, 5]) };
  t.is(rows.length, 12);
  for (const { name, file, output } of rows) {
    const model = await decodeOnnx<Record<string, lib.AnyTensor>>(gunzipSync(Buffer.from(file, 'base64')));
    t.true(close(model.forward(inputs), Tensor.from(Float32Array.from(output), [3, 5, 8])), name);
    const operations = operationsOf(model, inputs);
    t.true(operations.has('attention'), name);
    t.false(operations.has('softmax'), name);
    const saved = lib.fromBytes(model.toBytes()) as unknown as typeof model;
    t.true(close(saved.eval().forward(inputs), model.forward(inputs)), `${name}, saved and loaded`);
  }
});

/** Attention of ours, for a length that is free or not. */
class Masked extends lib.Model<{ x: lib.Tensor; mask: lib.Tensor<'uint8'> }, lib.Tensor> {
  constructor(readonly causal: boolean) {
    super();
  }
  forward({ x, mask }: { x: lib.Tensor; mask: lib.Tensor<'uint8'> }): lib.Tensor {
    return lib.attention(x, x, x, { heads: 2, causal: this.causal, mask });
  }
}

test('our own masks come back as masks, long causal ones and those of free lengths, too', async (t) => {
  for (const causal of [false, true]) {
    for (const options of [{}, { dynamicAxes: ['time'] }] as const) {
      const input = (time: number) => ({
        x: wave(2, time, 8),
        mask: Tensor.from(
          Uint8Array.from({ length: 2 * time }, (_, i) => Number(i % 3 > 0 || i === 0)),
          [2, time],
        ) as lib.Tensor<'uint8'>,
      });
      const model = new Masked(causal);
      const back = await decodeOnnx<Record<string, lib.AnyTensor>>(await encodeOnnx(model, { example: input(80), ...options }));
      const operations = operationsOf(back, input(80));
      t.true(operations.has('attention') && !operations.has('softmax'), `${causal} ${JSON.stringify(options)}`);
      t.true(close(back.forward(input(80)), model.forward(input(80))));
      if ('dynamicAxes' in options) t.true(close(back.forward(input(7)), model.forward(input(7))));
    }
  }
});

test('a query whose keys are all masked: zeros where the file says so', async (t) => {
  const model = new Masked(false);
  const input = { x: wave(2, 5, 8), mask: Tensor.from(Uint8Array.of(1, 1, 0, 0, 0, 0, 0, 0, 0, 0), [2, 5]) as lib.Tensor<'uint8'> };
  const back = await decodeOnnx<Record<string, lib.AnyTensor>>(await encodeOnnx(model, { example: input }));
  t.true(close(back.forward(input), model.forward(input)));
  t.is(back.forward(input).slice(1, 2).abs().max().item(), 0);
});

test('attention of both exporters of PyTorch is found', async (t) => {
  for (const exporter of ['dynamo', 'script']) {
    const model = await lib.loadOnnx(join(root, `test/golden/onnx/attention-${exporter}.onnx`));
    t.true(opsOf(model).includes('nodegrad.Attention'), exporter);
  }
});
