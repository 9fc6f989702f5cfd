// What a program does with its data before it trains, mistakes included: breaks them, scales them, and puts targets into a form.

import { Tensor, TensorDataset, type AnyDataset } from '../../../lib/index.js';
import type { Part, Parts } from './index.js';
import { Draw } from './source.js';

/** What inputs or targets are made of, by numbers learned from the training part. */
export type Scaling = 'none' | 'standardize' | 'minMax' | 'divideBy255' | 'unitRows' | 'times1000';

/** The form of class targets that the loss takes; labels and numbers are what they are. */
export type TargetForm = 'classes' | 'oneHot' | 'numbers';

/** What is wrong with the data that are trained and validated on; those of the test are as they should be. */
export type DataFault =
  | 'shuffledLabels'
  | 'leak'
  | 'overlap'
  | 'missingValue'
  | 'oneClass'
  | 'missingClass'
  | 'labelsFromOne'
  | 'labelsCutToZero'
  | 'sortedByClass';

/** How data are prepared. */
export interface Preparation {
  readonly faults: readonly DataFault[];
  readonly inputs: Scaling;
  /** `'train'`: somebody forgot validation and test. */
  readonly scaled: 'all' | 'train';
  readonly targets: TargetForm;
  readonly targetScaling: 'none' | 'standardize' | 'minMax';
  readonly seed: number;
}

/** Data sets as `fit` takes them, and the truth of the test as drawn. */
export interface PreparedData {
  readonly train: AnyDataset;
  readonly validation: AnyDataset | null;
  readonly test: AnyDataset;
  /** Targets of validation and test: class indices, zeros and ones, or scaled numbers. */
  readonly truths: { readonly validation: Float32Array; readonly test: Float32Array };
  readonly inputShape: readonly number[];
}

/** One column's shift and factor: x → (x − shift) · factor. */
interface Affine {
  readonly shift: number;
  readonly factor: number;
}

/** Prepares data. */
export function prepare(parts: Parts, how: Preparation): PreparedData {
  const broken = breakData(parts, how);
  const size = product(parts.inputShape);
  const scale = inputScaler(broken.train, how.inputs, size, parts.inputShape.at(-1) ?? 1);
  const width = product(parts.targetShape);
  const scaleTargets = parts.targets === 'numbers' ? targetScaler(broken.train.y, how.targetScaling, width) : (y: Float32Array) => y;
  const sets = (['train', 'validation', 'test'] as const).map((name) => {
    const { x, y, rows } = broken[name];
    const inputs = how.scaled === 'train' && name !== 'train' ? x : scale(x);
    const targets = scaleTargets(y);
    const data = new TensorDataset<'float32', 'float32' | 'int32'>(
      Tensor.from(inputs, [rows, ...parts.inputShape]),
      targetTensor(targets, rows, parts, how.targets),
      { name },
    );
    return { data: data as unknown as AnyDataset, rows, targets };
  });
  const [train, validation, test] = sets;
  return {
    train: train.data,
    validation: validation.rows === 0 ? null : validation.data,
    test: test.data,
    truths: { validation: validation.targets, test: test.targets },
    inputShape: parts.inputShape,
  };
}

function targetTensor(y: Float32Array, rows: number, { targets, targetShape, classes }: Parts, form: TargetForm): Tensor<'float32' | 'int32'> {
  if (targets !== 'classes' || form === 'numbers')
    return Tensor.from(Float32Array.from(y), [rows, ...(targetShape.length === 0 ? [1] : targetShape)]);
  if (form === 'classes') return Tensor.from(Int32Array.from(y), [rows, ...targetShape]);
  const hot = new Float32Array(y.length * classes);
  for (const [i, label] of y.entries()) hot[i * classes + label] = 1;
  return Tensor.from(hot, [rows, ...targetShape, classes]);
}

const product = (shape: readonly number[]): number => shape.reduce((all, size) => all * size, 1);

function columns(values: Float32Array, width: number): Float64Array[] {
  const rows = values.length / width;
  return Array.from({ length: width }, (_, column) => Float64Array.from({ length: rows }, (_, row) => values[row * width + column]));
}

function standard(values: Float64Array): Affine {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
  return { shift: mean, factor: deviation > 1e-12 ? 1 / deviation : 1 };
}

function range(values: Float64Array): Affine {
  const [low, high] = values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
  return { shift: low, factor: high > low ? 1 / (high - low) : 1 };
}

const applied = (values: Float32Array, by: readonly Affine[]): Float32Array =>
  values.map((value, i) => (value - by[i % by.length].shift) * by[i % by.length].factor);

function inputScaler(train: Part, how: Scaling, size: number, features: number): (x: Float32Array) => Float32Array {
  if (how === 'none') return (x) => x;
  if (how === 'divideBy255' || how === 'times1000') return (x) => x.map((value) => (how === 'times1000' ? value * 1000 : value / 255));
  if (how === 'unitRows') return (x) => unitRows(x, size);
  // An image or a sequence has few features, which stand last, and many places; a row has one place.
  const by = columns(train.x, features).map(how === 'standardize' ? standard : range);
  return (x) => applied(x, by);
}

function unitRows(x: Float32Array, size: number): Float32Array {
  const rows = Float32Array.from(x);
  for (let from = 0; from < rows.length; from += size) {
    const row = rows.subarray(from, from + size);
    const norm = Math.hypot(...row);
    if (norm > 0) row.set(row.map((value) => value / norm));
  }
  return rows;
}

function targetScaler(train: Float32Array, how: Preparation['targetScaling'], width: number): (y: Float32Array) => Float32Array {
  if (how === 'none') return (y) => y;
  const by = columns(train, width).map(how === 'standardize' ? standard : range);
  return (y) => applied(y, by);
}

/** Rows of a part, in another order or fewer of them. */
function chosen({ rows, x, y }: Part, order: readonly number[]): Part {
  const gather = (values: Float32Array): Float32Array => {
    const width = values.length / rows;
    const all = new Float32Array(order.length * width);
    for (const [to, from] of order.entries()) all.set(values.subarray(from * width, (from + 1) * width), to * width);
    return all;
  };
  return { rows: order.length, x: gather(x), y: gather(y) };
}

function breakData(parts: Parts, { faults, seed }: Preparation): Pick<Parts, 'train' | 'validation' | 'test'> {
  let { train, validation, test } = parts;
  const draw = new Draw(seed + 1);
  const size = product(parts.inputShape);
  const all = (part: Part): number[] => Array.from({ length: part.rows }, (_, i) => i);
  const relabelled = (part: Part, one: (label: number) => number): Part => ({ ...part, y: part.y.map(one) });
  const shuffled = (part: Part): Part => ({ ...part, y: chosen(part, draw.order(part.rows)).y });
  /** The last input of a row is its target, or, where it must not be known, the target of any row. */
  const leaking = (part: Part): Part => {
    const x = Float32Array.from(part.x);
    for (let i = 0; i < part.rows; i++) x[(i + 1) * size - 1] = part.y[i];
    return { ...part, x };
  };
  for (const fault of faults) {
    if (fault === 'shuffledLabels') [train, validation] = [shuffled(train), shuffled(validation)];
    if (fault === 'leak') {
      const truth = test.y;
      [train, validation] = [leaking(train), leaking(validation)];
      test = { ...leaking(shuffled(test)), y: truth };
    }
    if (fault === 'overlap') validation = chosen(train, all(train).slice(0, validation.rows));
    if (fault === 'missingValue') train = { ...train, x: train.x.map((value, i) => (i === 7 * size ? Number.NaN : value)) };
    if (fault === 'oneClass') train = relabelled(train, () => 1);
    if (fault === 'missingClass')
      train = chosen(
        train,
        all(train).filter((i) => train.y[i] !== parts.classes - 1),
      );
    if (fault === 'labelsFromOne') [train, validation] = [train, validation].map((part) => relabelled(part, (label) => label + 1));
    if (fault === 'labelsCutToZero') train = relabelled(train, () => 0);
    if (fault === 'sortedByClass')
      train = chosen(
        train,
        all(train).sort((a, b) => train.y[a] - train.y[b] || a - b),
      );
  }
  return { train, validation, test };
}
