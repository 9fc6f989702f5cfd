// Proves lib/cli/predict.ts: what a model does not say itself, how a file is written, and categories that training never saw.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { Adam, MSELoss, TargetScaler, mlp, readCsv, tablePreprocessing } from '../../lib/index.js';
import { runCommand as run } from '../helpers/command.js';
import { houses } from '../helpers/houses.js';

/** Saves a model that knows its columns and not what it predicts; gives the number of rows that have a value of it. */
async function saveWithoutTarget(folder: string, target: string, outputs: number): Promise<number> {
  const table = (await readCsv(join(folder, 'houses.csv'))).select(['rooms', 'area', target]);
  const kept = table.rows([...table.column(target).values.keys()].filter((row) => !Number.isNaN(table.column(target).values[row])));
  const data = kept.dataset({ target });
  const model = mlp({ inputShape: [2], hidden: [], classes: outputs });
  model.preprocessing = tablePreprocessing(data.features).fit(data);
  model.classNames = data.classes ?? null;
  await model.save(join(folder, 'model.safetensors'));
  return kept.length;
}

test('a classifier that does not say which column it predicts gives a class for each row, and is judged once it is named', async (t) => {
  const folder = houses(t, 60);
  const file = 'model.safetensors';
  const count = await saveWithoutTarget(folder, 'garden', 2);
  const predicted = await run(folder, ['predict', file, '--data', 'houses.csv']);
  t.is(predicted.code, 0, predicted.error);
  const [head, ...rows] = predicted.out.trimEnd().split('\n');
  t.is(head, 'prediction,probability');
  t.is(rows.length, 60);
  for (const row of rows) t.regex(row, /^(yes|no),(0\.[5-9]|1)/);
  const each = await run(folder, ['predict', file, '--data', 'houses.csv', '--probabilities']);
  const [headOfEach, ...rowsOfEach] = each.out.trimEnd().split('\n');
  t.is(headOfEach, 'prediction,probability,probability of no,probability of yes');
  for (const [i, row] of rowsOfEach.entries()) {
    const [prediction, probability, no, yes] = row.split(',');
    t.is(`${prediction},${probability}`, rows[i]);
    t.is(probability, prediction === 'yes' ? yes : no);
    t.true(Math.abs(Number(no) + Number(yes) - 1) < 1e-6, row);
  }
  const json = await run(folder, ['predict', file, '--data', 'houses.csv', '--probabilities', '--json']);
  t.is(String((JSON.parse(json.out) as { rows: Record<string, number>[] }).rows[0]['probability of yes']), rowsOfEach[0].split(',')[3]);
  const silent = await run(folder, ['evaluate', file, '--data', 'houses.csv']);
  t.is(silent.code, 1);
  t.regex(silent.error, /does not say which column it predicts: name it with --target <column>/);
  const named = await run(folder, ['evaluate', file, '--data', 'houses.csv', '--target', 'garden', '--json']);
  t.is(named.code, 0, named.error);
  const { examples, confusion } = JSON.parse(named.out) as { examples: number; confusion: number[][] };
  t.is(examples, count);
  t.is(
    confusion.flat().reduce((sum, count) => sum + count, 0),
    examples,
  );
  t.regex(
    (await run(folder, ['evaluate', file, '--data', 'houses.csv', '--target', 'price'])).error,
    /column 'price': .* was never seen in training/,
  );
});

test('a model of several numbers has a column for each in its predictions, and of one is judged by the column that is named', async (t) => {
  const folder = houses(t, 60);
  await saveWithoutTarget(folder, 'price', 2);
  const two = await run(folder, ['predict', 'model.safetensors', '--data', 'houses.csv']);
  const [head, ...rows] = two.out.trimEnd().split('\n');
  t.is(head, 'prediction 1,prediction 2');
  t.is(rows.length, 60);
  for (const row of rows) t.is(row.split(',').length, 2);
  const asked = await run(folder, ['predict', 'model.safetensors', '--data', 'houses.csv', '--probabilities']);
  t.is(asked.code, 1);
  t.regex(asked.error, /--probabilities is for classes, and model\.safetensors predicts numbers/);
  await saveWithoutTarget(folder, 'price', 1);
  const judged = await run(folder, ['evaluate', 'model.safetensors', '--data', 'houses.csv', '--target', 'price', '--json']);
  t.is(judged.code, 0, judged.error);
  t.is((JSON.parse(judged.out) as { examples: number }).examples, 60);
  await run(folder, ['train', '--data', 'houses.csv', '--target', 'price', '--epochs', '1', '--run-dir', 'here']);
  const other = await run(folder, ['evaluate', 'here/model.safetensors', '--data', 'houses.csv', '--target', 'area']);
  t.regex(other.error, /the model predicts 'price', and --target names 'area'/);
});

test('files of another encoding are read by its name, and categories that are new are taken for missing ones on request', async (t) => {
  const folder = houses(t, 80);
  const file = join(folder, 'houses.csv');
  writeFileSync(file, Buffer.from(readFileSync(file, 'utf8'), 'latin1'));
  const words = ['train', '--data', 'houses.csv', '--target', 'price', '--epochs', '1', '--run-dir', 'here'];
  t.regex((await run(folder, words)).error, /is no text in utf-8\. .* which --encoding windows-1252 reads/);
  const trained = await run(folder, [...words, '--encoding', 'windows-1252']);
  t.is(trained.code, 0, trained.error);
  t.regex(trained.out, /city: 3 categories \('Bonn', 'Köln', 'Ulm'\)/);
  t.regex(
    trained.out,
    /npx nodegrad evaluate here\/model\.safetensors --data houses\.csv --encoding windows-1252\n/,
    'the commands that come next work',
  );
  for (const command of ['evaluate', 'predict']) {
    const read = await run(folder, [command, 'here/model.safetensors', '--data', 'houses.csv', '--encoding', 'windows-1252']);
    t.is(read.code, 0, read.error);
  }
  t.regex((await run(folder, [...words, '--encoding', 'klingon'])).error, /for --encoding, received "klingon"/);
  t.regex(
    (await run(folder, ['predict', 'here/model.safetensors', '--data', 'a.parquet', '--encoding', 'utf-8'])).error,
    /--encoding says how a text is written/,
  );
  const gap = 'rooms,area,city,garden,price\n2,40,,no,1\n';
  writeFileSync(join(folder, 'gap.csv'), gap);
  writeFileSync(join(folder, 'new.csv'), gap.replace(',,', ',Luzern,'));
  const strict = await run(folder, ['predict', 'here/model.safetensors', '--data', 'new.csv']);
  t.regex(
    strict.error,
    /"Luzern" was never seen in training, .*\. Take such values for missing ones with --unknown-categories missing, or leave their rows out with --bad-rows skip \[/,
  );
  for (const command of ['predict', 'evaluate']) {
    const taken = await run(folder, [command, 'here/model.safetensors', '--data', 'new.csv', '--unknown-categories', 'missing', '--json']);
    t.is(taken.code, 0, taken.error);
    const missing = await run(folder, [command, 'here/model.safetensors', '--data', 'gap.csv', '--json']);
    t.is(taken.out.replace('new.csv', 'gap.csv'), missing.out);
  }
});

test('a model that predicts scaled numbers is not asked, and one that learned logarithms answers in prices', async (t) => {
  const folder = houses(t, 200);
  const data = (await readCsv(join(folder, 'houses.csv'))).select(['rooms', 'area', 'price']).dataset({ target: 'price' });
  const model = mlp({ inputShape: [2], hidden: [16], classes: 1 });
  model.preprocessing = tablePreprocessing(data.features).fit(data);
  const scaler = new TargetScaler({ log: true }).fit(data);
  const options = { loss: new MSELoss(), optimizer: new Adam(model, { lr: 1e-2 }), epochs: 30, log: false, progress: false } as const;
  await model.fit(scaler.scaled(data), options);
  const file = join(folder, 'model.safetensors');
  writeFileSync(file, model.toBytes());
  for (const command of ['predict', 'evaluate'])
    t.regex(
      (await run(folder, [command, file, '--data', 'houses.csv'])).error,
      /predicts targets as a TargetScaler scaled them .*scaler\.foldInto\(model\) before/,
    );
  scaler.foldInto(model);
  await model.save(file);
  const judged = await run(folder, ['evaluate', file, '--data', 'houses.csv', '--json']);
  t.is(judged.code, 0, judged.error);
  const { r2 } = JSON.parse(judged.out) as { r2: number };
  t.true(r2 > 0.5, `R2 ${r2}`);
  const predicted = await run(folder, ['predict', file, '--data', 'houses.csv']);
  const [head, ...rows] = predicted.out.trimEnd().split('\n');
  t.is(head, 'price');
  t.true(rows.every((row) => Number(row) > 10_000));
});
