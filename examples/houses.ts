// Regression from a CSV file: learns what flats cost, and says it for one that you describe. The model is saved with its preprocessing, so that new rows are
// filled, scaled and encoded as those of training were. `node examples/houses.ts` trains, for a second. Afterwards
// `node examples/houses.ts area=95 rooms=4 built=1970 district=harbour` predicts at once; what you leave out is unknown.

import { existsSync, writeFileSync } from 'node:fs';
import { Adam, type ColumnTransform, CosineDecay, MSELoss, MeanAbsoluteError, R2, Random, type Tensor } from 'nodegrad';
import { load, mlp, readCsv, setSeed, split, tableFromRows, tablePreprocessing } from 'nodegrad';

const asked = process.argv.slice(2).filter((word) => word.includes('='));
const epochs = Number(process.argv[2] ?? 120) || 120;
const [file, saved] = ['houses.csv', 'houses.safetensors'];

/** A file to try it with, where there is none: what a flat costs, in thousands, and a seller's mood that nobody can foresee. Some years and districts are not known. */
function writeFile(): void {
  const random = new Random(3);
  const between = (low: number, high: number): number => low + Math.floor((high - low + 1) * random.uniform());
  const districts = { harbour: 5.2, hill: 4.6, station: 3.1, meadows: 3.7 };
  const lines = Array.from({ length: 1500 }, () => {
    const [area, built] = [between(30, 160), between(1900, 2024)];
    const rooms = Math.max(1, Math.round(area / 28 + random.normal()));
    const [district, price] = Object.entries(districts)[between(0, 3)];
    const worn = built > 1945 ? 1 - 0.004 * (2024 - built) : 0.85; // old buildings are in demand again
    const cost = area * price * worn + 6 * rooms + 12 * random.normal();
    const told = (value: number | string) => (random.uniform() < 0.05 ? '' : value); // a net that has seen gaps knows what they are worth
    return [area, rooms, told(built), told(district), cost.toFixed(1)].join(',');
  });
  writeFileSync(file, `area,rooms,built,district,price\n${lines.join('\n')}\n`);
}

async function train(): Promise<void> {
  if (!existsSync(file)) writeFile();
  const table = await readCsv(file);
  console.log(table.describe().join('\n'));
  const data = table.dataset({ target: 'price' });
  const [training, test] = split(data, [0.8, 0.2], { seed: 1 });

  setSeed(1);
  const preprocessing = tablePreprocessing(data.features, data.target).fit(training); // learns from what is trained on, and from nothing else
  const model = mlp({ inputShape: preprocessing.outputShape, hidden: [64, 64], classes: 1 });
  model.preprocessing = preprocessing;
  const loss = new MSELoss();
  const optimizer = new Adam(model, { lr: new CosineDecay(1e-2, { length: epochs }) });
  await model.fit(training, { loss, optimizer, epochs, progress: false, log: false });
  const { metrics } = await model.evaluate(test, { loss, metrics: [new MeanAbsoluteError(), new R2()] });
  console.log(
    `off by ${metrics.meanAbsoluteError.toFixed(1)} thousand on average; ${(100 * metrics.r2).toFixed(1)} % of the variance explained`,
  );
  await model.save(saved);
}

if (asked.length === 0 || !existsSync(saved)) await train();

// From here on nothing is known but the saved file: a program that serves predictions begins like this.
const model = await load(saved);
const { columns } = model.preprocessing as ColumnTransform;
const given = asked.length > 0 ? asked : ['area=95', 'rooms=4', 'district=harbour'];
const row: Record<string, string | null> = Object.fromEntries(columns.map(({ name }) => [name, null])); // null: unknown
for (const [name, value] of given.map((word) => word.split('='))) {
  if (!(name in row)) throw new Error(`there is no column ${name}; there are ${Object.keys(row).join(', ')}`);
  row[name] = value;
}
const price = await model.predict<Tensor>(tableFromRows([row], { schema: columns }).dataset());
console.log(`${given.join(' ')}: about ${price.item().toFixed(0)} thousand`);
