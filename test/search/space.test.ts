// Proves lib/search/space.ts: positions and values, conditions, logs, and what is refused.
import test from 'ava';
import fc from 'fast-check';
import { ArgumentError, search, space } from '../../lib/index.js';
import { checkSpace, dimensionFromJSON, paramsAt, type Dimension } from '../../lib/search/space.js';
import { close } from '../helpers/close.js';
import { still } from '../helpers/search.js';

const dimensions: Record<string, Dimension> = {
  uniform: space.uniform(-2, 5),
  rate: space.logUniform(1e-7, 10),
  integer: space.integer(-3, 12),
  size: space.logInteger(1, 1000),
  choice: space.choice(['a', [1, 2], true, null, 5]),
};

test('every position gives a value of the dimension, and that value stands where it came from', (t) => {
  for (const [name, dimension] of Object.entries(dimensions))
    fc.assert(
      fc.property(fc.double({ min: 0, max: 0.999999, noNaN: true }), (position) => {
        const value = dimension.at(position);
        const place = dimension.positionOf(value);
        const { low = -1, high = -1, values } = dimension.toJSON();
        const isInside = values === undefined ? (value as number) >= low && (value as number) <= high : values.includes(value as never);
        const isThere = name === 'uniform' || name === 'rate' ? Math.abs(place - position) < 1e-12 : dimension.at(place) === value;
        return isInside && isThere;
      }),
      { seed: 1, numRuns: 500 },
    );
  t.pass();
});

test('whole numbers are equally likely, ends included, and on a logarithmic scale small ones more often', (t) => {
  const counts = new Map<number, number>();
  const range = space.integer(1, 4);
  for (let i = 0; i < 4000; i++) counts.set(range.at(i / 4000), (counts.get(range.at(i / 4000)) ?? 0) + 1);
  t.deepEqual([...counts], [[1, 1000], [2, 1000], [3, 1000], [4, 1000]]); // biome-ignore format: one line
  const sizes = Array.from({ length: 1000 }, (_, i) => space.logInteger(1, 255).at(i / 1000));
  close(t, [sizes.filter((size) => size < 16).length / 1000], [0.5], { absolute: 0.01 });
});

test('points of a grid hold both ends; of whole numbers no more than there are', (t) => {
  t.deepEqual(space.integer(1, 3).points(10), [1, 2, 3]);
  t.deepEqual(space.uniform(0, 1).points(3), [0, 0.5, 1]);
  t.deepEqual(space.logInteger(1, 100).points(3), [1, 10, 100]);
  t.deepEqual(space.choice(['x', 'y']).points(), ['x', 'y']);
});

test('a parameter with a condition is there only where it is met, also behind one that is not there itself', (t) => {
  const of = checkSpace({
    optimizer: space.choice(['sgd', 'adam']),
    nesterov: space.when('optimizer', 'sgd', space.choice([true, false])),
    momentum: space.when('nesterov', [true], space.uniform(0, 1)),
  });
  t.deepEqual(paramsAt(of, () => 0), { optimizer: 'sgd', nesterov: true, momentum: 0 }); // biome-ignore format: one line
  t.deepEqual(paramsAt(of, (name) => (name === 'nesterov' ? 0.9 : 0)), { optimizer: 'sgd', nesterov: false }); // biome-ignore format: one line
  t.deepEqual(paramsAt(of, () => 0.9), { optimizer: 'adam' }); // biome-ignore format: one line
});

test('a dimension comes back from its log as it was', (t) => {
  const all = { ...dimensions, conditional: space.when('choice', [[1, 2]], space.logUniform(1, 2)) };
  for (const dimension of Object.values(all)) {
    const json = JSON.parse(JSON.stringify(dimension));
    t.deepEqual(JSON.parse(JSON.stringify(dimensionFromJSON(json))), json);
    t.is(dimensionFromJSON(json).constructor, dimension.constructor);
  }
});

test('what is no space is refused in words, before the first trial', async (t) => {
  const wrong: [() => unknown, RegExp][] = [
    [() => space.uniform(1, 1), /two different bounds for `high`, received 1/],
    [() => space.uniform(Number.NaN, 1), /a number \(finite\) for `low`, received NaN/],
    [() => space.logUniform(0, 1), /bounds above 0, of a logarithmic scale, for `low`, received 0/],
    [() => space.logInteger(0, 10), /bounds above 0/],
    [() => space.integer(1, 2.5), /an integer of at least -9007199254740991 for `high`, received 2\.5/],
    [() => space.choice([]), /at least one choice for `values`/],
    [() => space.choice(['a', 'a']), /different choices/],
    [() => space.choice([Number.NaN]), /plain data for `values\[0\]`, received NaN/],
    [() => space.choice([(() => 1) as never]), /plain data for `values\[0\]`, received a function\. Choose between names/],
    [() => space.when('a', [], space.uniform(0, 1)), /a value, or several for `values`/],
    [() => space.when('a', 1, space.when('b', 1, space.uniform(0, 1)) as never), /a dimension without a condition/],
    [() => checkSpace({}), /an object with a dimension for each parameter for `space`/],
    [() => checkSpace({ lr: [1, 2] }), /a dimension, such as space\.uniform\(0, 1\), for `space\.lr`, received \[1, 2\]/],
    [() => checkSpace({ m: space.when('o', 1, space.uniform(0, 1)) }), /a parameter that stands before it for `space\.m\.when`, received "o"/],
    [
      () => checkSpace({ o: space.choice(['sgd']), m: space.when('o', 'adam', space.uniform(0, 1)) }),
      /one of the choices of 'o', "sgd", for `space\.m\.when`, received "adam"/,
    ],
  ];
  for (const [make, message] of wrong) t.throws(make, { instanceOf: ArgumentError, message });
  await t.throwsAsync(
    search(null as never, () => 1, { ...still, trials: 1 }),
    { message: /for `space`, received null/ },
  );
});

test('a range as wide as numbers go has its values in it, evenly, and grid points and places as others have', (t) => {
  const range = space.uniform(-1.7e308, 1.7e308);
  for (const at of [0, 0.25, 0.5, 0.75, 1]) t.true(Math.abs(range.at(at) / 1.7e308 - (2 * at - 1)) < 1e-15, `${at}`);
  t.deepEqual(range.points(3), [-1.7e308, 0, 1.7e308]);
  for (const share of [range.positionOf(8.5e307), range.shareOf(8.5e307)]) t.true(Math.abs(share - 0.75) < 1e-15);
});
