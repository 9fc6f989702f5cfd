// Course section E: output layers and losses, with the sources' own worked numbers (recomputed where they are misprinted).
import test from 'ava';
import {
  BinaryCrossEntropyLoss,
  binaryCrossEntropy,
  CrossEntropyLoss,
  crossEntropy,
  HingeLoss,
  L1Loss,
  Linear,
  l1Loss,
  MSELoss,
  MulticlassHingeLoss,
  multiclassHingeLoss,
  mseLoss,
  Sequential,
  SGD,
  setSeed,
  sigmoid,
  softmax,
  type Tensor,
  TensorDataset,
} from '../../lib/index.js';
import { f32, f64, gradientOf, i32, leaf } from '../helpers/build.js';
import { close } from '../helpers/close.js';
import { Seeded } from '../helpers/seeded.js';

type Double = Tensor<'float64'>;

const prediction = [12, 24, 42, 23, 34, 32, 5, 2, 12, 31, 12, 31, 31, 64, 5, 13];
const target = [15, 20, 40, 25, ...prediction.slice(4)];
const images = { scores: [3.2, 5.1, -1.7, 1.3, 4.9, 2.0, 2.2, 2.5, -3.1], labels: [0, 1, 2] };
const models = { scores: [5, -3, 2, 5, 10, 10, 5, -20, -20], labels: [0, 0, 0] };

/** Cross-entropy of each row alone. */
function each(scores: readonly number[], labels: readonly number[], make: typeof f64 | typeof f32): number[] {
  return labels.map((label, row) => crossEntropy(make(scores.slice(3 * row, 3 * row + 3), [1, 3]) as never, i32([label])).item());
}

/** The multiclass hinge of each row. */
const hinge = (scores: Double, labels: readonly number[]): Double => multiclassHingeLoss(scores, i32(labels), { reduction: 'none' });

/** The constant that fits `data` best by a loss: halving the span of its slope's change of sign. */
function bestConstant(loss: typeof l1Loss, data: readonly number[]): number {
  let [low, high] = [-1000, 1000];
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    const [slope] = gradientOf((x) => loss(x.add(f64(data.map(() => 0))), f64(data), { reduction: 'sum' }), [middle]);
    if (slope === 0) return middle;
    if (slope > 0) high = middle;
    else low = middle;
  }
  return (low + high) / 2;
}

test('[E01] [E03] the L2 loss of the worked matrices is 33 as a sum and 2.0625 as a mean', (t) => {
  for (const make of [f32, f64]) {
    const [f, y] = [make(prediction, [4, 4]), make(target, [4, 4])] as [Double, Double];
    t.is(mseLoss(f, y, { reduction: 'sum' }).item(), 33);
    t.is(mseLoss(f, y).item(), 2.0625);
  }
});

test('[E02] [E04] the L1 loss of the worked matrices is 11 as a sum and 0.6875 as a mean', (t) => {
  for (const make of [f32, f64]) {
    const [f, y] = [make(prediction, [4, 4]), make(target, [4, 4])] as [Double, Double];
    t.is(l1Loss(f, y, { reduction: 'sum' }).item(), 11);
    t.is(l1Loss(f, y).item(), 0.6875);
  }
});

test('[E05] the constant that minimizes the L2 loss is the mean', (t) => {
  const data = f64([1, 2, 9]);
  const constant = leaf(f64([0], [1]));
  // Each step leaves 1 - 2 * 0.25 of the distance: 60 halvings of 4 end below 2^-57.
  for (let step = 0; step < 60; step++) {
    constant.grad = null;
    mseLoss(constant.add(f64([0, 0, 0])), data).backward();
    constant.data[0] -= 0.25 * (constant.grad as unknown as Double).data[0];
  }
  close(t, constant, [4], { absolute: 1e-12 });
});

test('[E06] the constant that minimizes the L1 loss is the median', (t) => {
  close(t, [bestConstant(l1Loss, [1, 2, 9])], [2], { absolute: 1e-12 });
});

test('[E07] an outlier of 100 moves the best constant of L2 from 4 to 28, that of L1 to between 2 and 9', (t) => {
  const data = [1, 2, 9, 100];
  close(t, [bestConstant(mseLoss, [1, 2, 9]), bestConstant(mseLoss, data)], [4, 28], { absolute: 1e-12 });
  const robust = bestConstant(l1Loss, data);
  t.true(robust >= 2 && robust <= 9, String(robust));
});

test('[E08] the slope of L2 is twice the error, that of L1 its sign, and 0 at a tie', (t) => {
  const errors = [-3, -0.5, 0, 2];
  const slopes = (loss: typeof l1Loss) => [...gradientOf((x) => loss(x, f64([0, 0, 0, 0]), { reduction: 'sum' }), errors)].map((s) => s + 0);
  t.deepEqual(slopes(mseLoss), [-6, -1, 0, 4]);
  t.deepEqual(slopes(l1Loss), [-1, -1, 0, 1]);
});

test('[E09] binary classification: the sigmoid of a score is a probability, with the bias as weight 0', (t) => {
  t.is(sigmoid(f64([0])).item(), 0.5);
  const each = binaryCrossEntropy(f64([2, -2]), f64([1, 1]), { reduction: 'none' });
  close(t, each, [0.126928, 2.126928], { absolute: 0.5e-7 });
  for (const make of [f32, f64]) {
    const far = binaryCrossEntropy(make([1000, -1000, 1000, -1000]) as Double, make([1, 1, 0, 0]) as Double, { reduction: 'none' });
    t.deepEqual([...far.data], [0, 1000, 1000, 0]);
  }
  // The bias as theta_0 beside a constant x_0 = 1.
  const [theta, x] = [f64([0.5, 2, -1], [3, 1]), f64([1, 3, 4, 1, -1, 2], [2, 3])];
  const separate = f64([3, 4, -1, 2], [2, 2])
    .matmul(f64([2, -1], [2, 1]))
    .add(0.5);
  t.deepEqual([...x.matmul(theta).data], [...separate.data]);
});

test('[E10] softmax takes exponentials and normalizes', (t) => {
  close(t, softmax(f64([3.2, 5.1, -1.7])), [0.129983, 0.86905, 0.000968], { absolute: 0.5e-6 });
});

test('[E11] probabilities are not negative and sum to 1, also where an exponential underflows', (t) => {
  const random = new Seeded(11);
  for (let round = 0; round < 200; round++) {
    const count = 1 + random.integer(40);
    const scores = random.uniform(count, -120, 120);
    for (const [probabilities, allowed] of [
      [softmax(f64(scores)).data, 1e-14],
      [softmax(f32(scores)).data, 1e-6],
    ] as const) {
      t.true(probabilities.every((value: number) => value >= 0));
      close(t, [Float64Array.from(probabilities).reduce((sum, value) => sum + value)], [1], { absolute: allowed });
    }
  }
});

test('[E12] softmax subtracts the largest score first: large scores neither overflow nor change the result', (t) => {
  const expected = [0.0900306, 0.2447285, 0.665241];
  for (const make of [f32, f64]) {
    const [low, high] = [softmax(make([0, 1, 2]) as Double), softmax(make([1000, 1001, 1002]) as Double)];
    close(t, low, expected, { absolute: 2e-7 });
    t.deepEqual([...high.data], [...low.data]);
  }
});

test('[E13] [E14] the cross-entropy of the three worked images is 2.04, 0.079 and 6.156, in natural logarithms', (t) => {
  const expected = [2.040355, 0.079132, 6.156477];
  close(t, each(images.scores, images.labels, f64), expected, { absolute: 0.5e-6 });
  close(t, each(images.scores, images.labels, f32), expected, { absolute: 1e-6 });
});

test('[E15] the loss of a batch is the mean over its images: 2.758655', (t) => {
  close(t, [crossEntropy(f64(images.scores, [3, 3]), i32(images.labels)).item()], [2.758655], { absolute: 0.5e-6 });
});

test('[E16] [E17] [E18] [E19] the multiclass hinge of the three worked images is 2.9, 0 and 12.9', (t) => {
  for (const [make, absolute] of [
    [f32, 2e-6],
    [f64, 1e-14],
  ] as const)
    close(t, hinge(make(images.scores, [3, 3]) as Double, images.labels), [2.9, 0, 12.9], { absolute });
});

test('[E20] [P31] its mean is 5.266667, which is printed as 5.3', (t) => {
  const mean = multiclassHingeLoss(f64(images.scores, [3, 3]), i32(images.labels)).item();
  close(t, [mean], [5.266667], { absolute: 0.5e-6 });
  t.is(mean.toFixed(1), '5.3');
});

test('[P30] it is a sum over the wrong classes: neither their mean (4.3) nor the worst (6.6)', (t) => {
  const loss = multiclassHingeLoss(f64(images.scores.slice(6), [1, 3]), i32([2])).item();
  close(t, [loss, loss / 3], [12.9, 4.3], { absolute: 1e-14 });
  const worst = Math.max(...[2.2, 2.5].map((score) => score + 3.1 + 1));
  close(t, [worst], [6.6], { absolute: 1e-14 });
});

test('[E21] the hinge of three models of one image of class 0 is 0, 12 and 0', (t) => {
  for (const make of [f32, f64]) t.deepEqual([...hinge(make(models.scores, [3, 3]) as Double, models.labels).data], [0, 12, 0]);
});

test('[E22] [P14] [P15] the cross-entropy of three models is 0.0489, 5.6965 and 2.78e-11, not zero, in float32 too', (t) => {
  const expected = [0.0489069, 5.6965105, 2.7776e-11];
  close(t, each(models.scores, models.labels, f64), expected, { relative: 1e-5 });
  // The last one vanishes in float32 unless the sum of the other exponentials goes through log1p.
  close(t, each(models.scores, models.labels, f32), expected, { relative: 1e-5 });
  // log1p(2 exp(-25)) to 17 digits: exp and log1p within 2 ulps each.
  const exact = 2.777588772954229e-11;
  close(t, each(models.scores.slice(6), [0], f64), [exact], { relative: 2 ** -50 });
  close(t, each(models.scores.slice(6), [0], f32), [exact], { relative: 2 ** -21 });
});

test('[E23] cross-entropy always wants to improve; hinge does not', (t) => {
  const scores = [5, -20, -20];
  const wanting = gradientOf((x) => crossEntropy(x, i32([0])), scores, 1, [1, 3]);
  t.true(wanting.every((value) => value !== 0));
  t.deepEqual([...gradientOf((x) => hinge(x, [0]).sum(), scores, 1, [1, 3])].map(Math.abs), [0, 0, 0]);
});

test('[E24] hinge cannot tell the first model from the third; cross-entropy differs by a factor of 1.76e9', (t) => {
  t.deepEqual([...hinge(f64(models.scores, [3, 3]), models.labels).data], [0, 12, 0]);
  const [first, , third] = each(models.scores, models.labels, f64);
  close(t, [first / third], [1.76e9], { relative: 0.005 });
});

test('[E25] the full loss is the mean data loss plus lambda R(W)', (t) => {
  const data = hinge(f64(images.scores, [3, 3]), images.labels).mean();
  const weights = [leaf(f64([1, 0, 0, 0])), leaf(f64([0.25, 0.25, 0.25, 0.25]))];
  const penalty = weights.map((w) => w.mul(w).sum()).reduce((sum, part) => sum.add(part));
  const total = data.add(penalty.mul(0.1));
  close(t, [data.item(), penalty.item(), total.item()], [5.266667, 1.25, 5.391667], { absolute: 0.5e-6 });
  total.backward();
  close(t, weights[0].grad as Double, [0.2, 0, 0, 0], { absolute: 1e-15 });
});

test('[E28] [P32] labels count from 0, and one that names no class is an error', (t) => {
  const scores = f64(images.scores, [3, 3]);
  t.notThrows(() => crossEntropy(scores, i32([0, 1, 2])));
  for (const bad of [3, -1, 2 ** 31 - 1, -(2 ** 31)]) {
    const error = t.throws(() => crossEntropy(scores, i32([0, bad, 2])));
    t.regex((error as { code?: string } | undefined)?.code ?? '', /^ERR_(ARGUMENT|RANGE)$/);
    t.true(error?.message.includes(String(bad)), error?.message);
  }
});

test('[E29] [J02] the softmax loss of a net that knows nothing is ln C', (t) => {
  for (const [classes, expected] of [
    [10, Math.LN10],
    [100, 4.60517],
    [1000, 6.907755],
  ]) {
    const scores = new Float64Array(4 * classes);
    close(t, [crossEntropy(f64(scores, [4, classes]), i32([0, 1, 2, 3])).item()], [expected], { absolute: 0.5e-6 });
    close(t, [crossEntropy(f32(scores, [4, classes]), i32([0, 1, 2, 3])).item()], [expected], { absolute: 1e-6 });
  }
});

test('[E30] [G10] the gradient of softmax and cross-entropy is the probabilities minus the one-hot label', (t) => {
  const gradient = gradientOf((x) => crossEntropy(x, i32([0])), images.scores.slice(0, 3), 1, [1, 3]);
  close(t, gradient, [-0.870017, 0.86905, 0.000968], { absolute: 0.5e-6 });
});

test('[E26] losses combine by weighted sums, and so do their gradients', (t) => {
  const parts = [(x: Double) => crossEntropy(x, i32([0, 1, 2])), (x: Double) => x.mul(x).sum()];
  const together = gradientOf((x) => parts[0](x).mul(2).add(parts[1](x).mul(0.5)), images.scores, 1, [3, 3]);
  const [first, second] = parts.map((part) => gradientOf(part, images.scores, 1, [3, 3]));
  close(
    t,
    together,
    first.map((value, index) => 2 * value + 0.5 * second[index]),
    { absolute: 1e-14 },
  );
});

test('[E31] [P33] a column of ones with the bias as first row of the weights gives the scores of a separate bias', (t) => {
  const random = new Seeded(31);
  const [x, w, b] = [random.uniform(15), random.uniform(12), random.uniform(4)];
  const separate = f64(x, [5, 3])
    .matmul(f64(w, [3, 4]))
    .add(f64(b));
  const rows = Array.from({ length: 5 }, (_, row) => [1, ...x.subarray(3 * row, 3 * row + 3)]).flat();
  close(t, f64(rows, [5, 4]).matmul(f64([...b, ...w], [4, 4])), separate, { absolute: 1e-15 });
});

test('[E27] binary goes with sigmoid and binary cross-entropy, several classes with softmax and cross-entropy; hinge, L1 and L2 learn too', async (t) => {
  const random = new Seeded(27);
  const points = random.uniform(64 * 2, -1, 1);
  const label = (row: number): number => Number(points[2 * row] + points[2 * row + 1] > 0);
  const rows = Array.from({ length: 64 }, (_, row) => row);
  const inputs = f32(points, [64, 2]);
  const signs = f32(
    rows.map((row) => 2 * label(row) - 1),
    [64, 1],
  );
  const pairs = [
    [new BinaryCrossEntropyLoss(), 1, f32(rows.map(label), [64, 1])],
    [new CrossEntropyLoss(), 2, i32(rows.map(label))],
    [new HingeLoss(), 1, signs],
    [new MulticlassHingeLoss(), 2, i32(rows.map(label))],
    [new MSELoss(), 1, signs],
    [new L1Loss(), 1, signs],
  ] as const;
  for (const [loss, outputs, targets] of pairs) {
    setSeed(27);
    const model = new Sequential([new Linear(2, outputs)]);
    const optimizer = new SGD(model, { lr: 0.5 });
    await model.fit(new TensorDataset(inputs, targets as never), { loss, optimizer, epochs: 40, progress: false, log: false });
    const scores = model.forward(inputs);
    const right = rows.filter((row) =>
      outputs === 1 ? Number(scores.data[row] > 0) === label(row) : Number(scores.data[2 * row + 1] > scores.data[2 * row]) === label(row),
    );
    // The steps of L1 and hinge do not get smaller.
    t.true(right.length >= 52, `${loss.constructor.name}: ${right.length} of 64`);
  }
});

test('[E27] the fused losses of both pairs are those of their two parts', (t) => {
  const [logits, labels] = [f64([0.5, -2, 3]), f64([1, 0, 0])];
  close(t, binaryCrossEntropy(logits, labels), binaryCrossEntropy(sigmoid(logits), labels, { fromLogits: false }), { relative: 1e-14 });
  const probabilities = softmax(f64(images.scores, [3, 3])).data;
  const mean = images.labels.reduce((sum, label, row) => sum - Math.log(probabilities[3 * row + label]), 0) / 3;
  close(t, [crossEntropy(f64(images.scores, [3, 3]), i32(images.labels)).item()], [mean], { relative: 1e-14 });
});
