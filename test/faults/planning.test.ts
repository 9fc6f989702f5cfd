// Planning is near linear: how often fusing and planning look at something grows with a program's length, and not with its square.

import test from 'ava';
import {
  Adam,
  compileStep,
  concat,
  Conv2d,
  crossEntropy,
  Linear,
  type Layer,
  ones,
  Parameter,
  Random,
  ReLU,
  relu,
  Sequential,
  SGD,
  tanh,
  type Tensor,
  Uniform,
  zeros,
} from '../../lib/index.js';
import { drawBit } from '../../lib/ops/random.js';
import { choose } from '../../lib/ops/sometimes.js';
import { effort } from '../../lib/program/effort.js';

type Body = (x: Tensor) => Tensor;

function trained(model: Layer<Tensor, Tensor>, forward: Body = (x) => model.forward(x), Rule: typeof Adam | typeof SGD = Adam): Body {
  const optimizer = new Rule(model as never, { lr: 0.01 } as never);
  // Where steps leave parts out, gradients have to be there before the first.
  for (const parameter of model.parameters()) parameter.gradientTarget();
  return (x) => {
    const loss = forward(x).sum();
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    return loss;
  };
}

const stack = (n: number, make: (i: number) => Layer<Tensor, Tensor>): Sequential =>
  new Sequential(Array.from({ length: n }, (_, i) => make(i)));
const rows = ones([2, 4]);
const image = ones([1, 4, 4, 2]);

/** Programs whose length is a multiple of n. */
const programs: Record<string, (n: number) => [body: Body, x: Tensor]> = {
  'a loop of elementwise operations': (n) => [
    (x) => {
      let y = x;
      for (let i = 0; i < n; i++) y = tanh(y.mul(1.001).add(0.1));
      return y.sum();
    },
    rows,
  ],
  'a layer unrolled with its backward pass': (n) => {
    const layer = new Linear(4, 4);
    const unrolled: Body = (x) => {
      let y = x;
      for (let i = 0; i < n; i++) y = tanh(layer.forward(y));
      return y;
    };
    return [trained(layer, unrolled), rows];
  },
  'many layers under Adam': (n) => [trained(stack(n, () => new Linear(4, 4))), rows],
  'many layers with activations under SGD': (n) => [
    trained(
      stack(2 * n, (i) => (i % 2 ? new ReLU() : new Linear(4, 4))),
      undefined,
      SGD,
    ),
    rows,
  ],
  'a sum of all results so far': (n) => {
    const layer = new Linear(4, 4);
    const dense: Body = (x) => {
      let [y, sum] = [x, x];
      for (let i = 0; i < n; i++) {
        y = relu(layer.forward(y));
        sum = sum.add(y);
      }
      return sum;
    };
    return [trained(layer, dense), rows];
  },
  'convolutions around which their input goes': (n) => {
    const model = stack(n, () => new Conv2d(2, 2, 3, { padding: 'same' }));
    return [trained(model, (x) => model.layers.reduce((y, layer) => relu((layer as Conv2d).forward(y).add(y)), x)), image];
  },
  'parts that some steps leave out': (n) => {
    const model = stack(n, () => new Linear(4, 4));
    const random = new Random(1);
    const skipping: Body = (x) =>
      model.layers.reduce(
        (y, layer) =>
          choose(
            y,
            drawBit(random, 0.5),
            (inner) => relu((layer as Linear).forward(inner)),
            (inner) => inner,
          ),
        x,
      );
    return [trained(model, skipping), rows];
  },
  'a concatenation of many results': (n) => [
    (x) =>
      concat(
        Array.from({ length: Math.min(n, 60) }, (_, i) => tanh(x.mul(i))),
        1,
      )
        .sum()
        .add(manySums(x, n)),
    rows,
  ],
  'many losses by class index': (n) => {
    const layer = new Linear(4, 4);
    const labels = zeros([2], { dtype: 'int32' });
    const losses: Body = (x) => {
      let sum = crossEntropy(layer.forward(x), labels);
      for (let i = 1; i < n; i++) sum = sum.add(crossEntropy(layer.forward(x), labels));
      return sum;
    };
    return [trained(layer, losses), rows];
  },
  'many updates of one parameter': (n) => {
    const weight = new Parameter([4], { init: new Uniform() });
    const optimizer = new SGD([weight], { lr: 0.01 });
    return [
      (x) => {
        let sum = x.sum();
        for (let i = 0; i < n; i++) {
          const loss = x.mul(weight).sum();
          loss.backward();
          optimizer.step();
          optimizer.zeroGrad();
          sum = sum.add(loss.detach());
        }
        return sum;
      },
      rows,
    ];
  },
};

function manySums(x: Tensor, n: number): Tensor {
  let sum = x.sum();
  for (let i = 0; i < n; i++) sum = sum.add(x.mul(i).sum());
  return sum;
}

function looksOf([body, x]: [Body, Tensor]): { looks: number; instructions: number } {
  using step = compileStep(body);
  const before = effort.looks;
  const page = step.describe(x);
  return { looks: effort.looks - before, instructions: Number(/^(\d+) instructions/.exec(page)?.[1] ?? Number.NaN) };
}

for (const [name, make] of Object.entries(programs)) {
  test(`planning takes at most 2.3 times as many looks for twice the length: ${name} (fault R12)`, (t) => {
    const [one, two] = [looksOf(make(200)), looksOf(make(400))];
    const ratio = two.looks / one.looks;
    t.log({ ...two, ratio: ratio.toFixed(2), perInstruction: (two.looks / two.instructions).toFixed(0) });
    t.true(one.looks > 200, `${one.looks} looks: nothing was counted`);
    t.true(ratio < 2.3, `${one.looks}, then ${two.looks}`);
  });
}
