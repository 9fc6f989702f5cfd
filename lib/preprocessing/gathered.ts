// All values of each feature, for what needs them sorted: medians and the most frequent value.

import type { AnyTensor } from '../tensor.js';

/** Keeps every value: 8 bytes for each number of the training data. */
export class Gathered {
  readonly #columns: Float64Array[];
  #filled = 0;

  constructor(
    readonly features: number,
    length: number,
  ) {
    this.#columns = Array.from({ length: features }, () => new Float64Array(length));
  }

  add(batch: AnyTensor): void {
    const data = batch.data as ArrayLike<number>;
    const rows = data.length / this.features;
    for (let row = 0, at = 0; row < rows; row++) for (const column of this.#columns) column[this.#filled + row] = data[at++];
    this.#filled += rows;
  }

  /** The values of a feature that are there, in ascending order. */
  sorted(feature: number): Float64Array {
    return this.#columns[feature].filter((value) => !Number.isNaN(value)).sort();
  }
}

/** The value below which a share of sorted values lies, linear between two of them (NumPy's and R's default). */
export function quantile(sorted: Float64Array, share: number): number {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (place - below);
}
