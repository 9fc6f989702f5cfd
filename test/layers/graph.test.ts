// Blocks that make graphs: the contract, sums and joins, and the way back through both ways.
import test from 'ava';
import {
  ArgumentError,
  Concat,
  fromBytes,
  type Layer,
  Linear,
  Parallel,
  ReLU,
  Residual,
  Sequential,
  ShapeError,
  Tanh,
} from '../../lib/index.js';
import { layerContract } from '../contracts/layer.js';
import { f32, leaf } from '../helpers/build.js';
import { identical } from '../helpers/close.js';

test('Residual keeps the contract of layers, with and without a shortcut', (t) => {
  layerContract(t, {
    create: () => new Residual(new Sequential([new Linear(3, 4), new Tanh(), new Linear(4, 3)])),
    inputShape: [2, 3],
    outputShape: [2, 3],
    parameters: { 'inner.0.weight': [3, 4], 'inner.0.bias': [4], 'inner.2.weight': [4, 3], 'inner.2.bias': [3] },
    refuses: [[[2, 4], /3 input features/]],
  });
  layerContract(t, {
    create: () => new Residual(new Linear(3, 2), { shortcut: new Linear(3, 2, { bias: false }) }),
    inputShape: [2, 3],
    outputShape: [2, 2],
    parameters: { 'inner.weight': [3, 2], 'inner.bias': [2], 'shortcut.weight': [3, 2] },
  });
});

test('Parallel keeps the contract of layers', (t) => {
  layerContract(t, {
    create: () => new Parallel([new Linear(3, 2), new Sequential([new Linear(3, 2), new Tanh()])]),
    inputShape: [2, 3],
    outputShape: [2, 2],
    parameters: { 'branches.0.weight': [3, 2], 'branches.0.bias': [2], 'branches.1.0.weight': [3, 2], 'branches.1.0.bias': [2] },
  });
});

test('Concat keeps the contract of layers', (t) => {
  layerContract(t, {
    create: () => new Concat([new Linear(3, 2), new Tanh()]),
    inputShape: [2, 3],
    outputShape: [2, 5],
    parameters: { 'branches.0.weight': [3, 2], 'branches.0.bias': [2] },
  });
});

test('the ways of a block are added or joined in order, and the gradient reaches all of them', (t) => {
  const double = () => {
    const layer = new Linear(2, 2, { bias: false });
    layer.weight.data.set([2, 0, 0, 2]);
    return layer;
  };
  const x = leaf(f32([1, -3], [1, 2]));
  const slopes = (layer: Layer) => {
    x.grad = null;
    const y = layer.forward(x);
    y.sum().backward();
    return [[...y.data], [...(x.grad as unknown as typeof x).data]];
  };
  t.deepEqual(slopes(new Residual(new ReLU())), [
    [2, -3],
    [2, 1],
  ]);
  t.deepEqual(slopes(new Residual(double(), { shortcut: new ReLU() })), [
    [3, -6],
    [3, 2],
  ]);
  t.deepEqual(slopes(new Parallel([double(), new ReLU(), new ReLU()])), [
    [4, -6],
    [4, 2],
  ]);
  t.deepEqual(slopes(new Concat([double(), new ReLU()])), [
    [2, -6, 1, 0],
    [3, 2],
  ]);
  t.deepEqual([...new Concat([double(), new ReLU()], { axis: 0 }).forward(x).shape], [2, 2]);
});

test('blocks inside blocks come back from bytes', (t) => {
  const model = new Sequential([
    new Concat([new Residual(new Linear(3, 3)), new Parallel([new Linear(3, 2), new Linear(3, 2)])]),
    new Residual(new Linear(5, 4), { shortcut: new Linear(5, 4) }),
  ]);
  const x = f32([1, 2, 3, -1, 0, 4], [2, 3]);
  const y = model.forward(x);
  identical(t, (fromBytes(model.toBytes()) as Sequential).forward(x), y, 'the copy');
});

test('ways that do not fit, and things that are no layers, are refused in words', (t) => {
  const x = f32([1, 2, 3], [1, 3]);
  t.throws(() => new Residual(new Linear(3, 2)).forward(x), {
    instanceOf: ShapeError,
    message: '[residual] expected the inner layer and the shortcut to give one shape, received [1, 2] and [1, 3]',
  });
  t.throws(() => new Parallel([new Linear(3, 2), new ReLU()]).forward(x), { instanceOf: ShapeError, message: /branch 0 and branch 1/ });
  t.throws(() => new Concat([new ReLU(), new Linear(3, 2)], { axis: 0 }).forward(x), { instanceOf: ShapeError });
  t.throws(() => new Concat([new ReLU()], { axis: 5 }).forward(x), { instanceOf: ShapeError, message: /axis/ });
  t.throws(() => new Parallel([]), { instanceOf: ArgumentError, message: /at least one layer/ });
  t.throws(() => new Concat([relu as never]), { instanceOf: ArgumentError, message: /branches\[0\]/ });
  t.throws(() => new Residual(new ReLU(), { shortcut: 3 as never }), { instanceOf: ArgumentError, message: /shortcut/ });
});

const relu = (x: unknown) => x;
