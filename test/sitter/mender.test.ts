// Proves lib/sitter/mender.ts: what `sitter: 'fix'` changes in a run, beside schedules and beside checkpoints.

import test from 'ava';
import {
  type Finding,
  type FitOptions,
  Linear,
  Loss,
  MSELoss,
  ReLU,
  SGD,
  ScaledSchedule,
  Sequential,
  StepDecay,
  Tensor,
  TensorDataset,
  TrainingNonFiniteError,
  fit,
  full,
  setSeed,
} from '../../lib/index.js';
import { findingOf } from '../../lib/sitter/finding.js';
import { Mender } from '../../lib/sitter/mender.js';
import { inFolder, makeTrial, outcomeOf, runTrial, stepsPerEpoch, stopAfter } from '../helpers/checkpoints.js';
import { Seeded } from '../helpers/seeded.js';
import { normals } from '../helpers/sick.js';
import { loss, makeModel, points, quiet } from '../helpers/training.js';

test.serial(
  'a mended run that was stopped after any step and resumed is the one that was never stopped: weights, findings and fixes',
  async (t) => {
    t.timeout(120_000);
    const sick = (): ReturnType<typeof makeTrial> => makeTrial({ lr: 1, epochs: 4, sitter: 'fix' });
    const whole = sick();
    const history = await runTrial(whole);
    t.is(history.fixes.length, 1);
    t.regex(history.fixes[0], /beginning of epoch 2, and lowered the learning rates of StepDecay to 0\.\d+ of what they were/);
    const expected = outcomeOf(whole, history);
    for (let step = 1; step < 4 * stepsPerEpoch; step++)
      for (const every of step % 5 === 4 ? [1, undefined] : [1])
        await inFolder(async (dir) => {
          await t.throwsAsync(runTrial(sick(), { dir, every }, stopAfter(step)), { code: 'ERR_ABORTED' }, `step ${step}`);
          const resumed = sick();
          t.is(outcomeOf(resumed, await runTrial(resumed, { dir, every }, { resume: true })), expected, `stopped after step ${step}`);
        });
  },
);

/** A net that a rate of 30 throws away in the middle of its first epochs. */
function wild(lr: number | StepDecay): { run: (more?: Partial<FitOptions>) => ReturnType<typeof fit>; model: Sequential; optimizer: SGD } {
  const model = makeModel();
  const values = Float32Array.from({ length: 64 }, (_, i) => ((i * 37) % 64) / 5 - 6);
  const x = Tensor.from(values, [32, 2]);
  const y = Tensor.from(
    Float32Array.from({ length: 128 }, (_, i) => ((i * 5) % 7) - 3),
    [32, 4],
  );
  const optimizer = new SGD(model, { lr });
  const options = { ...quiet, loss: new MSELoss(), optimizer, epochs: 6, batchSize: 4, sitter: 'fix' } as const;
  return { run: (more = {}) => fit(model, new TensorDataset(x, y), { ...options, ...more }), model, optimizer };
}

test.serial('numbers that are not finite, several times in one run, are mended alike in a resumed run', async (t) => {
  const seen = (
    { model, optimizer }: ReturnType<typeof wild>,
    history: { fixes: readonly string[]; findings: readonly Finding[] },
  ): unknown => [
    [...model.stateDict()].map(([path, { data }]) => [path, [...data]]),
    optimizer.groups.map(({ options }) => options.lr),
    history.fixes,
    history.findings,
  ];
  const whole = wild(1e6);
  const history = await whole.run();
  t.true(history.fixes.length >= 2, history.fixes.join('\n'));
  t.true(history.fixes.every((text) => /lowered the learning rate from [\d.]+ to/.test(text)));
  for (const step of [1, 7, 8, 9, 15, 20])
    await inFolder(async (dir) => {
      await t.throwsAsync(wild(1e6).run({ checkpoint: { dir, every: 1 }, ...stopAfter(step) }), { code: 'ERR_ABORTED' });
      const resumed = wild(1e6);
      t.deepEqual(seen(resumed, await resumed.run({ checkpoint: { dir, every: 1 }, resume: true })), seen(whole, history), `step ${step}`);
    });
});

/** A loss that is broken by a factor. */
class Broken extends Loss {
  readonly #factor: () => Tensor;

  constructor(factor: () => Tensor) {
    super();
    this.#factor = factor;
  }

  override forward(prediction: Tensor, targets: Tensor): Tensor {
    return prediction.sub(targets).abs().mean().mul(this.#factor());
  }
}

test.serial('a first step that is not finite at any rate is not mended: the rate cannot be its cause', async (t) => {
  const { run, optimizer } = wild(0.1);
  const broken = new Broken(() => full([], Number.NaN));
  const error = await t.throwsAsync(run({ loss: broken }), { instanceOf: TrainingNonFiniteError });
  t.deepEqual(error.history.fixes, []);
  t.is(optimizer.lr, 0.1);
  t.regex(error.message, /learning rate 0\.1\)\. Nothing had been learned before/);
});

test.serial('where no fix helps, the error is thrown with the rates and the weights of the state to go back to', async (t) => {
  // Not finite from the second step on: the first one moves the weights, at any rate.
  for (const given of [0.1, new StepDecay(0.1, { every: 2 }), new ScaledSchedule(new StepDecay(0.2, { every: 2 }), { factor: 0.5 })]) {
    const { run, model, optimizer } = wild(given as number);
    model.prepare();
    const weights = (): number[] => model.parameters().flatMap(({ data }) => [...data]);
    const before = weights();
    const [weight] = model.parameters();
    const start = Tensor.from(Float32Array.from(weight.data), [...weight.shape]);
    const broken = new Broken(() => weight.detach().sub(start).abs().sum().mul(1e30).mul(1e30).add(1));
    const error = await t.throwsAsync(run({ loss: broken }), { instanceOf: TrainingNonFiniteError });
    t.is(error.history.fixes.length, 4);
    const [{ options }] = optimizer.groups;
    t.is(optimizer.lr, 0.1);
    t.is((options.lr as ScaledSchedule).factor, (given as ScaledSchedule).factor);
    t.deepEqual(weights(), before);
  }
});

test.serial(
  'an exploded loss is mended whatever made it explode, and large inputs are named beside a column that gives the target away',
  async (t) => {
    const random = new Seeded(5);
    const x = normals(random, 6 * 600).map((value) => 5000 + 1000 * value);
    for (const isLeak of [false, true]) {
      const y = Float32Array.from({ length: 600 }, (_, i) => (x[6 * i] + (isLeak ? 0 : (x[6 * i + 1] * x[6 * i + 2]) / 3000)) / 1000);
      setSeed(1);
      const model = new Sequential([new Linear(6, 32), new ReLU(), new Linear(32, 1)]);
      const optimizer = new SGD(model, { lr: 0.01 });
      const data = new TensorDataset(Tensor.from(x, [600, 6]), Tensor.from(y, [600, 1]));
      const history = await fit(model, data, { ...quiet, loss: new MSELoss(), optimizer, epochs: 6, sitter: 'fix' });
      t.deepEqual(
        history.findings.map(({ id }) => id).filter((id) => id !== 'dead-units'),
        isLeak ? ['unscaled-inputs', 'target-leak'] : ['unscaled-inputs'],
      );
      t.true(optimizer.lr < 1e-5, `${optimizer.lr}`);
      t.true(history.last!.loss < 1e6, `${history.last?.loss}, ${history.fixes.join('; ')}`);
    }
  },
);

test.serial('a schedule is scaled as a whole and keeps its shape; setting it back needs nothing of the schedule', async (t) => {
  const schedule = new StepDecay(1e6, { every: 2, factor: 0.5 });
  const { run, optimizer } = wild(schedule);
  const history = await run();
  const [{ options }] = optimizer.groups;
  t.true(options.lr instanceof ScaledSchedule);
  const { inner, factor } = options.lr as ScaledSchedule;
  t.is(inner, schedule);
  t.true(factor < 1e-4, `${factor}`);
  t.is((options.lr as ScaledSchedule).at(2), factor * schedule.at(2));
  t.true(history.fixes.length >= 2, 'factors of several fixes are one');
  t.true(Number.isFinite(history.last?.loss));
});

test.serial(
  'where gradients explode they are clipped, and more so the second time; the step is recorded anew, and the clipping outlives a checkpoint',
  async (t) => {
    const explode = findingOf(
      {
        id: 'exploding-gradients',
        verdict: 'fault',
        seen: 'x',
        why: 'x',
        advice: 'x',
        change: { kind: 'maxGradNorm', value: 0.25 },
        confidence: 1,
      },
      1,
      4,
    );
    const mender = new Mender();
    const bounds: (number | undefined)[] = [];
    const model = new Sequential([new Linear(2, 4)]);
    const weights = (): Float64Array => Float64Array.from(model.parameters().flatMap(({ data }) => [...data]));
    let before = weights();
    const moved: number[] = [];
    await fit(model, points(16), {
      ...quiet,
      loss,
      optimizer: new SGD(model, { lr: 100 }),
      epochs: 5,
      batchSize: 16,
      sitter: false,
      callbacks: [
        {
          onTrainBegin: (run) => mender.begin(run),
          onEpochBegin: () => (before = weights()),
          onEpochEnd: ({ epoch }, run) => {
            moved.push(Math.sqrt(weights().reduce((sum, value, i) => sum + (value - before[i]) * (value - before[i]), 0)) / 100);
            if (epoch % 2 === 1) t.is(mender.mend(run, [explode]), true);
            bounds.push(run.maxGradNorm);
          },
        },
      ],
    });
    t.deepEqual(bounds, [0.25, 0.25, 0.025, 0.025, 0.0025]);
    t.true(moved[0] > 0.4, 'before');
    for (const [i, limit] of [0.25, 0.25, 0.025, 0.025].entries()) t.true(moved[i + 1] <= limit * 1.001, `${moved}`);
    t.true(moved[1] > 0.24, 'clipped, not stopped');

    const state = JSON.parse(JSON.stringify(mender.stateDict({ maxGradNorm: 0.0025 } as never)));
    const other = { maxGradNorm: undefined };
    new Mender().loadStateDict(state, mender.stateTensors(), other as never);
    t.is(other.maxGradNorm, 0.0025 as never);
  },
);
