// Proves lib/training/target-units.ts: data in other units than a model's are refused, and the units travel with copies and files.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import {
  Adam,
  ArgumentError,
  type ColumnTransform,
  type Dataset,
  Linear,
  Loss,
  MSELoss,
  Model,
  type ReLU,
  Sequential,
  TargetScaler,
  type Tensor,
  TensorDataset,
  fromBytes,
  load,
  mixup,
  mlp,
  preflight,
  relu,
  setSeed,
  split,
  subset,
  tableFromRows,
  tablePreprocessing,
  tensor,
  transformed,
} from '../../lib/index.js';

const rows = Array.from({ length: 40 }, (_, i) => ({ area: 40 + ((i * 37) % 120), price: 90_000 + 4_000 * ((i * 37) % 120) }));
const [train, validation] = split(tableFromRows(rows).dataset({ target: 'price' }), [0.8, 0.2], { seed: 1 });
const scaler = new TargetScaler().fit(train);
const [scaled, held] = [scaler.scaled(train), scaler.scaled(validation)];
const loss = new MSELoss();

type Stack = Sequential;
const create = (): Stack => {
  setSeed(1);
  const model = mlp({ inputShape: [1], hidden: [4], classes: 1 });
  model.preprocessing = tablePreprocessing(train.features ?? []).fit(train);
  return model;
};
const options = (model: Model, more: object = {}) =>
  ({ loss, optimizer: new Adam(model, { lr: 1e-3 }), epochs: 1, log: false, progress: false, sitter: false, ...more }) as const;
const folded = async (): Promise<Stack> => {
  const model = create();
  await model.fit(scaled, options(model));
  scaler.foldInto(model);
  return model;
};
const refused = (message: RegExp) => ({ instanceOf: ArgumentError, message });

test('training and validation data in different units are refused, also as parts, mixtures and transformed ones, and a set of a user is taken at its word', async (t) => {
  const model = create();
  const fit = (data: object, other: object) => model.fit(data as Dataset, options(model, { validation: other }));
  const notScaled = refused(
    /the targets of .* which is trained on, are scaled, and those of the validation data .* are not: give `validation: scaler\.scaled\(validation\)`/,
  );
  const halves = subset(scaled as never, [0, 1, 2, 3]) as object;
  const same = transformed(scaled as never, model.preprocessing as ColumnTransform) as object;
  await t.throwsAsync(fit(scaled, validation), notScaled);
  await t.throwsAsync(fit(halves, validation), notScaled);
  await t.throwsAsync(fit(mixup(scaled as never), validation), notScaled);
  model.preprocessing = null;
  await t.throwsAsync(fit(same, validation), notScaled);
  await t.throwsAsync(
    fit(train, held),
    refused(/those of the validation data .* are scaled, and the targets of .* are not: train on scaler\.scaled\(data\)/),
  );
  const other = new TargetScaler().fit(subset(train, [0, 1, 2]));
  await t.throwsAsync(fit(scaled, other.scaled(validation)), refused(/are scaled by two TargetScalers/));
  t.throws(() => other.scaled(scaled), refused(/are scaled already/));
  t.throws(() => other.fit(scaled), refused(/are scaled already/));
  const twin = new TargetScaler().fit(train);
  model.preprocessing = tablePreprocessing(train.features ?? []).fit(train);
  await t.notThrowsAsync(fit(scaled, twin.scaled(validation)));
  const own = { ...pick(held), batch: (indices: Int32Array) => held.batch(indices) };
  await t.notThrowsAsync(fit(scaled, own));
  await t.notThrowsAsync(fit({ ...pick(scaled), batch: (indices: Int32Array) => scaled.batch(indices) }, held));
  const findings = await preflight(model, scaled, { loss, optimizer: new Adam(model), validation });
  t.true(findings.some(({ seen }) => /give `validation: scaler\.scaled/.test(seen)));
});

const pick = ({ name, length, inputShape, targetShape }: typeof held) => ({ name, length, inputShape, targetShape });

test('a model with the units of its targets is trained on data as they are, and so are its copies and what is read from its file', async (t) => {
  const model = await folded();
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-units-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  await model.save(join(folder, 'a.safetensors'));
  const filled = create();
  await filled.load(join(folder, 'a.safetensors'));
  const copies = [model, model.clone(), fromBytes(model.toBytes()), await load(join(folder, 'a.safetensors')), filled] as Stack[];
  for (const one of copies) {
    const says = refused(/predicts in the units of the targets already \(foldInto\), .* train it on the data as they are/);
    await t.throwsAsync(one.fit(scaled, options(one)), says);
    t.throws(() => scaler.foldInto(one), refused(/has the units of the targets already/));
    await t.throwsAsync(one.evaluate(held, { loss }), refused(/those of .* are scaled: give the data as they are/));
    const { loss: before } = await one.evaluate(validation, { loss });
    t.true(before < 1e11);
    await t.notThrowsAsync(one.fit(train, options(one, { validation })));
  }
  const other = new Sequential([...(model.layers.slice(0, -1) as ReLU[]), new Linear(4, 1)]);
  other.preprocessing = model.preprocessing;
  await t.notThrowsAsync(other.fit(scaled, options(other)), 'a new last layer has no units yet');
});

test('a model that was trained on scaled targets is judged by these alone, and warns when it is saved, until it has their units', async (t) => {
  const model = create();
  await t.notThrowsAsync(model.evaluate(validation, { loss }), 'nothing is known of a model that has not learned');
  await model.fit(scaled, options(model, { validation: held }));
  const says = refused(
    /was trained on targets that a TargetScaler scaled, and those of .* are not\. scaler\.foldInto\(model\) gives it their units/,
  );
  const read = fromBytes(model.toBytes()) as Stack;
  for (const one of [model, model.clone(), read]) {
    await t.throwsAsync(one.evaluate(validation, { loss }), says);
    await t.notThrowsAsync(one.evaluate(held, { loss }));
  }
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-units-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const heard: string[] = [];
  const listen = (warning: Error & { code?: string }): void => {
    if (warning.code === 'NODEGRAD_SCALED_TARGETS') heard.push(warning.message);
  };
  process.on('warning', listen);
  t.teardown(() => process.off('warning', listen));
  for (let i = 0; i < 2; i++) await model.save(join(folder, 'a.safetensors'));
  scaler.foldInto(model);
  await model.save(join(folder, 'a.safetensors'));
  await new Promise((resolve) => setImmediate(resolve));
  t.is(heard.length, 1);
  t.regex(heard[0], /the file predicts scaled ones\. scaler\.foldInto\(model\) before model\.save\(\)/);
  await t.notThrowsAsync(model.evaluate(validation, { loss }));
  await read.fit(train, options(read));
  await t.notThrowsAsync(read.evaluate(validation, { loss }), 'what has been trained on the data as they are since');
});

test("a table without a target is nothing to learn from, and is named so, but by a loss of one's own that does not look at it", async (t) => {
  const data = tableFromRows(rows).dataset();
  const says = refused(
    /^data set 'rows.*' was made of a table without a target: table\.dataset\(\{ target: … \}\) says which column is predicted/,
  );
  const model = mlp({ inputShape: [2], hidden: [], classes: 1 });
  const [part] = split(data, [0.5, 0.5], { seed: 1 });
  for (const one of [data, part]) {
    await t.throwsAsync(model.fit(one, options(model)), says);
    await t.throwsAsync(model.evaluate(one, { loss }), says);
    t.throws(() => new TargetScaler().fit(one), says);
  }
  class Size extends Loss {
    forward(prediction: Tensor): Tensor {
      return prediction.mul(prediction).mean();
    }
  }
  model.preprocessing = tablePreprocessing(data.features);
  await t.notThrowsAsync(model.fit(data, options(model, { loss: new Size() })));
  await t.notThrowsAsync(model.predict(data));
});

test("tensors of a user's own are data as they are", async (t) => {
  const model = create();
  const own = new TensorDataset(tensor([[50], [60]]), tensor([[1], [2]]));
  await model.fit(own, options(model));
  await t.notThrowsAsync(model.evaluate(own, { loss }));
  await t.throwsAsync(model.fit(scaled, options(model, { validation: own })), { instanceOf: ArgumentError });
});

test("a model of one's own whose last layer is not its last field is judged in the units that this layer was given", async (t) => {
  class Net extends Model {
    readonly head = new Linear(4, 1);
    readonly body = new Linear(1, 4);

    forward(x: Tensor): Tensor {
      return this.head.forward(relu(this.body.forward(x)));
    }
  }
  setSeed(1);
  const net = new Net();
  net.preprocessing = tablePreprocessing(train.features ?? []).fit(train);
  await net.fit(scaled, options(net));
  await t.throwsAsync(net.evaluate(validation, { loss }), { instanceOf: ArgumentError });
  scaler.foldInto(net.head);
  await t.notThrowsAsync(net.evaluate(validation, { loss }));
  await t.notThrowsAsync(net.fit(train, options(net, { validation })));
});

test("a data set of one's own says in which units its targets are, and hands it on; what is no scaler is refused", async (t) => {
  const said: Dataset['targetScaler'] = scaler;
  const own = (from: Pick<typeof held, 'length' | 'inputShape' | 'targetShape' | 'features' | 'batch'>, targetScaler?: unknown): Dataset =>
    ({
      ...{ name: 'own', length: from.length, inputShape: from.inputShape, targetShape: from.targetShape, features: from.features },
      batch: (indices: Int32Array) => from.batch(indices),
      ...(targetScaler !== undefined && { targetScaler }),
    }) as never;
  const model = await folded();
  await t.notThrowsAsync(model.evaluate(own(held), { loss }), 'nothing is known');
  await t.notThrowsAsync(model.evaluate(own(validation as never, null), { loss }));
  await t.throwsAsync(model.evaluate(own(held, said), { loss }), refused(/those of 'own' are scaled: give the data as they are/));
  await t.throwsAsync(model.evaluate(subset(own(held, scaler), [0, 1]), { loss }), refused(/are scaled/));
  const fresh = create();
  await t.throwsAsync(
    fresh.fit(scaled, options(fresh, { validation: own(validation as never, null) })),
    refused(/those of the validation data 'own' are not/),
  );
  await fresh.fit(own(scaled, scaler), options(fresh, { validation: held }));
  await t.throwsAsync(fresh.evaluate(own(validation as never, null), { loss }), refused(/was trained on targets that a TargetScaler scaled/));
  t.throws(() => scaler.scaled(own(held, scaler) as never), refused(/scaled already/));
  await t.throwsAsync(model.evaluate(own(held, 7), { loss }), refused(/a fitted TargetScaler, or null/));
  await t.throwsAsync(model.evaluate(own(held, new TargetScaler()), { loss }), { instanceOf: ArgumentError });
});
