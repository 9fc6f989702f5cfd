// Targets that lie far from all others: one price of 39,999,999 among thousands below a million is mostly a slip of whoever typed it.

import { originOf } from '../data/about.js';
import { memoryOf } from '../data/contract.js';
import { type AnyDataset, isInMemory } from '../data/dataset.js';
import { isFloat } from '../dtype.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { spreadOver } from './measures.js';

/** Targets far from all others. */
export interface Extremes {
  /** Their rows, of the data that a part was taken from; farthest first. */
  readonly rows: readonly number[];
  /** What they are, in their own units where they were scaled. */
  readonly values: readonly number[];
  /** Least and largest of the others. */
  readonly others: readonly [min: number, max: number];
}

/**
 * What is far: at most three targets, each twenty times as far from the median as any of the others. Long tails, as of incomes, have no such gaps; and where most
 * targets are one number, as sales of which most are 0, the few others are far by nature.
 */
const limits = { most: 3, gap: 20, rows: 20, sample: 4096 };

/** Targets of one number each that lie far from all others; null for none, and for data that would have to be read. */
export function extremesOf(data: AnyDataset): Extremes | null {
  const seen = numbersOf(data);
  if (seen === null || seen.length < limits.rows) return null;
  const sample = Float64Array.from(spreadOver(seen.length, limits.sample), (i) => seen.at(i)).sort();
  const middle = sample[sample.length >> 1];
  const [low, high] = [sample[sample.length >> 2], sample[(3 * sample.length) >> 2]];
  if (!Number.isFinite(middle) || low === high) return null;
  /** The farthest, and one more. */
  const far: { readonly example: number; readonly distance: number }[] = [];
  for (let example = 0; example < seen.length; example++) {
    const distance = Math.abs(seen.at(example) - middle);
    if (!Number.isFinite(distance)) return null; // has a finding of its own
    if (far.length > limits.most && distance <= far[limits.most].distance) continue;
    far.push({ example, distance });
    far.sort((a, b) => b.distance - a.distance);
    far.length = Math.min(far.length, limits.most + 1);
  }
  const count = far.findIndex(({ distance }, i) => i < far.length - 1 && distance > limits.gap * far[i + 1].distance) + 1;
  if (count === 0) return null;
  const found = far.slice(0, count).map(({ example }) => example);
  // As somebody finds them in the data.
  const own = numbersOf(originOf(data)) ?? seen;
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let example = 0; example < own.length; example++) {
    if (found.includes(example)) continue;
    min = Math.min(min, own.at(example));
    max = Math.max(max, own.at(example));
  }
  return { rows: found.map((example) => own.rowOf(example)), values: found.map((example) => own.at(example)), others: [min, max] };
}

/** Targets that lie in memory, by example. */
function numbersOf(data: AnyDataset): { readonly length: number; at(example: number): number; rowOf(example: number): number } | null {
  if (!isInMemory(data)) return null;
  const { targets, rows } = memoryOf(data);
  if (!(targets instanceof Tensor)) return null;
  const { dtype, rank, size, shape, data: all } = targets as AnyTensor;
  if (!isFloat(dtype) || rank === 0 || size !== shape[0]) return null;
  const rowOf = (example: number): number => rows?.[example] ?? example;
  return { length: data.length, at: (example) => all[rowOf(example)], rowOf };
}
