// GPT-2: the decoder whose weights Hugging Face publishes. Assembly only.

import { checkInteger, checkNumber, checkOptions } from '../errors.js';
import { Normal } from '../initializers/normal.js';
import { Embedding } from '../layers/embedding.js';
import { LayerNorm } from '../layers/group-norm.js';
import { registerLayers } from '../layers/registry.js';
import { PositionalEmbedding, TransformerBlock } from '../layers/transformer.js';
import type { Tensor } from '../tensor.js';
import { Model } from '../training/model.js';

/** Options of {@link gpt2}. */
export interface Gpt2Options {
  /** How many tokens there are. Default 50257. */
  tokens?: number;
  /** The most tokens that it looks back at. Default 1024. */
  context?: number;
  /** Numbers for each token. Default 768. */
  features?: number;
  /** Heads of each block. Default 12. */
  heads?: number;
  /** Blocks. Default 12. */
  layers?: number;
  /** Probability of dropping in blocks, in training. Default 0. */
  dropout?: number;
}

/**
 * The network that {@link gpt2} makes: embeddings of tokens and places, blocks, a norm; scores by the table of tokens itself.
 *
 * @example
 * ```ts
 * import { type Gpt2, gpt2 } from 'nodegrad';
 * const model: Gpt2 = gpt2({ tokens: 100, context: 32, features: 64, heads: 4, layers: 2 });
 * console.log(model.blocks.length, model.parameterCount());
 * ```
 */
export class Gpt2 extends Model<Tensor<'int32'>, Tensor> {
  /** The table of tokens, which also gives the scores. */
  readonly embedding: Embedding;
  /** The table of places. */
  readonly positions: PositionalEmbedding;
  /** Blocks that look back, with their norms first. */
  readonly blocks: readonly TransformerBlock[];
  /** The norm behind them. */
  readonly norm: LayerNorm;
  readonly #options: Required<Gpt2Options>;

  /** @internal */
  constructor(options: Required<Gpt2Options>) {
    super();
    const { tokens, context, features, heads, layers, dropout } = options;
    const init = new Normal({ std: 0.02 });
    this.#options = options;
    this.embedding = new Embedding(tokens, features, { init });
    this.positions = new PositionalEmbedding(context, features);
    this.blocks = Array.from(
      { length: layers },
      () => new TransformerBlock(features, heads, { causal: true, normFirst: true, dropout, activation: 'geluTanh' }),
    );
    this.norm = new LayerNorm(features);
  }

  /** Shape of one example: as many tokens as it looks back at. */
  get inputShape(): readonly number[] {
    return [this.#options.context];
  }

  /** @throws {@link ShapeError} for more tokens than it looks back at, {@link IndexError} for one that is not in the table. */
  forward(tokens: Tensor<'int32'>): Tensor {
    let x: Tensor = this.positions.forward(this.embedding.forward(tokens));
    for (const block of this.blocks) x = block.forward(x);
    const rows = this.norm.forward(x).reshape([-1, this.#options.features]);
    return rows.matmul(this.embedding.weight, { transposeB: true }).reshape([...tokens.shape, this.#options.tokens]);
  }

  override config(): unknown {
    return this.#options;
  }
  /** The network that `config()` describes. */
  static fromConfig(config: Gpt2Options): Gpt2 {
    return gpt2(config);
  }
}

/**
 * GPT-2 (Radford et al. 2019), by default in its smallest published size: a decoder with norms first, learned places, GELU by tanh, and scores out of the table of tokens.
 * `loadPyTorch` fills it with the weights of Hugging Face, whose sizes the options say: `n_embd` is `features`, `n_head` `heads`, `n_layer` `layers`.
 *
 * Input: indices of tokens, int32 [N, positions]; output: scores of the next token, [N, positions, tokens].
 *
 * @throws {@link ArgumentError} for sizes below 1 or unknown options, {@link ShapeError} when the heads do not divide the features.
 * @example
 * ```ts
 * import { Tensor, gpt2, loadPyTorch } from 'nodegrad';
 * const model = gpt2();
 * await loadPyTorch(model, 'gpt2/model.safetensors');
 * model.eval().forward(Tensor.from(Int32Array.of(15496, 11, 995), [1, 3])).shape; // [1, 3, 50257]
 * ```
 */
export function gpt2(options: Gpt2Options = {}): Gpt2 {
  const given = checkOptions<Gpt2Options>(options, 'options', ['tokens', 'context', 'features', 'heads', 'layers', 'dropout']);
  const size = (name: Exclude<keyof Gpt2Options, 'dropout'>, otherwise: number, most = 2 ** 29 - 1): number =>
    checkInteger(given[name] ?? otherwise, `options.${name}`, 1, most);
  return new Gpt2({
    tokens: size('tokens', 50257),
    context: size('context', 1024),
    features: size('features', 768),
    heads: size('heads', 12),
    layers: size('layers', 12, 1024),
    dropout: checkNumber(given.dropout ?? 0, 'options.dropout', 0, 1),
  });
}

registerLayers({ Gpt2 });
