// `nodegrad evaluate <file>`: what a saved model makes of a test set.

import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { tableFormat } from '../data/column-files.js';
import type { AnyDataset, Dataset } from '../data/dataset.js';
import type { DecimalMark } from '../data/decimals.js';
import { ArgumentError } from '../errors.js';
import { type Mistake, mistakes } from '../evaluation/mistakes.js';
import type { ColumnTransform } from '../preprocessing/column-transform.js';
import { checkClasses } from '../training/class-names.js';
import { savedModel } from './saved.js';
import type { AnyModel } from '../training/model.js';
import { concat } from '../ops/shape.js';
import { Tensor } from '../tensor.js';
import { readRunLog } from '../training/run-log.js';
import { plural } from '../words.js';
import { imageSizeOf, loadNumbers, loadPixels, shapeOf } from './image-data.js';
import { scores } from './images.js';
import { measureNamed } from './metrics.js';
import { dataNames } from './data-name.js';
import type { DataChoice } from './options.js';
import { judgeTable, tableOfModel, withScores, withTarget } from './table.js';
import { Terminal, formatCount, matrixLines, pairs, percent } from './terminal.js';

/** What `evaluate` is told. */
export interface EvaluateCommandOptions extends DataChoice {
  /** Column of a table that is predicted. */
  target?: string;
  badRows?: 'error' | 'skip';
  unknownCategories?: 'error' | 'missing';
  absentColumns?: 'error' | 'missing';
  decimal?: DecimalMark;
  encoding?: string;
  missing?: string[];
  /** Names of metrics. */
  metrics?: string[];
  /** Wrong images to list. */
  wrong?: number;
  json: boolean;
}

/** Larger confusion matrices are for `--json`. */
const mostClasses = 20;

/** Prints loss and accuracy of the model in `file`. */
export async function evaluateCommand(file: string, options: EvaluateCommandOptions, isDataNamed = true): Promise<number> {
  const model = await savedModel(file);
  const transform = tableOfModel(model, file);
  if (transform !== null) {
    const judged = withTarget(transform, model, options.target);
    return evaluateTable(file, withScores(model, judged), judged, options);
  }
  if (tableFormat(options.data) !== null) throw new ArgumentError(`${file} was not trained on a table, and ${options.data} is one`);
  if (!isDataNamed) checkDigits(model, file);
  const { test, count, hint } = await imagesFor(model, options);
  if (test.length === 0) throw new ArgumentError(`${test.name} has no images: there is nothing to evaluate. --test 1 takes all images`);
  checkShape(model, test, file);
  checkClasses(model, test);
  const { accuracy, loss, confusion, classes } = (await scores(model, test)).json;
  const more = options.metrics === undefined ? null : await measureNamed(model, test, options.metrics, true);
  const wrong = options.wrong === undefined ? null : await mistakes(model, test, { most: options.wrong });
  const terminal = new Terminal();
  if (options.json) {
    const found = { loss, accuracy, classes, confusion, ...(wrong && { wrong }), ...(more && { metrics: more }) };
    terminal.print(JSON.stringify({ file, data: options.data, examples: test.length, ...found }, null, 2));
  } else {
    terminal.print(
      ...pairs([
        ['model', `${file}: ${formatCount(model.parameterCount())} parameters`],
        ['data', `${test.name}: ${count}`],
        ...(hint === null ? [] : [['', hint] as const]),
        ['accuracy', percent(accuracy)],
        ['loss', loss.toFixed(4)],
        ...lines(more),
      ]),
    );
    if (classes.length <= mostClasses) terminal.print('', 'What they were taken for', ...matrixLines(confusion, classes, terminal));
    if (wrong !== null) terminal.print('', ...wrongLines(wrong));
  }
  return 0;
}

/** The test images as the model takes them: as bytes where it scales them itself, and of its own size where nothing else is said. */
async function imagesFor(model: AnyModel, options: EvaluateCommandOptions): Promise<{ test: AnyDataset; count: string; hint: string | null }> {
  const isFolder = !dataNames.some((name) => name === options.data);
  const choice = { ...options, imageSize: options.imageSize ?? (isFolder ? imageSizeOf(model) : undefined) };
  const load = model.preprocessing === null ? loadNumbers : loadPixels;
  const loaded = await load(choice, undefined, process.stderr);
  const [train, held] = [loaded.train, loaded.test] as unknown as [Dataset, Dataset];
  // A folder without a part for testing: which images are for it is a matter of --test.
  const isDealt = loaded.parts === null;
  if (isDealt && options.test === 1) {
    const all = joined(held, train);
    return { test: all as unknown as AnyDataset, count: plural(all.length, 'image'), hint: null };
  }
  const of = isDealt ? ` of ${formatCount(train.length + held.length)}` : '';
  const hint = isDealt && options.test === undefined ? 'a tenth of each class, as `train` holds it back; --test 1 takes all images' : null;
  return { test: held as unknown as AnyDataset, count: `${formatCount(held.length)}${of} images`, hint };
}

/** The examples of both, those of the first one before those of the second. */
function joined(first: Dataset, second: Dataset): Dataset {
  const { name, inputShape, targetShape, classes } = first;
  const split = first.length;
  return {
    name: name.replace(/ test$/, ''),
    length: split + second.length,
    inputShape,
    targetShape,
    classes,
    batch: (indices) => {
      const batches = [
        [first, indices.filter((i) => i < split)] as const,
        [second, indices.filter((i) => i >= split).map((i) => i - split)] as const,
      ].flatMap(([part, rows]) => (rows.length === 0 ? [] : [part.batch(rows)]));
      if (batches.length === 1) return batches[0];
      const begins = [0, indices.filter((i) => i < split).length];
      const rows = Tensor.from(indices.map((i) => begins[i < split ? 0 : 1]++));
      return {
        inputs: concat(batches.map(({ inputs }) => inputs)).gather(rows),
        targets: concat(batches.map(({ targets }) => targets)).gather(rows),
      };
    },
    fileOf: (index) => (index < split ? first.fileOf?.(index) : second.fileOf?.(index - split)) ?? `no. ${index}`,
  };
}

/** Without --data the drawn digits are taken, which are nothing to a model of photographs. */
function checkDigits(model: AnyModel, file: string): void {
  const shape = shapeOf(model);
  if (shape === null || shape.join() === '28,28,1') return;
  throw new ArgumentError(
    `${file} takes images of ${shape.join('×')}, and no --data was given: it would be asked about the drawn digits, which are 28×28×1. Name its images with --data <folder>`,
  );
}

function checkShape(model: AnyModel, { name, inputShape }: AnyDataset, file: string): void {
  const shape = model.preprocessing?.inputShape ?? null;
  if (shape === null || String(shape) === String(inputShape)) return;
  throw new ArgumentError(`${file} takes images of ${shape.join('×')}, those of ${name} are ${(inputShape as readonly number[]).join('×')}`);
}

/** The wrong images by file, or by their place in a data set without files. */
function wrongLines(wrong: readonly Mistake[]): string[] {
  if (wrong.length === 0) return ['None is wrong'];
  const says = wrong.map(({ index, file, label, prediction, probability }): [string, string] => [
    file ?? `no. ${index}`,
    `${label}, taken for ${prediction} (${percent(probability)})`,
  ]);
  return ['Wrong, the surest first', ...pairs(says)];
}

/** Metrics as lines; accuracy has one already. */
const lines = (metrics: Record<string, number> | null): [string, string][] =>
  Object.entries(metrics ?? {}).flatMap(([name, value]) => (name === 'accuracy' ? [] : [[name, value.toFixed(4)]]));

/** That a file is the one that the model was trained on, as far as the log beside the model says so; null where it does not. */
function trainingNote(file: string, data: string): string | null {
  const log = join(dirname(file), 'log.jsonl');
  if (!existsSync(log)) return null;
  const { name, examples } = (readRunLog(log).runs.at(-1)?.header.data ?? {}) as { name?: string; examples?: number };
  if (name !== basename(data) && !name?.startsWith(`${basename(data)} `)) return null;
  return `${formatCount(examples ?? 0)} rows of this file, or of one of its name, are what the model was trained on: rows that it never saw say more about it`;
}

async function evaluateTable(
  file: string,
  model: AnyModel,
  transform: ColumnTransform,
  { data, badRows, unknownCategories, absentColumns, decimal, encoding, missing, metrics, json }: EvaluateCommandOptions,
): Promise<number> {
  if (tableFormat(data) === null) throw new ArgumentError(`${file} was trained on a table: say which one to evaluate it on with --data <path>`);
  const report = await judgeTable(model, transform, { data, badRows, unknownCategories, absentColumns, decimal, encoding, missing });
  const isClasses = transform.target?.kind === 'category';
  const more = metrics === undefined ? null : await measureNamed(model, report.rows, metrics, isClasses);
  const terminal = new Terminal();
  const { length: examples, notes: leftOut, baseline } = report;
  const seen = trainingNote(file, data);
  if (json)
    terminal.print(
      JSON.stringify(
        { file, data, examples, leftOut, ...report.json, baseline, ...(seen && { note: seen }), ...(more && { metrics: more }) },
        null,
        2,
      ),
    );
  else {
    terminal.print(
      ...pairs([
        ['model', `${file}: ${formatCount(model.parameterCount())} parameters`],
        ['data', `${data}: ${formatCount(report.length)} ${report.length === 1 ? 'row' : 'rows'}, '${transform.target?.name}' to predict`],
        ...[...report.notes, ...(seen === null ? [] : [seen])].map((text) => ['', text] as const),
        ['result', report.text],
        ...(report.baseline === undefined ? [] : [['baseline', report.baseline.text] as const]),
        ...lines(more),
      ]),
    );
  }
  return 0;
}
