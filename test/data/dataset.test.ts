// Proves lib/data/dataset.ts: rows, class indices, subsets, and splits that are disjoint, complete, repeatable and stratified.
import test from 'ava';
import fc from 'fast-check';
import { Accuracy, CrossEntropyLoss, Linear, SGD, Sequential } from '../../lib/index.js';
import { type Dataset, TensorDataset } from '../../lib/data/dataset.js';
import { split, subset } from '../../lib/data/parts.js';
import { setSeed } from '../../lib/seed.js';
import { Tensor } from '../../lib/tensor.js';

/** N examples whose input is [i, -i] and whose class is i mod `classes`. */
const numbered = (n: number, classes = 3): TensorDataset => {
  const inputs = new Float32Array(2 * n).map((_, i) => (i % 2 === 0 ? i / 2 : -(i - 1) / 2));
  const targets = new Int32Array(n).map((_, i) => i % classes);
  return new TensorDataset(Tensor.from<'float32'>(inputs, [n, 2]), Tensor.from<'int32'>(targets, [n]), { name: 'numbered', classes });
};
const everything = (n: number): Int32Array => new Int32Array(n).map((_, i) => i);
/** Which rows of `numbered` a data set holds. */
const rowsOf = (dataset: Dataset): number[] => {
  const { data } = dataset.batch(everything(dataset.length)).inputs;
  return Array.from({ length: dataset.length }, (_, i) => data[2 * i]);
};
const code = 'ERR_ARGUMENT';

test('a batch holds the rows asked for, in that order, repeats included, and is a copy', (t) => {
  const dataset = numbered(5);
  const { inputs, targets } = dataset.batch(Int32Array.of(4, 0, 4));
  t.deepEqual([...inputs.data], [4, -4, 0, -0, 4, -4]);
  t.deepEqual([...inputs.shape], [3, 2]);
  t.deepEqual([...targets.data], [1, 0, 1]);
  t.deepEqual([...targets.shape], [3]);
  inputs.data[0] = 99;
  t.is(dataset.inputs.data[8], 4);
  t.deepEqual([dataset.length, dataset.inputShape, dataset.targetShape, dataset.name], [5, [2], [], 'numbered']);
  t.deepEqual(dataset.classes, ['0', '1', '2']);
  t.deepEqual([...dataset.batch(new Int32Array(0)).inputs.shape], [0, 2]);
});

test('every element type and target shape is kept', (t) => {
  const pixels = Tensor.from<'uint8'>(
    new Uint8Array(24).map((_, i) => i),
    [3, 2, 2, 2],
  );
  const angles = Tensor.from<'float64'>(new Float64Array([0.5, 1.5, 2.5]), [3, 1]);
  const dataset = new TensorDataset(pixels, angles);
  const { inputs, targets } = dataset.batch(Int32Array.of(2));
  t.deepEqual([inputs.dtype, targets.dtype], ['uint8', 'float64']);
  t.deepEqual([...inputs.data], [16, 17, 18, 19, 20, 21, 22, 23]);
  t.deepEqual([...targets.data], [2.5]);
  t.deepEqual([...targets.shape], [1, 1]);
  t.throws(() => dataset.labels(), { code });
  const oneHot = Tensor.from<'float32'>(new Float32Array([1, 0, 0, 1, 1, 0]), [3, 2]);
  t.deepEqual(new TensorDataset(pixels, oneHot, { classes: ['cat', 'dog'] }).classes, ['cat', 'dog']);
  t.throws(() => new TensorDataset(pixels, oneHot, { classes: 3 }), { code: 'ERR_SHAPE', message: /float32 \[3, 2\]/ });
});

test('[E28] class indices count from 0: one outside 0 to C-1 is an error that names the row', (t) => {
  const make = (labels: number[], classes?: number | string[]): TensorDataset =>
    new TensorDataset(
      Tensor.from<'float32'>(new Float32Array(labels.length), [labels.length, 1]),
      Tensor.from<'int32'>(Int32Array.from(labels)),
      { classes },
    );
  t.throws(() => make([1, 2, 3], 3), { code, message: /from 0 to 2 for `targets`, received 3 at row 2; labels count from 0: subtract 1/ });
  t.throws(() => make([0, 4], ['a', 'b']), { code, message: /from 0 to 1 for `targets`, received 4 at row 1/ });
  t.throws(() => make([0, -1]), { code, message: /at least 0 for `targets`, received -1 at row 1/ });
  t.notThrows(() => make([0, 2], 3));
  t.notThrows(() => make([], 3));
  t.notThrows(() => make([0, 1000]));
});

test('a subset is its rows in its order, and subsets of subsets compose', (t) => {
  const whole = numbered(10);
  const half = subset(whole, [8, 6, 4, 2, 0]);
  t.deepEqual(rowsOf(half), [8, 6, 4, 2, 0]);
  t.deepEqual([...half.labels!()], [2, 0, 1, 2, 0]);
  t.deepEqual(rowsOf(subset(half, Int32Array.of(4, 1))), [0, 6]);
  t.deepEqual([half.classes, half.inputShape, half.targetShape], [whole.classes, [2], []]);
  for (const indices of [[10], [-1], [0.5], ['1'], [NaN], [2 ** 32], 3, null, new Float32Array(2)]) {
    t.throws(() => subset(whole, indices as number[]), { code, message: /`indices`/ });
  }
  t.throws(() => half.batch(Int32Array.of(5)), { code, message: /from 0 to 4 for `indices`, received 5 at position 0/ });
  t.throws(() => whole.batch([0] as unknown as Int32Array), { code, message: /Int32Array/ });
  t.throws(() => subset({} as Dataset, [0]), { code, message: /`dataset`/ });
});

test('[L01] the parts of a split are disjoint and their sizes sum to N, for fractions and for sizes', (t) => {
  const fractions = fc.array(fc.nat(20), { minLength: 1, maxLength: 6 }).filter((parts) => parts.some((part) => part > 0));
  fc.assert(
    fc.property(fc.nat(300), fractions, fc.maxSafeInteger(), fc.boolean(), (n, weights, seed, stratify) => {
      const sum = weights.reduce((total, weight) => total + weight, 0);
      const parts = split(
        numbered(n),
        weights.map((weight) => weight / sum),
        { seed, stratify },
      );
      const sizesFit = parts.every((part, i) => Math.abs(part.length - (weights[i] / sum) * n) < 1 + 1e-9);
      const rows = parts.flatMap(rowsOf).sort((a, b) => a - b);
      return sizesFit && rows.length === n && rows.every((row, i) => row === i);
    }),
  );
  const cases: [number, number[], number[]][] = [
    [10, [7, 2, 1], [7, 2, 1]],
    [10, [0.7, 0.2, 0.1], [7, 2, 1]],
    [10, [0.68, 0.32], [7, 3]],
    [10, [0.32, 0.68], [3, 7]],
    [3, [0.25, 0.25, 0.25, 0.25], [1, 1, 1, 0]],
    [1, [1], [1]],
    [7, [1, 0], [7, 0]],
  ];
  for (const [n, parts, sizes] of cases)
    t.deepEqual(
      Array.from(split(numbered(n), parts), (part) => part.length),
      sizes,
    );
});

test.serial('the same seed gives the same split, another seed another; the default is the seed of setSeed', (t) => {
  const rows = (seed?: number): string =>
    split(numbered(50), [0.5, 0.5], { seed })
      .map((part) => rowsOf(part).join())
      .join('|');
  t.is(rows(1), rows(1));
  t.not(rows(1), rows(2));
  setSeed(2);
  t.is(rows(), rows(2));
  setSeed(0);
  t.is(rows(), rows(0));
});

test('a stratified split keeps the proportions of the classes in every part', (t) => {
  fc.assert(
    fc.property(fc.array(fc.nat(3), { minLength: 1, maxLength: 200 }), fc.integer({ min: 1, max: 9 }), fc.nat(99), (labels, tenths, seed) => {
      const n = labels.length;
      const inputs = Tensor.from<'float32'>(new Float32Array(n), [n, 1]);
      const dataset = new TensorDataset(inputs, Tensor.from<'int32'>(Int32Array.from(labels)), { classes: 4 });
      const parts = split(dataset, [tenths / 10, 1 - tenths / 10], { seed, stratify: true });
      return parts.every((part) =>
        [0, 1, 2, 3].every((label) => {
          const inPart = part.labels!().filter((value) => value === label).length;
          const all = labels.filter((value) => value === label).length;
          return Math.abs(inPart - (all * part.length) / n) <= 1;
        }),
      );
    }),
  );
  const thin: Dataset = { ...numbered(3000), batch: (indices) => numbered(3000).batch(indices), labels: undefined };
  const [first] = split({ ...thin, length: 3000, name: 'thin', inputShape: [2], targetShape: [] }, [0.1, 0.9], { stratify: true });
  const labels = [...first.batch(everything(300)).targets.data];
  t.is(labels.filter((label) => label === 1).length, 100);
  t.true(new Set(labels.slice(0, 50)).size === 3, 'and mixes the classes within a part');
});

test('wrong arguments are refused by name', (t) => {
  const data = numbered(10);
  for (const parts of [[], [0.5], [0.5, 0.6], [3, 3], [-1, 11], [NaN, 1], ['0.5', '0.5'], 0.5, null, [Infinity]]) {
    t.throws(() => split(data, parts as number[]), { code, message: /`parts`/ });
  }
  t.throws(() => split(data, [1], { seed: 0.5 }), { code, message: /options.seed/ });
  t.throws(() => split(data, [1], { stratify: 1 as unknown as boolean }), { code, message: /options.stratify/ });
  t.throws(() => split(data, [1], { shuffle: true } as object), { code, message: /unknown option `shuffle`/ });
  const inputs = Tensor.from<'float32'>(new Float32Array(4), [2, 2]);
  const targets = Tensor.from<'int32'>(new Int32Array(3));
  t.throws(() => new TensorDataset(inputs, targets), { code: 'ERR_SHAPE', message: /\[3\] for inputs \[2, 2\]/ });
  t.throws(() => new TensorDataset([1] as unknown as Tensor, targets), { code, message: /`inputs`/ });
  t.throws(() => new TensorDataset(inputs, null as unknown as Tensor<'int32'>), { code, message: /`targets`/ });
  for (const classes of [0, 1.5, [], [1, 2], 'ab']) {
    t.throws(() => new TensorDataset(targets, targets, { classes: classes as number }), { code, message: /options.classes/ });
  }
  const fitted = new TensorDataset(inputs, inputs);
  t.throws(() => split(fitted, [1], { stratify: true }), { code, message: /stratify/ });
});

test('a label that does not count goes into a data set that is told of it, and the error about such a label says how', async (t) => {
  const inputs = Tensor.from(
    Float32Array.from({ length: 12 }, (_, i) => i / 12),
    [6, 2],
  );
  for (const ignoreIndex of [-1, -100, 255]) {
    const labels = Tensor.from(Int32Array.of(0, ignoreIndex, 2, 1, ignoreIndex, 0));
    const error = t.throws(() => new TensorDataset(inputs, labels, { classes: 3 }), { code });
    t.true(error.message.includes(`ignoreIndex: ${ignoreIndex}`), error.message);
    const set = new TensorDataset(inputs, labels, { classes: 3, ignoreIndex });
    const model = new Sequential([new Linear(2, 3)]);
    const loss = new CrossEntropyLoss({ ignoreIndex });
    await model.fit(set, { loss, optimizer: new SGD(model, { lr: 0.1 }), batchSize: 2, log: false, progress: false });
    const { metrics } = await model.evaluate(set, { loss, metrics: [new Accuracy({ ignoreIndex })] });
    t.is((metrics.accuracy * 4) % 1, 0);
  }
  const wrong = Tensor.from(Int32Array.of(0, -1, 2, 1, -2, 0));
  t.throws(() => new TensorDataset(inputs, wrong, { ignoreIndex: -1 }), { message: /received -2 at row 4/ });
});
