// What can be known of data by looking at some examples: ranges, columns, classes, order, and how two parts of a split compare.

import { aboutData } from '../data/about.js';
import { memoryOf } from '../data/contract.js';
import { type AnyDataset, isInMemory } from '../data/dataset.js';
import type { AnyPair } from '../data/loader.js';
import { isFloat } from '../dtype.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { type Extremes, extremesOf } from './extremes.js';
import { type Spread, spreadOf, spreadOfAll, spreadOver } from './measures.js';

/** What is known of targets. */
export interface TargetFacts extends Spread {
  /** Whether they are class indices, one for an example. */
  readonly areIndices: boolean;
  /** Numbers for an example. */
  readonly width: number;
  /** Whether all are 0 or 1. */
  readonly isBinary: boolean;
  /** Whether all are whole numbers. */
  readonly isWhole: boolean;
  /** Share of rows with exactly one 1 among zeros, of targets with several columns. */
  readonly oneHot: number;
  /** How many different numbers there are, up to 64. */
  readonly distinct: number;
  /** Whether each column has one value alone. */
  readonly isConstant: boolean;
  /** How often neighbours in the order of the data differ, beside what chance would give; 1 for shuffled data. */
  readonly changes: number;
}

/** What is known of a data set. */
export interface DataFacts {
  /** What messages call it. */
  readonly name: string;
  /** Examples in all. */
  readonly length: number;
  /** Examples that were looked at. */
  readonly looked: number;
  /** All inputs together; null for several inputs, or for indices. */
  readonly inputs: Spread | null;
  /** Names of the columns of the inputs, where they have some. */
  readonly names: readonly string[] | null;
  /** Column by column, of inputs in rows of numbers; empty for images and sequences. */
  readonly columns: readonly Spread[];
  /** Pairs of equal columns. */
  readonly duplicates: readonly (readonly [number, number])[];
  /** A column that tells the target, and how well: 1 for exactly. */
  readonly leak: { readonly column: number; readonly explained: number } | null;
  /** Targets; null for several. */
  readonly targets: TargetFacts | null;
  /** Targets far from all others, over the whole set; null for none, and where that would take reading all of it. */
  readonly extremes: Extremes | null;
  /** Examples by class over the whole set; null where that would take reading all of it. */
  readonly counts: ReadonlyMap<number, number> | null;
}

/** Some examples of a data set, evenly over it; fewer where one is large, but `least` of them, whatever they take. */
export async function sampleOf(data: AnyDataset, count: number, mostNumbers = 1 << 20, least = 1): Promise<AnyPair> {
  const shape: readonly unknown[] = Array.isArray(data.inputShape) ? data.inputShape : [];
  const size = Math.max(
    shape.reduce<number>((product, side) => product * (typeof side === 'number' ? Math.max(1, side) : 1), 1),
    targetWidth(data),
  );
  const rows = Math.min(count, Math.max(least, Math.floor(mostNumbers / size)));
  const { inputs, targets, weights } = await data.batch(spreadOver(data.length, rows));
  return [inputs, targets, weights] as AnyPair;
}

/** Numbers of the targets of an example, where that can be seen without making a batch. */
function targetWidth(data: AnyDataset): number {
  if (!isInMemory(data)) return 1;
  const { targets } = memoryOf(data);
  return targets instanceof Tensor && targets.rank > 0 && targets.shape[0] > 0 ? targets.size / targets.shape[0] : 1;
}

/** Looks at the examples of a sample. */
export function factsOf(data: AnyDataset, [inputs, targets]: AnyPair): DataFacts {
  const x = inputs instanceof Tensor && isFloat(inputs.dtype) ? (inputs as AnyTensor) : null;
  const y = targets instanceof Tensor ? withLabels(targetFacts(targets as AnyTensor), data) : null;
  const rows = x?.shape[0] ?? 0;
  const width = x === null || rows === 0 ? 0 : x.size / rows;
  const isTable = x !== null && x.rank === 2 && width <= mostColumns;
  // Of validation data nobody asks for these, and of wide tables not for all.
  const columns = once(() => (isTable ? Array.from({ length: width }, (_, j) => spreadOf(x.data, j, width)) : []));
  const duplicates = once(() => (isTable ? duplicatesOf(x, columns()) : []));
  const leak = once(() => (isTable && y !== null && y.width === 1 && width > 1 ? leakOf(x, targets as AnyTensor, y) : null));
  return {
    name: data.name,
    length: data.length,
    names: x !== null && aboutData(data)?.columns?.length === width ? (aboutData(data)?.columns ?? null) : null,
    looked: inputs instanceof Tensor ? (inputs.shape[0] ?? 0) : 0,
    inputs: x === null ? null : spreadOfAll(x),
    get columns() {
      return columns();
    },
    get duplicates() {
      return duplicates();
    },
    get leak() {
      return leak();
    },
    targets: y,
    extremes: extremesOf(data),
    counts: countsOf(data),
  };
}

/** Asks once, when it is first wanted, and keeps the answer. */
export function once<T>(ask: () => T): () => T {
  let answer: { readonly value: T } | null = null;
  return () => (answer ??= { value: ask() }).value;
}

/** Tables are looked at column by column up to this width. */
const mostColumns = 256;

function targetFacts(targets: AnyTensor): TargetFacts | null {
  const { shape, data, size } = targets;
  if (size === 0 || targets.rank === 0) return null;
  const width = size / shape[0];
  const areIndices = !isFloat(targets.dtype) && targets.rank === 1;
  const different = new Set<number>();
  let [isBinary, isWhole, oneHot, changes] = [true, true, 0, 0];
  for (let row = 0; row < shape[0]; row++) {
    let [ones, zeros] = [0, 0];
    let isOther = false;
    for (let j = 0; j < width; j++) {
      const value = data[row * width + j];
      if (different.size < 64) different.add(value);
      if (value === 1) ones += 1;
      else if (value === 0) zeros += 1;
      else isBinary = false;
      if (!Number.isInteger(value)) isWhole = false;
      if (row > 0 && value !== data[(row - 1) * width + j]) isOther = true;
    }
    if (width > 1 && ones === 1 && zeros === width - 1) oneHot += 1;
    if (isOther) changes += 1;
  }
  const isConstant = data.every((value: number, i: number) => value === data[i % width]);
  return {
    ...spreadOf(data, 0, 1),
    areIndices,
    width,
    isBinary,
    isWhole,
    oneHot: oneHot / shape[0],
    distinct: different.size,
    isConstant,
    changes: changes / Math.max(1, (shape[0] - 1) * chanceOfChange(data, width)),
  };
}

/** Rows of more numbers are taken to differ, each from each. */
const widestKey = 64;

/** Of few examples all may have one class by chance: the labels of the whole set say it, where they are at hand. */
function withLabels(facts: TargetFacts | null, data: AnyDataset): TargetFacts | null {
  if (facts === null || !facts.isConstant || !facts.areIndices) return facts;
  const labels = labelsOf(data) ?? (isInMemory(data) ? null : (data.labels?.() ?? null));
  return { ...facts, isConstant: labels === null || [...labels].every((label) => label === facts.min) };
}

/** How likely two rows, drawn at random, differ. */
function chanceOfChange(data: ArrayLike<number>, width: number): number {
  if (width > widestKey) return 1;
  const counts = new Map<string, number>();
  const rows = data.length / width;
  for (let row = 0; row < rows; row++) {
    let key = '';
    for (let j = 0; j < width; j++) key += `${data[row * width + j]} `;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  let same = 0;
  for (const count of counts.values()) same += (count / rows) * (count / rows);
  return 1 - same;
}

function duplicatesOf({ data, shape }: AnyTensor, columns: readonly Spread[]): [number, number][] {
  const [rows, width] = shape;
  const found: [number, number][] = [];
  const groups = new Map<string, number[]>();
  for (const [j, { min, max, mean, std }] of columns.entries()) {
    if (min === max) continue;
    const key = `${min} ${max} ${mean} ${std}`;
    const alike = groups.get(key) ?? [];
    const twin = alike.find((other) => {
      for (let row = 0; row < rows; row++) if (!Object.is(data[row * width + j], data[row * width + other])) return false;
      return true;
    });
    if (twin !== undefined) found.push([twin, j]);
    groups.set(key, [...alike, j]);
  }
  return found;
}

/** The column that explains the most of the targets' variance: by a line for numbers, by the mean of each class for classes. */
function leakOf(inputs: AnyTensor, targets: AnyTensor, { distinct, isWhole, std, nonFinite }: TargetFacts): DataFacts['leak'] {
  const [rows, width] = inputs.shape;
  const areClasses = isWhole && distinct <= 32;
  // Of numbers that are not finite, there is no variance to explain.
  if (std === 0 || nonFinite > 0) return null;
  let best: DataFacts['leak'] = null;
  for (let column = 0; column < width; column++) {
    const x = Float64Array.from({ length: rows }, (_, row) => inputs.data[row * width + column]);
    const y = targets.data as ArrayLike<number>;
    if (!x.every(Number.isFinite)) continue;
    const explained = areClasses ? byClass(x, y) : byLine(x, y);
    if (best === null || explained > best.explained) best = { column, explained };
  }
  return best;
}

function byLine(x: Float64Array, y: ArrayLike<number>): number {
  const [a, b] = [spreadOf(x, 0, 1), spreadOf(y, 0, 1)];
  if (a.std === 0 || b.std === 0) return 0;
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += (x[i] - a.mean) * (y[i] - b.mean);
  const correlation = sum / x.length / a.std / b.std;
  return correlation * correlation;
}

function byClass(x: Float64Array, y: ArrayLike<number>): number {
  const classes = new Map<number, number[]>();
  for (let i = 0; i < x.length; i++) (classes.get(y[i]) ?? classes.set(y[i], []).get(y[i])!).push(x[i]);
  const { std } = spreadOf(x, 0, 1);
  if (std === 0) return 0;
  let within = 0;
  const means = new Set<number>();
  for (const values of classes.values()) {
    const own = spreadOf(values, 0, 1);
    within += own.std * own.std * values.length;
    means.add(own.mean);
  }
  return means.size < classes.size ? 0 : 1 - within / x.length / (std * std);
}

function countsOf(data: AnyDataset): Map<number, number> | null {
  const labels = labelsOf(data);
  if (labels === null) return null;
  const counts = new Map<number, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  return counts;
}

function labelsOf(data: AnyDataset): Iterable<number> | null {
  if (!isInMemory(data)) return null;
  const { targets, rows } = memoryOf(data);
  if (!(targets instanceof Tensor)) return null;
  const { dtype, rank, data: all } = targets as AnyTensor;
  if (rank !== 1 || isFloat(dtype)) return null;
  return rows === null ? (all as Int32Array) : Array.from(rows, (row) => all[row]);
}
