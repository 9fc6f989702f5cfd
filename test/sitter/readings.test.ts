// Proves lib/sitter/readings.ts: verdicts on numbers with known answers, and runs that go wrong in known ways.

import test from 'ava';
import {
  Adam,
  ArgumentError,
  CrossEntropyLoss,
  Flatten,
  type Layer,
  LeakyReLU,
  Linear,
  MSELoss,
  Normal,
  ReLU,
  ReLU6,
  SGD,
  Sequential,
  Sigmoid,
  Sitter,
  Tensor,
  TensorDataset,
  datasets,
  deadUnits,
  explodedAt,
  judgeInitialLoss,
  judgeUpdateRatio,
  setSeed,
  updateRatio,
  zeros,
  fit,
} from '../../lib/index.js';
import { readUpdateRatios } from '../../lib/sitter/readings.js';
import { Seeded } from '../helpers/seeded.js';
import { loss, makeModel, points, quiet } from '../helpers/training.js';

test('[J13] a loss has exploded when it is above three times the first', (t) => {
  t.is(explodedAt([2.3, 5, 6.9, 7]), 3);
  t.is(explodedAt([2.3, 2.2, 2.1]), -1);
  t.is(explodedAt([1, 3]), -1);
  t.is(explodedAt([1]), -1);
  t.is(explodedAt([]), -1);
});

test('[J12] a loss of NaN or infinity has exploded', (t) => {
  t.is(explodedAt([2.3, 2.2, NaN]), 2);
  t.is(explodedAt([2.3, Infinity]), 1);
});

test('[J02] weights near zero give the loss of chance, ln C, for 10, 100 and 1000 classes', (t) => {
  for (const [classes, expected] of [
    [10, 2.302585],
    [100, 4.60517],
    [1000, 6.907755],
  ]) {
    setSeed(1);
    const model = new Linear(20, classes, { init: new Normal({ std: 1e-4 }) });
    const x = Tensor.from(Float32Array.from(new Seeded(1).uniform(640)), [32, 20]);
    const y = Tensor.from(Int32Array.from({ length: 32 }, (_, i) => i % classes));
    const value = new CrossEntropyLoss().forward(model.forward(x), y).item();
    t.true(Math.abs(value - expected) < 1e-3, `${classes} classes: ${value}`);
    t.is(judgeInitialLoss(value, new CrossEntropyLoss().chance(classes)!, classes).verdict, 'good');
  }
});

test('[J02] an initial loss five times that of chance, or below two thirds of it, is a warning that says what to do', (t) => {
  const high = judgeInitialLoss(20, 2.302585, 10);
  t.is(high.verdict, 'warning');
  t.regex(high.text, /initial loss 20\.0000 against 2\.3026 by chance \(ln 10\): 8\.7 times too high.*initializer/);
  t.is(judgeInitialLoss(1.49 * 2.302585, 2.302585, 10).verdict, 'good');
  t.is(judgeInitialLoss(5.01 * 2.302585, 2.302585, 10).verdict, 'warning');
  const low = judgeInitialLoss(0.5, 2.302585, 10);
  t.is(low.verdict, 'warning');
  t.regex(low.text, /lower than chance allows/);
});

test('[J03] the first look is without regularization: weight decay does not enter the loss that is judged', async (t) => {
  const texts = [];
  for (const weightDecay of [0, 1e3]) {
    const model = makeModel();
    const sitter = new Sitter({ stop: false });
    await model.fit(points(64), { ...quiet, loss, optimizer: new SGD(model, { lr: 1e-9, weightDecay }), callbacks: [sitter] });
    texts.push(sitter.readings.find(({ about }) => about === 'initial loss')?.text);
  }
  t.is(texts[0], texts[1]);
  t.regex(texts[0]!, /as it should be/);
});

test('[J24] weights all 1, gradients all 0.1 and a rate of 0.01 make a ratio of 0.001', (t) => {
  const before = Tensor.from(new Float64Array(100).fill(1));
  const model = new Linear(10, 10, { bias: false }).to('float64');
  model.weight.data.fill(1);
  const optimizer = new SGD(model, { lr: 0.01 });
  // The loss is the sum of 0.1·w.
  (model.weight as unknown as Tensor<'float64'>).mul(0.1).sum().backward();
  optimizer.step();
  const ratio = updateRatio(before.reshape([10, 10]), model.weight);
  t.true(Math.abs(ratio - 0.001) < 1e-15, `${ratio}`);
  t.is(updateRatio(zeros([2]), zeros([2])), NaN);
});

test('[J25] a ratio of 1e-6 is too small, one of 0.1 too large, about 1e-3 is good', (t) => {
  t.is(judgeUpdateRatio(1e-6), 'too small');
  t.is(judgeUpdateRatio(0.1), 'too large');
  t.is(judgeUpdateRatio(1e-3), 'good');
  t.is(judgeUpdateRatio(1e-5), 'good');
  t.is(judgeUpdateRatio(NaN), 'too large');
});

test('[A19] a unit with a bias of -1000 is counted as dead, and its gradients are exactly zero', (t) => {
  setSeed(1);
  const first = new Linear(4, 8);
  const model = new Sequential([first, new ReLU(), new Linear(8, 2)]);
  model.prepare();
  // Every other unit is kept alive by a bias above anything that the weights can take away.
  first.bias!.data.fill(20);
  first.bias!.data[3] = -1e3;
  const x = Tensor.from(Float32Array.from(new Seeded(1).uniform(400)), [100, 4]);
  t.deepEqual(deadUnits(model, [x.slice(0, 50), x.slice(50, 100)]), [{ path: '1', dead: 1, units: 8 }]);
  const y = Tensor.from(Int32Array.from({ length: 100 }, (_, i) => i % 2));
  loss.forward(model.forward(x), y).backward();
  const [dW, db] = [first.weight.grad!, first.bias!.grad!];
  t.is(db.data[3], 0);
  for (let row = 0; row < 4; row++) t.is(dW.data[row * 8 + 3], 0);
  t.true(db.data.some((value) => value !== 0));
});

test('[J26] every layer whose units can die is looked at, ReLU6 too, and no other one', (t) => {
  const dead = (activation: Layer): unknown => {
    const linear = new Linear(2, 3);
    linear.bias?.data.set([-1000, 1, 1]);
    return deadUnits(new Sequential([linear, activation]), [zeros([4, 2])]);
  };
  for (const activation of [new ReLU(), new ReLU6()]) t.deepEqual(dead(activation), [{ path: '1', dead: 1, units: 3 }]);
  for (const activation of [new LeakyReLU(), new Sigmoid()]) t.deepEqual(dead(activation), []);
});

test('[J26] a unit that is zero in one batch and not in another is alive, and the model is looked at in evaluation mode', (t) => {
  const layer = new Linear(1, 2, { bias: false });
  const model = new Sequential([layer, new ReLU()]);
  layer.weight.data.set([1, -1]);
  const [up, down] = [Tensor.from(Float32Array.of(1, 2), [2, 1]), Tensor.from(Float32Array.of(-1, -2), [2, 1])];
  t.deepEqual(deadUnits(model, [up]), [{ path: '1', dead: 1, units: 2 }]);
  t.deepEqual(deadUnits(model, [up, down]), [{ path: '1', dead: 0, units: 2 }]);
  t.true(model.training);
  t.deepEqual(deadUnits(new Linear(1, 1), [up]), []);
});

test('a healthy run has good findings in its summary: initial loss, dead units, update ratio', async (t) => {
  const model = makeModel();
  const sitter = new Sitter();
  await model.fit(points(512), { ...quiet, loss, optimizer: new Adam(model, { lr: 2e-3 }), epochs: 2, callbacks: [sitter] });
  t.deepEqual(
    sitter.readings.map(({ about }) => about),
    ['initial loss', 'dead units', 'update ratio', 'dead units', 'update ratio'],
  );
  t.deepEqual(sitter.findings, [], 'nothing is wrong');
  t.is(sitter.fault, undefined);
  const [first, dead, ratio] = sitter.summary();
  t.regex(first, /^initial loss [\d.]+ against 1\.3863 by chance \(ln 4\): as it should be$/);
  t.regex(dead, /^dead units: [\d.]+ % of 16 in layer '1' \(over 512 examples\)$/);
  t.regex(ratio, /^update-to-weight ratio: \d\.\de-\d in '0\.weight', \d\.\de-\d in '2\.weight' \(good is about 1e-3\)$/);
});

test('the state of a sitter holds what it noticed; anything else is refused', async (t) => {
  const model = makeModel();
  const sitter = new Sitter();
  await model.fit(points(64), { ...quiet, loss, optimizer: new Adam(model, { lr: 2e-3 }), callbacks: [sitter] });
  const other = new Sitter();
  other.loadStateDict(JSON.parse(JSON.stringify(sitter.stateDict())));
  t.deepEqual(other.findings, sitter.findings);
  t.deepEqual(other.stateDict(), sitter.stateDict());
  for (const state of [
    undefined,
    null,
    1,
    {},
    { findings: [], readings: [], firstLoss: '1', ratios: [] },
    { findings: [{}], readings: [], firstLoss: 1, ratios: [] },
  ]) {
    t.throws(() => other.loadStateDict(state), { code: 'ERR_ARGUMENT' });
  }
  t.deepEqual(other.findings, sitter.findings);
});

test('[J09, J13] a learning rate of 10 is named as the fault in plain words, and ends the run within a few steps', async (t) => {
  const { train } = await datasets.digits({ train: 400, test: 1 });
  setSeed(1);
  const model = new Sequential([new Flatten(), new Linear(784, 64), new ReLU(), new Linear(64, 10)]);
  const sitter = new Sitter();
  const history = await model.fit(train, { ...quiet, loss, optimizer: new Adam(model, { lr: 10 }), epochs: 20, callbacks: [sitter] });
  t.is(history.stopped, 'the loss exploded');
  t.is(history.epochs.length, 0);
  t.is(sitter.fault?.id, 'learning-rate-too-high');
  t.deepEqual(sitter.fault?.symptoms, ['loss-exploded']);
  t.regex(sitter.fault!.text, /^learning rate too high: with 10, the loss grew from 2\.\d+ to .* by step \d+\. Try 1, then 0\.1$/);
  const going = new Sitter({ stop: false });
  setSeed(1);
  const other = new Sequential([new Flatten(), new Linear(784, 64), new ReLU(), new Linear(64, 10)]);
  t.is((await other.fit(train, { ...quiet, loss, optimizer: new Adam(other, { lr: 10 }), callbacks: [going] })).stopped, null);
  t.is(going.findings.filter(({ verdict }) => verdict === 'fault').length, 1, 'a fault is named once');
});

test('[J07] with a learning rate of 1e-6 the loss barely changes, and the update ratio says why', async (t) => {
  const { train } = await datasets.digits({ train: 500, test: 1 });
  setSeed(1);
  const model = new Sequential([new Flatten(), new Linear(784, 50), new ReLU(), new Linear(50, 10)]);
  const sitter = new Sitter();
  const history = await model.fit(train, { ...quiet, loss, optimizer: new SGD(model, { lr: 1e-6 }), epochs: 10, callbacks: [sitter] });
  const [first, last] = [history.epochs[0].loss, history.epochs[9].loss];
  t.true(Math.abs(last - first) / first < 0.01);
  const ratio = sitter.readings.filter(({ about }) => about === 'update ratio').at(-1)!;
  t.is(ratio.verdict, 'warning');
  t.regex(ratio.text, /Too small: raise the learning rate$/);
});

test('a layer of dead units is a warning that names it', async (t) => {
  setSeed(1);
  const first = new Linear(2, 10);
  const model = new Sequential([first, new ReLU(), new Linear(10, 4)]);
  model.prepare();
  first.bias!.data.fill(-100);
  const sitter = new Sitter();
  await model.fit(points(64), { ...quiet, loss, optimizer: new SGD(model, { lr: 0.01 }), callbacks: [sitter] });
  const dead = sitter.readings.find(({ about }) => about === 'dead units')!;
  t.is(dead.verdict, 'warning');
  t.regex(dead.text, /100\.0 % of 10 in layer '1'.*Too many in '1'/);
});

test('a run that goes on, and a loss without a chance level, get no verdict on the first loss', async (t) => {
  const model = makeModel();
  const optimizer = new Adam(model, { lr: 0.01 });
  await model.fit(points(512), { ...quiet, loss, optimizer, epochs: 5 });
  const sitter = new Sitter();
  await model.fit(points(512), { ...quiet, loss, optimizer, callbacks: [sitter] });
  t.false(sitter.readings.some(({ about }) => about === 'initial loss'));
  const line = new Linear(1, 1);
  const x = Tensor.from(Float32Array.from(new Seeded(1).uniform(64)), [64, 1]);
  const watch = new Sitter();
  const data = new TensorDataset(x, x.mul(2)) as never;
  await fit(line, data, {
    ...quiet,
    loss: new MSELoss(),
    optimizer: new SGD(line, { lr: 0.01 }),
    batchSize: 64,
    epochs: 3,
    callbacks: [watch],
  });
  t.deepEqual([...new Set(watch.readings.map(({ about }) => about))], ['update ratio'], 'one step an epoch is enough for ratios');
});

test('wrong options are refused', (t) => {
  for (const options of [{ examples: 0 }, { examples: 1.5 }, { stop: 'yes' }, { batches: 3 }, 7]) {
    t.throws(() => new Sitter(options as never), { instanceOf: ArgumentError });
  }
});

test('update ratios that a schedule has made small are no fault, and are told why', (t) => {
  const found = readUpdateRatios([['0.weight', 5.8e-6]], true);
  t.is(found.verdict, 'good');
  t.regex(found.text, /\(good is about 1e-3, less where a schedule has lowered the rate\)$/);
  t.notRegex(readUpdateRatios([['0.weight', 1e-3]], true).text, /schedule/);
});
