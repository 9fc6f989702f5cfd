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
  readonly out: readonly [number, number];

  /**
   * @param out - Number of windows.
   * @throws {@link ArgumentError} for sizes below 1.
   */
  constructor(out: Size2d) {
    super();
    this.out = checkSize2d(out, 'out', 1);
  }

  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    return adaptiveMaxPool2d(x, this.out);
  }
  override get initializerHint(): 'through' {
    return 'through';
  }
  override config(): unknown {
    return { out: this.out };
  }
  /** The layer that `config()` describes. */
  static fromConfig({ out }: { out: Size2d }): AdaptiveMaxPool2d {
    return new AdaptiveMaxPool2d(out);
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
   * @param out - Number of windows, below the rows and columns of the images.
   * @throws {@link ArgumentError} for sizes below 1 or wrong options.
   */
  constructor(out: Size2d, options: FractionalPoolOptions = {}) {
    super();
    this.#fractional = checkFractional(out, checkOptions(options, 'options', ['sequence', 'overlapping']));
  }

  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    const { out, sequence, overlapping } = this.#fractional;
    return fractionalMaxPool2d(x, out, { sequence: this.training ? sequence : 'fixed', overlapping, random: this.windows });
  }
  override get initializerHint(): 'through' {
    return 'through';
  }
  override config(): unknown {
    return { ...this.#fractional };
  }
  /** The layer that `config()` describes. */
  static fromConfig({ out, ...options }: FractionalPoolOptions & { out: Size2d }): FractionalMaxPool2d {
    return new FractionalMaxPool2d(out, options);
  }
}

registerLayers({ AdaptiveMaxPool2d, FractionalMaxPool2d });
