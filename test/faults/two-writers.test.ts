// Two processes on one folder of checkpoints, killed at random moments: no work is lost, and no run gets another's weights. `NODEGRAD_KILLS` says how many kills.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { Random } from '../../lib/index.js';

const child = fileURLToPath(new URL('./runs.child.js', import.meta.url));
const wanted = Number(process.env['NODEGRAD_KILLS'] ?? 8);
const env = { ...process.env, NODEGRAD_NUM_THREADS: '1', NODEGRAD_RUNS: 'off' };

interface End {
  readonly resumedAt: number | null;
  readonly refusal: string | null;
  readonly wasKilled: boolean;
  readonly error: string;
}

/** Runs the child; kills it so many milliseconds after it began to train, null for never. */
function run(dir: string, report: string, dataSeed: number, delay: number | null): Promise<End> {
  return new Promise((resolve) => {
    const process = spawn(globalThis.process.execPath, [child, dir, report, String(dataSeed)], { env });
    let [out, error] = ['', ''];
    let timer: NodeJS.Timeout | undefined;
    process.stdout.on('data', (chunk) => {
      out += chunk;
      if (delay !== null && out.includes('resumed')) timer ??= setTimeout(() => process.kill('SIGKILL'), delay);
    });
    process.stderr.on('data', (chunk) => {
      error += chunk;
    });
    process.on('close', (_code, signal) => {
      clearTimeout(timer);
      const at = /resumed at (\d+)/.exec(out);
      resolve({
        resumedAt: at && Number(at[1]),
        refusal: /refused: (.*)/.exec(out)?.[1] ?? null,
        wasKilled: signal === 'SIGKILL',
        error,
      });
    });
  });
}

const newestIn = (dir: string): number =>
  existsSync(dir) ? Math.max(0, ...readdirSync(dir).map((name) => Number(/^step-(\d+)\.safetensors$/.exec(name)?.[1] ?? 0))) : 0;

test(`two processes on one folder, killed ${wanted} times: no work is lost, and no run gets another's weights (faults R01, R02)`, async (t) => {
  t.timeout(Math.max(120_000, wanted * 8000));
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-two-'));
  try {
    const alone = join(folder, 'alone');
    spawnSync(process.execPath, [child, '', alone], { env });
    const expected = readFileSync(alone, 'utf8');
    const seed = Number(process.env['NODEGRAD_SEED'] ?? 1);
    const random = new Random(seed, 'two writers');
    let [kills, refusals, strangers, runs, tries] = [0, 0, 0, 0, 0];
    while (kills < wanted) {
      runs += 1;
      const dir = join(folder, String(runs));
      const reports = ['a', 'b'].map((name) => join(folder, `${runs}-${name}`));
      for (let isDone = false; !isDone; ) {
        const saved = newestIn(dir);
        const isLast = kills >= wanted;
        // On a folder that belongs to the first run, the second is one on other data every other time.
        const isStranger = saved > 0 && (tries += 1) % 2 === 0;
        const ends = await Promise.all(
          reports.map((report, i) => run(dir, report, i === 1 && isStranger ? 2 : 1, isLast ? null : 20 + random.integer(200))),
        );
        for (const [i, { resumedAt, refusal, wasKilled, error }] of ends.entries()) {
          if (wasKilled) kills += 1;
          else t.is(error, '');
          if (refusal !== null) t.regex(refusal, /in use by process \d+ on .*since|is a checkpoint of another run: data\.digest was/);
          if (refusal !== null) refusals += 1;
          if (resumedAt !== null) t.true(resumedAt >= saved, `resumed at ${resumedAt}, where ${saved} was saved`);
          if (i === 1 && isStranger) {
            strangers += 1;
            t.not(refusal, null, 'a run on other data is refused');
            t.false(existsSync(reports[1]));
          }
        }
        // A stranger may have come first, and held the folder while it was refused itself.
        t.true(isStranger || ends.some(({ resumedAt }) => resumedAt !== null), 'one of them may go on');
        t.true(newestIn(dir) >= saved, `checkpoints reached step ${saved}, now ${newestIn(dir)}`);
        isDone = reports.some((report) => existsSync(report));
      }
      const { refusal } = await run(dir, reports[0], 2, null);
      t.regex(refusal ?? '', /another run: data\.digest was/, 'also where the run is finished');
      for (const report of reports) if (existsSync(report)) t.is(readFileSync(report, 'utf8'), expected, `run ${runs}`);
    }
    t.log(`seed ${seed}, ${kills} kills, ${refusals} refusals, ${strangers} runs on other data, ${runs} runs, all equal`);
    if (wanted >= 100) t.true(refusals > wanted / 10 && strangers > 10, 'often enough both were there at once');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
