// A transformer's block, and what tells it positions.

import type { FloatDType } from '../dtype.js';
import { ArgumentError, ShapeError, checkInteger, describeShape, expected } from '../errors.js';
import { type Initializer, initializer } from '../initializers/initializer.js';
import { Normal } from '../initializers/normal.js';
import { type ActivationName, activation, activationNames } from '../ops/activation.js';
import { exp, log } from '../ops/elementwise.js';
import { eagerly, withoutGradients } from '../ops/emit.js';
import { gelu } from '../ops/smooth_activations.js';
import { choice, integer, readOptions } from '../options.js';
import { Parameter } from '../parameter.js';
import { Tensor } from '../tensor.js';
import {
  MultiHeadAttention,
  type MultiHeadAttentionOptions,
  type Sequences,
  attentionOptions,
  checkSequences,
  refuseFurther,
} from './attention.js';
import { LayerNorm } from './group-norm.js';
import { Layer } from './layer.js';
import { Linear } from './linear.js';
import { registerLayers } from './registry.js';
import { RMSNorm } from './rms-norm.js';
import { Dropout } from './dropout.js';

/** Options of {@link TransformerBlock}. */
export interface TransformerBlockOptions extends MultiHeadAttentionOptions {
  /** Units of the hidden layer. Default: four times the features. */
  hidden?: number;
  /** Which norm stands before attention and before the hidden layer. Default `'layer'`. */
  norm?: 'layer' | 'rms';
  /** The activation of the hidden layer; `'geluTanh'` is `gelu` by its formula with tanh, as GPT-2 has it. Default `'relu'`. */
  activation?: ActivationName | 'geluTanh';
}

/**
 * `x ← x + attention(norm(x))`, then `x + mlp(norm(x))`, the mlp being linear, activation, linear: a block with its norms first. Vaswani et al. 2017; Xiong et
 * al. 2020 for the place of the norms.
 *
 * `dropout` drops attention weights and what the two parts add. Input [N, positions, features], or {@link Sequences} with a mask of padding.
 *
 * @example
 * ```ts
 * import { TransformerBlock, ones } from 'nodegrad';
 * new TransformerBlock(64, 4, { causal: true }).forward(ones([2, 10, 64])).shape; // [2, 10, 64]
 * ```
 */
export class TransformerBlock extends Layer<Tensor | Sequences, Tensor> {
  /** The norm before attention. */
  readonly attentionNorm: LayerNorm | RMSNorm;
  /** Who looks at whom. */
  readonly attention: MultiHeadAttention;
  /** The norm before the hidden layer. */
  readonly mlpNorm: LayerNorm | RMSNorm;
  /** The two linear layers behind attention. */
  readonly mlp: {
    /** Into the hidden layer. */
    readonly hidden: Linear;
    /** Out of it. */
    readonly output: Linear;
  };
  /** Drops what the two parts add. */
  readonly drop: Dropout;
  /** Units of the hidden layer. */
  readonly hidden: number;
  /** Which norm it has. */
  readonly norm: 'layer' | 'rms';
  /** The activation of the hidden layer. */
  readonly activation: ActivationName | 'geluTanh';

  /**
   * @param features - Size of the last axis.
   * @param heads - How many heads share the features.
   * @throws {@link ArgumentError} for wrong options, {@link ShapeError} when the heads do not divide the features.
   */
  constructor(features: number, heads: number, options: TransformerBlockOptions = {}) {
    super();
    const { hidden, norm, activation, ...attention } = readOptions(options, {
      ...attentionOptions,
      hidden: [4 * checkInteger(features, 'features', 1, 2 ** 29 - 1), integer(1, 2 ** 31 - 1)],
      norm: ['layer', choice(['layer', 'rms'])],
      activation: ['relu', choice([...activationNames, 'geluTanh'])],
    });
    this.attention = new MultiHeadAttention(features, heads, attention);
    [this.norm, this.activation, this.hidden] = [norm, activation, hidden];
    const makeNorm = (): LayerNorm | RMSNorm => (this.norm === 'layer' ? new LayerNorm(features) : new RMSNorm(features));
    this.attentionNorm = makeNorm();
    this.mlpNorm = makeNorm();
    const { bias } = attention;
    this.mlp = { hidden: new Linear(features, this.hidden, { bias }), output: new Linear(this.hidden, features, { bias }) };
    this.drop = new Dropout(this.attention.dropout);
  }

  /** @throws {@link ShapeError} when shapes do not fit, {@link ArgumentError} for a second argument. */
  forward(input: Tensor | Sequences, ...more: never[]): Tensor {
    refuseFurther('transformerBlock', more, 'x, mask');
    const { x, context, mask } = checkSequences('transformerBlock', input, this.attention.features);
    if (context !== undefined) throw new ArgumentError(expected('sequences without a context: the block looks at itself', 'input', input));
    const normed = this.attentionNorm.forward(x);
    const seen = this.attention.forward(mask === undefined ? normed : { x: normed, mask });
    const y = x.add(this.drop.forward(seen));
    const wide = this.mlp.hidden.forward(this.mlpNorm.forward(y));
    const hidden = this.activation === 'geluTanh' ? gelu(wide, { approximate: 'tanh' }) : activation(this.activation)(wide);
    return y.add(this.drop.forward(this.mlp.output.forward(hidden)));
  }

  override config(): unknown {
    const { features, heads, causal, dropout, output } = this.attention;
    return { features, heads, causal, dropout, bias: output.bias !== null, hidden: this.hidden, norm: this.norm, activation: this.activation };
  }
  /** The block that `config()` describes. */
  static fromConfig({ features, heads, ...options }: TransformerBlockOptions & { features: number; heads: number }): TransformerBlock {
    return new TransformerBlock(features, heads, options);
  }
}

/** Rows of positions under each example, [N, positions, features]. */
function checkPositions(name: string, input: Tensor<FloatDType>, features: number, most: number): number {
  const { shape } = input;
  if (shape.length < 2 || shape[shape.length - 1] !== features)
    throw new ShapeError(`[${name}] expected [..., positions, ${features}], received shape ${describeShape(shape)}`);
  const positions = shape[shape.length - 2];
  if (positions > most) throw new ShapeError(`[${name}] expected at most ${most} positions, received shape ${describeShape(shape)}`);
  return positions;
}

/** Options of {@link PositionalEmbedding}. */
export interface PositionalEmbeddingOptions {
  /** First rows. Default: normal numbers with standard deviation 0.02. */
  init?: Initializer;
}

/**
 * `y = x + W[0 … positions)`: a learned row for each position. Gehring et al. 2017.
 *
 * @example
 * ```ts
 * import { PositionalEmbedding, ones } from 'nodegrad';
 * new PositionalEmbedding(128, 64).forward(ones([2, 10, 64])).shape; // [2, 10, 64]
 * ```
 */
export class PositionalEmbedding extends Layer {
  /** A row for each position, [positions, features]. */
  readonly weight: Parameter;
  /** The most positions that a sequence may have. */
  readonly positions: number;
  /** Size of the last axis. */
  readonly features: number;

  /**
   * @param positions - The most positions that a sequence may have.
   * @param features - Size of the last axis.
   * @throws {@link ArgumentError} for sizes below 1 or wrong options.
   */
  constructor(positions: number, features: number, options: PositionalEmbeddingOptions = {}) {
    super();
    const { init } = readOptions(options, { init: [new Normal({ std: 0.02 }), initializer] });
    this.positions = checkInteger(positions, 'positions', 1, 2 ** 31 - 1);
    this.features = checkInteger(features, 'features', 1, 2 ** 31 - 1);
    this.weight = new Parameter([this.positions, this.features], { init });
  }

  /** @throws {@link ShapeError} for a sequence that is too long, or other features. */
  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    const input = Tensor.check(x, 'x') as Tensor<D>;
    const count = checkPositions('positionalEmbedding', input, this.features, this.positions);
    return input.add(this.weight.slice([0, 0], [count, this.features]).to(input.dtype) as unknown as Tensor<D>);
  }

  override config(): unknown {
    return { positions: this.positions, features: this.features };
  }
  /** The layer that `config()` describes. */
  static fromConfig({ positions, features }: { positions: number; features: number }): PositionalEmbedding {
    return new PositionalEmbedding(positions, features);
  }
}

// sin w and cos w for 0 ≤ w ≤ 1 by their series: JavaScript's own differ between engines.
function sineAndCosine(w: number): [number, number] {
  let [sine, cosine, term] = [0, 0, 1];
  for (let n = 0; n < 24; n++) {
    const signed = (n >> 1) % 2 === 0 ? term : -term;
    if (n % 2 === 0) cosine += signed;
    else sine += signed;
    term *= w / (n + 1);
  }
  return [sine, cosine];
}

/** sin(p·w) and cos(p·w) in turn, for all positions p and w = 10000^(−2i/features); each position turns the one before. */
function encoding(positions: number, features: number): Float64Array {
  const rows = new Float64Array(positions * features);
  const exponents = Float64Array.from({ length: Math.ceil(features / 2) }, (_, i) => (-2 * i) / features);
  const frequencies = exp(Tensor.from(exponents).mul(log(Tensor.from(Float64Array.of(10_000))).item())).data;
  for (const [i, w] of frequencies.entries()) {
    const [sine, cosine] = sineAndCosine(w);
    let [s, c] = [0, 1];
    for (let p = 0; p < positions; p++) {
      rows[p * features + 2 * i] = s;
      if (2 * i + 1 < features) rows[p * features + 2 * i + 1] = c;
      [s, c] = [s * cosine + c * sine, c * cosine - s * sine];
    }
  }
  return rows;
}

/**
 * `y[p, 2i] = x[p, 2i] + sin(p·10000^(−2i/features))`, and the cosine in `y[p, 2i+1]`: positions without parameters. Vaswani et al. 2017, section 3.5.
 *
 * @example
 * ```ts
 * import { PositionalEncoding, zeros } from 'nodegrad';
 * new PositionalEncoding(2).forward(zeros([1, 2, 2])).toArray(); // [[[0, 1], [0.8414…, 0.5403…]]]
 * ```
 */
export class PositionalEncoding extends Layer {
  /** Size of the last axis. */
  readonly features: number;
  #rows: Float64Array = new Float64Array(0);

  /**
   * @param features - Size of the last axis.
   * @throws {@link ArgumentError} for a size below 1.
   */
  constructor(features: number) {
    super();
    this.features = checkInteger(features, 'features', 1, 2 ** 31 - 1);
  }

  /** @throws {@link ShapeError} for other features. */
  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    const input = Tensor.check(x, 'x') as Tensor<D>;
    const count = checkPositions('positionalEncoding', input, this.features, 2 ** 20);
    const size = count * this.features;
    if (this.#rows.length < size) this.#rows = eagerly(() => withoutGradients(() => encoding(count, this.features)));
    const rows = this.#rows.slice(0, size);
    return input.add(Tensor.wrap((input.dtype === 'float64' ? rows : Float32Array.from(rows)) as never, [count, this.features], input.dtype));
  }

  override config(): unknown {
    return { features: this.features };
  }
  /** The layer that `config()` describes. */
  static fromConfig({ features }: { features: number }): PositionalEncoding {
    return new PositionalEncoding(features);
  }
}

registerLayers({ TransformerBlock, PositionalEmbedding, PositionalEncoding });
