// Course section H: the training loop and the update rules, on functions small enough to follow by hand.
import test from 'ava';
import { Adam, crossEntropy, Linear, noGrad, type Optimizer, ReLU, Sequential, SGD, setSeed, type Tensor } from '../../lib/index.js';
import { clear, f64, i32, leaf } from '../helpers/build.js';
import { close } from '../helpers/close.js';
import { Seeded } from '../helpers/seeded.js';

type Double = Tensor<'float64'>;

/** The points that `optimizer` visits: one step on `loss` at each. */
function walk(optimizer: Optimizer, point: Double, loss: (x: Double) => Double, steps: number): number[][] {
  return Array.from({ length: steps }, () => {
    optimizer.zeroGrad();
    loss(point).backward();
    optimizer.step();
    return [...point.data];
  });
}

const sgd = (x: Double, options: object) => new SGD([x] as never, options as never);
const bowl = (x: Double) => x.mul(x).sum().mul(0.5) as Double;
const slope = (x: Double) => x.sum() as Double;
const valley = (x: Double) =>
  x
    .mul(x)
    .mul(f64([100, 1]))
    .sum()
    .mul(0.5) as Double;

test('[H01] [H25] one step of stochastic gradient descent: forward, loss, backward, update', (t) => {
  const x = leaf(f64([1]));
  const visited = walk(sgd(x, { lr: 0.1 }), x, bowl, 3).flat();
  close(t, visited, [0.9, 0.81, 0.729], { relative: 1e-15 });
});

test('[H02] [P50] the mean gradient does not depend on the batch size, a power of two or not', (t) => {
  setSeed(2);
  const model = new Sequential([new Linear(5, 4), new ReLU(), new Linear(4, 3)]).to('float64');
  const random = new Seeded(2);
  const rows = 64;
  const [x, y] = [random.uniform(rows * 5), Array.from({ length: rows }, () => random.integer(3))];
  const gradient = (batch: number): Float64Array[] => {
    const parameters = [...model.parameters()];
    clear(parameters);
    for (let row = 0; row < rows; row += batch) {
      const size = Math.min(batch, rows - row);
      const loss = crossEntropy(model.forward(f64(x.subarray(row * 5, (row + size) * 5), [size, 5]) as never), i32(y.slice(row, row + size)));
      loss.mul(size / rows).backward();
    }
    return parameters.map((parameter) => Float64Array.from(parameter.grad?.data ?? []));
  };
  const whole = gradient(64);
  for (const batch of [1, 7]) {
    for (const [index, part] of gradient(batch).entries())
      close(t, part, whole[index], { absolute: 1e-14, relative: 1e-12 }, `batches of ${batch}, parameter ${index}`);
  }
});

test('[H03] the gradient on the data equals the gradient on three copies of it', (t) => {
  setSeed(3);
  const model = new Sequential([new Linear(5, 4), new ReLU(), new Linear(4, 3)]).to('float64');
  const random = new Seeded(3);
  const [x, y] = [[...random.uniform(1000 * 5)], Array.from({ length: 1000 }, () => random.integer(3))];
  const gradient = (copies: number): Float64Array[] => {
    const parameters = [...model.parameters()];
    clear(parameters);
    const times = <T>(list: T[]): T[] => Array.from({ length: copies }, () => list).flat();
    crossEntropy(model.forward(f64(times(x), [1000 * copies, 5]) as never), i32(times(y))).backward();
    return parameters.map((parameter) => Float64Array.from(parameter.grad?.data ?? []));
  };
  const once = gradient(1);
  for (const [index, thrice] of gradient(3).entries()) close(t, thrice, once[index], { absolute: 1e-13, relative: 1e-6 }, `parameter ${index}`);
});

test('[H04] in an ill-conditioned valley SGD jumps from wall to wall and crawls along the floor', (t) => {
  const x = leaf(f64([1, 1]));
  const visited = walk(sgd(x, { lr: 0.019 }), x, valley, 20);
  for (const [step, [u, w]] of visited.entries()) {
    close(t, [u, w], [(-0.9) ** (step + 1), 0.981 ** (step + 1)], { relative: 1e-12 }, `step ${step + 1}`);
  }
});

test('[H27] momentum damps the oscillation: 170 steps instead of 344 to a loss below 1e-6', (t) => {
  const stepsOf = (options: object): number => {
    const x = leaf(f64([1, 1]));
    const optimizer = sgd(x, options);
    for (let step = 1; step < 1000; step++) {
      walk(optimizer, x, valley, 1);
      if (noGrad(() => valley(x).item()) < 1e-6) return step + 1; // the course's count: losses looked at, the start's included
    }
    return Infinity;
  };
  t.deepEqual([stepsOf({ lr: 0.019 }), stepsOf({ lr: 0.019, momentum: 0.9 })], [344, 170]);
});

test('[H06] at a saddle point the gradient is zero and SGD stays; a nudge lets it escape', (t) => {
  const saddle = (x: Double) =>
    x
      .mul(x)
      .mul(f64([1, -1]))
      .sum() as Double;
  const still = leaf(f64([1, 0]));
  const path = walk(sgd(still, { lr: 0.1 }), still, saddle, 100);
  t.true(path.every(([, y]) => y === 0));
  t.true(Math.abs(path[99][0]) < 1e-9);
  const nudged = leaf(f64([1, 1e-6]));
  walk(sgd(nudged, { lr: 0.1 }), nudged, saddle, 100);
  t.true(Math.abs(nudged.data[1]) > 1);
});

test('[H07] [P44] momentum adds up a decayed sum of gradients: -0.1, -0.29, -0.561', (t) => {
  const x = leaf(f64([0]));
  close(t, walk(sgd(x, { lr: 0.1, momentum: 0.9 }), x, slope, 3).flat(), [-0.1, -0.29, -0.561], { relative: 1e-14 });
  const ball = leaf(f64([1]));
  close(t, walk(sgd(ball, { lr: 0.1, momentum: 0.9 }), ball, bowl, 3).flat(), [0.9, 0.72, 0.486], { relative: 1e-14 });
});

test('[H08] Nesterov takes the gradient at the look-ahead point: 0.81, 0.5751, 0.327321', (t) => {
  const ball = leaf(f64([1]));
  close(t, walk(sgd(ball, { lr: 0.1, momentum: 0.9, nesterov: true }), ball, bowl, 3).flat(), [0.81, 0.5751, 0.327321], { relative: 1e-14 });
  const x = leaf(f64([0]));
  close(t, walk(sgd(x, { lr: 0.1, momentum: 0.9, nesterov: true }), x, slope, 3).flat(), [-0.19, -0.461, -0.8049], { relative: 1e-14 });
});

test('[H09] the change of variables x += -mu v_old + (1 + mu) v gives the same walk for a fixed learning rate', (t) => {
  const [lr, mu] = [0.05, 0.9];
  const x = leaf(f64([1, -0.5]));
  const visited = walk(
    sgd(x, { lr, momentum: mu, nesterov: true }),
    x,
    (p) =>
      p
        .mul(p)
        .mul(f64([3, 1]))
        .sum()
        .mul(0.5) as Double,
    100,
  );
  const [point, velocity] = [
    [1, -0.5],
    [0, 0],
  ];
  for (const [step, place] of visited.entries()) {
    for (const axis of [0, 1]) {
      const before = velocity[axis];
      velocity[axis] = mu * before - lr * [3, 1][axis] * point[axis];
      point[axis] += -mu * before + (1 + mu) * velocity[axis];
    }
    close(t, place, point, { absolute: 1e-12 }, `step ${step + 1}`);
  }
});

test('[H15] [P18] the first moment of Adam takes (1 - beta1) of the gradient, not (1 + beta1)', (t) => {
  // Through the corrected first step: lr * (m / 0.1) / (sqrt(v / 0.001) + eps) = lr only for m = 0.1 g; 1.9 g would walk 19 lr.
  const x = leaf(f64([0]));
  walk(new Adam([x] as never, { lr: 0.1 }), x, slope, 1);
  close(t, x, [-0.1], { relative: 1e-6 });
});

test('[H16] without bias correction the first step of Adam would be 0.316 for a learning rate of 0.1; with it, it is 0.1', (t) => {
  const x = leaf(f64([0]));
  walk(new Adam([x] as never, { lr: 0.1, betas: [0.9, 0.999] }), x, slope, 1);
  t.true(Math.abs(x.data[0] + 0.1) < 1e-6 && Math.abs(x.data[0] + 0.316228) > 0.2);
});

test('[H17] [P19] Adam counts its steps from 1: -0.1, -0.2, -0.3 under a constant gradient, and no 0/0', (t) => {
  const x = leaf(f64([0]));
  close(t, walk(new Adam([x] as never, { lr: 0.1, eps: 1e-7 }), x, slope, 3).flat(), [-0.1, -0.2, -0.3], { absolute: 1e-6 });
  const ball = leaf(f64([1]));
  close(t, walk(new Adam([ball] as never, { lr: 0.1, eps: 1e-7 }), ball, bowl, 3).flat(), [0.9, 0.800412, 0.701586], { absolute: 0.5e-6 });
});

test('[H18] Adam does not fix a rotated valley, only one along the axes: 306 steps against 3307', (t) => {
  const stepsOf = (loss: (x: Double) => Double, start: number[]): number => {
    const x = leaf(f64(start));
    const optimizer = new Adam([x] as never, { lr: 0.01, eps: 1e-7 });
    for (let step = 1; step < 5000; step++) {
      walk(optimizer, x, loss, 1);
      if (noGrad(() => loss(x).item()) < 1e-6) return step + 1;
    }
    return Infinity;
  };
  // Coordinates (u, w) = R x with R a rotation by 45 degrees; the start is (u, w) = (1, 1) both times.
  const half = Math.SQRT1_2;
  const rotated = (x: Double) =>
    valley(
      x
        .reshape([1, 2])
        .matmul(f64([half, -half, half, half], [2, 2]))
        .reshape([2]) as Double,
    );
  t.is(stepsOf(valley, [1, 1]), 306);
  const turned = stepsOf(rotated, [0, Math.SQRT2]);
  t.true(turned > 3000 && turned < 3600, `${turned} steps`);
});

test('[H14] [P17] running averages decay: their weights are d and 1 - d, so they stay of the size of what they average', (t) => {
  // Adam's second moment is the same recursion: under g = 1 the step stays at lr, where `+=` would shrink it to nothing.
  const x = leaf(f64([0]));
  const visited = walk(new Adam([x] as never, { lr: 0.1, betas: [0, 0.9] }), x, slope, 20).flat();
  for (const [step, place] of visited.entries()) close(t, [place], [-0.1 * (step + 1)], { relative: 1e-6 }, `step ${step + 1}`);
});

test('[H23] the update rule is a hyperparameter: all optimizers are made and used alike', (t) => {
  for (const make of [SGD, Adam]) {
    const x = leaf(f64([1]));
    const optimizer: Optimizer = new make([x] as never, { lr: 0.1 });
    walk(optimizer, x, bowl, 1);
    t.true(x.data[0] < 1);
  }
});

test('[H26] a small step along the negative gradient lowers the loss', (t) => {
  setSeed(26);
  const model = new Sequential([new Linear(5, 8), new ReLU(), new Linear(8, 3)]).to('float64');
  const random = new Seeded(26);
  const [x, y] = [f64(random.uniform(80), [16, 5]), i32(Array.from({ length: 16 }, () => random.integer(3)))];
  const optimizer = new SGD(model, { lr: 1e-4 });
  const loss = () => crossEntropy(model.forward(x as never), y);
  const before = loss();
  before.backward();
  optimizer.step();
  t.true(noGrad(() => loss().item()) < before.item());
});
