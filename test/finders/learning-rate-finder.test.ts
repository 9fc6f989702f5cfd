// The finders: what they find, and that nothing is left of their trials.
import test from 'ava';
import * as lib from '../../lib/index.js';
import { f32 } from '../helpers/build.js';
import { loss, points, quiet } from '../helpers/training.js';

const data = points(256, 7);

/** A net with everything that a trial moves: statistics, generators, moments. */
function make(): lib.Sequential {
  lib.setSeed(4);
  return new lib.Sequential([new lib.Linear(2, 16), new lib.BatchNorm1d(16), new lib.ReLU(), new lib.Dropout(0.2), new lib.Linear(16, 4)]);
}

const optimizers: Record<string, (model: lib.AnyModel) => lib.Optimizer> = {
  Adam: (model) => new lib.Adam(model, { lr: new lib.CosineDecay(1e-2, { length: 6 }) }) as never,
  'SGD with momentum and groups': (model) =>
    new lib.SGD([{ parameters: model.parameters().slice(0, 2) }, { parameters: model.parameters().slice(2), lr: 0.01 }], {
      lr: 0.05,
      momentum: 0.9,
    }) as never,
};

async function trained(model: lib.AnyModel, optimizer: lib.Optimizer): Promise<unknown> {
  const history = await model.fit(data, { loss, optimizer, epochs: 3, ...quiet });
  return [history.epochs.map((one) => [one.loss, one.lr]), [...model.stateDict()].map(([path, { data: values }]) => [path, [...values]])];
}

for (const [name, optimizerOf] of Object.entries(optimizers))
  test(`a training after both finders has the bits of one without them: ${name}`, async (t) => {
    const plain = make();
    const wanted = await trained(plain, optimizerOf(plain));
    const model = make();
    const optimizer = optimizerOf(model);
    await lib.learningRateFinder(model, data, { loss, optimizer, steps: 40, from: 1e-4 });
    await lib.batchSizeFinder(model, data, { loss, draws: 2 });
    t.deepEqual(await trained(model, optimizer), wanted);
  });

test('a training in progress goes on as if the finder had not looked, a failing one included', async (t) => {
  const run = async (between: (model: lib.AnyModel, optimizer: lib.Optimizer) => Promise<unknown>) => {
    const model = make();
    const optimizer = optimizers.Adam(model);
    await trained(model, optimizer);
    await between(model, optimizer);
    return trained(model, optimizer);
  };
  const wanted = await run(async () => {});
  t.deepEqual(await run((model, optimizer) => lib.learningRateFinder(model, data, { loss, optimizer, to: 1e6 })), wanted, 'exploding');
  const aborted = AbortSignal.abort();
  t.deepEqual(
    await run((model, optimizer) =>
      t.throwsAsync(lib.learningRateFinder(model, data, { loss, optimizer, signal: aborted }), { instanceOf: lib.AbortedError }),
    ),
    wanted,
    'stopped',
  );
});

test('a NaN among the data is not a rate that exploded: it is thrown as fit throws it', async (t) => {
  const x = f32(new Float64Array(64).fill(1), [64, 1]);
  x.data[40] = Number.NaN;
  const model = new lib.Sequential([new lib.Linear(1, 1)]);
  const optimizer = new lib.SGD(model, { lr: 0.1 });
  const options = { loss: new lib.MSELoss(), optimizer };
  const error = await t.throwsAsync(lib.learningRateFinder(model, new lib.TensorDataset(x, x), options), {
    instanceOf: lib.TrainingNonFiniteError,
  });
  t.is(error.place.what, 'input');
  t.is(optimizer.lr, 0.1);
});

test('on a quadratic bowl the sweep ends where steps explode, and suggests a rate that converges', async (t) => {
  // One weight, mean squared error beside ten times the input: steps above 2/curvature explode.
  const x = f32(new Float64Array(64).fill(1), [64, 1]);
  const bowl = new lib.TensorDataset(x, x.mul(10) as lib.Tensor);
  const model = new lib.Sequential([new lib.Linear(1, 1, { bias: false, init: new lib.Zeros() })]);
  const optimizer = new lib.SGD(model, { lr: 1 });
  const found = await lib.learningRateFinder(model, bowl, { loss: new lib.MSELoss(), optimizer, from: 1e-4, to: 1e3, steps: 100 });
  t.is(found.ended, 'exploded');
  t.true(found.rates.length < 100);
  t.true(Math.abs(found.rates[1] / found.rates[0] - 10 ** (7 / 99)) < 1e-9, 'equal quotients');
  t.true((found.rates.at(-1) as number) > 1, 'the curvature is 2, and steps above 1 explode');
  const suggestion = found.suggestion as number;
  t.true(suggestion > 0.005 && suggestion < 1, String(suggestion));
  t.true(suggestion <= (found.minimum as number) / 10 + 1e-12 && suggestion <= (found.steepest as number));
  t.is(optimizer.lr, 1);
  optimizer.lr = suggestion;
  const history = await model.fit(bowl, { loss: new lib.MSELoss(), optimizer, epochs: 30, ...quiet });
  t.true((history.epochs.at(-1) as lib.EpochRecord).loss < 1);
  const picture = lib.learningRatePicture(found);
  t.regex(picture, /Try a learning rate of/);
  t.notRegex(picture, /NaN|Infinity|undefined/);
});

test('a sweep in bfloat16 has other losses than one in float32, near to them', async (t) => {
  const sweep = async (precision: lib.StepPrecision): Promise<readonly number[]> => {
    const model = make();
    return (await lib.learningRateFinder(model, data, { loss, optimizer: optimizers.Adam(model), steps: 20, to: 1e-2, precision })).losses;
  };
  const [wide, narrow] = [await sweep('float32'), await sweep('bfloat16')];
  t.notDeepEqual(narrow, wide);
  for (const [i, value] of narrow.entries()) t.true(Math.abs(value - wide[i]) < 0.05 * wide[i], `step ${i}: ${value} and ${wide[i]}`);
});

test('where no rate helps there is no suggestion, and wrong options are refused', async (t) => {
  const model = make();
  const optimizer = optimizers.Adam(model);
  const found = await lib.learningRateFinder(model, data, { loss, optimizer, from: 1e-9, to: 1e-8, steps: 30 });
  t.deepEqual([found.suggestion, found.steepest, found.minimum, found.ended], [null, null, null, 'completed']);
  t.is(found.losses.length, 30);
  t.regex(lib.learningRatePicture(found), /No rate lets the loss fall/);
  await t.throwsAsync(lib.learningRateFinder(model, data, { loss, optimizer, from: 2, to: 1 }), { message: /options\.to/ });
  await t.throwsAsync(lib.learningRateFinder(model, data, { loss } as never), { message: /options\.optimizer/ });
  t.throws(() => lib.learningRatePicture({} as never), { message: /learningRateFinder/ });
});

test('the noise scale of one weight is the variance of its gradients by their squared mean', async (t) => {
  // Gradients of (w − t)² are 2(w − t): the noise scale is var(t)/(w − mean(t))².
  const random = new lib.Random(1, 'noise');
  const targets = Float64Array.from({ length: 4096 }, () => 1 + 3 * random.normal());
  const noisy = new lib.TensorDataset(f32(new Float64Array(4096).fill(1), [4096, 1]), f32(targets, [4096, 1]));
  const model = new lib.Sequential([new lib.Linear(1, 1, { bias: false, init: new lib.Zeros() })]);
  const { noiseScale, variance, squaredNorm, suggestion } = await lib.batchSizeFinder(model, noisy, {
    loss: new lib.MSELoss(),
    small: 4,
    large: 256,
    draws: 64,
    seed: 1,
  });
  t.true(Math.abs(noiseScale / 9 - 1) < 0.2, String(noiseScale));
  t.true(Math.abs(variance / 36 - 1) < 0.1, String(variance));
  t.true(Math.abs(squaredNorm / 4 - 1) < 0.2, String(squaredNorm));
  t.is(suggestion, 8);
});

test('a model at its best point has gradients of noise alone, and sizes that do not fit are refused', async (t) => {
  const x = f32(new Float64Array(32).fill(1), [32, 1]);
  const still = new lib.TensorDataset(x, f32(Float64Array.from({ length: 32 }, (_, i) => (i % 2 === 0 ? 1 : -1)), [32, 1])); // biome-ignore format: one line
  const model = new lib.Sequential([new lib.Linear(1, 1, { bias: false, init: new lib.Zeros() })]);
  const options = { loss: new lib.MSELoss(), small: 2, large: 32, draws: 20 };
  const { noiseScale, suggestion } = await lib.batchSizeFinder(model, still, options);
  t.deepEqual([noiseScale, suggestion], [Number.POSITIVE_INFINITY, null]);
  await t.throwsAsync(lib.batchSizeFinder(model, still, { ...options, large: 31 }), { message: /multiple/ });
  await t.throwsAsync(lib.batchSizeFinder(model, still, { ...options, small: 17 }), { message: /options\.small/ });
  await t.throwsAsync(lib.batchSizeFinder(model, still, { ...options, signal: AbortSignal.abort() }), { instanceOf: lib.AbortedError });
  await t.throwsAsync(lib.batchSizeFinder(model, still, {} as never), { message: /options\.loss/ });
});

test('three examples are enough for a batch size, one is not, and the message says why', async (t) => {
  const few = (count: number): lib.TensorDataset<'float32', 'float32'> => {
    const values = Float64Array.from({ length: count }, (_, i) => i);
    return new lib.TensorDataset(f32(values, [count, 1]), f32(values, [count, 1]));
  };
  const model = new lib.Sequential([new lib.Linear(1, 1)]);
  const { noiseScale } = await lib.batchSizeFinder(model, few(3), { loss: new lib.MSELoss(), draws: 4 });
  t.true(noiseScale >= 0);
  await t.throwsAsync(lib.batchSizeFinder(model, few(1), { loss: new lib.MSELoss() }), {
    instanceOf: lib.ArgumentError,
    message: /two batches are compared.* has 1 example/,
  });
});
