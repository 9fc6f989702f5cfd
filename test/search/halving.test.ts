// Proves lib/search/halving.ts: brackets in whole numbers, who goes on, what waits, and that ASHA waits for nobody.
import test from 'ava';
import { Asha, Hyperband, SuccessiveHalving, type TrialRecord, search, space } from '../../lib/index.js';
import { bowl, outcomeOf, still, view, wide } from '../helpers/search.js';

const shape = (brackets: Hyperband['brackets']): string[] =>
  brackets.map((rungs) => rungs.map(({ trials, budget }) => `${trials}@${budget}`).join(' '));

test("Hyperband's brackets for R = 81 and η = 3 are those of the algorithm, in whole numbers", (t) => {
  t.deepEqual(shape(new Hyperband({ budget: 81 }).brackets), [
    '81@1 27@3 9@9 3@27 1@81',
    '34@3 11@9 3@27 1@81',
    '15@9 5@27 1@81',
    '8@27 2@81',
    '5@81',
  ]);
});

test('a budget that is a power has its bracket, which logarithms in floating point lose, and others are cut to whole numbers', (t) => {
  // log 243 / log 3 is 4.999999999999999.
  t.is(new Hyperband({ budget: 243 }).brackets.length, 6);
  t.is(new Hyperband({ budget: 125, reduction: 5 }).brackets.length, 4);
  t.deepEqual(shape(new Hyperband({ budget: 10 }).brackets), ['9@1 3@3 1@10', '5@3 1@10', '3@10']);
  t.deepEqual(shape(new Hyperband({ budget: 1 }).brackets), ['1@1']);
  t.deepEqual(shape(new SuccessiveHalving({ budget: 20, minBudget: 2, configs: 12, reduction: 2 }).brackets), ['12@2 6@5 3@10 1@20']);
  t.deepEqual(new Asha({ budget: 100, minBudget: 3, reduction: 4 }).budgets, [6, 25, 100]);
  t.throws(() => new Hyperband({ budget: 0 }), { message: /options\.budget/ });
  t.throws(() => new Hyperband({ budget: 9, reduction: 1 }), { message: /options\.reduction/ });
  t.throws(() => new SuccessiveHalving({ budget: 3, minBudget: 4 }), { message: /options\.minBudget/ });
  t.throws(() => new Asha({ budget: 9, sampler: {} as never }), { message: /a sampler, such as new RandomSearch\(\), for `options\.sampler`/ });
});

test('the best third of a rung goes on, with its parameters and its seed, and the last one has the full budget', async (t) => {
  const study = await search(wide, bowl, { ...still, seed: 1, strategy: new SuccessiveHalving({ budget: 9 }) });
  const rungs = [1, 3, 9].map((budget) => study.trials.filter((trial) => trial.budget === budget));
  t.deepEqual(rungs.map(({ length }) => length), [9, 3, 1]); // biome-ignore format: one line
  const best = (trials: readonly TrialRecord[], count: number): number[] =>
    [...trials].sort((a, b) => (a.score ?? 0) - (b.score ?? 0)).slice(0, count).map(({ config }) => config); // biome-ignore format: one line
  t.deepEqual(rungs[1].map(({ config }) => config), best(rungs[0] as never, 3)); // biome-ignore format: one line
  t.deepEqual(rungs[2].map(({ config }) => config), best(rungs[1] as never, 1)); // biome-ignore format: one line
  for (const trial of study.trials) {
    t.is(trial.seed, study.trials[trial.config].seed);
    t.deepEqual(trial.params, study.trials[trial.config].params);
  }
});

test('configurations that fail do not go on, and a rung without any ends its bracket', async (t) => {
  const of = { x: space.uniform(0, 1) };
  const strategy = new SuccessiveHalving({ budget: 9 });
  const some = await search(of, ({ x }) => (x > 0.2 ? Number.NaN : x), { ...still, seed: 4, strategy });
  const alive = some.trials.slice(0, 9).filter(({ state }) => state === 'completed').length;
  t.true(alive > 0 && alive < 3, `${alive}`);
  t.is(some.trials.length, 9 + alive + 1);
  const none = await search(of, () => Number.NaN, { ...still, strategy });
  t.is(none.trials.length, 9);
  t.is(none.best, null);
});

test('a rung that is full waits for its last trial before anyone goes on; ASHA begins another configuration instead', (t) => {
  const began = (strategy: SuccessiveHalving | Asha, running: number): unknown => {
    const trials = Array.from({ length: 9 }, (_, number) => {
      const isRunning = number >= 9 - running;
      return {
        number,
        params: { lr: 1, n: number },
        config: number,
        budget: 1,
        seed: 0,
        state: isRunning ? 'running' : 'completed',
        score: isRunning ? null : number,
      };
    });
    return strategy.next(view({ trials: trials as never, number: 9 }));
  };
  const halving = new SuccessiveHalving({ budget: 9 });
  t.is(began(halving, 1), 'wait');
  t.like(began(halving, 0), { config: 0, budget: 3 });
  const asha = new Asha({ budget: 9 });
  t.like(began(asha, 7), { config: 9, budget: 1 }, 'of two that ended, none is among a third');
  t.like(began(asha, 6), { config: 0, budget: 3 }, 'of three, one is');
});

test('ASHA lets each configuration go on once, and more get less', async (t) => {
  const study = await search(wide, bowl, { ...still, seed: 1, trials: 60, strategy: new Asha({ budget: 9 }) });
  const counts = [1, 3, 9].map((budget) => study.trials.filter((trial) => trial.budget === budget));
  t.true(counts[0].length > counts[1].length && counts[1].length > counts[2].length && counts[2].length > 0);
  for (const rung of counts) t.is(new Set(rung.map(({ config }) => config)).size, rung.length);
  const again = await search(wide, bowl, { ...still, seed: 1, trials: 60, strategy: new Asha({ budget: 9 }) });
  t.deepEqual(outcomeOf(again), outcomeOf(study));
});
