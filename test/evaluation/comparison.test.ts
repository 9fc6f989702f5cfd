// Comparing models: on the same folds, and on one test set.
import test from 'ava';
import {
  ArgumentError,
  biasAndVariance,
  compareModels,
  crossValidate,
  defaultRandom,
  mcnemarTest,
  ShapeError,
  setSeed,
  TensorDataset,
} from '../../lib/index.js';
import { f32, i32 } from '../helpers/build.js';

const data = new TensorDataset(
  f32(
    Float64Array.from({ length: 20 }, (_, i) => i),
    [20, 1],
  ),
  i32(Array.from({ length: 20 }, (_, i) => i % 2)),
);
const first = [0.8, 0.7, 0.9, 0.6, 0.75];
const second = [0.7, 0.65, 0.85, 0.6, 0.65];

test('models are compared by the corrected resampled t-test: the figures by hand', async (t) => {
  const given: number[][] = [[], []];
  const score = (scores: readonly number[], which: number) => (fold: { validation: { length: number } }, i: number) => {
    given[which].push(fold.validation.length);
    return scores[i];
  };
  const found = await compareModels(data, score(first, 0), score(second, 1), { folds: 5, seed: 1 });
  const differences = first.map((value, i) => value - second[i]);
  const mean = differences.reduce((sum, value) => sum + value, 0) / 5;
  const variance = differences.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 4;
  t.true(Math.abs(found.difference.mean - mean) < 1e-15);
  t.true(Math.abs(found.t - mean / Math.sqrt(variance * (1 / 5 + 4 / 16))) < 1e-12);
  // scipy.stats.t.sf(2.1380899352993947, 4) * 2
  t.true(Math.abs(found.p - 0.09930068321372688) < 1e-12, String(found.p));
  t.deepEqual(given, [
    [4, 4, 4, 4, 4],
    [4, 4, 4, 4, 4],
  ]);
  t.deepEqual(found.first.scores, first);
  t.true(found.difference.interval[0] < 0 && found.difference.interval[1] > mean, 'p above 5 % and an interval that holds 0 say the same');
});

test('equal models have p = 1, and a difference that never varies has p = 0', async (t) => {
  const same = await compareModels(data, () => 0.5, () => 0.5, { folds: 4 }); // biome-ignore format: one line
  t.deepEqual([same.t, same.p], [0, 1]);
  const better = await compareModels(data, () => 0.75, () => 0.5, { folds: 4 }); // biome-ignore format: one line
  t.deepEqual([better.t, better.p], [Number.POSITIVE_INFINITY, 0]);
  await t.throwsAsync(compareModels(data, (() => 'x') as never, () => 1), { instanceOf: ArgumentError, message: /one number per fold.*scoreFirst/ }); // biome-ignore format: one line
  await t.throwsAsync(
    compareModels(data, () => 1, null as never),
    { message: /scoreSecond/ },
  );
});

test('the corrected test cries wolf about as often as it says, the plain one far more often', async (t) => {
  // Two models that are equally good, whose scores are means of the same noise of examples: folds share no validation, repeats do.
  let [corrected, plain] = [0, 0];
  const experiments = 200;
  for (let experiment = 0; experiment < experiments; experiment++) {
    const noise = Float64Array.from({ length: 20 }, (_, i) => Math.sin(1e4 * Math.sin(experiment * 131 + i * 17 + 1)));
    const found = await compareModels(
      data,
      ({ validation }) => {
        const rows = validation.batch(Int32Array.from({ length: validation.length }, (_, i) => i)).inputs.data;
        return rows.reduce((sum, row) => sum + noise[row], 0) / rows.length;
      },
      () => 0,
      { folds: 5, repeats: 10, seed: experiment },
    );
    const { mean, std } = found.difference;
    corrected += Number(found.p < 0.05);
    plain += Number(Math.abs(mean / (std / Math.sqrt(50))) > 2.01);
  }
  t.true(corrected / experiments < 0.1, `corrected: ${corrected} of ${experiments}`);
  t.true(plain / experiments > 0.3, `plain: ${plain} of ${experiments}`);
});

test('the interval of a cross-validation is that of t over folds, corrected', async (t) => {
  const { mean, std, interval } = await crossValidate(data, (_, i) => first[i], { folds: 5 });
  // scipy.stats.t.ppf(0.975, 4)
  const reach = 2.7764451051977987 * std * Math.sqrt(1 / 5 + 4 / 16);
  t.true(Math.abs(interval[1] - mean - reach) < 1e-12);
  t.true(Math.abs(mean - interval[0] - reach) < 1e-12);
  const half = await crossValidate(data, (_, i) => first[i], { folds: 5, confidence: 0.5 });
  t.true(half.interval[1] < interval[1]);
  await t.throwsAsync(
    crossValidate(data, () => 1, { confidence: 2 }),
    { message: /options\.confidence/ },
  );
});

test('every fold runs under a seed of its own, the same for both models, whatever was drawn before', async (t) => {
  const draw = () => defaultRandom().uniform();
  setSeed(5);
  const one = await crossValidate(data, draw, { folds: 3 });
  t.is(new Set(one.scores).size, 3);
  setSeed(5);
  draw();
  const more = await crossValidate(data, (_, i) => (i === 0 ? draw() + draw() : draw()), { folds: 3 });
  t.deepEqual(more.scores.slice(1), one.scores.slice(1));
  t.deepEqual((await compareModels(data, draw, draw, { folds: 3 })).difference.scores, [0, 0, 0]);
  t.notDeepEqual((await crossValidate(data, draw, { folds: 3, seed: 6 })).scores, one.scores);
});

test("McNemar's test counts who is right, from classes or scores", (t) => {
  const targets = i32([0, 1, 1, 0, 1, 0]);
  const found = mcnemarTest(i32([0, 1, 1, 0, 0, 1]), i32([0, 0, 0, 1, 1, 1]), targets);
  t.deepEqual(found, { both: 1, onlyFirst: 3, onlySecond: 1, neither: 1, p: 0.625 });
  const scores = f32([1, 0, 0, 1, 0, 1, 1, 0, 1, 0, 0, 1], [6, 2]);
  t.deepEqual(mcnemarTest(scores, i32([0, 0, 0, 1, 1, 1]), targets), found);
  t.throws(() => mcnemarTest(i32([0]), i32([0]), targets), { instanceOf: ShapeError, message: /`first`/ });
  t.throws(() => mcnemarTest(scores, f32([1, 2, 3, 4, 5, 6]), targets), { instanceOf: ShapeError, message: /`second`/ });
  t.throws(() => mcnemarTest(scores, scores, f32([1])), { code: 'ERR_DTYPE' });
});

test('[L02] 1 % at best, 5 % in training and 8 % in validation: a bias of 4 points, a variance of 3', (t) => {
  const { bias, variance, verdict } = biasAndVariance({ best: 0.01, train: 0.05, validation: 0.08 });
  t.true(Math.abs(bias - 0.04) < 1e-15 && Math.abs(variance - 0.03) < 1e-15);
  t.is(verdict, 'underfitted');
});

test('[L03] bias says underfitted, variance overfitted, neither appropriate', (t) => {
  const verdictOf = (train: number, validation: number) => biasAndVariance({ train, validation }).verdict;
  t.is(verdictOf(0.3, 0.31), 'underfitted');
  t.is(verdictOf(0, 0.2), 'overfitted');
  t.is(verdictOf(0.01, 0.02), 'appropriate');
  t.is(verdictOf(0.05, 0.2), 'overfitted');
  t.is(biasAndVariance({ train: 0.1, validation: 0.15 }, { tolerance: 0.2 }).verdict, 'appropriate');
  t.throws(() => biasAndVariance({ train: 5, validation: 8 }), { message: /from 0 to 1 for `errors\.train`/ });
});

test.serial('a score that is not finite is a warning that names its fold, and the scores of the others are there', async (t) => {
  const said: string[] = [];
  const listen = ({ message }: Error): void => void said.push(message);
  process.on('warning', listen);
  const { scores, mean } = await crossValidate(data, (_, i) => (i === 2 ? Number.NaN : first[i]), { folds: 5 });
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', listen);
  t.deepEqual(scores, [0.8, 0.7, Number.NaN, 0.6, 0.75]);
  t.true(Number.isNaN(mean));
  t.deepEqual(said, ['`score` gave NaN for fold 3: mean and interval say nothing']);
});
