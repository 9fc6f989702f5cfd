// Proves that SIGKILL at any moment costs a search nothing but time: it resumes to the same trials. `NODEGRAD_HOSTILE=1` kills 100 times.
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { Random, readStudy } from '../../lib/index.js';
import { inFolder } from '../helpers/search.js';

const child = fileURLToPath(new URL('./search.child.js', import.meta.url));
const wanted = process.env['NODEGRAD_HOSTILE'] === '1' ? 100 : 12;
const environment = { ...process.env, NODEGRAD_NUM_THREADS: '1', NODEGRAD_RUNS: 'off' };

/** Starts or resumes a search, and kills it so many milliseconds after it began. Gives whether it was killed, and what it complained about. */
function run(words: readonly string[], delay: number): Promise<{ wasKilled: boolean; error: string }> {
  return new Promise((resolve) => {
    const searching = spawn(process.execPath, [child, ...words], { env: environment });
    let error = '';
    let timer: NodeJS.Timeout | undefined;
    searching.stdout.on('data', () => {
      timer ??= setTimeout(() => searching.kill('SIGKILL'), delay);
    });
    searching.stderr.on('data', (chunk) => {
      error += chunk;
    });
    searching.on('close', (_code, signal) => {
      clearTimeout(timer);
      resolve({ wasKilled: signal === 'SIGKILL', error });
    });
  });
}

test(`killed ${wanted} times at random moments, every search ends with the trials of the one that was left alone`, async (t) => {
  t.timeout(Math.max(120_000, wanted * 5000));
  const random = new Random(Number(process.env['NODEGRAD_SEED'] ?? 1), 'kills');
  const kinds = [
    ['random', '1'],
    ['tpe', '1'],
    ['hyperband', '2'],
    ['asha', '1'],
    ['random', '3'],
  ];
  await inFolder(async (folder) => {
    const report = join(folder, 'report');
    let [kills, searches, torn] = [0, 0, 0];
    while (kills < wanted) {
      const [kind, parallel] = kinds[searches % kinds.length];
      spawnSync(process.execPath, [child, join(folder, `whole-${searches}`), report, kind, parallel], { env: environment });
      const expected = JSON.parse(readFileSync(report, 'utf8'));
      rmSync(report);
      const runDir = join(folder, `killed-${searches}`);
      // Every kind of search gets its share.
      const share = Math.min(wanted, kills + Math.ceil(wanted / kinds.length));
      for (;;) {
        const delay = kills >= share ? 2 ** 30 : random.integer(parallel === '1' ? 200 : 400);
        const { wasKilled, error } = await run([runDir, report, kind, parallel], delay);
        if (!wasKilled) {
          t.is(error, '');
          break;
        }
        kills += 1;
        if (readFileSync(join(runDir, 'search.jsonl'), { encoding: 'utf8', flag: 'a+' }).at(-1) !== '\n') torn += 1;
      }
      t.deepEqual(JSON.parse(readFileSync(report, 'utf8')), expected, `search ${searches}, ${kind} with ${parallel}`);
      t.true(readStudy(runDir).trials.every(({ state }) => state === 'completed'));
      rmSync(report);
      searches += 1;
    }
    t.log(`${kills} kills, ${searches} searches, all equal; ${torn} logs ended in the middle of a line`);
  });
});
