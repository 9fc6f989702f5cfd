// Pooling layers: the functions of lib/ops/pooling.ts as layers; every export is public.

import type { FloatDType } from '../dtype.js';
import { type Size2d, checkSize2d } from '../ops/convolution.js';
import {
  type AvgPool2dOptions,
  type MaxPool2dOptions,
  type Pooling,
  adaptiveAvgPool2d,
  avgPool2d,
  checkAvgPool2d,
  checkMaxPool2d,
  globalAvgPool2d,
  globalMaxPool2d,
  maxPool2d,
} from '../ops/pooling.js';
import type { Tensor } from '../tensor.js';
import { Layer } from './layer.js';
import { registerLayers } from './registry.js';

/**
 * The maximum of each window; see {@link maxPool2d}.
 *
 * @example
 * ```ts
 * import { MaxPool2d, ones } from 'nodegrad';
 * new MaxPool2d(3, { stride: 2, padding: 1 }).forward(ones([16, 112, 112, 64])).shape; // [16, 56, 56, 64]
 * ```
 */
export class MaxPool2d extends Layer {
  /** The windows. */
  readonly pooling: Pooling;

  /**
   * @param kernelSize - Size of the window, at most 256 taps.
   * @throws {@link ArgumentError} for a padding above half of the window or an unknown option.
   */
  constructor(kernelSize: Size2d, options: MaxPool2dOptions = {}) {
    super();
    this.pooling = checkMaxPool2d(kernelSize, options);
  }

  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    const { kernelSize, ...options } = this.pooling;
    return maxPool2d(x, kernelSize, options);
  }
  override get initializerHint(): 'through' {
    return 'through';
  }
  override config(): unknown {
    return { ...this.pooling };
  }
  /** The layer that `config()` describes. */
  static fromConfig({ kernelSize, ...options }: Pooling): MaxPool2d {
    return new MaxPool2d(kernelSize, options);
  }
}

/**
 * The mean of each window; see {@link avgPool2d}.
 *
 * @example
 * ```ts
 * import { AvgPool2d, ones } from 'nodegrad';
 * new AvgPool2d(2).forward(ones([16, 28, 28, 6])).shape; // [16, 14, 14, 6]
 * ```
 */
export class AvgPool2d extends Layer {
  /** Size of the window: rows, columns. */
  readonly kernelSize: readonly [number, number];
  readonly #options: AvgPool2dOptions;

  /**
   * @param kernelSize - Size of the window.
   * @throws {@link ArgumentError} for a padding above half of the window or an unknown option.
   */
  constructor(kernelSize: Size2d, options: AvgPool2dOptions = {}) {
    super();
    const { divisorOverride, stride, padding, ceilMode, countIncludePad, ...windows } = checkAvgPool2d(kernelSize, options);
    this.kernelSize = windows.kernelSize;
    this.#options = { stride, padding, ceilMode, countIncludePad, ...(divisorOverride === 0 ? {} : { divisorOverride }) };
  }

  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    return avgPool2d(x, this.kernelSize, this.#options);
  }
  override get initializerHint(): 'through' {
    return 'through';
  }
  override config(): unknown {
    return { kernelSize: this.kernelSize, ...this.#options };
  }
  /** The layer that `config()` describes. */
  static fromConfig({ kernelSize, ...options }: AvgPool2dOptions & { kernelSize: Size2d }): AvgPool2d {
    return new AvgPool2d(kernelSize, options);
  }
}

/**
 * Means of a given number of windows; see {@link adaptiveAvgPool2d}.
 *
 * @example
 * ```ts
 * import { AdaptiveAvgPool2d, ones } from 'nodegrad';
 * new AdaptiveAvgPool2d(6).forward(ones([16, 13, 13, 256])).shape; // [16, 6, 6, 256]
 * ```
 */
export class AdaptiveAvgPool2d extends Layer {
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
    return adaptiveAvgPool2d(x, this.outputSize);
  }
  override get initializerHint(): 'through' {
    return 'through';
  }
  override config(): unknown {
    return { outputSize: this.outputSize };
  }
  /** The layer that `config()` describes. */
  static fromConfig({ outputSize }: { outputSize: Size2d }): AdaptiveAvgPool2d {
    return new AdaptiveAvgPool2d(outputSize);
  }
}

/**
 * The mean of each channel, [N, H, W, C] → [N, C]; see {@link globalAvgPool2d}.
 *
 * @example
 * ```ts
 * import { GlobalAvgPool2d, ones } from 'nodegrad';
 * new GlobalAvgPool2d().forward(ones([16, 7, 7, 512])).shape; // [16, 512]
 * ```
 */
export class GlobalAvgPool2d extends Layer {
  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    return globalAvgPool2d(x);
  }
  override get initializerHint(): 'through' {
    return 'through';
  }
  /** The layer that `config()` describes. */
  static fromConfig(): GlobalAvgPool2d {
    return new GlobalAvgPool2d();
  }
}

/**
 * The maximum of each channel, [N, H, W, C] → [N, C]; see {@link globalMaxPool2d}.
 *
 * @example
 * ```ts
 * import { GlobalMaxPool2d, ones } from 'nodegrad';
 * new GlobalMaxPool2d().forward(ones([16, 7, 7, 512])).shape; // [16, 512]
 * ```
 */
export class GlobalMaxPool2d extends Layer {
  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    return globalMaxPool2d(x);
  }
  override get initializerHint(): 'through' {
    return 'through';
  }
  /** The layer that `config()` describes. */
  static fromConfig(): GlobalMaxPool2d {
    return new GlobalMaxPool2d();
  }
}

registerLayers({ MaxPool2d, AvgPool2d, AdaptiveAvgPool2d, GlobalAvgPool2d, GlobalMaxPool2d });
