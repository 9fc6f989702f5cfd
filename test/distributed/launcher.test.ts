// Proves lib/distributed/launcher and lifeline: a group ends together, by the first that fails, by signals, and when its launcher is killed.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { type Running, allGone, isGone, pidsOf, start, until } from '../helpers/launched.js';

test.serial('when one fails the others are ended, and its last lines come last, with its exit code', async (t) => {
  const running = start(
    t,
    `
    say('here' + rank);
    if (rank === 1) {
      await heard('here0'); await heard('here2');
      for (let i = 0; i < 30; i++) console.log('line ' + i);
      console.error('what was wrong');
      process.exitCode = 7;
    } else setInterval(() => {}, 1000);`,
    ['--processes', '3'],
  );
  t.is(await running.ended, 7);
  t.regex(running.error, /nodegrad launch: the process of rank 1 has failed: ending the other 2\n/);
  const [, last] = running.error.split('nodegrad launch: the process of rank 1 failed with exit code 7. Its last lines:\n');
  t.deepEqual(
    last.trim().split('\n').sort(),
    ['what was wrong', ...Array.from({ length: 19 }, (_, i) => `line ${i + 11}`)].map((line) => `[1] ${line}`).sort(),
  );
  await allGone(t, running, 3);
});

/** Runs a group whose launcher sees nothing until all have ended, and then everything at once. */
async function unseen(t: ExecutionContext, script: string): Promise<Running> {
  const running = start(t, `say('here' + rank); await heard('go');${script}`, ['--processes', '3']);
  await until(t, 'all are there', () => [0, 1, 2].every((rank) => existsSync(join(running.folder, `here${rank}`))));
  running.child.kill('SIGSTOP');
  writeFileSync(join(running.folder, 'go'), '');
  await allGone(t, running, 3);
  running.child.kill('SIGCONT');
  await running.ended;
  return running;
}

test.serial('of several that fail, the one that was first is named, whatever its rank', async (t) => {
  const thrown = await unseen(
    t,
    `
    process.on('exit', () => say('end' + rank));
    if (rank === 2) throw new Error('the cause');
    while (!existsSync('end2'));
    process.exit(5);`,
  );
  t.is(thrown.child.exitCode, 1);
  t.regex(
    thrown.error.split('\nnodegrad launch: ').at(-1) ?? '',
    /^the process of rank 2 failed with exit code 1\. Its last lines:\n(\[2\].*\n)+$/,
  );
  t.regex(thrown.error, /\[2\] Error: the cause\n/);
  const crashed = await unseen(t, "if (rank === 2) process.kill(process.pid, 'SIGSEGV'); else process.exit(5);");
  t.is(crashed.child.exitCode, 128 + 11);
  t.regex(crashed.error, /the process of rank 2 was ended by SIGSEGV; it had written nothing\n/);
});

test.serial('who ignores SIGTERM is killed after the grace, with what it has started', async (t) => {
  const running = start(
    t,
    `
    import { spawn } from 'node:child_process';
    if (rank === 0) {
      process.on('SIGTERM', () => console.log('no'));
      const child = spawn(process.execPath, ['-e', 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)'], { stdio: 'inherit' });
      appendFileSync('pids', child.pid + '\\n');
      say('ready');
      setInterval(() => {}, 1000);
    } else { await heard('ready'); process.exit(3); }`,
    ['--processes', '2'],
  );
  t.is(await running.ended, 3);
  t.regex(running.out, /^\[0\] no$/m);
  await allGone(t, running, 3);
});

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)
  test.serial(`${signal} reaches every process once, which may end in its own way; the exit code is ${code}`, async (t) => {
    const running = start(
      t,
      `
      process.on('${signal}', () => { console.log('saved'); clearInterval(timer); });
      const timer = setInterval(() => {}, 1000);
      say('ready' + rank);`,
      ['--processes', '3'],
    );
    await until(t, 'all are ready', () => [0, 1, 2].every((rank) => existsSync(join(running.folder, `ready${rank}`))));
    running.child.kill(signal);
    await pause(20);
    running.child.kill(signal); // npm hands on what the terminal has sent already
    t.is(await running.ended, code);
    t.deepEqual(running.out.trim().split('\n').sort(), ['[0] saved', '[1] saved', '[2] saved']);
    t.false(running.error.includes('failed'), running.error);
    await allGone(t, running, 3);
  });

test.serial('a second SIGINT kills those that do not end', async (t) => {
  const running = start(
    t,
    `
    process.on('SIGINT', () => console.log('not yet'));
    setInterval(() => {}, 1000);
    say('ready' + rank);`,
    ['--processes', '2'],
  );
  await until(t, 'both are ready', () => [0, 1].every((rank) => existsSync(join(running.folder, `ready${rank}`))));
  running.child.kill('SIGINT');
  await until(t, 'both have heard', () => running.out.match(/not yet/g)?.length === 2);
  await pause(1100);
  running.child.kill('SIGINT');
  t.is(await running.ended, 130);
  await allGone(t, running, 2);
});

test.serial('nobody is left when the launcher is killed: not who computes without a pause, nor what it has started', async (t) => {
  const running = start(
    t,
    `
    import { spawn } from 'node:child_process';
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => {});
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    appendFileSync('pids', child.pid + '\\n');
    say('ready' + rank);
    if (rank === 0) for (;;);
    setInterval(() => {}, 1000);`,
    ['--processes', '4'],
  );
  await until(t, 'all are ready', () => [0, 1, 2, 3].every((rank) => existsSync(join(running.folder, `ready${rank}`))));
  t.false(pidsOf(running).some(isGone));
  running.child.kill('SIGKILL');
  await running.ended;
  await allGone(t, running, 8);
});

test.serial('a process that is stopped is not left either when the launcher is killed', async (t) => {
  const running = start(t, "say('ready' + rank); setInterval(() => {}, 1000);", ['--processes', '2']);
  await until(t, 'both are ready', () => [0, 1].every((rank) => existsSync(join(running.folder, `ready${rank}`))));
  process.kill(pidsOf(running)[0], 'SIGSTOP');
  running.child.kill('SIGKILL');
  await allGone(t, running, 2);
});

test.serial('the guardian of a launcher ends with it', async (t) => {
  const running = start(t, "console.log('pids', process.ppid); await heard('go');", ['--processes', '1']);
  await until(t, 'it runs', () => running.out.includes('pids'));
  const parent = Number(/pids (\d+)/.exec(running.out)?.[1]);
  const children = (): number[] => readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8').trim().split(' ').map(Number);
  if (process.platform !== 'linux' || !existsSync(`/proc/${parent}/task/${parent}/children`)) return t.pass();
  const all = children();
  t.is(all.length, 2);
  writeFileSync(join(running.folder, 'go'), '');
  t.is(await running.ended, 0);
  await until(t, 'both are gone', () => all.every(isGone));
});

test.serial('a process that is stopped when the others have done their work is killed, and named; one that only computes is not', async (t) => {
  t.timeout(120_000);
  const running = start(
    t,
    `
    if (rank === 2) console.log('pid', process.pid);
    say('ready' + rank);
    if (rank === 1) { const end = Date.now() + 35_000; while (Date.now() < end); }
    if (rank === 2) setInterval(() => {}, 1000);`,
    ['--processes', '3'],
  );
  await until(t, 'all are ready', () => [0, 1, 2].every((rank) => existsSync(join(running.folder, `ready${rank}`))));
  process.kill(Number(/pid (\d+)/.exec(running.out)?.[1]), 'SIGSTOP');
  t.is(await running.ended, 128 + 9);
  t.regex(running.error, /the process of rank 2 gives no sign of life since the others have ended/);
  t.regex(running.error, /the process of rank 2 was ended by SIGKILL/);
  t.notRegex(running.error, /the process of rank 1 (gives|was)/);
  await allGone(t, running, 3);
});
