// Values that nothing can be learned from, named by example and feature.

import { ArgumentError } from '../errors.js';
import type { AnyTensor } from '../tensor.js';

/** Throws for the first value of a batch that is NaN or infinite; returns where there is none. */
export function refuseNonFinite(batch: AnyTensor, first: number, shape: readonly number[]): void {
  const data = batch.data as ArrayLike<number>;
  const width = shape.reduce((product, dimension) => product * dimension, 1);
  for (let at = 0; at < data.length; at++) {
    if (Number.isFinite(data[at])) continue;
    const hint = Number.isNaN(data[at]) ? ': fill missing values with an Imputer first' : '';
    throw new ArgumentError(`the training data have ${data[at]} in example ${first + Math.floor(at / width)}, feature ${at % width}${hint}`);
  }
}
