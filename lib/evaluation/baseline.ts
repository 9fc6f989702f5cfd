// What somebody would reach who looks at no input at all: always the commonest class, or always the mean.

import { checkDataset, memoryOf } from '../data/contract.js';
import { isStreamed } from '../data/cursor.js';
import { type AnyDataset, isInMemory } from '../data/dataset.js';
import { ArgumentError } from '../errors.js';
import { isFloat } from '../dtype.js';
import { log } from '../ops/elementwise.js';
import { type AnyTensor, Tensor, noGrad } from '../tensor.js';
import { fourDigits, percentOf } from '../words.js';

/** What {@link baseline} found. */
export interface Baseline {
  /** What is always said: the index of the commonest class, or the mean, of the training data. */
  readonly always: number;
  /** Name of that class; null where the targets are numbers. */
  readonly className: string | null;
  /**
   * What that is worth on the other data: of classes `accuracy`, and `logLoss` of always saying their shares; of numbers `mae` (mean absolute error),
   * `rmse` (root of the mean squared error) and `r2` (share of the variance explained; NaN where there is none).
   */
  readonly scores: Readonly<Record<string, number>>;
  /** The same in words. */
  readonly text: string;
}

/**
 * What somebody would reach who looks at no input: who always says the class that is commonest in the training data, or always their mean. A
 * model that is no better has learned nothing, however high its accuracy looks. With classes of shares p, always saying p has the log loss −mean(ln p_t).
 *
 * Targets are class indices, or one number an example; of numbers that are all 0 or 1, as for yes and no by one output, classes are counted.
 *
 * @param train - What class or mean are taken from.
 * @param test - What they are judged on; default: `train` itself.
 * @throws {@link ArgumentError} for an empty set, a stream, and targets of more than one number.
 * @example
 * ```ts
 * import { baseline, readCsv, split } from 'nodegrad';
 * const data = (await readCsv('flowers.csv')).dataset({ target: 'kind' });
 * const [train, test] = split(data, [0.8, 0.2], { seed: 1, stratify: true });
 * console.log((await baseline(train, test)).text); // always 'setosa': accuracy 33.33 %, log loss 1.0986
 * ```
 */
export async function baseline(train: AnyDataset, test: AnyDataset = train): Promise<Baseline> {
  const [known, asked] = [await checkedTargets(train, 'train'), await checkedTargets(test, 'test')];
  const areClasses = !known.areNumbers || [known, asked].every(({ values }) => values.every((value) => value === 0 || value === 1));
  return areClasses ? ofClasses(known.values, asked.values, train.classes) : ofNumbers(known.values, asked.values);
}

async function checkedTargets(data: AnyDataset, argument: string): Promise<Targets> {
  checkDataset(data, argument);
  if (data.length === 0) throw new ArgumentError(`data set '${data.name}' is empty: there is nothing to compare with`);
  const found = await targetsOf(data);
  if (found !== null) return found;
  throw new ArgumentError(`the targets of data set '${data.name}' are more than a class index or a number for each example`);
}

/** @internal Targets of one number an example. */
export interface Targets {
  readonly values: Float64Array;
  /** Whether they are numbers, and no class indices. */
  readonly areNumbers: boolean;
}

/** @internal The targets of a data set, without its inputs where that can be; null where an example has more than one number. */
export async function targetsOf(data: AnyDataset): Promise<Targets | null> {
  if (isStreamed(data)) return null;
  const { length } = data;
  const values = new Float64Array(length);
  if (isInMemory(data)) {
    const { targets, rows } = memoryOf(data);
    if (!hasOne(targets)) return null;
    for (let i = 0; i < length; i++) values[i] = targets.data[rows === null ? i : rows[i]];
    return { values, areNumbers: isFloat(targets.dtype) };
  }
  if (data.labels !== undefined) return { values: Float64Array.from(data.labels()), areNumbers: false };
  let areNumbers = false;
  for (let from = 0; from < length; from += 256) {
    const rows = Int32Array.from({ length: Math.min(256, length - from) }, (_, i) => from + i);
    const { targets } = await data.batch(rows);
    if (!hasOne(targets)) return null;
    areNumbers = isFloat(targets.dtype);
    values.set(targets.data, from);
  }
  return { values, areNumbers };
}

const hasOne = (targets: unknown): targets is AnyTensor =>
  targets instanceof Tensor && (targets as AnyTensor).size === (targets as AnyTensor).shape[0];

function ofClasses(train: Float64Array, test: Float64Array, names: readonly string[] | undefined): Baseline {
  const counts = new Map<number, number>();
  for (const value of train) counts.set(value, (counts.get(value) ?? 0) + 1);
  // Of equally common ones the first.
  const [always] = [...counts].reduce((best, one) => (one[1] > best[1] || (one[1] === best[1] && one[0] < best[0]) ? one : best));
  const shares = Float64Array.from(counts.values(), (count) => count / train.length);
  const logs = noGrad(() => log(Tensor.from(shares, [shares.length]))).data;
  const logOf = new Map([...counts.keys()].map((value, i) => [value, logs[i]]));
  let [hits, sum] = [0, 0];
  for (const value of test) {
    if (value === always) hits += 1;
    sum -= logOf.get(value) ?? Number.NEGATIVE_INFINITY;
  }
  const [accuracy, logLoss] = [hits / test.length, sum / test.length];
  const className = names?.[always] ?? String(always);
  const text = `always '${className}': accuracy ${percentOf(accuracy)}, log loss ${logLoss.toFixed(4)}`;
  return { always, className, scores: { accuracy, logLoss }, text };
}

function ofNumbers(train: Float64Array, test: Float64Array): Baseline {
  const meanOf = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [always, middle] = [meanOf(train), meanOf(test)];
  let [off, squares, spread] = [0, 0, 0];
  for (const value of test) {
    off += Math.abs(value - always);
    squares += (value - always) * (value - always);
    spread += (value - middle) * (value - middle);
  }
  const [mae, rmse] = [off / test.length, Math.sqrt(squares / test.length)];
  const r2 = spread === 0 ? Number.NaN : 1 - squares / spread;
  const share = Number.isNaN(r2) ? '' : `; ${percentOf(r2)} of the variance explained`;
  const text = `always the mean, ${fourDigits(always)}: off by ${fourDigits(mae)} on average, root mean square ${fourDigits(rmse)}${share}`;
  return { always, className: null, scores: { mae, rmse, r2 }, text };
}
