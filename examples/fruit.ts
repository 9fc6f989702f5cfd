// Classification from a CSV file: which fruit is it, by its weight, length and colour? Shows how sure the model is, which fruits it takes for which, and what
// it says of one that you describe. `node examples/fruit.ts` trains, for a second. Afterwards `node examples/fruit.ts weight=120 colour=yellow` answers
// at once; what you leave out is unknown.

import { existsSync, writeFileSync } from 'node:fs';
import { Adam, type ColumnTransform, ConfusionMatrix, CrossEntropyLoss, EarlyStopping, Random, type Tensor } from 'nodegrad';
import { load, mlp, readCsv, setSeed, softmax, split, tableFromRows, tablePreprocessing } from 'nodegrad';

const asked = process.argv.slice(2).filter((word) => word.includes('='));
const [file, saved] = ['fruit.csv', 'fruit.safetensors'];

/** A file to try it with, where there is none: grams, centimetres, and colours that several fruits have. */
function writeFile(): void {
  const random = new Random(5);
  const pick = (list: readonly string[]): string => list[Math.floor(list.length * random.uniform())];
  const fruits = [
    { fruit: 'apple', weight: 170, length: 7.5, colours: ['red', 'green', 'yellow'] },
    { fruit: 'banana', weight: 125, length: 18, colours: ['yellow', 'yellow', 'green'] },
    { fruit: 'lemon', weight: 90, length: 8, colours: ['yellow', 'yellow', 'yellow', 'green'] },
    { fruit: 'pear', weight: 190, length: 10, colours: ['green', 'yellow', 'red'] },
  ];
  const lines = Array.from({ length: 1000 }, () => {
    const { fruit, weight, length, colours } = fruits[Math.floor(4 * random.uniform())];
    const size = 1 + 0.12 * random.normal(); // a small fruit is short and light
    const grams = weight * size * size * size;
    const isTold = random.uniform() > 0.05;
    return [grams.toFixed(0), (length * size * (1 + 0.04 * random.normal())).toFixed(1), isTold ? pick(colours) : '', fruit].join(',');
  });
  writeFileSync(file, `weight,length,colour,fruit\n${lines.join('\n')}\n`);
}

async function train(): Promise<void> {
  if (!existsSync(file)) writeFile();
  const table = await readCsv(file);
  console.log(table.describe().join('\n'));
  const data = table.dataset({ target: 'fruit' });
  const [training, validation, test] = split(data, [0.7, 0.15, 0.15], { seed: 1, stratify: true }); // each part has its share of every fruit
  const names = data.classes ?? [];

  setSeed(1);
  const preprocessing = tablePreprocessing(data.features, data.target).fit(training);
  const model = mlp({ inputShape: preprocessing.outputShape, hidden: [32], classes: names.length });
  model.preprocessing = preprocessing;
  const loss = new CrossEntropyLoss();
  const callbacks = [new EarlyStopping({ patience: 8 })]; // ends when the validation data gain no more, with the best weights
  const history = await model.fit(training, {
    loss,
    optimizer: new Adam(model, { lr: 1e-2 }),
    epochs: 60,
    validation,
    callbacks,
    progress: false,
    log: false,
  });
  const confusion = new ConfusionMatrix();
  const { metrics } = await model.evaluate(test, { loss, metrics: [confusion] });
  console.log(`after ${history.epochs.length} epochs ${(100 * metrics.accuracy).toFixed(1)} % of new fruits are named right`);
  for (const [i, counts] of confusion.matrix.entries())
    console.log(`${names[i].padEnd(6)} was taken for ${counts.map((count, k) => `${names[k]} ${String(count).padStart(2)}`).join(', ')}`);
  await model.save(saved);
}

if (asked.length === 0 || !existsSync(saved)) await train();

// From here on nothing is known but the saved file.
const model = await load(saved);
const { columns, target } = model.preprocessing as ColumnTransform;
const given = asked.length > 0 ? asked : ['weight=120', 'colour=yellow'];
const row: Record<string, string | null> = Object.fromEntries(columns.map(({ name }) => [name, null])); // null: unknown
for (const [name, value] of given.map((word) => word.split('='))) {
  if (!(name in row)) throw new Error(`there is no column ${name}; there are ${Object.keys(row).join(', ')}`);
  row[name] = value;
}
const chances = softmax(await model.predict<Tensor>(tableFromRows([row], { schema: columns }).dataset())).data;
const named = (target?.categories ?? []).map((name, i) => ({ name, chance: chances[i] })).sort((a, b) => b.chance - a.chance);
console.log(`${given.join(' ')}: ${named.map(({ name, chance }) => `${name} ${(100 * chance).toFixed(0)} %`).join(', ')}`);
