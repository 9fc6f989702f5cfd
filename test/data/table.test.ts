// Tables: columns by name, rows, and the data sets that are made of them.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'ava';
import {
  Adam,
  ArgumentError,
  Centre,
  DTypeError,
  MSELoss,
  tableFromRows,
  type Column,
  ColumnTransform,
  fromBytes,
  Imputer,
  Linear,
  mlp,
  OneHotEncoder,
  Sequential,
  ShapeError,
  readCsv,
  Table,
  tablePreprocessing,
  Transform,
} from '../../lib/index.js';
import { identical } from '../helpers/close.js';

const columns: Column[] = [
  { name: 'rooms', kind: 'number', values: Float64Array.of(3, Number.NaN, 5, 2) },
  { name: 'city', kind: 'category', categories: ['Bonn', 'Ulm'], values: Float64Array.of(1, 0, Number.NaN, 1) },
  { name: 'price', kind: 'number', values: Float64Array.of(100, 200, 300, 400) },
  { name: 'sold', kind: 'category', categories: ['no', 'yes'], values: Float64Array.of(0, 1, 1, 0) },
];
const table = new Table(columns, 'houses');

test('columns are found by name, chosen, and left out', (t) => {
  t.is(table.column('price'), table.columns[2]);
  t.deepEqual(
    table.select(['price', 'rooms']).columns.map(({ name }) => name),
    ['price', 'rooms'],
  );
  t.deepEqual(
    table.without(['price', 'sold']).columns.map(({ name }) => name),
    ['rooms', 'city'],
  );
  t.throws(() => table.column('Price '), {
    instanceOf: ArgumentError,
    message: /a column of houses \('rooms', 'city', 'price', 'sold'\).*'price' is one/,
  });
  t.throws(() => new Table([null as never]), { instanceOf: ArgumentError, message: /columns with name, kind and values/ });
  t.throws(() => new Table([{ ...columns[0], values: [1] as never }]), { instanceOf: ArgumentError });
  t.throws(() => new Table([columns[0], columns[0]]), { message: /two columns of table are called 'rooms'/ });
  t.throws(() => new Table([columns[0], { ...columns[2], values: Float64Array.of(1) }]), { message: /has 1 values, column 'rooms' 4/ });
});

test('a column takes the place of the one of its name, or stands behind all others', (t) => {
  const { values } = table.column('price');
  const logs = table.with({ name: 'price', kind: 'number', values: values.map(Math.log) });
  t.deepEqual([...logs.column('price').values], [...values].map(Math.log));
  t.deepEqual(
    logs.columns.map(({ name }) => name),
    ['rooms', 'city', 'price', 'sold'],
  );
  const more = table.with({ name: 'half', kind: 'number', values: values.map((value) => value / 2) });
  t.is(more.columns[4].name, 'half');
  t.is(table.columns.length, 4);
  t.throws(() => table.with({ name: 'half', kind: 'number', values: Float64Array.of(1) }), { instanceOf: ArgumentError });
  t.throws(() => table.with(null as never), { instanceOf: ArgumentError, message: /columns with name, kind and values/ });
  t.throws(() => table.with({ name: 'half', kind: 'number', values: [1, 2] as never }), {
    instanceOf: ArgumentError,
    message: /expected a Float64Array for `values of column 'half'`, received .*\. Float64Array\.from\(numbers\) makes one$/,
  });
});

test('a table in the place of its data set is told what makes one', async (t) => {
  const table = new Table(columns, 'houses');
  const model = mlp({ inputShape: [3], hidden: [], classes: 1 });
  const loss = new MSELoss();
  const says = { instanceOf: ArgumentError, message: /A table becomes one by table\.dataset\(/ };
  await t.throwsAsync(model.predict(table as never), says);
  await t.throwsAsync(model.evaluate(table as never, { loss }), says);
  await t.throwsAsync(model.fit(table as never, { loss, optimizer: new Adam(model) }), says);
});

test('a net of another width than the preprocessing gives is told where the width comes from', async (t) => {
  const data = new Table(columns, 'houses').dataset({ target: 'price' });
  const model = mlp({ inputShape: data.inputShape, hidden: [], classes: 1 });
  model.preprocessing = tablePreprocessing(data.features).fit(data);
  const loss = new MSELoss();
  const says = {
    instanceOf: ShapeError,
    message: /expected 3 input features .*The preprocessing makes 5 numbers of each row: .*inputShape: preprocessing\.outputShape$/,
  };
  await t.throwsAsync(model.fit(data, { loss, optimizer: new Adam(model), log: false, progress: false }), says);
  await t.throwsAsync(model.evaluate(data, { loss }), says);
});

test('names, texts and dates are no categories to learn from, unless they are asked for by name', (t) => {
  const of = (make: (i: number) => string, count = 300): Table => {
    const rows = Array.from({ length: count }, (_, i) => ({ text: make(i), size: i, price: i % 7 }));
    return tableFromRows(rows);
  };
  const refused = (one: Table, message: RegExp): void => {
    const error = t.throws(() => one.dataset({ target: 'price' }), { instanceOf: ArgumentError, message });
    t.regex(error.message, /table\.without\(\['text'\]\)/);
    t.is(one.dataset({ target: 'price', features: ['text', 'size'] }).features.length, 2);
    t.is(one.without(['text']).dataset({ target: 'price' }).features.length, 1);
    t.is(one.dataset().features.length, 3, 'rows to predict may have such columns beside those of the model');
  };
  refused(
    of((i) => `customer ${i}`),
    /column 'text' of rows holds names or text, too many different \(text: 300 categories/,
  );
  refused(
    of((i) => `street ${i % 101}`),
    /too many different/,
  );
  refused(
    of((i) => `name ${i % 12}`, 20),
    /too many different/,
  );
  const day = (i: number): string => `${1 + (i % 14)}`.padStart(2, '0');
  for (const make of [
    (i: number) => `2024-05-${day(i)}`,
    (i: number) => `${day(i)}.05.2024`,
    (i: number) => `5/${day(i)}/24 10:30`,
    (i: number) => `2024-05-${day(i)}T10:30:00Z`,
  ])
    refused(of(make), /column 'text' of rows holds dates as text/);
  for (const make of [
    (i: number) => `street ${i % 100}`,
    (i: number) => `5/${i % 9}`,
    (i: number) => `2024-05-${day(i)} or ${i % 3}`.slice(0, 7),
  ])
    t.is(of(make).dataset({ target: 'price' }).features.length, 2);
  t.is(of((i) => `name ${i}`, 9).dataset({ target: 'price' }).features.length, 2, 'of a few rows nobody can tell');
});

test('a table without its preprocessing says what is missing, in fit, evaluate and predict', async (t) => {
  const data = table.select(['city', 'rooms', 'price']).dataset({ target: 'price' });
  const model = new Sequential([new Linear(2, 1)]);
  const [loss, optimizer] = [new MSELoss(), new Adam(model)];
  for (const use of [
    () => model.fit(data, { loss, optimizer, log: false, progress: false }),
    () => model.evaluate(data, { loss }),
    () => model.predict(data),
  ])
    await t.throwsAsync(use, { instanceOf: DTypeError, message: /Set model\.preprocessing = tablePreprocessing\(data\.features\)/ });
});

test('rows are chosen by index', (t) => {
  t.deepEqual([...table.rows([3, 0]).column('price').values], [400, 100]);
  t.throws(() => table.rows([4]), { instanceOf: ArgumentError, message: /indices/ });
});

test('numbers to be predicted are float32 [rows, 1], categories class indices with their names', (t) => {
  const prices = table.dataset({ target: 'price' });
  t.deepEqual([prices.inputs.dtype, prices.inputs.shape], ['float64', [4, 3]]);
  t.deepEqual([...prices.inputs.data], [3, 1, 0, Number.NaN, 0, 1, 5, Number.NaN, 1, 2, 1, 0]);
  t.deepEqual([prices.targets.dtype, prices.targets.shape, [...prices.targets.data]], ['float32', [4, 1], [100, 200, 300, 400]]);
  const sold = table.dataset({ target: 'sold', features: ['rooms'], split: 'test' });
  t.deepEqual([sold.targets.dtype, [...sold.targets.data], sold.classes, sold.split], ['int32', [0, 1, 1, 0], ['no', 'yes'], 'test']);
  t.deepEqual(sold.features, [{ name: 'rooms', kind: 'number' }]);
  t.deepEqual(sold.target, { name: 'sold', kind: 'category', categories: ['no', 'yes'] });
  t.deepEqual([...table.dataset().targets.data], [0, 0, 0, 0]);
});

test('an empty column, a constant or missing target, a table of 0 rows and no feature at all say so in words', (t) => {
  const empty = new Table([...columns, { name: 'note', kind: 'number', values: new Float64Array(4).fill(Number.NaN) }], 'houses');
  t.throws(() => empty.dataset({ target: 'price' }), {
    instanceOf: ArgumentError,
    message: /column 'note' of houses is empty: no row has a value/,
  });
  t.is(empty.describe()[4], 'note: empty, no row has a value');
  const constant = new Table([columns[0], { name: 'price', kind: 'number', values: new Float64Array(4).fill(7) }], 'houses');
  t.throws(() => constant.dataset({ target: 'price' }), {
    message: /target column 'price' of houses is constant, 7 in every row: there is nothing to learn/,
  });
  const one = new Table(
    [columns[0], { name: 'kind', kind: 'category', categories: ['a', 'b'], values: new Float64Array(4).fill(1) }],
    'houses',
  );
  t.throws(() => one.dataset({ target: 'kind' }), { message: /is constant, b in every row/ });
  t.throws(() => table.dataset({ target: 'rooms' }), { message: /has no value in 1 of 4 rows, the first of them row 2/ });
  t.throws(() => table.rows([]).dataset({ target: 'price' }), { message: /houses has 0 rows/ });
  t.throws(() => table.select(['price']).dataset({ target: 'price' }), { message: /no column to predict 'price' from/ });
  t.throws(() => table.dataset({ target: 'price', features: ['price'] }), { message: /stands among `options.features`/ });
});

test('the usual preprocessing fills, standardizes and one-hot encodes, and goes into a file with names and target', (t) => {
  const data = table.dataset({ target: 'price' });
  const transform = tablePreprocessing(data.features, data.target).fit(data);
  const made = transform.transform(data.inputs) as unknown as { dtype: string; data: Float32Array };
  t.is(made.dtype, 'float32');
  t.deepEqual(transform.outputShape, [5]);
  const rooms = [3, 3, 5, 2];
  const std = Math.sqrt(rooms.reduce((sum, value) => sum + (value - 3.25) ** 2, 0) / 4);
  t.deepEqual(
    [...made.data],
    rooms.flatMap((value, i) => [
      Math.fround((value - 3.25) / std),
      ...[
        [0, 1, 1, 0],
        [1, 0, 0, 1],
        [0, 0, 0, 1],
        [0, 1, 1, 0],
      ][i],
    ]),
  );
  const model = new Sequential([new Linear(5, 1)]);
  model.preprocessing = transform;
  const read = fromBytes(model.toBytes()).preprocessing as ColumnTransform;
  identical(t, read.transform(data.inputs), transform.transform(data.inputs));
  t.deepEqual(read.columns, transform.columns);
  t.deepEqual(
    read.columns.map(({ range: _, ...schema }) => schema),
    data.features,
  );
  t.deepEqual(read.target, data.target);
});

test('columns go into groups of one’s own; what does not fit is refused', (t) => {
  const data = table.dataset({ target: 'price' });
  const transform = new ColumnTransform(data.features, [
    { columns: ['city'], transform: new OneHotEncoder({ unknown: 'none' }) },
    { columns: ['rooms'], transform: new Imputer({ strategy: 'constant', value: -1 }) },
  ]).fit(data);
  t.deepEqual([...transform.transform(data.inputs).data], [0, 1, 3, 1, 0, -1, 0, 0, 5, 0, 1, 2]);
  const make = (groups: unknown) => () => new ColumnTransform(data.features, groups as never);
  t.throws(make([]), { message: /`groups` is empty/ });
  t.throws(make([{ columns: ['garden'], transform: new Centre() }]), { message: /groups/ });
  t.throws(make([{ columns: ['city', 'city'], transform: new Centre() }]), { message: /stands in two groups/ });
  t.throws(make([{ columns: ['city'], transform: {} }]), { message: /a transform/ });
});

test('filter keeps rows by their values, and what is missing is named by the line of the file', async (t) => {
  const path = join(mkdtempSync(join(tmpdir(), 'nodegrad-table-')), 'a.csv');
  t.teardown(() => rmSync(dirname(path), { recursive: true, force: true }));
  writeFileSync(path, `a,city,y\n${'1,x,1\n2,z,3\n'.repeat(12)}wild,x,2\n3,x,\n4,x,9\n`);
  const table = await readCsv(path, { badRows: 'skip' });
  t.throws(() => table.dataset({ target: 'y' }), {
    message:
      "the target column 'y' of a.csv has no value in 1 of 26 rows, the first of them line 27: leave them out with filter((row) => row['y'] !== null)",
  });
  const kept = table.filter(({ y, city }, i) => y !== null && (city === 'z' || i > 20));
  t.deepEqual([kept.length, kept.badRowCount], [14, 1]);
  t.is(kept.dataset({ target: 'y' }).length, 14);
  t.throws(() => table.rows((() => true) as never), { message: /filter\(\) takes a function/ });
  t.throws(() => table.filter([1] as never), { message: /expected a function that is given a row for `keep`/ });
  t.throws(() => table.dataset({ target: 'Y' }), { message: /for `options\.target`, received "Y"\. 'y' is one/ });
});

test('prices with a currency sign are named as what they are', (t) => {
  const rows = Array.from({ length: 30 }, (_, i) => ({ a: i % 7, price: `€${300_000 + i}`, area: `${50 + i} m²` }));
  t.throws(() => tableFromRows(rows).dataset({ target: 'a' }), {
    message: /holds numbers with a currency sign or a unit, which makes them text/,
  });
});

test('numbers outside of the ranges that a model has learned from are listed with their rows, and its file keeps the ranges', async (t) => {
  const data = tableFromRows([
    { area: 40, rooms: 2, city: 'Ulm', price: 1 },
    { area: 90, rooms: null, city: 'Bonn', price: 2 },
    { area: 70.5, rooms: 3, city: 'Ulm', price: 3 },
  ]).dataset({ target: 'price' });
  const model = mlp({ inputShape: [4], hidden: [], classes: 1 });
  const fresh = tablePreprocessing(data.features, data.target);
  t.true(fresh.columns.every(({ range }) => range === undefined));
  model.preprocessing = fresh.fit(data);
  const ranges = { area: [40, 90], rooms: [2, 3], city: undefined };
  const known = (columns: ColumnTransform['columns'] | null | undefined) =>
    Object.fromEntries((columns ?? []).map((one) => [one.name, one.range]));
  const loaded = await fromBytes(model.toBytes());
  for (const { preprocessing } of [model, loaded, model.clone()]) t.deepEqual(known(preprocessing?.columns), ranges);
  t.deepEqual(known(Transform.fromJSON(JSON.parse(JSON.stringify(model.preprocessing))).columns), ranges);
  t.deepEqual(known(tablePreprocessing(loaded.preprocessing?.columns ?? []).columns), { area: undefined, rooms: undefined, city: undefined });
  const rows = tableFromRows(
    [
      { area: 40, city: 'Ulm', rooms: 3 },
      { area: '90.5', city: 'Bonn', rooms: null },
      { area: 39, city: 'Ulm', rooms: -1 },
    ],
    { schema: loaded.preprocessing },
  );
  const outside = [
    { row: 1, column: 'area', value: 90.5, range: [40, 90] },
    { row: 2, column: 'area', value: 39, range: [40, 90] },
    { row: 2, column: 'rooms', value: -1, range: [2, 3] },
  ];
  t.deepEqual(rows.outside(loaded.preprocessing), outside as never);
  t.deepEqual(rows.outside(loaded.preprocessing?.columns ?? null), outside as never);
  t.deepEqual(rows.select(['area', 'city']).outside(loaded.preprocessing).length, 2);
  t.deepEqual(rows.outside(data.features), [], 'a schema that has learned nothing');
  for (const wrong of [null, 7, {}, [{ name: 'area', kind: 'number', range: [1] }]])
    t.throws(() => rows.outside(wrong as never), { instanceOf: ArgumentError }, String(wrong));
  const older = JSON.parse(JSON.stringify(model.preprocessing)) as { state: Record<string, unknown> };
  for (const name of ['least', 'greatest']) t.true(delete older.state[name]);
  const old = Transform.fromJSON(older);
  t.deepEqual(known(old.columns), { area: undefined, rooms: undefined, city: undefined });
  t.deepEqual(rows.outside(old), []);
  identical(t, old.transform(data.inputs), model.preprocessing.transform(data.inputs));
});
