// The driver thread: workers terminated in mid-step, a process that ends in mid-step, and one that has nothing more to do.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const child = fileURLToPath(new URL('./driver.child.js', import.meta.url));
const rounds = process.env['NODEGRAD_LONG'] === '1' ? 50 : 5;

function run(...args: string[]) {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [child, ...args], { encoding: 'utf8', timeout: 120_000 });
  return { status, signal, stdout: stdout.trim(), stderr };
}

test('workers that are terminated in mid-step take nothing with them', (t) => {
  const { status, signal, stdout, stderr } = run('terminate', String(rounds));
  t.deepEqual({ status, signal, stdout }, { status: 0, signal: null, stdout: 'survived' }, stderr);
});

test('process.exit() in mid-step ends the process with its code', (t) => {
  for (let round = 0; round < rounds; round++) {
    const { status, signal, stdout, stderr } = run('exit');
    t.deepEqual({ status, signal, stdout }, { status: 7, signal: null, stdout: 'leaving' }, stderr);
  }
});

test('a process without a step in flight ends by itself', (t) => {
  const { status, signal, stdout, stderr } = run('idle');
  t.deepEqual({ status, signal, stdout }, { status: 0, signal: null, stdout: 'done' }, stderr);
});
