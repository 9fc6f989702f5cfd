// Collectives that programs call themselves: whose bits they have, how many bytes they send, and what happens where processes do not agree.

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { hasGroups } from '../helpers/groups.js';
import type { CollectiveErrand } from './collectives.child.js';

const inGroups = hasGroups ? test.serial : test.serial.skip;
const child = fileURLToPath(new URL('./collectives.child.js', import.meta.url));

type Said = Readonly<Record<string, unknown>>;

async function together(kind: CollectiveErrand['kind'], size: number, timeout = 20_000): Promise<Said[]> {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-collectives-'));
  try {
    return await Promise.all(
      Array.from({ length: size }, async (_, rank) => {
        const errand: CollectiveErrand = { kind, rank, size, store: pathToFileURL(folder).href, timeout };
        const env = { ...process.env, NODEGRAD_NUM_THREADS: '1', NODEGRAD_RUNS: 'off' };
        const { stdout } = await promisify(execFile)(process.execPath, [child, JSON.stringify(errand)], { env });
        return JSON.parse(stdout) as Said;
      }),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

for (const size of [1, 2, 3, 4, 7])
  inGroups(`of ${size} processes each gets its part of the sum, with the bits that allReduce gives it`, async (t) => {
    t.timeout(120_000);
    for (const { seconds, afterwards, ...said } of await together('bits', size)) {
      t.is(said['error'], undefined);
      t.is(Object.keys(said).length, 12);
      for (const [what, seen] of Object.entries(said))
        t.deepEqual(seen, { shape: true, isPart: true, isWhole: true, isSum: true, isLeftAlone: true }, what);
    }
  });

inGroups('a compiled step scatters sums as eager code does, and neither its argument nor a parameter is touched', async (t) => {
  for (const { seconds, ...said } of await together('compiled', 3))
    t.deepEqual(said, { same: true, isLeftAlone: true, needsGradient: false, gradient: true, afterwards: 0 });
});

inGroups('a scattered sum and gathering its parts send together what a sum for all does', async (t) => {
  for (const size of [2, 4])
    for (const { scattered, gathered, reduced, all } of await together('bytes', size)) {
      const part = ((size - 1) / size) * (all as number);
      t.deepEqual({ scattered, gathered, reduced }, { scattered: part, gathered: part, reduced: 2 * part });
    }
});

inGroups('what cannot be scattered is refused in words before anything is sent', async (t) => {
  for (const { texts, goesOn } of await together('wrong', 2)) {
    const [scalar, odd, whole, number, nothing, summed] = texts as string[];
    t.regex(scalar, /^ERR_SHAPE: .*first axis can be cut into 2 equal parts, one for each process, received shape \[\]/);
    t.regex(odd, /^ERR_SHAPE: .*first axis can be cut into 2 equal parts, one for each process, received shape \[3, 2\]/);
    t.regex(whole, /^ERR_DTYPE: .*floating-point numbers.*received int32/);
    t.regex(number, /^ERR_ARGUMENT: .*`tensor`/);
    t.regex(nothing, /^ERR_ARGUMENT: .*`tensor`/);
    t.is(summed, 'ERR_DTYPE');
    t.deepEqual(goesOn, [1, 2]);
  }
});

inGroups('tensors of other shapes, a silent process and an aborted signal end the call with an error', async (t) => {
  for (const { code, error, seconds } of await together('shapes', 2, 1500)) {
    t.is(code, 'ERR_GROUP');
    t.regex(error as string, /^(waited for process \d in vain.* a tensor of another shape|lost the connection to process \d)/);
    t.true((seconds as number) < 15);
  }
  const [waited] = await together('silent', 2, 1500);
  t.is(waited['code'], 'ERR_GROUP');
  t.regex(waited['error'] as string, /^waited for process 1 in vain/);
  const [aborted] = await together('aborted', 2, 60_000);
  t.regex(aborted['error'] as string, /its signal was aborted|the group was closed/);
  t.true((aborted['seconds'] as number) < 15);
});
