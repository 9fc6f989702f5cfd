// Work around checkpoints: folders that cannot be written, checkpoints that fail, callbacks and data sets that throw.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import test from 'ava';
import {
  Adam,
  ArgumentError,
  CheckpointError,
  CrossEntropyLoss,
  type Dataset,
  Tensor,
  TrainingNonFiniteError,
  readRunLog,
  fit,
} from '../../lib/index.js';
import { type Trial, inFolder, listener, makeTrial, named, outcomeOf, runTrial } from '../helpers/checkpoints.js';
import { makeModel, points, quiet } from '../helpers/training.js';

// One after the other: the runs share the generator of the process.
test.serial(
  'a folder that cannot be written is refused before training, with the real cause and the folder that exists (fault R09)',
  async (t) => {
    await inFolder(async (folder) => {
      const file = join(folder, 'file');
      writeFileSync(file, '');
      const attempt = async (options: object): Promise<string> => {
        const trial = makeTrial();
        const error = await t.throwsAsync(runTrial(trial, undefined, options), { instanceOf: ArgumentError });
        t.is(trial.optimizer.steps, 0);
        return error!.message;
      };
      t.regex(
        await attempt({ checkpoint: { dir: join(file, 'a', 'b') } }),
        /`options\.checkpoint\.dir`.*ENOTDIR about .*file, the nearest folder that exists$/,
      );
      t.regex(await attempt({ runDir: join(file, 'a', 'b'), log: undefined }), /ENOTDIR about .*file, the nearest folder that exists$/);
      if (process.platform === 'linux')
        t.regex(await attempt({ checkpoint: { dir: '/sys/nodegrad' } }), /(EPERM|EACCES|EROFS) about \/sys, the nearest/);
      // A file system that is read-only, where this system lets us have one.
      const script = `mount -t tmpfs -o ro none ${folder} && exec ${process.execPath} --input-type=module -e "
      import { makeTrial, runTrial } from '${new URL('../helpers/checkpoints.js', import.meta.url)}';
      for (const dir of ['${folder}', '${folder}/a/b']) {
        const trial = makeTrial();
        await runTrial(trial, { dir }).catch((error) => console.log(error.code, trial.optimizer.steps, error.message));
      }"`;
      const { status, stdout } = spawnSync('unshare', ['-rm', 'sh', '-c', script], { encoding: 'utf8', timeout: 60_000 });
      if (status !== 0 && stdout === '') return t.log('no read-only file system can be made here');
      const lines = stdout.trim().split('\n');
      t.is(lines.length, 2);
      for (const line of lines) t.regex(line, /^ERR_ARGUMENT 0 .*The system says EROFS/);
      t.true(lines[1].includes(`EROFS about ${folder}, the nearest folder that exists`));
    });
  },
);

const hooks = ['onEpochBegin', 'onBatchEnd', 'onSteps', 'onObserve', 'onEpochEnd', 'onTrainEnd'] as const;

test.serial('an exception in a callback costs nothing: it is thrown as it is, and resume goes on from there (fault R10)', async (t) => {
  const untouched = makeTrial();
  const expected = outcomeOf(untouched, await runTrial(untouched));
  for (const hook of hooks) {
    for (const how of ['throws', 'rejects']) {
      await inFolder(async (dir) => {
        const thrown = new Error('the web hook does not answer');
        let calls = 0;
        const seen: number[] = [];
        const hostile = {
          [hook]: () => {
            calls += 1;
            if (hook !== 'onTrainEnd' && calls < 2) return undefined;
            if (how === 'throws') throw thrown;
            return Promise.reject(thrown);
          },
        };
        const listening = { onEpochEnd: ({ epoch }: { epoch: number }) => seen.push(epoch) };
        const trial = makeTrial();
        const error = await runTrial(trial, { dir }, { callbacks: [hostile, listening] }).catch((reason: unknown) => reason);
        t.is(error, thrown, `${hook} ${how}`);
        t.true(existsSync(join(dir, named(trial.optimizer.steps))), `${hook} ${how}: step ${trial.optimizer.steps} of ${readdirSync(dir)}`);
        if (hook === 'onEpochEnd') t.deepEqual(seen, [1, 2], 'the other callbacks have heard of the epoch');
        const again = makeTrial();
        t.is(outcomeOf(again, await runTrial(again, { dir }, { resume: true })), expected, `${hook} ${how}`);
      });
    }
  }
  await inFolder(async (dir) => {
    const hostile = { onTrainBegin: () => Promise.reject(new Error('no')) };
    await t.throwsAsync(runTrial(makeTrial(), { dir }, { callbacks: [hostile] }), { message: 'no' });
    t.deepEqual(readdirSync(dir), [], 'nothing was trained, and nothing is in the way of the next start');
  });
});

test.serial('steps that were under way when a callback threw are counted, and in the checkpoint (fault R10)', async (t) => {
  const run = async (dir: string | null, more: object): Promise<[number, number[]]> => {
    const model = makeModel();
    const optimizer = new Adam(model);
    const data = points(4096);
    const options = {
      ...quiet,
      loss: new CrossEntropyLoss(),
      optimizer,
      batchSize: 2,
      epochs: 2,
      seed: 1,
      ...(dir && { checkpoint: { dir } }),
    };
    await model.fit(data, { ...options, ...more }).catch((error: Error) => {
      if (error.message !== 'stop here') throw error;
    });
    return [optimizer.steps, [...model.parameters()[0].data]];
  };
  const [, expected] = await run(null, {});
  await inFolder(async (dir) => {
    const hostile = {
      onSteps: () => {
        throw new Error('stop here');
      },
    };
    const [steps] = await run(dir, { callbacks: [hostile] });
    t.deepEqual(readdirSync(dir), [named(steps)]);
    t.deepEqual((await run(dir, { resume: true }))[1], expected);
  });
});

test.serial('a data set that cannot make a batch, and a validation that fails, cost nothing either (fault R10)', async (t) => {
  const flaky = (when: (batch: number) => boolean): Dataset => {
    const { inputs, targets } = points(32);
    let calls = 0;
    return {
      name: 'flaky',
      length: 32,
      inputShape: [2],
      targetShape: [],
      batch: (indices) => {
        if (indices.length === 8 && when((calls += 1))) throw new Error('the database does not answer');
        return { inputs: inputs.gather(Tensor.from(indices)), targets: targets.gather(Tensor.from(indices)) };
      },
    };
  };
  const run = (trial: Trial, dir: string | null, data: Dataset, more: object = {}) =>
    fit(trial.model, data, { ...trial.options, validation: undefined, ...(dir !== null && { checkpoint: { dir } }), ...more });
  const untouched = makeTrial();
  const expected = outcomeOf(
    untouched,
    await run(
      untouched,
      null,
      flaky(() => false),
    ),
  );
  await inFolder(async (dir) => {
    const trial = makeTrial();
    await t.throwsAsync(
      run(
        trial,
        dir,
        flaky((call) => call === 7),
      ),
      { message: 'the database does not answer' },
    );
    t.true(trial.optimizer.steps > 0);
    t.deepEqual(readdirSync(dir).at(-1), named(trial.optimizer.steps));
    const again = makeTrial();
    t.is(
      outcomeOf(
        again,
        await run(
          again,
          dir,
          flaky(() => false),
          { resume: true },
        ),
      ),
      expected,
    );
  });
  await inFolder(async (dir) => {
    const validation = { ...flaky(() => false), batch: () => Promise.reject(new Error('gone')) as never };
    const trial = makeTrial();
    await t.throwsAsync(runTrial(trial, undefined, { validation: { ...flaky(() => false), batch: fail } }), { message: 'gone' });
    const second = makeTrial();
    await t.throwsAsync(runTrial(second, { dir }, { validation: { ...validation, batch: failLater() } }), { message: 'gone' });
    t.deepEqual(readdirSync(dir), [named(4)], 'the epoch is done');
  });
});

function fail(): never {
  throw new Error('gone');
}

/** The looks before the run succeed. */
function failLater(): Dataset['batch'] {
  const { inputs, targets } = points(32);
  return (indices) => {
    if (indices[1] === 1 && indices.length === 32 && (looks += 1) > 2) throw new Error('gone');
    return { inputs: inputs.gather(Tensor.from(indices)), targets: targets.gather(Tensor.from(indices)) };
  };
}
let looks = 0;

test.serial('numbers that are not finite leave no checkpoint of their own: there is nothing to go on from (fault R10)', async (t) => {
  await inFolder(async (dir) => {
    const trial = makeTrial();
    const callbacks = [{ onBatchEnd: ({ step }: { step: number }) => step === 6 && Object.assign(trial.optimizer, { lr: 1e39 }) }];
    await t.throwsAsync(runTrial(trial, { dir }, { callbacks }), { instanceOf: TrainingNonFiniteError });
    t.deepEqual(readdirSync(dir), [named(4)]);
  });
});

/** Puts folders where the checkpoints of these steps belong, so that they cannot be written: on every system, and for every user. */
const inTheWay = (dir: string, steps: readonly number[]) => ({
  onEpochBegin: (run: { epoch: number }) => {
    if (run.epoch === 2) for (const step of steps) mkdirSync(join(dir, named(step), 'full'), { recursive: true });
  },
});

test.serial('a checkpoint that fails is a warning and the next one is tried; three in a row are an error (fault R11)', async (t) => {
  const run = async (dir: string, broken: readonly number[], epochs: number) => {
    const { stream, text } = listener();
    const log = join(dir, 'log.jsonl');
    const trial = makeTrial({ epochs });
    const options = { callbacks: [inTheWay(dir, broken)], progress: stream, log };
    const history = await runTrial(trial, { dir, keep: 20 }, options).catch((error: unknown) => error);
    return { trial, history, text: text(), log };
  };
  await inFolder(async (dir) => {
    const untouched = makeTrial({ epochs: 5 });
    const expected = outcomeOf(untouched, await runTrial(untouched));
    const { trial, history, text, log } = await run(dir, [8, 12], 5);
    t.is(outcomeOf(trial, history as never), expected);
    t.regex(text, /warning: the checkpoint of step 8 could not be written: /);
    const { warnings } = history as { warnings: string[] };
    t.deepEqual(
      warnings.map((warning) => /step \d+/.exec(warning)?.[0]),
      ['step 8', 'step 12'],
    );
    t.deepEqual(readRunLog(log).runs[0].warnings, warnings);
    t.deepEqual(readdirSync(dir), ['log.jsonl', ...[4, 8, 12, 16, 20].map(named)], 'no half file is left behind');
  });
  await inFolder(async (dir) => {
    const { history, trial } = await run(dir, [8, 12, 16, 20, 24], 8);
    t.true(history instanceof CheckpointError);
    t.regex((history as Error).message, /the checkpoint of step 16 could not be written/);
    t.is(trial.optimizer.steps, 20, 'the one after the third ends the run');
  });
});

test.serial('the last checkpoint of a run is tried again before it is given up (fault R11)', async (t) => {
  const run = (dir: string, progress: Writable | false) => runTrial(makeTrial(), { dir }, { callbacks: [inTheWay(dir, [12])], progress });
  await inFolder(async (dir) => {
    const clear = new Writable({
      write: (chunk, _encoding, done) => {
        if (String(chunk).includes('warning')) rmSync(join(dir, named(12)), { recursive: true });
        done();
      },
    });
    t.is((await run(dir, clear)).warnings.length, 1);
    const again = makeTrial();
    t.is((await runTrial(again, { dir }, { resume: true })).epochs.length, 3);
  });
  await inFolder(async (dir) => {
    await t.throwsAsync(run(dir, false), { instanceOf: CheckpointError, message: /the checkpoint of step 12 could not be written/ });
    t.deepEqual(readdirSync(dir), [named(4), named(8), named(12)]);
  });
});

test.serial(
  'a folder that was taken away in mid-run is made anew; one that another run has taken ends the run at once (faults R02, R11)',
  async (t) => {
    await inFolder(async (folder) => {
      const dir = join(folder, 'checkpoints');
      await runTrial(
        makeTrial(),
        { dir },
        { callbacks: [{ onEpochEnd: ({ epoch }: { epoch: number }) => epoch === 2 && rmSync(dir, { recursive: true }) }] },
      );
      t.true(readdirSync(dir).includes(named(12)));
    });
    await inFolder(async (dir) => {
      const thief = { token: 'thief', host: 'elsewhere', place: 'p', pid: 1, thread: 1, started: '1', since: '2026-01-01T00:00:00.000Z' };
      const callbacks = [
        {
          onEpochEnd: async ({ epoch }: { epoch: number }) => {
            if (epoch !== 2) return;
            while (!existsSync(join(dir, named(4)))) await new Promise((resolve) => setImmediate(resolve));
            writeFileSync(join(dir, '.lock'), JSON.stringify(thief));
          },
        },
      ];
      await t.throwsAsync(runTrial(makeTrial({ epochs: 9 }), { dir }, { callbacks }), {
        instanceOf: CheckpointError,
        message: /step 8 could not be written: .*in use by process 1 on elsewhere/,
      });
      t.true(existsSync(join(dir, '.lock')), 'what is not its own it leaves alone');
      t.deepEqual(readdirSync(dir), ['.lock', named(4)]);
    });
  },
);

test.serial('progress that nobody reads any more does not end a run (fault R04)', async (t) => {
  const broken = (how: 'emits' | 'throws') =>
    how === 'emits'
      ? new Writable({ write: (_chunk, _encoding, done) => done(Object.assign(new Error('gone'), { code: 'EPIPE' })) })
      : ({
          write: () => {
            throw new Error('gone');
          },
        } as never);
  for (const how of ['emits', 'throws'] as const) {
    const trial = makeTrial();
    t.is((await runTrial(trial, undefined, { progress: broken(how) })).epochs.length, 3, how);
  }
});
