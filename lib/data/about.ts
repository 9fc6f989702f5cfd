// What is known of a data set beside its numbers, and handed on to those that are made of it: the names of its columns, and what its targets are.

import { ArgumentError, expected } from '../errors.js';
import type { AnyTensor } from '../tensor.js';
import type { AnyDataset } from './dataset.js';

/** What is known. Of a set of a user's own, no more than it says by its `targetScaler`. */
export interface AboutData {
  /** Names of the columns of its inputs, where they are columns. */
  readonly columns: readonly string[] | null;
  /** Whether it was made of a table without a target: its targets are zeros. */
  readonly isWithoutTarget: boolean;
  /** By what its targets were scaled: they are (f(y) − mean) / std. Null where they are as they were. */
  readonly scale: TargetScale | null;
  /** The set as it was before inputs were transformed or targets scaled: the same examples in the same order. Where it is not there, nothing was done, or nobody knows. */
  readonly origin?: AnyDataset;
}

/** What scaled targets, as a data set of one's own says it: a fitted {@link TargetScaler}. */
export interface ScalesTargets {
  /** Means of the targets, or of their logarithms. */
  readonly mean: AnyTensor;
  /** Their standard deviations. */
  readonly std: AnyTensor;
  /** Whether logarithms were scaled. */
  readonly log: boolean;
}

/** How targets were scaled. */
export interface TargetScale {
  readonly mean: ArrayLike<number>;
  readonly std: ArrayLike<number>;
  /** Whether f is the logarithm, and else y itself. */
  readonly log: boolean;
}

const known = new WeakMap<object, AboutData>();

/** Says something of a data set that is new. */
export function note(data: object, about: Partial<AboutData> = {}): void {
  known.set(data, { columns: null, isWithoutTarget: false, scale: null, ...known.get(data), ...about });
}

/** Says of a data set what is known of the one that it is made of, but for what is said here. */
export function handOn(data: object, from: object, but: Partial<AboutData> = {}): void {
  const about = aboutData(from);
  if (about !== null) known.set(data, { ...about, origin: undefined, ...but }); // a part has other examples
}

/** What is known of a data set; null of one that nobody has said anything of. */
export function aboutData(data: object): AboutData | null {
  return known.get(data) ?? saidBy(data);
}

/** The examples as they were before transforms and scaling, in the same order. */
export const originOf = (data: AnyDataset): AnyDataset => known.get(data)?.origin ?? data;

function saidBy(data: object): AboutData | null {
  const { targetScaler } = data as { targetScaler?: ScalesTargets | null };
  if (targetScaler === undefined) return null;
  const nothing = { columns: null, isWithoutTarget: false, scale: null };
  if (targetScaler === null) return nothing;
  const { mean, std, log } = Object(targetScaler) as Partial<ScalesTargets>;
  if (typeof log !== 'boolean' || mean?.data === undefined || std?.data === undefined)
    throw new ArgumentError(expected('a fitted TargetScaler, or null', 'data.targetScaler', targetScaler));
  return { ...nothing, scale: { mean: mean.data, std: std.data, log } };
}
