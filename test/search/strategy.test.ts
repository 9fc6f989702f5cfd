// Proves lib/search/strategy.ts and fixed.ts: random points from (seed, trial number), grids and lists.
import test from 'ava';
import { GridSearch, ManualSearch, RandomSearch, search, space } from '../../lib/index.js';
import { randomOf } from '../../lib/search/strategy.js';
import { close } from '../helpers/close.js';
import { bowl, still, view, wide } from '../helpers/search.js';

test('random points are a function of (seed, trial number): trials before them do not enter', (t) => {
  const random = new RandomSearch();
  for (const number of [0, 5, 1000]) t.deepEqual(random.draw(view({ number })), random.draw(view({ number, trials: [] })));
  t.notDeepEqual(random.draw(view({ number: 5 })), random.draw(view({ number: 6 })));
  t.notDeepEqual(random.draw(view({ number: 5 })), random.draw(view({ number: 5, seed: 4 })));
});

test('random points are even in every parameter and independent between parameters, over 100,000 draws', (t) => {
  const count = 100_000;
  const [bins, both] = [new Float64Array(10), new Float64Array(16)];
  for (let number = 0; number < count; number++) {
    const [x, y] = ['lr', 'momentum'].map((name) => randomOf({ seed: 5, number }, name).uniform53());
    bins[Math.floor(x * 10)] += 1;
    both[Math.floor(x * 4) * 4 + Math.floor(y * 4)] += 1;
  }
  // Five standard deviations of a count.
  close(t, bins, new Array(10).fill(count / 10), { absolute: 5 * Math.sqrt(count / 10) });
  close(t, both, new Array(16).fill(count / 16), { absolute: 5 * Math.sqrt(count / 16) });
});

test('a grid multiplies a conditional parameter only where its condition is met', async (t) => {
  const { trials } = await search(wide, bowl, { ...still, strategy: new GridSearch({ points: { lr: 2, layers: 1, momentum: 3 } }) });
  t.is(trials.length, 2 * 1 * (3 + 1));
  t.is(trials.filter(({ params }) => params.optimizer === 'adam').length, 2);
  t.is(new Set(trials.map(({ params }) => JSON.stringify(params))).size, trials.length);
});

test('grids and lists that make no sense are refused', (t) => {
  t.throws(() => new GridSearch({ points: 0 }), { message: /options\.points/ });
  t.throws(() => new GridSearch({ points: { lr: 1.5 } }), { message: /options\.points\.lr/ });
  t.throws(() => new GridSearch({ points: { width: 3 } }).check(wide), { message: /'width', which is not in the space: lr, layers/ });
  t.throws(() => new GridSearch({ points: 1000 }).check({ a: space.uniform(0, 1), b: space.uniform(0, 1), c: space.uniform(0, 1) }), {
    message: /a grid of 1000000000 points is too large/,
  });
  t.throws(() => new ManualSearch([]), { message: /an array of configurations/ });
  t.throws(() => new ManualSearch([3 as never]), { message: /list\[0\]/ });
});
