// LSUV: every layer of a model gets an output of variance 1, in few rounds, and what cannot be scaled says so.
import test from 'ava';
import {
  ArgumentError,
  BatchNorm1d,
  Constant,
  Conv2d,
  Flatten,
  Linear,
  lsuv,
  MaxPool2d,
  noGrad,
  ReLU,
  Sequential,
  setSeed,
  ShapeError,
  Tanh,
  zeros,
} from '../../lib/index.js';
import { f32 } from '../helpers/build.js';
import { moments, Seeded } from '../helpers/seeded.js';

const batch = (shape: readonly number[], seed = 1) =>
  f32(
    new Seeded(seed).normal(
      shape.reduce((a, b) => a * b),
      2,
      3,
    ),
    shape,
  );

test('the output of each layer with weights gets variance 1 on the batch, before its activation', (t) => {
  setSeed(1);
  const layers = [new Linear(50, 80), new Tanh(), new Linear(80, 80), new BatchNorm1d(80), new ReLU(), new Linear(80, 5)];
  const model = new Sequential(layers);
  const x = batch([200, 50]);
  const report = lsuv(model, x);
  t.deepEqual(
    report.map(({ path }) => path),
    ['0', '2', '5'],
  );
  let value = x;
  model.eval();
  for (const [i, layer] of layers.entries()) {
    value = noGrad(() => layer.forward(value));
    const found = report.find(({ path }) => path === String(i));
    if (found === undefined) continue;
    t.true(Math.abs(moments(value.data).deviation ** 2 - 1) <= 0.02, `layer ${i}`);
    t.true(found.rounds >= 1 && found.rounds <= 3);
    t.true(Math.abs(found.variance - moments(value.data).deviation ** 2) < 1e-6);
  }
});

test('convolutions are scaled, modes come back, and the same seed gives the same weights', (t) => {
  const weights = (orthogonal: boolean): number[] => {
    setSeed(4);
    const model = new Sequential([new Conv2d(3, 8, 3), new ReLU(), new MaxPool2d(2), new Flatten(), new Linear(8 * 3 * 3, 4)]);
    t.is(lsuv(model, batch([32, 8, 8, 3]), { orthogonal }).length, 2);
    t.true(model.training && model.layers.every((layer) => layer.training));
    return [...(model.layers[0] as Conv2d).weight.data];
  };
  t.deepEqual(weights(true), weights(true));
  t.notDeepEqual(weights(false), weights(true));
});

test('a layer whose output does not vary, a model without weights and wrong arguments say so', (t) => {
  const dead = new Sequential([new Linear(4, 4, { biasInit: new Constant(-1) }), new ReLU(), new Linear(4, 2)]);
  t.throws(() => lsuv(dead, zeros([8, 4])), { instanceOf: ArgumentError, message: /output of layer '0' has variance 0 on the batch/ });
  t.throws(() => lsuv(new ReLU(), batch([8, 4])), { message: /no layer with weights/ });
  t.throws(() => lsuv(new Linear(4, 4), zeros([0, 4])), { instanceOf: ShapeError });
  t.throws(() => lsuv(new Linear(4, 4).to('bfloat16'), batch([8, 4])), { message: /stored as bfloat16.*model\.to\('float32'\)/ });
  t.throws(() => lsuv({} as never, batch([8, 4])), { message: /a Layer/ });
  t.throws(() => lsuv(new Linear(4, 4), batch([8, 4]), { tolerance: -1 }), { message: /tolerance/ });
  t.throws(() => lsuv(new Linear(4, 4), batch([8, 4]), { rounds: 0 }), { message: /rounds/ });
});
