// fit({ shardOptimizer }): each process keeps a part of the optimizer's state, and nothing else is different.

import { readdirSync } from 'node:fs';
import test from 'ava';
import { ArgumentError, CrossEntropyLoss, type FitOptions, SGD, fit } from '../../lib/index.js';
import { shareOutRanges } from '../../lib/optimizers/state-memory.js';
import { hasGroups, runGroup } from '../helpers/groups.js';
import { optimizerRows } from '../helpers/optimizers.js';
import { inFolder } from '../helpers/reports.js';
import { makeModel, points, quiet } from '../helpers/training.js';

const inGroups = hasGroups ? test.serial : test.serial.skip;
const sharded = { shardOptimizer: true };
const optimizers = optimizerRows.map(({ name }) => `optimizer ${name}`);
const models = ['mlp', 'wide', 'synchronized', 'conv-net', 'lstm', 'ignored', 'bfloat16', 'frozen', 'twice', 'clipped', 'observed'];

inGroups('the weights are those of one process whose optimizer has all of its state', async (t) => {
  t.timeout(400_000); // two dozen trainings, of one to three processes
  const kinds = [...models, ...optimizers];
  const [{ outcomes: wanted }] = await runGroup(0, { kinds });
  for (const size of [1, 2, 3]) {
    for (const { outcomes, error } of await runGroup(size, { kinds, options: sharded })) {
      t.is(error, null);
      t.deepEqual(outcomes, wanted);
    }
  }
});

inGroups('eager steps, and more processes than some tensors have parts, give the same weights', async (t) => {
  t.timeout(120_000);
  const kinds = ['mlp', 'conv-net', 'optimizer Adam'];
  const [{ outcomes: wanted }] = await runGroup(0, { kinds });
  for (const [size, options] of [
    [2, { ...sharded, eager: true }],
    [16, sharded],
  ] as const) {
    for (const { outcomes, error } of await runGroup(size, { kinds, options })) {
      t.is(error, null);
      t.deepEqual(outcomes, wanted);
    }
  }
});

inGroups('a step that only some processes observe has the same bits, and they see the gradients of all', async (t) => {
  const kinds = ['observed'];
  const [{ outcomes: wanted }] = await runGroup(0, { kinds });
  const said = await runGroup(3, { kinds, options: sharded }, { of: (rank) => (rank === 1 ? {} : { options: { ...sharded, callbacks: [] } }) });
  t.not(wanted['observed'].count, 0);
  for (const { outcomes, error } of said) {
    t.is(error, null);
    t.deepEqual({ ...outcomes['observed'], count: 0 }, { ...wanted['observed'], count: 0 });
  }
  t.is(said[1].outcomes['observed'].count, wanted['observed'].count);
});

inGroups('a step sends as much as one whose gradients go to all', async (t) => {
  t.timeout(120_000);
  const kinds = ['wide'];
  for (const size of [2, 4]) {
    const sent = async (options: Partial<FitOptions>): Promise<number[]> =>
      (await runGroup(size, { kinds, measures: true, options: { ...options, observeEvery: 0 } })).map(
        ({ outcomes }) => outcomes['wide'].sent as number,
      );
    const [forAll, forOwners] = [await sent({}), await sent(sharded)];
    // Three steps of an epoch, and what processes tell each other besides.
    const weights = 2 * 1100 + 1100 + 1100 * 1100 + 1100 + 1100 * 4 + 4;
    const wanted = 3 * 2 * ((size - 1) / size) * 4 * weights;
    for (const one of [...forAll, ...forOwners]) t.true(Math.abs(one / wanted - 1) < 0.01, `${one} instead of ${wanted} bytes`);
  }
});

test('every element has one owner, parts are about as large, and larger ones begin with a block of what is summed at once', (t) => {
  for (const size of [1, 2, 3, 16])
    for (const [first, last] of [
      [0, 0],
      [0, 5],
      [16, 4628],
      [0, 1 << 20],
      [32, 3_500_000],
    ]) {
      const ranges = shareOutRanges(first, last, size);
      t.is(
        ranges.reduce((at, { begin, end }) => (begin === at && end > begin ? end : Number.NaN), first),
        last,
      );
      const lengths = Array.from({ length: size }, (_, owner) =>
        ranges.filter((one) => one.owner === owner).reduce((sum, { begin, end }) => sum + end - begin, 0),
      );
      for (const length of lengths)
        t.true(Math.abs(length - (last - first) / size) <= 4096 * Math.ceil((last - first) / (1 << 20)) || last < 5000);
      if (last - first < 1 << 20) continue;
      for (const { begin } of ranges.filter((one) => one.begin < first + (1 << 20))) t.is((begin - first) % 4096, 0);
    }
});

inGroups('each of four processes keeps a fourth of the state', async (t) => {
  const kinds = ['bytes of state'];
  const [{ outcomes: whole }] = await runGroup(0, { kinds });
  const bytes = whole['bytes of state'].count as number;
  // Adam's two averages of 2·64 + 64 + 64·64 + 64 + 64·4 + 4 weights, each tensor at a multiple of 16 elements.
  t.is(bytes, 2 * 4 * (128 + 64 + 4096 + 64 + 256 + 4));
  const parts = (await runGroup(4, { kinds, options: sharded })).map(({ outcomes }) => outcomes['bytes of state'].count as number);
  t.is(
    parts.reduce((sum, part) => sum + part),
    bytes,
  );
  for (const part of parts) t.true(Math.abs(part - bytes / 4) <= 2 * 64, `${part} of ${bytes}`);
});

inGroups('after the run process 0 has the whole state, and the others say so', async (t) => {
  const kinds = ['afterwards'];
  const [{ outcomes }] = await runGroup(0, { kinds });
  const said = await runGroup(3, { kinds, options: sharded });
  t.deepEqual(
    said.map(({ outcomes: own }) => own['afterwards'].count),
    [outcomes['afterwards'].count, -1, -1],
  );
});

inGroups('a checkpoint is whole: the run goes on with fewer processes, and without a group', async (t) => {
  t.timeout(120_000);
  await inFolder(async (dir) => {
    const kinds = ['optimizer Adam'];
    const [{ outcomes: wanted }] = await runGroup(0, { kinds, options: { epochs: 4 } });
    const checkpoint = { dir, every: 2 };
    // One dies in the middle of an epoch, behind a checkpoint of all.
    const fault = { step: 5, kind: 'dies' } as const;
    const died = await runGroup(
      4,
      { kinds, options: { ...sharded, epochs: 4, checkpoint }, fault },
      { of: (rank) => (rank === 3 ? {} : { fault: { ...fault, step: -1 } }) },
    );
    t.is(died[3].signal, 'SIGKILL');
    t.deepEqual(
      readdirSync(dir).filter((name) => name.endsWith('.safetensors')),
      [2, 4].map((step) => `step-${String(step).padStart(12, '0')}.safetensors`),
    );
    for (const [size, epochs, options] of [
      [2, 3, sharded],
      [0, 4, {}],
    ] as const) {
      for (const { outcomes, error } of await runGroup(size, { kinds, options: { ...options, epochs, checkpoint, resume: true } })) {
        t.is(error, null);
        if (epochs === 4) t.deepEqual(outcomes, wanted);
      }
    }
  });
});

inGroups('processes that do not agree on it are refused', async (t) => {
  const said = await runGroup(2, { kinds: ['mlp'] }, { of: (rank) => ({ options: rank === 0 ? {} : sharded }) });
  t.regex(said[1].error ?? '', /process 1 differs from process 0: shardOptimizer was not there, is there, with no checkpoints/);
});

test('it needs a group', async (t) => {
  const model = makeModel();
  const options = { ...quiet, ...sharded, loss: new CrossEntropyLoss(), optimizer: new SGD(model, { lr: 0.1 }) };
  const error = await t.throwsAsync(fit(model, points(8), options), { instanceOf: ArgumentError });
  t.regex(error?.message ?? '', /shardOptimizer.*give `options\.group`/);
});
