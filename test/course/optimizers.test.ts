// Course section H: the training loop and the update rules, on functions small enough to follow by hand.
import test from 'ava';
import {
  Adagrad,
  Adam,
  BFGS,
  crossEntropy,
  LBFGS,
  Linear,
  Newton,
  noGrad,
  type Optimizer,
  ReLU,
  RMSprop,
  Sequential,
  SGD,
  StepDecay,
  setSeed,
  type Tensor,
  WeightAverage,
} from '../../lib/index.js';
import { clear, f64, i32, leaf } from '../helpers/build.js';
import { close } from '../helpers/close.js';
import { optimizerRows } from '../helpers/optimizers.js';
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

test('[H11] AdaGrad: -0.1, -0.170711, -0.228446 under a constant gradient', (t) => {
  const x = leaf(f64([0]));
  close(t, walk(new Adagrad([x] as never, { lr: 0.1 }), x, slope, 3).flat(), [-0.1, -0.170711, -0.228446], { absolute: 0.5e-6 });
  const ball = leaf(f64([1]));
  close(t, walk(new Adagrad([ball] as never, { lr: 0.1 }), ball, bowl, 3).flat(), [0.9, 0.833104, 0.780456], { absolute: 0.5e-6 });
});

test('[H12] AdaGrad takes a first step of the learning rate along strong and weak gradients alike', (t) => {
  const x = leaf(f64([0, 0]));
  walk(new Adagrad([x] as never, { lr: 0.1 }), x, (p) => p.mul(f64([100, 0.01])).sum() as Double, 1);
  close(t, x, [-0.1, -0.1], { relative: 1e-4 });
});

test('[H13] the step of AdaGrad shrinks over the training: lr / sqrt(t) under a constant gradient', (t) => {
  const x = leaf(f64([0]));
  const visited = [0, ...walk(new Adagrad([x] as never, { lr: 0.1 }), x, slope, 50).flat()];
  for (let step = 1; step <= 50; step++) close(t, [visited[step - 1] - visited[step]], [0.1 / Math.sqrt(step)], { relative: 1e-6 });
});

const rms = (x: Double) => new RMSprop([x] as never, { lr: 0.1, alpha: 0.9, eps: 1e-7 });

test('[H14] [P17] RMSprop: a decayed cache, `=` and not `+=`: 0.878423 after 20 steps, not 41767', (t) => {
  const x = leaf(f64([0]));
  const optimizer = rms(x);
  close(t, walk(optimizer, x, slope, 3).flat(), [-0.316228, -0.545643, -0.737738], { absolute: 0.5e-6 });
  walk(optimizer, x, slope, 17);
  const [cache] = [...optimizer.stateDict().tensors.values()];
  close(t, [cache.data[0]], [0.878423], { absolute: 0.5e-6 });
  const ball = leaf(f64([1]));
  close(t, walk(rms(ball), ball, bowl, 3).flat(), [0.683772, 0.498871, 0.369181], { absolute: 0.5e-6 });
});

const reduced = (x: Double) => new Adam([x] as never, { lr: 0.1, eps: 1e-7, biasCorrection: false });

test('[H15] [P18] the first moment of Adam takes (1 - beta1) of the gradient, not (1 + beta1): 0.1, not 1.9', (t) => {
  const x = leaf(f64([0]));
  const optimizer = reduced(x);
  walk(optimizer, x, slope, 1);
  const moments = [...optimizer.stateDict().tensors].map(([name, { data }]) => [name.split('.').at(-1), data[0]]);
  close(t, moments.map(([, value]) => value as number), [0.1, 0.001], { relative: 1e-12 }); // biome-ignore format: one line
  t.deepEqual(moments.map(([name]) => name), ['m', 'v']); // biome-ignore format: one line
});

test('[H16] without bias correction the first step of Adam is 0.316228 for a learning rate of 0.1; with it, it is 0.1', (t) => {
  const x = leaf(f64([0]));
  close(t, walk(reduced(x), x, slope, 3).flat(), [-0.316228, -0.741185, -1.236208], { absolute: 2e-6 });
  const corrected = leaf(f64([0]));
  close(t, walk(new Adam([corrected] as never, { lr: 0.1, eps: 1e-7 }), corrected, slope, 1).flat(), [-0.1], { absolute: 1e-6 });
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

test("[H19] the eps of AdaGrad is the course's 1e-7, and each eps is an option", (t) => {
  const x = leaf(f64([0]));
  t.is(new Adagrad([x] as never).groups[0].options.eps, 1e-7);
  for (const [make, usual] of [
    [RMSprop, 1e-8],
    [Adam, 1e-8],
  ] as const) {
    t.is(new make([x] as never).groups[0].options.eps, usual, 'that of PyTorch');
    t.is(new make([x] as never, { eps: 1e-7 }).groups[0].options.eps, 1e-7);
  }
});

/** A convex quadratic in 5 dimensions: ½(x − m)ᵀA(x − m) with A = I + C·Cᵀ. */
function quadratic(): { x: Double; minimum: number[]; loss: () => Double } {
  const random = new Seeded(20);
  const c = f64(random.uniform(25, -1, 1), [5, 5]);
  const a = c.matmul(c, { transposeB: true }).add(f64(Array.from({ length: 25 }, (_, i) => (i % 6 === 0 ? 1 : 0)), [5, 5])); // biome-ignore format: one line
  const minimum = random.uniform(5, -2, 2);
  const x = leaf(f64([1, 2, 3, 4, 5]));
  const loss = () => {
    const d = x.sub(f64(minimum)).reshape([1, 5]);
    return d.matmul(a).mul(d).sum().mul(0.5) as Double;
  };
  return { x, minimum: [...minimum], loss };
}

/** How often a step of an optimizer calls the loss, and the largest element of the gradient afterwards. */
function solve(optimizer: Optimizer, { x, loss }: ReturnType<typeof quadratic>): { calls: number; gradient: number } {
  let calls = 0;
  optimizer.step(() => {
    calls += 1;
    const value = loss();
    value.backward();
    return value;
  });
  clear([x] as never);
  loss().backward();
  return { calls, gradient: Math.max(...[...(x.grad as unknown as Double).data].map(Math.abs)) };
}

test('[H20] a Newton step needs no learning rate: one reaches the minimum of a quadratic to 1e-10', (t) => {
  const problem = quadratic();
  const { calls } = solve(new Newton([problem.x] as never) as unknown as Optimizer, problem);
  close(t, problem.x, problem.minimum, { absolute: 1e-10 });
  t.is(calls, 1 + 2 * 5, 'the Hessian takes two gradients a parameter');
});

test('[H21] [P35] BFGS comes to a gradient below 1e-7 on a quadratic within 20 iterations', (t) => {
  const problem = quadratic();
  const options = { maxIterations: 20, toleranceChange: 1e-16 };
  const { gradient } = solve(new BFGS([problem.x] as never, options) as unknown as Optimizer, problem);
  t.true(gradient < 1e-7, `${gradient}`);
});

test('[H22] L-BFGS with a history of 10 does as well on the same quadratic, full batch', (t) => {
  const problem = quadratic();
  const options = { history: 10, maxIterations: 20, toleranceChange: 1e-16 };
  const { gradient } = solve(new LBFGS([problem.x] as never, options) as unknown as Optimizer, problem);
  t.true(gradient < 1e-7, `${gradient}`);
});

test('[H23] the update rule is a hyperparameter: all optimizers are made and used alike', (t) => {
  const others = [LBFGS, BFGS, Newton].map((make) => (target: never, options: never) => new make(target, options) as unknown as Optimizer);
  for (const create of [...optimizerRows.map((row) => row.create), ...others]) {
    const x = leaf(f64([1]));
    const optimizer = create([x] as never, { lr: 0.1 } as never);
    for (let step = 0; step < 3; step++) {
      optimizer.step(() => {
        optimizer.zeroGrad();
        const loss = bowl(x);
        loss.backward();
        return loss;
      });
    }
    t.true(x.data[0] < 1, optimizer.constructor.name);
    t.is(optimizer.steps, 3);
  }
});

test('[H24] the recipes of AlexNet and ResNet: momentum, L2 and a schedule, in one line', (t) => {
  const recipe = (every: number) => {
    const x = leaf(f64([1]));
    const lr = new StepDecay(0.1, { every });
    return { x, optimizer: new SGD([x] as never, { lr, momentum: 0.9, weightDecay: 5e-4 }) };
  };
  const { x, optimizer } = recipe(2);
  // By hand: v = 0.9 v + (g + 5e-4 w), w -= lr v, a tenth after two epochs of one step.
  let [w, v] = [1, 0];
  for (const lr of [0.1, 0.1, 0.01, 0.01, 0.001]) {
    v = 0.9 * v + (w + 5e-4 * w);
    w -= lr * v;
    walk(optimizer, x, bowl, 1);
    optimizer.nextEpoch();
    close(t, x, [w], { relative: 1e-14 });
  }
});

test('[P44] velocity is a decayed sum of gradients, no average, unless it is dampened', (t) => {
  const velocityOf = (dampening: number): number => {
    const x = leaf(f64([0]));
    const optimizer = sgd(x, { lr: 0.1, momentum: 0.9, dampening });
    walk(optimizer, x, slope, 200);
    return [...optimizer.stateDict().tensors.values()][0].data[0];
  };
  close(t, [velocityOf(0)], [10], { relative: 1e-8 });
  close(t, [velocityOf(0.9)], [1], { relative: 1e-8 });
});

test('[L09] Polyak averaging: 1, 2, 3 average to 2, with a decay of 0.9 from the first one to 1.29', (t) => {
  for (const [decay, wanted] of [
    [undefined, 2],
    [0.9, 1.29],
  ] as const) {
    const model = new Linear(1, 1, { bias: false });
    const average = new WeightAverage(model, { decay });
    for (const value of [1, 2, 3]) {
      model.weight.data[0] = value;
      average.update();
    }
    average.swapIn();
    close(t, [model.weight.data[0]], [wanted], { relative: 2 ** -23 });
    average.swapOut();
    t.is(model.weight.data[0], 3);
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
