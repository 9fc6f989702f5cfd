// Convolution layers: the contract, shapes, padding, what they refuse, and examples that do not depend on their batch.
import test from 'ava';
import { ArgumentError, Conv2d, ConvTranspose2d, conv2d, convTranspose2d, ones, ShapeError, setSeed, Tensor, zeros } from '../../lib/index.js';
import { layerContract } from '../contracts/layer.js';
import { f32 } from '../helpers/build.js';
import { identical } from '../helpers/close.js';
import { Seeded } from '../helpers/seeded.js';

test('Conv2d keeps the layer contract', (t) =>
  layerContract(t, {
    create: () => new Conv2d(2, 3, 3, { padding: 1, stride: 2 }),
    inputShape: [3, 4, 5, 2],
    outputShape: [3, 2, 3, 3],
    parameters: { weight: [3, 3, 2, 3], bias: [3] },
    refuses: [
      [[3, 4, 5, 3], /expected 2 channels/],
      [[3, 2, 4, 5], /N, C, H, W/],
      [[4, 5, 2], /batch dimension/],
      [[], /N, H, W, C/],
    ],
  }));

test('Conv2d without a bias and in groups keeps the layer contract', (t) =>
  layerContract(t, {
    create: () => new Conv2d(4, 6, [3, 2], { bias: false, groups: 2, dilation: [1, 2], padding: 'same' }),
    inputShape: [2, 4, 3, 4],
    outputShape: [2, 4, 3, 6],
    parameters: { weight: [3, 2, 2, 6] },
    refuses: [[[2, 4, 3, 2], /expected 4 channels/]],
  }));

test('ConvTranspose2d keeps the layer contract', (t) =>
  layerContract(t, {
    create: () => new ConvTranspose2d(3, 2, 4, { stride: 2, padding: 1 }),
    inputShape: [2, 3, 2, 3],
    outputShape: [2, 6, 4, 2],
    parameters: { weight: [4, 4, 2, 3], bias: [2] },
    refuses: [[[2, 3, 2, 2], /expected 3 channels/]],
  }));

test('[M01] six 5×5 filters over a 32×32×3 image give 28×28×6', (t) => {
  t.deepEqual(new Conv2d(3, 6, 5).forward(zeros([1, 32, 32, 3])).shape, [1, 28, 28, 6]);
});

test("padding 'same' gives ceil(size / stride) outputs, with the odd zero below and to the right", (t) => {
  for (const [size, kernel, stride] of [
    [7, 3, 1],
    [8, 3, 2],
    [7, 4, 1],
    [5, 2, 3],
  ]) {
    const y = conv2d(zeros([1, size, size + 1, 1]), ones([kernel, kernel, 1, 1]), null, { padding: 'same', stride });
    t.deepEqual(y.shape, [1, Math.ceil(size / stride), Math.ceil((size + 1) / stride), 1]);
  }
  // A kernel of two: the zero stands behind the last element.
  const row = Tensor.from(Float32Array.of(1, 2, 3), [1, 1, 3, 1]);
  t.deepEqual([...conv2d(row, ones([1, 2, 1, 1]), null, { padding: 'same' }).data], [3, 5, 3]);
});

test('an example alone gives the bits that it gives in any batch, by each algorithm', (t) => {
  for (const conv of ['auto', 'direct', 'im2col'] as const) {
    for (const [c, k, size, kernel, options] of [
      [3, 16, 9, 3, { padding: 1 }],
      [16, 16, 8, 3, { padding: 1 }],
      [64, 64, 7, 3, { padding: 1 }],
      [8, 24, 6, 1, {}],
      [3, 8, 11, 7, { stride: 2, padding: 3 }],
      [16, 16, 5, 3, { groups: 16, padding: 1 }],
    ] as const) {
      setSeed(1);
      const layer = new Conv2d(c, k, kernel, { ...options, conv });
      const x = f32(new Seeded(c + k).uniform(5 * size * size * c, -1, 1), [5, size, size, c]);
      const all = layer.forward(x);
      const each = all.size / 5;
      for (const i of [0, 3, 4]) {
        const one = layer.forward(x.slice([i, 0, 0, 0], [i + 1, size, size, c]));
        identical(t, one.data, all.data.subarray(i * each, (i + 1) * each), `${conv} ${c} to ${k}, example ${i}`);
      }
    }
  }
});

test('wrong arguments are refused with what was expected', (t) => {
  t.throws(() => new Conv2d(3, 8, 0), { instanceOf: ArgumentError, message: /kernelSize/ });
  t.throws(() => new Conv2d(3, 8, 3, { groups: 2 }), { instanceOf: ArgumentError, message: /groups must divide/ });
  t.throws(() => new Conv2d(3, 8, 3, { padding: 'full' as never }), { instanceOf: ArgumentError, message: /'same' or 'valid'/ });
  t.throws(() => new Conv2d(3, 8, 3, { conv: 'fft' as never }), { instanceOf: ArgumentError, message: /conv/ });
  t.throws(() => conv2d(ones([1, 2, 2, 1]), ones([3, 3, 1, 1])), {
    instanceOf: ShapeError,
    message: /height 3 does not fit into images of height 2/,
  });
  t.throws(() => conv2d(ones([1, 4, 4, 1]), ones([3, 3, 1, 2]), ones([3])), { instanceOf: ShapeError, message: /bias of shape \[2\]/ });
  t.throws(() => new ConvTranspose2d(2, 2, 2, { stride: 2, outputPadding: 2 }).forward(ones([1, 2, 2, 2])), {
    instanceOf: ArgumentError,
    message: /outputPadding/,
  });
  for (const call of [
    () => conv2d(ones([1, 4, 4, 1]), ones([3, 3, 1, 1]), null, { padding: 'same', dilation: 2 ** 30 }),
    () => conv2d(ones([1, 4, 4, 1]), ones([3, 3, 1, 1]), null, { padding: 2 ** 30 }),
    () => convTranspose2d(ones([1, 1, 1, 1]), ones([3, 3, 1, 1]), null, { dilation: 2 ** 30, padding: 2 ** 30 }),
  ]) {
    t.throws(call, { instanceOf: ArgumentError, message: /padding below 2\^30/ });
  }
  t.throws(() => convTranspose2d(ones([0, 2, 4, 1]), ones([3, 3, 1, 1]), null, { stride: 2 ** 30 }), {
    instanceOf: ShapeError,
    message: /below 2\^31 pixels/,
  });
  for (const call of [() => conv2d(ones([1, 4, 4, 1]), ones([3, 0, 1, 1])), () => convTranspose2d(ones([1, 2, 4, 1]), ones([0, 3, 1, 1]))]) {
    t.throws(call, { instanceOf: ShapeError, message: /the kernel is empty/ });
  }
});

test('Conv2d says which algorithms serve, and the config keeps it', (t) => {
  const layer = new Conv2d(1, 1, 3, { conv: 'direct' });
  t.is((layer.config() as { conv: string }).conv, 'direct');
  t.is((Conv2d.fromConfig(layer.config() as never).config() as { conv: string }).conv, 'direct');
});
