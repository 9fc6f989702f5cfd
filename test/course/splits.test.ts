// Course section L: folds, and what cross-validation says.
import test from 'ava';
import { ArgumentError, Centre, crossValidate, type Dataset, folds, setSeed, split, TensorDataset } from '../../lib/index.js';
import { f32, i32 } from '../helpers/build.js';

const data = (n: number): Dataset =>
  new TensorDataset(
    f32(
      Float64Array.from({ length: n }, (_, i) => i),
      [n, 1],
    ),
    i32(new Array(n).fill(0)),
    { name: 'ten' },
  );
const numbers = (part: Dataset): number[] => [...part.batch(Int32Array.from({ length: part.length }, (_, i) => i)).inputs.data];
const sorted = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);
const all = Array.from({ length: 10 }, (_, i) => i);

test('[L05] ten examples in three folds: 4, 3 and 3, each example once in a validation part and never in its training part', (t) => {
  for (const shuffle of [true, false]) {
    const parts = folds(data(10), { folds: 3, shuffle, seed: 5 });
    t.deepEqual(
      parts.map(({ validation }) => validation.length),
      [4, 3, 3],
    );
    t.deepEqual(sorted(parts.flatMap(({ validation }) => numbers(validation))), all);
    for (const { train, validation } of parts) t.deepEqual(sorted([...numbers(train), ...numbers(validation)]), all);
  }
  t.deepEqual(numbers(folds(data(10), { folds: 3, shuffle: false })[1].validation), [4, 5, 6], 'stretches, without shuffling');
  setSeed(8);
  const [a, b] = [folds(data(10)), folds(data(10))];
  t.deepEqual(
    a.map(({ validation }) => numbers(validation)),
    b.map(({ validation }) => numbers(validation)),
    'the same seed, the same folds',
  );
  t.notDeepEqual(numbers(folds(data(10), { seed: 9 })[0].validation), numbers(a[0].validation));
});

test('folds know what they are, and what cannot be folded is refused', (t) => {
  const [{ train, validation }] = folds(data(10));
  t.deepEqual([train.split, validation.split], ['train', 'validation']);
  t.throws(() => new Centre().fit(validation), { message: /is the validation part of a split/ });
  t.throws(() => folds(split(data(10), [0.5, 0.5])[1]), { instanceOf: ArgumentError, message: /folds are made of training data/ });
  t.throws(() => folds(data(10), { folds: 1 }), { message: /options\.folds/ });
  t.throws(() => folds(data(3), { folds: 4 }), { message: /folds/ });
  t.throws(() => folds(data(1)), { message: /folds/ });
  t.throws(() => folds(data(10), { shuffle: 1 as never }), { message: /shuffle/ });
  t.throws(() => folds([] as never), { message: /data set/ });
});

test('[L04] cross-validation gives mean and standard deviation of the scores of all folds', async (t) => {
  const { scores, mean, std } = await crossValidate(data(10), async ({ validation }, i) => validation.length + i, { folds: 3, seed: 1 });
  t.deepEqual(scores, [4, 4, 5]);
  t.is(mean, 13 / 3);
  t.true(Math.abs(std - Math.sqrt(1 / 3)) < 1e-15);
  await t.throwsAsync(
    crossValidate(data(10), () => 'good' as never),
    { instanceOf: ArgumentError, message: /one number per fold/ },
  );
  await t.throwsAsync(crossValidate(data(10), null as never), { message: /a function/ });
});
