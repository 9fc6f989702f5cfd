// The program functions of the raw binding, with hostile arguments and code that was tampered with: refused with ERR_NATIVE or done, no crash.
// NODEGRAD_FUZZ sets the number of rounds, NODEGRAD_SEED the seed.

import test from 'ava';
import { beside, ending } from '../native/child.js';

const rounds = Number(process.env['NODEGRAD_FUZZ'] ?? 2000);
const seed = Number(process.env['NODEGRAD_SEED'] ?? 1);

test(`${rounds} rounds of hostile calls of the raw binding's program functions: done or refused, and every job that was queued settles`, async (t) => {
  t.timeout(60_000 + rounds * 60);
  t.log(`seed ${seed} (NODEGRAD_SEED), ${rounds} rounds (NODEGRAD_FUZZ)`);
  const limit = 50_000 + rounds * 50;
  const { code, signal, stdout, stderr } = await ending(beside(import.meta.url, 'binding.child.js'), {
    args: [String(rounds), String(seed)],
    limit,
  });
  t.deepEqual({ code, signal }, { code: 0, signal: null }, stderr);
  const outcomes: Record<string, number> = JSON.parse(stdout);
  t.deepEqual(
    Object.keys(outcomes).filter((name) => !/: (done|refused)$/.test(name)),
    [],
  );
  for (const name of ['createProgram', 'runProgram', 'queueProgram', 'queueRun']) {
    t.true(outcomes[`${name}: done`] > 0 && outcomes[`${name}: refused`] > 0, `${name} ${stdout}`);
  }
});
