// Proves lib/cli/report.ts as a user meets it: a report beside the run, of several runs, as JSON, and a live view that Ctrl-C ends.

import test from 'ava';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ReportData } from '../../lib/index.js';
import { inFolder, train } from '../helpers/reports.js';

const main = fileURLToPath(new URL('../../lib/cli/main.js', import.meta.url));

/** Runs the command in a folder; `hear` gets its output as it comes, and a way to end it. */
function run(
  folder: string,
  words: readonly string[],
  hear?: (out: string, kill: () => void) => void,
): Promise<{ code: number | null; out: string; error: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [main, ...words], { cwd: folder });
    let [out, error] = ['', ''];
    child.stdout.on('data', (text) => {
      out += text;
      hear?.(out, () => child.kill('SIGINT'));
    });
    child.stderr.on('data', (text) => {
      error += text;
    });
    child.on('error', reject).on('close', (code) => resolve({ code, out, error }));
  });
}

test('train --report writes the page of the run and says where; --tensorboard writes event files', async (t) => {
  await inFolder(async (folder) => {
    const words = ['train', '--hidden', '16', '--epochs', '1', '--run-dir', 'here', '--report', '--tensorboard', 'board'];
    const { code, out } = await run(folder, words);
    t.is(code, 0);
    t.regex(out, /report +here\/report\.html/);
    t.regex(readFileSync(join(folder, 'here', 'report.html'), 'utf8'), /"confusion":\[\[/);
    t.true(existsSync(join(folder, 'board')));
  });
});

test('report writes a page beside one log, for several runs where it is told, and gives the data as JSON', async (t) => {
  await inFolder(async (folder) => {
    for (const name of ['a', 'b']) await train(join(folder, 'runs', name));
    t.is((await run(folder, ['report', 'runs/a'])).out, `report: ${join(folder, 'runs', 'a', 'report.html')}\n`);
    t.true(existsSync(join(folder, 'runs', 'a', 'report.html')));
    t.is((await run(folder, ['report', 'runs', '--output', 'all.html'])).code, 0);
    t.regex(readFileSync(join(folder, 'all.html'), 'utf8'), /"id":"a".*"id":"b"/);
    const { out, code } = await run(folder, ['report', 'runs', '--json']);
    t.is(code, 0);
    t.deepEqual((JSON.parse(out) as ReportData).runs.map(({ id }) => id).sort(), ['a', 'b']);
    const none = await run(folder, ['report', 'nothing']);
    t.is(none.code, 1);
    t.regex(none.error, /expected the path of a log, or of a folder of runs, received "nothing"\. .*ENOENT/);
  });
});

test('watch gives an address, shows the runs there, and ends with Ctrl-C', async (t) => {
  await inFolder(async (folder) => {
    await train(join(folder, 'runs', 'a'));
    let status = 0;
    const { code } = await run(folder, ['watch'], (out, kill) => {
      const url = /live view: (\S+)\n/.exec(out)?.[1];
      if (url === undefined || status !== 0) return;
      status = -1;
      void fetch(url).then((answer) => {
        status = answer.status;
        kill();
      });
    });
    t.is(status, 200);
    t.is(code, 0);
  });
});
