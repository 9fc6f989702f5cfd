// Proves lib/report/report.ts, runs.ts and page.ts: what a log holds is in the report, from every kind of source, and the page needs nothing else.

import test from 'ava';
import { createHash } from 'node:crypto';
import { appendFileSync, copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  ArgumentError,
  FileFormatError,
  Normal,
  History,
  Linear,
  ReLU,
  SGD,
  Sequential,
  reportData,
  runReport,
  setSeed,
  whatIf,
} from '../../lib/index.js';
import { pageOf } from '../../lib/report/page.js';
import { reportFile } from '../../lib/report/report.js';
import { inFolder, observer, train } from '../helpers/reports.js';
import { loss, makeModel, points } from '../helpers/training.js';

test('the data of a report are those of the run: scores, losses, layers, updates, settings and end', async (t) => {
  await inFolder(async (folder) => {
    const history = await train(folder, { callbacks: [observer] });
    const [run, ...others] = reportData(folder).runs;
    t.is(others.length, 0);
    t.deepEqual(run.epochs, history.epochs);
    t.is(run.losses?.flatMap(({ losses }) => losses).length, 64);
    t.true((run.observations?.length ?? 0) >= 6);
    t.is((run.header['model'] as { type: string }).type, 'Sequential');
    t.is(run.end?.['outcome'], 'completed');
    t.deepEqual(reportData([history]).runs, [run], 'the same by the history');
    t.deepEqual(reportData(join(folder, 'log.jsonl')).runs, [run], 'and by the log');
  });
});

test('accuracy of training and validation is in the history of a run, epoch by epoch, and in its report [J21]', async (t) => {
  await inFolder(async (folder) => {
    const { epochs } = await train(folder);
    t.is(epochs.length, 4);
    for (const { metrics, validation } of epochs) {
      t.true(metrics['accuracy'] > 0 && metrics['accuracy'] <= 1);
      t.true(validation !== undefined && validation.metrics['accuracy'] > 0 && validation.metrics['accuracy'] <= 1);
    }
    t.true(epochs[3].metrics['accuracy'] > epochs[0].metrics['accuracy']);
    const curve = reportData(folder).runs[0].epochs.map(({ metrics, validation }) => [metrics['accuracy'], validation?.metrics['accuracy']]);
    t.deepEqual(
      curve,
      epochs.map(({ metrics, validation }) => [metrics['accuracy'], validation?.metrics['accuracy']]),
    );
  });
});

test('curves of rates that are too low, good and too high, of a poor start and of a gap are side by side in one report [J20, O07]', async (t) => {
  await inFolder(async (folder) => {
    for (const lr of [1e-4, 0.1, 3]) await train(join(folder, `lr-${lr}`), { lr });
    setSeed(1);
    const flat = new Sequential([
      new Linear(2, 16, { init: new Normal({ std: 1e-6 }) }),
      new ReLU(),
      new Linear(16, 4, { init: new Normal({ std: 1e-6 }) }),
    ]);
    await train(join(folder, 'poor-start'), { model: flat });
    const { runs } = reportData(folder);
    const curves = new Map(runs.map(({ id, losses = [] }) => [id, losses.flatMap((part) => part.losses)]));
    const last = (id: string): number =>
      curves
        .get(id)!
        .slice(-8)
        .reduce((sum, loss) => sum + loss / 8, 0);
    t.deepEqual([...curves.keys()].sort(), ['lr-0.0001', 'lr-0.1', 'lr-3', 'poor-start']);
    t.true(last('lr-0.1') < 0.7, `a good rate: ${last('lr-0.1')}`);
    t.true(last('lr-0.0001') > 0.9 * curves.get('lr-0.0001')![0], `a low rate hardly moves: ${last('lr-0.0001')}`);
    t.true(Math.max(...curves.get('lr-3')!) > 1.5 * curves.get('lr-3')![0], 'a high rate jumps up');
    t.true(last('poor-start') > 1.3, `weights near zero stay on the plateau: ${last('poor-start')}`);
    for (const { epochs } of runs)
      for (const { loss, validation } of epochs) t.true(Number.isFinite((validation?.loss ?? NaN) - loss), 'the gap, epoch by epoch');
    const page = runReport(folder);
    for (const id of curves.keys()) t.true(page.includes(`"id":"${id}"`), id);
  });
});

test('many runs can be compared by their ids, in any order of sources, and each is there once with all its numbers [J28, O07]', async (t) => {
  await inFolder(async (folder) => {
    const histories: History[] = [];
    for (let i = 0; i < 3; i++) histories.push(await train(join(folder, `run-${i}`), { lr: 0.02 * (i + 1) }));
    await train(join(folder, 'run-0'), { lr: 0.5 });
    copyFileSync(join(folder, 'run-2', 'log.jsonl'), join(folder, 'other.jsonl'));
    writeFileSync(join(folder, 'notes.jsonl'), '{"no": "log"}\n');
    const { runs } = reportData(folder);
    t.deepEqual(runs.map(({ id }) => id).sort(), ['other', 'run-0', 'run-0#2', 'run-1', 'run-2']);
    t.is(new Set(runs.map(({ id }) => id)).size, runs.length);
    const best = runs.toSorted((a, b) => a.epochs.at(-1)!.validation!.loss - b.epochs.at(-1)!.validation!.loss)[0];
    t.is(best.id, 'run-0#2', 'the good one is told by its curve');
    const json = JSON.parse(JSON.stringify(reportData(folder))) as ReturnType<typeof reportData>;
    t.deepEqual(json.runs.find(({ id }) => id === 'run-1')?.epochs, histories[1].epochs);
    t.is(reportData([histories[0], join(folder, 'run-0')]).runs.length, 3);
  });
});

test('what was tried of a finding is in the report of the run: by an option, or by the log', async (t) => {
  await inFolder(async (folder) => {
    const history = await train(folder, { lr: 1e-6 });
    const log = join(folder, 'log.jsonl');
    const [finding] = history.findings;
    t.is(finding.id, 'learning-rate-too-low');
    const run = {
      model: () => makeModel(),
      optimizer: (model: unknown, lr = 1e-6) => new SGD(model as Sequential, { lr }),
      loss,
      data: points(512),
    };
    const tried = await whatIf(run, finding, { steps: 20, log });
    t.deepEqual(tried.steps, [32, 32], 'whole epochs');
    t.true(tried.helped);
    t.deepEqual(reportData(log).runs[0].tried, [tried]);
    t.deepEqual(reportData(history, { tried: [tried] }).runs[0].tried, [tried, tried]);
    t.true(runReport(history).includes(JSON.stringify(tried.text)));
    const { log: _, ...bare } = history;
    const unlogged = Object.assign(new History(), { ...bare, log: null });
    t.like(reportData(unlogged, { tried: [tried] }).runs[0], { tried: [tried], findings: [finding] });
    t.throws(() => reportData([log, log], { tried: [tried] }), { instanceOf: ArgumentError, message: /belongs to one run, and there are 2/ });
    t.throws(() => reportData(log, { tried: ['x'] as never }), { instanceOf: ArgumentError, message: /options\.tried/ });
    await t.throwsAsync(whatIf(run, finding, { log: join(folder, 'none.jsonl') }), { instanceOf: ArgumentError });
  });
});

test('fit writes the report where it was asked to, with single examples, however the run ends', async (t) => {
  await inFolder(async (folder) => {
    await train(folder, { report: true });
    t.true(existsSync(join(folder, 'report.html')));
    const [{ examination, observations }] = reportData(folder).runs;
    t.is((examination as { examples: number }).examples, 128);
    t.true((observations?.length ?? 0) > 0, 'what a report shows is observed for it');
    t.is(reportData(folder).runs[0].architecture, await makeModel().plot(undefined, { inputShape: [2] }));
    const path = join(folder, 'deep', 'page.html');
    const fail = { onEpochEnd: () => Promise.reject(new Error('enough')) };
    await t.throwsAsync(train(join(folder, 'other'), { report: path, callbacks: [fail] }), { message: 'enough' });
    t.regex(readFileSync(path, 'utf8'), /"outcome":"failed"/);
  });
  t.is(reportFile('/a/log.jsonl'), '/a/report.html');
  t.is(reportFile('/a/2026-x.jsonl'), '/a/2026-x.html');
});

test('options that no report can follow are refused before the run', async (t) => {
  await inFolder(async (folder) => {
    for (const [options, message] of [
      [{ report: 3 }, /true, false, or the path of a file/],
      [{ report: folder }, /It is a folder/],
      [{ report: join(folder, 'file', 'x.html') }, /a file in a folder that can be made/],
      [{ report: true, log: false }, /made from the run's log/],
      [{ watch: true, log: false }, /made from the run's log/],
      [{ watch: 1 }, /true or false/],
      [{ tensorboard: 3 }, /the path of a folder for `options.tensorboard`/],
    ] as const) {
      writeFileSync(join(folder, 'file'), '');
      await t.throwsAsync(train(join(folder, 'run'), options as never), { instanceOf: ArgumentError, message });
    }
    t.false(existsSync(join(folder, 'run', 'log.jsonl')));
  });
});

test('a source without a run is an error that names it', async (t) => {
  await inFolder((folder) => {
    t.throws(() => runReport(folder), { instanceOf: ArgumentError, message: /there is no run in/ });
    t.throws(() => runReport(join(folder, 'none')), { instanceOf: ArgumentError, message: /ENOENT/ });
    t.throws(() => runReport(7 as never), { instanceOf: ArgumentError });
    t.throws(() => runReport([7] as never), { instanceOf: ArgumentError });
    mkdirSync(join(folder, 'sub'));
    writeFileSync(join(folder, 'x.jsonl'), 'no log\nat all\n');
    t.throws(() => runReport(join(folder, 'x.jsonl')), { instanceOf: FileFormatError, message: /line 1/ });
  });
  const history = new History();
  history.epochs.push({ epoch: 1, loss: NaN, metrics: {}, lr: 0.1, seconds: 1, samplesPerSecond: 1 });
  t.true(runReport(history).includes('"loss":"NaN"'), 'a history without a log has its epochs');
});

test('a page loads nothing, runs its own script alone, and no text of a run ends its data', async (t) => {
  await inFolder(async (folder) => {
    await train(folder);
    const evil = '</script><img src=x onerror="document.title=1">\u2028<!--';
    appendFileSync(join(folder, 'log.jsonl'), `${JSON.stringify({ type: 'warning', message: evil })}\n`);
    const page = runReport(folder);
    const parts = page.split(/<\/?(?:script|style)\b[^>]*>/);
    t.is(parts.length, 7, 'a style, the data, and a script');
    const [, style, , data, , script] = parts;
    t.is((JSON.parse(data) as { runs: { warnings: string[] }[] }).runs[0].warnings[0], evil);
    const policy = /Content-Security-Policy" content="([^"]+)"/.exec(page)?.[1] ?? '';
    for (const text of [style, script]) t.true(policy.includes(`'sha256-${createHash('sha256').update(text).digest('base64')}'`));
    t.regex(policy, /^default-src 'none'; /);
    t.notRegex(policy, /unsafe|connect-src|\*/);
    t.regex(pageOf([], true).policy, /connect-src 'self'/);
    t.regex(script, /Leon Sorokin/, 'the licence of uPlot goes with it');
  });
});
