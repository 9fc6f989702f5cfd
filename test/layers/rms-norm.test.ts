// Root mean square norm: the contract and PyTorch's numbers.
import test from 'ava';
import { RMSNorm, type Tensor } from '../../lib/index.js';
import { layerContract } from '../contracts/layer.js';
import { agrees, attentionGolden, fillParameters } from '../helpers/attention-golden.js';
import { f32 } from '../helpers/build.js';
import { Seeded } from '../helpers/seeded.js';

test('RMSNorm keeps the contract of layers', (t) => {
  layerContract(t, {
    create: () => new RMSNorm(5),
    inputShape: [3, 2, 5],
    outputShape: [3, 2, 5],
    parameters: { weight: [5] },
    refuses: [[[3, 4], /5 features/]],
  });
});

test("output and gradients of RMSNorm are PyTorch's", (t) => {
  for (const one of attentionGolden().rms) {
    const { shape } = one.inputs[0];
    const layer = new RMSNorm(shape[shape.length - 1], { eps: one.eps, affine: one.affine }).to('float64');
    fillParameters(layer as never, one.parameters);
    agrees(t, one, ([x]) => layer.forward(x), layer.parameters());
  }
});

test('a mean far from zero stays in, and the mean square becomes 1', (t) => {
  const x = Float32Array.from(new Seeded(3).uniform(2000), (value) => value + 100);
  const y = new RMSNorm(1000).forward(f32(x, [2, 1000])) as Tensor;
  for (const row of [y.data.subarray(0, 1000), y.data.subarray(1000)]) {
    const square = row.reduce((sum, value) => sum + value * value, 0) / 1000;
    t.true(Math.abs(square - 1) < 1e-5, `${square}`);
    t.true(row.every((value) => value > 0.9 && value < 1.1));
  }
});
