// Proves lib/distributed/elastic: of launchers on several machines, which are all on this one here, those that are there go on, and the bits stay those of a run left alone.

import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { hasGroups } from '../helpers/groups.js';
import { type Running, isGone, pidsOf, start, until } from '../helpers/launched.js';
import { begins, digestsOf, train, undisturbed } from '../helpers/launched-training.js';

const inGroups = hasGroups ? test.serial : test.serial.skip;
const env = { NODEGRAD_TOKEN: 'the-same-on-all-machines', PACE: '50' };

/** A folder that all launchers of a test share, and a place for them to meet. */
async function place(
  t: ExecutionContext,
): Promise<{ folder: string; words: (nodes: string, processes: number, restarts?: number) => string[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-elastic-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const port = await new Promise<number>((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port: free } = server.address() as AddressInfo;
      server.close(() => done(free));
    });
  });
  const words = (nodes: string, processes: number, restarts = 0): string[] =>
    ['--processes', processes, '--nodes', nodes, '--rendezvous', `127.0.0.1:${port}`, '--restarts', restarts].map(String);
  return { folder, words };
}

const checkpoints = (folder: string): number[] =>
  (existsSync(join(folder, 'checkpoints')) ? readdirSync(join(folder, 'checkpoints')) : [])
    .map((name) => Number(/^step-(\d+)\.safetensors$/.exec(name)?.[1] ?? 0))
    .sort((a, b) => b - a);

/** What launchers said of rounds: how many machines each had. */
const machines = ({ error }: Running): number[] => [...error.matchAll(/round \d+: (\d+) machine/g)].map(([, count]) => Number(count));

async function allWell(t: ExecutionContext, launchers: readonly Running[]): Promise<void> {
  const expected = await undisturbed(t);
  for (const one of launchers) {
    t.is(await one.ended, 0, one.error);
    t.deepEqual([...new Set(digestsOf(one))], [expected]);
  }
  t.true(pidsOf(launchers[0]).every(isGone), 'nobody is left');
}

inGroups('a launcher that is killed leaves the others, which go on with fewer; when it is started again it joins', async (t) => {
  t.timeout(180_000);
  const { folder, words } = await place(t);
  const first = train(t, words('1:2', 1), { env, folder });
  await until(t, 'the first waits', () => existsSync(join(folder, 'script.mjs')) && first.error === '');
  const second = train(t, words('1:2', 2), { env, folder });
  await until(t, 'a quarter is trained', () => checkpoints(folder)[0] >= 24);
  second.child.kill('SIGKILL');
  await second.ended;
  await until(t, 'the other one goes on', () => machines(first).length === 2 && begins(first).length + begins(second).length >= 2);
  const third = train(t, words('1:2', 2), { env, folder });
  await allWell(t, [first, third]);
  t.deepEqual(machines(first), [2, 1, 2]);
  t.deepEqual(machines(third), [2]);
  t.regex(first.error, /asks to join: it does after the next checkpoint\n/);
  t.regex(first.error, /the round has ended: there is a new checkpoint, and \S+ joins\n/);
  const steps = [...begins(first), ...begins(second), ...begins(third)].sort((a, b) => a - b);
  t.is(steps.length, 3);
  t.true(steps[0] === 0 && steps[1] >= 24 && steps[2] > steps[1], `${steps}`);
});

inGroups('where the launcher is killed that serves the store, another one on its machine takes its place', async (t) => {
  t.timeout(180_000);
  const { folder, words } = await place(t);
  const launchers = [1, 2].map((processes) => train(t, words('1:2', processes), { env, folder }));
  await until(t, 'a quarter is trained', () => checkpoints(folder)[0] >= 24);
  const [one, other] = launchers;
  // Who serves the store has the first seat, too: nobody else is there yet.
  const [server, left] = /ranks? 0/.test(one.error) ? [one, other] : [other, one];
  server.child.kill('SIGKILL');
  await allWell(t, [left]);
  t.deepEqual(machines(left), [2, 1]);
  t.regex(
    left.error,
    /the store at \S+ did not answer within 5\.0 s: .* If it comes back within 60 s, the machines go on together from the newest checkpoint\n/,
  );
});

inGroups('a process that is stopped on one machine ends the round on all, and all begin the next one', async (t) => {
  t.timeout(180_000);
  const { folder, words } = await place(t);
  const launchers = [1, 1].map((processes) => train(t, words('2', processes, 5), { env, folder }));
  await until(t, 'a quarter is trained', () => checkpoints(folder)[0] >= 24);
  const pid = Number(
    [
      ...launchers
        .map(({ out }) => out)
        .join('\n')
        .matchAll(/^\[1\] pid (\d+)$/gm),
    ].at(-1)?.[1],
  );
  process.kill(pid, 'SIGSTOP');
  await allWell(t, launchers);
  for (const one of launchers) {
    // On a busy machine processes may miss each other when they begin, which is a failure as well.
    t.true(machines(one).length >= 2 && machines(one).every((count) => count === 2));
    t.regex(one.error, /the round has ended: the process of rank 0 on \S+ failed with exit code 1\n/);
  }
});

test.serial('when processes fail more often than they may, all launchers end, and the failure is shown', async (t) => {
  const { folder, words } = await place(t);
  const script = "if (rank === 2) { console.log('what was wrong'); process.exit(7); } setInterval(() => {}, 1000);";
  const launchers = [2, 1].map((processes) => start(t, script, words('2', processes, 1), { env, folder }));
  const codes = await Promise.all(launchers.map(({ ended }) => ended));
  t.deepEqual([...codes].sort(), [1, 7]);
  const failed = launchers[codes.indexOf(7)];
  t.is(failed.out.match(/what was wrong/g)?.length, 2);
  t.regex(failed.error, /the process of rank 2 failed with exit code 7\. Its last lines:\n\[2\] what was wrong\n$/);
  for (const one of launchers) {
    t.deepEqual(machines(one), [2, 2]);
    t.regex(one.error, /the round has ended: the process of rank 2 on \S+ failed with exit code 7\n/);
  }
  t.true(pidsOf(failed).every(isGone));
});

const alone =
  "if (process.env.NODEGRAD_WORLD_SIZE === '1') { console.log('alone'); process.exit(0); } say('here'); setInterval(() => {}, 1000);";

test.serial('a signal takes one machine out, and the others go on at once', async (t) => {
  const { folder, words } = await place(t);
  const launchers = [1, 1].map((processes) => start(t, alone, words('1:2', processes), { env, folder }));
  await until(t, 'both run', () => existsSync(join(folder, 'here')));
  // Not the one that serves the store.
  const [first, other] = /rank 0\n/.test(launchers[0].error) ? launchers : [launchers[1], launchers[0]];
  other.child.kill('SIGTERM');
  t.is(await other.ended, 128 + 15);
  t.is(await first.ended, 0, first.error);
  t.regex(first.error, /the round has ended: \S+ was ended by SIGTERM\n/);
  t.regex(first.out, /^\[0\] alone$/m);
  t.true(pidsOf(first).every(isGone));
});

test.serial('launchers that meet in a folder need none of them: whichever is killed, the other goes on', async (t) => {
  const { folder } = await place(t);
  const words = ['--processes', '1', '--nodes', '1:2', '--rendezvous', `file://${folder}/meeting`];
  const launchers = [1, 2].map(() => start(t, alone, words, { folder, env: { NODEGRAD_TOKEN: '' } }));
  await until(t, 'both run', () => existsSync(join(folder, 'here')));
  const [first, other] = /rank 0\n/.test(launchers[0].error) ? launchers : [launchers[1], launchers[0]];
  first.child.kill('SIGKILL');
  t.is(await other.ended, 0, other.error);
  t.regex(other.error, /the round has ended: \S+ gave no sign of life for 10 s\n/);
  t.deepEqual(machines(other), [2, 1]);
  t.true(pidsOf(first).every(isGone));
});

test.serial('a launcher with another token is told so, and the one that refused it as well', async (t) => {
  const { folder, words } = await place(t);
  const first = start(t, alone, words('1:2', 1), { env, folder });
  const stranger = start(t, alone, words('1:2', 1), { env: { NODEGRAD_TOKEN: 'a-token-of-somebody-else' }, folder });
  const [one, other] = await Promise.all([first, stranger].map(async (launcher) => [await launcher.ended, launcher.error] as const));
  // Whoever came first serves the store.
  const [[, served], [code, refused]] = one[0] === 0 ? [one, other] : [other, one];
  t.is(code, 1);
  t.regex(refused, /the store at \S+ has another token: NODEGRAD_TOKEN must be the same/);
  t.is(served.match(/a request from 127\.0\.0\.1 was refused: it has another token/g)?.length, 1);
});
