// Proves that SIGKILL at any moment costs a run nothing but time: not a checkpoint, not a bit. `NODEGRAD_KILLS` says how many kills.

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { Random } from '../../lib/index.js';

const child = fileURLToPath(new URL('./checkpoint.child.js', import.meta.url));
const wanted = Number(process.env['NODEGRAD_KILLS'] ?? 12);
const environment = { ...process.env, NODEGRAD_NUM_THREADS: '1', NODEGRAD_RUNS: 'off' };

/** What a folder holds: the step of the newest checkpoint, 0 without one, and whether a file is half written. */
function lookAt(dir: string): { newest: number; isWriting: boolean } {
  const names = readdirSync(dir);
  const steps = names.map((name) => Number(/^step-(\d+)\.safetensors$/.exec(name)?.[1] ?? 0));
  return { newest: Math.max(0, ...steps), isWriting: names.some((name) => name.endsWith('.tmp')) };
}

/** Starts or resumes the run; kills it so many milliseconds after its first step, or after its start. */
function run(
  dir: string,
  report: string,
  delay: number,
  isEarly: boolean,
  kind: string,
): Promise<{ wasKilled: boolean; resumedAt: number | null; error: string }> {
  return new Promise((resolve) => {
    const process = spawn(globalThis.process.execPath, [child, dir, report, kind], { env: environment });
    let [out, error] = ['', ''];
    let timer: NodeJS.Timeout | undefined;
    const arm = (): void => {
      timer ??= setTimeout(() => process.kill('SIGKILL'), delay);
    };
    if (isEarly) arm();
    process.stdout.on('data', (chunk) => {
      out += chunk;
      arm();
    });
    process.stderr.on('data', (chunk) => {
      error += chunk;
    });
    process.on('close', (_code, signal) => {
      clearTimeout(timer);
      const at = /resumed at (\d+)/.exec(out);
      resolve({ wasKilled: signal === 'SIGKILL', resumedAt: at && Number(at[1]), error });
    });
  });
}

const everyRun = test.macro(async (t, wanted: number, kind: 'plain' | 'mended') => {
  t.timeout(Math.max(60_000, wanted * 4000));
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-kill-'));
  const report = join(folder, 'report');
  try {
    spawnSync(process.execPath, [child, '', report, kind], { env: environment });
    const expected = readFileSync(report, 'utf8');
    if (kind === 'mended') t.regex(expected, /went back to the beginning of epoch/);
    const seed = Number(process.env['NODEGRAD_SEED'] ?? 1);
    const random = new Random(seed, 'kills');
    let [kills, inWriting, early, resumes, runs] = [0, 0, 0, 0, 0];
    while (kills < wanted) {
      const dir = join(folder, String(runs));
      let saved = 0;
      for (let isDone = false; !isDone; ) {
        const isEarly = random.integer(8) === 0;
        // The start of a process takes about this long; steps and writing, much less.
        const delay = kills >= wanted ? 2 ** 30 : random.integer(isEarly ? 250 : 120);
        const { wasKilled, resumedAt, error } = await run(dir, report, delay, isEarly, kind);
        if (resumedAt !== null) {
          t.is(resumedAt, saved, 'it goes on from the newest checkpoint that was there');
          if (saved > 0) resumes += 1;
        }
        if (!wasKilled) t.is(error, '');
        isDone = !wasKilled;
        if (isDone) break;
        kills += 1;
        if (resumedAt === null) early += 1;
        try {
          const { newest, isWriting } = lookAt(dir);
          t.true(newest >= saved, `checkpoints reached step ${saved}, now ${newest}`);
          saved = newest;
          if (isWriting) inWriting += 1;
        } catch (reason) {
          // Killed before it had made its folder.
          if ((reason as NodeJS.ErrnoException).code !== 'ENOENT' || saved > 0) throw reason;
        }
      }
      t.is(readFileSync(report, 'utf8'), expected, `run ${runs}`);
      rmSync(report);
      runs += 1;
    }
    t.log(
      `seed ${seed}, ${kills} kills: ${inWriting} in the middle of a file, ${early} before the first step; ${resumes} resumes; ${runs} runs, all equal`,
    );
    if (wanted >= 100) t.true(inWriting >= wanted / 20, 'a good share falls into the writing');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

const mended = Math.ceil(wanted / 3);
test(
  `killed ${wanted} times at random moments, every run ends as the one that was left alone, and no checkpoint is lost`,
  everyRun,
  wanted,
  'plain',
);
test(`so does one that a sitter mends on its way, killed ${mended} times`, everyRun, mended, 'mended');
