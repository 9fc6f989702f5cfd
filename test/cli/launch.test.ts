// Proves lib/cli/launch with real processes: ranks, output, places to meet, and command lines that make no sense.

import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import test from 'ava';
import { ArgumentError, serveStore } from '../../lib/index.js';
import { type LaunchCommandOptions, launchCommand, outputOf, rendezvousAddress } from '../../lib/cli/launch.js';
import { Terminal } from '../../lib/cli/terminal.js';
import { allGone, start } from '../helpers/launched.js';
import { Screen } from '../helpers/screen.js';

const room = new URL('../../lib/distributed/', import.meta.url).href;

test.serial('16 processes know who they are, and get the words behind the script; lines stand behind their ranks', async (t) => {
  const running = start(
    t,
    `
    const own = Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith('NODEGRAD_')));
    console.log(JSON.stringify({ ...own, words: process.argv.slice(2), all: [...process.execArgv, ...process.argv] }));
    console.error('to standard error');
    process.stdout.write('a last one without an end');`,
    ['--processes', '16'],
    { after: ['--epochs', '3', '--processes', '2', '-h'] },
  );
  t.is(await running.ended, 0, running.error);
  const rows = [...running.out.matchAll(/^\[ ?(\d+)\] (\{.*\})$/gm)].map(([, rank, json]) => ({ rank, ...JSON.parse(json) }));
  t.deepEqual(
    rows.map(({ rank }) => Number(rank)).sort((a, b) => a - b),
    Array.from({ length: 16 }, (_, i) => i),
  );
  for (const row of rows) {
    t.like(row, {
      NODEGRAD_RANK: row.rank,
      NODEGRAD_WORLD_SIZE: '16',
      NODEGRAD_LOCAL_RANK: row.rank,
      NODEGRAD_LOCAL_WORLD_SIZE: '16',
      NODEGRAD_NODE_RANK: '0',
      NODEGRAD_RESTART: '0',
      NODEGRAD_TOKEN: rows[0].NODEGRAD_TOKEN,
      NODEGRAD_RENDEZVOUS: rows[0].NODEGRAD_RENDEZVOUS,
      words: ['--epochs', '3', '--processes', '2', '-h'],
    });
    t.true(Number(row.NODEGRAD_NUM_THREADS) >= 1);
    t.false('NODEGRAD_LIFELINE' in row);
    t.false(JSON.stringify(row.all).includes(row.NODEGRAD_TOKEN), 'the token is on no command line');
  }
  t.regex(rows[0].NODEGRAD_RENDEZVOUS, /^http:\/\/127\.0\.0\.1:\d+$/);
  t.regex(rows[0].NODEGRAD_TOKEN, /^[\w-]{43}$/);
  t.is(running.out.match(/^\[[ \d]\d\] a last one without an end$/gm)?.length, 16);
  t.deepEqual(
    running.error.trim().split('\n').sort(),
    Array.from({ length: 16 }, (_, i) => `[${String(i).padStart(2)}] to standard error`).sort(),
  );
  await allGone(t, running, 16);
});

test.serial('10 MB of each process come out whole, in order, also where nobody reads for a while', async (t) => {
  const running = start(
    t,
    `
    let text = '';
    for (let i = 0; i < 100_000; i++) text += rank + ' ' + i + ' ' + 'é'.repeat(45) + '\\n';
    for (let i = 0; i < text.length; i += 7001) process.stdout.write(text.slice(i, i + 7001));`,
    ['--processes', '2'],
  );
  running.child.stdout?.pause();
  await pause(500);
  running.child.stdout?.resume();
  t.is(await running.ended, 0, running.error);
  t.true(running.out.length > 10e6);
  const next = [0, 0];
  for (const line of running.out.trimEnd().split('\n')) {
    const [, label, rank, at] = /^\[(\d)\] (\d) (\d+) é{45}$/.exec(line) ?? [];
    if (label !== rank || Number(at) !== next[Number(rank)]++) return t.fail(`after ${next}: ${line.slice(0, 100)}`);
  }
  t.deepEqual(next, [100_000, 100_000]);
});

test.serial('threads and processes of a script live as they would without a launcher', async (t) => {
  const running = start(
    t,
    `
    import { fork } from 'node:child_process';
    import { Worker } from 'node:worker_threads';
    if (process.argv[2] === 'forked') process.on('message', (i) => process.send(i, () => i === 100 && process.disconnect()));
    else {
      const thread = new Worker('require("node:worker_threads").parentPort.postMessage("thread")', { eval: true, workerData: { a: 1 } });
      thread.on('message', (text) => console.log(text));
      const other = fork(process.argv[1], ['forked']);
      other.send(0);
      other.on('message', (i) => i < 100 ? other.send(i + 1) : console.log('forked')).on('exit', (code) => console.log('ended', code));
    }`,
    ['--processes', '1'],
  );
  t.is(await running.ended, 0, running.error);
  t.deepEqual(running.out.trim().split('\n').sort(), ['[0] ended 0', '[0] forked', '[0] thread']);
});

test.serial('a syntax error, a script that is not there, and a reader that has seen enough', async (t) => {
  const broken = start(t, 'const = 1;', ['--processes', '2']);
  t.is(await broken.ended, 1);
  t.regex(broken.error, /the process of rank [01] failed with exit code 1\. Its last lines:\n(\[[01]\].*\n)*\[[01]\] SyntaxError/);
  const { folder } = broken;
  rmSync(join(folder, 'script.mjs'));
  const read = start(t, 'for (let i = 0; i < 20_000; i++) console.log(i); say("done" + rank);', ['--processes', '2'], { folder });
  read.child.stdout?.once('data', () => read.child.stdout?.destroy());
  t.is(await read.ended, 0, 'a run is worth more than what is said about it');
  t.true(existsSync(join(folder, 'done0')) && existsSync(join(folder, 'done1')));
});

const meet = `
  const [{ openRendezvous }, { processEnvironment }] = await Promise.all(['rendezvous', 'environment'].map((stem) => import('${room}' + stem + '.js')));
  const environment = processEnvironment();
  const { worldSize, nodeRank } = environment;
  const store = await openRendezvous(environment, { timeout: 30_000 });
  await store.set('rank/' + rank, Uint8Array.of(nodeRank));
  const all = [];
  for (let other = 0; other < worldSize; other++) all.push((await store.get('rank/' + other))[0]);
  await store.set('done/' + rank, new Uint8Array());
  if (nodeRank === 0) for (let other = 0; other < worldSize; other++) await store.get('done/' + other);
  console.log(all.join(' '));
  await store.close();`;

test.serial(
  'processes of one machine and of two meet in the store, with a token of the environment or of a file, or in a folder',
  async (t) => {
    const one = start(t, meet, ['--processes', '2']);
    t.is(await one.ended, 0, one.error);
    t.deepEqual(one.out.trim().split('\n').sort(), ['[0] 0 0', '[1] 0 0']);
    const { folder } = one;
    const token = 'the-same-on-both-nodes';
    writeFileSync(join(folder, 'token'), `${token}\n`);
    chmodSync(join(folder, 'token'), 0o600);
    const served = await serveStore({ token });
    await served.close(); // its port is free now
    for (const [place, secrets] of [
      [served.address.replace('http://', ''), [{ env: { NODEGRAD_TOKEN: token } }, { words: ['--token-file', 'token'] }]],
      [`file://${folder}/store`, [{}, {}]],
    ] as [string, { env?: Record<string, string>; words?: string[] }[]][]) {
      const nodes = secrets.map(({ env, words = [] }, node) =>
        start(t, meet, ['--processes', '1', '--nodes', '2', '--node-rank', String(node), '--rendezvous', place, ...words], { env, folder }),
      );
      for (const [rank, node] of nodes.entries()) {
        t.is(await node.ended, 0, node.error);
        t.is(node.out, `[${rank}] 0 1\n`);
      }
    }
  },
);

test.serial('a command line that makes no sense says what would, before anything is started', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-launch-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  for (const [words, message] of [
    [[], /required option '--processes <count>' not specified\nFor example: nodegrad launch --processes 4 train\.mjs/],
    [['--processes', '0'], /a whole number of at least 1/],
    [['--processes', '2', '--nodes', '2:1'], /a whole number of at least 1, or two such as 1:4/],
    [['--processes', '2', '--rendezvous', 'here'], /expected host:port, or file:\/\/\/folder/],
  ] as [string[], RegExp][]) {
    const running = start(t, '', words, { folder });
    t.is(await running.ended, 2, words.join(' '));
    t.regex(running.error, message);
  }
  const script = join(folder, 'script.mjs');
  const missing = join(folder, 'missing');
  const one = { processes: 1, nodes: { least: 1, most: 1 }, restarts: 0 };
  const two = { ...one, nodes: { least: 2, most: 2 } };
  const rows: [string, LaunchCommandOptions, RegExp][] = [
    [script, { ...two, processes: 40_000 }, /are more than 65536 processes/],
    [script, { ...two, nodeRank: 2, rendezvous: new URL('http://localhost:1') }, /--node-rank 2 is none of --nodes 2: they count from 0/],
    [script, { ...two, nodeRank: 0, restarts: 1, rendezvous: new URL('http://localhost:1') }, /--node-rank is for a fixed number of nodes/],
    [
      script,
      { ...one, nodes: { least: 1, most: 2 }, nodeRank: 1, rendezvous: new URL('file:///run') },
      /with a range, or --restarts, they agree/,
    ],
    [script, two, /--nodes needs --rendezvous <host:port>/],
    [script, { ...two, rendezvous: new URL('http://localhost:1') }, /several nodes need a secret, the same on all: NODEGRAD_TOKEN/],
    [script, { ...one, tokenFile: missing }, /a file with a token.*ENOENT/],
    [script, { ...one, tokenFile: script }, /for `--token-file`, received a text of/],
    [script, { ...one, rendezvous: new URL('http://192.0.2.1:29400') }, /192\.0\.2\.1:29400 is no address of this machine/],
    [missing, one, /there is no script .*missing/],
  ];
  if (!(process.features as { typescript?: unknown }).typescript) {
    writeFileSync(join(folder, 'script.ts'), '');
    rows.push([join(folder, 'script.ts'), one, /script\.ts is TypeScript, which Node\.js v\S+ does not run by itself: Node\.js 22\.18 does/]);
  }
  for (const [path, options, message] of rows)
    await t.throwsAsync(launchCommand(path, [], options), { instanceOf: ArgumentError, message }, message.source);
  const short = start(t, '', ['--processes', '1'], { folder, env: { NODEGRAD_TOKEN: 'too-short' } });
  t.is(await short.ended, 1);
  t.regex(short.error, /for `NODEGRAD_TOKEN`, received a text of 9 characters/);
  t.false(existsSync(join(folder, 'pids')), 'nothing was started');
});

test('ranks have colours where there are colours, and stand in a column', (t) => {
  const output = (worldSize: number, depth: number) =>
    outputOf(worldSize, { out: new Terminal(new Screen(), depth), error: new Terminal(new Screen(), 1) });
  t.is(output(4, 24).label(1, 'out'), '\x1b[33m[1]\x1b[39m');
  t.not(output(4, 24).label(2, 'out').slice(0, 5), output(4, 24).label(1, 'out').slice(0, 5));
  t.is(output(4, 24).label(1, 'error'), '[1]');
  t.is(output(12, 1).label(1, 'out'), '[ 1]');
  t.is(output(12, 1).label(11, 'out'), '[11]');
});

test('a place to meet is host:port or a folder', (t) => {
  t.is(rendezvousAddress('n1.example:29400').origin, 'http://n1.example:29400');
  t.is(rendezvousAddress('[fd00::1]:29400').origin, 'http://[fd00::1]:29400');
  t.is(rendezvousAddress('http://n1:29400').origin, 'http://n1:29400');
  t.is(rendezvousAddress('file:///shared/run').href, 'file:///shared/run');
  for (const text of ['n1', 'n1:', ':29400', 'n1:port', 'n1:70000', 'n1:1/x', 'https://n1:1', 'file:///', ''])
    t.throws(() => rendezvousAddress(text), undefined, text);
});
