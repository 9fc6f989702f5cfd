// Convolution and pooling along sequences: the contract, PyTorch's numbers by hand, and what they refuse.
import test from 'ava';
import {
  ArgumentError,
  AvgPool1d,
  Conv1d,
  Flatten,
  Linear,
  loadPyTorch,
  MaxPool1d,
  Sequential,
  ShapeError,
  type Tensor,
  tensor,
} from '../../lib/index.js';
import { layerContract } from '../contracts/layer.js';
import { f32 } from '../helpers/build.js';
import { Seeded } from '../helpers/seeded.js';

test('Conv1d keeps the layer contract', (t) =>
  layerContract(t, {
    create: () => new Conv1d(3, 4, 3, { stride: 2, padding: 1 }),
    inputShape: [2, 7, 3],
    outputShape: [2, 4, 4],
    parameters: { weight: [3, 3, 4], bias: [4] },
    refuses: [
      [[2, 3, 7], /\[N, T, 3\].*transpose\(\[0, 2, 1\]\)/],
      [[7, 3], /\[N, T, 3\]/],
    ],
  }));

test('Conv1d in groups, with holes and without a bias, keeps the layer contract', (t) =>
  layerContract(t, {
    create: () => new Conv1d(4, 4, 2, { groups: 2, dilation: 2, padding: [2, 0], bias: false }),
    inputShape: [2, 5, 4],
    outputShape: [2, 5, 4],
    parameters: { weight: [2, 2, 4] },
  }));

for (const [name, create, length] of [
  ['MaxPool1d', () => new MaxPool1d(2), 3],
  ['MaxPool1d with overlap', () => new MaxPool1d(3, { stride: 2, padding: 1 }), 3],
  ['AvgPool1d', () => new AvgPool1d(3, { stride: 2, padding: 1, countIncludePad: false }), 3],
] as const)
  test(`${name} keeps the layer contract`, (t) =>
    layerContract(t, {
      create: create as never,
      inputShape: [2, 6, 3],
      outputShape: [2, length, 3],
      parameters: {},
      refuses: [[[6, 3], /\[N, T, C\]/]],
    }));

test('windows run along the sequence, channel by channel', (t) => {
  const x = tensor([
    [
      [1, 10],
      [5, 20],
      [3, 60],
      [4, 40],
    ],
  ]);
  t.deepEqual(new MaxPool1d(2).forward(x).toArray(), [
    [
      [5, 20],
      [4, 60],
    ],
  ]);
  t.deepEqual(new AvgPool1d(2).forward(x).toArray(), [
    [
      [3, 15],
      [3.5, 50],
    ],
  ]);
});

test('a net of PyTorch with Conv1d behind which its features are flattened gives the same numbers', async (t) => {
  const [channels, filters, kernel, length] = [2, 3, 2, 4];
  const model = new Sequential([new Conv1d(channels, filters, kernel), new Flatten(), new Linear(filters * (length - 1), 2)]);
  const draw = new Seeded(7);
  const drawn = (...shape: number[]): Tensor => f32(draw.uniform(shape.reduce((a, b) => a * b, 1)), shape);
  const [w, b, v, c] = [drawn(filters, channels, kernel), drawn(filters), drawn(2, filters * (length - 1)), drawn(2)];
  const weights = new Map<string, Tensor>([
    ['0.weight', w],
    ['0.bias', b],
    ['2.weight', v],
    ['2.bias', c],
  ]);
  await loadPyTorch(model, weights, { inputShape: [length, channels] });
  const x = drawn(1, length, channels);
  // As PyTorch computes: features in the order of channels, then time.
  const at = (o: number, i: number, k: number): number => w.data[(o * channels + i) * kernel + k];
  const features: number[] = [];
  for (let o = 0; o < filters; o++)
    for (let s = 0; s < length - 1; s++) {
      let sum = b.data[o];
      for (let i = 0; i < channels; i++) for (let k = 0; k < kernel; k++) sum += at(o, i, k) * x.data[(s + k) * channels + i];
      features.push(sum);
    }
  const expected = [0, 1].map((o) => features.reduce((sum, one, i) => sum + one * v.data[o * features.length + i], c.data[o]));
  for (const [o, value] of model.forward(x).data.entries()) t.true(Math.abs(value - expected[o]) < 1e-5, `${value} and ${expected[o]}`);
});

test('wrong arguments are refused with what was expected', (t) => {
  const refuses = (make: () => unknown, message: RegExp): unknown => t.throws(make, { instanceOf: ArgumentError, message });
  refuses(() => new Conv1d(3, 4, 0), /kernelSize/);
  refuses(() => new Conv1d(3, 4, 3, { groups: 2 }), /groups/);
  refuses(() => new Conv1d(3, 4, 3, { padding: 'full' as never }), /'same' or 'valid'/);
  refuses(() => new Conv1d(3, 4, 3, { padding: [1] as never }), /\[before, after\]/);
  refuses(() => new Conv1d(3, 4, 3, { padding: -1 }), /padding/);
  refuses(() => new MaxPool1d(2, { padding: 2 }), /half/);
  refuses(() => new AvgPool1d(2, { dilation: 2 } as never), /dilation/);
  t.throws(() => new Conv1d(1, 1, 5).forward(f32([1, 2], [1, 2, 1])), { instanceOf: ShapeError });
  t.deepEqual(new Conv1d(1, 1, 3, { padding: 'same' }).forward(f32([1, 2], [1, 2, 1])).shape, [1, 2, 1]);
  t.deepEqual(new Conv1d(1, 1, 2, { padding: 'valid' }).forward(f32([1, 2], [1, 2, 1])).shape, [1, 1, 1]);
});
