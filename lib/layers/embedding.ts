// Rows of a learned table by index: what words, characters and categories become.

import { DTypeError, IndexError, checkInteger, describeShape } from '../errors.js';
import { Initializer, initializer } from '../initializers/initializer.js';
import { Normal } from '../initializers/normal.js';
import type { DType } from '../dtype.js';
import { where } from '../ops/elementwise.js';
import { isTracing } from '../ops/emit.js';
import { gather } from '../ops/shape.js';
import { integer, readOptions } from '../options.js';
import { Parameter } from '../parameter.js';
import type { Random } from '../random.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { Layer } from './layer.js';
import { registerLayers } from './registry.js';

/** Options of {@link Embedding}. */
export interface EmbeddingOptions {
  /** First rows. Default: normal numbers with standard deviation 1. */
  init?: Initializer;
  /** The index of padding: its row starts at zero and gets no gradient; one that came from a file stays what it is, as in PyTorch. Default: none. */
  paddingIndex?: number;
}

/** Another initializer's values, but zeros in one row. */
class WithoutRow extends Initializer {
  constructor(
    readonly inner: Initializer,
    readonly row: number,
  ) {
    super();
  }
  values: Initializer['values'] = (shape, dtype, random: Random) => {
    const values = this.inner.values(shape, dtype, random).clone();
    const width = values.size / shape[0];
    values.data.fill(0, this.row * width, (this.row + 1) * width);
    return values;
  };
}

/**
 * `y = W[index]`: a row of a learned table for each index. The gradient of a row is the sum over the places where its index stands, in their
 * order; other rows get none. Optimizers walk the whole table all the same: their momentum and decay move rows without a gradient, too.
 *
 * Indices are int32 or uint8, count from 0, and may have any shape [...]; the output is [..., features].
 *
 * @example
 * ```ts
 * import { Embedding, Tensor } from 'nodegrad';
 * const words = new Embedding(1000, 64, { paddingIndex: 0 });
 * words.forward(Tensor.from(Int32Array.of(5, 7, 0, 0), [1, 4])).shape; // [1, 4, 64]
 * ```
 */
export class Embedding extends Layer<Tensor<DType>, Tensor> {
  /** The table, [count, features]. */
  readonly weight: Parameter;
  /** How many indices there are. */
  readonly count: number;
  /** Numbers of a row. */
  readonly features: number;
  /** The index of padding, or null. */
  readonly paddingIndex: number | null;

  /**
   * @param count - How many indices there are.
   * @param features - Numbers of a row.
   * @throws {@link ArgumentError} for sizes below 1, a padding index outside the table, or wrong options.
   */
  constructor(count: number, features: number, options: EmbeddingOptions = {}) {
    super();
    this.count = checkInteger(count, 'count', 1, 2 ** 31 - 1);
    this.features = checkInteger(features, 'features', 1, 2 ** 31 - 1);
    const { init, paddingIndex = null } = readOptions(options, {
      init: [new Normal({ std: 1 }), initializer],
      paddingIndex: [undefined, integer(0, this.count - 1)],
    });
    this.paddingIndex = paddingIndex;
    this.weight = new Parameter([this.count, this.features], {
      init: this.paddingIndex === null ? init : new WithoutRow(init, this.paddingIndex),
    });
  }

  /** @throws {@link DTypeError} for indices that are not whole numbers, {@link IndexError} for one outside the table: it names row and value. */
  forward(index: Tensor<DType>): Tensor {
    const list = this.#indices(Tensor.check(index, 'index') as AnyTensor);
    const rows = this.#rows(list);
    if (this.paddingIndex === null || !rows.requiresGrad) return rows;
    return where(list.notEqual(this.paddingIndex).reshape([...list.shape, 1]) as Tensor<'uint8'>, rows, rows.detach());
  }

  #indices(index: AnyTensor): Tensor<'int32'> {
    if (index.dtype === 'int32') return index as Tensor<'int32'>;
    // By shapes alone, a model is asked with inputs of its parameters' type.
    if (index.dtype === 'uint8' || isTracing()) return index.to('int32');
    throw new DTypeError(`[embedding] expected int32 or uint8 indices, received ${index.dtype}: index.to('int32')`);
  }

  #rows(list: Tensor<'int32'>): Tensor {
    try {
      return gather(this.weight, list);
    } catch (error) {
      if (!(error instanceof IndexError)) throw error;
      const { value, position } = error;
      const place = list.shape.map(
        (_, d) => Math.floor(position / list.shape.slice(d + 1).reduce((product, size) => product * size, 1)) % list.shape[d],
      );
      const message = `[embedding] index ${value} in row ${place[0] ?? 0}, at [${place.join(', ')}] of ${describeShape(list.shape)}, lies outside 0 … ${this.count - 1}`;
      throw new IndexError(message, { value, position, minimum: 0, maximum: this.count - 1 }, { cause: error });
    }
  }

  override config(): unknown {
    return { count: this.count, features: this.features, ...(this.paddingIndex !== null && { paddingIndex: this.paddingIndex }) };
  }
  /** The layer that `config()` describes. */
  static fromConfig({ count, features, ...options }: { count: number; features: number; paddingIndex?: number }): Embedding {
    return new Embedding(count, features, options);
  }
}

registerLayers({ Embedding });
