// Proves lib/report/tail.ts: a log that grows in pieces of any size is read as it would be at its end, and what is new is told once.

import test from 'ava';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type LoggedRun, readRunLog } from '../../lib/index.js';
import { LogTail, type RunNews } from '../../lib/report/tail.js';
import { inFolder, observer, train } from '../helpers/reports.js';

/** Puts news together, as the page does. */
function take(runs: Map<string, Record<string, unknown>>, news: readonly RunNews[]): void {
  for (const { id, ...fresh } of news) {
    const run = runs.get(id) ?? {};
    runs.set(id, run);
    for (const [name, value] of Object.entries(fresh))
      run[name] = Array.isArray(value) ? [...((run[name] as unknown[]) ?? []), ...(value as unknown[])] : value;
  }
}

test('pieces of any size, cut anywhere, give the runs of the whole log', async (t) => {
  await inFolder(async (folder) => {
    await train(join(folder, 'a'), { callbacks: [observer] });
    await train(join(folder, 'a'), { lr: 0.2 });
    const whole = readFileSync(join(folder, 'a', 'log.jsonl'));
    const wanted = readRunLog(join(folder, 'a', 'log.jsonl')).runs;
    for (const size of [1, 7, 1000, 4096, whole.length]) {
      const path = join(folder, `${size}.jsonl`);
      writeFileSync(path, '');
      const tail = new LogTail(path);
      const runs = new Map<string, Record<string, unknown>>();
      const step = size === 1 ? Math.floor(whole.length / 300) : size;
      for (let at = 0; at < whole.length; at += step) {
        appendFileSync(path, whole.subarray(at, at + step));
        take(runs, tail.poll() ?? []);
      }
      t.deepEqual(tail.poll(), []);
      const plain = (list: readonly object[]): LoggedRun[] => list.map((run) => ({ ...run, id: undefined, path: undefined })) as never;
      t.deepEqual(plain(tail.runs), plain(wanted), `pieces of ${step}`);
      t.deepEqual(plain([...runs.values()]), plain(wanted), `news of ${step}`);
      t.deepEqual([...runs.keys()], [String(size), `${size}#2`]);
    }
  });
});

test('what is no line is passed over, a log that is made anew is read anew, one that is gone stays as it was', async (t) => {
  await inFolder((folder) => {
    const path = join(folder, 'x.jsonl');
    const tail = new LogTail(path);
    t.deepEqual(tail.poll(), []);
    writeFileSync(
      path,
      '{"type":"epoch","epoch":0}\n{"type":"run","run":"a","seed":1}\nhalf a li\n{"type":"epoch","run":"a","epoch":1}\n{"type":"epo',
    );
    t.deepEqual(tail.poll(), [{ id: 'x', path, header: { seed: 1 }, epochs: [{ epoch: 1 }] }]);
    appendFileSync(path, 'ch","run":"a","epoch":2}\n');
    t.deepEqual(tail.poll(), [{ id: 'x', path, epochs: [{ epoch: 2 }] }]);
    writeFileSync(path, '{"type":"run","run":"b"}\n');
    t.is(tail.poll(), null);
    t.is(tail.runs.length, 1);
    t.deepEqual(tail.runs[0].epochs, []);
  });
});
