// Proves lib/training/checkpoint.ts: a run that was interrupted anywhere ends with the bits it would have had, and no damage passes for a checkpoint.

import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Writable } from 'node:stream';
import test from 'ava';
import {
  ArgumentError,
  CheckpointError,
  CrossEntropyLoss,
  Dropout,
  type FitOptions,
  Linear,
  Metric,
  MSELoss,
  Parameter,
  ReLU,
  Sequential,
  SGD,
  Sitter,
  StepLR,
  TrainingAbortedError,
  Zeros,
  readRunLog,
  readSafetensors,
  setSeed,
} from '../../lib/index.js';
import { SharedDropout, type Trial, makeTrial, outcomeOf, runTrial } from '../helpers/checkpoints.js';
import { makeModel, points, quiet } from '../helpers/training.js';

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-checkpoint-'));
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const stepsPerEpoch = 4;
const steps = 3 * stepsPerEpoch;
const named = (step: number): string => `step-${String(step).padStart(12, '0')}.safetensors`;

/** Aborts once a run has taken so many steps; after the last step of an epoch, in its validation. */
function stopAfter(step: number): Partial<FitOptions> {
  const controller = new AbortController();
  return { signal: controller.signal, callbacks: [{ onBatchEnd: (batch) => batch.step === step && controller.abort() }] };
}

/** A stream that keeps what is written to it. */
function listener(): { stream: Writable; text: () => string } {
  let text = '';
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      text += chunk;
      done();
    },
  });
  return { stream, text: () => text };
}

/** A folder with checkpoints of a run that was stopped after step 6, one for each of the last three steps. */
async function interrupted(dir: string): Promise<void> {
  await runTrial(makeTrial(), { dir, every: 1 }, stopAfter(6)).catch((error) => {
    if (!(error instanceof TrainingAbortedError)) throw error;
  });
}

const uninterrupted = async (): Promise<string> => {
  const trial = makeTrial();
  return outcomeOf(trial, await runTrial(trial));
};

// One after the other: the runs share the generator of the process.
test.serial('a run that was stopped after any step and resumed ends with the weights, optimizer and history of one that was not', async (t) => {
  const expected = await uninterrupted();
  for (const every of [undefined, 1, 3]) {
    for (let step = 1; step <= steps; step++) {
      await inFolder(async (dir) => {
        const error = await runTrial(makeTrial(), { dir, every }, stopAfter(step)).catch((reason: unknown) => reason);
        t.true(error instanceof TrainingAbortedError, `step ${step}`);
        t.true(readdirSync(dir).includes(named(step)), 'a run that was aborted leaves a checkpoint where it was');
        const trial = makeTrial();
        t.is(outcomeOf(trial, await runTrial(trial, { dir, every }, { resume: true })), expected, `every ${every}, step ${step}`);
      });
    }
  }
});

test.serial('a run can be interrupted again and again, and in the process that began it', async (t) => {
  const expected = await uninterrupted();
  await inFolder(async (dir) => {
    for (let step = 2; step < steps; step += 3) await t.throwsAsync(runTrial(makeTrial(), { dir }, { ...stopAfter(step), resume: true }));
    const trial = makeTrial();
    t.is(outcomeOf(trial, await runTrial(trial, { dir }, { resume: true })), expected);
  });
  await inFolder(async (dir) => {
    const trial = makeTrial();
    await t.throwsAsync(runTrial(trial, { dir }, stopAfter(7)));
    t.is(outcomeOf(trial, await runTrial(trial, { dir }, { resume: true })), expected, 'the same objects');
  });
});

test.serial('a completed run gives its history at once; more epochs go on as if they had been asked for at the start', async (t) => {
  const long = makeTrial({ epochs: 5 });
  const expected = outcomeOf(long, await runTrial(long));
  await inFolder(async (dir) => {
    const first = makeTrial();
    const outcome = outcomeOf(first, await runTrial(first, { dir }));
    const seen: number[] = [];
    const callbacks = [{ onBatchEnd: ({ step }: { step: number }) => seen.push(step) }];
    const again = makeTrial();
    t.is(outcomeOf(again, await runTrial(again, { dir }, { resume: true, callbacks })), outcome);
    t.deepEqual(seen, []);
    const more = makeTrial({ epochs: 5 });
    t.is(outcomeOf(more, await runTrial(more, { dir }, { resume: true, callbacks })), expected);
    t.deepEqual(seen, [13, 14, 15, 16, 17, 18, 19, 20]);
    await t.throwsAsync(runTrial(makeTrial({ epochs: 4 }), { dir }, { resume: true }), {
      instanceOf: CheckpointError,
      message: /stands in epoch 5: `options\.epochs` is 4/,
    });
  });
});

test.serial('a run that a callback stopped is finished: resumed, it gives its history and the reason', async (t) => {
  await inFolder(async (dir) => {
    const callbacks = [{ onBatchEnd: ({ step }: { step: number }, run: { stop(reason: string): void }) => step === 6 && run.stop('enough') }];
    const trial = makeTrial();
    const outcome = outcomeOf(trial, await runTrial(trial, { dir }, { callbacks }));
    const again = makeTrial();
    const history = await runTrial(again, { dir }, { resume: true });
    t.is(history.stopped, 'enough');
    t.is(outcomeOf(again, history), outcome);
  });
});

test.serial('a file that has changed anywhere is named, set aside, and the one before it used', async (t) => {
  const expected = await uninterrupted();
  await inFolder(async (dir) => {
    await interrupted(dir);
    const newest = join(dir, named(6));
    const whole = readFileSync(newest);
    const header = Number(whole.readBigUInt64LE(0));
    const lengths = [0, 1, 7, 8, 9, header, header + 7, header + 8, header + 9, whole.length - 1];
    const damages: [string, Buffer][] = lengths.map((length) => [`${length} bytes`, whole.subarray(0, length)]);
    damages.push(['longer', Buffer.concat([whole, Buffer.of(0)])], ['zeros', Buffer.alloc(whole.length)]);
    for (let at = 0; at < whole.length; at += 37) {
      const flipped = Buffer.from(whole);
      flipped[at] ^= 1;
      damages.push([`byte ${at}`, flipped]);
    }
    t.true(damages.length > 100);
    for (const [what, bytes] of damages) {
      writeFileSync(newest, bytes);
      const { stream, text } = listener();
      const log = join(dir, 'log.jsonl');
      const controller = new AbortController();
      controller.abort();
      const trial = makeTrial();
      const run = runTrial(trial, { dir, every: 100 }, { resume: true, progress: stream, log, signal: controller.signal });
      await t.throwsAsync(run, { message: /aborted after step 5 / }, what);
      t.true(text().includes(`checkpoint damaged: ${newest}: `), `${what}: ${text()}`);
      t.regex(text(), /resuming from .*step-000000000005\.safetensors, after step 5 \(1 epochs completed\)/);
      const { resumed } = readRunLog(log).runs[0].header as { resumed: { step: number; damaged: { path: string }[] } };
      t.is(resumed.step, 5);
      t.is(resumed.damaged[0].path, newest);
      t.deepEqual(
        readdirSync(dir).filter((name) => /000006/.test(name)),
        [`${named(6)}.damaged`],
        what,
      );
      t.deepEqual(readFileSync(`${newest}.damaged`), bytes);
      rmSync(log);
    }
    const trial = makeTrial();
    t.is(outcomeOf(trial, await runTrial(trial, { dir }, { resume: true })), expected);
  });
});

test.serial('when every checkpoint is damaged the error names them all, and nothing is touched', async (t) => {
  await inFolder(async (dir) => {
    await interrupted(dir);
    const names = readdirSync(dir);
    t.deepEqual(names, [named(4), named(5), named(6)]);
    for (const name of names) writeFileSync(join(dir, name), readFileSync(join(dir, name)).subarray(0, -1));
    const trial = makeTrial();
    const before = outcomeOf(trial, { epochs: [], stopped: null } as never);
    const error = await t.throwsAsync(runTrial(trial, { dir }, { resume: true }), { instanceOf: CheckpointError, code: 'ERR_CHECKPOINT' });
    for (const name of names) t.true(error?.message.includes(name));
    t.is(outcomeOf(trial, { epochs: [], stopped: null } as never), before);
    t.deepEqual(readdirSync(dir), names);
  });
});

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
    await tryWith(() => ({ schedule: undefined }), /schedule\.kind was StepLR, is none/);
    await tryWith(({ optimizer }) => ({ schedule: new StepLR(optimizer, { stepSize: 2, gamma: 0.5 }) }), /schedule\.stepSize was 1, is 2$/);
    await tryWith(({ model }) => ({ optimizer: new SGD(model, { lr: 0.02 }), schedule: undefined }), /optimizer\.kind was Adam, is SGD/);
    await tryWith(({ optimizer }) => {
      optimizer.lr = 0.5;
      return {};
    }, /optimizer\.groups\.0\.lr was 0\.02, is 0\.5$/);
    const layers = (p: number) => [new Linear(2, 8), new ReLU(), new Dropout(p), new SharedDropout(), new Linear(8, 4)];
    const other = makeTrial();
    await tryWith(() => ({}), /model\.2 was Dropout{"p":0\.3}, is Dropout{"p":0\.4}$/, trialOf(new Sequential(layers(0.4)), other));
  });
});

function trialOf(model: Sequential, { data, options }: Trial): Trial {
  const optimizer = makeTrial().optimizer;
  const own = new (optimizer.constructor as new (model: Sequential, options: object) => Trial['optimizer'])(model, { lr: 0.02 });
  return { model, optimizer: own, data, options: { ...options, optimizer: own, schedule: new StepLR(own, { stepSize: 1, gamma: 0.5 }) } };
}

test.serial('without resume a folder with checkpoints is refused; with it an empty one is a beginning, and says so', async (t) => {
  const expected = await uninterrupted();
  await inFolder(async (folder) => {
    const dir = join(folder, 'a', 'b');
    const { stream, text } = listener();
    const trial = makeTrial();
    t.is(outcomeOf(trial, await runTrial(trial, { dir }, { resume: true, progress: stream })), expected);
    t.true(text().startsWith(`no checkpoint in ${dir}: starting from the beginning\n`));
    const names = readdirSync(dir);
    await t.throwsAsync(runTrial(makeTrial(), { dir }), { instanceOf: ArgumentError, message: /up to step 12: .*`resume: true`/ });
    t.deepEqual(readdirSync(dir), names);
  });
});

test.serial('the newest `keep` stay; each holds the weights of its step under their paths, for other tools and for load()', async (t) => {
  await inFolder(async (dir) => {
    await runTrial(makeTrial(), { dir });
    t.deepEqual(readdirSync(dir), [named(4), named(8), named(12)], 'an epoch has four steps; three are kept');
  });
  await inFolder(async (dir) => {
    const trial = makeTrial();
    await runTrial(trial, { dir, every: 5, keep: 2 });
    t.deepEqual(readdirSync(dir), [named(10), named(12)], 'the last one is that of the end');
    const { tensors } = await readSafetensors(join(dir, named(12)));
    t.deepEqual(tensors.get('model.0.weight')?.toArray(), trial.model.stateDict().get('0.weight')?.toArray());
    t.true(tensors.has('optimizer.0.weight.m'));
    const { model } = makeTrial({ seed: 9 });
    const { missing } = await model.load(join(dir, named(12)), { prefix: 'model.', strict: false });
    t.deepEqual(missing, []);
    t.deepEqual(
      model.parameters().map(({ data }) => [...data]),
      trial.model.parameters().map(({ data }) => [...data]),
    );
  });
});

test.serial('what a killed writer left is swept away and never taken for a checkpoint; other files stay', async (t) => {
  await inFolder(async (dir) => {
    await interrupted(dir);
    const half = `.${named(7)}.01234567-89ab-cdef-0123-456789abcdef.tmp`;
    writeFileSync(join(dir, half), readFileSync(join(dir, named(6))));
    for (const name of ['notes.txt', 'step-9.safetensors.bak', '.step-9.safetensors.tmp']) writeFileSync(join(dir, name), 'mine');
    const { stream, text } = listener();
    await runTrial(makeTrial(), { dir }, { resume: true, progress: stream });
    t.regex(text(), /after step 6/);
    t.false(existsSync(join(dir, half)));
    for (const name of ['notes.txt', 'step-9.safetensors.bak', '.step-9.safetensors.tmp']) t.is(readFileSync(join(dir, name), 'utf8'), 'mine');
  });
});

test.serial('a checkpoint that cannot be written ends the run with an error that holds the history; older ones stay', async (t) => {
  await inFolder(async (folder) => {
    const dir = join(folder, 'checkpoints');
    const ends: unknown[] = [];
    // The folder moves away under the run, and a file takes its place: the same on every system, and for every user.
    const callbacks = [
      {
        onEpochEnd: async ({ epoch }: { epoch: number }) => {
          if (epoch !== 3) return;
          // With the removal of step 4, step 8 is done.
          while (existsSync(join(dir, named(4)))) await new Promise((resolve) => setImmediate(resolve));
          renameSync(dir, join(folder, 'moved'));
          writeFileSync(dir, 'in the way');
        },
        onTrainEnd: (run: { outcome: unknown }) => ends.push(run.outcome),
      },
    ];
    const log = join(folder, 'log.jsonl');
    const error = await t.throwsAsync<CheckpointError>(runTrial(makeTrial(), { dir, keep: 1 }, { callbacks, log }), {
      instanceOf: CheckpointError,
    });
    t.regex(error!.message, /the checkpoint of step 12 could not be written: .*(ENOTDIR|EEXIST)/);
    t.is(error!.history.epochs.length, 3);
    t.deepEqual(ends, ['failed']);
    t.is(readRunLog(log).runs[0].end?.code, 'ERR_CHECKPOINT');
    t.deepEqual(readdirSync(join(folder, 'moved')), [named(8)]);
  });
});

test.serial('a folder that cannot be one, and wrong options, are refused before anything is trained', async (t) => {
  await inFolder(async (folder) => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    for (const [options, message] of [
      [{ checkpoint: { dir: file } }, /`options\.checkpoint\.dir`.*EEXIST/],
      [{ checkpoint: { dir: '' } }, /path of a folder for `options\.checkpoint\.dir`/],
      [{ checkpoint: {} }, /path of a folder/],
      [{ checkpoint: folder }, /options object for `options\.checkpoint`/],
      [{ checkpoint: { dir: folder, every: 0 } }, /`options\.checkpoint\.every`/],
      [{ checkpoint: { dir: folder, keep: 0 } }, /`options\.checkpoint\.keep`/],
      [{ checkpoint: { dir: folder, evry: 1 } }, /unknown option `evry`/],
      [{ checkpoint: { dir: folder }, resume: 1 }, /true or false for `options\.resume`/],
      [{ resume: true }, /`options\.resume` needs `options\.checkpoint`/],
    ] as [Partial<FitOptions>, RegExp][]) {
      const trial = makeTrial();
      await t.throwsAsync(trial.model.fit(trial.data, { ...trial.options, ...options }), { instanceOf: ArgumentError, message });
      t.is(trial.optimizer.steps, 0);
    }
    t.deepEqual(readdirSync(folder), ['file']);
  });
});

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

test.serial('what is frozen, what the optimizer holds beside the model, and rates that a callback set come back', async (t) => {
  const run = async (dir: string | null, more: Partial<FitOptions>): Promise<number[][]> => {
    const model = makeModel();
    const extra = new Parameter([3], { init: new Zeros() });
    const optimizer = new SGD([...model.parameters(), extra], { lr: 0.1, momentum: 0.9, weightDecay: 0.1 });
    extra.data.fill(1);
    const turn = {
      onBatchEnd: ({ step }: { step: number }) => {
        if (step === 2) model.parameters()[0].requiresGrad = false;
        if (step === 3) optimizer.lr = 0.05;
      },
    };
    const options = { ...quiet, loss: new CrossEntropyLoss(), optimizer, batchSize: 8, epochs: 2, seed: 1 };
    const callbacks = [turn, ...(more.callbacks ?? [])];
    await model.fit(points(32), { ...options, ...more, callbacks, ...(dir !== null && { checkpoint: { dir } }) }).catch((error) => {
      if (!(error instanceof TrainingAbortedError)) throw error;
    });
    return [...model.parameters(), extra].map(({ data }) => [...data]);
  };
  const expected = await run(null, {});
  await inFolder(async (dir) => {
    const half = await run(dir, stopAfter(5));
    t.notDeepEqual(half, expected);
    t.deepEqual(await run(dir, { resume: true }), expected);
  });
});

test.serial('a run that fails leaves the checkpoints from before, none with numbers that are not finite', async (t) => {
  await inFolder(async (dir) => {
    setSeed(1);
    const model = new Linear(2, 2);
    // Squares that grow by a large factor per step, until the update overflows.
    const optimizer = new SGD(model, { lr: 1e9 });
    const data = points(16);
    const regression = { ...data, batch: (i: Int32Array) => ({ inputs: data.batch(i).inputs, targets: data.batch(i).inputs }), length: 16 };
    const fit = model.fit(regression as never, {
      ...quiet,
      loss: new MSELoss(),
      optimizer,
      epochs: 20,
      checkpoint: { dir, every: 1, keep: 99 },
    });
    await t.throwsAsync(fit, { code: 'ERR_NON_FINITE' });
    const names = readdirSync(dir);
    t.true(names.length > 0);
    for (const name of names) {
      const { tensors } = await readSafetensors(join(dir, basename(name)));
      t.true(
        [...tensors.values()].every(({ data: values }) => values.every(Number.isFinite)),
        name,
      );
    }
  });
});

test.serial('checkpoints change nothing in a run', async (t) => {
  const expected = await uninterrupted();
  await inFolder(async (dir) => {
    mkdirSync(dir, { recursive: true });
    const trial = makeTrial();
    t.is(outcomeOf(trial, await runTrial(trial, { dir, every: 1 })), expected);
  });
});
