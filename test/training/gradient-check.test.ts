// The gradient check of a whole model: right gradients pass, wrong ones and kinks are named, and the model stays as it was.
import test from 'ava';
import {
  ArgumentError,
  BatchNorm1d,
  Dropout,
  gradCheck,
  Layer,
  Linear,
  LSTM,
  mlp,
  MultiHeadAttention,
  Parameter,
  ReLU,
  Sequential,
  setSeed,
  Sigmoid,
  Tanh,
  type Tensor,
  Zeros,
} from '../../lib/index.js';
import { f32, f64 } from '../helpers/build.js';
import { identical } from '../helpers/close.js';
import { Seeded } from '../helpers/seeded.js';

const input = (seed: number, shape: readonly number[]) => f32(new Seeded(seed).uniform(shape.reduce((a, b) => a * b, 1)), shape);

test('models with smooth layers pass: fully connected, normalized, recurrent, attending', (t) => {
  setSeed(1);
  const dense = new Sequential([new Linear(3, 5), new Tanh(), new BatchNorm1d(5), new Linear(5, 2), new Sigmoid()]);
  for (const [model, x, training] of [
    [dense, input(1, [4, 3]), true],
    [dense, input(1, [4, 3]), false],
    [new LSTM(3, 4), input(2, [2, 5, 3]), false],
    [new MultiHeadAttention(4, 2, { causal: true }), input(3, [2, 5, 4]), true],
  ] as const) {
    const report = gradCheck(model as never, x, { training });
    t.deepEqual(
      report.parameters.map(({ path }) => path),
      [...model.namedParameters().keys()],
    );
    t.true(report.error < 1e-7, `${report.error}`);
    t.deepEqual(
      report.parameters.flatMap(({ kinks }) => kinks),
      [],
    );
  }
});

/** A product with a gradient that is wrong in one place, made by leaving a part of the way back out. */
class Wrong extends Layer {
  readonly weight = new Parameter([3], { init: new Zeros() });
  forward(x: Tensor): Tensor {
    return x.mul(this.weight.add(1)).add(this.weight.detach().mul(f64([0, 0.5, 0], [3]) as never));
  }
  static fromConfig(): Wrong {
    return new Wrong();
  }
}

test('a wrong gradient is found, with its parameter and place', (t) => {
  const model = new Wrong().to('float64');
  const report = gradCheck(model, f64([1, 2, 3, 4, 5, 6], [2, 3]));
  t.true(report.error > 1e-2, `${report.error}`);
  t.is(report.parameters[0].path, 'weight');
  t.is(report.parameters[0].worst, 1);
});

test('an element at a kink is named and left out', (t) => {
  const model = new Sequential([new Linear(1, 3), new ReLU()]);
  const first = model.layers[0] as Linear;
  first.weight.data.set([1, 0, -1]);
  first.bias?.data.set([0.5, 0, 2]);
  const report = gradCheck(model, f32([1], [1, 1]));
  t.deepEqual(
    report.parameters.map(({ path, kinks }) => [path, [...kinks]]),
    [
      ['0.weight', [1]],
      ['0.bias', [1]],
    ],
  );
  t.true(report.error < 1e-9, `${report.error}`);
});

test('a net of ReLUs passes, whose kinks a step may cross', (t) => {
  setSeed(5);
  const model = mlp({ inputShape: [6], hidden: [20, 20], classes: 3 });
  const report = gradCheck(model, input(8, [30, 6]), { samples: 150 });
  t.true(report.error < 1e-7, `${report.error}`);
  t.true(report.parameters.every(({ kinks, checked }) => kinks.length < checked / 5));
});

test('the model keeps its numbers, gradients, element type and mode', (t) => {
  setSeed(2);
  const model = new Sequential([new Linear(2, 2), new Tanh()]);
  const x = input(1, [3, 2]);
  model.forward(x).sum().backward();
  const first = model.layers[0] as Linear;
  const before = [first.weight.data.slice(), (first.weight.grad as Tensor).data.slice()];
  t.true(gradCheck(model, x, { samples: 2, loss: (y) => y.mul(y).mean() }).parameters.every(({ checked }) => checked === 2));
  identical(t, first.weight.data, before[0]);
  identical(t, (first.weight.grad as Tensor).data, before[1]);
  t.true(model.training);
  const double = model.clone().to('float64');
  const values = double.layers[0].parameters()[0].data.slice();
  gradCheck(double, x);
  identical(t, double.layers[0].parameters()[0].data, values);
  t.is(double.layers[0].parameters()[0].grad, null);
});

test('what cannot be checked is refused in words', (t) => {
  const model = new Sequential([new Linear(2, 2), new Dropout(0.5)]);
  const x = input(1, [3, 2]);
  t.throws(() => gradCheck(model, x, { training: true }), { instanceOf: ArgumentError, message: /evaluation mode/ });
  t.throws(() => gradCheck(model, x, { loss: (y) => y }), { instanceOf: ArgumentError, message: /one number/ });
  t.throws(() => gradCheck(model, x, { step: 0 }), { instanceOf: ArgumentError, message: /step/ });
  t.throws(() => gradCheck(model, x, { h: 1 } as never), { instanceOf: ArgumentError, message: /`h`/ });
  t.throws(() => gradCheck(3 as never, x), { instanceOf: ArgumentError, message: /a Layer/ });
});
