// What metrics refuse, what they leave out, and what they say of nothing: the golden file has their values.
import test from 'ava';
import * as lib from '../../lib/index.js';
import { f32, f64, i32 } from '../helpers/build.js';
import { quiet } from '../helpers/training.js';

const classMetrics: (() => lib.Metric & { readonly settings: lib.ClassSettings })[] = [
  () => new lib.ConfusionMatrix({ ignoreIndex: -1 }),
  () => new lib.F1({ ignoreIndex: -1 }),
  () => new lib.CohensKappa({ ignoreIndex: -1 }),
  () => new lib.TopKAccuracy({ k: 2, ignoreIndex: -1 }),
  () => new lib.LogLoss({ ignoreIndex: -1 }),
  () => new lib.CalibrationError({ ignoreIndex: -1, bins: 3 }),
  () => new lib.RocAuc({ ignoreIndex: -1 }),
  () => new lib.AveragePrecision({ ignoreIndex: -1 }),
];
const scores = [3, 1, 2, 0, 5, 1, 4, 4.5, 2, 1, 2, 6];
const after = (metric: lib.Metric, prediction: lib.AnyTensor, target: lib.AnyTensor): number => {
  metric.update(prediction, target);
  return metric.result();
};

test('examples with the label to ignore count for nothing in any metric of classes', (t) => {
  for (const make of classMetrics) {
    const { name } = make();
    const without = after(make(), f64(scores.slice(0, 9), [3, 3]), i32([0, 2, 1]));
    t.is(after(make(), f64(scores, [4, 3]), i32([0, 2, 1, -1])), without, name);
    const broken = [...scores.slice(0, 9), Number.NaN, 1, 2];
    t.is(after(make(), f64(broken, [4, 3]), i32([0, 2, 1, -1])), without, `${name}: what a row holds that does not count`);
    t.true(Number.isFinite(without), name);
  }
});

test('classes may come as uint8, as rows of probabilities and in more than one dimension', (t) => {
  for (const make of classMetrics) {
    const { name } = make();
    const plain = after(make(), f64(scores, [4, 3]), i32([0, 2, 1, 2]));
    t.is(after(make(), f64(scores, [4, 3]), i32([0, 2, 1, 2]).to('uint8')), plain, name);
    t.is(after(make(), f64(scores, [4, 3]), f64([1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1], [4, 3])), plain, name);
    t.is(after(make(), f64(scores, [2, 2, 3]), i32([0, 2, 1, 2], [2, 2])), plain, name);
  }
});

test('one output is read the same as [n], as [n, 1], and beside labels', (t) => {
  const one = [2, -1, 0.5, -3];
  for (const make of classMetrics.filter((each) => !(each() instanceof lib.TopKAccuracy))) {
    const { name } = make();
    const plain = after(make(), f64(one), f64([1, 1, 0, 0]));
    t.is(after(make(), f64(one, [4, 1]), f64([1, 1, 0, 0], [4, 1])), plain, name);
    t.is(after(make(), f64(one, [4, 1]), i32([1, 1, 0, 0])), plain, name);
    t.is(after(make(), f64(one), i32([1, 1, 0, 0])), plain, name);
  }
});

test('shapes that do not fit and labels that are no class are refused, and count nothing', (t) => {
  for (const make of classMetrics) {
    const metric = make();
    t.throws(() => metric.update(f64(scores, [4, 3]), i32([0, 1])), { instanceOf: lib.ShapeError, message: /class indices/ }, metric.name);
    t.throws(() => metric.update(f64([1], []), i32([0])), { instanceOf: lib.ShapeError }, metric.name);
    t.throws(() => metric.update(i32([1, 2], [1, 2]), i32([0])), { instanceOf: lib.DTypeError }, metric.name);
    t.throws(() => metric.update('x' as never, i32([0])), { instanceOf: lib.NodegradError }, metric.name);
    t.is(metric.result(), Number.NaN, metric.name);
  }
  const confusion = new lib.ConfusionMatrix();
  t.throws(() => confusion.update(f64(scores, [4, 3]), i32([0, 3, 1, 7])), { message: /classes 0 to 2, and 2 labels of this batch are none/ });
  t.deepEqual(confusion.matrix, []);
  t.is(after(new lib.TopKAccuracy({ k: 3 }), f64(scores, [4, 3]), i32([0, 3, 1, -7])), 0.5, 'a label that is no class is never right');
});

test('a model of another size is refused until the metric is reset', (t) => {
  for (const metric of [new lib.F1(), new lib.RocAuc(), new lib.R2()]) {
    const [two, three] =
      metric instanceof lib.R2 ? [f64([1, 2, 3, 5], [2, 2]), f64(scores, [4, 3])] : [f64(scores, [3, 4]), f64(scores, [4, 3])];
    const of = (x: lib.AnyTensor): lib.AnyTensor => (metric instanceof lib.R2 ? x : i32(Array.from({ length: x.shape[0] }, (_, i) => i % 3)));
    metric.update(two, of(two));
    t.throws(() => metric.update(three, of(three)), { message: /call reset\(\) between models/ });
    metric.reset();
    metric.update(three, of(three));
    t.true(Number.isFinite(metric.result()));
  }
});

test('a state that is none is refused, and what was gathered stays', (t) => {
  for (const metric of [new lib.F1(), new lib.R2(), new lib.RocAuc(), new lib.LogLoss()]) {
    const isOfNumbers = metric instanceof lib.R2;
    metric.update(f64(scores, [4, 3]), isOfNumbers ? f64(scores.map(Math.sqrt), [4, 3]) : i32([0, 2, 1, 2]));
    const before = metric.result();
    for (const state of [undefined, null, 1, {}, { sums: ['x'] }, { columns: 2, scores: [1], labels: [1] }])
      t.throws(() => metric.loadStateDict(state), { code: 'ERR_ARGUMENT' }, metric.name);
    t.is(metric.result(), before);
  }
});

test('a NaN is no right answer, and areas under curves say that they cannot be', (t) => {
  t.is(after(new lib.BinaryAccuracy(), f64([Number.NaN, Number.NaN, 1]), f64([0, 1, 1])), 1 / 3);
  t.is(after(new lib.TopKAccuracy({ k: 1 }), f64([5, Number.NaN, 1], [1, 3]), i32([0])), 0);
  t.is(after(new lib.RocAuc(), f64([Number.NaN, 1]), f64([0, 1])), Number.NaN);
  t.is(after(new lib.RocAuc(), f64([2, 1]), f64([1, 1])), Number.NaN, 'one class alone');
});

test('Cohen and Matthews say what guessing says', (t) => {
  t.is(after(new lib.MatthewsCorrelation(), f64([1, 1, 1]), f64([1, 0, 1])), 0, 'all predictions are of one class');
  t.is(after(new lib.CohensKappa(), f64([1, 1, -1, -1]), f64([1, 0, 1, 0])), 0);
});

test('R² of targets far from zero stays what it is, however they are cut into batches', (t) => {
  const wanted = Float64Array.from({ length: 64 }, (_, i) => 1e8 + (i % 7));
  const given = wanted.map((value, i) => value + (i % 3) - 1);
  const whole = after(new lib.R2(), f64(given, [64, 1]), f64(wanted, [64, 1]));
  for (const size of [1, 5, 32]) {
    const metric = new lib.R2();
    for (let row = 0; row < 64; row += size)
      metric.update(
        f64(given.slice(row, row + size), [Math.min(size, 64 - row), 1]),
        f64(wanted.slice(row, row + size), [Math.min(size, 64 - row), 1]),
      );
    t.true(Math.abs(metric.result() - whole) < 1e-7, `batches of ${size}`);
  }
});

test('average: binary is for two classes, and names say what was averaged', (t) => {
  t.throws(() => after(new lib.F1({ average: 'binary' }), f64(scores, [4, 3]), i32([0, 2, 1, 2])), {
    message: /of two classes, and there are 3/,
  });
  t.deepEqual(
    (['macro', 'micro', 'weighted', 'binary'] as const).map((average) => new lib.Precision({ average }).name),
    ['precision', 'precisionMicro', 'precisionWeighted', 'precisionBinary'],
  );
  t.throws(() => new lib.F1({ average: 'mean' as never }), { message: /options\.average/ });
  t.throws(() => new lib.CohensKappa({ weights: 'cubic' as never }), { message: /options\.weights/ });
});

test('fit and evaluate measure accuracy beside binary cross-entropy without being asked', async (t) => {
  const x = f32(
    Float64Array.from({ length: 64 }, (_, i) => (i - 31.5) / 16),
    [64, 1],
  );
  const y = f32(
    Float64Array.from({ length: 64 }, (_, i) => Number(i > 31)),
    [64, 1],
  );
  const data = new lib.TensorDataset(x, y);
  lib.setSeed(1);
  const model = new lib.Sequential([new lib.Linear(1, 1)]);
  const loss = new lib.BinaryCrossEntropyLoss();
  const history = await model.fit(data, { loss, optimizer: new lib.SGD(model, { lr: 1 }), epochs: 5, ...quiet });
  t.true(history.epochs.every(({ metrics }) => metrics.accuracy > 0.4 && metrics.accuracy <= 1));
  const { metrics } = await model.evaluate(data, { loss });
  const right = [...(await model.predict(x)).data].filter((score, i) => score > 0 === i > 31).length;
  t.is(metrics.accuracy, right / 64);
  t.true(metrics.accuracy > 0.9);
});

test('metrics that count classes are measured by a whole fit, and a run goes on from its checkpoint', async (t) => {
  const { train, test: held } = await lib.datasets.digits({ train: 300, test: 100, seed: 3 });
  lib.setSeed(2);
  const model = lib.mlp({ hidden: [16] });
  const metrics = () => [new lib.Accuracy(), new lib.F1(), new lib.RocAuc(), new lib.CalibrationError(), new lib.TopKAccuracy({ k: 3 })];
  const loss = new lib.CrossEntropyLoss();
  const options = { loss, optimizer: new lib.Adam(model, { lr: 1e-2 }), epochs: 2, validation: held, ...quiet };
  const history = await model.fit(train, { ...options, metrics: metrics() });
  const [, last] = history.epochs;
  t.deepEqual(Object.keys(last.metrics), ['accuracy', 'f1', 'rocAuc', 'calibrationError', 'top3Accuracy']);
  const again = await model.evaluate(held, { loss, metrics: metrics(), batchSize: 7 });
  t.is(again.metrics.f1, last.validation?.metrics.f1 as number);
  t.is(again.metrics.rocAuc, last.validation?.metrics.rocAuc as number);
  t.true(again.metrics.top3Accuracy > again.metrics.accuracy && again.metrics.rocAuc > 0.8);
});
