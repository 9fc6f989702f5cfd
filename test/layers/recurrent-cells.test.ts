// Recurrent cells: one step, its gradients, its first values.
import test from 'ava';
import {
  ArgumentError,
  Constant,
  GRUCell,
  LSTMCell,
  RNNCell,
  type RecurrentCell,
  ShapeError,
  type Tensor,
  ones,
  setSeed,
} from '../../lib/index.js';
import { f32, f64 } from '../helpers/build.js';
import { identical } from '../helpers/close.js';
import { jacobianCheck } from '../helpers/gradcheck.js';
import { Seeded } from '../helpers/seeded.js';

const cells: [name: string, make: () => RecurrentCell][] = [
  ['RNNCell', () => new RNNCell(2, 3)],
  ['LSTMCell', () => new LSTMCell(2, 3)],
  ['LSTMCell with a projection', () => new LSTMCell(2, 3, { projection: 2 })],
  ['GRUCell', () => new GRUCell(2, 3)],
  ['GRUCell, reset before the product', () => new GRUCell(2, 3, { resetAfter: false })],
];

for (const [name, make] of cells) {
  test(`gradients through two steps are right by input, states and weights: ${name}`, (t) => {
    const cell = make().to('float64');
    cell.prepare();
    const random = new Seeded(3);
    for (const parameter of cell.parameters()) parameter.data.set(random.uniform(parameter.size, -1, 1));
    const x = f64(random.uniform(4, -1, 1), [2, 2]) as never as Tensor;
    const state = cell.stateFeatures.map((size) => f64(random.uniform(2 * size, -1, 1), [2, size]) as never as Tensor);
    for (const tensor of [x, ...state]) tensor.requiresGrad = true;
    const leaves = [x, ...state, ...cell.parameters()].map((tensor, i) => ({ name: `leaf ${i}`, tensor: tensor as never }));
    jacobianCheck(
      t,
      () => cell.forward(x, cell.forward(x, state)).reduce((sum, each) => sum.add(each.sum()), ones([1]).to('float64') as never) as never,
      leaves,
    );
  });

  test(`what a cell is made of comes back from its description: ${name}`, (t) => {
    const cell = make();
    const x = f32([1, 2, 3, 4], [2, 2]);
    for (const [i, state] of cell.clone().forward(x).entries()) identical(t, state, cell.forward(x)[i]);
    t.throws(() => cell.forward(f32([1, 2, 3], [3])), { instanceOf: ShapeError, message: /expected x \[batch, in\] with 2 input features/ });
    t.throws(() => cell.forward(x, [ones([3, 3])]), { message: /state/ });
  });
}

test('an LSTM begins by remembering: the bias of its forget gate is 1, all others 0', (t) => {
  t.deepEqual([...new LSTMCell(2, 2).bias!.data], [0, 0, 1, 1, 0, 0, 0, 0]);
  t.deepEqual([...new LSTMCell(2, 2, { biasInit: new Constant(0.5) }).bias!.data], new Array(8).fill(0.5));
});

test('weights of the state start within 1/√hidden, and options say otherwise', (t) => {
  setSeed(1);
  const { recurrentWeight } = new RNNCell(4, 25);
  const largest = Math.max(...[...recurrentWeight.data].map(Math.abs));
  t.true(largest <= 0.2 && largest > 0.19);
  t.deepEqual([...new RNNCell(1, 1, { recurrentInit: new Constant(2) }).recurrentWeight.data], [2]);
  t.is(new GRUCell(1, 1, { bias: false }).recurrentBias, null);
  t.throws(() => new RNNCell(1, 1, { recurrentInit: 'large' as never }), { instanceOf: ArgumentError, message: /Initializer/ });
  t.throws(() => new RNNCell(0, 1), { instanceOf: ArgumentError, message: /inFeatures/ });
});
