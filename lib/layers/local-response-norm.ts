// Local response normalization as a layer.

import type { FloatDType } from '../dtype.js';
import { type LocalResponseNormOptions, type Response, checkResponse, localResponseNorm } from '../ops/local_response_norm.js';
import type { Tensor } from '../tensor.js';
import { Layer } from './layer.js';
import { registerLayers } from './registry.js';

/**
 * Divides each channel by a power of the squares of its neighbours; see {@link localResponseNorm}.
 *
 * @example
 * ```ts
 * import { LocalResponseNorm, ones } from 'nodegrad';
 * new LocalResponseNorm(5).forward(ones([16, 27, 27, 96])).shape; // [16, 27, 27, 96]
 * ```
 */
export class LocalResponseNorm extends Layer {
  readonly #response: Response;

  /**
   * @param size - How many channels are summed.
   * @throws {@link ArgumentError} for a size below 1, an option below 0 or unknown.
   */
  constructor(size: number, options: LocalResponseNormOptions = {}) {
    super();
    this.#response = checkResponse(size, options);
  }

  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    const { size, ...options } = this.#response;
    return localResponseNorm(x, size, options);
  }
  override get initializerHint(): 'through' {
    return 'through';
  }
  override config(): unknown {
    return { ...this.#response };
  }
  /** The layer that `config()` describes. */
  static fromConfig({ size, ...options }: LocalResponseNormOptions & { size: number }): LocalResponseNorm {
    return new LocalResponseNorm(size, options);
  }
}

registerLayers({ LocalResponseNorm });
