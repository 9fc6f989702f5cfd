// Gradient clipping: PyTorch's definitions against plain JavaScript, over slabs, dtypes and frozen parameters, eager and recorded.

import test from 'ava';
import {
  Adam,
  type AnyTensor,
  ArgumentError,
  Constant,
  clipGradNorm,
  clipGradValue,
  compileStep,
  crossEntropy,
  getNumThreads,
  Linear,
  Parameter,
  ReLU,
  Sequential,
  SGD,
  setNumThreads,
  setSeed,
  Tensor,
  tensor,
} from '../../lib/index.js';
import { f64, leaf } from '../helpers/build.js';
import { Seeded } from '../helpers/seeded.js';

/** A parameter with the given gradient in its slab. */
function pulled<D extends 'float32' | 'float64' = 'float32'>(gradient: ArrayLike<number>, dtype: D = 'float32' as D): Parameter<D> {
  const parameter = new Parameter([gradient.length], { init: new Constant(1), dtype });
  const data = dtype === 'float32' ? Float32Array.from(gradient) : Float64Array.from(gradient);
  parameter.grad = Tensor.from(data as Float32Array, [gradient.length]) as never;
  return parameter;
}

const gradientsOf = (parameters: readonly AnyTensor[]): number[] => parameters.flatMap((p) => [...(p as Tensor).grad!.data]);

const normOf = (numbers: readonly number[]): number => Math.sqrt(numbers.reduce((sum, x) => sum + x * x, 0));

const lists = [
  [3, 5, 16, 17],
  [1, 100, 4096, 9000, 70000],
];

for (const dtype of ['float32', 'float64'] as const) {
  test(`clipGradNorm scales all gradients by one factor so that their norm is the limit, in ${dtype}`, (t) => {
    const round = dtype === 'float32' ? Math.fround : (x: number) => x;
    for (const [at, sizes] of lists.entries()) {
      for (const limit of [0.25, 1, 1e6, 0]) {
        const random = new Seeded(at + 1);
        const parameters = sizes.map((size) => pulled(random.uniform(size), dtype));
        const before = gradientsOf(parameters);
        const wanted = normOf(before);
        const norm = clipGradNorm(parameters, limit).item();
        t.true(Math.abs(norm - wanted) <= 1e-12 * wanted, `${norm} is the norm ${wanted}`);
        const factor = round(Math.min(1, limit / (norm + 1e-6)));
        t.deepEqual(
          gradientsOf(parameters),
          before.map((g) => round(g * factor) + 0).map((g, i) => (factor === 0 ? before[i] * 0 : g)),
        );
        t.is(limit >= 1e6, gradientsOf(parameters)[0] === before[0]);
      }
    }
  });
}

test('eps is added to the norm before it divides', (t) => {
  const parameters = [pulled([3, 4], 'float64')];
  t.is(clipGradNorm(parameters, 1, { eps: 5 }).item(), 5);
  t.deepEqual(gradientsOf(parameters), [3 * 0.1, 4 * 0.1]);
});

test('the norm is taken over slabs of both dtypes, and each gradient keeps its own', (t) => {
  const model = [pulled([3], 'float32'), pulled([4], 'float64'), pulled([12], 'float32')];
  t.is(clipGradNorm(model, 6.5, { eps: 0 }).item(), 13);
  t.deepEqual(gradientsOf(model), [1.5, 2, 6]);
});

test('plain leaves are clipped beside parameters, and a parameter that stands twice counts once', (t) => {
  const plain = leaf(f64([1]));
  plain
    .mul(f64([3]))
    .sum()
    .backward();
  const parameter = pulled([4], 'float64');
  t.is(clipGradNorm([plain, parameter, parameter, plain], 2.5, { eps: 0 }).item(), 5);
  t.deepEqual(gradientsOf([plain, parameter]), [1.5, 2]);
});

function net(): { model: Sequential; x: Tensor; y: Tensor<'int32'> } {
  setSeed(4);
  const model = new Sequential([new Linear(7, 33), new ReLU(), new Linear(33, 9), new ReLU(), new Linear(9, 3)]);
  const random = new Seeded(3);
  const x = Tensor.from(Float32Array.from(random.uniform(5 * 7, -8, 8)), [5, 7]);
  return { model, x, y: Tensor.from(Int32Array.of(0, 1, 2, 0, 1)) };
}

test('frozen parameters in the middle of a slab neither count nor change', (t) => {
  const { model, x, y } = net();
  crossEntropy(model.forward(x), y).backward();
  const all = model.parameters();
  const before = all.map((p) => [...(p.grad as Tensor).data]);
  const frozen = [1, 3];
  for (const i of frozen) all[i].requiresGrad = false;
  const moving = before.flatMap((g, i) => (frozen.includes(i) ? [] : g));
  const norm = clipGradNorm(model, 1e-3).item();
  t.true(Math.abs(norm - normOf(moving)) <= 1e-12 * norm && norm > 0.01);
  const factor = Math.fround(1e-3 / (norm + 1e-6));
  all.forEach((p, i) => {
    t.deepEqual([...(p.grad as Tensor).data], frozen.includes(i) ? before[i] : before[i].map((g) => Math.fround(g * factor)), `${i}`);
  });
});

test('without gradients the norm is 0 and nothing happens; a gradient set to null does not count', (t) => {
  const { model, x, y } = net();
  t.is(clipGradNorm(model, 1).item(), 0);
  clipGradValue(model, 1);
  t.true(model.parameters().every(({ grad }) => grad === null));
  crossEntropy(model.forward(x), y).backward();
  for (const parameter of model.parameters()) parameter.grad = null;
  t.is(clipGradNorm(model, 1).item(), 0);
  t.is(clipGradNorm([], 1).item(), 0);
  const empty = new Parameter([0], { init: new Constant(1) });
  t.is(clipGradNorm([empty, pulled([2])], 8).item(), 2);
});

test('a NaN makes all gradients NaN; an infinite element becomes NaN and the others 0, as in PyTorch', (t) => {
  for (const dtype of ['float32', 'float64'] as const) {
    const withNaN = [pulled([1, NaN, 3], dtype), pulled([4], dtype)];
    t.is(clipGradNorm(withNaN, 1).item(), NaN);
    t.deepEqual(gradientsOf(withNaN), [NaN, NaN, NaN, NaN]);
    const infinite = [pulled([1, -Infinity, 3], dtype), pulled([4], dtype)];
    t.is(clipGradNorm(infinite, 1).item(), Infinity);
    t.deepEqual(gradientsOf(infinite), [0, NaN, 0, 0]);
  }
  // Squares that float32 cannot hold are no reason for infinity.
  const large = [pulled([3e38, 3e38])];
  const norm = clipGradNorm(large, 1).item();
  t.true(Number.isFinite(norm));
  t.true(gradientsOf(large).every((g) => Math.abs(g - Math.SQRT1_2) < 1e-6));
});

test('clipGradValue cuts each element to the limit and keeps NaN', (t) => {
  for (const dtype of ['float32', 'float64'] as const) {
    const parameters = [pulled([-3, -0.5, 0, 0.5, 3], dtype), pulled([NaN, Infinity, -Infinity], dtype)];
    clipGradValue(parameters, 0.5);
    t.deepEqual(gradientsOf(parameters), [-0.5, -0.5, 0, 0.5, 0.5, NaN, 0.5, -0.5]);
  }
});

type Clip = (model: Sequential) => AnyTensor | undefined;
const kinds: Record<string, Clip> = {
  clipGradNorm: (model) => clipGradNorm(model, 0.1),
  'clipGradNorm that changes nothing': (model) => clipGradNorm(model, 1e9),
  clipGradValue: (model) => {
    clipGradValue(model, 1e-3);
    return undefined;
  },
};

for (const [name, clip] of Object.entries(kinds)) {
  test(`a recorded step with ${name} has the bits of the eager one, frozen and thawed between`, (t) => {
    const train = (compiled: boolean) => {
      const { model, x, y } = net();
      const optimizer = new Adam(model, { lr: 1e-2 });
      const body = (inputs: Tensor, targets: Tensor<'int32'>) => {
        const loss = crossEntropy(model.forward(inputs), targets);
        loss.backward();
        const norm = clip(model);
        optimizer.step();
        optimizer.zeroGrad();
        return { norm: norm ?? loss };
      };
      const step = compileStep(body);
      const norms: number[] = [];
      for (let i = 0; i < 30; i++) {
        model.parameters()[2].requiresGrad = i % 10 < 6;
        norms.push((compiled ? step.sync(x, y) : body(x, y)).norm.item());
      }
      step.dispose();
      return { norms, weights: model.parameters().map((p) => [...p.data]) };
    };
    const eager = train(false);
    t.deepEqual(train(true), eager);
    t.true(new Set(eager.norms).size > 20);
  });
}

test('a limit that no norm reaches leaves the training as it is without clipping, bit for bit', (t) => {
  const train = (clip: boolean) => {
    const { model, x, y } = net();
    const optimizer = new SGD(model, { lr: 0.1 });
    for (let i = 0; i < 5; i++) {
      crossEntropy(model.forward(x), y).backward();
      if (clip) clipGradNorm(model, 1e9);
      optimizer.step();
      optimizer.zeroGrad();
    }
    return model.parameters().map((p) => [...p.data]);
  };
  t.deepEqual(train(true), train(false));
});

test('a step recorded before there were gradients is recorded anew when there are', (t) => {
  const weight = new Parameter([2], { init: new Constant(1) });
  const step = compileStep(() => clipGradNorm([weight], 1));
  t.is(step.sync().item(), 0);
  weight
    .mul(tensor([3, 4]))
    .sum()
    .backward();
  t.is(step.sync().item(), 5);
  t.true(Math.abs((weight.grad as Tensor).data[0] - 0.6) < 1e-6);
});

test.serial('the bits of clipping do not depend on the number of threads', (t) => {
  const before = getNumThreads();
  const results = [1, 2, 3, 7].map((threads) => {
    setNumThreads(threads);
    const random = new Seeded(8);
    const parameters = [pulled(random.uniform(300_001)), pulled(random.uniform(77)), pulled(random.uniform(100_000), 'float64')];
    return [clipGradNorm(parameters, 1).item(), ...gradientsOf(parameters)];
  });
  setNumThreads(before);
  for (const result of results) t.true(result.every((value, i) => Object.is(value, results[0][i])));
});

test('wrong arguments are refused before any gradient changes', (t) => {
  const parameter = pulled([3, 4]);
  const wrong: (() => void)[] = [
    () => clipGradNorm(3 as never, 1),
    () => clipGradNorm(undefined as never, 1),
    () => clipGradNorm([parameter, 'x' as never], 1),
    () => clipGradNorm([parameter.mul(2)], 1),
    () => clipGradNorm([parameter], -1),
    () => clipGradNorm([parameter], NaN),
    () => clipGradNorm([parameter], '1' as never),
    () => clipGradNorm([parameter], 1, { eps: -1 }),
    () => clipGradNorm([parameter], 1, { epsilon: 1 } as never),
    () => clipGradValue({} as never, 1),
    () => clipGradValue([parameter], -1),
  ];
  for (const call of wrong) t.throws(call, { instanceOf: ArgumentError });
  t.deepEqual(gradientsOf([parameter]), [3, 4]);
});
