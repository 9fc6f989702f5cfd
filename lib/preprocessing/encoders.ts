// Encoders: values that are names of something, as numbers that a net can use.

import { type FloatDType, arrayTypes } from '../dtype.js';
import { ArgumentError, checkChoice, checkInteger, checkOptions } from '../errors.js';
import { equal } from '../ops/elementwise.js';
import { concat } from '../ops/shape.js';
import { isHollow } from '../ops/trace.js';
import { Tensor } from '../tensor.js';
import { tensorOf } from './affine.js';
import { sizeOf } from './centre.js';
import { Transform, type TransformFitter, registerTransforms } from './transform.js';

/** Options of {@link OneHotEncoder} and {@link OrdinalEncoder}. */
export interface EncoderOptions {
  /** Number of categories, where the values are codes that count from 0; default: the values that the training data have, in ascending order. */
  readonly categories?: number;
  /** What a value is that is none of the categories, or NaN: an error (default), or no category: zeros, and NaN from an {@link OrdinalEncoder}. */
  readonly unknown?: 'error' | 'none';
}

abstract class Encoder extends Transform {
  /** Number of categories that was given; undefined where they are learned. */
  readonly given: number | undefined;
  /** What a value is that is none of the categories. */
  readonly unknown: 'error' | 'none';

  constructor(options: EncoderOptions) {
    super();
    const { categories, unknown = 'error' } = checkOptions<EncoderOptions>(options, 'options', ['categories', 'unknown']);
    this.given = categories === undefined ? undefined : checkInteger(categories, 'options.categories', 1, 2 ** 24);
    this.unknown = checkChoice(unknown, 'options.unknown', ['error', 'none']);
  }

  /** The categories of each feature, in the order of their codes. */
  get categories(): readonly (readonly number[])[] {
    return this.#categories();
  }

  #categories(): number[][] {
    const [values, counts] = [Array.from(this.value('categories').data), Array.from(this.value('counts').data)];
    let start = 0;
    return counts.map((count) => values.slice(start, (start += count)));
  }

  protected fitter(shape: readonly number[]): TransformFitter {
    const features = sizeOf(shape);
    const seen = Array.from({ length: features }, () => new Set<number>());
    const { given } = this;
    return {
      add: ({ data }) => {
        if (given === undefined) for (let i = 0; i < data.length; i++) if (!Number.isNaN(data[i])) seen[i % features].add(data[i] as number);
      },
      learned: () => {
        const all = seen.map((values) =>
          given === undefined ? Float64Array.from(values).sort() : Float64Array.from({ length: given }, (_, code) => code),
        );
        const joined = Float64Array.from(all.flatMap((values) => Array.from(values)));
        return {
          categories: tensorOf(joined, [joined.length]),
          counts: tensorOf(
            Float64Array.from(all, ({ length }) => length),
            [features],
          ),
        };
      },
    };
  }

  /** Calls `use` with the code of each number: −1 for one that is no category. */
  protected codes(x: Tensor<FloatDType>, use: (code: number, row: number, feature: number) => void): void {
    const maps = this.#categories().map((values) => new Map(values.map((value, code) => [value, code])));
    const features = maps.length;
    const { data } = x;
    for (let i = 0; i < data.length; i++) {
      const [row, feature] = [Math.floor(i / features), i % features];
      const code = maps[feature].get(data[i]) ?? -1;
      if (code < 0 && this.unknown === 'error')
        throw new ArgumentError(`example ${row}, feature ${feature}: ${data[i]} is none of the categories of training`);
      use(code, row, feature);
    }
  }

  config(): unknown {
    return { ...(this.given !== undefined && { categories: this.given }), unknown: this.unknown };
  }
}

/**
 * One number per category: 1 for the one that a value is, 0 for the others. Examples of several features get the columns of all of them, one
 * feature after the other. `inverse` gives the values back, and NaN where no category is 1.
 *
 * @throws {@link ArgumentError} for options outside their range; `transform` throws one for a value that was not seen in training, unless
 *   `unknown` is `'none'`.
 * @example
 * ```ts
 * import { OneHotEncoder, tensor } from 'nodegrad';
 * new OneHotEncoder().fit(tensor([[3], [5], [9]])).transform(tensor([[5]])); // [[0, 1, 0]]
 * ```
 */
export class OneHotEncoder extends Encoder {
  constructor(options: EncoderOptions = {}) {
    super(options);
  }

  protected apply(x: Tensor<FloatDType>): Tensor<FloatDType> {
    if (isHollow(x) && this.unknown === 'none') return this.#traced(x);
    const starts = this.#starts();
    const width = starts[starts.length - 1];
    const encoded = new arrayTypes[x.dtype](x.shape[0] * width);
    this.codes(x, (code, row, feature) => {
      if (code >= 0) encoded[row * width + starts[feature] + code] = 1;
    });
    return Tensor.from(encoded, [x.shape[0], width]) as Tensor<FloatDType>;
  }

  /** The same by operations, for a trace: each number beside all categories, which takes longer. */
  #traced(x: Tensor<FloatDType>): Tensor<FloatDType> {
    const [rows] = x.shape;
    const parts = this.categories.map((values, feature) =>
      equal(x.slice([0, feature], [rows, feature + 1]), Tensor.from(new arrayTypes[x.dtype](values), [values.length]) as Tensor<FloatDType>),
    );
    return concat(parts, 1).to(x.dtype) as Tensor<FloatDType>;
  }

  protected override revert(y: Tensor<FloatDType>): Tensor<FloatDType> {
    const starts = this.#starts();
    const { categories } = this;
    const width = starts[starts.length - 1];
    const decoded = new arrayTypes[y.dtype](y.shape[0] * categories.length);
    for (let row = 0, at = 0; row < y.shape[0]; row++)
      for (const [feature, values] of categories.entries()) {
        const code = values.findIndex((_, k) => y.data[row * width + starts[feature] + k] === 1);
        decoded[at++] = values[code] ?? Number.NaN;
      }
    return Tensor.from(decoded, [y.shape[0], ...(this.inputShape as readonly number[])]) as Tensor<FloatDType>;
  }

  protected override outputOf(): readonly number[] {
    return [this.#starts().at(-1) as number];
  }

  /** Where the columns of each feature begin, and behind the last. */
  #starts(): number[] {
    const starts = [0];
    for (const count of this.value('counts').data) starts.push(starts[starts.length - 1] + count);
    return starts;
  }

  /** The transform that `config()` describes. */
  static fromConfig(config: EncoderOptions): OneHotEncoder {
    return new OneHotEncoder(config);
  }
}

/**
 * One number for each value: 0 for the first category, 1 for the second, and so on. For categories that have an order; others are better
 * {@link OneHotEncoder | one-hot}.
 *
 * @throws {@link ArgumentError} for options outside their range; `transform` throws one for a value that was not seen in training, unless
 *   `unknown` is `'none'`.
 * @example
 * ```ts
 * import { OrdinalEncoder, tensor } from 'nodegrad';
 * new OrdinalEncoder().fit(tensor([[3], [5], [9]])).transform(tensor([[9]])); // [[2]]
 * ```
 */
export class OrdinalEncoder extends Encoder {
  constructor(options: EncoderOptions = {}) {
    super(options);
  }

  protected apply(x: Tensor<FloatDType>): Tensor<FloatDType> {
    const encoded = x.data.slice();
    let at = 0;
    this.codes(x, (code) => {
      encoded[at++] = code < 0 ? Number.NaN : code;
    });
    return Tensor.from(encoded, x.shape) as Tensor<FloatDType>;
  }

  protected override revert(y: Tensor<FloatDType>): Tensor<FloatDType> {
    const { categories } = this;
    const decoded = y.data.map((code, i) => categories[i % categories.length][code] ?? Number.NaN);
    return Tensor.from(decoded, y.shape) as Tensor<FloatDType>;
  }

  /** The transform that `config()` describes. */
  static fromConfig(config: EncoderOptions): OrdinalEncoder {
    return new OrdinalEncoder(config);
  }
}

registerTransforms({ OneHotEncoder, OrdinalEncoder });
