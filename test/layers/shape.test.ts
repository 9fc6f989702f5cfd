// Flatten: the contract.
import test from 'ava';
import { ArgumentError, Flatten, ShapeError } from '../../lib/index.js';
import { layerContract } from '../contracts/layer.js';
import { f32 } from '../helpers/build.js';

test('Flatten keeps the layer contract', (t) =>
  layerContract(t, {
    create: () => new Flatten() as never,
    inputShape: [3, 2, 2, 1],
    outputShape: [3, 4],
    parameters: {},
    refuses: [[[], /batch/]],
  }));

test('Flatten of an empty batch keeps the features', (t) => {
  t.deepEqual([...new Flatten().forward(f32([], [0, 28, 28, 1])).shape], [0, 784]);
  t.throws(() => new Flatten().forward(f32([1], [])), { instanceOf: ShapeError });
});

test('Flatten takes no argument, and ignores none', (t) => {
  for (const given of [1, 0, { startDim: 2 }])
    t.throws(() => new Flatten(...([given] as never[])), { instanceOf: ArgumentError, message: /no argument.*reshape/ });
});
