// Averages that decay: an optimizer's moments and running statistics become zero, and never stay among the denormal numbers.
import test from 'ava';
import { Adam, AdamW, BatchNorm1d, Linear, type Optimizer, SGD, type Tensor, compileStep, ones, zeros } from '../../lib/index.js';
import { f32, f64, leaf } from '../helpers/build.js';
import { readTree } from '../helpers/sources.js';

const smallest = { float32: 2 ** -126, float64: 2 ** -1022 };
const denormals = (data: ArrayLike<number>, dtype: 'float32' | 'float64'): number[] =>
  Array.from(data).filter((value) => value !== 0 && Math.abs(value) < smallest[dtype]);

// Fast decays, so that few steps reach the end of both types' range.
const optimizers: Record<string, (target: Tensor<never>[]) => Optimizer<never>> = {
  Adam: (target) => new Adam(target as never, { betas: [0.1, 0.05] }) as never,
  AdamW: (target) => new AdamW(target as never, { betas: [0.1, 0.05] }) as never,
  'SGD with momentum': (target) => new SGD(target as never, { lr: 0.1, momentum: 0.1 }) as never,
  'SGD with Nesterov momentum': (target) => new SGD(target as never, { lr: 0.1, momentum: 0.1, nesterov: true }) as never,
};

for (const [name, create] of Object.entries(optimizers)) {
  for (const dtype of ['float32', 'float64'] as const) {
    test(`moments of ${name} in ${dtype} that decay below the smallest normal number are zero (fault R18)`, (t) => {
      const start = [1, -1, 1e-18, 2e-38, -2e-38, 1e-40, 3e-308, -1e-310, ...Array.from({ length: 40 }, (_, i) => 10 ** (-i * 7.5))];
      const weights = leaf((dtype === 'float32' ? f32 : (f64 as unknown as typeof f32))(start.map(() => 1)));
      const optimizer = create([weights as never]);
      weights
        .mul((dtype === 'float32' ? f32 : (f64 as unknown as typeof f32))(start))
        .sum()
        .backward();
      const moments = (): Float32Array[] => [...optimizer.stateDict().tensors.values()].map((tensor) => tensor.data as Float32Array);
      const steps = dtype === 'float32' ? 60 : 400;
      for (let step = 0; step < steps; step++) {
        optimizer.step();
        if (step === 0) optimizer.zeroGrad();
        for (const data of moments()) t.deepEqual(denormals(data, dtype), [], `step ${step}`);
      }
      for (const data of moments()) t.true(data.every((value) => value === 0));
    });
  }
}

test('a moment that is not a number stays one: only what is too small becomes zero (fault R18)', (t) => {
  const weights = leaf(f32([1, 1, 1, 1]));
  const optimizer = new SGD([weights], { lr: 0.1, momentum: 0.5 });
  weights
    .mul(f32([Number.NaN, Infinity, -1e-45, 2 ** -126]))
    .sum()
    .backward();
  optimizer.step();
  const [velocity] = optimizer.stateDict().tensors.values();
  t.deepEqual([...velocity.data], [Number.NaN, Infinity, 0, 2 ** -126]);
});

test('a compiled step settles moments as the eager one does (fault R18)', (t) => {
  const make = () => {
    const model = new Linear(3, 2);
    model.weight.data.set([1, 2, 3, 4, 5, 6]);
    const optimizer = new Adam(model, { betas: [0.2, 0.1] });
    const body = (x: Tensor): Tensor => {
      const loss = model.forward(x).sum();
      loss.backward();
      optimizer.step();
      optimizer.zeroGrad();
      return loss;
    };
    return { model, optimizer, body };
  };
  const [eager, compiled] = [make(), make()];
  const step = compileStep(compiled.body);
  for (let i = 0; i < 80; i++) {
    const x = i === 0 ? ones([4, 3]) : zeros([4, 3]);
    eager.body(x);
    step.sync(x);
  }
  const state = ({ optimizer }: ReturnType<typeof make>) => [...optimizer.stateDict().tensors].map(([key, { data }]) => [key, [...data]]);
  t.deepEqual(state(compiled), state(eager));
  t.deepEqual([...compiled.model.weight.data], [...eager.model.weight.data]);
  t.true(
    eager.optimizer
      .stateDict()
      .tensors.get('weight.m')
      ?.data.every((value: number) => value === 0),
  );
  step.dispose();
});

test('running statistics of a channel that went silent become zero (fault R18)', (t) => {
  for (const dtype of ['float32', 'float64'] as const) {
    const norm = new BatchNorm1d(2, { momentum: 0.9 }).to(dtype);
    norm.forward(ones([4, 2], { dtype }) as Tensor);
    for (let i = 0; i < (dtype === 'float32' ? 60 : 400); i++) {
      norm.forward(zeros([4, 2], { dtype }) as Tensor);
      t.deepEqual(denormals([...(norm.runningMean?.data ?? []), ...(norm.runningVar?.data ?? [])], dtype), []);
    }
    t.deepEqual([...(norm.runningMean?.data ?? [])], [0, 0]);
    t.deepEqual([...(norm.runningVar?.data ?? [])], [0, 0]);
  }
});

test('the guide says what denormal inputs cost, as long as nothing spares users that (fault F35)', (t) => {
  t.regex(readTree().get('docs/guides/troubleshooting.md') ?? '', /1\.2e-38[^\n]*denormal/);
});
