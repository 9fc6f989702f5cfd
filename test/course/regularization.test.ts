// Course section F: dropout, and what it does not do at test time.
import test from 'ava';
import { Dropout, dropout, SGD, setSeed, type Tensor } from '../../lib/index.js';
import { f32, f64, leaf } from '../helpers/build.js';
import { close } from '../helpers/close.js';
import { moments } from '../helpers/seeded.js';

const count = 100_000;
const ones = () => f32(new Float32Array(count).fill(1));

test('[F06] dropout with p = 0.5 zeroes half of the values', (t) => {
  setSeed(6);
  const kept = dropout(ones(), 0.5).data.filter((value: number) => value !== 0);
  close(t, [1 - kept.length / count], [0.5], { absolute: 0.01 });
  t.true(kept.every((value: number) => value === 2));
});

test('[F07] [P16] drop 0.2: survivors are divided by the keep probability 0.8 in training, and the expectation stays', (t) => {
  setSeed(7);
  const layer = new Dropout(0.2);
  const trained = layer.forward(ones()).data;
  const kept = trained.filter((value: number) => value !== 0);
  t.true(kept.every((value: number) => value === Math.fround(1 / 0.8)));
  close(t, [kept.length / count], [0.8], { absolute: 0.01 });
  close(t, [moments(trained).mean], [1], { relative: 0.01 });
  t.deepEqual([...layer.eval().forward(f32([1, -2, 3])).data], [1, -2, 3], 'nothing to do at test time');
});

test('[F08] evaluation is deterministic, training draws a new mask each time', (t) => {
  setSeed(8);
  const layer = new Dropout(0.5);
  const x = f32(new Float32Array(64).fill(1));
  t.notDeepEqual([...layer.forward(x).data], [...layer.forward(x).data]);
  layer.eval();
  t.deepEqual([...layer.forward(x).data], [...layer.forward(x).data]);
});

test('the gradient of dropout passes where the value passed, with the same factor', (t) => {
  setSeed(9);
  const x = leaf(f64(new Float64Array(1000).fill(3)));
  const y = dropout(x, 0.3);
  y.sum().backward();
  const { data } = x.grad as Tensor<'float64'>;
  t.true(
    data.every(
      (value: number, index: number) => value === (y.data[index] === 0 ? 0 : y.data[index] / 3) || Math.abs(value - y.data[index] / 3) < 1e-15,
    ),
  );
  t.true(data.some((value: number) => value === 0) && data.some((value: number) => value !== 0));
});

test('[F01] [P34] the L2 penalty sum w^2 has gradient 2 lambda w; weight decay is lambda w', (t) => {
  const w = leaf(f64([1, 0, 0, 0]));
  const penalty = w.mul(w).sum();
  t.is(penalty.item(), 1);
  penalty.mul(0.1).backward();
  t.deepEqual([...(w.grad as Tensor<'float64'>).data], [0.2, 0, 0, 0]);
  const decayed = leaf(f64([1, 0, 0, 0]));
  const optimizer = new SGD([decayed] as never, { lr: 1, weightDecay: 0.1 });
  decayed.mul(0).sum().backward();
  optimizer.step();
  t.deepEqual([...decayed.data], [0.9, 0, 0, 0]);
});

test('[F02] the L1 penalty is the sum of absolute values, with subgradient 0 at 0', (t) => {
  const w = leaf(f64([1, 0, 0, -2]));
  const penalty = w.abs().sum();
  t.is(penalty.item(), 3);
  penalty.backward();
  t.deepEqual(
    [...(w.grad as Tensor<'float64'>).data].map((value) => value + 0),
    [1, 0, 0, -1],
  );
});

test('[F03] [F04] L2 prefers diffuse weights, L1 does not mind', (t) => {
  const x = f64([1, 1, 1, 1]);
  const weights = [f64([1, 0, 0, 0]), f64([0.25, 0.25, 0.25, 0.25])];
  t.deepEqual(
    weights.map((w) => w.mul(x).sum().item()),
    [1, 1],
  );
  t.deepEqual(
    weights.map((w) => w.mul(w).sum().item()),
    [1, 0.25],
  );
  t.deepEqual(
    weights.map((w) => w.abs().sum().item()),
    [1, 1],
  );
  // The least R2 with w.x = 1, by descent on R2 + 100 (w.x - 1)^2.
  const w = leaf(f64([1, 0, 0, 0]));
  const optimizer = new SGD([w] as never, { lr: 1e-3 });
  for (let step = 0; step < 5000; step++) {
    optimizer.zeroGrad();
    const miss = w.mul(x).sum().sub(1);
    w.mul(w).sum().add(miss.mul(miss).mul(100)).backward();
    optimizer.step();
  }
  close(t, w, [0.25, 0.25, 0.25, 0.25], { absolute: 0.001 });
});
