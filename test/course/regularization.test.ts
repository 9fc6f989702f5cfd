// Course section F: dropout, and what it does not do at test time.
import test from 'ava';
import {
  DropConnect,
  Dropout,
  dropout,
  ElasticNetRegularizer,
  L1Regularizer,
  L2Regularizer,
  multiclassHingeLoss,
  type Regularizer,
  SGD,
  setSeed,
  Tensor,
} from '../../lib/index.js';
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

test('[F01] [P34] an L2 regularizer of lambda is a weight decay of 2 lambda', (t) => {
  const [w, decayed] = [f64([1, -2, 0, 3]), f64([1, -2, 0, 3])].map(leaf);
  const regularizer = new L2Regularizer([w], 0.1);
  t.is((regularizer.penalty() as unknown as Tensor<'float64'>).item(), 1.4000000000000001);
  const [a, b] = [new SGD([w] as never, { lr: 0.5 }), new SGD([decayed] as never, { lr: 0.5, weightDecay: 0.2 })];
  regularizer.penalty().backward();
  a.step();
  decayed.mul(0).sum().backward();
  b.step();
  close(t, w, decayed, { relative: 1e-15 });
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

test('[F09] DropConnect with p = 0.5 drops half of the weights, others in each step, and evaluates with all of them', (t) => {
  setSeed(90);
  const layer = new DropConnect(200, 100, { p: 0.5, bias: false });
  const identity = f32(
    Float32Array.from({ length: 200 * 200 }, (_, i) => Number(i % 201 === 0)),
    [200, 200],
  );
  const effective = () => layer.forward(identity).data;
  const [first, second] = [effective(), effective()];
  for (const weights of [first, second]) close(t, [weights.filter((w: number) => w === 0).length / 20_000], [0.5], { absolute: 0.01 });
  const both = first.filter((w: number, i: number) => w === 0 && second[i] === 0).length / 20_000;
  close(t, [both], [0.25], { absolute: 0.015 });
  t.true(
    first.every((w: number, i: number) => w === 0 || w === 2 * layer.weight.data[i]),
    'survivors are divided by the keep probability',
  );
  t.deepEqual([...layer.eval().forward(identity).data], [...layer.weight.data]);
});

test('[F25] L1 and L2 stand beside the hinge loss of the worked example: 5.266667 + 0.1 * 1.25 and + 0.1 * 2', (t) => {
  const scores = f64([3.2, 5.1, -1.7, 1.3, 4.9, 2.0, 2.2, 2.5, -3.1], [3, 3]);
  const data = multiclassHingeLoss(scores, Tensor.from(Int32Array.of(0, 1, 2)));
  const weights = [leaf(f64([1, 0, 0, 0])), leaf(f64([0.25, 0.25, 0.25, 0.25]))];
  const full = (one: Regularizer) => data.add(one.penalty() as never).item();
  close(t, [full(new L2Regularizer(weights, 0.1))], [5.391667], { absolute: 0.5e-6 });
  close(t, [full(new L1Regularizer(weights, 0.1))], [5.466667], { absolute: 0.5e-6 });
  close(t, [full(new ElasticNetRegularizer(weights, { l1: 0.1, l2: 0.1 }))], [5.591667], { absolute: 0.5e-6 });
});
