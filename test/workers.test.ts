// Worker threads load, train and are terminated in mid-call; processes end while the pool is busy. NODEGRAD_LONG=1 does it twenty times over.
import { fileURLToPath } from 'node:url';
import ava, { type ExecutionContext } from 'ava';
import { beside, type Ending, ending } from './native/child.js';

const test = ava.serial; // each test keeps all cores busy by itself
const long = process.env['NODEGRAD_LONG'] === '1';
const scale = long ? 20 : 1;
const script = beside(import.meta.url, 'native/workers.child.js');
const limit = long ? 1_200_000 : 240_000;

// The seed moves with the run, and is printed.
const seed = Number(process.env['NODEGRAD_SEED'] ?? process.pid);

function run(mode: string, rounds: number, more = 0): Promise<Ending> {
  return ending(script, { args: [mode, String(rounds), String(seed + more)], env: { NODEGRAD_NUM_THREADS: '3' }, limit });
}

function ended(t: ExecutionContext, { code, signal, stderr }: Ending, wanted: number): void {
  t.is(signal, null, `seed ${seed}\n${stderr.slice(-2000)}`);
  t.is(code, wanted, `seed ${seed}\n${stderr.slice(-2000)}`);
}

test(`${104 * scale} worker threads are terminated in mid-call while the main thread computes too`, async (t) => {
  t.timeout(limit);
  const end = await run('terminate', 13 * scale);
  ended(t, end, 0);
  t.log(`seed ${seed}: ${end.stdout.trim()}`);
  t.is((JSON.parse(end.stdout) as { terminated: number }).terminated, 104 * scale);
});

test('worker threads that alone have loaded the addon are terminated, and it is loaded again', async (t) => {
  t.timeout(limit);
  const end = await run('workers-only', 4 * scale);
  ended(t, end, 0);
  t.is((JSON.parse(end.stdout) as { terminated: number }).terminated, 32 * scale);
});

test('an uncaught error in a worker thread ends that worker alone', async (t) => {
  t.timeout(limit);
  const end = await run('throw', 2 * scale);
  ended(t, end, 0);
  t.is((JSON.parse(end.stdout) as { failed: number }).failed, 16 * scale);
});

test('process.exit() with eight training workers and a busy pool ends with its code', async (t) => {
  t.timeout(limit);
  for (let i = 0; i < 2 * scale; i++) ended(t, await run('exit', 1, i), 7);
});

test('an uncaught error on the main thread with eight training workers ends with code 1', async (t) => {
  t.timeout(limit);
  for (let i = 0; i < scale; i++) ended(t, await run('main-throws', 1, i), 1);
});

test('ava itself, which loads the addon into worker threads of its own, ends well', async (t) => {
  t.timeout(limit);
  const cli = fileURLToPath(new URL('../../node_modules/ava/entrypoints/cli.mjs', import.meta.url));
  const cwd = fileURLToPath(new URL('../../', import.meta.url));
  const files = ['dist/test/parameter.test.js', 'dist/test/layers/linear.test.js', 'dist/test/optimizers/sgd.test.js'];
  for (let i = 0; i < scale; i++) {
    const end = await ending(cli, { args: ['--timeout', '2m', ...files], cwd, limit });
    ended(t, { ...end, stderr: end.stdout + end.stderr }, 0);
  }
});
