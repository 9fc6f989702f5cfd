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

const labelled = (labels: readonly number[]): Dataset =>
  new TensorDataset(
    f32(
      Float64Array.from(labels, (_, i) => i),
      [labels.length, 1],
    ),
    i32(labels),
  );
/** How many examples of each class a part has. */
const counts = (part: Dataset, classes: number): number[] => {
  const { targets } = part.batch(Int32Array.from({ length: part.length }, (_, i) => i));
  return Array.from({ length: classes }, (_, label) => [...targets.data].filter((one) => one === label).length);
};

test('folds by class have each class as often as its share, to one example', (t) => {
  const labels = Array.from({ length: 103 }, (_, i) => (i < 60 ? 0 : i < 93 ? 1 : 2));
  const parts = folds(labelled(labels), { folds: 5, stratify: true, seed: 2 });
  t.deepEqual(sorted(parts.flatMap(({ validation }) => numbers(validation))), sorted(labels.map((_, i) => i)));
  for (const { train, validation } of parts) {
    for (const [label, count] of counts(validation, 3).entries())
      t.true(Math.abs(count - [60, 33, 10][label] / 5) <= 1, `class ${label}: ${count}`);
    t.is(train.length + validation.length, 103);
  }
  const plain = folds(labelled(labels), { folds: 5, seed: 2 }).map(({ validation }) => counts(validation, 3)[0]);
  t.true(
    plain.some((count) => Math.abs(count - 12) > 1),
    'chance alone does not do it',
  );
});

test('examples of one group stay together in a split and in folds, near the sizes and classes asked for', (t) => {
  // 40 patients with 1 to 7 recordings each; every third one is ill.
  const patients = Array.from({ length: 40 }, (_, i) => new Array(1 + ((i * 5) % 7)).fill(`patient ${i}`)).flat() as string[];
  const labels = patients.map((name) => Number(Number(name.slice(8)) % 3 === 0));
  const set = labelled(labels);
  const groupsOf = (part: Dataset) => new Set(numbers(part).map((row) => patients[row]));
  const disjoint = (parts: readonly Dataset[]) => {
    const all = parts.flatMap((part) => [...groupsOf(part)]);
    t.is(new Set(all).size, all.length, 'no group is in two parts');
    t.deepEqual(sorted(parts.flatMap(numbers)), sorted(patients.map((_, i) => i)), 'each example is in one');
  };
  for (const stratify of [false, true]) {
    const parts = split(set, [0.6, 0.2, 0.2], { groups: patients, stratify, seed: 3 });
    disjoint(parts);
    for (const [i, part] of parts.entries())
      t.true(Math.abs(part.length / patients.length - [0.6, 0.2, 0.2][i]) < 0.05, `${i}: ${part.length}`);
    const made = folds(set, { folds: 4, groups: patients, stratify, seed: 3 });
    disjoint(made.map(({ validation }) => validation));
    for (const { train, validation } of made) {
      t.true([...groupsOf(validation)].every((group) => !groupsOf(train).has(group)));
      t.true(Math.abs(validation.length - patients.length / 4) <= 4);
      if (stratify) t.true(Math.abs(counts(validation, 2)[1] / validation.length - counts(set, 2)[1] / set.length) < 0.06);
    }
  }
  t.deepEqual(
    numbers(split(set, [0.5, 0.5], { groups: patients, seed: 3 })[0]),
    numbers(split(set, [0.5, 0.5], { groups: Int32Array.from(patients, (name) => Number(name.slice(8))), seed: 3 })[0]),
    'names and numbers are the same groups',
  );
});

test('groups that cannot be are refused', (t) => {
  const set = data(10);
  const groups = [0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
  t.throws(() => split(set, [0.5, 0.5], { groups: [1, 2] }), { message: /one group for each of the 10 examples/ });
  t.throws(() => split(set, [0.5, 0.5], { groups: new Array(10).fill({}) }), { message: /whole numbers or texts/ });
  t.throws(() => split(set, [0.4, 0.3, 0.3], { groups }), { message: /2 groups cannot make 3 parts/ });
  t.throws(() => folds(set, { folds: 2, groups: 7 as never }), { message: /options\.groups/ });
  t.throws(() => folds(set, { folds: 2, groups: new Array(10).fill('one') }), { message: /1 groups cannot make 2 parts/ });
  t.throws(() => folds(set, { shuffle: false, stratify: true }), { message: /options\.shuffle/ });
  t.throws(() => folds(set, { shuffle: false, repeats: 2 }), { message: /options\.shuffle/ });
  t.throws(() => folds(set, { repeats: 0 }), { message: /options\.repeats/ });
});

test('repeated folds are made in another order each time, and all are whole', (t) => {
  const parts = folds(data(10), { folds: 5, repeats: 3, seed: 6 });
  t.is(parts.length, 15);
  const rounds = [0, 1, 2].map((repeat) => parts.slice(5 * repeat, 5 * repeat + 5).map(({ validation }) => numbers(validation)));
  for (const round of rounds) t.deepEqual(sorted(round.flat()), all);
  t.notDeepEqual(rounds[0], rounds[1]);
  t.deepEqual(rounds[0], folds(data(10), { folds: 5, seed: 6 }).map(({ validation }) => numbers(validation))); // biome-ignore format: one line
  t.regex(parts[14].validation.name, /fold 5\/5 of repeat 3/);
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
