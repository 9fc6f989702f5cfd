// What two plain learners make of a table: whether the nearest other examples, or the nearest mean of a class, tell the class of an example.

import type { AnyPair } from '../data/loader.js';
import { isFloat } from '../dtype.js';
import { transpose } from '../ops/shape.js';
import { matmul } from '../ops/matmul.js';
import { type AnyTensor, Tensor, noGrad } from '../tensor.js';
import { columnMoments, rowsOf } from './measures.js';

/** How often plain learners are right about examples that they have not seen. */
export interface Probe {
  /** Examples that were asked about. */
  readonly examples: number;
  /** Share of the nearest others that are of the same class. */
  readonly neighbours: Guess;
  /** Share right of the nearest mean of a class, means and examples from different halves: the mean over the classes. */
  readonly means: Guess;
  /** Share of examples that are of the class that most of their nearest others are of. */
  readonly vote: number;
}

/** How often a guess is right, and how often it would be if inputs and classes had nothing to do with each other. */
export interface Guess {
  readonly share: number;
  readonly chance: number;
  /** Standard deviation of the share, if they had not. */
  readonly deviation: number;
}

const [fewestRows, mostColumns, voters] = [50, 64, 5];
/** Columns of fewer different numbers are codes: what lies near in them need not be alike. */
const fewestValues = 8;

/** Asks about a table with classes, or with labels of yes and no; null for anything else, for few rows, and for tables of codes, such as truth tables. */
export function probe([inputs, targets]: AnyPair): Probe | null {
  if (!(inputs instanceof Tensor) || !(targets instanceof Tensor)) return null;
  const [x, y] = [inputs as AnyTensor, targets as AnyTensor];
  const [rows, width] = x.shape;
  if (x.rank !== 2 || !isFloat(x.dtype) || rows < fewestRows || width > mostColumns || y.shape[0] !== rows) return null;
  const labels = labelsOf(y, rows);
  const table = standardized(x);
  if (labels === null || table === null) return null;
  const products = noGrad(() => matmul(table, transpose(table)).data);
  const nearest = nearestOf(products, rows);
  const guesses = labels.map((classes) => {
    const counts = [...countsOf(classes).values()];
    const together = counts.reduce((sum, count) => sum + (count * (count - 1)) / (rows * (rows - 1)), 0);
    const each = 1 / counts.length;
    return {
      neighbours: {
        share: shareOf(nearest.length, (i) => classes[nearest[i]] === classes[Math.floor(i / voters)]),
        chance: together,
        // As of one neighbour: votes of those who are near to each other are no votes of their own.
        deviation: Math.sqrt((together * (1 - together)) / rows),
      },
      means: {
        share: byMeans(table.data, classes, rows, width),
        chance: each,
        deviation: each * Math.sqrt(counts.reduce((sum, count) => sum + (each * (1 - each)) / count, 0)),
      },
      vote: shareOf(rows, (row) => classes[row] === mostOf(nearest.subarray(row * voters, (row + 1) * voters), classes)),
    };
  });
  const mean = (of: (one: (typeof guesses)[number]) => number): number => guesses.reduce((sum, one) => sum + of(one), 0) / guesses.length;
  const guess = (of: (one: (typeof guesses)[number]) => Guess): Guess => ({
    share: mean((one) => of(one).share),
    chance: mean((one) => of(one).chance),
    deviation: mean((one) => of(one).deviation),
  });
  return { examples: rows, neighbours: guess((one) => one.neighbours), means: guess((one) => one.means), vote: mean(({ vote }) => vote) };
}

/** Class of each row, or a list of them, one for each label of yes and no. */
function labelsOf({ data, size }: AnyTensor, rows: number): Int32Array[] | null {
  const width = size / rows;
  const columns = Array.from({ length: width }, (_, j) => Int32Array.from({ length: rows }, (_, row) => data[row * width + j]));
  const isWhole = data.every((value: number) => Number.isInteger(value) && value >= 0 && value < 64);
  if (!isWhole || width > mostColumns) return null;
  if (width === 1) return columns;
  const isBinary = data.every((value: number) => value <= 1);
  const isOneHot = isBinary && columns[0].every((_, row) => columns.reduce((sum, column) => sum + column[row], 0) === 1);
  if (isOneHot) return [Int32Array.from({ length: rows }, (_, row) => columns.findIndex((column) => column[row] === 1))];
  return isBinary ? columns : null;
}

/** Columns with mean 0 and deviation 1; null where numbers are missing, or nearly all columns are codes. */
function standardized(x: AnyTensor): Tensor | null {
  const [rows, width] = x.shape;
  const { mean, variance } = columnMoments(rowsOf(x, width));
  if (!variance.every(Number.isFinite)) return null;
  const scale = variance.map((square) => (square > 0 ? 1 / Math.sqrt(square) : 0));
  const isFine = (j: number): boolean => {
    const values = new Set<number>();
    for (let row = 0; row < rows && values.size < fewestValues; row++) values.add(x.data[row * width + j]);
    return values.size >= fewestValues;
  };
  if (!mean.some((_, j) => isFine(j))) return null;
  const data = Float32Array.from(x.data as Float32Array, (value, i) => (value - mean[i % width]) * scale[i % width]);
  return Tensor.from(data, [rows, width]);
}

/** The nearest other rows of each row: those with the largest a · b − |b|² / 2. */
function nearestOf(products: Float32Array, rows: number): Int32Array {
  const nearest = new Int32Array(rows * voters);
  const closeness = new Float64Array(voters);
  for (let row = 0; row < rows; row++) {
    closeness.fill(Number.NEGATIVE_INFINITY);
    const at = row * voters;
    for (let other = 0; other < rows; other++) {
      const close = products[row * rows + other] - products[other * rows + other] / 2;
      if (other === row || close <= closeness[voters - 1]) continue;
      let place = voters - 1;
      for (; place > 0 && closeness[place - 1] < close; place--) {
        closeness[place] = closeness[place - 1];
        nearest[at + place] = nearest[at + place - 1];
      }
      closeness[place] = close;
      nearest[at + place] = other;
    }
  }
  return nearest;
}

function mostOf(rows: Int32Array, classes: Int32Array): number {
  const votes = countsOf(Int32Array.from(rows, (row) => classes[row]));
  return [...votes].reduce((a, b) => (b[1] > a[1] ? b : a))[0];
}

/** Share right of the nearest mean, by class: those of even rows for odd ones, and the other way around. */
function byMeans(table: Float32Array, classes: Int32Array, rows: number, width: number): number {
  const halves = [0, 1].map((half) => {
    const sums = new Map<number, { count: number; sum: Float64Array }>();
    for (let row = half; row < rows; row += 2) {
      const own = sums.get(classes[row]) ?? { count: 0, sum: new Float64Array(width) };
      own.count += 1;
      for (let j = 0; j < width; j++) own.sum[j] += table[row * width + j];
      sums.set(classes[row], own);
    }
    return [...sums].map(([label, { count, sum }]) => ({ label, mean: sum.map((value) => value / count) }));
  });
  const counts = countsOf(classes);
  let share = 0;
  for (let row = 0; row < rows; row++) {
    let [best, least] = [-1, Number.POSITIVE_INFINITY];
    for (const { label, mean } of halves[1 - (row % 2)]) {
      let distance = 0;
      for (let j = 0; j < width; j++) distance += (table[row * width + j] - mean[j]) * (table[row * width + j] - mean[j]);
      if (distance < least) [best, least] = [label, distance];
    }
    if (best === classes[row]) share += 1 / (counts.get(best) as number) / counts.size;
  }
  return share;
}

function countsOf(classes: Int32Array): Map<number, number> {
  const counts = new Map<number, number>();
  for (const label of classes) counts.set(label, (counts.get(label) ?? 0) + 1);
  return counts;
}

function shareOf(count: number, is: (i: number) => boolean): number {
  let found = 0;
  for (let i = 0; i < count; i++) if (is(i)) found += 1;
  return found / count;
}
