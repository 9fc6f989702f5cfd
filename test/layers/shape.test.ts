// Flatten and Dropout: the contract, and masks that depend on seed and path only.
import test from 'ava';
import { ArgumentError, Dropout, Flatten, Sequential, setSeed, ShapeError } from '../../lib/index.js';
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

test('Dropout keeps the layer contract', (t) =>
  layerContract(t, {
    create: () => new Dropout(0.5),
    inputShape: [4, 6],
    outputShape: [4, 6],
    parameters: {},
    random: 'each training forward draws a new mask',
  }));

const mask = (seed: number, place: number): number[] => {
  setSeed(seed);
  const stack = new Sequential(Array.from({ length: place + 1 }, (_, index) => (index === place ? new Dropout(0.5) : new Flatten())));
  return [...stack.forward(f32(new Float32Array(256).fill(1), [2, 128])).data];
};

test('masks come from the seed and the path of the layer', (t) => {
  t.deepEqual(mask(1, 0), mask(1, 0));
  t.notDeepEqual(mask(1, 0), mask(2, 0));
  t.notDeepEqual(mask(1, 0), mask(1, 1));
});

test('a probability outside 0 to 1 is refused; 0 drops nothing and 1 everything', (t) => {
  for (const bad of [-0.1, 1.1, NaN, '0.5', null]) t.throws(() => new Dropout(bad as number), { instanceOf: ArgumentError, message: /`p`/ });
  const x = f32([1, 2, 3]);
  t.deepEqual([...new Dropout(0).forward(x).data], [1, 2, 3]);
  t.deepEqual([...new Dropout(1).forward(x).data].map(Math.abs), [0, 0, 0]);
});
