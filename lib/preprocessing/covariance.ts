// The covariance matrix of many examples, batch by batch: one matrix product in float64 for each.

import type { AnyTensor } from '../tensor.js';
import { tensorOf } from './affine.js';
import { refuseNonFinite } from './finite.js';

/** Mean and population covariance of examples of `features` numbers. */
export class Covariance {
  /** About the mean of the first batch, so that large means cost no digits. */
  #about: Float64Array | null = null;
  readonly #sums: Float64Array;
  readonly #products: Float64Array;
  #count = 0;

  constructor(
    readonly features: number,
    readonly shape: readonly number[],
  ) {
    this.#sums = new Float64Array(features);
    this.#products = new Float64Array(features * features);
  }

  add(batch: AnyTensor, first: number): void {
    refuseNonFinite(batch, first, this.shape);
    const { features } = this;
    const rows = batch.shape[0];
    const x = batch.to('float64').reshape([rows, features]);
    this.#about ??= Float64Array.from(x.mean(0).data);
    const centred = x.sub(tensorOf(this.#about, [features]));
    const [sums, products] = [centred.sum(0).data, centred.matmul(centred, { transposeA: true }).data];
    for (let j = 0; j < features; j++) this.#sums[j] += sums[j];
    for (let j = 0; j < products.length; j++) this.#products[j] += products[j];
    this.#count += rows;
  }

  mean(): Float64Array {
    return this.#sums.map((sum, j) => (this.#about as Float64Array)[j] + sum / this.#count);
  }

  /** [features, features], divided by n. */
  matrix(): Float64Array {
    const { features } = this;
    const matrix = new Float64Array(features * features);
    for (let i = 0, at = 0; i < features; i++)
      for (let j = 0; j < features; j++, at++)
        matrix[at] = this.#products[at] / this.#count - (this.#sums[i] / this.#count) * (this.#sums[j] / this.#count);
    return matrix;
  }
}
