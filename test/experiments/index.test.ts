// The experiments of the course, each run small: what they show, the data behind their pictures, and that they repeat.
import test from 'ava';
import { readFileSync } from 'node:fs';
import * as lib from '../../lib/index.js';

const table = JSON.parse(readFileSync(new URL('../../../test/course/rows.json', import.meta.url), 'utf8')) as unknown;
const known = new Set([...JSON.stringify(table).matchAll(/"id":"(\w+)"/g)].map(([, id]) => id));

/** The figures of the course by the experiment that gives their data. */
const figures: Readonly<Record<string, lib.ExperimentName>> = {
  'random search': 'grid-vs-random',
  'learning-rate curves': 'lr',
  'bad first weights': 'init',
  'gap between training and validation': 'gap',
  'cross-validation and folds': 'k-fold',
  ensembles: 'ensemble',
  dropout: 'gap',
  'fractional pooling': 'fractional-pooling',
  'stochastic depth': 'drop-path',
  normalization: 'bn',
  'comparison of architectures': 'architectures',
};

for (const name of lib.experimentNames)
  test(`[O07] the data behind the picture of ${name} are plain JSON, and the picture draws them`, async (t) => {
    const told: string[] = [];
    const report = await lib.runExperiment(name, { quick: true, onProgress: (what) => void told.push(what) });
    t.deepEqual(JSON.parse(JSON.stringify(report)).lines, report.lines);
    t.true(report.lines.length > 0 && report.panels.length > 0 && told.length > 0);
    for (const { series, title } of report.panels) {
      t.true(series.length > 0, title);
      for (const { x, y } of series) {
        t.is(x.length, y.length, title);
        t.true(y.some(Number.isFinite), title);
      }
    }
    t.regex(report.picture, /^<svg/);
    t.notRegex(report.picture, /NaN|Infinity|undefined|href/);
    t.deepEqual(
      report.rows.filter((row) => !known.has(row)),
      [],
    );
    t.is(lib.describeExperiment(name), report.title);
  });

test('[O07] every figure of the course has an experiment', (t) => {
  t.deepEqual(
    Object.values(figures).filter((name) => !lib.experimentNames.includes(name)),
    [],
  );
});

test('an experiment repeats with its seed, leaves the seed of the process alone, and is another one with another seed', async (t) => {
  lib.setSeed(77);
  const before = lib.getSeed();
  const [one, again, other] = [
    await lib.runExperiment('ensemble', { quick: true, seed: 5 }),
    await lib.runExperiment('ensemble', { quick: true, seed: 5 }),
    await lib.runExperiment('ensemble', { quick: true, seed: 6 }),
  ];
  t.deepEqual(again, one);
  t.notDeepEqual(other.panels, one.panels);
  t.is(lib.getSeed(), before);
});

test('experiments show what they are about', async (t) => {
  const zigzag = await lib.runExperiment('zigzag');
  t.regex(zigzag.lines[0], /one sign in 100\.0 % of the steps/);
  const [ofPositive, ofCentred] = zigzag.panels[2].series;
  t.true((ofPositive.y.at(-1) as number) > 10 * (ofCentred.y.at(-1) as number));
  const search = await lib.runExperiment('grid-vs-random', { quick: true });
  t.regex(search.lines[0], /2 different learning rates in 4 trials/);
  t.regex(search.lines[1], /4 different learning rates in 4 trials/);
  const depth = await lib.runExperiment('drop-path');
  t.regex(depth.lines[1], /keeps 40\.\d of 54 blocks/, 'Huang et al. 2016: three quarters of the blocks');
  const pooling = await lib.runExperiment('fractional-pooling');
  t.regex(pooling.lines[0], /5 poolings by 2, 11 by √2/);
});

test('an experiment stops, and wrong names and options are refused', async (t) => {
  const controller = new AbortController();
  const stopped = lib.runExperiment('lr', { quick: true, signal: controller.signal, onProgress: () => controller.abort() });
  await t.throwsAsync(stopped, { instanceOf: lib.AbortedError });
  const searching = new AbortController();
  const search = lib.runExperiment('grid-vs-random', { quick: true, signal: searching.signal, onProgress: () => searching.abort() });
  await t.throwsAsync(search, { instanceOf: lib.AbortedError }, 'its trials are no failures then');
  await t.throwsAsync(lib.runExperiment('nothing' as never), { message: /one of 'init'/ });
  await t.throwsAsync(lib.runExperiment('zigzag', { quick: 1 as never }), { message: /options\.quick/ });
  await t.throwsAsync(lib.runExperiment('zigzag', { onProgress: 1 as never }), { message: /options\.onProgress/ });
});
