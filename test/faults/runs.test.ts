// Runs that mix: a folder of checkpoints with other data, other options, or two writers at once.

import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import {
  Adam,
  type AnyTensor,
  CheckpointError,
  CrossEntropyLoss,
  type Dataset,
  type DType,
  Layer,
  Linear,
  Loss,
  Sequential,
  Tensor,
  TensorDataset,
  augmented,
  mseLoss,
  randomCrop,
  readRunLog,
  split,
  subset,
  fit,
} from '../../lib/index.js';
import { inFolder, interrupted, makeTrial, named, outcomeOf, runTrial, stopAfter } from '../helpers/checkpoints.js';
import { quiet } from '../helpers/training.js';

const other = /is a checkpoint of another run: data\.digest was \w+, is \w+: these are other examples$/;

/** A run of three steps on any data, in a folder. */
function runOn(dir: string, data: Dataset<DType, DType>, more: object = {}) {
  const size = data.inputShape.reduce((product, side) => product * side, 1);
  const model = new Sequential([new Flat(), new Linear(size, 3)]);
  const options = { ...quiet, loss: new CrossEntropyLoss(), optimizer: new Adam(model), batchSize: 64, seed: 1, resume: true };
  return model.fit(data, { ...options, checkpoint: { dir }, ...more });
}

class Flat extends Layer {
  forward(x: Tensor): Tensor {
    return x.to('float32').reshape([x.shape[0], -1]);
  }
}

/** Numbers and labels that depend on a seed. */
function examples(seed: number, count = 192): TensorDataset {
  const x = Float32Array.from({ length: count * 4 }, (_, i) => Math.fround(((i * 37 + seed * 11) % 101) / 101));
  return new TensorDataset(Tensor.from(x, [count, 4]), Tensor.from(Int32Array.from({ length: count }, (_, i) => (i * seed) % 3)));
}

/** Bytes of images, all different. */
function images(change: (bytes: Uint8Array) => void = () => {}): TensorDataset<'uint8'> {
  const bytes = Uint8Array.from({ length: 192 * 48 }, (_, i) => (i * 31 + (i >> 6)) & 255);
  change(bytes);
  return new TensorDataset(Tensor.from(bytes, [192, 4, 4, 3]), Tensor.from(Int32Array.from({ length: 192 }, (_, i) => i % 3)));
}

/** A set that makes its batches itself. */
function own(seed: number, draw: () => number = () => 0): Dataset {
  const { inputs, targets } = examples(seed);
  return {
    name: 'own',
    length: inputs.shape[0],
    inputShape: [4],
    targetShape: [],
    batch: (indices) => ({ inputs: inputs.gather(Tensor.from(indices)).add(draw()), targets: targets.gather(Tensor.from(indices)) }),
  };
}

test.serial(
  'a folder of checkpoints is taken up with the data of its run alone, finished or not; the same data are known again (fault R01)',
  async (t) => {
    const whole = examples(1);
    const changed = examples(1);
    changed.inputs.data[191 * 4 + 3] += 1;
    const relabelled = examples(1);
    relabelled.targets.data[77] = (relabelled.targets.data[77] + 1) % 3;
    const [first, second] = split(examples(1, 384), [0.5, 0.5], { seed: 1 });
    const crop = (padding: number) => augmented(images(), [randomCrop({ padding })]);
    const pairs: [string, () => Dataset<DType, DType>, Dataset<DType, DType>][] = [
      ['other inputs and labels', () => examples(1), examples(2)],
      ['one number of the last row', () => whole, changed],
      ['one label', () => whole, relabelled],
      ['another order', () => subset(whole, [0, 1, 2]), subset(whole, [0, 2, 1])],
      ['bytes', () => images(), images((bytes) => (bytes[5] ^= 1))],
      [
        'the bytes behind an augmentation',
        () => augmented(images(), []),
        augmented(
          images((bytes) => (bytes[5] ^= 1)),
          [],
        ),
      ],
      ['another mean', () => augmented(images(), []), augmented(images(), [], { mean: 0.5 })],
      ['another augmentation', () => crop(1), crop(2)],
      ['a set of a user', () => own(1), own(2)],
    ];
    for (const [what, make, stranger] of pairs) {
      await inFolder(async (dir) => {
        const done = await runOn(dir, make());
        const names = readdirSync(dir);
        t.is((await runOn(dir, make())).last?.loss, done.last?.loss, `${what}: a finished run on the same data gives its history`);
        for (const epochs of [1, 2])
          await t.throwsAsync(runOn(dir, stranger, { epochs }), { instanceOf: CheckpointError, message: other }, what);
        t.deepEqual(readdirSync(dir), names);
      });
    }
    await inFolder(async (dir) => {
      await runOn(dir, first);
      await t.throwsAsync(runOn(dir, second), { instanceOf: CheckpointError, message: /data\.name was data 1\/2, is data 2\/2/ });
    });
    await inFolder(async (dir) => {
      let calls = 0;
      const draws = () => own(1, () => (calls += 1) / 1000);
      await runOn(dir, draws());
      await t.notThrowsAsync(runOn(dir, draws(), { epochs: 2 }), 'a set whose examples are others each time has no digest');
    });
  },
);

test.serial(
  'what else decides the numbers of a run is compared: validation, maxGradNorm, lists of options, class weights, containers, what is frozen (fault R01)',
  async (t) => {
    class Weighted extends Loss {
      constructor(
        readonly milestones: number[],
        readonly weights: Tensor,
      ) {
        super();
      }
      forward(prediction: AnyTensor, target: AnyTensor): Tensor {
        return new CrossEntropyLoss().forward(prediction as Tensor, target as Tensor<'int32'>);
      }
    }
    class Scaled extends Layer {
      readonly inner: Linear;
      constructor(readonly scale: number) {
        super();
        this.inner = new Linear(4, 3);
      }
      forward(x: Tensor): Tensor {
        return this.inner.forward(x).mul(this.scale);
      }
      override config(): unknown {
        return { scale: this.scale, inner: {} };
      }
    }
    const weights = (last: number): Tensor => Tensor.from(Float32Array.of(1, 2, last));
    const attempt = async (dir: string, more: object, model: Layer = new Linear(4, 3)) =>
      fit(model as Linear, examples(1), {
        ...quiet,
        loss: new CrossEntropyLoss(),
        optimizer: new Adam(model as Linear),
        batchSize: 64,
        checkpoint: { dir },
        resume: true,
        ...more,
      });
    const cases: [object, object, RegExp][] = [
      [{ validation: examples(3) }, { validation: examples(4) }, /validation\.digest was \w+, is \w+: these are other examples$/],
      [{ maxGradNorm: 1 }, { maxGradNorm: 2 }, /another run: maxGradNorm was 1, is 2$/],
      [{}, { maxGradNorm: 2 }, /another run: maxGradNorm was none, is 2$/],
      [{ loss: new Weighted([1], weights(3)) }, { loss: new Weighted([1, 2], weights(3)) }, /loss\.milestones was \[1\], is \[1, 2\]$/],
      [{ loss: new Weighted([1], weights(3)) }, { loss: new Weighted([1], weights(4)) }, /loss\.weights was \[3\] \w+, is \[3\] \w+$/],
    ];
    for (const [before, after, message] of cases) {
      await inFolder(async (dir) => {
        await attempt(dir, before);
        await t.notThrowsAsync(attempt(dir, before));
        await t.throwsAsync(attempt(dir, after), { instanceOf: CheckpointError, message });
      });
    }
    await inFolder(async (dir) => {
      await attempt(dir, {});
      await t.notThrowsAsync(attempt(dir, { epochs: 2, validation: examples(3) }), 'validation may be taken in');
      await t.notThrowsAsync(attempt(dir, { epochs: 3 }), 'and left out');
      const model = new Linear(4, 3);
      model.bias!.requiresGrad = false;
      await t.throwsAsync(attempt(dir, { epochs: 4 }, model), { message: /another run: frozen was \[\], is \[bias\]$/ });
    });
    await inFolder(async (dir) => {
      await attempt(dir, {}, new Scaled(1));
      await t.throwsAsync(attempt(dir, {}, new Scaled(2)), {
        message: /another run: model\.itself was Scaled{"scale":1}, is Scaled{"scale":2}$/,
      });
    });
  },
);

test.serial('a look at the data changes nothing in a run that draws from the generator of the process (fault R01)', async (t) => {
  const outcome = async (dir: string | null): Promise<string> => {
    const trial = makeTrial();
    return outcomeOf(trial, await runTrial(trial, dir === null ? undefined : { dir }));
  };
  const expected = await outcome(null);
  await inFolder(async (dir) => void t.is(await outcome(dir), expected));
});

test.serial(
  'of two runs at once in one folder the second is refused before its first step, and the first loses nothing (fault R02)',
  async (t) => {
    await inFolder(async (dir) => {
      const one = makeTrial();
      let two = one;
      let refusal: unknown;
      const during = {
        onEpochEnd: async ({ epoch }: { epoch: number }) => {
          if (epoch !== 2) return;
          two = makeTrial({ seed: 6 });
          refusal = await runTrial(two, { dir }, { resume: true }).catch((error: unknown) => error);
        },
      };
      await runTrial(one, { dir, every: 1 }, { callbacks: [during] });
      t.true(refusal instanceof CheckpointError);
      t.regex(
        (refusal as Error).message,
        /in use by another run of this process, since .*: wait for it to end, or give this run a folder of its own/,
      );
      t.is(two.optimizer.steps, 0);
      t.deepEqual(readdirSync(dir), [named(10), named(11), named(12)], 'the lock is gone with its run');
      await t.throwsAsync(runTrial(makeTrial({ seed: 6 }), { dir }, { resume: true }), { message: /seed was 5, is 6/ });
      const again = makeTrial();
      t.is((await runTrial(again, { dir }, { resume: true })).epochs.length, 3, 'a run that was refused has let go as well');
    });
  },
);

test.serial('two runs that log to one file are told apart (fault R02)', async (t) => {
  await inFolder(async (runDir) => {
    const inner = makeTrial({ epochs: 1 });
    const within = {
      onEpochEnd: async ({ epoch }: { epoch: number }) => {
        if (epoch === 1) await runTrial(inner, undefined, { runDir, log: undefined });
      },
    };
    await runTrial(makeTrial(), undefined, { runDir, log: undefined, callbacks: [within] });
    const { runs } = readRunLog(join(runDir, 'log.jsonl'));
    t.deepEqual(
      runs.map(({ epochs, end }) => [epochs.map(({ epoch }) => epoch), end?.outcome]),
      [
        [[1, 2, 3], 'completed'],
        [[1], 'completed'],
      ],
    );
  });
});

test.serial('a run that was stopped and left a lock behind with its process is taken up at once (fault R02)', async (t) => {
  await inFolder(async (dir) => {
    await interrupted(dir);
    mkdirSync(dir, { recursive: true });
    t.false(readdirSync(dir).includes('.lock'), 'an abort lets go');
    await t.throwsAsync(runTrial(makeTrial(), { dir }, { resume: true, ...stopAfter(8) }));
    t.false(readdirSync(dir).includes('.lock'));
  });
});

test.serial('mse of a set of numbers is known again by its numbers (fault R01)', async (t) => {
  class Squares extends Loss {
    forward(prediction: AnyTensor, target: AnyTensor): Tensor {
      return mseLoss(prediction as Tensor, target as Tensor);
    }
  }
  const numbers = (at: number): Dataset<DType, DType> => {
    const y = Tensor.from(
      Float32Array.from({ length: 64 }, (_, i) => (i === 40 ? at : i)),
      [64, 1],
    );
    return new TensorDataset(examples(1, 64).inputs, y) as never;
  };
  const run = (dir: string, at: number) => {
    const model = new Linear(4, 1);
    return fit(model, numbers(at), { ...quiet, loss: new Squares(), optimizer: new Adam(model), checkpoint: { dir }, resume: true });
  };
  await inFolder(async (dir) => {
    await run(dir, 1);
    await t.notThrowsAsync(run(dir, 1));
    await t.throwsAsync(run(dir, 2), { message: other });
  });
});
