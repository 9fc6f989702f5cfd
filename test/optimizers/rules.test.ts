// Optimizers with a native rule: the contract, 500 steps beside PyTorch, and the same bits eagerly, compiled and on any number of threads.
import test from 'ava';
import {
  clipGradNorm,
  compileStep,
  getNumThreads,
  Linear,
  mseLoss,
  type Optimizer,
  ReLU,
  Sequential,
  setNumThreads,
  setSeed,
  Tensor,
} from '../../lib/index.js';
import { nativeOps } from '../../lib/native.js';
import { optimizerContract } from '../contracts/optimizer.js';
import { f64, leaf } from '../helpers/build.js';
import { golden, Lcg } from '../helpers/golden.js';
import { optimizerRows, ruleSamples } from '../helpers/optimizers.js';
import { Seeded } from '../helpers/seeded.js';

for (const row of optimizerRows) test(`${row.name} keeps the optimizer contract`, (t) => optimizerContract(t, row));

test('every rule of the native list belongs to an optimizer', (t) => {
  const rules = nativeOps.filter(({ signature }) => signature.endsWith(':TD*')).map(({ name }) => name);
  t.deepEqual(Object.keys(ruleSamples).sort(), rules.sort());
});

// The problem of test/golden/optimizers.py: A, b, and the noise of each step.
function problem(): { a: number[][]; b: number[]; noise: () => number[] } {
  const lcg = new Lcg(7);
  const take = (n: number): number[] => Array.from({ length: n }, () => lcg.next() - 0.5);
  const c = take(36);
  const a = Array.from({ length: 6 }, (_, i) =>
    Array.from({ length: 6 }, (__, j) => {
      let sum = 0;
      for (let k = 0; k < 6; k++) sum += c[6 * i + k] * c[6 * j + k];
      return (i === j ? 0.5 : 0) + sum / 6;
    }),
  );
  const b = take(6);
  return { a, b, noise: () => take(6) };
}

const runs = [
  ...golden('optimizer-runs').runs.map((run) => ({ ...run, whose: "PyTorch's" })),
  ...golden('optax-runs').runs.map((run) => ({ ...run, whose: "optax's" })),
];

for (const { optimizer: name, options, points, whose } of runs) {
  test(`500 steps of ${name} in float64 with ${JSON.stringify(options)} are ${whose}`, (t) => {
    const { a, b, noise } = problem();
    const w = leaf(f64([1, -1, 2, -2, 0.5, 0]));
    const { create } = optimizerRows.find((row) => row.name === name) as (typeof optimizerRows)[number];
    const optimizer = create([w] as never, options as never);
    for (let step = 0; step < 500; step++) {
      const drawn = noise();
      const g = a.map((row, i) => row.reduce((sum, x, j) => sum + x * w.data[j], -b[i]) + 0.2 * drawn[i]);
      w.grad = Tensor.from(Float64Array.from(g)) as never;
      optimizer.step();
      if (step % 50 !== 49) continue;
      for (const [i, wanted] of points[(step - 49) / 50].entries()) {
        t.true(Math.abs(w.data[i] - wanted) <= 1e-8 * Math.max(1, Math.abs(wanted)), `step ${step + 1}: ${w.data[i]}, not ${wanted}`);
      }
    }
  });
}

function train(make: (model: Sequential) => Optimizer, mode: 'eager' | 'compiled', threads: number): number[] {
  setNumThreads(threads);
  setSeed(5);
  const model = new Sequential([new Linear(37, 131), new ReLU(), new Linear(131, 3)]);
  const optimizer = make(model);
  const random = new Seeded(6);
  const x = Tensor.from(Float32Array.from(random.uniform(8 * 37)), [8, 37]);
  const y = Tensor.from(Float32Array.from(random.uniform(24)), [8, 3]);
  const body = (inputs: Tensor, targets: Tensor): Tensor => {
    const loss = mseLoss(model.forward(inputs), targets);
    loss.backward();
    clipGradNorm(model, 0.05);
    optimizer.step();
    optimizer.zeroGrad();
    return loss;
  };
  const step = compileStep(body);
  for (let i = 0; i < 12; i++) {
    if (mode === 'eager') body(x, y);
    else step.sync(x, y);
  }
  step.dispose();
  return [
    ...model.parameters().flatMap(({ data }) => [...data]),
    ...[...optimizer.stateDict().tensors.values()].flatMap(({ data }) => [...data]),
  ];
}

for (const { name, create, options } of optimizerRows) {
  test.serial(`${name} has the same bits eagerly and compiled, clipped and cleared in one pass, on one thread and on three`, (t) => {
    const before = getNumThreads();
    const make = (model: Sequential): Optimizer => create(model as never, options as never);
    const expected = train(make, 'eager', 1);
    for (const [mode, threads] of [
      ['compiled', 1],
      ['eager', 3],
      ['compiled', 3],
    ] as const) {
      const found = train(make, mode, threads);
      t.is(
        found.findIndex((value, i) => !Object.is(value, expected[i])),
        -1,
        `${mode}, ${threads} threads`,
      );
    }
    setNumThreads(before);
  });
}
