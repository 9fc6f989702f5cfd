// Proves lib/search/search.ts: what a trial gets, what becomes of one that fails, what is refused before the first, and stopping.
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import test from 'ava';
import {
  Asha,
  CoarseToFine,
  GridSearch,
  Hyperband,
  SGD,
  type SearchOptions,
  RandomSearch,
  SearchAbortedError,
  SobolSearch,
  type Strategy,
  TpeSearch,
  defaultRandom,
  getSeed,
  readStudy,
  search,
  setSeed,
  space,
} from '../../lib/index.js';
import { bowl, inFolder, outcomeOf, still, wide } from '../helpers/search.js';
import { listener } from '../helpers/checkpoints.js';
import { loss, makeModel, points, quiet } from '../helpers/training.js';

const of = { x: space.uniform(0, 1) };

test('a trial runs under the seed of (seed, trial number), and the seed and the numbers of the process go on as if there had been none', async (t) => {
  const run = async (seed: number): Promise<unknown[]> => {
    const seen: unknown[] = [];
    const { trials } = await search(
      of,
      (_, { number, seed: own }) => {
        t.is(getSeed(), own);
        return seen.push([number, own, defaultRandom().uniform()]);
      },
      { ...still, trials: 4, seed },
    );
    t.deepEqual(
      trials.map(({ seed: own }) => own),
      (seen as number[][]).map(([, own]) => own),
    );
    return seen;
  };
  setSeed(9);
  const first = defaultRandom().uniform();
  setSeed(9);
  const seen = await run(3);
  t.is(getSeed(), 9);
  t.is(defaultRandom().uniform(), first);
  t.is(new Set((seen as number[][]).map(([, own]) => own)).size, 4, 'each has a seed of its own');
  t.deepEqual(await run(3), seen);
  t.notDeepEqual(await run(4), seen);
});

test('two searches at once do not disturb each other', async (t) => {
  const run = (seed: number) =>
    search(of, async () => (await sleep(3), defaultRandom().uniform()), { ...still, trials: 5, seed }); // biome-ignore format: one line
  const [alone, other] = [await run(1), await run(2)];
  const [beside, too] = await Promise.all([run(1), run(2)]);
  t.deepEqual([outcomeOf(beside), outcomeOf(too)], [outcomeOf(alone), outcomeOf(other)]);
});

test('a trial that throws, or gives no number, is recorded as failed with its reason, and the search goes on', async (t) => {
  const results: (() => unknown)[] = [
    () => 1,
    () => {
      throw new TypeError('this is broken');
    },
    () => Number.NaN,
    () => undefined,
    () => Promise.reject('a text'),
    () => {
      throw Object.assign(new Error('no memory for a tensor'), { code: 'ERR_ARGUMENT' });
    },
    () => 0.5,
  ];
  const study = await search(of, (_, { number }) => results[number]() as number, { ...still, trials: 7 });
  t.deepEqual(
    study.trials.map(({ state, reason }) => [state, reason]),
    [
      ['completed', null],
      ['failed', 'TypeError: this is broken'],
      ['failed', 'the objective gave NaN, and not a finite number'],
      ['failed', 'the objective gave undefined, and not a finite number'],
      ['failed', 'Error: a text'],
      ['failed', 'Error: no memory for a tensor [ERR_ARGUMENT]'],
      ['completed', null],
    ],
  );
  t.is(study.best?.number, 6);
});

test('a rule of the objective may stop a trial, which then has no score', async (t) => {
  const study = await search(
    of,
    (_, trial) => {
      if (trial.number === 1) trial.stop('the curve is flat');
      return 1;
    },
    { ...still, trials: 2 },
  );
  t.like(study.trials[1], { state: 'stopped', score: null, reason: 'the curve is flat' });
});

test('a run that explodes is ended by the callback of its trial, in the middle of an epoch; one whose batches vary is not', async (t) => {
  const study = await search(
    { lr: space.choice([1e-3, 30]) },
    async ({ lr }, trial) => {
      const model = makeModel();
      const options = { ...quiet, loss, optimizer: new SGD(model, { lr }), epochs: 2, batchSize: 2, callbacks: [trial.watch()] };
      return (await model.fit(points(400), options)).epochs.at(-1)?.loss ?? 0;
    },
    { ...still, strategy: new GridSearch() },
  );
  const [calm, exploded] = study.trials;
  t.is(calm.state, 'completed');
  t.is(calm.reports.length, 2);
  t.is(exploded.state, 'stopped');
  t.regex(exploded.reason ?? '', /the loss exploded: .* is more than three times the first one/);
  t.true(exploded.reports.length < 2);
});

test('what is wrong with a search is said before its first trial', async (t) => {
  let calls = 0;
  const objective = (): number => ++calls;
  const wrong: [Record<string, unknown>, RegExp][] = [
    [{}, /how many trials, since this strategy has no end of its own, for `options\.trials`/],
    [{ trials: 0 }, /options\.trials/],
    [{ trials: 1, strategy: 'random' }, /a strategy, such as new RandomSearch\(\), for `options\.strategy`, received "random"/],
    [{ trials: 1, direction: 'up' }, /options\.direction/],
    [{ trials: 1, parallel: 2 }, /several trials at once run in threads.*give `objective` as \{ module/],
    [{ trials: 1, seed: 0.5 }, /options\.seed/],
    [{ trials: 1, settings: undefined, sampler: 1 }, /unknown option `sampler`/],
    [{ trials: 1, database: 'postgres://localhost/x' }, /the name of the study in the database for `options\.name`/],
    [{ trials: 1, resume: true }, /a study without a log cannot go on/],
    [{ trials: 1, signal: 3 }, /an AbortSignal for `options\.signal`/],
    [{ trials: 1, progress: 3 }, /options\.progress/],
  ];
  for (const [options, message] of wrong)
    await t.throwsAsync(search(of, objective, { ...still, ...options } as SearchOptions), { message }, JSON.stringify(options));
  await t.throwsAsync(search(of, 3 as never, { ...still, trials: 1 }), {
    message: /a function, or \{ module \}.* for `objective`, received 3/,
  });
  t.is(calls, 0);
});

test('a search that is stopped leaves the trials that had ended, and goes on to the same ones', async (t) => {
  await inFolder(async (folder) => {
    const strategies: [string, () => Strategy, number | undefined][] = [
      ['random', () => new RandomSearch(), 20],
      ['sobol', () => new SobolSearch(), 20],
      ['tpe', () => new TpeSearch({ startupTrials: 4 }), 20],
      ['hyperband', () => new Hyperband({ budget: 9 }), undefined],
      ['asha', () => new Asha({ budget: 9 }), 25],
      ['stages', () => new CoarseToFine({ stages: [{ trials: 8, budget: 1 }, { trials: 6, budget: 3 }] }), undefined], // biome-ignore format: one line
    ];
    for (const [name, strategy, trials] of strategies) {
      const options = { progress: false, seed: 6, trials, strategy: strategy() } as const;
      const whole = await search(wide, bowl, { ...options, log: false });
      const runDir = join(folder, name);
      for (const stopAt of [0, 3, 7, 13]) {
        const controller = new AbortController();
        const objective = (params: Parameters<typeof bowl>[0], { number }: { number: number }): number => {
          if (number === stopAt) controller.abort();
          return bowl(params);
        };
        const error = await t.throwsAsync(search(wide, objective as never, { ...options, runDir, resume: true, signal: controller.signal }), {
          instanceOf: SearchAbortedError,
          message: new RegExp(`stopped after ${stopAt} trials: .*resume`),
        });
        t.is(
          (error as SearchAbortedError).study.trials.filter(({ state }) => state === 'completed').length,
          stopAt,
          `${name}: the trial in hand is not kept`,
        );
      }
      const resumed = await search(wide, bowl, { ...options, runDir, resume: true });
      t.deepEqual(outcomeOf(resumed), outcomeOf(whole), name);
      t.deepEqual(outcomeOf(readStudy(runDir)), outcomeOf(whole), name);
    }
  });
});

test('a study that is done gives its trials at once, and goes on when there may be more', async (t) => {
  await inFolder(async (runDir) => {
    let calls = 0;
    const objective = (params: Parameters<typeof bowl>[0]): number => {
      calls += 1;
      return bowl(params);
    };
    const options = { progress: false, seed: 6, runDir, resume: true } as const;
    await search(wide, objective, { ...options, trials: 5 });
    await search(wide, objective, { ...options, trials: 5 });
    t.is(calls, 5);
    const more = await search(wide, objective, { ...options, trials: 9 });
    t.is(calls, 9);
    t.deepEqual(outcomeOf(more), outcomeOf(await search(wide, bowl, { ...still, seed: 6, trials: 9 })));
  });
});

test('progress is a line for each trial, with what is best and why one failed', async (t) => {
  const { stream, text } = listener();
  await search(
    wide,
    (params, { number }) => {
      if (number === 2) throw new Error('no luck');
      return bowl(params);
    },
    { log: false, progress: stream, trials: 4, seed: 1 },
  );
  const lines = text().trimEnd().split('\n');
  t.regex(lines[0], /^trial +score +time +lr +layers +optimizer +momentum$/);
  t.is(lines.length, 5);
  t.regex(lines[1], /^ +0 +\d+\.\d{4} +best +\d\.\d s/);
  t.regex(lines[3], /failed .* Error: no luck$/);
});

test('without a word a study goes to a new folder of its own, and the folder of a trial is that of its configuration', async (t) => {
  await inFolder(async (runDir) => {
    const dirs: (string | null)[] = [];
    const study = await search(of, ({ x }, { dir }) => x + 0 * dirs.push(dir), {
      runDir,
      progress: false,
      strategy: new Hyperband({ budget: 3 }),
    });
    t.deepEqual(
      dirs.map((dir) => dir?.slice(runDir.length + 1)),
      study.trials.map(({ config }) => `config-00000${config}`),
    );
    t.deepEqual(readdirSync(runDir), ['search.jsonl'], 'nobody made a folder that was not used');
  });
});
