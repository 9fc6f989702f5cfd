// Tables from objects: kinds by their values, gaps, what does not fit, and rows for a saved model.
import test from 'ava';
import {
  Adam,
  ArgumentError,
  type ColumnTransform,
  MSELoss,
  RowError,
  fromBytes,
  mlp,
  setSeed,
  tableFromRows,
  tablePreprocessing,
} from '../../lib/index.js';

const houses = [
  { area: 95, city: 'Ulm', isNew: true, sold: new Date(86_400_000) },
  { area: 60n, city: 'Bonn', isNew: false },
  { area: null, isNew: undefined, city: 'Ulm', sold: new Date(0) },
];

test('numbers, dates, texts and truth values become columns, and what is null or not there is missing', (t) => {
  const table = tableFromRows(houses);
  t.deepEqual(table.describe(), [
    'area: numbers from 60 to 95, 1 value missing',
    "city: 2 categories ('Bonn', 'Ulm')",
    "isNew: 2 categories ('false', 'true'), 1 value missing",
    'sold: numbers from 0 to 86400000, 1 value missing',
  ]);
  t.deepEqual([...table.column('area').values], [95, 60, Number.NaN]);
  t.deepEqual([...table.column('city').values], [1, 0, 1]);
  t.deepEqual(
    tableFromRows(houses, { columns: { sold: 'skip', area: 'category' } }).schema.map(({ name, kind }) => [name, kind]),
    [
      ['area', 'category'],
      ['city', 'category'],
      ['isNew', 'category'],
    ],
  );
});

test('a value that does not fit is an error with row, column and value, or its row is left out and counted', (t) => {
  const rows = [{ area: 95 }, { area: 'large' }, { area: 60 }];
  const error = t.throws(() => tableFromRows(rows), { instanceOf: ArgumentError });
  t.regex(error.message, /row 2, column 'area': expected a number, received "large"/);
  const table = tableFromRows(rows, { badRows: 'skip' });
  t.deepEqual([table.length, table.badRowCount, table.badRows[0].line], [2, 1, 2]);
  t.throws(() => tableFromRows([{ area: { square: 95 } }]), { instanceOf: ArgumentError, message: /'area': is neither numbers nor texts/ });
  const schema = [{ name: 'area', kind: 'number' }] as const;
  t.throws(() => tableFromRows(rows.slice(1, 2), { schema, badRows: 'skip' }), { message: /none of the 1 rows fits/ });
});

test('what is no list of objects is refused', (t) => {
  for (const rows of [null, undefined, {}, 'area', [1], [null], [['area', 95]], []])
    t.throws(() => tableFromRows(rows as object[]), { instanceOf: ArgumentError }, String(rows));
});

test('a saved model predicts rows that arrive as objects: by its columns in any order, with gaps, with numbers as texts', async (t) => {
  setSeed(1);
  const rows = Array.from({ length: 40 }, (_, i) => ({ area: 40 + i, city: i % 2 === 0 ? 'Ulm' : 'Bonn', price: 2 * i }));
  const data = tableFromRows(rows).dataset({ target: 'price' });
  const preprocessing = tablePreprocessing(data.features, data.target).fit(data);
  const model = mlp({ inputShape: preprocessing.outputShape, hidden: [8], classes: 1 });
  model.preprocessing = preprocessing;
  await model.fit(data, { loss: new MSELoss(), optimizer: new Adam(model), log: false, progress: false });
  const loaded = await fromBytes(await model.toBytes());
  const { columns } = loaded.preprocessing as ColumnTransform;
  const price = async (row: object) => (await loaded.predict(tableFromRows([row], { schema: columns }).dataset())).item();
  const wanted = (await model.predict(data)).data[10];
  t.is(await price({ area: 50, city: 'Ulm' }), wanted);
  t.is(await price({ note: 'left out', city: 'Ulm', area: '50' }), wanted);
  t.true(Number.isFinite(await price({ area: null, city: 'Ulm' })));
  t.throws(() => tableFromRows([{ city: 'Ulm' }], { schema: columns }), {
    message: /has no column 'area', which is needed; it has 'city'\. null stands for a missing value/,
  });
  t.throws(() => tableFromRows([{ area: 50, city: 'Ulm' }, { city: 'Ulm' }], { schema: columns }), {
    instanceOf: ArgumentError,
    message: /row 2: has no column 'area', which is needed; it has 'city'\. null stands for a missing value/,
  });
  const unknown = tableFromRows(
    [
      { area: 50, city: 'Rom' },
      { area: 50, city: 'Ulm' },
    ],
    { schema: columns, unknownCategories: 'missing' },
  );
  t.deepEqual([...unknown.column('city').values], [Number.NaN, 1]);
  t.throws(() => tableFromRows([{ area: 50, city: 'Rom' }], { schema: columns }), { message: /"Rom" was never seen in training/ });
});

test('all columns that a row lacks are named at once, with those that differ in capitals, and may be taken for missing values', (t) => {
  const data = tableFromRows([
    { area: 50, city: 'Ulm', rooms: 2, price: 1 },
    { area: 60, city: 'Bonn', rooms: 3, price: 2 },
  ]).dataset({ target: 'price' });
  const schema = data.features;
  t.throws(() => tableFromRows([{ city: 'Ulm' }], { schema }), {
    instanceOf: ArgumentError,
    message: /^rows, row 1: has no columns 'area', 'rooms', which are needed; it has 'city'\. null stands .* absentColumns: 'missing' takes/,
  });
  const capitals = /has no columns 'area', 'rooms', which are needed; it has 'Area', 'city'\. Capitals count: 'Area'$/;
  for (const absentColumns of ['error', 'missing'] as const)
    t.throws(() => tableFromRows([{ Area: 71, city: 'Ulm' }], { schema, absentColumns }), { message: capitals });
  const rows = tableFromRows([{ city: 'Ulm' }, { rooms: 4, area: 7 }], { schema, absentColumns: 'missing' });
  const values = Object.fromEntries(rows.columns.map((column) => [column.name, [...column.values]]));
  t.deepEqual(values, { area: [Number.NaN, 7], city: [1, Number.NaN], rooms: [Number.NaN, 4] });
  t.throws(() => tableFromRows([{}], { schema, absentColumns: 'missing' }), {
    message: /^rows, row 1: has none of the columns that are needed, 'area', 'city', 'rooms'; it has none\. Rename/,
  });
  t.throws(() => tableFromRows([{}], { schema, absentColumns: 'x' as never }), {
    instanceOf: ArgumentError,
    message: /options\.absentColumns/,
  });
});

test('an error about a row has its index, the column and what came, for the answer of a server', (t) => {
  const { features: schema, target } = tableFromRows([
    { area: 50, city: 'Ulm', price: 1 },
    { area: 60, city: 'Bonn', price: 2 },
  ]).dataset({ target: 'price' });
  const known = { columns: schema, target };
  const good = { area: 70, city: 'Ulm' };
  const square = { square: 95 };
  const faults: [unknown, string | null, unknown][] = [
    [{ area: 70, city: 'Rom' }, 'city', 'Rom'],
    [{ area: square, city: 'Ulm' }, 'area', square],
    [{ area: 'large', city: 'Ulm' }, 'area', 'large'],
    [{ city: 'Ulm' }, 'area', undefined],
    [{ area: 70, City: 'Ulm' }, 'city', undefined],
    [{}, 'area', undefined],
    [{ ...good, price: 'much' }, 'price', 'much'],
    [7, null, 7],
  ];
  for (const [fault, column, value] of faults) {
    const error = t.throws(() => tableFromRows([good, fault as object], { schema: known }), { instanceOf: RowError, code: 'ERR_ARGUMENT' });
    t.deepEqual([error.row, error.column, error.value], [1, column, value], error.message);
  }
  const capitals = t.throws(() => tableFromRows([{ City: 'Ulm' }], { schema, absentColumns: 'missing' }), { instanceOf: RowError });
  t.is(capitals.column, 'city', 'the one that is there under nearly its name');
  const learned = t.throws(() => tableFromRows([{ area: 95 }, { area: 'large' }]), { instanceOf: RowError });
  t.deepEqual([learned.row, learned.column, learned.value], [1, 'area', 'large']);
});
