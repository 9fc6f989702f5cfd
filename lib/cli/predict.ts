// `nodegrad predict <file>`: what a saved model says of the rows of a table, as comma-separated values.

import { softmax } from '../ops/softmax.js';
import { ArgumentError } from '../errors.js';
import { writeFileAtomic } from '../io/atomic.js';
import { csvField } from '../io/csv.js';
import type { Tensor } from '../tensor.js';
import { load } from '../training/load.js';
import { type TableChoice, rowsFor, tableOfModel, withScores } from './table.js';

/** What `predict` is told. */
export interface PredictCommandOptions extends TableChoice {
  output?: string;
  json: boolean;
}

/** Prints a line for each row of the table: the prediction, and of a class its probability. */
export async function predictCommand(file: string, options: PredictCommandOptions): Promise<number> {
  const model = await load(file);
  const transform = tableOfModel(model);
  if (transform === null)
    throw new ArgumentError(`${file} was not trained on a table: for the others there is model.predict(images) in a program`);
  const { table, rows } = await rowsFor(transform, options, false);
  const outputs = (await withScores(model, transform).predict(rows)) as Tensor;
  const { target } = transform;
  const name = target?.name ?? 'prediction';
  const names = target?.kind === 'category' ? [name, 'probability'] : [name];
  const found = target?.kind === 'category' ? classesOf(outputs, target.categories ?? []) : Array.from(outputs.data, (value) => [value]);
  const text = options.json
    ? `${JSON.stringify({ file, data: options.data, rows: found.map((row) => Object.fromEntries(names.map((one, i) => [one, row[i]]))) }, null, 2)}\n`
    : `${[names, ...found].map((row) => row.map(csvField).join(',')).join('\n')}\n`;
  if (table.badRowCount > 0) process.stderr.write(`${rowsText(table.badRowCount)} left out, the first in line ${table.badRows[0].line}\n`);
  if (options.output === undefined) process.stdout.write(text);
  else await writeFileAtomic(options.output, [Buffer.from(text)]);
  return 0;
}

const rowsText = (count: number): string => (count === 1 ? '1 row does not fit and is' : `${count} rows do not fit and are`);

function classesOf(logits: Tensor, categories: readonly string[]): (string | number)[][] {
  const [classes, probabilities] = [logits.argmax(-1).data, softmax(logits, -1).data];
  return Array.from(classes, (code, row) => [categories[code], probabilities[row * categories.length + code]]);
}
