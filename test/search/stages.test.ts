// Proves lib/search/stages.ts: the region of the best trials, and stages that follow each other.
import test from 'ava';
import { CoarseToFine, narrowed, search } from '../../lib/index.js';
import { bowl, ended, outcomeOf, still, wide } from '../helpers/search.js';

test('a space is narrowed to the best quarter: ranges to their stretch with a margin, choices to those that occur, the rest stays', (t) => {
  const trials = [1e-4, 1e-3, 1e-2, 1e-6, 1e-5, 0.1, 1, 0.5].map((lr, number) =>
    ended(
      number,
      { lr, layers: number < 2 ? 2 : 4, optimizer: number < 2 ? 'adam' : 'momentum', ...(number >= 2 && { momentum: 0.5 }) },
      number,
    ),
  );
  const { lr, layers, optimizer, momentum } = narrowed(wide, trials);
  t.true(lr.low < 1e-4 && lr.low > 1e-5 && lr.high > 1e-3 && lr.high < 1e-2, `${lr.low} to ${lr.high}`);
  t.true(lr.isLog);
  t.deepEqual([layers.low, layers.high], [2, 2]);
  t.deepEqual(optimizer.values, ['adam']);
  t.deepEqual(momentum.toJSON(), wide.momentum.toJSON(), 'no trial of the best has it');
  t.deepEqual(narrowed({ lr: wide.lr }, trials, { direction: 'maximize', keep: 0.1 }).lr.high, 1, 'cut at the old bound');
});

test('narrowing without a completed trial, and stages that are none, are refused', (t) => {
  t.throws(() => narrowed(wide, [ended(0, {}, null)]), { message: /none has completed/ });
  t.throws(() => new CoarseToFine({ stages: [{ trials: 3, budget: 1 }] }), { message: /at least two stages/ });
  t.throws(() => new CoarseToFine({ stages: [{ trials: 3, budget: 1 }, { trials: 0, budget: 1 }] }), { message: /stages\[1\]\.trials/ }); // biome-ignore format: one line
});

test('stages end when their trials have, and a second study gives the same trials', async (t) => {
  const run = () =>
    search(wide, bowl, { ...still, seed: 5, strategy: new CoarseToFine({ stages: [{ trials: 6, budget: 1 }, { trials: 6, budget: 2 }, { trials: 3, budget: 9 }] }) }); // biome-ignore format: one line
  const study = await run();
  t.is(study.trials.length, 15);
  t.deepEqual(outcomeOf(await run()), outcomeOf(study));
});
