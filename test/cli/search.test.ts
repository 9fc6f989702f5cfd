// Proves `nodegrad search` as a user meets it: a table, a report, going on after Ctrl-C, threads, tables, and what is wrong in the file.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { readStudy } from '../../lib/index.js';
import { inFolder, outcomeOf } from '../helpers/search.js';

const main = fileURLToPath(new URL('../../lib/cli/main.js', import.meta.url));

/** Runs the command in a folder with a file `search.yaml`; `interruptOn` sends Ctrl-C once standard error matches. */
function run(folder: string, file: string, words: readonly string[] = [], interruptOn?: RegExp, before: readonly string[] = []) {
  writeFileSync(join(folder, 'search.yaml'), file);
  return new Promise<{ code: number | null; out: string; error: string }>((resolve) => {
    const child = spawn(process.execPath, [main, ...before, 'search', 'search.yaml', ...words], {
      cwd: folder,
      env: { ...process.env, NODEGRAD_DATA: '', NODEGRAD_NUM_THREADS: '1' },
    });
    let [out, error] = ['', ''];
    child.stdout.on('data', (chunk) => {
      out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      error += chunk;
      if (interruptOn?.test(error)) {
        child.kill('SIGINT');
        interruptOn = undefined;
      }
    });
    child.on('close', (code) => resolve({ code, out, error }));
  });
}

const digits = `
data: digits
model: mlp
epochs: 1
search:
  lr: { log-uniform: [1e-4, 1e-1] }
  hidden: { choice: [[8], [16, 8]] }
  optimizer: { choice: [momentum, adam] }
  weight-decay: { log-uniform: [1e-6, 1e-3], when: { optimizer: adam } }
trials: 6
seed: 3
`;

test('a search on digits prints a table, names the best and the command that trains it, and leaves a report', async (t) => {
  await inFolder(async (folder) => {
    const { code, out, error } = await run(folder, digits, ['--run-dir', 'here']);
    t.is(code, 0, error);
    t.is(error.trimEnd().split('\n').length, 7);
    t.regex(out, /data +digits: .*; 1000 of the 10000 judge the trials/);
    t.regex(out, /weightDecay: 1e-6 to 0\.001, logarithmic, where optimizer is adam/);
    const best = readStudy(join(folder, 'here')).best;
    t.regex(out, new RegExp(`best +${best?.score.toFixed(4)} by trial ${best?.number}\n`));
    t.regex(out, /again +nodegrad train --data=digits --model=mlp --epochs=1 --lr=0\.\d+ --hidden=\d/);
    t.regex(readFileSync(join(folder, 'here', 'report.html'), 'utf8'), /^<!doctype html>.*Every trial at a glance.*<\/html>\n$/s);
    t.is(JSON.parse(readFileSync(join(folder, 'here', 'report.json'), 'utf8')).best.number, best?.number);
    const again = await run(folder, digits, ['--run-dir', 'there', '--json', '--parallel', '2']);
    t.is(again.code, 0, again.error);
    t.deepEqual(
      outcomeOf(JSON.parse(again.out)),
      JSON.parse(JSON.stringify(outcomeOf(readStudy(join(folder, 'here'))))),
      'threads change nothing',
    );
  });
});

test('launched processes share the search of a file, find what one process finds, and one of them tells of it', async (t) => {
  await inFolder(async (folder) => {
    const launched = ['launch', '--processes', '2', 'nodegrad'];
    const { code, out, error } = await run(folder, digits, ['--run-dir', 'both', '--json'], undefined, launched);
    t.is(code, 0, error);
    t.regex(out, /^\[0\] \{$/m);
    t.notRegex(out, /^\[1\]/m);
    const alone = await run(folder, digits, ['--run-dir', 'alone', '--json']);
    const study = JSON.parse(out.replaceAll(/^\[0\] /gm, ''));
    t.deepEqual(outcomeOf(study), outcomeOf(JSON.parse(alone.out)));
    t.deepEqual(outcomeOf(readStudy(join(folder, 'both'))), outcomeOf(readStudy(join(folder, 'alone'))));
    const tables = error.trimEnd().split('\n');
    t.true(
      ['[0]', '[1]'].every((rank) => tables.some((line) => line.startsWith(rank))),
      'each tells of the trials that it ran',
    );
    const again = await run(folder, digits, ['--run-dir', 'both', '--resume'], undefined, launched);
    t.is(again.code, 0, again.error);
    t.regex(again.out, /seed 3, shared by 2 processes/);
    t.is(again.out.match(/search +completed/g)?.length, 1);
    t.true(existsSync(join(folder, 'both', 'report.html')));
  });
});

test('Ctrl-C ends it with the code of the signal and a report, and --resume goes on to the trials that there would have been', async (t) => {
  await inFolder(async (folder) => {
    await run(folder, digits, ['--run-dir', 'whole']);
    const stopped = await run(folder, digits, ['--run-dir', 'here'], /\n +2 /);
    t.is(stopped.code, 130);
    t.regex(stopped.out, /search +stopped/);
    t.regex(stopped.out, /--resume with --run-dir goes on from there/);
    t.true(existsSync(join(folder, 'here', 'report.html')));
    t.true(readStudy(join(folder, 'here')).trials.length < 6);
    const refused = await run(folder, digits, ['--run-dir', 'here']);
    t.is(refused.code, 1);
    t.regex(refused.error, /holds a study of \d trials: --resume goes on with it/);
    const resumed = await run(folder, digits, ['--run-dir', 'here', '--resume']);
    t.is(resumed.code, 0, resumed.error);
    t.regex(resumed.error, /going on: \d of 6 trials are there/);
    t.deepEqual(outcomeOf(readStudy(join(folder, 'here'))), outcomeOf(readStudy(join(folder, 'whole'))));
  });
});

test('tables are searched as well, by any strategy, and in threads', async (t) => {
  await inFolder(async (folder) => {
    const rows = Array.from({ length: 120 }, (_, i) => `${i % 7},${(i * 5) % 11},${((i % 7) + ((i * 5) % 11)) / 2}`);
    writeFileSync(join(folder, 'sums.csv'), `a,b,half\n${rows.join('\n')}\n`);
    const file = `
data: sums.csv
target: half
task: regression
search:
  lr: { log-uniform: [1e-4, 1e-2] }
  batch-size: { choice: [8, 16] }
strategy: { name: hyperband, budget: 4, reduction: 2 }
parallel: 2
`;
    const { code, out, error } = await run(folder, file, ['--run-dir', 'here']);
    t.is(code, 0, error);
    t.regex(out, /Searching for the best loss/);
    const study = readStudy(join(folder, 'here'));
    t.deepEqual([...new Set(study.trials.map(({ budget }) => budget))], [1, 2, 4]);
    // From rung to rung training goes on: the first epochs of a trial are those of the one before it, to the last bit.
    const before = new Map<number, readonly unknown[]>();
    let onward = 0;
    for (const { config, budget, reports, state } of study.trials) {
      t.is(state, 'completed');
      t.deepEqual(reports.map(({ epoch }) => epoch), Array.from({ length: budget! }, (_, i) => i + 1)); // biome-ignore format: one line
      const earlier = before.get(config) ?? [];
      t.deepEqual(reports.slice(0, earlier.length), earlier);
      onward += Number(earlier.length > 0);
      before.set(config, reports);
    }
    t.true(onward >= 3, `${onward} trials went on`);
    t.true(existsSync(join(folder, 'here', 'config-000000')), 'by checkpoints');
    t.is(study.direction, 'minimize');
  });
});

test('what is wrong in the file is said with its line and column, before any data are loaded', async (t) => {
  await inFolder(async (folder) => {
    const { code, out, error } = await run(folder, digits.replace('[1e-4, 1e-1]', '[0, 1e-1]'));
    t.is(code, 1);
    t.is(out, '');
    t.is(
      error,
      'nodegrad: search.yaml:6:22: expected bounds above 0, of a logarithmic scale, for `low`, received 0 [ERR_ARGUMENT]\n' +
        '(npx nodegrad explain ERR_ARGUMENT says more)\n',
    );
    const wrong: [change: string, by: string, said: RegExp][] = [
      ['trials: 6', 'trials: 0', /search\.yaml:10:9: expected a whole number, at least 1, for 'trials'/],
      ['trials: 6', 'strategy: hyperband', /search\.yaml:10:11: 'hyperband' needs a budget, .*strategy: \{ name: hyperband, budget: 27 \}/],
      ['epochs: 1', 'epoch: 1', /'epoch' is no option here; known: (?!.*\bseed\b.*\bseed\b)/],
    ];
    for (const [change, by, said] of wrong) t.regex((await run(folder, digits.replace(change, by))).error, said);
    const { code: failed, error: why } = await run(folder, digits.replace('data: digits', 'data: digits\nbatch-size: 100000000'), [
      '--run-dir',
      'x',
      '--trials',
      '1',
    ]);
    t.is(failed, 0, why);
  });
});
