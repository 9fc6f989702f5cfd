// Multi-head attention: who looks at whom in a sequence, or from one sequence into another.

import { ArgumentError, ShapeError, checkInteger, checkOptions, describeShape } from '../errors.js';
import { Xavier } from '../initializers/xavier.js';
import { attention } from '../ops/attention.js';
import { type OptionList, type ReadOptions, flag, probability, readOptions } from '../options.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { Layer } from './layer.js';
import { Linear } from './linear.js';
import { registerLayers } from './registry.js';

/** Options of {@link MultiHeadAttention}. */
export interface MultiHeadAttentionOptions {
  /** Whether a position sees those before it and itself only. Default false. */
  causal?: boolean;
  /** Probability of dropping a weight in training. Default 0. */
  dropout?: number;
  /** Whether the four linear layers have biases. Default true. */
  bias?: boolean;
}

/** @internal */
export const attentionOptions = {
  causal: [false, flag],
  dropout: [0, probability],
  bias: [true, flag],
} satisfies OptionList<MultiHeadAttentionOptions>;

/** Sequences with what belongs to them: what a layer of attention takes in the place of a tensor. */
export interface Sequences {
  /** The sequences, [N, positions, features]. */
  x: Tensor;
  /** Sequences to look into, [N, positions, features], for cross-attention. Default: `x` itself. */
  context?: Tensor;
  /** Which positions that are looked at count, [N, positions]: 1, or 0 for padding. Default: all. */
  mask?: Tensor<'uint8'>;
}

/** @internal A tensor, or sequences with context and mask. */
export function checkSequences(name: string, input: unknown, features: number): Sequences {
  const given = input instanceof Tensor ? { x: input as Tensor } : checkOptions<Sequences>(input, 'input', ['x', 'context', 'mask']);
  for (const [key, value] of [['x', given.x], ...(given.context === undefined ? [] : [['context', given.context]])] as [string, AnyTensor][]) {
    const { shape } = Tensor.check(value, key);
    if (shape.length !== 3 || shape[2] !== features)
      throw new ShapeError(`[${name}] expected \`${key}\` [N, positions, ${features}], received shape ${describeShape(shape)}`);
  }
  return given;
}

/** @internal Refuses what comes behind the one input: key, value and masks of other frameworks. */
export function refuseFurther(name: string, more: readonly unknown[], form: string): void {
  if (more.every((one) => one === undefined)) return;
  throw new ArgumentError(
    `[${name}] forward() takes one argument, received ${more.length + 1}: give { ${form} } in its place. In a mask 1 counts, 0 is padding`,
  );
}

/**
 * Multi-head attention, `attention(x·Wq, c·Wk, c·Wv)·Wo` with biases, where the context c is x itself or another sequence. Vaswani et al. 2017.
 *
 * Input [N, positions, features], or {@link Sequences} with a context or a mask of padding; see {@link attention}. PyTorch's
 * `in_proj_weight` is the three first weights, transposed, above each other.
 *
 * @example
 * ```ts
 * import { MultiHeadAttention, ones } from 'nodegrad';
 * const layer = new MultiHeadAttention(64, 4, { causal: true });
 * layer.forward(ones([2, 10, 64])).shape; // [2, 10, 64]
 * layer.eval();
 * new MultiHeadAttention(64, 4).forward({ x: ones([2, 3, 64]), context: ones([2, 10, 64]) }).shape; // [2, 3, 64]
 * ```
 */
export class MultiHeadAttention extends Layer<Tensor | Sequences, Tensor> {
  /** Makes queries of x. */
  readonly query: Linear;
  /** Makes keys of the context. */
  readonly key: Linear;
  /** Makes values of the context. */
  readonly value: Linear;
  /** Mixes what the heads give. */
  readonly output: Linear;
  /** Size of the last axis. */
  readonly features: number;
  /** How many heads share the features. */
  readonly heads: number;
  /** Whether a position sees those before it and itself only. */
  readonly causal: boolean;
  /** Probability of dropping a weight in training. */
  readonly dropout: number;
  /** @internal The stream of masks. */
  readonly masks = this.stream('dropout');
  readonly #options: ReadOptions<typeof attentionOptions>;

  /**
   * @param features - Size of the last axis.
   * @param heads - How many heads share the features.
   * @throws {@link ArgumentError} for wrong options, {@link ShapeError} when the heads do not divide the features.
   */
  constructor(features: number, heads: number, options: MultiHeadAttentionOptions = {}) {
    super();
    this.#options = readOptions(options, attentionOptions);
    ({ causal: this.causal, dropout: this.dropout } = this.#options);
    this.features = checkInteger(features, 'features', 1, 2 ** 31 - 1);
    this.heads = checkInteger(heads, 'heads', 1, 2 ** 31 - 1);
    if (features % heads !== 0) throw new ShapeError(`expected \`heads\` to divide \`features\`, received ${heads} and ${features}`);
    const { bias } = this.#options;
    const linear = (): Linear => new Linear(features, features, { bias, init: new Xavier() });
    this.query = linear();
    this.key = linear();
    this.value = linear();
    this.output = linear();
  }

  /** @throws {@link ShapeError} when shapes do not fit, {@link ArgumentError} for a second argument. */
  forward(input: Tensor | Sequences, ...more: never[]): Tensor {
    refuseFurther('multiHeadAttention', more, 'x, context, mask');
    const { x, context = x, mask } = checkSequences('multiHeadAttention', input, this.features);
    const y = attention(this.query.forward(x), this.key.forward(context), this.value.forward(context), {
      heads: this.heads,
      causal: this.causal,
      ...(mask !== undefined && { mask }),
      ...(this.training && this.dropout > 0 && { dropout: this.dropout, random: this.masks }),
    });
    return this.output.forward(y);
  }

  override config(): unknown {
    return { features: this.features, heads: this.heads, ...this.#options };
  }
  /** The layer that `config()` describes. */
  static fromConfig({ features, heads, ...options }: MultiHeadAttentionOptions & { features: number; heads: number }): MultiHeadAttention {
    return new MultiHeadAttention(features, heads, options);
  }
}

registerLayers({ MultiHeadAttention });
