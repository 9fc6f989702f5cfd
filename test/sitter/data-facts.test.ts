// Proves lib/sitter/data-facts.ts: columns are called by their names, through the preprocessing of a model, and targets that are not finite accuse no column.
import test from 'ava';
import {
  Adam,
  MSELoss,
  StandardScaler,
  type Table,
  TensorDataset,
  mlp,
  preflight,
  split,
  tableFromRows,
  tablePreprocessing,
  tensor,
} from '../../lib/index.js';

const rows = Array.from({ length: 60 }, (_, i) => ({
  area: 40 + ((i * 37) % 23),
  city: ['Bonn', 'Jena', 'Ulm'][i % 3],
  hall: 40 + ((i * 37) % 23),
  size: (i * 11) % 17,
}));
const withPrice = (price: (row: (typeof rows)[number], i: number) => number): Table =>
  tableFromRows(rows.map((row, i) => ({ ...row, price: price(row, i) })));

/** What is found before a run on a table. */
async function seenOf(table: Table): Promise<Map<string, { seen: string; advice: string }>> {
  const data = table.dataset({ target: 'price' });
  const [train] = split(data, [0.9, 0.1], { seed: 1 });
  const preprocessing = tablePreprocessing(data.features).fit(train);
  const model = mlp({ inputShape: preprocessing.outputShape, hidden: [4], classes: 1 });
  model.preprocessing = preprocessing;
  const found = await preflight(model, train, { loss: new MSELoss(), optimizer: new Adam(model) });
  return new Map(found.map(({ id, seen, advice }) => [id, { seen, advice }]));
}

test('a column that repeats another, or gives the target away, is called by its name, behind the preprocessing of the model', async (t) => {
  const found = await seenOf(withPrice(({ size }) => 3 * size + 1));
  t.is(found.get('duplicate-feature')?.seen, "column 'hall' of the inputs repeats column 'area'");
  t.is(found.get('duplicate-feature')?.advice, "Leave column 'hall' out");
  t.regex(found.get('target-leak')?.seen ?? '', /^column 'size' of the inputs gives the target away/);
  const byCity = await seenOf(withPrice(({ city }) => (city === 'Jena' ? 5 : 1) + 0.25));
  t.regex(byCity.get('target-leak')?.seen ?? '', /^column 'city = Jena' of the inputs gives the target away/);
});

test('columns of tensors have numbers, and so have those that are mixed', async (t) => {
  const inputs = tensor(rows.map(({ area, size }) => [area, size, size]));
  const data = new TensorDataset(inputs, tensor(rows.map((_, i) => [(i * 7) % 5])));
  const model = mlp({ inputShape: [3], hidden: [4], classes: 1 });
  model.preprocessing = new StandardScaler();
  model.preprocessing.fit(data);
  const found = await preflight(model, data, { loss: new MSELoss(), optimizer: new Adam(model) });
  t.is(found.find(({ id }) => id === 'duplicate-feature')?.seen, 'column 2 of the inputs repeats column 1');
});

test('a target of −Infinity is found as what it is, with its way out, and accuses no column; a table refuses it with its row', async (t) => {
  const prices = rows.map(({ size }, i) => [Math.log(i === 20 ? 0 : 3 * size + 1)]);
  const data = new TensorDataset(tensor(rows.map(({ area, size }) => [area / 50 - 1, size / 10 - 1])), tensor(prices));
  const model = mlp({ inputShape: [2], hidden: [4], classes: 1 });
  const found = await preflight(model, data, { loss: new MSELoss(), optimizer: new Adam(model) });
  const ids = found.map(({ id }) => id);
  t.true(ids.includes('non-finite-data'), ids.join());
  t.false(ids.includes('target-leak'), ids.join());
  t.regex(found.find(({ id }) => id === 'non-finite-data')?.advice ?? '', /Math\.log1p takes 0/);
  const table = withPrice(() => 1);
  const logged = table.with({ name: 'price', kind: 'number', values: Float64Array.from(rows, (_, i) => Math.log(i === 20 ? 0 : i + 1)) });
  t.throws(() => logged.dataset({ target: 'price' }), {
    code: 'ERR_ARGUMENT',
    message:
      /^the target column 'price' of rows is -Infinity in row 21, which nothing is learned from\. Math\.log\(0\) is −Infinity: leave such rows out/,
  });
});
