// Proves lib/search/executor.ts and worker.ts: trials side by side in threads, on shared data, and whatever becomes of a thread.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import {
  type SearchOptions,
  SearchAbortedError,
  Tensor,
  TensorDataset,
  augmented,
  randomFlip,
  readStudy,
  search,
  space,
  split,
} from '../../lib/index.js';
import { bowl, inFolder, outcomeOf, still, wide } from '../helpers/search.js';
import { points } from '../helpers/training.js';
import { sumOfShared } from './objective.js';

const module = new URL('./objective.js', import.meta.url);

test('[K16] trials side by side in threads give the numbers of trials one after the other', async (t) => {
  const alone = await search(wide, bowl, { ...still, trials: 12, seed: 3 });
  const beside = await search(wide, { module }, { ...still, trials: 12, seed: 3, parallel: 3 });
  t.deepEqual(outcomeOf(beside), outcomeOf(alone));
  const where = await search(wide, { module, export: 'whereAmI' }, { ...still, trials: 8, seed: 3, parallel: 2 });
  t.is(new Set(where.trials.map(({ reports }) => reports[0].epoch)).size, 2, 'two threads were at work');
  t.is(new Set(where.trials.map(({ reports }) => reports[0].score)).size, 8);
  const single = await search(wide, { module, export: 'whereAmI' }, { ...still, trials: 8, seed: 3 });
  const numbers = (study: typeof where) => study.trials.map(({ reports }) => reports[0].score);
  t.deepEqual(numbers(single), numbers(where), 'random numbers of a trial do not depend on its thread');
});

test('a trial that throws, ends its thread, runs out of memory or throws from nowhere is failed with its reason, and the search goes on', async (t) => {
  const settings = { offset: 10 };
  const study = await search(wide, { module, export: 'fragile', heapSize: 64 }, { ...still, trials: 9, seed: 3, parallel: 2, settings });
  const reasons = [
    /^RangeError: out of range$/,
    /^the thread of the trial ended with code 7$/,
    /memory limit/,
    /^Error: from nowhere$/,
    /^Error: later$/,
  ];
  for (const [number, reason] of reasons.entries()) {
    t.is(study.trials[number].state, 'failed');
    t.regex(study.trials[number].reason ?? '', reason);
  }
  const rest = await search(wide, (params) => bowl(params) + 10, { ...still, trials: 9, seed: 3 });
  t.deepEqual(outcomeOf(study).slice(5), outcomeOf(rest).slice(5));
});

test('what a trial leaves behind in its thread, and throws while the next one runs, is not the next one’s failure', async (t) => {
  const study = await search(wide, { module, export: 'lateThrow' }, { ...still, trials: 3, seed: 3 });
  t.deepEqual(study.trials.map(({ state }) => state), ['completed', 'completed', 'completed']); // biome-ignore format: one line
  t.deepEqual(study.trials[1].reports.map(({ epoch }) => epoch), [1, 2], 'what it had told is told once'); // biome-ignore format: one line
  t.is(study.trials[1].score, bowl(study.trials[1].params as never));
});

test('data sets lie in memory that all threads share: what one writes, all see', async (t) => {
  const whole = points(60);
  const data = Object.fromEntries(['train', 'validation'].map((name, i) => [name, split(whole, [0.6, 0.3, 0.1], { seed: 1 })[i]]));
  const of = { lr: space.logUniform(1e-3, 1e-1) };
  // In shared memory from the beginning: then it is not even copied once.
  const shared = new Float32Array(new SharedArrayBuffer(whole.inputs.size * 4));
  shared.set(whole.inputs.data);
  const own = new TensorDataset(Tensor.from(shared, whole.inputs.shape), whole.targets, { name: 'points', classes: 4 });
  const parts = { train: split(own, [0.6, 0.3, 0.1], { seed: 1 })[0], validation: split(own, [0.6, 0.3, 0.1], { seed: 1 })[1] };
  const study = await search(of, { module, export: 'onShared' }, { ...still, trials: 4, seed: 1, parallel: 2, data: parts });
  t.true(
    study.trials.every(({ state, score }) => state === 'completed' && (score ?? 0) > 0),
    JSON.stringify(study.trials),
  );
  t.deepEqual([...shared.slice(-8, -4)], [1, 2, 3, 4]);
  const alone = await search(of, sumOfShared as never, { ...still, trials: 1, data });
  const copied = await search(of, { module, export: 'sumOfShared' }, { ...still, trials: 1, data });
  t.is(copied.trials[0].score, alone.trials[0].score, copied.trials[0].reason ?? '');
  const narrow = new TensorDataset(whole.inputs.to('bfloat16') as never, whole.targets, { name: 'narrow' });
  const [here, there] = [sumOfShared as never, { module, export: 'sumOfShared' }].map((one) =>
    search(of, one as never, { ...still, trials: 1, data: { validation: narrow } }),
  );
  t.is((await there).trials[0].score, (await here).trials[0].score, 'bfloat16 stays bfloat16');
  await search(of, { module, export: 'onShared' }, { ...still, trials: 1, data });
  t.notDeepEqual([...whole.inputs.data.slice(-8, -7)], [1], 'memory of this thread alone is copied, and not touched');
});

test('a module that cannot be loaded, without that export, and data that threads cannot share are refused before the first trial', async (t) => {
  const wrong: [object, SearchOptions, RegExp][] = [
    [
      { module: new URL('./nowhere.js', import.meta.url) },
      {},
      /a module with an objective for `objective\.module`, received file:.*nowhere\.js: .*Cannot find module/s,
    ],
    [{ module: './nowhere.js' }, {}, /Cannot find module/],
    [{ module, export: 'none' }, {}, /it exports no function 'none', but default, endless, fragile/],
    [{ module, name: 'x' }, {}, /unknown option `name` in `objective`/],
    [{ module }, { data: points(4) }, /an object of data sets, such as \{ train, validation \}, for `options\.data`/],
    [{ module }, { data: { train: 3 } }, /a data set in memory for `options\.data\.train`, received 3/],
    [{ module }, { data: { train: pictures() } }, /a data set whose inputs are not made anew in each epoch for `options\.data\.train`/],
  ];
  for (const [objective, options, message] of wrong)
    await t.throwsAsync(search(wide, objective as never, { ...still, trials: 2, parallel: 2, ...options }), { code: 'ERR_ARGUMENT', message });
});

const pictures = () =>
  augmented(new TensorDataset(Tensor.from(new Uint8Array(4 * 36), [4, 6, 6, 1]), Tensor.from(Int32Array.of(0, 1, 0, 1))), [randomFlip()]);

test('a search that is stopped asks its threads to end, and ends those that do not', async (t) => {
  await inFolder(async (runDir) => {
    const controller = new AbortController();
    const options = { progress: false, runDir, trials: 9, parallel: 2, signal: controller.signal } as const;
    const began = search(wide, { module, export: 'endless' }, options);
    const look = setInterval(() => {
      if (existsSync(join(runDir, 'search.jsonl')) && readStudy(runDir).trials.length === 2) controller.abort();
    }, 50);
    const error = await t.throwsAsync(began, { instanceOf: SearchAbortedError, message: /stopped after 0 trials/ });
    clearInterval(look);
    t.deepEqual((error as SearchAbortedError).study.trials.map(({ state }) => state), ['running', 'running']); // biome-ignore format: one line
  });
});
