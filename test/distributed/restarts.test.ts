// Proves lib/distributed/restarts: a group that fails is started again, and a training that is killed at random moments ends with the bits of one that was left alone.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { waitAfter } from '../../lib/distributed/restarts.js';
import { Random } from '../../lib/index.js';
import { hasGroups } from '../helpers/groups.js';
import { type Running, allGone, isGone, pidsOf, sendSignal, start, until } from '../helpers/launched.js';
import { begins, digestsOf, timeout, train, undisturbed } from '../helpers/launched-training.js';

const wanted = Number(process.env['NODEGRAD_KILLS'] ?? 4);
const said = ({ error }: Running): string[] => [...error.matchAll(/^nodegrad launch: (.*restart.*)$/gm)].map(([, text]) => text);

test.serial('when one fails all are started again, in a new store, and are told which start it is', async (t) => {
  const running = start(
    t,
    `
    const { NODEGRAD_RESTART: restart, NODEGRAD_RENDEZVOUS: place, NODEGRAD_TOKEN: token } = process.env;
    console.log(restart, place, token);
    say('here' + restart + rank);
    await heard('here' + restart + (1 - rank));
    if (restart === '0' && rank === 1) process.kill(process.pid, 'SIGSEGV');
    if (restart === '1' && rank === 0) process.exit(7);
    if (restart !== '2') setInterval(() => {}, 1000);`,
    ['--processes', '2', '--restarts', '3'],
  );
  t.is(await running.ended, 0, running.error);
  const starts = [...running.out.matchAll(/^\[[01]\] (\d) (\S+) (\S+)$/gm)].map(([, restart, ...store]) => [restart, store.join(' ')]);
  t.deepEqual(starts.map(([restart]) => restart).sort(), ['0', '0', '1', '1', '2', '2']);
  t.is(new Set(starts.map(([, store]) => store)).size, 3, 'each start has a store of its own');
  // A start that took ten seconds, as on a busy machine, has no wait behind it.
  t.deepEqual(
    said(running).map((line) => line.replace(/ in [12] s$/, '')),
    ['the process of rank 1 was ended by SIGSEGV: restart 1 of 3', 'the process of rank 0 failed with exit code 7: restart 2 of 3'],
  );
  await allGone(t, running, 6);
});

test('a start waits 1, 2, 4, … 30 s where the one before failed within ten seconds, and none after a longer one', (t) => {
  const waits = [0];
  for (let i = 0; i < 7; i++) waits.push(waitAfter(waits[i], 9999));
  t.deepEqual(waits, [0, 1, 2, 4, 8, 16, 30, 30]);
  t.is(waitAfter(16, 10_000), 0);
});

test.serial('what fails in every start is said each time, and the last failure ends as it would without restarts', async (t) => {
  const running = start(t, 'const = 1;', ['--processes', '2', '--restarts', '2']);
  t.is(await running.ended, 1);
  const [first, second, ...more] = said(running);
  t.regex(first, /^the process of rank [01] failed with exit code 1: restart 1 of 2( in 1 s)?$/);
  t.regex(second, /^the process of rank [01] failed with exit code 1: restart 2 of 2( in [12] s)?$/);
  t.is(more.length, 0);
  t.is(running.error.match(/Its last lines:\n(\[[01]\].*\n)*\[[01]\] SyntaxError/g)?.length, 1);
});

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)
  test.serial(`${signal} ends all, while processes run and between two starts`, async (t) => {
    const waiting = start(t, 'process.exit(3);', ['--processes', '1', '--restarts', '9']);
    await until(t, 'it waits', () => waiting.error.includes('restart 2 of 9 in 2 s'));
    waiting.child.kill(signal);
    t.is(await waiting.ended, code);
    await allGone(t, waiting, 2);
    const running = start(t, "say('ready'); setInterval(() => {}, 1000);", ['--processes', '1', '--restarts', '9']);
    await until(t, 'it runs', () => existsSync(join(running.folder, 'ready')));
    running.child.kill(signal);
    t.is(await running.ended, code);
    t.deepEqual(said(running), []);
    await allGone(t, running, 1);
  });

/** Milliseconds after which the launcher kills. */
const grace = 5000;

const inGroups = hasGroups ? test.serial : test.serial.skip;

inGroups('two processes go on from the checkpoint of four, to the bits of one', async (t) => {
  const four = train(t, ['--processes', '4'], { env: { FAIL: '50' } });
  t.is(await four.ended, 1);
  t.regex(four.error, /step 50 went wrong/);
  const two = train(t, ['--processes', '2'], { folder: four.folder });
  t.is(await two.ended, 0, two.error);
  t.deepEqual(
    digestsOf(two),
    Array.from({ length: 2 }, () => digestsOf(two)[0]),
  );
  t.is(digestsOf(two)[0], await undisturbed(t));
  t.deepEqual(begins(two), [48], 'not from within the step that failed');
});

/** Waits at most so long for something, and says how long it took. */
async function within(t: ExecutionContext, milliseconds: number, what: string, isSo: () => boolean): Promise<number> {
  const began = performance.now();
  while (!isSo()) {
    if (performance.now() - began > milliseconds) {
      t.fail(`${what}: not within ${milliseconds} ms`);
      throw new Error(what);
    }
    await pause(5);
  }
  return performance.now() - began;
}

inGroups(
  `one of four processes is killed or stopped at ${wanted} random moments, and every training ends with the bits of one left alone`,
  async (t) => {
    t.timeout(120_000 + wanted * 40_000);
    const expected = await undisturbed(t);
    const seed = Number(process.env['NODEGRAD_SEED'] ?? 1);
    const random = new Random(seed, 'kills');
    let [kills, stops, early, late, resumes, runs, longest] = [0, 0, 0, 0, 0, 0, 0];
    while (kills < wanted) {
      const running = train(t, ['--processes', '4', '--restarts', '20']);
      const planned = Math.min(wanted - kills, 1 + random.integer(3));
      let isOver = false;
      void running.ended.then(() => {
        isOver = true;
      });
      for (let done = 0, from = 0; done < planned && !isOver; ) {
        const rank = random.integer(4);
        const kind = random.integer(3) === 0 ? 'SIGSTOP' : 'SIGKILL';
        const isEarly = random.integer(6) === 0;
        const delay = random.integer(isEarly ? 400 : 1200);
        const own = (): string | undefined => new RegExp(`^\\[${rank}\\] pid (\\d+)$`, 'm').exec(running.out.slice(from))?.[1];
        const isThere = (): boolean => own() !== undefined && (isEarly || /begins at/.test(running.out.slice(from)));
        await until(t, `rank ${rank} has begun`, () => isOver || isThere());
        await pause(delay);
        const pid = Number(own());
        if (isOver || isGone(pid) || !sendSignal(pid, kind)) break;
        const at = performance.now();
        done += 1;
        kills += 1;
        if (kind === 'SIGSTOP') stops += 1;
        if (!running.out.slice(from).includes('begins at')) early += 1;
        const everyone = pidsOf(running);
        // Whoever is stopped when nobody waits for it any more would stay so: there is no hang that others could notice.
        const others = (): boolean => everyone.filter((one) => one !== pid).every(isGone);
        await within(t, timeout + grace + 20_000, 'the failure is noticed', () => isOver || isGone(pid) || others());
        if (!isGone(pid) && (running.out.slice(from).match(/ left$/gm)?.length ?? 0) === 3) {
          late += 1;
          sendSignal(pid, 'SIGKILL');
        }
        await within(t, timeout + grace + 20_000, 'all have ended', () => isOver || everyone.every(isGone));
        longest = Math.max(longest, performance.now() - at);
        await until(t, 'the launcher has seen it', () => isOver || said(running).length === done);
        from = running.out.length;
      }
      t.is(await running.ended, 0, running.error.slice(-3000));
      const digests = digestsOf(running);
      t.true(digests.length >= 4);
      t.deepEqual([...new Set(digests)], [expected], `run ${runs}`);
      const steps = begins(running);
      t.deepEqual(
        steps,
        [...steps].sort((a, b) => a - b),
        'each start goes on from where the one before was, or later',
      );
      resumes += steps.filter((step) => step > 0).length;
      t.true(pidsOf(running).every(isGone), 'nobody is left');
      runs += 1;
    }
    t.log(
      `seed ${seed}: ${kills} failures in ${runs} runs, ${stops} of them stopped; ${early} before the first step, ${late} after the last; ` +
        `${resumes} went on from a checkpoint; the longest time until all had ended was ${(longest / 1000).toFixed(1)} s`,
    );
  },
);
