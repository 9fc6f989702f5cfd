// Training in several processes: the weights are those of one, bit for bit, and what goes wrong in one of them all hear of.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { info } from '../../lib/index.js';
import { runCommand } from '../helpers/command.js';
import { hasGroups, runGroup, type Said } from '../helpers/groups.js';
import { inFolder } from '../helpers/reports.js';
import type { Errand } from './group.child.js';

const inGroups = hasGroups ? test.serial : test.serial.skip;
const every = ['mlp', 'wide', 'counted', 'conv-net', 'augmented', 'lstm', 'ignored', 'validated', 'looked-at', 'synchronized', 'bfloat16'];

let alone: Said | undefined;
const expected = async (): Promise<Said['outcomes']> => (alone ??= (await runGroup(0, { kinds: every }))[0]).outcomes;

for (const size of [1, 2, 3, 4, 8, 16]) {
  inGroups(`${size} processes train to the bits of one, whose batches have as many shards`, async (t) => {
    t.timeout(120_000);
    const wanted = await expected();
    for (const { outcomes, error } of await runGroup(size, { kinds: every })) {
      t.is(error, null);
      t.deepEqual(outcomes, wanted);
    }
  });
}

/** What must not change a bit: of any number of processes each. */
const ways: Readonly<Record<string, Partial<Errand> & { env?: NodeJS.ProcessEnv }>> = {
  'as they come': {},
  'eager steps': { options: { eager: true } },
  '3 threads': { threads: 3 },
  'over sockets': { env: { NODEGRAD_SINGLE_COPY: '0' } },
  scalar: { env: { NODEGRAD_ISA: 'scalar' } },
  // The widest is what they come with.
  ...(['avx2', 'avx512'].includes(info().isa) ? { avx2: { env: { NODEGRAD_ISA: 'avx2' } } } : {}),
};

/** The digests of a kind that a group was asked to train; an error of any of its processes instead. */
async function digests(size: number, kind: string, { env = {}, options, ...errand }: (typeof ways)[string], epochs: number): Promise<string[]> {
  const asked = { kinds: [kind], reproducible: true, ...errand, options: { batchSize: 35, epochs, ...options }, timeout: 120_000 };
  return (await runGroup(size, asked, { env })).map(({ outcomes, error }) => error ?? outcomes[kind].digest);
}

inGroups('neither eager steps, nor threads, nor instructions, nor the way that messages go, change the bits of a group', async (t) => {
  t.timeout(120_000);
  for (const kind of ['mlp', 'conv-net']) {
    const [wanted] = await digests(0, kind, {}, 1);
    for (const [way, asked] of Object.entries(ways))
      t.deepEqual(new Set(await digests(3, kind, asked, 1)), new Set([wanted]), `${kind}, ${way}`);
  }
});

inGroups('batch normalization over the whole batch has one digest too, whatever is fused', async (t) => {
  t.timeout(120_000);
  const [wanted] = await digests(0, 'synchronized', {}, 1);
  const compiled = Object.entries(ways).filter(([way]) => way !== 'eager steps');
  for (const [way, asked] of [...compiled, ['nothing fused', { env: { NODEGRAD_FUSE: '0' } }] as const])
    t.deepEqual(new Set(await digests(3, 'synchronized', asked, 1)), new Set([wanted]), way);
});

// A shard has 2 or 3 examples, and an epoch two steps.
const inLong = hasGroups && process.env['NODEGRAD_LONG'] === '1' ? test.serial : test.serial.skip;
for (const kind of ['mlp', 'lstm', 'resnet-20'])
  inLong(`after 200 steps ${kind} has one digest, whatever the processes, the threads and the instructions`, async (t) => {
    t.timeout(3_600_000);
    const [wanted] = await digests(0, kind, {}, 100);
    for (const size of [0, 1, 2, 3, 4, 8, 16])
      for (const [way, asked] of Object.entries(ways)) {
        if (size > 4 && way === 'scalar' && kind === 'resnet-20') continue; // hours
        t.deepEqual(new Set(await digests(size, kind, asked, 100)), new Set([wanted]), `${size} processes, ${way}`);
        t.log(`${size} processes, ${way}: ${wanted}`);
      }
  });

inGroups('processes of one machine read from the memory of each other, unless they are told not to', async (t) => {
  const count = async (env: NodeJS.ProcessEnv): Promise<unknown> =>
    (await runGroup(3, { kinds: ['neighbours'] }, { env })).map(({ outcomes, error }) => error ?? outcomes['neighbours'].count);
  t.deepEqual(await count({}), [2, 2, 2]);
  t.deepEqual(await count({ NODEGRAD_SINGLE_COPY: '0' }), [0, 0, 0]);
});

inGroups('each process makes and computes its own batches of validation data', async (t) => {
  const kinds = ['asked'];
  const [{ outcomes }] = await runGroup(0, { kinds });
  const said = await runGroup(3, { kinds });
  const asked = said.map(({ outcomes: own }) => own['asked'].count as number);
  // Everybody looks at as many for the digest of the data and their domains; the batches are 256, 512 and 332 examples, in each of two epochs.
  t.deepEqual(
    asked.map((count) => count - asked[0]),
    [0, 2 * (512 - 256), 2 * (332 - 256)],
  );
  t.true(asked[1] < (outcomes['asked'].count as number));
});

inGroups('an error in one process ends the run in all, and the others say whose it was', async (t) => {
  const said = await runGroup(
    3,
    { kinds: ['mlp'], fault: { step: 3, kind: 'throws' } },
    { of: (rank) => (rank === 1 ? {} : { fault: { step: -1, kind: 'throws' } }) },
  );
  t.is(said[1].error, 'step 3 went wrong');
  for (const rank of [0, 2]) {
    t.is(said[rank].error, 'process 1 failed first: step 3 went wrong');
    t.is(said[rank].code, 'ERR_GROUP');
  }
});

inGroups('a process that is killed is noticed at once', async (t) => {
  const said = await runGroup(
    3,
    { kinds: ['wide'], fault: { step: 3, kind: 'dies' } },
    { of: (rank) => (rank === 2 ? {} : { fault: { step: -1, kind: 'dies' } }) },
  );
  t.is(said[2].signal, 'SIGKILL');
  for (const rank of [0, 1]) {
    // Nobody is accused who only noticed it, too.
    // Of the others one may go first.
    t.regex(said[rank].error ?? '', /^(process \d )?lost the connection to process \d, which may have failed, or left/);
    t.is(said[rank].code, 'ERR_GROUP');
    t.true(said[rank].seconds < 15);
  }
});

inGroups('a process that does not answer is noticed after the time-out', async (t) => {
  const said = await runGroup(
    2,
    { kinds: ['wide'], timeout: 1500, fault: { step: 3, kind: 'hangs' } },
    {
      of: (rank) => (rank === 1 ? {} : { fault: { step: -1, kind: 'hangs' } }),
      started: ([other, stopped]) => other.on('exit', () => stopped.kill('SIGKILL')),
    },
  );
  t.regex(said[0].error ?? '', /^waited for process 1 in vain, which may be stuck/);
  t.true(said[0].seconds < 15);
});

inGroups('where only some processes call fit(), the others hear that one has left', async (t) => {
  const said = await runGroup(3, { kinds: ['mlp'] }, { of: (rank) => (rank === 1 ? { kinds: [] } : {}) });
  t.is(said[1].error, null);
  for (const rank of [0, 2]) {
    t.regex(said[rank].error ?? '', new RegExp(`^process 1 has left the group, which it closed while process ${rank} was in fit\\(\\)`));
    t.is(said[rank].code, 'ERR_GROUP');
  }
});

inGroups('who is called with something else than process 0 is refused', async (t) => {
  const said = await runGroup(2, { kinds: ['mlp'] }, { of: (rank) => (rank === 1 ? { options: { batchSize: 48, maxGradNorm: 3 } } : {}) });
  t.regex(said[1].error ?? '', /process 1 differs from process 0: batchSize was 32, is 48; maxGradNorm was none, is 3/);
  t.regex(said[0].error ?? '', /process 1 failed first: all processes of a group call fit\(\) alike/);
});

inGroups('who stops a run stops it in all processes, after the same epoch', async (t) => {
  const said = await runGroup(
    3,
    { kinds: ['mlp'], fault: { step: 1, kind: 'stops' } },
    { of: (rank) => (rank === 1 ? {} : { fault: { step: -1, kind: 'stops' } }) },
  );
  t.deepEqual(
    said.map(({ outcomes }) => outcomes['mlp'].stopped),
    ['stopped by process 1', 'enough', 'stopped by process 1'],
  );
  t.is(new Set(said.map(({ outcomes }) => JSON.stringify(outcomes['mlp'].losses))).size, 1);
  t.is(said[0].outcomes['mlp'].losses.length, 1);
});

inGroups('a program may open one group of its environment after another', async (t) => {
  await inFolder(async (folder) => {
    const script = join(folder, 'twice.mjs');
    const lines = [
      `import { ProcessGroup, Tensor } from ${JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)};`,
      'for (const factor of [1, 10]) {',
      '  const group = await ProcessGroup.fromEnvironment({ timeout: 10_000 });',
      '  const sum = Tensor.from(Float32Array.of(factor * (group.rank + 1)));',
      '  group.allReduce(sum);',
      '  await group.close();',
      '  console.log(sum.item());',
      '  if (group.rank === 1) await new Promise((resolve) => setTimeout(resolve, 500)); // the others look for it meanwhile',
      '}',
    ];
    writeFileSync(script, lines.join('\n'));
    const { code, out, error } = await runCommand(folder, ['launch', '--processes', '2', script]);
    t.is(code, 0, error);
    t.deepEqual(out.trim().split('\n').sort(), ['[0] 3', '[0] 30', '[1] 3', '[1] 30']);
  });
});
