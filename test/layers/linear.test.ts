// The fully connected layer: the contract, its shapes, and rows that do not depend on their batch.
import test from 'ava';
import { ArgumentError, Linear, setSeed, ShapeError, Zeros } from '../../lib/index.js';
import { layerContract } from '../contracts/layer.js';
import { f32 } from '../helpers/build.js';
import { identical } from '../helpers/close.js';
import { Seeded } from '../helpers/seeded.js';

test('Linear keeps the layer contract', (t) =>
  layerContract(t, {
    create: () => new Linear(4, 3),
    inputShape: [5, 4],
    outputShape: [5, 3],
    parameters: { weight: [4, 3], bias: [3] },
    refuses: [
      [[5, 3], /expected 4 input features.*\[5, 3\]/],
      [[5, 2, 2], /Flatten/],
      [[], /linear/i],
      [[0], /expected 4 input features/],
    ],
  }));

test('Linear without a bias keeps the layer contract', (t) =>
  layerContract(t, {
    create: () => new Linear(3, 2, { bias: false }),
    inputShape: [4, 3],
    outputShape: [4, 2],
    parameters: { weight: [3, 2] },
    refuses: [
      [[4, 2], /expected 3 input features/],
      [[], /linear/i],
    ],
  }));

test('Linear works on the last dimension of any rank', (t) =>
  layerContract(t, {
    create: () => new Linear(3, 2),
    inputShape: [2, 4, 3],
    outputShape: [2, 4, 2],
    parameters: { weight: [3, 2], bias: [2] },
    refuses: [[[2, 4, 2], /expected 3 input features/]],
  }));

test('a row alone gives the bits that it gives in any batch', (t) => {
  for (const [inputs, outputs] of [
    [784, 64],
    [17, 300],
    [1, 5],
    [5000, 3],
  ]) {
    setSeed(1);
    const layer = new Linear(inputs, outputs);
    const rows = 130;
    const x = new Seeded(inputs).uniform(rows * inputs);
    const whole = layer.forward(f32(x, [rows, inputs]));
    for (const batch of [1, 3, 64, 129]) {
      const part = layer.forward(f32(x.subarray(0, batch * inputs), [batch, inputs]));
      identical(t, part.data, whole.data.subarray(0, batch * outputs), `${inputs} to ${outputs}: the first ${batch} of ${rows} rows`);
    }
    const last = layer.forward(f32(x.subarray((rows - 1) * inputs), [1, inputs]));
    identical(t, last.data, whole.data.subarray((rows - 1) * outputs), `${inputs} to ${outputs}: the last row alone`);
  }
});

test('sizes below 1, sizes that are no integers and unknown options are refused', (t) => {
  for (const bad of [0, -1, 1.5, NaN, '3', undefined, 2 ** 40]) {
    t.throws(() => new Linear(bad as number, 3), { instanceOf: ArgumentError, message: /inFeatures/ });
    t.throws(() => new Linear(3, bad as number), { instanceOf: ArgumentError, message: /outFeatures/ });
  }
  t.throws(() => new Linear(3, 3, { useBias: false } as never), { instanceOf: ArgumentError, message: /useBias/ });
  t.throws(() => new Linear(3, 3, { init: 'he' as never }), { instanceOf: ArgumentError, message: /init/ });
  t.throws(() => new Linear(3, 3, { biasInit: Zeros as never }), { instanceOf: ArgumentError, message: /biasInit/ });
});

test('images are refused with the advice to flatten them', (t) => {
  const error = t.throws(() => new Linear(784, 10).forward(f32(new Float32Array(2 * 784), [2, 28, 28, 1])), { instanceOf: ShapeError });
  t.regex(error?.message ?? '', /Flatten/);
});
