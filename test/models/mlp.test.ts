// Proves lib/models/mlp.ts: the presets have the layers and sizes that they say.

import test from 'ava';
import { ArgumentError, Linear, linearModel, mlp, ones } from '../../lib/index.js';

test('the MLP is Flatten, then Linear and ReLU per hidden layer, then scores', (t) => {
  const model = mlp();
  t.deepEqual(
    model.layers.map((layer) => layer.constructor.name),
    ['Flatten', 'Linear', 'ReLU', 'Linear', 'ReLU', 'Linear'],
  );
  t.is(model.parameterCount(), 784 * 512 + 512 + 512 * 256 + 256 + 256 * 10 + 10);
  t.deepEqual(model.forward(ones([3, 28, 28, 1])).shape, [3, 10]);
  t.deepEqual(mlp({ inputShape: [5], hidden: [7], classes: 2 }).forward(ones([4, 5])).shape, [4, 2]);
});

test('the linear model is one layer of scores', (t) => {
  const model = linearModel({ inputShape: [8, 8, 3], classes: 4 });
  t.is(model.parameterCount(), 192 * 4 + 4);
  t.true(model.layers[1] instanceof Linear);
  t.is(linearModel().parameterCount(), 7850);
});

test('wrong sizes and unknown options are refused', (t) => {
  for (const call of [
    () => mlp({ hidden: [0] }),
    () => mlp({ hidden: 5 } as never),
    () => mlp({ hidden: ['x'] } as never),
    () => mlp({ inputShape: 784 } as never),
    () => mlp({ inputShape: [0] }),
    () => mlp({ classes: 1.5 }),
    () => mlp({ units: [5] } as never),
    () => linearModel({ hidden: [5] } as never),
    () => linearModel(null as never),
  ]) {
    t.throws(call, { instanceOf: ArgumentError }, String(call));
  }
});
