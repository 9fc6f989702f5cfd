// Proves lib/search/shared-store: processes that share a study find what one of them finds, run no trial twice, and take up those of one that is gone.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { ArgumentError, RandomSearch, readStudy, search } from '../../lib/index.js';
import { SharedStore } from '../../lib/search/shared-store.js';
import { MemoryStore, type Propose, type StudyHeader } from '../../lib/search/store.js';
import { start } from '../helpers/launched.js';
import { bowl, outcomeOf, still, wide } from '../helpers/search.js';

const module = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);

/** A search of 24 trials of some milliseconds each. DIES: the process of rank 1 is killed in its third trial, once. */
const script = `
const { search, RandomSearch, SobolSearch, Hyperband } = await import(${module('../../lib/index.js')});
const { bowl, outcomeOf, wide } = await import(${module('../helpers/search.js')});
const strategies = { random: [() => new RandomSearch(), 24], sobol: [() => new SobolSearch(), 24], hyperband: [() => new Hyperband({ budget: 9 })] };
const [strategy, trials] = strategies[process.env.STRATEGY];
let own = 0;
say('here' + rank + process.env.NODEGRAD_RESTART);
for (let other = 0; other < Number(process.env.NODEGRAD_WORLD_SIZE); other++) await heard('here' + other + process.env.NODEGRAD_RESTART);
const study = await search(
  wide,
  async (params, trial) => {
    own += 1;
    if (process.env.DIES && rank === 1 && own === 3 && process.env.NODEGRAD_RESTART === '0') process.kill(process.pid, 'SIGKILL');
    await new Promise((next) => setTimeout(next, 20));
    trial.report({ epoch: 1, score: bowl(params), loss: 1 });
    return bowl(params);
  },
  { strategy: strategy(), ...(trials && { trials }), seed: 8, shared: true, progress: false, runDir: 'study', resume: true },
);
console.log('own', own);
console.log('log', study.log);
console.log('outcome', JSON.stringify(outcomeOf(study)));
`;

type Outcome = ReturnType<typeof outcomeOf>;
const said = (out: string, what: string): string[] => [...out.matchAll(new RegExp(`^\\[\\d\\] ${what} (.*)$`, 'gm'))].map(([, text]) => text);
const outcomes = (out: string): Outcome[] => said(out, 'outcome').map((text) => JSON.parse(text) as Outcome);

for (const strategy of ['random', 'sobol', 'hyperband'])
  test.serial(`three processes find by ${strategy} what one finds, and run each trial once`, async (t) => {
    const env = { STRATEGY: strategy };
    const alone = start(t, script, ['--processes', '1'], { env });
    t.is(await alone.ended, 0, alone.error);
    const [expected] = outcomes(alone.out);
    const three = start(t, script, ['--processes', '3'], { env });
    t.is(await three.ended, 0, three.error);
    for (const one of outcomes(three.out)) t.deepEqual(one, expected);
    const counts = said(three.out, 'own').map(Number);
    t.is(counts.length, 3);
    t.is(
      counts.reduce((sum, count) => sum + count),
      expected.length,
    );
    t.true(
      counts.every((count) => count > 0),
      `${counts}`,
    );
    const logs = said(three.out, 'log').filter((path) => path !== 'null');
    t.is(logs.length, 1, 'one process keeps the log');
    t.deepEqual(outcomeOf(readStudy(logs[0])), expected);
  });

test.serial('a study whose process is killed goes on with all of them from its log, to the same trials', async (t) => {
  const alone = start(t, script, ['--processes', '1'], { env: { STRATEGY: 'random' } });
  t.is(await alone.ended, 0, alone.error);
  const running = start(t, script, ['--processes', '2', '--restarts', '1'], { env: { STRATEGY: 'random', DIES: '1' } });
  t.is(await running.ended, 0, running.error);
  t.regex(running.error, /the process of rank 1 was ended by SIGKILL: restart 1 of 1/);
  for (const one of outcomes(running.out)) t.deepEqual(one, outcomes(alone.out)[0]);
  const again = readStudy(join(running.folder, 'study')).trials.filter(({ attempt }) => attempt > 1);
  t.true(again.length >= 1 && again.length <= 2, 'what was under way was begun once more');
});

const header = { name: 'a', version: 1, space: {}, direction: 'minimize', seed: 1, strategy: {}, settings: null } as StudyHeader;

async function open(t: ExecutionContext, folder: string, rank: number, more: Partial<StudyHeader> = {}): Promise<SharedStore> {
  const environment = {
    source: 'nodegrad',
    rank,
    worldSize: 2,
    localRank: rank,
    localWorldSize: 2,
    nodeRank: 0,
    isServedByRank0: false,
  } as const;
  const store = await SharedStore.open(
    { ...environment, rendezvous: pathToFileURL(folder).href },
    { header: { ...header, ...more }, runDir: null, heartbeat: 0.5, attempts: 3, name: 'study', local: async () => new MemoryStore(3) },
  );
  t.teardown(() => store.close());
  return store;
}

/** Two of this process that share a study. */
async function both(t: ExecutionContext, more: Partial<StudyHeader> = {}): Promise<[SharedStore, Promise<SharedStore>]> {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-shared-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return [await open(t, folder, 0), open(t, folder, 1, more)];
}

const propose: Propose = (trials) => (trials.length >= 2 ? 'done' : { params: {}, config: trials.length, budget: null, seed: 1 });

test.serial('who searches something else is refused', async (t) => {
  const [, other] = await both(t, { seed: 2 });
  await t.throwsAsync(other, { instanceOf: ArgumentError, message: /process 1 differs from process 0: its seed is 1, and here it is 2/ });
});

test.serial('a process that gives no sign of life loses its trial to another one, and what it says of it later does not count', async (t) => {
  const [one, opening] = await both(t);
  const other = await opening;
  const taken = await other.take(propose);
  const mine = await one.take(propose);
  if (typeof taken === 'string' || typeof mine === 'string') return t.fail();
  t.deepEqual([taken.number, mine.number], [0, 1]);
  let isLost = false;
  other.onLost(taken, () => {
    isLost = true;
  });
  // Its heart stops.
  other.pulses.beat = async () => {};
  t.true(await one.finish(mine, { state: 'completed', score: 1, reason: null }));
  let next: Awaited<ReturnType<typeof one.take>> = 'wait';
  const end = Date.now() + 30_000;
  while (next === 'wait' && Date.now() < end) {
    await pause(100);
    next = await one.take(propose);
  }
  t.like(next, { number: 0, attempt: 2 });
  t.false(await other.finish(taken, { state: 'completed', score: 7, reason: null }));
  if (typeof next === 'string') return t.fail();
  t.true(await one.finish(next, { state: 'completed', score: 2, reason: null }));
  t.deepEqual(
    (await other.trials()).map(({ score, attempt }) => [score, attempt]),
    [
      [2, 2],
      [1, 1],
    ],
  );
  t.is(await other.take(propose), 'done');
  t.is(isLost, false, 'who has ended it does not hear that it is lost');
});

test.serial('a process that was started alone runs all trials', async (t) => {
  const options = { strategy: new RandomSearch(), trials: 3, seed: 3, ...still } as const;
  const study = await search(wide, bowl, { ...options, shared: true });
  t.deepEqual(outcomeOf(study), outcomeOf(await search(wide, bowl, options)));
  await t.throwsAsync(search(wide, bowl, { ...options, shared: true, database: 'postgres://x', name: 'a' }), {
    instanceOf: ArgumentError,
    message: /a study in a database is shared by it/,
  });
});
