// Maxima over a given number of windows, as layers: adaptive and fractional pooling.

import type { FloatDType } from '../dtype.js';
import { checkOptions } from '../errors.js';
import { type Size2d, checkSize2d } from '../ops/convolution.js';
import { type Fractional, type FractionalPoolOptions, adaptiveMaxPool2d, checkFractional, fractionalMaxPool2d } from '../ops/window_pooling.js';
import type { Tensor } from '../tensor.js';
import { Layer } from './layer.js';
import { registerLayers } from './registry.js';

/**
 * Maxima of a given number of windows; see {@link adaptiveMaxPool2d}.
 *
 * @example
 * ```ts
 * import { AdaptiveMaxPool2d, ones } from 'nodegrad';
 * new AdaptiveMaxPool2d(6).forward(ones([16, 13, 13, 256])).shape; // [16, 6, 6, 256]
 * ```
 */
export class AdaptiveMaxPool2d extends Layer {
  /** Number of windows: rows, columns. */
  readonly outputSize: readonly [number, number];

  /**
   * @param outputSize - Number of windows.
   * @throws {@link ArgumentError} for sizes below 1.
   */
  constructor(outputSize: Size2d) {
    super();
    this.outputSize = checkSize2d(outputSize, 'outputSize', 1);
  }

  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    return adaptiveMaxPool2d(x, this.outputSize);
  }
  override get initializerHint(): 'through' {
    return 'through';
  }
  override config(): unknown {
    return { outputSize: this.outputSize };
  }
  /** The layer that `config()` describes. */
  static fromConfig({ outputSize }: { outputSize: Size2d }): AdaptiveMaxPool2d {
    return new AdaptiveMaxPool2d(outputSize);
  }
}

/**
 * Maxima of windows that are drawn anew for each image and step in training; in evaluation their sequence is `'fixed'`, so that an image
 * has one result. See {@link fractionalMaxPool2d}.
 *
 * Each layer draws from a stream of its own, whoever calls it. Course row F10.
 *
 * @example
 * ```ts
 * import { FractionalMaxPool2d, ones } from 'nodegrad';
 * new FractionalMaxPool2d(18, { sequence: 'pseudorandom' }).forward(ones([16, 25, 25, 32])).shape; // [16, 18, 18, 32]
 * ```
 */
export class FractionalMaxPool2d extends Layer {
  readonly #fractional: Fractional;
  /** @internal The stream of windows. */
  readonly windows = this.stream('fractional');

  /**
   * @param outputSize - Number of windows, below the rows and columns of the images.
   * @throws {@link ArgumentError} for sizes below 1 or wrong options.
   */
  constructor(outputSize: Size2d, options: FractionalPoolOptions = {}) {
    super();
    this.#fractional = checkFractional(outputSize, checkOptions(options, 'options', ['sequence', 'overlapping']));
  }

  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    const { outputSize, sequence, overlapping } = this.#fractional;
    return fractionalMaxPool2d(x, outputSize, { sequence: this.training ? sequence : 'fixed', overlapping, random: this.windows });
  }
  override get initializerHint(): 'through' {
    return 'through';
  }
  override config(): unknown {
    return { ...this.#fractional };
  }
  /** The layer that `config()` describes. */
  static fromConfig({ outputSize, ...options }: FractionalPoolOptions & { outputSize: Size2d }): FractionalMaxPool2d {
    return new FractionalMaxPool2d(outputSize, options);
  }
}

registerLayers({ AdaptiveMaxPool2d, FractionalMaxPool2d });
