// Proves lib/search/log.ts: what a log says, torn and damaged lines, and that nobody goes on with another study.
import { appendFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { ArgumentError, BusyError, FileFormatError, readStudy, search, space } from '../../lib/index.js';
import { FolderLock } from '../../lib/training/folder-lock.js';
import { bowl, inFolder, outcomeOf, still, wide } from '../helpers/search.js';

const options = { progress: false, seed: 6, trials: 6 } as const;
const run = (runDir: string, more: object = {}) => search(wide, bowl, { ...options, runDir, ...more });

test('a line is appended for the study, and for each trial when it begins, reports and ends', async (t) => {
  await inFolder(async (runDir) => {
    await search(
      wide,
      (params, trial) => {
        trial.report({ epoch: 1, score: 2, loss: Number.POSITIVE_INFINITY });
        return bowl(params);
      },
      { ...options, runDir, trials: 2, settings: { data: 'digits' }, name: 'first' },
    );
    const lines = readFileSync(join(runDir, 'search.jsonl'), 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line)); // biome-ignore format: one line
    t.deepEqual(
      lines.map(({ type, number }) => [type, number]),
      [['study', undefined], ['trial', 0], ['report', 0], ['end', 0], ['trial', 1], ['report', 1], ['end', 1]], // biome-ignore format: one line
    );
    t.like(lines[0], {
      version: 1,
      name: 'first',
      seed: 6,
      direction: 'minimize',
      settings: { data: 'digits' },
      strategy: { name: 'RandomSearch' },
    });
    t.like(lines[2], { epoch: 1, score: 2, loss: null });
    const study = readStudy(runDir);
    t.is(study.name, 'first');
    t.deepEqual(JSON.parse(JSON.stringify(study.space)), JSON.parse(JSON.stringify(wide)));
    t.is(study.log, join(runDir, 'search.jsonl'));
  });
});

test('cut off anywhere, a log is read up to its last whole line, and the search goes on to the same trials', async (t) => {
  await inFolder(async (folder) => {
    const whole = await search(wide, bowl, { ...still, ...options });
    for (const cut of [1, 40, 200, 431, 700, 1100]) {
      const runDir = join(folder, String(cut));
      await run(runDir);
      const path = join(runDir, 'search.jsonl');
      truncateSync(path, statSync(path).size - cut);
      t.true(readStudy(runDir).trials.length <= 6);
      t.deepEqual(outcomeOf(await run(runDir, { resume: true })), outcomeOf(whole), `${cut} bytes less`);
      t.deepEqual(outcomeOf(readStudy(runDir)), outcomeOf(whole));
    }
    const first = join(folder, 'first');
    mkdirSync(first);
    writeFileSync(join(first, 'search.jsonl'), '{"type":"stu');
    t.deepEqual(outcomeOf(await run(first, { resume: true })), outcomeOf(whole), 'torn in its first line');
  });
});

test('a study that was killed twice in a row, the second time while it resumed, goes on', async (t) => {
  await inFolder(async (runDir) => {
    const whole = await run(runDir);
    const path = join(runDir, 'search.jsonl');
    writeFileSync(path, `${readFileSync(path, 'utf8')}{"type":"tri\n{"type":"resu`);
    t.deepEqual(outcomeOf(await run(runDir, { resume: true })), outcomeOf(whole));
    t.deepEqual(outcomeOf(readStudy(runDir)), outcomeOf(whole));
  });
});

test('damage in the middle is no torn line: it is refused, with its line', async (t) => {
  await inFolder(async (runDir) => {
    await run(runDir);
    const path = join(runDir, 'search.jsonl');
    const lines = readFileSync(path, 'utf8').split('\n');
    const damages: [string[], RegExp][] = [
      [[...lines.slice(0, 3), lines[3].slice(0, 10), ...lines.slice(4)], /line 4 is not a line of a study/],
      [lines.slice(1), /line 1 is not the beginning of a study of version 1/],
      [[lines[0], ...lines.slice(3)], /line 2 belongs to no trial/],
      [[lines[0].replace('"version":1', '"version":2'), ...lines.slice(1)], /not the beginning of a study of version 1/],
      [[''], /is not the log of a study/],
    ];
    for (const [damaged, message] of damages) {
      writeFileSync(path, damaged.join('\n'));
      t.throws(() => readStudy(runDir), { instanceOf: FileFormatError, message });
    }
    t.throws(() => readStudy(join(runDir, 'none')), { instanceOf: ArgumentError, message: /the log of a study, or its folder.*ENOENT/ });
  });
});

test('a folder that holds a study is not begun anew, nor gone on with as another one, and what differs is said', async (t) => {
  await inFolder(async (runDir) => {
    await run(runDir);
    const before = readFileSync(join(runDir, 'search.jsonl'), 'utf8');
    await t.throwsAsync(run(runDir), { message: /holds a study of 6 trials: `options\.resume` goes on with it/ });
    const others: [object, RegExp][] = [
      [{ seed: 7 }, /its seed is 6, and here it is 7/],
      [{ direction: 'maximize' }, /its direction is "minimize", and here it is "maximize"/],
      [{ settings: 1 }, /its settings is null, and here it is 1/],
    ];
    for (const [more, message] of others) await t.throwsAsync(run(runDir, { resume: true, ...more }), { instanceOf: ArgumentError, message });
    const other = { ...wide, lr: space.logUniform(1e-5, 1) };
    await t.throwsAsync(search(other, bowl, { ...options, runDir, resume: true }), {
      message: /another study: its space is another: `lr` is \{[^{}]*\} there, and \{[^{}]*\} here\. Choose/,
    });
    t.is(readFileSync(join(runDir, 'search.jsonl'), 'utf8'), before);
  });
});

test('two processes do not write to one study: the second is told who is at it', async (t) => {
  await inFolder(async (runDir) => {
    const lock = await FolderLock.take(runDir, '.search-lock');
    await t.throwsAsync(run(runDir), { instanceOf: BusyError, message: /is in use by another run of this process/ });
    await lock.release();
    t.is((await run(runDir)).trials.length, 6);
  });
});

test('a trial whose process died too often fails with that reason, and the search goes on', async (t) => {
  await inFolder(async (runDir) => {
    await run(runDir, { trials: 1 });
    const path = join(runDir, 'search.jsonl');
    const begun = readFileSync(path, 'utf8').split('\n')[1].replace('"number":0', '"number":1').replace('"attempt":1', '"attempt":2'); // biome-ignore format: one line
    appendFileSync(path, `${begun}\n`);
    const study = await run(runDir, { resume: true, attempts: 2 });
    t.like(study.trials[1], { state: 'failed', score: null });
    t.regex(study.trials[1].reason ?? '', /its process died 2 times/);
    t.is(study.trials.filter(({ state }) => state === 'completed').length, 5);
  });
});
