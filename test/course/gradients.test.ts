// Course section G: automatic differentiation, gate by gate.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import test from 'ava';
import { exp, gradCheck, Linear, mlp, relu, Sequential, Sigmoid, setSeed, sigmoid, Tanh, type Tensor, tanh } from '../../lib/index.js';
import { f32, f64, gradientOf, leaf } from '../helpers/build.js';
import { close } from '../helpers/close.js';
import { gradcheck } from '../helpers/gradcheck.js';
import { Seeded } from '../helpers/seeded.js';

type Double = Tensor<'float64'>;

test('[G01] chaining local derivatives gives the gradient derived by hand', (t) => {
  // f(w, x) = 1 / (1 + exp(-(w0 x0 + w1 x1 + w2))) at the classic point; df/dw = s (1 - s) x, df/dx = s (1 - s) w.
  const [w, x] = [leaf(f64([2, -3, -3])), leaf(f64([-1, -2, 1]))];
  sigmoid(w.mul(x).sum()).backward();
  const s = 1 / (1 + Math.exp(-1));
  const local = s * (1 - s);
  close(t, w.grad as Double, [-local, -2 * local, local], { relative: 1e-14 });
  close(t, x.grad as Double, [2 * local, -3 * local, -3 * local], { relative: 1e-14 });
});

test('[G02] [G12] sigmoid as one gate equals its chain of exponential, sum and reciprocal', (t) => {
  const points = [-5, -1, -0.25, 0, 0.25, 1, 5];
  const chain = (x: Double) => f64([1], []).div(exp(x.neg()).add(1)) as Double;
  close(t, gradientOf(sigmoid, points), gradientOf(chain, points), { relative: 1e-13 });
  gradcheck(t, chain, [f64(points)], { rtol: 1e-7, atol: 1e-10 });
});

test('[G03] backward keeps no graph: the intermediate values can be collected while the loss is still held', async (t) => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const held: WeakRef<object>[] = [];
  const input = leaf(f32(new Float32Array(1000).fill(0.5)));
  const loss = (() => {
    let value = input as Tensor<'float32'>;
    for (let depth = 0; depth < 20; depth++) {
      value = tanh(value);
      held.push(new WeakRef(value));
    }
    return value.sum();
  })();
  loss.backward();
  for (let round = 0; round < 20 && held.some((reference) => reference.deref() !== undefined); round++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    collect();
  }
  t.is(held.filter((reference) => reference.deref() !== undefined).length, 0);
  t.true(Number.isFinite(loss.item()));
});

test('[G04] at a multiply gate the small input gets the large gradient', (t) => {
  const [x, y] = [leaf(f64([0.01])), leaf(f64([100]))];
  x.mul(y).sum().backward();
  t.deepEqual([...(x.grad as Double).data, ...(y.grad as Double).data], [100, 0.01]);
});

test('[G05] an additive gate passes the gradient to both branches, and where a value feeds two branches the gradients add', (t) => {
  t.is(gradientOf((x) => x.add(x.mul(0.5)), [3])[0], 1.5);
  const [a, b] = [leaf(f64([1, 2])), leaf(f64([3, 4]))];
  a.add(b)
    .mul(f64([5, 7]))
    .sum()
    .backward();
  t.deepEqual([...(a.grad as Double).data], [5, 7]);
  t.deepEqual([...(b.grad as Double).data], [5, 7]);
  t.deepEqual([...gradientOf((x) => x.mul(x).add(x), [3, -2])], [7, -3]);
});

test('[G06] a max gate routes the gradient to the winner only', (t) => {
  const [a, b] = [leaf(f64([1, 5, -2])), leaf(f64([2, 4, -3]))];
  a.maximum(b)
    .mul(f64([10, 20, 30]))
    .sum()
    .backward();
  t.deepEqual([...(a.grad as Double).data], [0, 20, 30]);
  t.deepEqual([...(b.grad as Double).data], [10, 0, 0]);
  t.deepEqual([...gradientOf((x) => x.max([1]), [1, 5, 2, 9, 3, 4], [10, 20], [2, 3])], [0, 10, 0, 20, 0, 0]);
});

test('[G06] matrix multiply, max and sum stages chain', (t) => {
  const random = new Seeded(6);
  gradcheck(t, (x, w) => relu(x.matmul(w)).max([1]).sum(), [f64(random.uniform(12, 0.5, 2), [3, 4]), f64(random.distinct(8, -1, 1), [4, 2])]);
});

test('[G07, G08, P05] dW of a linear layer is x^T times upstream, dx is upstream times W^T', (t) => {
  const [x, w] = [leaf(f64([1, 2, 3, 4, 5, 6], [2, 3])), leaf(f64([1, -1, 2, 0, -3, 1], [3, 2]))];
  const upstream = f64([1, 2, 3, 4], [2, 2]);
  x.matmul(w).mul(upstream).sum().backward();
  t.deepEqual([...(w.grad as Double).data], [13, 18, 17, 24, 21, 30]);
  t.deepEqual([...(x.grad as Double).data], [-1, 2, -1, -1, 6, -5]);
});

test('a gradient adds up over backward calls until it is cleared', (t) => {
  const x = leaf(f64([2]));
  for (let round = 1; round <= 3; round++) {
    x.mul(x).sum().backward();
    t.is((x.grad as Double | null)?.data[0], 4 * round);
  }
  x.grad = null;
  x.mul(3).sum().backward();
  t.is((x.grad as Double | null)?.data[0], 3);
});

test('[G11] dW and dx of a linear layer for inputs of any rank are those of their rows', (t) => {
  const layer = new Linear(3, 2).to('float64');
  const x = leaf(f64(new Seeded(3).uniform(2 * 4 * 5 * 3), [2, 4, 5, 3]));
  const upstream = f64(new Seeded(4).uniform(2 * 4 * 5 * 2), [2, 4, 5, 2]);
  const y = layer.forward(x);
  t.deepEqual([...y.shape], [2, 4, 5, 2]);
  y.mul(upstream).sum().backward();
  const [rows, g] = [x.reshape([40, 3]), upstream.reshape([40, 2])];
  const weight = layer.weight as unknown as Double;
  close(t, layer.weight.grad as unknown as Double, rows.matmul(g, { transposeA: true }), { absolute: 1e-14 });
  close(t, x.grad as Double, g.matmul(weight, { transposeB: true }).reshape([2, 4, 5, 3]), { absolute: 1e-14 });
  close(t, layer.bias?.grad as unknown as Double, g.sum(0), { absolute: 1e-14 });
});

test('[G09] the gradient check of a model: below 1e-7 where all is smooth, below 1e-4 with kinks, which it names', (t) => {
  setSeed(1);
  const x = f64(new Seeded(5).uniform(8 * 6), [8, 6]);
  const smooth = new Sequential([new Linear(6, 10), new Tanh(), new Linear(10, 4), new Sigmoid()]);
  const report = gradCheck(smooth, x);
  t.true(report.error < 1e-7, `${report.error}`);
  t.deepEqual(
    report.parameters.map(({ path, checked }) => [path, checked]),
    [
      ['0.weight', 60],
      ['0.bias', 10],
      ['2.weight', 40],
      ['2.bias', 4],
    ],
  );
  const kinked = gradCheck(mlp({ inputShape: [6], hidden: [10], classes: 4 }), x);
  t.true(kinked.error < 1e-4, `${kinked.error}`);
});
