// Proves lib/training/run-log.ts: lines are whole, a torn end is no error, and runs are appended after whatever a killed run left.

import test from 'ava';
import { fork } from 'node:child_process';
import { appendFileSync, chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CrossEntropyLoss, Linear, SGD, Sequential, TensorDataset, ones, zeros } from '../../lib/index.js';
import { ArgumentError, FileFormatError } from '../../lib/errors.js';
import { stepPrograms } from '../../lib/program/step.js';
import { compileReported } from '../../lib/training/run-header.js';
import { RunLog, defaultLogPath, openRunLog, readRunLog } from '../../lib/training/run-log.js';

const record = { epoch: 1, loss: 0.5, metrics: { accuracy: 1 }, lr: 0.1, seconds: 1, samplesPerSecond: 2 };

async function inFolder(use: (path: string, folder: string) => void | Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-log-'));
  try {
    await use(join(folder, 'runs', 'log.jsonl'), folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test('what is written is read: header, epochs, end, and NaN as text', async (t) => {
  await inFolder((path) => {
    const log = new RunLog(path);
    log.write({ type: 'run', seed: 1, bad: NaN, worse: -Infinity });
    log.write({ type: 'epoch', ...record });
    log.write({ type: 'note', text: 'lines of other kinds are for later versions' });
    log.write({ type: 'end', outcome: 'completed' });
    log.close();
    log.close();
    log.write({ type: 'epoch' });
    t.deepEqual(readRunLog(path), {
      runs: [{ header: { seed: 1, bad: 'NaN', worse: '-Infinity' }, epochs: [record], end: { outcome: 'completed' } }],
      torn: false,
    });
    t.is(readFileSync(path, 'utf8').split('\n').length, 5);
  });
});

test('a log that was cut at any byte is read up to its last whole line, and the next run follows on a line of its own', async (t) => {
  await inFolder((path) => {
    const log = new RunLog(path);
    log.write({ type: 'run', note: 'größer' });
    log.write({ type: 'epoch', ...record });
    log.close();
    const whole = readFileSync(path);
    const header = whole.indexOf(10) + 1;
    for (let length = 0; length <= whole.length; length++) {
      writeFileSync(path, whole.subarray(0, length));
      const { runs, torn } = readRunLog(path);
      // A line is whole when its JSON is, with or without its line end.
      t.is(runs.length, length >= header - 1 ? 1 : 0, `cut at ${length}`);
      if (runs.length > 0) t.is(runs[0].epochs.length, length >= whole.length - 1 ? 1 : 0, `cut at ${length}`);
      t.is(torn, length > 0 && ![header - 1, header, whole.length - 1, whole.length].includes(length), `cut at ${length}`);
      const next = new RunLog(path);
      next.write({ type: 'run', next: true });
      next.write({ type: 'end', outcome: 'completed' });
      next.close();
      const after = readRunLog(path);
      t.false(after.torn);
      t.deepEqual(after.runs.at(-1), { header: { next: true }, epochs: [], end: { outcome: 'completed' } }, `cut at ${length}`);
    }
  });
});

test('a process that is killed while it writes leaves a log that can be read', async (t) => {
  await inFolder(async (path) => {
    const url = new URL('../../lib/training/run-log.js', import.meta.url).href;
    const script = `const { RunLog } = await import(${JSON.stringify(url)});
      const log = new RunLog(process.argv[1]);
      log.write({ type: 'run' });
      process.send('ready');
      for (let epoch = 1; ; epoch++) log.write({ type: 'epoch', epoch, loss: 1 / epoch, metrics: {} });`;
    for (let round = 1; round <= 3; round++) {
      const child = fork('-e', { execArgv: ['--input-type=module', '-e', script, path], stdio: 'ignore' });
      await new Promise((resolve) => child.once('message', resolve));
      await new Promise((resolve) => setTimeout(resolve, 10 * round));
      child.kill('SIGKILL');
      await new Promise((resolve) => child.once('close', resolve));
      const { runs } = readRunLog(path);
      t.is(runs.length, round);
      t.deepEqual(
        runs.at(-1)!.epochs.map(({ epoch }) => epoch),
        Array.from({ length: runs.at(-1)!.epochs.length }, (_, i) => i + 1),
      );
      t.is(runs.at(-1)!.end, null);
    }
  });
});

test('files that are no run logs are refused with the line', async (t) => {
  await inFolder((path, folder) => {
    mkdirSync(join(folder, 'runs'));
    for (const [text, message] of [
      ['hello\nworld\n', /line 1 is not a line of a run log/],
      ['{"type":"run"}\n{"type":"epoch"\n{"type":"epoch","epoch":2}\n', /line 2 is not/],
      ['{"type":"epoch","epoch":1}\n', /line 1 belongs to no run/],
      ['[1]\n{"type":"epoch"}\n', /line 1/],
    ] as const) {
      writeFileSync(path, text);
      t.throws(() => readRunLog(path), { instanceOf: FileFormatError, message }, text);
    }
    t.throws(() => readRunLog(join(folder, 'none')), { instanceOf: ArgumentError, message: /ENOENT/ });
    t.throws(() => readRunLog(folder), { instanceOf: ArgumentError, message: /EISDIR/ });
    t.throws(() => readRunLog(7 as never), { instanceOf: ArgumentError });
    writeFileSync(path, '');
    t.deepEqual(readRunLog(path), { runs: [], torn: false });
  });
});

test.serial('a log that was asked for must open; the default one only warns, and can be turned off', async (t) => {
  await inFolder(async (_, folder) => {
    writeFileSync(join(folder, 'file'), '');
    t.throws(() => openRunLog(join(folder, 'file', 'log'), undefined), { instanceOf: ArgumentError, message: /ENOTDIR|EEXIST/ });
    t.throws(() => openRunLog(undefined, join(folder, 'file')), { instanceOf: ArgumentError });
    t.is(openRunLog(false, folder), null);
    const before = process.env.NODEGRAD_RUNS;
    try {
      process.env.NODEGRAD_RUNS = 'off';
      t.is(openRunLog(undefined, undefined), null);
      process.env.NODEGRAD_RUNS = join(folder, 'all');
      const log = openRunLog(undefined, undefined);
      log?.close();
      t.true(log !== null && existsSync(log.path) && log.path.startsWith(join(folder, 'all')));
      t.regex(defaultLogPath(new Date(0)) ?? '', /1970-01-01T00-00-00-[0-9a-f]{4}\.jsonl$/);
      process.env.NODEGRAD_RUNS = join(folder, 'file', 'runs');
      const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
      t.is(openRunLog(undefined, undefined), null);
      t.regex((await warned).message, /the run is not logged/);
    } finally {
      if (before === undefined) delete process.env.NODEGRAD_RUNS;
      else process.env.NODEGRAD_RUNS = before;
    }
  });
});

test('lines of several writers do not mix', async (t) => {
  await inFolder((path) => {
    const logs = Array.from({ length: 4 }, () => new RunLog(path));
    for (const log of logs) log.write({ type: 'run', text: 'x'.repeat(5000) });
    for (const log of logs) log.close();
    t.is(readRunLog(path).runs.length, 4);
    appendFileSync(path, '{"type":"ru');
    chmodSync(path, 0o444);
    t.true(readRunLog(path).torn);
  });
});

test('a compiled run says before its first step how much memory its steps take, in the log, and as a note where it is much', async (t) => {
  await inFolder(async (path) => {
    const model = new Sequential([new Linear(4, 2)]);
    const data = new TensorDataset(ones([8, 4]), zeros([8], { dtype: 'int32' }));
    const notes: string[] = [];
    const progress = { write: (text: string) => notes.push(text) };
    const options = { loss: new CrossEntropyLoss(), optimizer: new SGD(model, { lr: 0.1 }), batchSize: 4, log: path, progress };
    await model.fit(data, options);
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    const kinds = lines.map((line) => JSON.parse(line) as { type: string; arenaBytes?: number });
    const at = kinds.findIndex(({ type }) => type === 'memory');
    t.true((kinds[at].arenaBytes ?? 0) > 0);
    t.true(at < kinds.findIndex(({ type }) => type === 'losses' || type === 'epoch'));
    t.false(notes.join('').includes('intermediate results'));
  });
  const told: unknown[] = [];
  const run = { record: (entry: unknown) => told.push(entry), note: (text: string) => told.push(text) };
  const step = compileReported((x) => x as never, {}, run);
  step.describe(zeros([2]));
  stepPrograms(step).onProgram?.(1.1e9);
  step.dispose();
  t.is(told.length, 3);
  t.deepEqual(told[1], { type: 'memory', arenaBytes: 1.1e9 });
  t.regex(String(told[2]), /^a step takes 1\.1 GB for its intermediate results\. .*smaller batch.*precision: 'bfloat16'.*recompute: true/);
});
