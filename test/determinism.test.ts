// The same weights for any number of threads, run after run, and in reproducible mode on any instruction set and version of Node.js.
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import test from 'ava';
import { beside, type ChildOptions, result } from './native/child.js';

interface Trained {
  readonly hash: string;
  readonly loss: number;
  readonly isa: string;
  readonly threads: number;
  readonly gemm: string;
  readonly blas: boolean;
  readonly reproducible: boolean;
  readonly node: string;
}

const script = beside(import.meta.url, 'native/train.child.js');
const mlp = ['784-64-32-10', '200', '64'];
const small = ['96-32-16-10', '200', '32'];
const images = ['images', '20', '12'];

function train(
  env: Record<string, string>,
  mode: 'default' | 'reproducible' = 'default',
  net = mlp,
  more: ChildOptions = {},
  how = 'eager',
): Promise<Trained> {
  return result<Trained>(script, { env, args: [...net, mode, how], ...more });
}

// Two processes at a time: each already uses several threads.
async function each<T, R>(list: readonly T[], body: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const item of list) results.push(await body(item));
  return results;
}

// A processor has some of them; where one is lacking, its best one serves.
const instructionSets = ['scalar', 'avx2', 'avx512', 'neon'];
const threadCounts = ['1', '2', '3', '4', '7', '8'];

for (const gemm of ['auto', 'own', 'openblas']) {
  test(`200 steps of an MLP give the same weights with 1 to 8 threads and again in a second run, with NODEGRAD_GEMM=${gemm}`, async (t) => {
    const runs = await each([...threadCounts, '2'], (threads) => train({ NODEGRAD_NUM_THREADS: threads, NODEGRAD_GEMM: gemm }));
    runs.forEach((run, i) => {
      t.is(run.threads, Number(threadCounts[i] ?? 2));
      t.is(run.gemm, gemm);
      t.false(run.reproducible);
      t.is(run.hash, runs[0].hash, `${run.threads} threads`);
    });
    t.log(`${gemm}${runs[0].blas ? '' : ' (without OpenBLAS)'}: ${runs[0].hash}`);
    t.true(Number.isFinite(runs[0].loss));
  });
}

test('another seed or another batch size gives other weights: the digest sees the training', async (t) => {
  const [usual, shorter, smaller] = await Promise.all([
    train({}),
    train({}, 'default', ['784-64-32-10', '199', '64']),
    train({}, 'default', small),
  ]);
  t.is(new Set([usual.hash, shorter.hash, smaller.hash]).size, 3);
});

test('in reproducible mode scalar, AVX2, AVX-512 and NEON kernels train the same weights', async (t) => {
  const runs = await each(instructionSets, (isa) => train({ NODEGRAD_ISA: isa }, 'reproducible', small));
  for (const [i, isa] of instructionSets.entries()) {
    if (runs[i].isa !== isa) t.log(`skipped: this CPU has no ${isa}`);
    t.true(runs[i].reproducible);
    t.is(runs[i].hash, runs[0].hash, isa);
  }
  t.log(`${small.join(' ')}: ${runs[0].hash}`);
  const large = await each(['avx2', 'avx512'], (isa) => train({ NODEGRAD_ISA: isa }, 'reproducible'));
  t.is(large[1].hash, large[0].hash);
  t.log(`${mlp.join(' ')}: ${large[0].hash}`);
});

test('in reproducible mode the matrix library and the number of threads change nothing', async (t) => {
  const runs = await each(
    [
      { NODEGRAD_GEMM: 'openblas', NODEGRAD_NUM_THREADS: '1' },
      { NODEGRAD_GEMM: 'own', NODEGRAD_NUM_THREADS: '3' },
    ],
    (env) => train(env, 'reproducible'),
  );
  t.is(runs[0].hash, runs[1].hash);
});

test('eager steps, recorded ones and fused ones train the same weights, for any number of threads and, in reproducible mode, any instruction set', async (t) => {
  const eager = await train({}, 'reproducible', small);
  const ways = instructionSets.flatMap((isa, i) =>
    ['0', '1'].map((fuse, k) => ({ NODEGRAD_ISA: isa, NODEGRAD_FUSE: fuse, NODEGRAD_NUM_THREADS: String(1 + i + 2 * k) })),
  );
  const runs = await each(ways, (env) => train(env, 'reproducible', small, {}, env.NODEGRAD_FUSE === '0' ? 'sync' : 'awaited'));
  for (const [i, run] of runs.entries()) t.is(run.hash, eager.hash, JSON.stringify(ways[i]));
  const plain = await train({}, 'default');
  for (const how of ['sync', 'awaited'])
    for (const threads of ['1', '3'])
      t.is((await train({ NODEGRAD_NUM_THREADS: threads }, 'default', mlp, {}, how)).hash, plain.hash, `${how}, ${threads} threads`);
});

test('a convolutional net trains to the same weights with 1 to 7 threads, eager and compiled', async (t) => {
  const [first, ...others] = await each(['1', '2', '3', '7'], (threads) => train({ NODEGRAD_NUM_THREADS: threads }, 'default', images));
  t.true(Number.isFinite(first.loss));
  for (const run of others) t.is(run.hash, first.hash, `${run.threads} threads`);
  for (const how of ['sync', 'awaited'])
    for (const fuse of ['0', '1'])
      t.is((await train({ NODEGRAD_NUM_THREADS: '3', NODEGRAD_FUSE: fuse }, 'default', images, {}, how)).hash, first.hash, `${how}, ${fuse}`);
  const shorter = await train({}, 'default', ['images', '19', '12']);
  t.not(shorter.hash, first.hash);
});

test('and, in reproducible mode, on any instruction set', async (t) => {
  const [first, ...others] = await each(instructionSets, (isa) => train({ NODEGRAD_ISA: isa }, 'reproducible', images));
  for (const run of others) t.is(run.hash, first.hash, run.isa);
  t.is((await train({}, 'reproducible', images, {}, 'awaited')).hash, first.hash);
  t.log(`${images.join(' ')}: ${first.hash}`);
});

// Other versions of Node.js: NODEGRAD_NODES lists binaries; else those that nvm keeps are taken.
function otherNodes(): string[] {
  const listed = (process.env['NODEGRAD_NODES'] ?? '').split(delimiter).filter((path) => path !== '');
  if (listed.length > 0) return listed;
  const nvm = join(process.env['NVM_DIR'] ?? join(homedir(), '.nvm'), 'versions', 'node');
  if (!existsSync(nvm)) return [];
  return readdirSync(nvm)
    .map((name) => join(nvm, name, 'bin', 'node'))
    .filter((path) => existsSync(path));
}

test('other versions of Node.js train the same weights and give the same bits in every operation', async (t) => {
  const nodes = otherNodes();
  if (nodes.length === 0) {
    t.log('skipped: no other Node.js here; NODEGRAD_NODES=/path/to/node:/path/to/another/node names some');
    return t.pass();
  }
  const digest = beside(import.meta.url, 'native/digest.child.js');
  const here = await train({}, 'reproducible');
  const ops = await result<{ digests: Record<string, string> }>(digest, { args: ['reproducible'] });
  t.log(`${here.node} ${here.isa}: ${here.hash}`);
  for (const node of nodes) {
    const there = await train({}, 'reproducible', mlp, { node });
    t.log(`${there.node} ${there.isa}: ${there.hash}`);
    t.is(there.hash, here.hash, there.node);
    const found = await result<{ digests: Record<string, string> }>(digest, { args: ['reproducible'], node });
    t.deepEqual(found.digests, ops.digests, there.node);
  }
});

interface Rows {
  readonly differences: readonly string[];
  readonly count: number;
  readonly gemm: string;
  readonly core: string;
  readonly blas: boolean;
}
const batch = beside(import.meta.url, 'native/batch.child.js');

for (const gemm of ['auto', 'own']) {
  test(`an example alone gives the bits that it gives in any batch, with NODEGRAD_GEMM=${gemm}`, async (t) => {
    const rows = await result<Rows>(batch, { env: { NODEGRAD_GEMM: gemm } });
    t.is(rows.gemm, gemm);
    t.deepEqual(rows.differences, []);
  });
}

test('an example alone gives the bits that it gives in any batch, with each set of kernels of OpenBLAS', async (t) => {
  const cores = ['', 'Haswell', 'Zen', 'SkylakeX', 'Cooperlake', 'Sandybridge', 'Nehalem'];
  const runs = await each(cores, (core) =>
    result<Rows>(batch, { env: { NODEGRAD_GEMM: 'openblas', ...(core === '' ? {} : { OPENBLAS_CORETYPE: core }) } }),
  );
  if (!runs[0].blas) {
    t.log('skipped: there is no OpenBLAS here');
    return t.pass();
  }
  t.log(`cores: ${runs.map(({ core }) => core).join(', ')}`);
  for (const run of runs) t.deepEqual(run.differences, [], run.core);
});
