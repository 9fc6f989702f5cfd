// How the validation data compare with the training data: examples that stand in both, another scale, other classes.

import { memoryOf } from '../data/contract.js';
import { type AnyDataset, isInMemory } from '../data/dataset.js';
import type { AnyPair } from '../data/loader.js';
import { isFloat } from '../dtype.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import type { DataFacts } from './data-facts.js';
import { spreadOver } from './measures.js';

/** What a comparison gives. */
export interface SplitFacts {
  /** Share of the validation examples that were looked at, and are training examples as well. */
  readonly overlap: number;
  /** Of how many. */
  readonly looked: number;
  /** Size of validation inputs beside that of training inputs, by their roots of mean squares. */
  readonly scale: number;
  /** Distance of the means, by the standard deviation of the training inputs. */
  readonly shift: number;
  /** How far the shares of the classes are apart, 0 to 1: half the sum of their differences. */
  readonly classes: number;
}

/** Training examples that are looked up; a share of theirs stands for all. */
const mostRows = 1 << 16;

/** Numbers of an example by which it is looked up; those that are found are compared whole. */
const mostKeyed = 16;

/** Compares two parts; `trained` is what {@link inputsToCompare} gives. */
export function compareSplits(training: DataFacts, validation: DataFacts, trained: unknown, [seen]: AnyPair): SplitFacts {
  const [a, b] = [training.inputs, validation.inputs];
  return {
    overlap: overlapOf(trained, seen, training.length),
    looked: validation.looked,
    scale: a === null || b === null || a.rms === 0 ? 1 : b.rms / a.rms,
    shift: a === null || b === null || a.std === 0 ? 0 : Math.abs(b.mean - a.mean) / a.std,
    classes: distanceOf(training.counts, validation.counts),
  };
}

function overlapOf(training: unknown, validation: unknown, whole: number): number {
  if (!(training instanceof Tensor) || !(validation instanceof Tensor)) return 0;
  const [a, b] = [training as AnyTensor, validation as AnyTensor];
  if (!isFloat(a.dtype) || a.size === 0 || b.size === 0 || a.size / a.shape[0] !== b.size / b.shape[0]) return 0;
  const width = a.size / a.shape[0];
  const rows = new Map<number, number>();
  let repeats = 0;
  const looked = spreadOver(a.shape[0], mostRows);
  for (const row of looked) {
    const key = keyOf(a.data, row, width);
    if (rows.has(key)) repeats += 1;
    rows.set(key, row);
  }
  // Truth tables and words repeat themselves: there a row in both parts says nothing.
  if (repeats > 0.01 * looked.length) return 0;
  let found = 0;
  for (let row = 0; row < b.shape[0]; row++) {
    const twin = rows.get(keyOf(b.data, row, width));
    if (twin === undefined) continue;
    let isSame = true;
    for (let j = 0; isSame && j < width; j++) isSame = a.data[twin * width + j] === b.data[row * width + j];
    if (isSame) found += 1;
  }
  return Math.min(1, (found / b.shape[0]) * (whole / looked.length));
}

const bits = new DataView(new ArrayBuffer(8));

/** A number for some of an example's numbers: FNV-1a over their bits. */
function keyOf(data: ArrayLike<number>, row: number, width: number): number {
  const stride = Math.max(1, Math.floor(width / mostKeyed));
  let hash = 0x811c9dc5;
  for (let j = 0; j < width; j += stride) {
    bits.setFloat32(0, data[row * width + j]);
    hash = Math.imul(hash ^ bits.getUint32(0), 0x01000193);
  }
  return hash;
}

/** All training inputs where they lie in memory as they are; else those of the sample. */
export function inputsToCompare(data: AnyDataset, [sampled]: AnyPair): unknown {
  if (!isInMemory(data)) return sampled;
  const { inputs, rows } = memoryOf(data);
  return inputs instanceof Tensor && rows === null ? inputs : sampled;
}

function distanceOf(training: DataFacts['counts'], validation: DataFacts['counts']): number {
  if (training === null || validation === null) return 0;
  const totals = [training, validation].map((counts) => [...counts.values()].reduce((sum, count) => sum + count, 0));
  let distance = 0;
  for (const label of new Set([...training.keys(), ...validation.keys()]))
    distance += Math.abs((training.get(label) ?? 0) / totals[0] - (validation.get(label) ?? 0) / totals[1]);
  return distance / 2;
}
