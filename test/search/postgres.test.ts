// Proves lib/search/postgres.ts on a server of its own: workers share a study, none takes another's trial, and that of a dead one is taken again.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { RandomSearch, type SearchOptions, SearchAbortedError, TpeSearch, type TrialRecord, search, space } from '../../lib/index.js';
import { PostgresStore } from '../../lib/search/postgres.js';
import { type Server, startPostgres } from '../helpers/postgres.js';
import { bowl, outcomeOf, still, wide } from '../helpers/search.js';

const started = await startPostgres();
const isThere = typeof started !== 'string';
const { url } = isThere ? started : { url: '' };
const check = isThere ? test : test.skip;
test.after.always(async () => {
  if (isThere) await (started as Server).stop();
});
if (!isThere) test(`skipped: ${started}`, (t) => t.pass());

const child = fileURLToPath(new URL('./postgres.child.js', import.meta.url));
const options = (name: string, more: Partial<SearchOptions> = {}): SearchOptions => ({
  database: url,
  name,
  progress: false,
  seed: 5,
  trials: 12,
  ...more,
});

check('a study in a database has the trials of one in memory, is there for the next process, and goes on with more', async (t) => {
  const alone = await search(wide, bowl, { ...still, seed: 5, trials: 12 });
  const kept = await search(wide, bowl, options('simple'));
  t.deepEqual(outcomeOf(kept), outcomeOf(alone));
  let calls = 0;
  const objective = (params: Parameters<typeof bowl>[0]): number => bowl(params) + 0 * ++calls;
  t.deepEqual(outcomeOf(await search(wide, objective, options('simple'))), outcomeOf(alone));
  t.is(calls, 0);
  t.is((await search(wide, objective, options('simple', { trials: 14 }))).trials.length, 14);
  t.is(calls, 2);
});

check('failed trials and reports are kept, and another study of the same name is refused', async (t) => {
  const study = await search(
    wide,
    (params, trial) => {
      trial.report({ epoch: 1, score: 0.1 + 0.2, loss: 3 });
      if (trial.number === 1) throw new Error("it's broken; DROP TABLE nodegrad_trials");
      return bowl(params);
    },
    options("it's a name", { trials: 3 }),
  );
  t.deepEqual(study.trials[0].reports, [{ epoch: 1, score: 0.1 + 0.2, loss: 3 }]);
  t.like(study.trials[1], { state: 'failed', reason: "Error: it's broken; DROP TABLE nodegrad_trials" });
  t.true(study.trials.every(({ seconds }) => seconds !== null));
  await t.throwsAsync(
    search({ lr: space.uniform(0, 1) }, () => 1, options("it's a name")),
    {
      code: 'ERR_ARGUMENT',
      message: /the database holds another study 'it's a name': its space is/,
    },
  );
  await t.throwsAsync(search(wide, bowl, options('x', { database: 'postgres://tester@/nothing?host=/nowhere' })), {
    code: 'ERR_ARGUMENT',
    message: /the database of `options\.database` cannot be used: .*ENOENT/,
  });
});

check('a search that is stopped gives its trial back, and the next one takes it at once', async (t) => {
  const controller = new AbortController();
  const objective = (params: Parameters<typeof bowl>[0], { number }: { number: number }): number => {
    if (number === 4) controller.abort();
    return bowl(params);
  };
  const stopped = search(
    wide,
    objective as never,
    options('stopped', { signal: controller.signal, strategy: new TpeSearch({ startupTrials: 3 }) }),
  );
  await t.throwsAsync(stopped, { instanceOf: SearchAbortedError });
  const strategy = new TpeSearch({ startupTrials: 3 });
  const resumed = await search(wide, bowl, options('stopped', { strategy }));
  t.deepEqual(outcomeOf(resumed), outcomeOf(await search(wide, bowl, { ...still, seed: 5, trials: 12, strategy })));
  t.is(resumed.trials[4].attempt, 1, 'that was nobody’s fault');
});

check('who was silent for too long loses its trial to the next one, and what it gives in the end is not kept', async (t) => {
  const silent = spawn(process.execPath, [fileURLToPath(new URL('./blocked.child.js', import.meta.url)), url, 'silent'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  silent.stdout.on('data', (chunk) => {
    out += chunk;
  });
  const closed = new Promise((resolve) => silent.once('close', resolve));
  while (out === '') await sleep(10);
  const study = await search(wide, bowl, options('silent', { trials: 1, heartbeat: 0.5 }));
  t.is(out, 'begin\n', 'it is still at it');
  t.is(study.trials[0].attempt, 2);
  t.is(await closed, 0);
  t.is(out, 'begin\ndone\n');
  const after = await search(wide, bowl, options('silent', { trials: 1 }));
  t.is(after.trials[0].score, study.trials[0].score);
  t.true((study.trials[0].score ?? 1000) < 1000);
});

check('while another attempt at a trial runs, what the one before it says and gives is not kept', async (t) => {
  const header = { name: 'attempts', version: 1, space: {}, direction: 'minimize', seed: 1, strategy: {}, settings: null };
  const propose = () => ({ params: {}, config: 0, budget: null, seed: 1 });
  const late = await PostgresStore.open(url, header, { heartbeat: 1000, attempts: 9 });
  const first = (await late.take(propose)) as TrialRecord;
  await sleep(300);
  const next = await PostgresStore.open(url, header, { heartbeat: 0.2, attempts: 9 });
  const second = (await next.take(propose)) as TrialRecord;
  t.deepEqual([first.number, first.attempt, second.number, second.attempt], [0, 1, 0, 2]);
  t.false(await late.report(first, { epoch: 1, score: 9, loss: null }));
  t.false(await late.finish(first, { state: 'completed', score: 9, reason: null }));
  t.true(await next.report(second, { epoch: 1, score: 2, loss: null }));
  t.true(await next.finish(second, { state: 'completed', score: 1, reason: null }));
  t.false(await next.finish(second, { state: 'completed', score: 3, reason: null }), 'once is enough');
  const [kept] = await late.trials();
  t.like(kept, { state: 'completed', score: 1, reports: [{ epoch: 1, score: 2, loss: null }] });
  await Promise.all([late.close(), next.close()]);
});

check(
  '8 workers on one study, two of them killed: no trial is lost, none is completed twice, and all are those of one worker alone',
  async (t) => {
    t.timeout(120_000);
    const trials = 40;
    const workers = Array.from({ length: 8 }, () => {
      const running = spawn(process.execPath, [child, url, 'eight', String(trials)], { stdio: ['ignore', 'pipe', 'pipe'] });
      let [out, error] = ['', ''];
      running.stdout.on('data', (chunk) => {
        out += chunk;
      });
      running.stderr.on('data', (chunk) => {
        error += chunk;
      });
      const closed = new Promise<NodeJS.Signals | null>((resolve) => running.once('close', (_code, signal) => resolve(signal)));
      return { running, closed, out: () => out, error: () => error };
    });
    // Two are killed in the middle of a trial.
    const victims = workers.slice(0, 2);
    for (const { running, out } of victims) {
      while (!/begin \d+\n$/.test(out())) await sleep(3);
      running.kill('SIGKILL');
    }
    const signals = await Promise.all(workers.map(({ closed }) => closed));
    t.deepEqual(signals, ['SIGKILL', 'SIGKILL', null, null, null, null, null, null]);
    for (const worker of workers.slice(2)) {
      t.is(worker.error(), '');
      t.regex(worker.out(), /done\n$/);
    }
    const numbers = (word: string): number[] =>
      workers
        .flatMap(({ out }) => [...out().matchAll(new RegExp(`^${word} (\\d+)$`, 'gm'))].map(([, number]) => Number(number)))
        .sort((a, b) => a - b);
    const all = Array.from({ length: trials }, (_, i) => i);
    t.deepEqual(numbers('end'), all, 'each ended once');
    const begun = numbers('begin');
    t.is(begun.length, trials + 2, 'two were begun again');
    const study = await search(wide, bowl, options('eight', { trials }));
    t.deepEqual(outcomeOf(study).map((row) => (row as unknown[]).slice(0, 8)), outcomeOf(await search(wide, bowl, { ...still, seed: 5, trials, strategy: new RandomSearch() })).map((row) => (row as unknown[]).slice(0, 8))); // biome-ignore format: one line
    t.is(study.trials.filter(({ attempt }) => attempt === 2).length, 2);
    t.true(
      workers.slice(2).every(({ out }) => /end/.test(out())),
      'everybody had work',
    );
  },
);
