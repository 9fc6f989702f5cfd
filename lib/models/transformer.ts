// A small transformer that continues texts. Assembly only.

import { checkInteger, checkNumber, checkOptions } from '../errors.js';
import { Normal } from '../initializers/normal.js';
import { Embedding } from '../layers/embedding.js';
import { LayerNorm } from '../layers/group-norm.js';
import { Linear } from '../layers/linear.js';
import { PositionalEmbedding, TransformerBlock } from '../layers/transformer.js';
import type { Tensor } from '../tensor.js';
import type { Model } from '../training/model.js';
import { Sequential } from './sequential.js';

/** Options of {@link characterTransformer}. */
export interface CharacterTransformerOptions {
  /** How many characters there are. */
  characters: number;
  /** The most characters that it looks back at. Default 64. */
  context?: number;
  /** Numbers for each character. Default 64. */
  features?: number;
  /** Heads of each block. Default 4. */
  heads?: number;
  /** Blocks. Default 2. */
  layers?: number;
  /** Probability of dropping, in training. Default 0. */
  dropout?: number;
}

/**
 * A decoder of characters: embeddings of characters and positions, blocks that look back, a norm, and scores for the next character at every
 * position. Vaswani et al. 2017, in the form of Radford et al. 2019.
 *
 * Input: indices of characters, int32 [N, positions]; output: scores [N, positions, characters], for `crossEntropy` with the text one
 * character further on.
 *
 * @throws {ArgumentError} for sizes below 1 or unknown options, {ShapeError} when the heads do not divide the features.
 * @example
 * ```ts
 * import { Tensor, characterTransformer } from 'nodegrad';
 * const model = characterTransformer({ characters: 30, context: 32 });
 * model.forward(Tensor.from(Int32Array.of(4, 8, 15, 16), [1, 4])).shape; // [1, 4, 30]
 * ```
 */
export function characterTransformer(options: CharacterTransformerOptions): Model<Tensor<'int32'>, Tensor> {
  const known = ['characters', 'context', 'features', 'heads', 'layers', 'dropout'];
  const given = checkOptions<CharacterTransformerOptions>(options, 'options', known);
  const size = (name: 'characters' | 'context' | 'features' | 'heads' | 'layers', otherwise?: number, most = 2 ** 31 - 1): number =>
    checkInteger(given[name] ?? otherwise, `options.${name}`, 1, most);
  const [characters, context, features, heads] = [size('characters'), size('context', 64), size('features', 64), size('heads', 4)];
  const dropout = checkNumber(given.dropout ?? 0, 'options.dropout', 0, 1);
  const blocks = Array.from(
    { length: size('layers', 2, 1024) },
    () => new TransformerBlock(features, heads, { causal: true, normFirst: true, dropout }),
  );
  const init = new Normal({ std: 0.02 });
  const model = new Sequential(
    [
      new Embedding(characters, features, { init }),
      new PositionalEmbedding(context, features),
      ...blocks,
      new LayerNorm(features),
      new Linear(features, characters, { init }),
    ],
    { inputShape: [context] },
  );
  return model as unknown as Model<Tensor<'int32'>, Tensor>;
}
