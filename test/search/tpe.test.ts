// Proves lib/search/tpe.ts: it comes closer than random points, draws where good trials are, and learns from what it may compare.
import test from 'ava';
import { type TrialRecord, RandomSearch, TpeSearch, search, space } from '../../lib/index.js';
import { bowl, ended, median, still, view, wide } from '../helpers/search.js';

test('after 60 trials the estimator is closer to the best than random points, by the median over 15 seeds', async (t) => {
  const bests = async (make: () => RandomSearch): Promise<number> => {
    const found: number[] = [];
    for (let seed = 0; seed < 15; seed++)
      found.push((await search(wide, bowl, { ...still, strategy: make(), trials: 60, seed })).best?.score ?? Number.NaN);
    return median(found);
  };
  const [tpe, random] = [await bests(() => new TpeSearch()), await bests(() => new RandomSearch())];
  // 0.05 is the bottom of the bowl.
  t.true(tpe - 0.05 < (random - 0.05) / 2, `${tpe} against ${random}`);
});

/** Trials that were good near a rate of 1e-2 with choice b, and bad elsewhere. */
const of = { lr: space.logUniform(1e-6, 1), kind: space.choice(['a', 'b', 'c']) };
const history = (more: Partial<TrialRecord> = {}): TrialRecord[] =>
  Array.from({ length: 40 }, (_, number) => {
    const params = { lr: of.lr.at((number % 20) / 20), kind: ['a', 'b', 'c'][number % 3] };
    return ended(number, params, Math.abs(of.lr.positionOf(params.lr) - 2 / 3) + (params.kind === 'b' ? 0 : 1), more);
  });

test('new trials lie where good ones were: near their rate, and mostly with their choice', (t) => {
  const tpe = new TpeSearch();
  const drawn = Array.from({ length: 60 }, (_, i) => tpe.draw(view({ space: of, trials: history(), number: 40 + i })));
  const near = drawn.filter(({ lr }) => Math.abs(of.lr.positionOf(lr) - 2 / 3) < 0.2).length;
  t.true(near > 45, `${near} of 60`);
  t.true(drawn.filter(({ kind }) => kind === 'b').length > 45);
});

test('the first trials are random; failed ones and smaller budgets are no models; the same history gives the same trial', (t) => {
  const tpe = new TpeSearch({ startupTrials: 12 });
  const random = new RandomSearch();
  const early = view({ space: of, trials: history().slice(0, 11) });
  t.deepEqual(tpe.draw(early), random.draw(early));
  const enough = view({ space: of, trials: history().slice(0, 12) });
  t.notDeepEqual(tpe.draw(enough), random.draw(enough));
  t.deepEqual(tpe.draw(enough), new TpeSearch({ startupTrials: 12 }).draw(enough));
  const failed = view({ space: of, trials: history({ state: 'failed', score: null }) });
  t.deepEqual(tpe.draw(failed), random.draw(failed));
  // With a larger budget another rate is best: that one counts.
  const long = history({ budget: 9 }).map((trial) => ({ ...trial, score: of.lr.positionOf(trial.params.lr), number: trial.number + 40 }));
  const mixed = view({ space: of, trials: [...history({ budget: 1 }), ...long] });
  const places = Array.from({ length: 30 }, (_, i) => of.lr.positionOf(tpe.draw({ ...mixed, number: 80 + i }).lr));
  t.true(median(places) < 0.3, `${median(places)}`);
});

test('options out of range are refused', (t) => {
  t.throws(() => new TpeSearch({ startupTrials: 1 }), { message: /options\.startupTrials/ });
  t.throws(() => new TpeSearch({ candidates: 0 }), { message: /options\.candidates/ });
});
