// Padding and resizing of images: the contract, which pixels stand where, special values, recorded steps, and what is refused.
import test from 'ava';
import { ArgumentError, compileStep, Pad2d, pad2d, ShapeError, type Tensor, Upsample2d, upsample2d } from '../../lib/index.js';
import { layerContract } from '../contracts/layer.js';
import { f32 } from '../helpers/build.js';
import { Seeded } from '../helpers/seeded.js';

const refuses = [
  [[3, 5, 6], /\[N, H, W, C\]/],
  [[3, 0, 6, 3], /at least one pixel/],
] as const;
const shapes = { inputShape: [3, 4, 5, 3], parameters: {}, refuses };

test('Pad2d keeps the layer contract in every mode', (t) => {
  for (const mode of ['constant', 'reflect', 'replicate'] as const) {
    const create = () => new Pad2d([[1, 0], [2, 3]], { mode, ...(mode === 'constant' ? { value: 2 } : {}) }); // biome-ignore format: one line
    layerContract(t, { create, outputShape: [3, 5, 10, 3], ...shapes });
    const x = f32(new Seeded(1).uniform(60), [1, 4, 5, 3]);
    t.deepEqual(create().clone().forward(x).data, create().forward(x).data);
  }
});

test('Upsample2d keeps the layer contract in every mode', (t) => {
  for (const options of [{ mode: 'nearest' }, { mode: 'bilinear' }, { mode: 'bilinear', alignCorners: true }] as const) {
    for (const size of [{ scaleFactor: 2 }, { outputSize: [8, 10] }] as const) {
      const create = () => new Upsample2d({ ...options, ...size });
      layerContract(t, { create, outputShape: [3, 8, 10, 3], ...shapes });
      const x = f32(new Seeded(1).uniform(60), [1, 4, 5, 3]);
      t.deepEqual(create().clone().forward(x).data, create().forward(x).data);
    }
  }
});

const row = (...values: number[]): Tensor => f32(values, [1, 1, values.length, 1]);
const sides = (left: number, right: number) => [[0, 0], [left, right]] as const; // biome-ignore format: one line

test('a frame is a value, the pixels mirrored at the edge, or the edge', (t) => {
  const x = row(1, 2, 3, 4);
  t.deepEqual([...pad2d(x, sides(2, 1)).data], [0, 0, 1, 2, 3, 4, 0]);
  t.deepEqual([...pad2d(x, sides(1, 1), { value: 9 }).data], [9, 1, 2, 3, 4, 9]);
  t.deepEqual([...pad2d(x, sides(3, 2), { mode: 'reflect' }).data], [4, 3, 2, 1, 2, 3, 4, 3, 2]);
  t.deepEqual([...pad2d(x, sides(6, 2), { mode: 'replicate' }).data], [1, 1, 1, 1, 1, 1, 1, 2, 3, 4, 4, 4]);
  t.deepEqual(pad2d(x, 0).data, x.data);
  t.deepEqual([...pad2d(f32([1, 2, 3, 4], [1, 2, 2, 1]), 1, { mode: 'reflect' }).data], [4, 3, 4, 3, 2, 1, 2, 1, 4, 3, 4, 3, 2, 1, 2, 1]);
});

test('a zero frame is that of a padded tensor', (t) => {
  const x = f32(new Seeded(4).uniform(2 * 3 * 4 * 5), [2, 3, 4, 5]);
  const wanted = x.pad([[0, 0], [1, 2], [3, 0], [0, 0]], -2); // biome-ignore format: one line
  t.deepEqual(pad2d(x, [[1, 2], [3, 0]], { value: -2 }).data, wanted.data); // biome-ignore format: one line
});

test('nearest neighbours repeat pixels, and bilinear interpolation keeps edges or corners', (t) => {
  t.deepEqual([...upsample2d(row(1, 2), { scaleFactor: [1, 3] }).data], [1, 1, 1, 2, 2, 2]);
  t.deepEqual([...upsample2d(row(1, 2, 3, 4, 5), { outputSize: [1, 3] }).data], [1, 2, 4]);
  const bilinear = (alignCorners: boolean, size: number, ...values: number[]) => [
    ...upsample2d(row(...values), { outputSize: [1, size], mode: 'bilinear', alignCorners }).data,
  ];
  t.deepEqual(bilinear(false, 4, 0, 4), [0, 1, 3, 4]);
  t.deepEqual(bilinear(true, 5, 0, 4), [0, 1, 2, 3, 4]);
  t.deepEqual(bilinear(false, 2, 1, 3, 5, 9), [2, 7]);
  t.deepEqual(bilinear(true, 1, 3, 5), [3]);
  t.deepEqual(bilinear(false, 3, 7, 8, 9), [7, 8, 9]);
});

test('special values are moved as they are, and do not reach pixels that are none of their neighbours', (t) => {
  const x = row(NaN, -0, Infinity, 5);
  t.deepEqual([...pad2d(x, sides(1, 1), { mode: 'replicate' }).data], [NaN, NaN, -0, Infinity, 5, 5]);
  t.deepEqual([...upsample2d(x, { scaleFactor: [1, 2] }).data], [NaN, NaN, -0, -0, Infinity, Infinity, 5, 5]);
  const y = upsample2d(row(NaN, 1, 2, 3), { scaleFactor: [1, 2], mode: 'bilinear' });
  t.deepEqual([...y.data].map(Number.isNaN), [true, true, true, false, false, false, false, false]);
});

test('recorded steps give the bits of eager ones', async (t) => {
  const layers = [new Pad2d(2, { mode: 'reflect' }), new Upsample2d({ scaleFactor: 2 }), new Upsample2d({ outputSize: 9, mode: 'bilinear' })];
  const forward = (x: Tensor): Tensor => layers.reduce((y, layer) => layer.forward(y), x);
  const step = compileStep(forward);
  for (const seed of [1, 2]) {
    const x = f32(new Seeded(seed).uniform(2 * 5 * 4 * 3), [2, 5, 4, 3]);
    t.deepEqual((await step(x)).data, forward(x).data);
  }
});

test('what cannot be padded or resized is refused with what was expected', (t) => {
  const x = f32(new Float32Array(24), [1, 3, 4, 2]);
  t.throws(() => pad2d(x, 3, { mode: 'reflect' }), { instanceOf: ShapeError, message: /more rows than 3/ });
  t.throws(() => pad2d(x, -1), { instanceOf: ArgumentError, message: /`padding/ });
  t.throws(() => pad2d(x, 'same' as never), { instanceOf: ArgumentError, message: /`padding/ });
  t.throws(() => pad2d(x, 1, { mode: 'circular' as never }), { instanceOf: ArgumentError, message: /mode/ });
  t.throws(() => pad2d(x, 2 ** 29), { instanceOf: ShapeError, message: /at most 1048576/ });
  t.throws(() => upsample2d(x, {}), { instanceOf: ArgumentError, message: /either/ });
  t.throws(() => upsample2d(x, { scaleFactor: 2, outputSize: 4 }), { instanceOf: ArgumentError, message: /either/ });
  t.throws(() => upsample2d(x, { scaleFactor: 1.5 }), { instanceOf: ArgumentError, message: /scale/ });
  t.throws(() => upsample2d(x, { scaleFactor: 2, mode: 'cubic' as never }), { instanceOf: ArgumentError, message: /mode/ });
  t.throws(() => upsample2d(x, { scaleFactor: 2, alignCorners: true }), { instanceOf: ArgumentError, message: /alignCorners/ });
  t.throws(() => upsample2d(f32([], [0, 2, 2, 1]), { scaleFactor: 2 ** 29 }), { instanceOf: ShapeError, message: /at most 1048576/ });
});
