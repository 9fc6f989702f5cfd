// Recurrent nets with the weights of PyTorch and Keras: the same outputs, the same gradients, and the same weights out again.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import {
  ArgumentError,
  GRU,
  GRUCell,
  LSTM,
  Linear,
  RNN,
  type Recurrent,
  Sequential,
  ShapeError,
  type Tensor,
  kerasWeights,
  loadKerasWeights,
  loadPyTorch,
  readSafetensors,
  savePyTorch,
} from '../../lib/index.js';
import { f32, f64, leaf } from '../helpers/build.js';
import { close, identical } from '../helpers/close.js';
import type { Stored } from '../helpers/norms-golden.js';
import { type RecurrentCase, kerasGolden, recurrentGolden } from '../helpers/recurrent-golden.js';
import { Seeded } from '../helpers/seeded.js';

const build = ({ values, shape }: Stored): Tensor => f64(values, shape) as never;
const numbers = ({ values, shape }: Stored) => ({ data: values, shape });

function netOf({ kind, options, input }: RecurrentCase): Recurrent {
  const given = { layers: options.num_layers, bidirectional: options.bidirectional, bias: options.bias };
  const features = input.shape[2];
  if (kind === 'RNN') return new RNN(features, 3, { ...given, activation: options.nonlinearity });
  return kind === 'LSTM' ? new LSTM(features, 3, { ...given, projection: options.proj_size }) : new GRU(features, 3, given);
}

const nameOf = ({ kind, options, lengths }: RecurrentCase) =>
  `${kind} ${JSON.stringify(options)}${lengths === null ? '' : ` of lengths ${lengths}`}`;

for (const one of recurrentGolden().cases) {
  test(`outputs, states and gradients are PyTorch's: ${nameOf(one)}`, async (t) => {
    const net = netOf(one).to('float64');
    await loadPyTorch(net, new Map(Object.entries(one.parameters).map(([name, value]) => [name, build(value)])));
    const x = leaf(build(one.input));
    const first = one.first.map((state) => leaf(build(state)));
    const { output, state } = net.run(x, { state: first, lengths: one.lengths ?? undefined });
    const loss = [output, ...state].reduce((sum: Tensor | null, y, i) => {
      const part = y.mul(build(one.upstreams[i])).sum();
      return sum === null ? part : sum.add(part);
    }, null) as Tensor;
    loss.backward();
    // Sums of a few dozen products, each within a unit in the last place: far below.
    const tolerance = { relative: 1e-9, absolute: 1e-13 };
    close(t, output, numbers(one.output), tolerance, 'output');
    for (const [i, last] of state.entries()) close(t, last, numbers(one.last[i]), tolerance, `last state ${i}`);
    for (const [i, tensor] of [x, ...first].entries()) close(t, tensor.grad as Tensor, numbers(one.gradients[i]), tolerance, `gradient ${i}`);
    // Gradients go the way of the weights: of two biases both have that of their sum.
    const gradients = new Map([...net.namedParameters()].map(([path, { grad }]) => [path, grad as Tensor]));
    const twin = netOf(one).to('float64');
    await loadPyTorch(twin, new Map(Object.entries(one.parameterGradients).map(([name, value]) => [name, build(value)])));
    for (const [path, expected] of twin.namedParameters()) {
      const own = gradients.get(path) as Tensor;
      const bias = path.endsWith('.bias');
      const both = one.kind === 'GRU' ? 6 : own.size;
      const data = Array.from(expected.data, (value, i) => (bias && i < both ? value / 2 : value));
      close(t, own, { data, shape: expected.shape }, tolerance, `gradient of ${path}`);
    }
  });
}

test('the GRU of the original paper, its reset before the product, agrees with the formulas written out in PyTorch', (t) => {
  const { input, first, parameters, output, upstreams, gradients } = recurrentGolden().originalGru;
  const net = new GRU(2, 3, { resetAfter: false }).to('float64');
  const own = net.parameters();
  for (const [i, parameter] of own.entries()) parameter.data.set(parameters[i].values);
  const x = leaf(build(input));
  const h = leaf(build(first).reshape([1, 3, 3]));
  const { output: y, state } = net.run(x, { state: [h] });
  y.mul(build(upstreams[0]))
    .sum()
    .add(state[0].reshape([3, 3]).mul(build(upstreams[1])).sum())
    .backward();
  const tolerance = { relative: 1e-9, absolute: 1e-13 };
  close(t, y, numbers(output), tolerance, 'output');
  for (const [i, tensor] of [x, h, ...own].entries()) {
    const { values } = gradients[i];
    close(
      t,
      { data: (tensor.grad as Tensor).data, shape: [values.length] },
      { data: values, shape: [values.length] },
      tolerance,
      `gradient ${i}`,
    );
  }
});

test("weights go out to PyTorch's names and shapes, and come back as they were", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-recurrent-'));
  const make = () =>
    new Sequential([new LSTM(3, 4, { layers: 2, bidirectional: true, projection: 2 }), new GRU(4, 5, { returns: 'last' }), new Linear(5, 2)]);
  const model = make();
  model.prepare();
  for (const [i, parameter] of model.parameters().entries()) parameter.data.set(new Seeded(i).uniform(parameter.size));
  const path = join(folder, 'model.safetensors');
  await savePyTorch(model, path);
  const { tensors } = await readSafetensors(path);
  t.deepEqual([...(tensors.get('0.weight_ih_l1_reverse') as Tensor).shape], [16, 4]);
  t.deepEqual([...(tensors.get('0.weight_hr_l0') as Tensor).shape], [2, 4]);
  t.deepEqual([...(tensors.get('1.bias_hh_l0') as Tensor).shape], [15]);
  t.true([...tensors.keys()].every((name) => !name.includes('cells')));
  const twin = make();
  await loadPyTorch(twin, path);
  const values = twin.namedParameters();
  for (const [name, parameter] of model.namedParameters()) identical(t, values.get(name) as Tensor, parameter, name);
});

test('weights of PyTorch that do not fit are refused, and the model stays as it was', async (t) => {
  const net = new GRU(2, 3);
  const state = new Map([...net.stateDict()].map(([path, value]) => [path, value.clone()]));
  const given = new Map(Object.entries(recurrentGolden().cases[6].parameters).map(([name, value]) => [name, build(value).to('float32')]));
  given.set('weight_hh_l0', f32(new Float32Array(27), [3, 9]));
  await t.throwsAsync(loadPyTorch(net, given), { instanceOf: ShapeError, message: /'weight_hh_l0' expects PyTorch's shape \[9, 3\]/ });
  given.delete('weight_hh_l0');
  await t.throwsAsync(loadPyTorch(net, given), { instanceOf: ArgumentError, message: /cells\.0\.recurrentWeight/ });
  for (const [path, value] of net.stateDict()) identical(t, value, state.get(path) as Tensor, path);
  await t.throwsAsync(loadPyTorch(new GRU(2, 3, { resetAfter: false }), given), { instanceOf: ArgumentError, message: /resetAfter: true/ });
  await t.throwsAsync(savePyTorch(new GRUCell(2, 3, { resetAfter: false }), '/tmp/never'), {
    instanceOf: ArgumentError,
    message: /resetAfter/,
  });
});

test("with Keras's weights outputs are Keras's, also those of sequences of different length", (t) => {
  const { input, lengths, cases } = kerasGolden();
  const makers = {
    SimpleRNN: () => new RNN(2, 3),
    LSTM: () => new LSTM(2, 3),
    GRU: () => new GRU(2, 3),
    'GRU, reset before': () => new GRU(2, 3, { resetAfter: false }),
    'Bidirectional GRU': () => new GRU(2, 3, { bidirectional: true }),
  };
  const x = f32(input.values, input.shape);
  for (const { kind, weights, output, masked } of cases) {
    const net = makers[kind]();
    loadKerasWeights(
      net,
      weights.map(({ values, shape }) => f32(values, shape)),
    );
    // Both are in float32: a few units in the last place of numbers below 1.
    close(t, net.forward(x), numbers(output), { absolute: 1e-6 }, kind);
    // In padding Keras says its last output again, where we have 0.
    const width = net.outFeatures;
    const own = net.forward(x, { lengths });
    const values = masked.values.map((value, i) => (Math.floor(i / width) % 4 < lengths[Math.floor(i / (4 * width))] ? value : 0));
    close(t, own, { data: values, shape: masked.shape }, { absolute: 1e-6 }, `${kind}, masked`);
  }
});

test("a GRU takes Keras's weights in the order z, r, n, and the recurrent biases of z and r go to the others", (t) => {
  const cell = new GRUCell(1, 1);
  loadKerasWeights(cell, [f32([1, 2, 3], [1, 3]), f32([4, 5, 6], [1, 3]), f32([10, 20, 30, 1, 2, 3], [2, 3])]);
  t.deepEqual([...cell.inputWeight.data], [2, 1, 3]);
  t.deepEqual([...cell.recurrentWeight.data], [5, 4, 6]);
  t.deepEqual([...cell.bias!.data], [22, 11, 30]);
  t.deepEqual([...cell.recurrentBias!.data], [3]);
  const [kernel, recurrent, bias] = kerasWeights(cell);
  t.deepEqual([...kernel.data], [1, 2, 3]);
  t.deepEqual([...recurrent.data], [4, 5, 6]);
  t.deepEqual(bias.toArray(), [
    [11, 22, 30],
    [0, 0, 3],
  ]);
});

test("Keras's weights go in and out of all layers alike, and others are refused", (t) => {
  for (const make of [
    () => new RNN(2, 3, { layers: 2 }),
    () => new LSTM(2, 3, { bidirectional: true }),
    () => new GRU(2, 3, { resetAfter: false }),
  ]) {
    const [net, twin] = [make(), make()];
    const weights = kerasWeights(net);
    loadKerasWeights(twin, weights);
    const values = twin.namedParameters();
    for (const [path, value] of net.namedParameters()) identical(t, values.get(path) as Tensor, value, path);
    t.throws(() => loadKerasWeights(twin, weights.slice(1)), { instanceOf: ArgumentError });
    t.throws(() => loadKerasWeights(twin, [weights[1], ...weights.slice(1)]), { instanceOf: ShapeError });
  }
  t.throws(() => kerasWeights(new LSTM(2, 3, { projection: 2 })), { instanceOf: ArgumentError, message: /projection/ });
  for (const layer of [new Linear(2, 3), undefined]) t.throws(() => loadKerasWeights(layer as never, []), { instanceOf: ArgumentError });
});

test('weights of recurrent layers and cells that are stored in bfloat16 are read as those of other layers', async (t) => {
  const path = join(mkdtempSync(join(tmpdir(), 'nodegrad-')), 'half.safetensors');
  for (const make of [
    () => new RNN(3, 4),
    () => new LSTM(3, 4, { projection: 2, bidirectional: true }),
    () => new GRU(3, 4),
    () => new GRUCell(3, 4),
  ]) {
    const source = make();
    for (const parameter of source.parameters()) parameter.data.set(new Seeded(5).normal(parameter.size));
    await savePyTorch(source, path, { dtype: 'bfloat16' });
    const [net, other] = [make(), make()];
    await loadPyTorch(net, path);
    await loadPyTorch(other, (await readSafetensors(path, { dtype: 'float32' })).tensors);
    for (const [name, value] of net.stateDict())
      identical(t, value as Tensor, other.stateDict().get(name) as Tensor, `${net.constructor.name} ${name}`);
  }
});

test('a file of more directions is said to have them, and weights of another shape stay as they are where that is asked for', async (t) => {
  const path = join(mkdtempSync(join(tmpdir(), 'nodegrad-')), 'both.safetensors');
  await savePyTorch(new LSTM(3, 4, { layers: 2, bidirectional: true }), path);
  await t.throwsAsync(loadPyTorch(new LSTM(3, 4, { layers: 2 }), path), {
    instanceOf: ShapeError,
    message:
      /'weight_ih_l1' expects PyTorch's shape \[16, 4\], received \[16, 8\]\. The model has no place for bias_hh_l0_reverse, .* and 2 more/,
  });
  for (const make of [() => new LSTM(3, 5), () => new GRU(3, 5)]) {
    const model = make();
    const before = model.stateDict().get('cells.0.recurrentWeight')?.toArray();
    await savePyTorch(model instanceof LSTM ? new LSTM(3, 4) : new GRU(3, 4), path);
    const { skipped } = await loadPyTorch(model, path, { otherShapes: 'skip' });
    t.deepEqual([...skipped].sort(), [...model.stateDict().keys()].sort());
    t.deepEqual(model.stateDict().get('cells.0.recurrentWeight')?.toArray(), before);
  }
});
