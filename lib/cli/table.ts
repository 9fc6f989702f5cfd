// Runs on tables: which columns a model gets and what is done to them, what it predicts, and how far off it is.

import { readTable, tableFormat } from '../data/column-files.js';
import { type Column, type ColumnKind, countPresent, describeColumn, someNames, whyNoCategories } from '../data/columns.js';
import type { AnyDataset, Dataset } from '../data/dataset.js';
import type { DecimalMark } from '../data/decimals.js';
import { split } from '../data/parts.js';
import type { ReadTableOptions } from '../data/read-csv.js';
import { Table, type TableDataset, checkTarget, linesOf, markLines } from '../data/table.js';
import { ArgumentError } from '../errors.js';
import { baseline } from '../evaluation/baseline.js';
import { Sigmoid } from '../layers/activations.js';
import { MSELoss } from '../losses/regression.js';
import { zeros } from '../create.js';
import { mlp } from '../models/mlp.js';
import { clip, log } from '../ops/elementwise.js';
import { concat } from '../ops/shape.js';
import { ColumnTransform, tablePreprocessing } from '../preprocessing/column-transform.js';
import { type AnyTensor, type Tensor, noGrad } from '../tensor.js';
import { predict } from '../training/functions.js';
import { type AnyModel, Model } from '../training/model.js';
import { TargetScaler } from '../training/target-scaler.js';
import { refuseScaled } from '../training/target-units.js';
import { scores } from './images.js';
import { type Job, type Report, classLoss } from './job.js';
import type { TrainOptions } from './options.js';
import { badRowsNote, capitalNotes, treatment, uselessness } from './table-notes.js';
import { fourDigits } from '../words.js';
import { formatCount, percent } from './terminal.js';

/** Which table, and what it is used for. */
export interface TableChoice {
  data: string;
  target?: string;
  task?: 'classification' | 'regression';
  columns?: Record<string, ColumnKind | 'skip'>;
  badRows?: 'error' | 'skip';
  decimal?: DecimalMark;
  encoding?: string;
  missing?: string[];
  unknownCategories?: 'error' | 'missing';
  absentColumns?: 'error' | 'missing';
}

/** As many different whole numbers may be classes. */
const mostNumberClasses = 10;
/** Columns that are shown one by one. */
const mostShown = 40;

/** The job of training a model on a table. */
export async function tableJob(options: TrainOptions): Promise<Job> {
  const { data: path, columns, badRows, decimal, encoding, missing, model, seed, test: share = 0.2 } = options;
  if (model !== 'mlp' && model !== 'linear-model')
    throw new ArgumentError(`--model ${model} takes images, and ${path} is a table: mlp and linear-model take those`);
  if ((options.weights ?? options.freeze) !== undefined)
    throw new ArgumentError(`--weights and --freeze are for images, and ${path} is a table`);
  const forImages = {
    '--image-size': options.imageSize,
    '--classes': options.classes,
    '--damaged': options.damaged,
    '--data-dir': options.dataDir,
  };
  const [stray] = [...Object.entries(forImages), ['--augment', options.augment || undefined]].find(([, value]) => value !== undefined) ?? [];
  if (stray !== undefined) throw new ArgumentError(`${stray} is for images, and ${path} is a table`);
  const read = await readFile(path, { decimal, encoding, missing }, { columns, badRows });
  if (options.target === undefined)
    throw new ArgumentError(
      `--target <column> says what is to be predicted; ${path} has the columns ${someNames(
        read.columns.map(({ name }) => name),
        20,
      )}`,
    );
  const { table, target, isClasses, notes } = prepare(read, options as TableChoice & { target: string });
  const features = table.columns.flatMap(({ name }) => (name === target.name ? [] : [name]));
  const whole = table.dataset({ target: target.name, features });
  const shares = [1 - share, share] as const;
  const [train, test] = split(whole, shares, { seed, stratify: isClasses });
  if (train.length === 0) throw new ArgumentError(`${path} has ${whole.length} rows: none is left to train on. --test 0 takes all`);
  if (share > 0 && test.length === 0)
    notes.push(`${formatCount(whole.length)} rows are too few to test with: nothing says what the model is worth`);
  const preprocessing = tablePreprocessing(whole.features, whole.target).fit(train);
  const outputs = target.categories?.length ?? 1;
  const another = async ({ hidden, model: name }: TrainOptions): Promise<AnyModel> => {
    const made = mlp({ inputShape: preprocessing.outputShape, hidden: name === 'linear-model' ? [] : hidden, classes: outputs });
    made.preprocessing = preprocessing;
    return made;
  };
  const kinds = isClasses ? `one of ${outputs} classes` : 'a number';
  const about = {
    data: `${path}: ${formatCount(train.length)} rows to train on, ${formatCount(test.length)} to test with; '${target.name}' is ${kinds} to predict`,
    notes,
    model: await another(options),
    another,
    judge: async (one: AnyModel) => ({ ...(await judge(one, test, isClasses)), baseline: await baseline(train, test) }),
  };
  if (isClasses) {
    const loss = classLoss(train, options);
    if (loss.classWeights !== null)
      notes.push(`classes weigh ${target.categories?.map((name, i) => `${fourDigits(loss.classWeights?.[i] ?? 1)} ('${name}')`).join(', ')}`);
    return { ...about, train, test, loss, finish: () => {} };
  }
  if (options.classWeights !== undefined)
    throw new ArgumentError(`--class-weights is for classes, and '${target.name}' is a number to predict`);
  // The net learns a target of mean 0 and deviation 1; afterwards its last layer takes over the units of the column.
  const scaler = new TargetScaler().fit(train);
  return {
    ...about,
    train: scaler.scaled(train),
    test: scaler.scaled(test),
    loss: new MSELoss(),
    finish: (one) => scaler.foldInto(one),
  };
}

/** Reads a table of any format; how it is written is asked of texts alone. */
function readFile(path: string, written: Pick<TableChoice, 'decimal' | 'encoding' | 'missing'>, options: ReadTableOptions): Promise<Table> {
  const said = Object.entries(written).filter(([, value]) => value !== undefined);
  if (said.length > 0 && tableFormat(path) !== 'csv')
    throw new ArgumentError(`--${said[0][0]} says how a text is written, and ${path} is no text`);
  return readTable(path, { ...options, ...Object.fromEntries(said) });
}

/** The columns that are used, the target as it is used, and a line about each. */
function prepare(
  read: Table,
  { target: wanted, task, data, columns }: TableChoice & { target: string },
): { table: Table; target: Column; isClasses: boolean; notes: string[] } {
  const notes: string[] = [];
  if (read.badRowCount > 0) notes.push(badRowsNote(read));
  const { kept, note } = withValues(read, wanted, 'learn from');
  if (note !== null) notes.push(note);
  const distinct = [...new Set(kept.column(wanted).values)].sort((a, b) => a - b);
  const found = checkTarget(kept, kept.column(wanted));
  const looksLikeClasses = found.kind === 'category' || (distinct.length <= mostNumberClasses && distinct.every(Number.isInteger));
  if (task === 'regression' && found.kind === 'category')
    throw new ArgumentError(
      `--task regression predicts numbers, and '${wanted}' of ${data} has the categories ${someNames(found.categories ?? [])}`,
    );
  const isClasses = task === undefined ? looksLikeClasses : task === 'classification';
  // Every row a class of its own is no task: such a column is text, a date, or numbers that were not read as such.
  const whyNot = task === undefined ? whyNoCategories(found) : null;
  if (whyNot !== null)
    throw new ArgumentError(
      `'${wanted}' of ${data} has ${distinct.length} categories (${someNames(found.categories ?? [], 4)}): ${whyNot}. ` +
        'To learn them as classes all the same: --task classification',
    );
  const target = isClasses && found.kind === 'number' ? asCategories(found, distinct) : found;
  if (isClasses && 4 * distinct.length > kept.length && distinct.length > mostNumberClasses)
    notes.push(`${formatCount(distinct.length)} classes for ${formatCount(kept.length)} rows: most have too few to be learned`);
  const how = isClasses
    ? `to predict, classification into ${target.categories?.length} classes${found.kind === 'number' && task === undefined ? ' (--task regression takes them as numbers)' : ''}`
    : 'to predict, regression; standardized while training, where a loss of 1 is that of always the mean';
  const leftOut = read.badRowCount + read.length - kept.length;
  const used = kept.columns.flatMap((column) => {
    if (column.name === wanted) {
      notes.push(`${describeColumn(column)}; ${how}`, ...capitalNotes(kept, column));
      return [target];
    }
    // A column whose kind was said is wanted, unless there is nothing in it.
    const reason = columns?.[column.name] !== undefined && countPresent(column) > 0 ? null : uselessness(column, leftOut);
    notes.push(`${describeColumn(column)}; ${reason === null ? treatment(column) : `left out: ${reason}`}`);
    if (reason === null) notes.push(...capitalNotes(kept, column));
    return reason === null ? [column] : [];
  });
  if (used.length === 1) throw new ArgumentError(`${data} has no column to predict '${wanted}' from: ${notes.join('; ')}`);
  const shown = notes.length > mostShown ? [...notes.slice(0, mostShown), `and ${notes.length - mostShown} more columns`] : notes;
  return { table: markLines(new Table(used, kept.name), linesOf(kept)), target, isClasses, notes: shown };
}

/** The rows that have a value of the target, and a line about the others. */
function withValues(read: Table, target: string, toDo: string): { kept: Table; note: string | null } {
  const { values } = read.column(target);
  const rows = Array.from({ length: read.length }, (_, i) => i).filter((i) => !Number.isNaN(values[i]));
  if (rows.length === read.length) return { kept: read, note: null };
  if (rows.length === 0) throw new ArgumentError(`no row of ${read.name} has a value of '${target}': there is nothing to ${toDo}`);
  const missing = read.length - rows.length;
  const note = `${formatCount(missing)} ${missing === 1 ? 'row' : 'rows'} without a value of '${target}' ${missing === 1 ? 'is' : 'are'} left out`;
  return { kept: read.rows(rows), note };
}

function asCategories(column: Column, distinct: readonly number[]): Column {
  const codes = new Map(distinct.map((value, code) => [value, code]));
  return {
    name: column.name,
    kind: 'category',
    categories: distinct.map(String),
    values: column.values.map((value) => codes.get(value) as number),
  };
}

async function judge(model: AnyModel, test: AnyDataset, isClasses: boolean): Promise<Report> {
  if (isClasses) return scores(model, test);
  const data = test as Dataset<'float64', 'float32'>;
  const found = (await predict(model, data)).data as Float32Array;
  const wanted = data.batch(Int32Array.from({ length: test.length }, (_, i) => i)).targets.data;
  let [mean, off, squares, all] = [0, 0, 0, 0];
  for (let i = 0; i < wanted.length; i++) mean += wanted[i] / wanted.length;
  for (let i = 0; i < wanted.length; i++) {
    off += Math.abs(found[i] - wanted[i]) / wanted.length;
    squares += (found[i] - wanted[i]) * (found[i] - wanted[i]);
    all += (wanted[i] - mean) * (wanted[i] - mean);
  }
  const [loss, r2] = [squares / wanted.length, all === 0 ? null : 1 - squares / all];
  const rmse = Math.sqrt(loss);
  const share = r2 === null ? '' : `; ${percent(r2)} of the variance explained`;
  return { text: `off by ${fourDigits(off)} on average, root mean square ${fourDigits(rmse)}${share}`, json: { loss, rmse, mae: off, r2 } };
}

/** What a saved model asks of a table; null for a model of something else. One that predicts scaled numbers is of no use here. */
export function tableOfModel(model: AnyModel, file: string): ColumnTransform | null {
  const { preprocessing } = model;
  if (!(preprocessing instanceof ColumnTransform)) return null;
  refuseScaled(model, file);
  return preprocessing;
}

/** The same, and which column is predicted where the model does not say it itself: its classes, or a number. */
export function withTarget(transform: ColumnTransform, { classNames }: AnyModel, name: string | undefined): ColumnTransform {
  const { target } = transform;
  if (name === undefined || name === target?.name) return transform;
  if (target !== null) throw new ArgumentError(`the model predicts '${target.name}', and --target names '${name}'`);
  const kind = classNames === null ? ({ kind: 'number' } as const) : ({ kind: 'category', categories: classNames } as const);
  return transform.withTarget({ name, ...kind }) as ColumnTransform;
}

/** The classes that a model has scores for; null for one that predicts numbers. */
export function classesOf({ classNames }: AnyModel, { target }: ColumnTransform): readonly string[] | null {
  if (target === null) return classNames;
  return target.kind === 'category' ? (target.categories ?? []) : null;
}

/**
 * A model of one output for yes and no as one of a score for each, and any other as it is: softmax of (0, x) is (1 − σ(x), σ(x)), and its
 * cross-entropy the binary one of x. Where the output is a probability already, x is ln p − ln(1 − p).
 */
export function withScores(model: AnyModel, transform: ColumnTransform): AnyModel {
  if (classesOf(model, transform)?.length !== 2) return model;
  model.eval();
  const { shape } = noGrad(() => model.forward(zeros([1, ...transform.outputShape]) as never)) as AnyTensor;
  if (shape.at(-1) !== 1) return model;
  const scores = new YesAndNo(model, [...model.children().values()].at(-1) instanceof Sigmoid);
  scores.preprocessing = model.preprocessing;
  return scores;
}

class YesAndNo extends Model {
  constructor(
    readonly one: AnyModel,
    readonly isProbability: boolean,
  ) {
    super();
  }

  forward(x: Tensor): Tensor {
    const given = this.one.forward(x as never) as Tensor;
    const p = clip(given, 1e-7, 1 - 1e-7);
    const score = this.isProbability ? log(p).sub(log(p.neg().add(1))) : given;
    return concat([score.mul(0), score], -1);
  }
}

/** The rows of a file as a model that was trained on a table takes them; with the target, those that have one, and lines about the others. */
export async function rowsFor(
  transform: ColumnTransform,
  { data, badRows, unknownCategories, absentColumns, decimal, encoding, missing }: TableChoice,
  isJudged: boolean,
): Promise<{ table: Table; rows: TableDataset; notes: string[] }> {
  const { columns, target } = transform;
  if (isJudged && target === null)
    throw new ArgumentError(
      'the model does not say which column it predicts: name it with --target <column>; one that is trained on a table with a target says it',
    );
  const wanted = isJudged && target !== null ? [target] : [];
  const table = await readFile(
    data,
    { decimal, encoding, missing },
    {
      schema: [...columns, ...wanted],
      badRows,
      unknownCategories,
      absentColumns,
    },
  );
  const { kept, note } = wanted.length > 0 ? withValues(table, wanted[0].name, 'evaluate') : { kept: table, note: null };
  const notes = [...(table.badRowCount > 0 ? [badRowsNote(table)] : []), ...(note === null ? [] : [note])];
  const features = columns.map(({ name }) => name);
  return { table, rows: kept.dataset({ features, ...(wanted.length > 0 && { target: wanted[0].name }) }), notes };
}

/** What a saved model makes of the rows of a file. */
export async function judgeTable(
  model: AnyModel,
  transform: ColumnTransform,
  choice: TableChoice,
): Promise<Report & { readonly length: number; readonly notes: readonly string[]; readonly rows: TableDataset }> {
  const { rows, notes } = await rowsFor(transform, choice, true);
  const isClasses = transform.target?.kind === 'category';
  return { ...(await judge(model, rows, isClasses)), baseline: await baseline(rows), length: rows.length, notes, rows };
}
