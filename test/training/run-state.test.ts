// Proves lib/training/run-state.ts: everything that moves comes back, and what would not fit is refused with what differs.

import { readdirSync } from 'node:fs';

import test from 'ava';
import {
  ArgumentError,
  CheckpointError,
  CrossEntropyLoss,
  Dropout,
  type FitOptions,
  Linear,
  Metric,
  Parameter,
  ReLU,
  Sequential,
  type AnyTensor,
  Constant,
  Loss,
  SGD,
  type Tensor,
  crossEntropy,
  Sitter,
  Adam,
  CosineDecay,
  type Scheduled,
  StepDecay,
  TrainingAbortedError,
} from '../../lib/index.js';
import {
  type Trial,
  inFolder,
  steps,
  named,
  stopAfter,
  listener,
  interrupted,
  makeTrial,
  outcomeOf,
  runTrial,
  SharedDropout,
} from '../helpers/checkpoints.js';
import { makeModel, points, quiet } from '../helpers/training.js';

// One after the other: the runs share the generator of the process.
test.serial('a checkpoint of another run is refused with what differs, and changes nothing', async (t) => {
  await inFolder(async (dir) => {
    await interrupted(dir);
    const tryWith = async (change: (trial: Trial) => Partial<FitOptions>, message: RegExp, trial = makeTrial()): Promise<void> => {
      const options = change(trial);
      const before = outcomeOf(trial, { epochs: [], stopped: null } as never);
      await t.throwsAsync(runTrial(trial, { dir }, { resume: true, ...options }), { instanceOf: CheckpointError, message });
      t.is(outcomeOf(trial, { epochs: [], stopped: null } as never), before);
    };
    await tryWith(
      () => ({}),
      /another run: model\.0 was .*; weights\.0\.weight was float32 \[2, 8\], is float32 \[2, 9\]; .* and 1 more$/,
      makeTrial({ hidden: 9 }),
    );
    await tryWith(() => ({}), /another run: data\.examples was 30, is 31$/, makeTrial({ examples: 31 }));
    await tryWith(() => ({}), /another run: seed was 5, is 6$/, makeTrial({ seed: 6 }));
    await tryWith(() => ({ batchSize: 4 }), /batchSize was 8, is 4$/);
    await tryWith(() => ({ shuffle: false }), /shuffle was true, is false$/);
    await tryWith(() => ({ dropLast: true }), /dropLast was false, is true$/);
    await tryWith(() => ({ metrics: [] }), /metrics was \[accuracy\], is \[\]$/);
    await tryWith(() => ({ loss: new CrossEntropyLoss({ labelSmoothing: 0.1 }) }), /loss\.labelSmoothing was 0, is 0\.1$/);
    const adam = (lr: Scheduled) => (trial: Trial) => ({ optimizer: new Adam(trial.model as Sequential, { lr }) });
    await tryWith(adam(new CosineDecay(0.02, { length: 3 })), /optimizer\.groups\.0\.lr\.schedule was StepDecay, is CosineDecay/);
    await tryWith(adam(new StepDecay(0.02, { every: 2, factor: 0.5 })), /optimizer\.groups\.0\.lr\.every was 1, is 2$/);
    await tryWith(({ model }) => ({ optimizer: new SGD(model, { lr: 0.02 }) }), /optimizer\.kind was Adam, is SGD/);
    await tryWith(({ optimizer }) => {
      optimizer.lr = 0.5;
      return {};
    }, /optimizer\.groups\.0\.lr\.\w+ was .*, is not there.*optimizer\.groups\.0\.lr was not there, is 0\.5|and \d+ more$/s);
    const layers = (p: number) => [new Linear(2, 8), new ReLU(), new Dropout(p), new SharedDropout(), new Linear(8, 4)];
    const other = makeTrial();
    await tryWith(() => ({}), /model\.2 was Dropout{"p":0\.3}, is Dropout{"p":0\.4}$/, trialOf(new Sequential(layers(0.4)), other));
  });
});

function trialOf(model: Sequential, { data, options }: Trial): Trial {
  const optimizer = makeTrial().optimizer;
  const own = new (optimizer.constructor as new (model: Sequential, options: object) => Trial['optimizer'])(model, {
    lr: new StepDecay(0.02, { every: 1, factor: 0.5 }),
  });
  return { model, optimizer: own, data, options: { ...options, optimizer: own } };
}

/** Examples seen, without a way to save them. */
class Seen extends Metric {
  readonly name = 'seen';
  seen = 0;
  update(prediction: { shape: readonly number[] }): void {
    this.seen += prediction.shape[0];
  }
  result(): number {
    return this.seen;
  }
  reset(): void {
    this.seen = 0;
  }
}

test.serial('a metric that cannot be saved allows checkpoints at the ends of epochs alone', async (t) => {
  const metrics = () => [new Seen()];
  await inFolder(async (dir) => {
    await t.throwsAsync(runTrial(makeTrial(), { dir, every: 2 }, { metrics: metrics() }), {
      instanceOf: ArgumentError,
      message: /metric 'seen' cannot be saved in the middle of an epoch: give it stateDict\(\) and loadStateDict\(\), or leave out/,
    });
    const whole = makeTrial();
    const expected = outcomeOf(whole, await runTrial(whole, undefined, { metrics: metrics() }));
    const { stream, text } = listener();
    await t.throwsAsync(runTrial(makeTrial(), { dir }, { metrics: metrics(), progress: stream, ...stopAfter(6) }), {
      instanceOf: TrainingAbortedError,
    });
    t.regex(text(), /no last checkpoint: a metric cannot be saved/);
    t.deepEqual(readdirSync(dir), [named(4)]);
    const trial = makeTrial();
    t.is(outcomeOf(trial, await runTrial(trial, { dir }, { metrics: metrics(), resume: true })), expected);
  });
});

test.serial('callbacks that have a state get it back, NaN included; the sitter knows its first loss', async (t) => {
  const counter = () => ({
    seen: 0,
    low: Number.NaN,
    begun: [] as number[],
    onEpochBegin(run: { epoch: number }) {
      this.begun.push(run.epoch);
    },
    onBatchEnd() {
      this.seen += 1;
    },
    stateDict() {
      return { seen: this.seen, low: this.low, zero: -0, begun: this.begun };
    },
    loadStateDict(state: unknown) {
      Object.assign(this, state);
    },
  });
  await inFolder(async (dir) => {
    const sitter = new Sitter({ stop: false });
    const stop = stopAfter(6);
    await t.throwsAsync(runTrial(makeTrial(), { dir }, { ...stop, callbacks: [counter(), sitter, ...stop.callbacks!] }));
    const [count, going] = [counter(), new Sitter({ stop: false })];
    await runTrial(makeTrial(), { dir }, { resume: true, callbacks: [going, count] });
    t.is(count.seen, steps);
    t.deepEqual(count.begun, [1, 2, 3], 'an epoch that goes on in its middle does not begin again');
    t.is(count.low, Number.NaN);
    t.true(Object.is((count as unknown as { zero: number }).zero, -0));
    t.deepEqual(going.findings.slice(0, sitter.findings.length), sitter.findings);
    t.is(going.fault, undefined);
  });
});

/** Cross-entropy of scaled scores; it learns the scale, which is no part of the model. */
class ScaledLoss extends Loss {
  readonly scale = new Parameter([4], { init: new Constant(1) });
  forward(prediction: Tensor, target: AnyTensor): Tensor {
    return crossEntropy(prediction.mul(this.scale), target as Tensor<'int32'>);
  }
}

test.serial('what is frozen, what the optimizer holds beside the model, and rates that a callback set come back', async (t) => {
  const run = async (dir: string | null, more: Partial<FitOptions>): Promise<number[][]> => {
    const model = makeModel();
    const scaled = new ScaledLoss();
    const optimizer = new SGD([...model.parameters(), scaled.scale], { lr: 0.1, momentum: 0.9 });
    const turn = {
      onBatchEnd: ({ step }: { step: number }) => {
        if (step === 2) model.parameters()[0].requiresGrad = false;
        if (step === 5) optimizer.lr = 0.05;
      },
    };
    const options = { ...quiet, loss: scaled, optimizer, batchSize: 8, epochs: 2, seed: 1 };
    const callbacks = [turn, ...(more.callbacks ?? [])];
    let rates: number[] = [];
    try {
      const history = await model.fit(points(32), { ...options, ...more, callbacks, ...(dir !== null && { checkpoint: { dir } }) });
      rates = history.epochs.map(({ lr }) => lr);
    } catch (error) {
      if (!(error instanceof TrainingAbortedError)) throw error;
    }
    return [rates, ...[...model.parameters(), scaled.scale].map(({ data }) => [...data])];
  };
  const expected = await run(null, {});
  t.deepEqual(expected[0], [0.1, 0.1], 'the rate of an epoch is that of its beginning');
  t.notDeepEqual(expected.at(-1), [1, 1, 1, 1]);
  await inFolder(async (dir) => {
    await run(dir, stopAfter(6));
    t.deepEqual(await run(dir, { resume: true }), expected);
  });
});
