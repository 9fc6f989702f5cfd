// Ensembles: of models, of snapshots of one run, of versions of each example, and calibrated.
import test from 'ava';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as lib from '../../lib/index.js';
import { f32, f64, i32 } from '../helpers/build.js';
import { close } from '../helpers/close.js';
import { loss, makeModel, points, quiet } from '../helpers/training.js';

/** A model that gives the same scores whatever it sees. */
class Fixed extends lib.Model {
  constructor(readonly scores: readonly number[]) {
    super();
  }
  forward(x: lib.Tensor): lib.Tensor {
    return lib.zeros([x.shape[0], this.scores.length]).add(f32(this.scores)) as lib.Tensor;
  }
  override config() {
    return { scores: this.scores };
  }
  static fromConfig({ scores }: { scores: number[] }) {
    return new Fixed(scores);
  }
}
lib.registerLayer(Fixed, 'FixedScores');

const logit = (...p: number[]) => p.map((one) => Math.log(one));

test('[L06, L10] two models that say (0.6, 0.4) and (0.2, 0.8) say (0.4, 0.6) together: probabilities are averaged, not scores', async (t) => {
  const ensemble = new lib.Ensemble([new Fixed(logit(0.6, 0.4)), new Fixed(logit(0.2, 0.8).map((score) => score + 3))]);
  const scores = await ensemble.predict(lib.ones([3, 2]));
  close(t, lib.softmax(scores as lib.Tensor), f32([0.4, 0.6, 0.4, 0.6, 0.4, 0.6], [3, 2]), { relative: 1e-6 }, 'softmax of what it gives');
  const labels = new lib.Ensemble([new Fixed([Math.log(0.6 / 0.4)]), new Fixed([Math.log(0.2 / 0.8)])], { outputs: 'labels' });
  close(t, lib.sigmoid(labels.forward(lib.ones([1, 2]))), f32([0.4], [1, 1]), { relative: 1e-6 }, 'sigmoid of what it gives');
  const numbers = new lib.Ensemble([new Fixed([1, 5]), new Fixed([3, 4])], { outputs: 'numbers' });
  t.deepEqual(numbers.forward(lib.ones([1, 2])).toArray(), [[2, 4.5]]);
});

test('[L12] the recipe in one line: a net f of parameters W and b, and SGD', async (t) => {
  lib.setSeed(1);
  const f = new lib.Linear(2, 4);
  t.deepEqual([...f.namedParameters().keys()], ['weight', 'bias']);
  const before = await lib.evaluate(f, points(60, 7), { loss });
  await lib.fit(f, points(60, 7), { loss, optimizer: new lib.SGD(f, { lr: 0.5 }), epochs: 20, ...quiet });
  const after = await lib.evaluate(f, points(60, 7), { loss });
  t.true(after.loss < before.loss / 2 && after.metrics.accuracy > 0.85, `${before.loss} → ${after.loss}`);
});

test('averages of scores stay finite where every probability is too small for float32', (t) => {
  const far = new lib.Ensemble([new Fixed([0, 500]), new Fixed([0, 400])]);
  close(t, far.forward(lib.ones([1, 2])), f32([-400 - Math.log(2), 0], [1, 2]), { relative: 1e-5, absolute: 1e-6 }, 'classes');
  const labels = new lib.Ensemble([new Fixed([500]), new Fixed([400])], { outputs: 'labels' });
  close(t, labels.forward(lib.ones([1, 2])), f32([400 + Math.log(2)], [1, 1]), { relative: 1e-5 }, 'labels');
});

test('[L07] five small nets gain two points or more by averaging, beside their mean, and their log loss falls', async (t) => {
  const { train, test: held } = await lib.datasets.digits({ train: 300, test: 1000, seed: 1 });
  const members: lib.Sequential[] = [];
  for (const seed of [1, 2, 3, 4, 5]) {
    lib.setSeed(seed);
    const model = lib.mlp({ hidden: [16] });
    await model.fit(train, { loss, optimizer: new lib.Adam(model, { lr: 0.01 }), epochs: 10, ...quiet });
    members.push(model);
  }
  const scores: lib.Scores[] = [];
  for (const member of members) scores.push(await member.evaluate(held, { loss }));
  const together = await new lib.Ensemble(members).evaluate(held, { loss });
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  t.true(together.loss < mean(scores.map((one) => one.loss)));
  t.true(together.metrics.accuracy >= mean(scores.map(({ metrics }) => metrics.accuracy)) + 0.02);
});

test('an ensemble is saved, loaded and cloned with its members and their preprocessing', async (t) => {
  const transform = new lib.StandardScaler().fit(points(60, 7)) as lib.StandardScaler;
  const members = [makeModel(1), makeModel(2)];
  for (const member of members) member.preprocessing = transform;
  const ensemble = new lib.Ensemble(members);
  t.is(ensemble.preprocessing, transform);
  const path = join(mkdtempSync(join(tmpdir(), 'nodegrad-')), 'ensemble.safetensors');
  await ensemble.save(path);
  const again = await lib.load(path);
  t.true(again instanceof lib.Ensemble);
  const x = points(9, 3).inputs;
  const wanted = await ensemble.predict(x);
  for (const other of [again, ensemble.clone()]) t.deepEqual((await other.predict(x)).data, wanted.data);
  members[1].preprocessing = new lib.Centre().fit(points(60, 7)) as lib.Centre;
  t.throws(() => new lib.Ensemble(members), { message: /different preprocessing/ });
  t.throws(() => new lib.Ensemble([]), { message: /at least one model/ });
  t.throws(() => new lib.Ensemble([1 as never]), { message: /members\[0\]/ });
  t.throws(() => new lib.Ensemble([makeModel()], { outputs: 'logits' as never }), { message: /options\.outputs/ });
});

test('[L08] snapshots at the ends of cycles are the weights of those epochs, and average as an ensemble', async (t) => {
  const model = makeModel(3);
  const snapshots = new lib.Snapshots(model, { every: 4 });
  const weights: Map<number, Float32Array> = new Map();
  const spy = { onEpochEnd: ({ epoch }: lib.EpochRecord) => void weights.set(epoch, model.parameters()[0].data.slice() as Float32Array) };
  const optimizer = new lib.SGD(model, { lr: new lib.CosineRestarts(0.3, { length: 4 }), momentum: 0.9 });
  await model.fit(points(60, 7), { loss, optimizer, epochs: 12, batchSize: 16, callbacks: [spy, snapshots], ...quiet });
  t.is(snapshots.models.length, 3);
  for (const [i, one] of snapshots.models.entries()) t.deepEqual(one.parameters()[0].data, weights.get(4 * (i + 1)) as Float32Array);
  const held = points(400, 8);
  const scores = await Promise.all(snapshots.models.map((one) => one.evaluate(held, { loss })));
  const together = await snapshots.ensemble().evaluate(held, { loss });
  t.true(together.loss < scores.reduce((sum, one) => sum + one.loss, 0) / 3);
  const last = new lib.Snapshots(model, { most: 2 });
  for (let i = 0; i < 5; i++) last.take();
  t.is(last.models.length, 2);
  t.throws(() => new lib.Snapshots(model).ensemble(), { message: /no snapshot yet/ });
  t.throws(() => new lib.Snapshots({} as never), { message: /a Model/ });
});

test('snapshots go on from a checkpoint, and refuse a state of another model', async (t) => {
  const model = makeModel(3);
  const [one, other] = [new lib.Snapshots(model, { every: 2 }), new lib.Snapshots(model, { every: 2 })];
  for (let epoch = 0; epoch < 5; epoch++) one.onEpochEnd();
  other.loadStateDict(JSON.parse(JSON.stringify(one.stateDict())), one.stateTensors());
  for (const each of [one, other]) each.onEpochEnd();
  t.deepEqual([one.models.length, other.models.length], [3, 3]);
  t.deepEqual(other.models[0].parameters()[0].data, one.models[0].parameters()[0].data);
  const small = new lib.Snapshots(lib.mlp({ hidden: [3] }));
  t.throws(() => small.loadStateDict(one.stateDict(), one.stateTensors()));
  t.throws(() => other.loadStateDict({ epochs: 1, count: 1 }, new Map()));
  t.is(other.models.length, 3, 'and nothing is lost');
});

test('a whole run with snapshots goes on from its checkpoint as if it had not stopped', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'nodegrad-'));
  const run = async (epochs: number, checkpoint?: { dir: string }, resume = false) => {
    const model = makeModel(3);
    const snapshots = new lib.Snapshots(model, { every: 2 });
    const optimizer = new lib.Adam(model, { lr: 0.02 });
    const more = checkpoint === undefined ? {} : { checkpoint, resume };
    await model.fit(points(60, 7), { loss, optimizer, epochs, batchSize: 16, seed: 4, callbacks: [snapshots], ...more, ...quiet });
    return snapshots;
  };
  const whole = await run(4);
  await run(2, { dir });
  const resumed = await run(4, { dir }, true);
  t.is(resumed.models.length, 2);
  for (const [i, model] of resumed.models.entries()) t.deepEqual(model.parameters()[0].data, whole.models[i].parameters()[0].data);
});

test('versions that a data set draws are averaged, and the seed decides them', async (t) => {
  const { test: raw, mean } = await lib.datasets.digits({ train: 1, test: 40, raw: true });
  const drawn = lib.augmented(raw, [lib.randomCrop({ padding: 3 })], { mean });
  lib.setSeed(5);
  const model = lib.mlp({ hidden: [8] });
  const scores = await lib.predictAugmented(model, drawn, { times: 3, seed: 9, batchSize: 16 });
  const rows = Int32Array.from({ length: 40 }, (_, i) => i);
  const versions = [0, 1, 2].map((epoch) => model.forward(drawn.batch(rows, { seed: 9, epoch }).inputs as lib.Tensor));
  const wanted = lib.noGrad(() => lib.stack(versions.map((one) => lib.softmax(one))).mean(0));
  close(t, lib.softmax(scores), wanted, { relative: 1e-4, absolute: 1e-6 }, 'the mean of the softmax of three versions');
  t.notDeepEqual(versions[0].data, versions[1].data);
  t.deepEqual((await lib.predictAugmented(model, drawn, { times: 3, seed: 9 })).data, scores.data);
  t.notDeepEqual((await lib.predictAugmented(model, drawn, { times: 3, seed: 10 })).data, scores.data);
  await t.throwsAsync(lib.predictAugmented(model, drawn, { times: 0 }), { message: /options\.times/ });
});

test('averaged weights with batch norm are right once its statistics are estimated anew (course rows L09, D18)', async (t) => {
  lib.setSeed(2);
  const model = new lib.Sequential([new lib.Linear(2, 16), new lib.BatchNorm1d(16), new lib.ReLU(), new lib.Linear(16, 4)]);
  const average = new lib.WeightAverage(model, { decay: 0.5 });
  const data = points(120, 7);
  const optimizer = new lib.SGD(model, { lr: 0.5 });
  await model.fit(data, { loss, optimizer, epochs: 10, batchSize: 30, callbacks: [average], ...quiet });
  average.swapIn();
  const stale = await model.evaluate(data, { loss });
  await lib.reestimateStatistics(model, new lib.DataLoader(data, { batchSize: 120 }));
  const fresh = await model.evaluate(data, { loss });
  // With all examples in one batch the statistics are those of training mode: the same loss.
  model.train();
  const inTraining = loss.forward(model.forward(data.inputs), data.targets).item();
  t.true(Math.abs(fresh.loss - inTraining) < 0.01 * inTraining, `${fresh.loss} for ${inTraining}`);
  t.true(Math.abs(stale.loss - inTraining) > Math.abs(fresh.loss - inTraining), 'statistics of other weights are further off');
});

test('a model that is three times too sure gets the temperature 3, and its calibration error falls', async (t) => {
  const random = new lib.Random(3, 'calibration');
  const n = 6000;
  const truth = Float64Array.from({ length: n }, () => random.uniform() * 4 - 2);
  const labels = Int32Array.from(truth, (x) => Number(random.uniform() < 1 / (1 + Math.exp(-x))));
  const data = new lib.TensorDataset(f32(truth, [n, 1]), i32(labels), { classes: 2 });
  class TooSure extends lib.Model {
    forward(x: lib.Tensor): lib.Tensor {
      return lib.concat([lib.zeros(x.shape), x.mul(3)], 1) as lib.Tensor;
    }
  }
  const { temperature, before, after } = await lib.calibrateTemperature(new TooSure(), data);
  t.true(Math.abs(temperature - 3) < 0.2, String(temperature));
  t.true(after.calibrationError < 0.03 && before.calibrationError > 0.1, `${before.calibrationError} → ${after.calibrationError}`);
  t.true(after.logLoss < before.logLoss);
  // No other temperature is better.
  for (const other of [temperature * 1.01, temperature / 1.01]) {
    const metric = new lib.LogLoss();
    metric.update(f64(Float64Array.from({ length: 2 * n }, (_, i) => (i % 2 === 0 ? 0 : (3 * truth[(i - 1) / 2]) / other)), [n, 2]), i32(labels)); // biome-ignore format: one line
    t.true(metric.result() > after.logLoss);
  }
  const calibrated = new lib.Sequential([new TooSure(), new lib.Temperature(temperature)]);
  const [plain, divided] = await Promise.all([new TooSure(), calibrated].map((model) => model.predict(data)));
  close(t, divided as lib.Tensor, (plain as lib.Tensor).div(temperature), { relative: 1e-6 }, 'Temperature divides');
  await t.throwsAsync(lib.calibrateTemperature(lib.mlp({ inputShape: [1], classes: 1 }), data), { code: 'ERR_SHAPE' });
  t.throws(() => new lib.Temperature(0), { message: /temperature/ });
});
