// Targets that lie far from all others: one price of 39,999,999 among thousands below a million is mostly a slip of whoever typed it.

import { aboutData } from '../data/about.js';
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
  if (!isInMemory(data)) return null;
  const { targets, rows } = memoryOf(data);
  if (!(targets instanceof Tensor)) return null;
  const { dtype, rank, size, shape, data: all } = targets as AnyTensor;
  if (!isFloat(dtype) || rank === 0 || size !== shape[0] || data.length < limits.rows) return null;
  const rowOf = (i: number): number => rows?.[i] ?? i;
  const sample = Float64Array.from(spreadOver(data.length, limits.sample), (i) => all[rowOf(i)]).sort();
  const middle = sample[sample.length >> 1];
  const [low, high] = [sample[sample.length >> 2], sample[(3 * sample.length) >> 2]];
  if (!Number.isFinite(middle) || low === high) return null;
  /** The farthest, and one more. */
  const far: { readonly row: number; readonly distance: number }[] = [];
  for (let i = 0; i < data.length; i++) {
    const row = rowOf(i);
    const distance = Math.abs(all[row] - middle);
    if (!Number.isFinite(distance)) return null; // has a finding of its own
    if (far.length > limits.most && distance <= far[limits.most].distance) continue;
    far.push({ row, distance });
    far.sort((a, b) => b.distance - a.distance);
    far.length = Math.min(far.length, limits.most + 1);
  }
  const count = far.findIndex(({ distance }, i) => i < far.length - 1 && distance > limits.gap * far[i + 1].distance) + 1;
  if (count === 0) return null;
  const found = far.slice(0, count).map(({ row }) => row);
  const own = ownOf(data) ?? all;
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < data.length; i++) {
    const row = rowOf(i);
    if (found.includes(row)) continue;
    min = Math.min(min, own[row]);
    max = Math.max(max, own[row]);
  }
  return { rows: found, values: found.map((row) => own[row]), others: [min, max] };
}

/** The targets before a TargetScaler scaled them, where there was one. */
function ownOf(data: AnyDataset): ArrayLike<number> | null {
  const before = aboutData(data)?.scale?.of;
  if (before === undefined || !isInMemory(before)) return null;
  const { targets } = memoryOf(before);
  return targets instanceof Tensor ? ((targets as AnyTensor).data as ArrayLike<number>) : null;
}
