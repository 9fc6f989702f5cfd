// `nodegrad evaluate <file>`: what a saved model makes of a test set.

import { tableFormat } from '../data/column-files.js';
import type { DecimalMark } from '../data/decimals.js';
import { ArgumentError } from '../errors.js';
import type { AnyModel } from '../training/model.js';
import { CrossEntropyLoss } from '../losses/cross-entropy.js';
import { Accuracy } from '../metrics/metric.js';
import { evaluate } from '../training/evaluate.js';
import type { ColumnTransform } from '../preprocessing/column-transform.js';
import { load } from '../training/load.js';
import { type DataChoice, loadData } from './options.js';
import { measureNamed } from './metrics.js';
import { judgeTable, tableOfModel, withScores } from './table.js';
import { Terminal, formatCount, pairs, percent } from './terminal.js';

/** What `evaluate` is told. */
export interface EvaluateCommandOptions extends DataChoice {
  badRows?: 'error' | 'skip';
  decimal?: DecimalMark;
  /** Names of metrics. */
  metrics?: string[];
  json: boolean;
}

/** Prints loss and accuracy of the model in `file`. */
export async function evaluateCommand(file: string, options: EvaluateCommandOptions): Promise<number> {
  const model = await load(file);
  const transform = tableOfModel(model);
  if (transform !== null) return evaluateTable(file, withScores(model, transform), transform, options);
  if (tableFormat(options.data) !== null) throw new ArgumentError(`${file} was not trained on a table, and ${options.data} is one`);
  const { test } = await loadData(options, undefined, process.stderr, model.preprocessing !== null);
  if (test.length === 0)
    throw new ArgumentError(`${test.name} has no images: there is nothing to evaluate. --test 1 takes all but one image of each class`);
  const { loss, metrics } = await evaluate(model, test, { loss: new CrossEntropyLoss(), metrics: [new Accuracy()] });
  const more = options.metrics === undefined ? null : await measureNamed(model, test, options.metrics, true);
  const terminal = new Terminal();
  if (options.json) {
    const { accuracy } = metrics;
    terminal.print(
      JSON.stringify({ file, data: options.data, examples: test.length, loss, accuracy, ...(more && { metrics: more }) }, null, 2),
    );
  } else {
    terminal.print(
      ...pairs([
        ['model', `${file}: ${formatCount(model.parameterCount())} parameters`],
        ['data', `${test.name}: ${formatCount(test.length)} images`],
        ['accuracy', percent(metrics.accuracy)],
        ['loss', loss.toFixed(4)],
        ...lines(more),
      ]),
    );
  }
  return 0;
}

/** Metrics as lines; accuracy has one already. */
const lines = (metrics: Record<string, number> | null): [string, string][] =>
  Object.entries(metrics ?? {}).flatMap(([name, value]) => (name === 'accuracy' ? [] : [[name, value.toFixed(4)]]));

async function evaluateTable(
  file: string,
  model: AnyModel,
  transform: ColumnTransform,
  { data, badRows, decimal, metrics, json }: EvaluateCommandOptions,
): Promise<number> {
  if (tableFormat(data) === null) throw new ArgumentError(`${file} was trained on a table: say which one to evaluate it on with --data <path>`);
  const report = await judgeTable(model, transform, { data, badRows, decimal });
  const isClasses = transform.target?.kind === 'category';
  const more = metrics === undefined ? null : await measureNamed(model, report.rows, metrics, isClasses);
  const terminal = new Terminal();
  const { length: examples, notes: leftOut } = report;
  if (json) terminal.print(JSON.stringify({ file, data, examples, leftOut, ...report.json, ...(more && { metrics: more }) }, null, 2));
  else {
    terminal.print(
      ...pairs([
        ['model', `${file}: ${formatCount(model.parameterCount())} parameters`],
        ['data', `${data}: ${formatCount(report.length)} ${report.length === 1 ? 'row' : 'rows'}, '${transform.target?.name}' to predict`],
        ...report.notes.map((text) => ['', text] as const),
        ['result', report.text],
        ...lines(more),
      ]),
    );
  }
  return 0;
}
