// Course section N, and A45: recurrent networks.
import test from 'ava';
import { Linear, RNN, RNNCell, type Tensor } from '../../lib/index.js';
import { f64 } from '../helpers/build.js';
import { close, identical } from '../helpers/close.js';
import { Seeded } from '../helpers/seeded.js';

/** h = tanh(0.5·h + 1·x), without a bias. */
function scalar(): RNNCell {
  const cell = new RNNCell(1, 1, { bias: false }).to('float64');
  cell.inputWeight.data[0] = 1;
  cell.recurrentWeight.data[0] = 0.5;
  return cell;
}
const row = (x: number): Tensor => f64([x], [1, 1]) as never;

test('[N01] one function with one set of weights for all steps: a sequence of three gives the bits of three single calls', (t) => {
  for (const dtype of ['float32', 'float64'] as const) {
    const net = new RNN(4, 5).to(dtype);
    const [cell] = net.cells;
    const x = f64(new Seeded(1).uniform(2 * 3 * 4), [2, 3, 4]).to(dtype) as never as Tensor;
    const whole = net.forward(x);
    let state: Tensor[] | undefined;
    for (let step = 0; step < 3; step++) {
      state = cell.forward(x.slice([0, step, 0], [2, step + 1, 4]).reshape([2, 4]), state);
      identical(t, state[0], whole.slice([0, step, 0], [2, step + 1, 5]).reshape([2, 5]), `step ${step} in ${dtype}`);
    }
    t.deepEqual(
      [...net.namedParameters()].map(([path]) => path),
      ['cells.0.inputWeight', 'cells.0.recurrentWeight', 'cells.0.bias'],
    );
  }
});

test('[N02] h = tanh(Whh·h + Wxh·x) with Whh 0.5, Wxh 1, x = (1, 0) and h 0: 0.7615942, then tanh(0.3807971) = 0.3634', (t) => {
  const cell = scalar();
  const first = cell.forward(row(1), [row(0)]);
  const second = cell.forward(row(0), first);
  close(t, first[0], { data: [0.7615942], shape: [1, 1] }, { absolute: 5e-8 });
  close(t, second[0], { data: [0.3634], shape: [1, 1] }, { absolute: 5e-5 });
  close(t, second[0], { data: [Math.tanh(0.5 * Math.tanh(1))], shape: [1, 1] }, { relative: 1e-15 });
});

test('[N03] y = Why·h with Why 2 gives 1.5231883 at the first step', (t) => {
  const head = new Linear(1, 1, { bias: false }).to('float64');
  head.weight.data[0] = 2;
  close(t, head.forward(scalar().forward(row(1))[0]), { data: [1.5231883], shape: [1, 1] }, { absolute: 5e-8 });
});

test('[N04] [A45] recurrent nets have tanh unless told otherwise', (t) => {
  t.is(new RNNCell(1, 1).activation, 'tanh');
  t.is(new RNN(1, 1).cells[0].activation, 'tanh');
  t.is(new RNN(1, 1, { activation: 'relu' }).cells[0].activation, 'relu');
});

test('[N05] state, input and output have the shapes of h, x and y', (t) => {
  const { output, state } = new RNN(3, 5).run(f64(new Float64Array(24), [2, 4, 3]).to('float32') as never);
  t.deepEqual([...output.shape], [2, 4, 5]);
  t.deepEqual(
    state.map(({ shape }) => [...shape]),
    [[1, 2, 5]],
  );
});
