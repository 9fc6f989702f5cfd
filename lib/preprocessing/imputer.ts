// Imputation: missing values (NaN) are filled with something learned from those that are there.

import type { FloatDType } from '../dtype.js';
import { ArgumentError, checkChoice, checkNumber, checkOptions } from '../errors.js';
import { notEqual, where } from '../ops/elementwise.js';
import type { Tensor } from '../tensor.js';
import { tensorOf } from './affine.js';
import { sizeOf } from './centre.js';
import { Gathered, quantile } from './gathered.js';
import { Transform, type TransformFitter, registerTransforms } from './transform.js';

/** What a missing value is filled with. */
export type ImputerStrategy = 'mean' | 'median' | 'most-frequent' | 'constant';

/** Options of {@link Imputer}. */
export interface ImputerOptions {
  /** Default `'mean'`. Of several values that are equally frequent the least is taken. */
  readonly strategy?: ImputerStrategy;
  /** The constant of strategy `'constant'`; default 0. */
  readonly value?: number;
}

/**
 * Fills missing values, which are NaN, with the mean, the median or the most frequent value of their feature in the training data, or with
 * a constant. `fit` holds all numbers in memory, 8 bytes each.
 *
 * @throws {@link ArgumentError} for unknown strategies, or a `value` without strategy `'constant'`; `fit` throws one for a feature that has
 *   no value in any example.
 * @example
 * ```ts
 * import { Imputer, tensor } from 'nodegrad';
 * const imputer = new Imputer({ strategy: 'median' }).fit(tensor([[1], [2], [9]]));
 * imputer.transform(tensor([[Number.NaN]])); // [[2]]
 * ```
 */
export class Imputer extends Transform {
  /** What a missing value is filled with. */
  readonly strategy: ImputerStrategy;
  readonly #constant: number;

  constructor(options: ImputerOptions = {}) {
    super();
    const { strategy = 'mean', value } = checkOptions<ImputerOptions>(options, 'options', ['strategy', 'value']);
    this.strategy = checkChoice(strategy, 'options.strategy', ['mean', 'median', 'most-frequent', 'constant']);
    if (value !== undefined && strategy !== 'constant') throw new ArgumentError("`options.value` is for the strategy 'constant'");
    this.#constant = checkNumber(value ?? 0, 'options.value');
  }

  /** What missing values of each feature become. */
  get fill(): Tensor<'float64'> {
    return this.value('fill');
  }

  protected fitter(shape: readonly number[], { length, name }: { readonly length: number; readonly name: string }): TransformFitter {
    const features = sizeOf(shape);
    if (this.strategy === 'constant') {
      return { add() {}, learned: () => ({ fill: tensorOf(new Float64Array(features).fill(this.#constant), shape) }) };
    }
    const gathered = new Gathered(features, length);
    const fillOf = (feature: number): number => {
      const sorted = gathered.sorted(feature);
      if (sorted.length === 0) throw new ArgumentError(`feature ${feature} has no value in any example of ${name}: leave it out`);
      if (this.strategy === 'median') return quantile(sorted, 0.5);
      return this.strategy === 'mean' ? mean(sorted) : mostFrequent(sorted);
    };
    return {
      add: (batch) => gathered.add(batch),
      learned: () => ({
        fill: tensorOf(
          Float64Array.from({ length: features }, (_, j) => fillOf(j)),
          shape,
        ),
      }),
    };
  }

  protected apply(x: Tensor<FloatDType>): Tensor<FloatDType> {
    return where(notEqual(x, x), this.valueAs('fill', x.dtype), x); // NaN alone is not equal to itself
  }

  override namesAfter(columns: readonly string[] | null): readonly string[] | null {
    return columns;
  }

  config(): unknown {
    return { strategy: this.strategy, ...(this.strategy === 'constant' && { value: this.#constant }) };
  }

  /** The transform that `config()` describes. */
  static fromConfig(config: ImputerOptions): Imputer {
    return new Imputer(config);
  }
}

function mean(sorted: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < sorted.length; i++) sum += sorted[i] - sorted[0];
  return sorted[0] + sum / sorted.length;
}

function mostFrequent(sorted: Float64Array): number {
  let [best, most, count] = [sorted[0], 0, 0];
  for (let i = 0; i < sorted.length; i++) {
    count = i > 0 && sorted[i] === sorted[i - 1] ? count + 1 : 1;
    if (count > most) [best, most] = [sorted[i], count];
  }
  return best;
}

registerTransforms({ Imputer });
