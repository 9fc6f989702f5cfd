// Padding and resizing of images as layers.

import type { FloatDType } from '../dtype.js';
import type { Padding2d } from '../ops/convolution.js';
import {
  type Frame,
  type Pad2dOptions,
  type Upsample2dOptions,
  type Upsampling,
  checkFrame,
  checkUpsampling,
  pad2d,
  upsample2d,
} from '../ops/resample.js';
import type { Tensor } from '../tensor.js';
import { Layer } from './layer.js';
import { registerLayers } from './registry.js';

/**
 * Puts a frame around images; see {@link pad2d}.
 *
 * @example
 * ```ts
 * import { Pad2d, ones } from 'nodegrad';
 * new Pad2d([[0, 1], [0, 1]], { mode: 'replicate' }).forward(ones([16, 7, 7, 32])).shape; // [16, 8, 8, 32]
 * ```
 */
export class Pad2d extends Layer {
  readonly #frame: Frame;

  /**
   * @param padding - One number, [top and bottom, left and right], or [[top, bottom], [left, right]].
   * @throws {@link ArgumentError} for numbers below 0 or wrong options.
   */
  constructor(padding: Exclude<Padding2d, string>, options: Pad2dOptions = {}) {
    super();
    this.#frame = checkFrame(padding, options);
  }

  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    const { padding, ...options } = this.#frame;
    return pad2d(x, padding, options);
  }
  override get initializerHint(): 'through' {
    return 'through';
  }
  override config(): unknown {
    return { ...this.#frame };
  }
  /** The layer that `config()` describes. */
  static fromConfig({ padding, ...options }: Pad2dOptions & { padding: Exclude<Padding2d, string> }): Pad2d {
    return new Pad2d(padding, options);
  }
}

/**
 * Gives images another size; see {@link upsample2d}.
 *
 * @example
 * ```ts
 * import { Upsample2d, ones } from 'nodegrad';
 * new Upsample2d({ scaleFactor: 2 }).forward(ones([16, 14, 14, 64])).shape; // [16, 28, 28, 64]
 * ```
 */
export class Upsample2d extends Layer {
  readonly #upsampling: Upsampling;

  /** @throws {@link ArgumentError} for sizes below 1 or wrong options. */
  constructor(options: Upsample2dOptions) {
    super();
    this.#upsampling = checkUpsampling(options);
  }

  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    return upsample2d(x, this.#upsampling);
  }
  override get initializerHint(): 'through' {
    return 'through';
  }
  override config(): unknown {
    return { ...this.#upsampling };
  }
  /** The layer that `config()` describes. */
  static fromConfig(options: Upsample2dOptions): Upsample2d {
    return new Upsample2d(options);
  }
}

registerLayers({ Pad2d, Upsample2d });
