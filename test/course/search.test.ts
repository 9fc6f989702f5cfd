// Course section K: hyperparameter search, row by row.
import test from 'ava';
import {
  CoarseToFine,
  CrossEntropyLoss,
  GridSearch,
  ManualSearch,
  RandomSearch,
  SGD,
  datasets,
  mlp,
  narrowed,
  search,
  space,
  split,
  subset,
} from '../../lib/index.js';
import { randomOf } from '../../lib/search/strategy.js';
import { close } from '../helpers/close.js';
import { bowl, ended, median, still, view, wide } from '../helpers/search.js';

/** The parameters of the first trials. */
const drawn = <S extends typeof wide>(seed: number, count: number, of = wide as S) =>
  Array.from({ length: count }, (_, number) => new RandomSearch().draw(view({ seed, number, space: of })));

test('[K01] a space holds architecture, epochs, learning rate and its decay, the update, regularization and the batch size, each with its type', async (t) => {
  const all = {
    layers: space.integer(1, 4),
    hidden: space.logInteger(16, 512),
    activation: space.choice(['relu', 'tanh', 'elu']),
    widths: space.choice([[64], [128, 64]]),
    epochs: space.integer(5, 50),
    lr: space.logUniform(1e-5, 1e-1),
    decay: space.uniform(0.5, 0.99),
    optimizer: space.choice(['momentum', 'adam']),
    momentum: space.when('optimizer', 'momentum', space.uniform(0.5, 0.99)),
    weightDecay: space.logUniform(1e-6, 1e-2),
    dropout: space.uniform(0, 0.5),
    augment: space.choice([true, false]),
    batchSize: space.choice([32, 64, 128]),
  };
  const study = await search(
    all,
    (params) => {
      // What does not compile here has lost its type.
      const numbers: number = params.layers + params.hidden + params.epochs + params.lr + params.decay + params.dropout + params.batchSize;
      const activation: 'relu' | 'tanh' | 'elu' = params.activation;
      const momentum: number | undefined = params.momentum;
      const [width]: readonly number[] = params.widths;
      const augment: boolean = params.augment;
      t.is(momentum === undefined, params.optimizer === 'adam');
      t.true(['relu', 'tanh', 'elu'].includes(activation) && [64, 128].includes(width) && typeof augment === 'boolean');
      return numbers;
    },
    { ...still, trials: 40, seed: 1 },
  );
  t.true(study.trials.every(({ state }) => state === 'completed'));
  for (const name of ['layers', 'hidden', 'epochs'] as const) t.true(study.trials.every(({ params }) => Number.isInteger(params[name])));
  const optimizers = study.trials.map(({ params }) => params.optimizer);
  t.deepEqual([...new Set(optimizers)].sort(), ['adam', 'momentum']);
  t.false(
    study.trials.some(({ params }) => 'momentum' in params && params.optimizer === 'adam'),
    'what is not used is not there',
  );
});

test('[K02] a list by hand is tried once each, in its order', async (t) => {
  const list = [
    { lr: 0.1, layers: 1, optimizer: 'adam' },
    { lr: 1e-3, layers: 2, optimizer: 'momentum', momentum: 0.9 },
  ];
  const study = await search(wide, bowl, { ...still, strategy: new ManualSearch(list) });
  t.deepEqual(
    study.trials.map(({ params }) => params),
    list as never,
  );
  for (const [wrong, message] of [
    [[{ lr: 2, layers: 1, optimizer: 'adam' }], /range from 0\.000001 to 1 for `list\[0\]\.lr`, received 2/],
    [[{ lr: 0.1, layers: 1.5, optimizer: 'adam' }], /`list\[0\]\.layers`, received 1\.5/],
    [[{ lr: 0.1, layers: 1, optimizer: 'rprop' }], /choices "momentum", "adam" for `list\[0\]\.optimizer`, received "rprop"/],
    [[{ lr: 0.1, layers: 1, optimizer: 'adam', width: 3 }], /'width', which is not in the space/],
    [[{ lr: 0.1, optimizer: 'adam' }], /`list\[0\]\.layers`, received undefined/],
  ] as const)
    await t.throwsAsync(search(wide, bowl, { ...still, strategy: new ManualSearch(wrong) }), { code: 'ERR_ARGUMENT', message });
});

test('[K03] a grid of 3 × 4 × 2 points is 24 configurations, each once', async (t) => {
  const of = { lr: space.logUniform(1e-3, 1e-1), dropout: space.uniform(0, 0.6), layers: space.integer(1, 2) };
  const strategy = new GridSearch({ points: { lr: 3, dropout: 4, layers: 2 } });
  const study = await search(of, () => 1, { ...still, strategy });
  t.is(study.trials.length, 24);
  t.is(new Set(study.trials.map(({ params }) => JSON.stringify(params))).size, 24);
  const valuesOf = (name: keyof typeof of): number[] => [...new Set(study.trials.map(({ params }) => params[name]))];
  close(t, valuesOf('lr'), [1e-3, 1e-2, 1e-1], { relative: 1e-14 });
  close(t, valuesOf('dropout'), [0, 0.2, 0.4, 0.6], { absolute: 1e-15 });
  t.deepEqual(valuesOf('layers'), [1, 2]);
});

test('[K04] random points: the same seed gives the same list, however long, and another seed another one', (t) => {
  t.deepEqual(drawn(7, 30).slice(0, 10), drawn(7, 10));
  t.notDeepEqual(drawn(8, 10), drawn(7, 10));
  const { lr: _, ...others } = wide;
  const fewer = Array.from({ length: 10 }, (_, number) => new RandomSearch().draw(view({ seed: 7, number, space: others })));
  t.deepEqual(
    fewer,
    drawn(7, 10).map(({ lr: _lr, ...rest }) => rest),
    'a parameter more or less changes nothing for the others',
  );
});

test('[K05] of 9 trials over two parameters, a grid tries 3 values of the one that matters, random points 9, and those get closer', async (t) => {
  const of = { lr: space.logUniform(1e-6, 1), idle: space.uniform(0, 1) };
  const score = ({ lr }: { lr: number }): number => bowl({ lr, layers: 0 });
  const grid = await search(of, score, { ...still, strategy: new GridSearch({ points: 3 }) });
  const distinct = (study: typeof grid): number => new Set(study.trials.map(({ params }) => params.lr)).size;
  t.deepEqual([grid.trials.length, distinct(grid)], [9, 3]);
  // The best rate lies between two points of the grid here.
  const offset = ({ lr }: { lr: number }): number => score({ lr: lr * 30 });
  const onGrid = (await search(of, offset, { ...still, strategy: new GridSearch({ points: 3 }) })).best?.score ?? 0;
  let wins = 0;
  for (let seed = 0; seed < 40; seed++) {
    const random = await search(of, offset, { ...still, trials: 9, seed });
    t.is(distinct(random), 9);
    if ((random.best?.score ?? 9) < onGrid) wins += 1;
  }
  t.true(wins >= 36, `closer with ${wins} of 40 seeds`);
});

test('[K06, P38] rates are 10^uniform(−3, −6): 100,000 draws stay inside, with the median in the middle of the decades, in whatever order the bounds are given', (t) => {
  for (const range of [space.logUniform(1e-3, 1e-6), space.logUniform(1e-6, 1e-3)]) {
    const values = Array.from({ length: 100_000 }, (_, number) => range.at(randomOf({ seed: 1, number }, 'lr').uniform53()));
    t.true(Math.min(...values) >= 1e-6 && Math.max(...values) <= 1e-3);
    close(t, [median(values)], [3.1623e-5], { relative: 0.03 });
    const decade = (low: number): number => values.filter((value) => value >= low && value < 10 * low).length / values.length;
    close(t, [1e-6, 1e-5, 1e-4].map(decade), [1 / 3, 1 / 3, 1 / 3], { absolute: 0.005 });
  }
});

test('[K07] four points from 0.001 to 1 are 0.001, 0.01, 0.1, 1 in log space, and 0.001, 0.334, 0.667, 1 evenly', (t) => {
  close(t, space.logUniform(1e-3, 1).points(4), [0.001, 0.01, 0.1, 1], { relative: 1e-14 });
  close(t, space.uniform(1e-3, 1).points(4), [0.001, 0.334, 0.667, 1], { relative: 1e-14 });
});

test('[K09, K11] coarse to fine: few epochs over the wide range, then more over the region that validation found best', async (t) => {
  const seen: [number, number | null][] = [];
  const study = await search(
    wide,
    (params, { budget }) => {
      seen.push([params.lr, budget]);
      return bowl(params);
    },
    { ...still, seed: 2, strategy: new CoarseToFine({ stages: [{ trials: 24, budget: 5 }, { trials: 12, budget: 20 }] }) }, // biome-ignore format: one line
  );
  t.deepEqual(
    study.trials.map(({ budget }) => budget),
    [...new Array(24).fill(5), ...new Array(12).fill(20)],
  );
  const [coarse, fine] = [seen.slice(0, 24), seen.slice(24)].map((stage) => stage.map(([lr]) => lr));
  const width = (rates: readonly number[]): number => Math.max(...rates) / Math.min(...rates);
  t.true(width(coarse) > 1e5, `${width(coarse)}`);
  t.true(width(fine) < 1e3, `${width(fine)}`);
  t.true(Math.min(...fine) < 1e-3 && Math.max(...fine) > 1e-3, 'the best rate is inside');
  const { lr } = narrowed(wide, study.trials.slice(0, 24));
  t.true(fine.every((rate) => rate >= lr.low && rate <= lr.high));
});

test('[K10] a trial whose cost passes three times its first ends there: 2.3, 5, 6.9, 7.0 stops at the fourth, and the search goes on', async (t) => {
  const study = await search(
    { lr: space.logUniform(1e-3, 1) },
    (_, trial) => {
      for (const [i, loss] of [2.3, 5, 6.9, 7.0, 1].entries()) if (!trial.report({ epoch: i + 1, loss: trial.number === 0 ? loss : 1 })) break;
      return 1;
    },
    { ...still, trials: 2, seed: 1 },
  );
  const [exploded, calm] = study.trials;
  t.is(exploded.state, 'stopped');
  t.is(exploded.score, null);
  t.regex(exploded.reason ?? '', /exploded: 7\.0000 is more than three times the first one, 2\.3000/);
  t.deepEqual(
    exploded.reports.map(({ loss }) => loss),
    [2.3, 5, 6.9, 7.0],
  );
  t.is(calm.state, 'completed');
});

/** Trials over one rate, scored by the distance from `best`. */
const around = (best: number, range = space.logUniform(1e-4, 1)) => {
  const trials = range.points(12).map((lr, number) => ended(number, { lr }, bowl({ lr: (lr / best) * 1e-3, layers: 0 })));
  return { range, trials };
};

test('[K13] the best rate at the edge of its range is a warning, with the range to take next: 1e-4 to 1 goes on to 1e-6', async (t) => {
  const of = { lr: around(1e-5).range };
  const at = (best: number) =>
    search(of, ({ lr }) => bowl({ lr: (lr / best) * 1e-3, layers: 0 }), { ...still, strategy: new GridSearch({ points: 12 }) });
  const [warning, ...others] = (await at(1e-5)).warnings();
  t.is(others.length, 0);
  t.like(warning, { parameter: 'lr', edge: 'lower', best: 1e-4, next: [1e-6, 1e-2] });
  t.regex(warning.text, /the best lr, 1e-4, lies at the lower edge of its range from 1e-4 to 1 .*: search from 1e-6 to 0\.01 next/);
  t.like((await at(10)).warnings()[0], { edge: 'upper', best: 1, next: [1e-2, 100] });
});

test('[K14] a best value in the middle of its range is no warning, and the range that a warning gives has it in the middle', async (t) => {
  const run = async (range: ReturnType<typeof space.logUniform>) =>
    search({ lr: range }, ({ lr }) => bowl({ lr: (lr / 1e-5) * 1e-3, layers: 0 }), { ...still, strategy: new GridSearch({ points: 13 }) });
  const first = await run(space.logUniform(1e-4, 1));
  const [{ next }] = first.warnings();
  const second = await run(space.logUniform(...next));
  t.deepEqual(second.warnings(), []);
  close(t, [second.best?.params.lr ?? 0], [1e-5], { relative: 1 });
});

test('[K15, K16] trials train on one part of the data and are judged on another, side by side, each with a curve of its own', async (t) => {
  const digits = await datasets.digits({ train: 600, test: 100 });
  const [train, validation] = split(digits.train, [0.8, 0.2], { seed: 1 });
  const study = await search(
    { lr: space.logUniform(1e-4, 1) },
    async ({ lr }, trial) => {
      const model = mlp({ hidden: [16] });
      const loss = new CrossEntropyLoss();
      const optimizer = new SGD(model, { lr });
      const callbacks = [trial.watch({ score: 'accuracy' })];
      const history = await model.fit(train, { loss, optimizer, epochs: 2, validation, callbacks, progress: false, log: false });
      t.is(history.last?.validation?.metrics.accuracy, (await model.evaluate(validation, { loss })).metrics.accuracy);
      t.not(history.last?.validation?.metrics.accuracy, (await model.evaluate(subset(train, [0, 1, 2]), { loss })).metrics.accuracy);
      return history.last?.validation?.metrics.accuracy ?? 0;
    },
    { ...still, trials: 6, seed: 1, direction: 'maximize' },
  );
  for (const { reports, score } of study.trials) {
    t.deepEqual(
      reports.map(({ epoch }) => epoch),
      [1, 2],
    );
    t.is(reports[1].score, score, 'the curve ends where the score is');
    t.true(reports.every(({ loss }) => loss !== null && loss > 0));
  }
  t.true((study.best?.score ?? 0) > 0.5);
  t.deepEqual(JSON.parse(JSON.stringify(study)).trials.length, 6, 'for other programs');
});
