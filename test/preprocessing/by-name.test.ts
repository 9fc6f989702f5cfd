// Tables whose columns, kinds or categories are not those that a model was trained on: the same answer by name, or an error.
import test from 'ava';
import {
  Adam,
  ArgumentError,
  type ColumnTransform,
  CrossEntropyLoss,
  MSELoss,
  Pipeline,
  StandardScaler,
  type TableDataset,
  type Tensor,
  crossValidate,
  folds,
  fromBytes,
  mlp,
  setSeed,
  split,
  subset,
  tableFromRows,
  tablePreprocessing,
  transformed,
} from '../../lib/index.js';
import { identical } from '../helpers/close.js';

const cities = ['Aachen', 'Bonn', 'Cologne', 'Ulm'];
const rows = Array.from({ length: 64 }, (_, i) => ({
  area: 40 + ((i * 13) % 50),
  city: cities[i % 4],
  price: 3 * ((i * 13) % 50) + 40 * (i % 4),
}));

async function trained(): Promise<ReturnType<typeof mlp>> {
  setSeed(3);
  const data = tableFromRows(rows).dataset({ target: 'price' });
  const model = mlp({ inputShape: [5], hidden: [8], classes: 1 });
  model.preprocessing = tablePreprocessing(data.features, data.target).fit(data);
  await model.fit(data, { loss: new MSELoss(), optimizer: new Adam(model), epochs: 3, log: false, progress: false });
  return fromBytes(model.toBytes()) as ReturnType<typeof mlp>;
}

const some = rows.filter(({ city }) => city === 'Bonn' || city === 'Ulm');
const exact = (model: ReturnType<typeof mlp>): TableDataset =>
  tableFromRows(some, { schema: model.preprocessing }).dataset({ target: 'price' });

test('a table in another order, of fewer categories and with more columns gets the answers of one that was read by the schema', async (t) => {
  const model = await trained();
  const wanted = (await model.predict(exact(model))) as Tensor;
  const turned = tableFromRows(some.map(({ area, city, price }) => ({ note: 'x', city, price, area })));
  identical(t, (await model.predict(turned.dataset({ target: 'price' }))) as Tensor, wanted);
  identical(t, (await model.predict(turned.dataset())) as Tensor, wanted);
  const one = await model.predict<Tensor>(tableFromRows([{ city: 'Ulm', area: some[1].area }]).dataset());
  t.is(one.item(), wanted.data[1]);
});

test('so do its subsets, splits and folds, in evaluate, in fit and in transformed', async (t) => {
  const model = await trained();
  const loss = new MSELoss();
  const data = tableFromRows(some.map(({ area, city, price }) => ({ city, area, price }))).dataset({ target: 'price' });
  const known = exact(model);
  const indices = [5, 1, 8];
  identical(t, (await model.predict(subset(data, indices))) as Tensor, (await model.predict(subset(known, indices))) as Tensor);
  t.deepEqual(await model.evaluate(data, { loss }), await model.evaluate(known, { loss }));
  const parts = [data, known].map((one) => split(one, [0.5, 0.5], { seed: 1 })[1]);
  t.deepEqual(await model.evaluate(parts[0], { loss }), await model.evaluate(parts[1], { loss }));
  const each = [data, known].map((one) => folds(one, { folds: 2, seed: 1 })[0].validation);
  t.deepEqual(await model.evaluate(each[0], { loss }), await model.evaluate(each[1], { loss }));
  const transform = model.preprocessing as ColumnTransform;
  identical(t, transformed(data, transform).batch(Int32Array.of(3)).inputs, transform.transform(known.batch(Int32Array.of(3)).inputs));
  const twins = [data, known].map(() => model.clone());
  for (const [i, twin] of twins.entries())
    await twin.fit([data, known][i], { loss, optimizer: new Adam(twin), validation: parts[i], shuffle: false, log: false, progress: false });
  identical(t, (await twins[0].predict(known)) as Tensor, (await twins[1].predict(known)) as Tensor);
});

test('a transform learns from a table by names too, alone and at the head of a pipeline', (t) => {
  const data = tableFromRows(rows).dataset({ target: 'price' });
  const turned = tableFromRows(rows.map(({ area, city, price }) => ({ city, price, area }))).dataset({ target: 'price' });
  for (const create of [
    () => tablePreprocessing(data.features),
    () => new Pipeline([tablePreprocessing(data.features), new StandardScaler()]),
  ]) {
    const learned = create().fit(turned);
    const [area, city] = data.features;
    t.deepEqual(learned.columns, [{ ...area, range: [40, 89] }, city]);
    identical(t, learned.transform(data.inputs), create().fit(data).transform(data.inputs));
    identical(t, transformed(turned, learned).batch(Int32Array.of(2)).inputs, transformed(data, learned).batch(Int32Array.of(2)).inputs);
  }
  t.is(new StandardScaler().columns, null);
});

test('a column that is missing, of another kind, or has a category that training did not, is refused by name', async (t) => {
  const model = await trained();
  const refused = async (row: object, message: RegExp): Promise<void> => {
    const data = tableFromRows([row, row]).dataset();
    for (const use of [() => model.predict(data), () => model.evaluate(subset(data, [0]), { loss: new MSELoss() })]) {
      const error = await t.throwsAsync(use, { instanceOf: ArgumentError, message });
      t.regex(error.message, /Read the table with \{ schema: model\.preprocessing \}/);
    }
  };
  await refused({ area: 71 }, /has no column 'city', which the preprocessing takes; it has 'area'/);
  await refused({ area: '71,5', city: 'Ulm' }, /column 'area' of data set 'rows.*' holds categories, and the preprocessing takes numbers/);
  await refused(
    { area: 71, city: 'Rome' },
    /column 'city' of data set 'rows.*' has the category 'Rome', and the preprocessing knows 'Aachen', /,
  );
});

test('class indices of other classes are refused where they count, and predict does not look at them', async (t) => {
  setSeed(3);
  const data = tableFromRows(rows).dataset({ target: 'city' });
  const model = mlp({ inputShape: [2], hidden: [8], classes: 4 });
  model.preprocessing = tablePreprocessing(data.features, data.target).fit(data);
  const loss = new CrossEntropyLoss();
  await model.fit(data, { loss, optimizer: new Adam(model), log: false, progress: false });
  const two = tableFromRows(some).dataset({ target: 'city' });
  const optimizer = new Adam(model);
  const message = /the target 'city' of data set 'rows' has the categories 'Bonn', 'Ulm', that of the preprocessing 'Aachen', 'Bonn'/;
  await t.throwsAsync(() => model.evaluate(two, { loss }), { instanceOf: ArgumentError, message });
  await t.throwsAsync(() => model.fit(two, { loss, optimizer, log: false }), { message });
  await t.throwsAsync(() => model.fit(data, { loss, optimizer, validation: two, log: false }), { message });
  const known = tableFromRows(some, { schema: model.preprocessing }).dataset({ target: 'city' });
  t.deepEqual(known.classes, cities);
  identical(t, (await model.predict(two)) as Tensor, (await model.predict(known)) as Tensor);
});

test('the preprocessing of a model is a schema: it asks for its columns, and takes the target where it is there', async (t) => {
  const { preprocessing } = await trained();
  const names = (table: { columns: readonly { name: string }[] }): string[] => table.columns.map(({ name }) => name);
  t.deepEqual(names(tableFromRows([{ city: 'Ulm', area: 71 }], { schema: preprocessing })), ['area', 'city']);
  t.deepEqual(names(tableFromRows([{ price: 3, city: 'Ulm', note: 1, area: 71 }], { schema: preprocessing })), ['area', 'city', 'price']);
  t.throws(() => tableFromRows([{ area: 71 }], { schema: preprocessing }), { message: /has no column 'city', which is needed/ });
  for (const schema of [null, new StandardScaler(), { columns: [{ name: 'area', kind: 'text' }] } as never, {} as never, 3 as never])
    t.throws(() => tableFromRows([{ area: 71 }], { schema }), { instanceOf: ArgumentError });
});

test('folds of a table carry their columns', async (t) => {
  const data = tableFromRows(rows).dataset({ target: 'price' });
  await crossValidate(
    data,
    ({ train, validation }) => {
      t.deepEqual([train.features, validation.target], [data.features, data.target]);
      return 0;
    },
    { folds: 2 },
  );
});

test('a model that is trained on a table says what it predicts, though its preprocessing was not told; of one transform, each model its own', async (t) => {
  const table = tableFromRows(rows.map((row) => ({ ...row, rent: row.price / 9 })));
  const features = ['area', 'city'];
  const [prices, rents] = ['price', 'rent'].map((target) => table.dataset({ target, features }));
  const shared = tablePreprocessing(prices.features).fit(prices);
  const targetOf = async (data: TableDataset, preprocessing: ColumnTransform): Promise<string | undefined> => {
    const model = mlp({ inputShape: [5], hidden: [], classes: 1 });
    model.preprocessing = preprocessing;
    const [part] = split(data, [0.5, 0.5], { seed: 1 });
    await model.fit(part, { loss: new MSELoss(), optimizer: new Adam(model), log: false, progress: false, sitter: false });
    const read = fromBytes(model.toBytes()) as ReturnType<typeof mlp>;
    identical(t, (await read.predict(data)) as Tensor, (await model.predict(data)) as Tensor);
    return (read.preprocessing as ColumnTransform).target?.name;
  };
  t.is(await targetOf(prices, shared), 'price');
  t.is(await targetOf(rents, shared), 'rent');
  t.is(shared.target, null);
  t.is(await targetOf(rents, tablePreprocessing(rents.features)), 'rent', 'one that fit() fits');
  t.is(await targetOf(rents, tablePreprocessing(rents.features, prices.target)), 'price', 'what was said stays');
});
