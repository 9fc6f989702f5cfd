// The fault bench of the sitter, in small: its data are those of their seeds, its programs build, advice changes what it says, and a judgement holds.
import test from 'ava';
import { setNumThreads } from '../../lib/index.js';
import { CannotApply, apply } from '../../bench/sitter/change.js';
import type { Case } from '../../bench/sitter/cases.js';
import { draw, sources } from '../../bench/sitter/data/index.js';
import { casesOf, halfOf } from '../../bench/sitter/faults.js';
import { judge } from '../../bench/sitter/judge.js';
import { ownForm, type Program } from '../../bench/sitter/program.js';
import { real } from '../../bench/sitter/real/index.js';
import { type Healing, figures, page } from '../../bench/sitter/report.js';
import { attempt } from '../../bench/sitter/trial.js';

setNumThreads(1);
const small = { limit: 10_000, watches: true };

test('every generator draws the same rows from the same seed, and others from another', async (t) => {
  for (const kind of Object.keys(sources)) {
    const spec = { kind, rows: 12, features: kind.startsWith('bag') ? 200 : undefined, seed: 5 };
    const [one, same, other] = [await draw(spec), await draw(spec), await draw({ ...spec, seed: 6 })];
    t.deepEqual(one, same, kind);
    const size = (shape: readonly number[]): number => shape.reduce((all, length) => all * length, 1);
    t.is(one.train.x.length, one.train.rows * size(one.inputShape), kind);
    t.is(one.train.y.length, one.train.rows * size(one.targetShape), kind);
    if (one.targets === 'classes')
      t.true(
        one.train.y.every((label) => Number.isInteger(label) && label >= 0 && label < one.classes),
        kind,
      );
    t.true(one.train.x.every(Number.isFinite) && one.train.y.every(Number.isFinite), kind);
    // Truth tables, even places and a sine along time have no draw in them.
    if (!one.isTable && kind !== 'sine_next') t.notDeepEqual(one.train, other.train, kind);
  }
});

test('each half has as many runs as it is said to have, no name twice, and no seed of the other', (t) => {
  const halves = (['tuning', 'held-out'] as const).map((half) => casesOf(half));
  for (const [i, cases] of halves.entries()) {
    const count = (truth: Case['truth']): number => cases.filter((one) => one.truth === truth).length;
    t.true(count('sick') >= 160 && count('healthy') >= 80, `${count('sick')} and ${count('healthy')}`);
    t.is(new Set(cases.map(({ id }) => id)).size, cases.length);
    t.true(cases.every(({ program }) => halfOf(program.seed) === (i === 0 ? 'tuning' : 'held-out')));
  }
  t.deepEqual(casesOf('tuning'), halves[0]);
  const seeds = (cases: readonly Case[]): number[] => cases.map(({ program }) => program.seed);
  const again = seeds(casesOf('held-out', 2));
  t.true(again.length === halves[1].length && again.every((seed) => halfOf(seed) === 'held-out'));
  t.false(
    seeds(halves[1]).some((seed) => again.includes(seed)),
    'another draw has other seeds',
  );
});

test('the real programs are 48, and each builds, with its own losses and with those of nodegrad', async (t) => {
  t.is(real.length, 48);
  for (const { id, program, healthy } of real) {
    // The real set is read from a folder that may not be there, and drawn digits take a second.
    if (program.data.kind === 'mnist' || program.data.kind === 'cifar10') continue;
    const rows = { ...program.data, rows: 8, features: program.data.kind.startsWith('bag') ? 300 : program.data.features };
    for (const form of [program, healthy].flatMap((one) => (one === null ? [] : [one, ownForm(one)]))) {
      const trial = await attempt({ ...form, data: rows, epochs: 1 }, await draw(rows), { limit: 10_000, watches: false });
      t.true(trial.error === null || /NON_FINITE|ARGUMENT/.test(trial.error), `${id}: ${trial.error}`);
    }
  }
});

const sine: Program = {
  data: { kind: 'sine', rows: 200, seed: 3 },
  targets: 'numbers',
  layers: [{ linear: 16 }, 'tanh', { linear: 1 }],
  loss: 'mse',
  optimizer: { name: 'adam', lr: 0.01 },
  epochs: 40,
  batchSize: 10,
  seed: 3,
};

test('a program gives the same score each time, and a rate that is far too high a worse one', async (t) => {
  const parts = await draw(sine.data);
  const run = (program: Program) => attempt(program, parts, { limit: 10_000, watches: false });
  const [one, same] = [await run(sine), await run(sine)];
  t.is(one.score, same.score);
  t.true(one.score > 0.8, String(one.score));
  t.true((await run({ ...sine, optimizer: { name: 'sgd', lr: 10 } })).score < 0.5);
});

test('advice changes what it names, and forces outputs and targets where a loss does', (t) => {
  const several: Program = { ...sine, layers: [{ linear: 8 }, 'relu', { linear: 1 }, 'sigmoid'], loss: 'kerasBinaryCrossEntropy' };
  const change = (program: Program, ...[what]: Parameters<typeof apply> extends [unknown, infer C, unknown] ? [C] : never) =>
    apply(program, what, 3);
  t.is(change(sine, { kind: 'learningRate', value: 0.5 }).optimizer.lr, 0.5);
  const classes = change(several, { kind: 'loss', name: 'CrossEntropyLoss' });
  t.deepEqual([classes.targets, classes.layers], ['classes', [{ linear: 8 }, 'relu', { linear: 3 }]]);
  t.deepEqual(change(several, { kind: 'outputActivation', name: 'none' }).layers, [{ linear: 8 }, 'relu', { linear: 1 }]);
  t.is(change(several, { kind: 'outputActivation', name: 'none' }).loss, 'binaryCrossEntropy');
  t.is(change(several, { kind: 'outputActivation', name: 'linear', standardizeTargets: true }).targetScaling, 'standardize');
  t.deepEqual(change(several, { kind: 'loss', name: 'MSELoss', outputActivation: 'linear' }).layers.at(-1), { linear: 1 });
  t.deepEqual(change(sine, { kind: 'widen', factor: 2 }).layers, [{ linear: 32 }, 'tanh', { linear: 1 }]);
  t.deepEqual(change(sine, { kind: 'depth', layers: 2 }).layers, [{ linear: 16 }, 'tanh', { linear: 16 }, 'tanh', { linear: 1 }]);
  t.deepEqual(change(sine, { kind: 'dropout', value: 0.1 }).layers, [{ linear: 16 }, 'tanh', { dropout: 0.1 }, { linear: 1 }]);
  t.deepEqual(change(sine, { kind: 'hiddenActivation', name: 'ReLU' }).layers, [{ linear: 16 }, 'relu', { linear: 1 }]);
  t.throws(() => change(sine, { kind: 'optimizer', name: 'Sorcery', lr: 1 }), { instanceOf: CannotApply });
});

test('a sick run is sick, a fault that does no harm is none, and both stand on the page', async (t) => {
  const sick: Case = {
    id: 'too fast',
    truth: 'sick',
    program: { ...sine, optimizer: { name: 'sgd', lr: 100 } },
    faults: [{ name: 'rate', accepts: ['loss-exploded', 'learning-rate-too-high', 'non-finite'] }],
    healthy: sine,
  };
  const harmless: Case = { ...sick, id: 'no harm', program: { ...sine, batchSize: 19 } };
  const verdicts = [await judge(sick, small), await judge(harmless, small)];
  t.deepEqual(
    verdicts.map(({ isProven }) => isProven),
    [true, false],
  );
  t.deepEqual(verdicts[0].named, [true]);
  const outcomes = [sick, harmless].map((one, i) => ({ one, verdict: verdicts[i], failure: null }));
  t.is(figures(outcomes)[0][1], '100 % (1 of 1)');
  const shareOf = (healing: Healing): string | undefined =>
    figures(outcomes, healing).find(([what]) => what === 'names a cause that heals when changed alone')?.[1];
  t.is(shareOf({ 'too fast': [{ kind: 'learningRate', value: 0.1 }] }), '100 % (1 of 1)');
  t.regex(page([{ part: 'Two runs', file: 'two', when: '2026-01-01', outcomes }], {}), /- no harm: /);
});
