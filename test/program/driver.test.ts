// The driver thread: workers terminated in mid-step, a process that ends in mid-step, memory that is taken away in mid-step, and a process that
// has nothing more to do. NODEGRAD_ROUNDS=200 sets how often each.

import test from 'ava';
import { beside, type Ending, ending, patience } from '../native/child.js';

const given = process.env['NODEGRAD_ROUNDS'];
const rounds = (usual: number): number => Number(given ?? usual);
const script = beside(import.meta.url, 'driver.child.js');

function run(mode: string, count: number, seed = 1): Promise<Ending> {
  return ending(script, { args: [mode, String(count), String(seed)], limit: 60_000 + count * 6000 });
}

test('eight workers at once that are terminated while they train take nothing with them', async (t) => {
  t.timeout((60_000 + rounds(2) * 6000) * patience);
  const { code, signal, stdout, stderr } = await run('terminate', rounds(2));
  t.deepEqual({ code, signal, stdout }, { code: 0, signal: null, stdout: 'survived\n' }, stderr);
});

test('process.exit() while steps, streams, fit(), predictions, clones or saves are under way ends the process with its code', async (t) => {
  t.timeout((60_000 + rounds(5) * 6000) * patience);
  for (let round = 0; round < rounds(5); round++) {
    const { code, signal, stdout, stderr } = await run('exit', round, round);
    t.deepEqual({ code, signal, stdout }, { code: 7, signal: null, stdout: 'leaving\n' }, `round ${round}\n${stderr}`);
  }
});

test('memory that is transferred away around steps, streams and fit() gives a typed error or was copied before, and the process ends', async (t) => {
  t.timeout((60_000 + rounds(3) * 6000) * patience);
  const { code, signal, stdout, stderr } = await run('transfer', rounds(3));
  t.deepEqual({ code, signal }, { code: 0, signal: null }, stderr);
  const lines = stdout.trim().split('\n');
  const allowed = /^(after: done|before: ERR_NATIVE|(many|fit|fit without memory): ERR_[A-Z]+|predict: done|many: done)$/;
  t.deepEqual(
    lines.filter((line) => !allowed.test(line)),
    [],
  );
  t.true(lines.includes('many: ERR_NATIVE') && lines.includes('fit: ERR_NATIVE'), stdout);
});

test('a process without a step in flight ends by itself', async (t) => {
  const { code, signal, stdout, stderr } = await run('idle', 0);
  t.deepEqual({ code, signal, stdout }, { code: 0, signal: null, stdout: 'done\n' }, stderr);
});
