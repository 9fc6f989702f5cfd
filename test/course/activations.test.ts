// Course section A: what the sources say about sigmoid, tanh and ReLU.
import test from 'ava';
import { Constant, crossEntropy, Linear, relu, SGD, setSeed, sigmoid, type Tensor, tanh } from '../../lib/index.js';
import { f32, f64, gradientOf, i32, leaf } from '../helpers/build.js';
import { close } from '../helpers/close.js';
import { gradcheck } from '../helpers/gradcheck.js';
import { moments, Seeded } from '../helpers/seeded.js';

const normal = new Seeded(17).normal(100_000);

test('[A01] sigmoid squashes to 0..1 and stays finite, gradient included, where a naive exp overflows', (t) => {
  // Printed with 7 digits.
  close(t, sigmoid(f64([-10, 0, 10])), [4.539787e-5, 0.5, 0.9999546], { relative: 1e-6 });
  close(t, sigmoid(f32([-10, 0, 10])), [4.539787e-5, 0.5, 0.9999546], { relative: 1e-6 });
  for (const make of [f32, f64]) {
    const x = leaf(make([-1000, -89, 89, 1000]) as Tensor);
    const y = sigmoid(x);
    t.is(y.data[0], 0);
    t.is(y.data[3], 1);
    t.true(y.data.every((value: number) => value >= 0 && value <= 1));
    y.sum().backward();
    t.true(x.grad?.data.every((value: number) => Number.isFinite(value)));
  }
});

test('[A02] sigmoid is one gate with the derivative (1 - s) s', (t) => {
  close(t, gradientOf(sigmoid, [0, 1]), [0.25, 0.1966119], { relative: 1e-6 });
  gradcheck(t, sigmoid, [f64([-3, -1, -0.1, 0, 0.1, 1, 3])], { rtol: 1e-7, atol: 1e-10 });
});

test('[A03] [P21] a saturated sigmoid passes almost no gradient, but not exactly none', (t) => {
  const gradient = gradientOf(sigmoid, [-10, 10]);
  close(t, gradient, [4.5396e-5, 4.5396e-5], { relative: 1e-5 });
  t.true(gradient.every((value) => value > 0 && value < 1e-4));
});

/** Signs of dW of one unit with weights [n, 1], for one example and a given upstream gradient. */
function signs(x: readonly number[], upstream: number): number[] {
  const w = leaf(f64(new Float64Array(x.length), [x.length, 1]));
  f64(x, [1, x.length]).matmul(w).mul(upstream).sum().backward();
  return Array.from((w.grad as Tensor<'float64'>).data, Math.sign);
}

test('[A04] [P22] [P51] positive inputs give all weights of a unit gradients of one sign, that of the upstream gradient', (t) => {
  const positive = sigmoid(f64(new Seeded(4).normal(20))).data;
  t.deepEqual(signs([...positive], -2), new Array(20).fill(-1));
  t.deepEqual(signs([...positive], 2), new Array(20).fill(1));
});

test('[A05] with two positive inputs only two of the four directions are open; with centred ones all are', (t) => {
  const random = new Seeded(5);
  const updates = (x: () => number[]) => Array.from({ length: 100 }, () => signs(x(), random.next() - 0.5)).map(([a, b]) => a * b);
  t.true(updates(() => [1, 2]).every((product) => product >= 0));
  const centred = updates(() => [...random.normal(2)]);
  t.true(centred.some((product) => product > 0) && centred.some((product) => product < 0));
});

test('[B16] [P27] centred data opens both signs', (t) => {
  t.is(new Set(signs([...new Seeded(16).normal(20)], 2)).size, 2);
});

test('[B18] inputs a thousand times larger make the weight gradient a thousand times larger', (t) => {
  const gradient = (scale: number): Float64Array => {
    const w = leaf(f64(new Float64Array(6), [3, 2]));
    f64(
      [1, -2, 3, 0.5, 4, -1].map((value) => scale * value),
      [2, 3],
    )
      .matmul(w)
      .mul(f64([1, 2, 3, 4], [2, 2]))
      .sum()
      .backward();
    return Float64Array.from((w.grad as Tensor<'float64'>).data);
  };
  close(
    t,
    gradient(1000),
    gradient(1).map((value) => 1000 * value),
    { relative: 1e-14 },
  );
});

test('[A19] a ReLU unit that never activates gets no gradient at all and is never updated', (t) => {
  setSeed(19);
  const layer = new Linear(4, 3, { biasInit: new Constant(-1e3) });
  const random = new Seeded(19);
  const optimizer = new SGD(layer, { lr: 0.1, momentum: 0.9 });
  layer.prepare();
  const before = [...layer.weight.data];
  for (let step = 0; step < 3; step++) {
    optimizer.zeroGrad();
    crossEntropy(relu(layer.forward(f32(random.normal(32), [8, 4]))), i32([0, 1, 2, 0, 1, 2, 0, 1])).backward();
    t.true(layer.weight.grad?.data.every((value: number) => value === 0));
    t.true(layer.bias?.grad?.data.every((value: number) => value === 0));
    optimizer.step();
  }
  t.deepEqual([...layer.weight.data], before);
});

test('[A47] sigmoid also saturates when all inputs are positive', (t) => {
  close(t, gradientOf(sigmoid, [10]), [4.5396e-5], { relative: 1e-5 });
});

test('[A08] near zero sigmoid is almost linear', (t) => {
  const gap = Math.abs(sigmoid(f64([0.1])).data[0] - (0.5 + 0.1 / 4));
  close(t, [gap], [2.08e-5], { absolute: 0.005e-5 });
});

test('[A09] [P23] tanh is zero centred and stays finite where a quotient of exponentials overflows', (t) => {
  close(t, tanh(f64([1])), [0.7615942], { absolute: 0.5e-7 });
  t.deepEqual([...tanh(f32([-100, 100, -1000, 1000])).data], [-1, 1, -1, 1]);
  t.deepEqual([...tanh(f64([-100, 100, -1000, 1000])).data], [-1, 1, -1, 1]);
  t.true(Math.abs(moments(tanh(f64(normal)).data).mean) < 0.01);
});

test('[A10] tanh saturates too: its derivative falls from 1 to 8.2446e-9 at 10', (t) => {
  close(t, gradientOf(tanh, [0]), [1], {});
  // 1 - y^2 from the stored output: y is off by 2^-54 at most, the difference by 2^-53 = 1.1e-16.
  close(t, gradientOf(tanh, [10]), [8.2446e-9], { relative: 1e-5, absolute: 2 ** -52 });
});

test('[P20] outputs of sigmoid and tanh lie in the open range before rounding, and never leave the closed one', (t) => {
  const x = f32(new Seeded(3).uniform(10_000, -120, 120));
  t.true(sigmoid(x).data.every((value: number) => value >= 0 && value <= 1));
  t.true(tanh(x).data.every((value: number) => value >= -1 && value <= 1));
  t.true(sigmoid(f64([-30, 30])).data.every((value: number) => value > 0 && value < 1));
  t.true(tanh(f64([-15, 15])).data.every((value: number) => value > -1 && value < 1));
});

test('[A11] ReLU is max(0, x)', (t) => {
  t.deepEqual([...relu(f32([-10, 0, 10])).data], [0, 0, 10]);
  t.deepEqual([...relu(f64([-10, 0, 10])).data], [0, 0, 10]);
});

test('[A12] the gradient of ReLU at zero is zero', (t) => {
  t.deepEqual([...gradientOf(relu, [-10, 0, 10])], [0, 0, 1]);
  t.is(gradientOf(relu, [-0])[0], 0);
});

test('[A13] [P24] ReLU does not saturate in its positive half, and blocks the other half', (t) => {
  t.deepEqual([...gradientOf(relu, [1e6, -1e6])], [1, 0]);
});

test('[A17] the output of ReLU is not zero centred', (t) => {
  const { mean, deviation } = moments(relu(f64(normal)).data);
  // Standard errors of 1e5 draws: 0.0018 of the mean and about as much of the deviation; four of each.
  close(t, [mean, deviation], [0.3989, 0.5838], { absolute: 0.0075 });
});

test('[A18] [C29] ReLU blocks half of its input space', (t) => {
  const zeros = relu(f64(normal)).data.filter((value: number) => value === 0).length;
  close(t, [zeros / normal.length], [0.5], { absolute: 0.01 });
});

test('NaN goes through ReLU, sigmoid and tanh', (t) => {
  for (const f of [relu, sigmoid, tanh]) {
    t.deepEqual([...f(f32([NaN])).data], [NaN]);
    t.deepEqual([...f(f64([NaN])).data], [NaN]);
  }
});
