// Proves lib/cli on tables as a user meets it: train on a file, see what was done to each column, evaluate and predict another file.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import {
  Adam,
  BinaryCrossEntropyLoss,
  type ColumnTransform,
  Linear,
  Sequential,
  Sigmoid,
  type Tensor,
  load,
  readCsv,
  setSeed,
  tablePreprocessing,
} from '../../lib/index.js';
import { runCommand as run } from '../helpers/command.js';
import { houses } from '../helpers/houses.js';
import { Seeded } from '../helpers/seeded.js';

test('train on a table says what it does to each column, and its model evaluates and predicts files with the same preprocessing', async (t) => {
  const folder = houses(t);
  const trained = await run(folder, ['train', '--data', 'houses.csv', '--target', 'price', '--run-dir', 'here', '--epochs', '30']);
  t.is(trained.code, 0, trained.error);
  for (const says of [
    /data +houses\.csv: 320 rows to train on, 80 to test with; 'price' is a number to predict/,
    /id: numbers from 1 to 400; left out: it only counts the rows; --columns id=number keeps it\n/,
    /rooms: numbers from 1 to 7, \d+ values missing; standardized, missing values become the median/,
    /city: 3 categories \('Bonn', 'Köln', 'Ulm'\); one-hot\n/,
    /garden: 2 categories \('no', 'yes'\), \d+ values missing; one-hot, a missing one zeros/,
    /note: 400 categories .*; left out: names or text, too many different/,
    /country: 1 category \('DE'\); left out: the same in every row/,
    /The sitter found nothing wrong\. It measured\n {2}dead units: /,
    /price: numbers from \d+ to \d+; to predict, regression; standardized while training, where a loss of 1 is that of always the mean\n/,
    /test +off by [\d,]+ on average, root mean square [\d,]+; (9[5-9])\.\d\d % of the variance explained/,
  ])
    t.regex(trained.out, says);
  t.regex(trained.error, /epoch 30\/30/, 'progress');
  const model = await load(join(folder, 'here/model.safetensors'));
  t.deepEqual((model.preprocessing as ColumnTransform).target, { name: 'price', kind: 'number' });

  const table = await readCsv(join(folder, 'houses.csv'));
  const next = readFileSync(join(folder, 'houses.csv'), 'utf8').split('\n').slice(0, 41);
  writeFileSync(join(folder, 'new.csv'), next.map((line) => line.split(',').slice(0, -1).join(',')).join('\n'));
  const predicted = await run(folder, ['predict', 'here/model.safetensors', '--data', 'new.csv']);
  const [head, ...rows] = predicted.out.trimEnd().split('\n');
  t.is(head, 'price');
  t.is(rows.length, 40);
  const prices = table.column('price').values;
  const off = rows.map((row, i) => Math.abs(Number(row) / prices[i] - 1)).sort((a, b) => a - b);
  t.true(off[20] < 0.1, `the median is off by ${off[20]}`);
  const evaluated = await run(folder, ['evaluate', 'here/model.safetensors', '--data', 'houses.csv', '--json']);
  const { examples, r2, mae } = JSON.parse(evaluated.out) as Record<string, number>;
  t.is(examples, 400);
  t.true(r2 > 0.95 && mae < 40_000, evaluated.out);
  await run(folder, ['predict', 'here/model.safetensors', '--data', 'new.csv', '--output', 'out.csv']);
  t.is(readFileSync(join(folder, 'out.csv'), 'utf8'), predicted.out);
  const said = await run(folder, ['predict', 'here/model.safetensors', '--data', 'new.csv', '--output', 'out.json']);
  t.is(said.out, 'out.json: 40 predictions, as JSON\n');
  t.is((JSON.parse(readFileSync(join(folder, 'out.json'), 'utf8')) as { rows: unknown[] }).rows.length, 40);
});

test('a file of semicolons and decimal commas is trained on as numbers, beside what the mean is worth, and the next commands work as they stand', async (t) => {
  const folder = houses(t);
  const lines = readFileSync(join(folder, 'houses.csv'), 'utf8').trimEnd().split('\n');
  const german = lines.map((line) => line.replace(', or so', '').replaceAll('"', '').replaceAll(',', ';').replaceAll('.', ','));
  writeFileSync(join(folder, 'my häuser.csv'), `${german.join('\r\n')}\r\n`);
  const words = ['train', '--data', 'my häuser.csv', '--target', 'price', '--run-dir', 'here', '--epochs', '40', '--patience', '2'];
  const { code, out, error } = await run(folder, words);
  t.is(code, 0, error);
  t.regex(out, / area: numbers from \d+(\.\d)? to \d+(\.\d)?; standardized\n/);
  t.regex(out, /\n {2}baseline +always the mean, [\d,]+: off by [\d,]+ on average, .*; -?\d\.\d\d % of the variance explained\n/);
  t.regex(out, /\n {2}run +completed/);
  const next = [...out.matchAll(/^ {2}(evaluate|predict|report) +npx nodegrad (.*)$/gm)];
  t.is(next.length, 3, out);
  for (const [, , command] of next) {
    const asked = [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain);
    const done = await run(folder, asked);
    t.is(done.code, 0, `${command}: ${done.error}`);
  }
  t.is(readFileSync(join(folder, 'predictions.csv'), 'utf8').trimEnd().split('\n').length, 401);
});

test('--patience ends a run that gets no better, with the weights of its best epoch', async (t) => {
  const folder = houses(t, 60);
  const words = ['train', '--data', 'houses.csv', '--target', 'garden', '--columns', 'id=skip,note=skip', '--lr', '0.005', '--epochs', '60'];
  const { code, out, error } = await run(folder, [...words, '--patience', '2', '--run-dir', 'here', '--schedule', 'constant']);
  t.is(code, 0, error);
  t.regex(error, /\nstopped: no better validation loss in 2 epochs/);
  t.regex(out, /\n {2}test +accuracy .*; the epoch was chosen by the same data\n/);
  t.regex(out, /run +completed after \d+ epochs, no better validation loss in 2 epochs: the best was epoch \d+/);
  t.regex(out, /baseline +always '(yes|no)': accuracy \d+\.\d\d %, log loss/);
  const none = await run(folder, [...words, '--patience', '2', '--test', '0']);
  t.is(none.code, 1);
  t.regex(none.error, /--patience watches the test data, and --test 0 leaves none/);
});

test('a target of dates or of texts that all differ is no task until it is called one', async (t) => {
  const folder = houses(t, 60);
  const words = ['train', '--data', 'houses.csv', '--target', 'note', '--epochs', '1', '--run-dir', 'here'];
  const refused = await run(folder, words);
  t.is(refused.code, 1);
  t.regex(refused.error, /'note' of houses\.csv has 60 categories .*: names or text, too many different\. .*--task classification/);
  t.is((await run(folder, [...words, '--task', 'classification'])).code, 0);
});

test('a target of categories is classified, and predictions have the name and its probability', async (t) => {
  const folder = houses(t);
  const words = [
    'train',
    '--data',
    'houses.csv',
    '--target',
    'garden',
    '--columns',
    'id=skip,note=skip',
    '--epochs',
    '2',
    '--run-dir',
    'here',
    '--json',
  ];
  const trained = await run(folder, words);
  t.is(trained.code, 0, trained.error);
  const document = JSON.parse(trained.out) as { test: { accuracy: number; confusion: number[][] }; columns: string[] };
  t.is(document.test.confusion.length, 2);
  t.regex(document.columns[0], /^\d+ rows without a value of 'garden' are left out$/);
  t.regex(document.columns.at(-2) ?? '', /^country:/);
  const predicted = await run(folder, ['predict', 'here/model.safetensors', '--data', 'houses.csv']);
  t.is(predicted.code, 0, predicted.error);
  const [head, first] = predicted.out.split('\n');
  t.is(head, 'garden,probability');
  t.regex(first, /^(yes|no),0\.\d+$/);
  const evaluated = await run(folder, ['evaluate', 'here/model.safetensors', '--data', 'houses.csv']);
  t.is(evaluated.code, 0, evaluated.error);
  t.regex(evaluated.out, new RegExp(`\\n +${document.columns[0]}\n`), 'counted as train does');
});

test('a model of one output for yes and no is evaluated and predicts as one of two does, from logits and from probabilities', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-cli-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const rows = Array.from({ length: 60 }, (_, i) => `${i / 10},${i < 20 ? 'stays' : 'leaves'}`);
  writeFileSync(join(folder, 'a.csv'), `x,what\n${rows.join('\n')}\n`);
  const data = (await readCsv(join(folder, 'a.csv'))).dataset({ target: 'what' });
  for (const end of [[], [new Sigmoid()]]) {
    setSeed(1);
    const model = new Sequential([new Linear(1, 1), ...end]);
    model.preprocessing = tablePreprocessing(data.features, data.target);
    const loss = new BinaryCrossEntropyLoss({ fromLogits: end.length === 0 });
    await model.fit(data, { loss, optimizer: new Adam(model, { lr: 0.1 }), epochs: 30, log: false, progress: false });
    const { loss: wanted, metrics } = await model.evaluate(data, { loss });
    await model.save(join(folder, 'one.safetensors'));
    const evaluated = await run(folder, ['evaluate', 'one.safetensors', '--data', 'a.csv', '--metrics', 'log-loss', '--json']);
    t.is(evaluated.code, 0, evaluated.error);
    const report = JSON.parse(evaluated.out) as { loss: number; accuracy: number; metrics: Record<string, number> };
    t.is(report.accuracy, metrics.accuracy);
    for (const value of [report.loss, report.metrics['log-loss']]) t.true(Math.abs(value - wanted) < 1e-5, `${value} for ${wanted}`);
    const predicted = await run(folder, ['predict', 'one.safetensors', '--data', 'a.csv', '--json']);
    const found = (JSON.parse(predicted.out) as { rows: { what: string; probability: number }[] }).rows;
    const outputs = (await model.predict(data)) as Tensor;
    for (const [i, { what, probability }] of found.entries()) {
      const p = end.length === 0 ? 1 / (1 + Math.exp(-outputs.data[i])) : outputs.data[i]; // of 'stays', which comes second
      t.is(what, p > 0.5 ? 'stays' : 'leaves');
      t.true(Math.abs(probability - Math.max(p, 1 - p)) < 1e-5);
    }
  }
});

test('whole numbers of a few kinds are classes unless --task says otherwise', async (t) => {
  const folder = houses(t, 60);
  const kind = async (...more: string[]): Promise<string> =>
    (await run(folder, ['train', '--data', 'houses.csv', '--target', 'rooms', '--epochs', '1', '--run-dir', `o${more.length}`, ...more])).out;
  t.regex(await kind(), /rooms: .*; to predict, classification into 7 classes \(--task regression takes them as numbers\)/);
  t.regex(await kind('--task', 'regression'), /rooms: .*; to predict, regression/);
});

test('dates are left out, and the model that a refusal names trains', async (t) => {
  const folder = houses(t, 5);
  const rows = Array.from({ length: 60 }, (_, i) => `${i % 9},2024-05-${10 + (i % 14)},${3 * (i % 9)}`);
  writeFileSync(join(folder, 'dated.csv'), `${['a,since,y', ...rows].join('\n')}\n`);
  const words = ['train', '--data', 'dated.csv', '--target', 'y', '--task', 'regression', '--epochs', '40', '--model', 'linear-model'];
  const { code, out, error } = await run(folder, [...words, '--run-dir', 'one']);
  t.is(code, 0, error);
  t.regex(out, / since: 14 categories .*; left out: dates as text; --columns since=category keeps it\n/);
  t.regex(out, /model\s+linear-model: 2 parameters/);
  t.regex(
    error + (await run(folder, ['train', '--data', 'dated.csv', '--target', 'y', '--model', 'lenet5'])).error,
    /mlp and linear-model take those/,
  );
});

test('what does not go together is said in words, and nothing is trained', async (t) => {
  const folder = houses(t, 40);
  writeFileSync(join(folder, 'empty.csv'), 'a,b\n');
  writeFileSync(join(folder, 'same.csv'), 'a,b\n1,5\n2,5\n3,5\n');
  writeFileSync(join(folder, 'bad.csv'), `a,b\n${'1,2\n'.repeat(30)}x,3\n`);
  const refused: [string[], RegExp][] = [
    [['--data', 'houses.csv'], /--target <column> says what is to be predicted; houses\.csv has the columns 'id', 'rooms'/],
    [['--data', '.', '--target', 'price'], /--target names a column of a table \(\.csv, \.parquet, \.arrow\), and \. is none/],
    [['--data', 'houses.csv', '--target', 'Price'], /for --target, received "Price"\. 'price' is one/],
    [
      ['--data', 'houses.csv', '--target', 'price', '--model', 'small-conv-net'],
      /--model small-conv-net takes images, and houses\.csv is a table/,
    ],
    [['--data', 'houses.csv', '--target', 'city', '--task', 'regression'], /predicts numbers, and 'city' of houses\.csv has the categories/],
    [['--data', 'empty.csv', '--target', 'b'], /empty\.csv: has the names of columns and 0 rows/],
    [['--data', 'same.csv', '--target', 'b'], /target column 'b' of same\.csv is constant, 5 in every row: there is nothing to learn/],
    [
      ['--data', 'bad.csv', '--target', 'b'],
      /line 32, column 'a': expected a number, received "x"\. .*--columns a=category, .*--bad-rows skip \[/,
    ],
    [['--data', 'houses.csv', '--target', 'price', '--columns', 'x=skip'], /nodegrad: --columns names 'x', and houses\.csv has/],
    [['--data', 'houses.csv', '--target', 'price', '--columns', 'id=none'], /expected names and kinds/],
  ];
  for (const [words, says] of refused) {
    const { code, error } = await run(folder, ['train', ...words]);
    t.true(code === 1 || code === 2, words.join(' '));
    t.regex(error, says);
  }
  t.is((await run(folder, ['train', '--data', 'bad.csv', '--target', 'b', '--bad-rows', 'skip'])).code, 1, 'the rest of b is constant');
});

test('a category that training did not have is named by line and column, or its row is left out', async (t) => {
  const folder = houses(t, 60);
  await run(folder, ['train', '--data', 'houses.csv', '--target', 'price', '--epochs', '1', '--run-dir', 'here']);
  writeFileSync(join(folder, 'new.csv'), 'rooms,area,city,garden\n2,40,Paris,no\n3,60,Ulm,yes\n');
  const strict = await run(folder, ['predict', 'here/model.safetensors', '--data', 'new.csv']);
  t.is(strict.code, 1);
  t.regex(strict.error, /new\.csv, line 2, column 'city': "Paris" was never seen in training, where the categories were 'Bonn', 'Köln', 'Ulm'/);
  const lenient = await run(folder, ['predict', 'here/model.safetensors', '--data', 'new.csv', '--bad-rows', 'skip']);
  t.is(lenient.out.trimEnd().split('\n').length, 2);
  t.regex(lenient.error, /^1 row does not fit and is left out, the first in line 2: column 'city': "Paris" was never seen/);
  const images = await run(folder, ['evaluate', 'here/model.safetensors']);
  t.regex(images.error, /was trained on a table: say which one to evaluate it on with --data <path>/);
  const lost = await run(folder, ['evaluate', 'here/model.safetensors', '--data', 'nope.csv']);
  t.regex(lost.error, /'nope\.csv' is invalid\. There is no such file or folder\. Allowed choices are digits, mnist/);
  const misspelt = await run(folder, ['evaluate', 'here/model.safetensors', '--data', 'digit']);
  t.regex(misspelt.error, /'digit' is invalid\. There is no such file or folder\. Did you mean digits\? Allowed choices are digits, mnist/);
});

test('new rows whose columns are wholly missing are predicted as rows with single gaps are, and a model is not trained on such a file', async (t) => {
  const folder = houses(t, 80);
  const trained = await run(folder, ['train', '--data', 'houses.csv', '--target', 'price', '--run-dir', 'here', '--epochs', '2']);
  t.is(trained.code, 0, trained.error);
  writeFileSync(join(folder, 'gaps.csv'), 'rooms,area,city,garden\n3,70,Ulm,no\n,70,,\n');
  writeFileSync(join(folder, 'empty.csv'), 'rooms,area,city,garden\n,70,,\n,70,,\n');
  const predicted = async (data: string): Promise<string[]> => {
    const { code, out, error } = await run(folder, ['predict', 'here/model.safetensors', '--data', data]);
    t.is(code, 0, error);
    return out.trimEnd().split('\n').slice(1);
  };
  const gap = (await predicted('gaps.csv'))[1];
  t.deepEqual(await predicted('empty.csv'), [gap, gap]);
  const { columns } = (await load(join(folder, 'here/model.safetensors'))).preprocessing as ColumnTransform;
  const table = await readCsv(join(folder, 'empty.csv'), { schema: columns });
  for (const one of [table, table.rows([1, 0]), table.select(['rooms', 'area', 'city', 'garden'])]) t.is(one.dataset().length, 2);
  const unread = await readCsv(join(folder, 'empty.csv'));
  t.throws(() => unread.dataset(), { message: /column 'rooms' of empty\.csv is empty/ });
});

test('evaluate learns nothing: it takes one row and a target that is the same in all, leaves rows without a target out, and refuses none at all', async (t) => {
  const folder = houses(t, 80);
  for (const [target, values] of [
    ['price', ['200000', '210000']],
    ['city', ['Ulm', 'Bonn']],
  ] as const) {
    const trained = await run(folder, ['train', '--data', 'houses.csv', '--target', target, '--run-dir', target, '--epochs', '1']);
    t.is(trained.code, 0, trained.error);
    const evaluate = async (rows: string[], ...more: string[]): Promise<{ code: number | null; out: string; error: string }> => {
      const names = target === 'price' ? 'rooms,area,city,garden,price' : 'rooms,area,garden,price,id,city';
      const start = target === 'price' ? '3,70,Ulm,no' : '3,70,no,200000,1';
      writeFileSync(join(folder, 'more.csv'), `${[names, ...rows.map((value) => `${start},${value}`)].join('\n')}\n`);
      return run(folder, ['evaluate', `${target}/model.safetensors`, '--data', 'more.csv', ...more]);
    };
    for (const rows of [[values[0]], [values[0], values[0]], [values[0], '', values[1], '']]) {
      const { code, out, error } = await evaluate(rows, '--json');
      t.is(code, 0, error);
      const { examples, leftOut } = JSON.parse(out) as { examples: number; leftOut: string[] };
      const count = rows.filter((value) => value !== '').length;
      t.is(examples, count);
      t.deepEqual(leftOut, count === rows.length ? [] : [`2 rows without a value of '${target}' are left out`]);
    }
    t.regex((await evaluate([values[0], ''])).out, /more\.csv: 1 row, .*\n +1 row without a value of '\w+' is left out\n/);
    const none = await evaluate(['', '']);
    t.is(none.code, 1);
    t.regex(none.error, new RegExp(`no row of more\\.csv has a value of '${target}': there is nothing to evaluate`));
  }
});

test('whole numbers that step by one count the rows, fractions do not, and a column that is left out comes with the flag that keeps it', async (t) => {
  const folder = houses(t, 5);
  const rows = Array.from({ length: 30 }, (_, i) => `${i + 3},${i + 0.5},${2 * i},name ${i},${i * i}`);
  writeFileSync(join(folder, 'rising.csv'), `${['a,half,twice,who am I,y', ...rows].join('\n')}\n`);
  const words = ['train', '--data', 'rising.csv', '--target', 'y', '--epochs', '1'];
  const { out } = await run(folder, [...words, '--run-dir', 'one']);
  t.regex(out, / a: numbers from 3 to 32; left out: it only counts the rows; --columns a=number keeps it\n/);
  t.regex(out, / half: numbers from 0\.5 to 29\.5; standardized\n/);
  t.regex(out, / twice: numbers from 0 to 58; standardized\n/);
  t.regex(out, / who am I: .*; left out: names or text, too many different; --columns "who am I=category" keeps it\n/);
  const kept = await run(folder, [...words, '--columns', 'a=number', '--columns', 'who am I=category', '--run-dir', 'two']);
  t.regex(kept.out, / a: numbers from 3 to 32; standardized\n/);
  t.notRegex(kept.out, /left out/);
});

test('--class-weights balanced lets a rare class count, and says by how much', async (t) => {
  const folder = houses(t, 5);
  const random = new Seeded(3);
  const lines = Array.from({ length: 300 }, () => random.integer(30)).map((x) => `${x},${x < 15 && random.next() < 0.25 ? 'yes' : 'no'}`);
  writeFileSync(join(folder, 'rare.csv'), `x,leaves\n${lines.join('\n')}\n`);
  const words = ['train', '--data', 'rare.csv', '--target', 'leaves', '--epochs', '20', '--lr', '0.01'];
  const balanced = await run(folder, [...words, '--class-weights', 'balanced', '--run-dir', 'a']);
  t.is(balanced.code, 0, balanced.error);
  t.regex(balanced.out, /\n +classes weigh 0\.5\d* \('no'\), [3-6](\.\d+)? \('yes'\)\n/);
  const saying = async (dir: string): Promise<number> => {
    const { out } = await run(folder, ['predict', `${dir}/model.safetensors`, '--data', 'rare.csv']);
    return out.split('\n').filter((line) => line.startsWith('yes')).length;
  };
  await run(folder, [...words, '--run-dir', 'b']);
  t.is(await saying('b'), 0, 'otherwise the rare class is never said');
  t.true((await saying('a')) > 0);
  t.regex((await run(folder, [...words, '--class-weights', 'x'])).error, /Allowed choices are balanced/);
  const numbers = await run(folder, [
    'train',
    '--data',
    'houses.csv',
    '--target',
    'price',
    '--task',
    'regression',
    '--class-weights',
    'balanced',
  ]);
  t.regex(numbers.error, /--class-weights is for classes, and 'price' is a number to predict/);
});

test('what a table does not take, a table in the place of a model, and other slips are refused with what is right', async (t) => {
  const folder = houses(t, 60);
  const trained = await run(folder, ['train', '--data', 'houses.csv', '--target', 'price', '--epochs', '1', '--lr', '0', '--run-dir', 'here']);
  t.regex(trained.out, /\n {2}baseline .*\n +no better than the baseline: this model has learned nothing yet\n/);
  writeFileSync(join(folder, 'far.csv'), 'x,y\n1,2\n');
  writeFileSync(join(folder, 'sheet.xlsx'), 'PK');
  const model = 'here/model.safetensors';
  const refused: [string[], RegExp][] = [
    [['train', '--data', 'houses.csv', '--target', 'price', '--image-size', '8'], /--image-size is for images, and houses\.csv is a table/],
    [['train', '--data', 'houses.csv', '--target', 'price', '--augment'], /--augment is for images/],
    [
      ['train', '--data', 'houses.csv', '--data', 'far.csv', '--target', 'y'],
      /option '--data <name>' is given twice, with 'houses\.csv' and 'far\.csv'/,
    ],
    [['train', '--data', 'huoses.csv', '--target', 'price'], /no such file or folder\. Did you mean houses\.csv\?/],
    [['train', '--data', 'sheet.xlsx'], /A spreadsheet is not read: save it as \.csv\./],
    [['train', 'houses.csv', '--target', 'price'], /train takes options alone, received 'houses\.csv' \(Did you mean --data houses\.csv\?\)/],
    [['predict', 'here', '--data', 'houses.csv'], /here is a folder, and a model is a file: here.model\.safetensors is the one in it/],
    [['predict', 'houses.csv', '--data', 'houses.csv'], /houses\.csv is a table, and a model saved by nodegrad/],
    [['predict', model, '--data', 'far.csv', '--absent-columns', 'missing'], /has none of the columns that are needed, 'rooms', .*Rename/],
  ];
  for (const [words, says] of refused) {
    const { code, error } = await run(folder, words);
    t.true(code === 1 || code === 2, words.join(' '));
    t.regex(error, says);
  }
  const measured = await run(folder, ['evaluate', model, '--data', 'houses.csv', '--metrics', 'rmse,meanAbsoluteError', '--json']);
  t.deepEqual(Object.keys((JSON.parse(measured.out) as { metrics: object }).metrics), ['root-mean-squared-error', 'mean-absolute-error']);
});

test('numbers far from all of training are named when a model is asked about them', async (t) => {
  const folder = houses(t, 60);
  await run(folder, ['train', '--data', 'houses.csv', '--target', 'price', '--epochs', '1', '--run-dir', 'here']);
  const predict = async (area: string): Promise<string> => {
    writeFileSync(join(folder, 'new.csv'), `rooms,area,city,garden\n3,70,Ulm,no\n3,${area},Ulm,no\n`);
    return (await run(folder, ['predict', 'here/model.safetensors', '--data', 'new.csv'])).error;
  };
  const warning = /^nodegrad: warning: column 'area' is 700 in line 3, and in training it was from [\d.]+ to [\d.]+: what the model says /;
  t.regex(await predict('700'), warning);
  t.is(await predict('170'), '');
});
