// Layer, group and instance norm: the contract, PyTorch's numbers, and large means.
import test from 'ava';
import { ArgumentError, GroupNorm, InstanceNorm2d, LayerNorm, ShapeError, type Tensor } from '../../lib/index.js';
import { layerContract } from '../contracts/layer.js';
import { f32, f64 } from '../helpers/build.js';
import { close } from '../helpers/close.js';
import { type Stored, normsGolden } from '../helpers/norms-golden.js';
import { Seeded } from '../helpers/seeded.js';

test('LayerNorm keeps the contract of layers', (t) => {
  layerContract(t, {
    create: () => new LayerNorm([2, 5]),
    inputShape: [3, 2, 5],
    outputShape: [3, 2, 5],
    parameters: { weight: [2, 5], bias: [2, 5] },
    refuses: [[[3, 5, 2], /\[2, 5\]/]],
  });
});

test('GroupNorm keeps the contract of layers', (t) => {
  layerContract(t, {
    create: () => new GroupNorm(3, 6),
    inputShape: [2, 2, 2, 6],
    outputShape: [2, 2, 2, 6],
    parameters: { weight: [6], bias: [6] },
    refuses: [[[3, 5], /\[N, …, 6\]/]],
  });
});

test('InstanceNorm2d keeps the contract of layers', (t) => {
  layerContract(t, {
    create: () => new InstanceNorm2d(3, { affine: true }),
    inputShape: [2, 2, 3, 3],
    outputShape: [2, 2, 3, 3],
    parameters: { weight: [3], bias: [3] },
    refuses: [[[2, 1, 1, 3], /more than one position/]],
  });
});

for (const dtype of ['float64', 'float32'] as const) {
  test(`outputs and gradients are PyTorch's in ${dtype}`, (t) => {
    const absolute = dtype === 'float64' ? 1e-12 : 2e-5;
    const build = (stored: Stored): Tensor => (dtype === 'float64' ? f64 : f32)(Float64Array.from(stored.values), stored.shape) as Tensor;
    for (const one of normsGolden().group) {
      const channels = one.shape[one.shape.length - 1];
      const options = { eps: one.eps, affine: one.affine };
      const layer = (
        one.kind === 'layer'
          ? new LayerNorm(channels, options)
          : one.kind === 'group'
            ? new GroupNorm(one.groups, channels, options)
            : new InstanceNorm2d(channels, options)
      ).to(dtype);
      for (const [i, parameter] of layer.parameters().entries()) parameter.data.set(one.parameters[i]);
      const x = build(one.input);
      x.requiresGrad = true;
      const y = layer.forward(x);
      y.mul(build(one.upstream)).sum().backward();
      const name = `${one.kind} [${one.shape}]`;
      close(t, y, { data: Float64Array.from(one.output.values), shape: one.shape }, { absolute }, name);
      for (const [i, leaf] of [x, ...layer.parameters()].entries()) {
        const { values, shape } = one.gradients[i];
        close(t, leaf.grad as Tensor, { data: Float64Array.from(values), shape }, { absolute: absolute * 4 }, `${name}, gradient ${i}`);
      }
    }
  });
}

test('a mean a million times the standard deviation costs no accuracy', (t) => {
  for (const [rows, features] of [
    [2, 1000],
    [3, 17],
  ]) {
    const x = Float32Array.from(new Seeded(features).uniform(rows * features), (value) => value * 1.7 + 1e6);
    const y = new LayerNorm(features).forward(f32(x, [rows, features]));
    const row = [...x.subarray(0, features)];
    const mean = row.reduce((sum, value) => sum + (value - x[0]), 0) / features + x[0];
    const variance = row.reduce((sum, value) => sum + (value - mean) * (value - mean), 0) / features;
    for (const [i, value] of row.entries()) t.true(Math.abs(y.data[i] - (value - mean) / Math.sqrt(variance + 1e-5)) < 1e-5);
  }
});

test('sizes that do not fit are refused', (t) => {
  t.throws(() => new GroupNorm(4, 6), { instanceOf: ArgumentError, message: /divide/ });
  t.throws(() => new LayerNorm([3, 0]), { instanceOf: ShapeError });
  t.throws(() => new InstanceNorm2d(2).forward(f32([1, 2], [1, 2])), { instanceOf: ShapeError, message: /N, H, W, 2/ });
});
