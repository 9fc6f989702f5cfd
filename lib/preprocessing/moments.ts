// Means and variances of many examples, batch by batch in float64: batches are merged as Chan, Golub and LeVeque (1979) do.

import type { AnyTensor } from '../tensor.js';
import { refuseNonFinite } from './finite.js';

/** Mean and population variance of each of `features` numbers that stand side by side. */
export class Moments {
  readonly mean: Float64Array;
  /** Sums of squared deviations. */
  readonly #squares: Float64Array;
  #count = 0;

  constructor(
    readonly features: number,
    readonly shape: readonly number[],
  ) {
    this.mean = new Float64Array(features);
    this.#squares = new Float64Array(features);
  }

  /** Takes in numbers whose last axis, or last axes, are the features. */
  add(batch: AnyTensor, first: number): void {
    const { features, mean } = this;
    const data = batch.data as ArrayLike<number>;
    const rows = data.length / features;
    const [sums, squares] = [new Float64Array(features), new Float64Array(features)];
    // Shifted by the first row: the mean of equal numbers is that number, to the bit.
    for (let at = 0; at < data.length; ) for (let j = 0; j < features; j++) sums[j] += data[at++] - data[j];
    for (let j = 0; j < features; j++) sums[j] = data[j] + sums[j] / rows;
    for (let j = 0; j < features; j++) if (!Number.isFinite(sums[j])) refuseNonFinite(batch, first, this.shape);
    for (let at = 0; at < data.length; )
      for (let j = 0; j < features; j++) {
        const deviation = data[at++] - sums[j];
        squares[j] += deviation * deviation;
      }
    const total = this.#count + rows;
    for (let j = 0; j < features; j++) {
      const between = sums[j] - mean[j];
      if (this.#count === 0) mean[j] = sums[j];
      else mean[j] += (between * rows) / total;
      this.#squares[j] += squares[j] + (this.#count === 0 ? 0 : between * between * ((this.#count * rows) / total));
    }
    this.#count = total;
  }

  /** Population standard deviations. */
  std(): Float64Array {
    return this.#squares.map((sum) => Math.sqrt(sum / this.#count));
  }
}
