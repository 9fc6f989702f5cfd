// Local response normalization: the contract, the formula, AlexNet's own numbers, special values, and what is refused.
import test from 'ava';
import { ArgumentError, LocalResponseNorm, localResponseNorm, ShapeError, type Tensor } from '../../lib/index.js';
import { layerContract } from '../contracts/layer.js';
import { f32 } from '../helpers/build.js';
import { Seeded } from '../helpers/seeded.js';

test('LocalResponseNorm keeps the layer contract', (t) => {
  for (const create of [() => new LocalResponseNorm(5), () => new LocalResponseNorm(2, { alpha: 1, beta: 0.6, k: 2 })]) {
    layerContract(t, {
      create,
      inputShape: [3, 2, 2, 7],
      outputShape: [3, 2, 2, 7],
      parameters: {},
      refuses: [[[7], /\[N, …, C\]/]],
    });
    const x = f32(new Seeded(1).uniform(84, -9, 9), [3, 2, 2, 7]);
    t.deepEqual(create().clone().forward(x).data, create().forward(x).data);
  }
});

test('a channel is divided by a power of the squares around it', (t) => {
  const x = new Seeded(2).uniform(2 * 3 * 7, -30, 30);
  const y = new LocalResponseNorm(5).forward(f32(x, [1, 2, 3, 7]));
  for (let i = 0; i < x.length; i++) {
    const channel = i % 7;
    let sum = 0;
    for (let c = Math.max(0, channel - 2); c <= Math.min(6, channel + 2); c++) sum += x[i - channel + c] ** 2;
    t.true(Math.abs(y.data[i] - x[i] / (1 + (1e-4 / 5) * sum) ** 0.75) < 1e-5);
  }
});

test("the paper's numbers are those of a larger alpha, since alpha is divided by the size here", (t) => {
  const y = localResponseNorm(f32([1, 2, 3], [1, 3]), 5, { k: 2, alpha: 5e-4 });
  t.true(Math.abs(y.data[1] - 2 / (2 + 1e-4 * 14) ** 0.75) < 1e-6);
});

test('an even size reaches further to the channels before', (t) => {
  const y = localResponseNorm(f32([1, 0, 0, 1], [1, 4]), 2, { alpha: 6, beta: 1 });
  t.deepEqual([...y.data], [0.25, 0, 0, 0.25]);
  const dx = (x: Tensor): number[] => {
    x.requiresGrad = true;
    localResponseNorm(x, 2, { alpha: 2, beta: 1 }).sum().backward();
    return [...(x.grad as Tensor).data];
  };
  // The second channel counts in its own sum and in that of the third.
  const wanted = [1, 0.5 - 2 / 4 - 2 / 9, 1 / 3 - 2 / 9, 0.5];
  const found = dx(f32([0, 1, 1, 0], [1, 4]));
  t.true(
    found.every((value, i) => Math.abs(value - wanted[i]) < 1e-7),
    `${found}`,
  );
});

test('a NaN reaches the channels whose sums hold it and no others, zeros without k are NaN, huge numbers become zero', (t) => {
  const nan = (values: number[], count: number, options = {}) =>
    [...localResponseNorm(f32(values, [1, values.length]), count, options).data].map(Number.isNaN);
  t.deepEqual(nan([1, 1, NaN, 1, 1, 1], 3), [false, true, true, true, false, false]);
  t.deepEqual(nan([0, 0, 1], 1, { k: 0 }), [true, true, false]);
  for (const beta of [0.75, 0.7]) t.deepEqual([...localResponseNorm(f32([1e30, 1], [1, 2]), 3, { beta }).data], [0, 0]);
});

test('what cannot be normalized is refused with what was expected', (t) => {
  const x = f32([1, 2], [1, 2]);
  t.throws(() => localResponseNorm(x, 0), { instanceOf: ArgumentError, message: /`size`/ });
  t.throws(() => localResponseNorm(x, 3, { alpha: -1 }), { instanceOf: ArgumentError, message: /`options\.alpha`/ });
  t.throws(() => localResponseNorm(x, 3, { beta: Infinity }), { instanceOf: ArgumentError, message: /`options\.beta`/ });
  t.throws(() => new LocalResponseNorm(3, { k: -1 }), { instanceOf: ArgumentError, message: /`options\.k`/ });
  t.throws(() => new LocalResponseNorm(3, { n: 1 } as never), { instanceOf: ArgumentError, message: /unknown option/ });
  t.throws(() => localResponseNorm(f32([1], [1]), 3), { instanceOf: ShapeError });
});
