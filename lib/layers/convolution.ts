// Convolution layers over images [N, H, W, C].

import { ArgumentError, checkInteger } from '../errors.js';
import { Zeros } from '../initializers/constant.js';
import { He } from '../initializers/he.js';
import { type Initializer, initializer } from '../initializers/initializer.js';
import { Xavier } from '../initializers/xavier.js';
import {
  type ConvolutionAlgorithm,
  type Padding2d,
  type Size2d,
  checkPadding2d,
  checkSize2d,
  conv2d,
  convTranspose2d,
  convolutionAlgorithms,
} from '../ops/convolution.js';
import { type Check, type OptionList, type ReadOptions, choice, flag, integer, readOptions } from '../options.js';
import { Parameter } from '../parameter.js';
import { Tensor } from '../tensor.js';
import { type InitializerHint, Layer, type PyTorchItem } from './layer.js';
import { registerLayers } from './registry.js';

/** Options that {@link Conv2d} and {@link ConvTranspose2d} share. */
export interface ConvolutionLayerOptions {
  /** Step between windows. Default 1. */
  stride?: Size2d;
  /** Distance between the taps of a kernel. Default 1. */
  dilation?: Size2d;
  /** Groups that inputs and outputs are split into; as many as inputs: depthwise. Default 1. */
  groups?: number;
  /** Whether to add a bias; it is of no use before a batch normalization. Default true. */
  bias?: boolean;
  /** First weights. Default: Xavier when tanh or sigmoid follows in a Sequential, behind norms, pooling and dropout, too, else He (course row C23). */
  init?: Initializer;
  /** First biases. Default zeros (course row A25). */
  biasInit?: Initializer;
  /** Which algorithms may serve. Default: what `setConvolution` says. */
  conv?: ConvolutionAlgorithm;
}

/** Options of {@link Conv2d}. */
export interface Conv2dOptions extends ConvolutionLayerOptions {
  /** Zeros around the image: a number, [height, width], [[top, bottom], [left, right]], `'same'` or `'valid'`. Default 0. */
  padding?: Padding2d;
}

/** Options of {@link ConvTranspose2d}. */
export interface ConvTranspose2dOptions extends ConvolutionLayerOptions {
  /** Rows and columns that are taken off around the result. Default 0. */
  padding?: Size2d;
  /** Rows and columns that are added below and to the right. Default 0. */
  outputPadding?: Size2d;
}

const size2d =
  (least: number): Check<readonly [number, number]> =>
  (value, argument) =>
    checkSize2d(value, argument, least);

const shared = {
  stride: [1, size2d(1)],
  dilation: [1, size2d(1)],
  groups: [1, integer(1)],
  bias: [true, flag],
  init: [undefined, initializer],
  biasInit: [new Zeros(), initializer],
  conv: [undefined, choice(convolutionAlgorithms)],
} satisfies OptionList<ConvolutionLayerOptions>;
const conv2dOptions = { ...shared, padding: [0, checkPadding2d] } satisfies OptionList<Conv2dOptions>;
const convTranspose2dOptions = {
  ...shared,
  padding: [0, size2d(0)],
  outputPadding: [0, size2d(0)],
} satisfies OptionList<ConvTranspose2dOptions>;

function checkGroups(groups: number, inChannels: number, outChannels: number): void {
  if (inChannels % groups !== 0 || outChannels % groups !== 0) {
    throw new ArgumentError(`options.groups must divide the ${inChannels} input and ${outChannels} output channels, received ${groups}`);
  }
}

// [out, in, height, width] there.
const kernelItems = { weight: { axes: [3, 2, 0, 1] } };

/**
 * Two-dimensional convolution `y = x ∗ w + b` over images [N, H, W, in] (see {@link conv2d}).
 *
 * The weight is [kernel height, kernel width, in / groups, out]; PyTorch stores [out, in / groups, kernel height, kernel width]. Course
 * rows M01, M07.
 *
 * @example
 * ```ts
 * import { Conv2d, ones } from 'nodegrad';
 * new Conv2d(3, 16, 3, { padding: 'same' }).forward(ones([8, 32, 32, 3])).shape; // [8, 32, 32, 16]
 * ```
 */
export class Conv2d extends Layer {
  /** Shape [kernel height, kernel width, in / groups, out]. */
  readonly weight: Parameter;
  /** Shape [out], or null without a bias. */
  readonly bias: Parameter | null;
  /** Channels of the input. */
  readonly inChannels: number;
  /** Number of filters. */
  readonly outChannels: number;
  /** Height and width of the kernel. */
  readonly kernelSize: readonly [number, number];
  /** Step between windows, vertically and horizontally. */
  readonly stride: readonly [number, number];
  /** Zeros around the image: `'same'`, or [[top, bottom], [left, right]]. */
  readonly padding: 'same' | readonly [readonly [number, number], readonly [number, number]];
  /** Distance between taps, vertically and horizontally. */
  readonly dilation: readonly [number, number];
  /** Groups of channels. */
  readonly groups: number;
  readonly #options: Omit<ReadOptions<typeof conv2dOptions>, 'init' | 'biasInit'>;
  readonly #chosen: boolean;

  /**
   * @param inChannels - Channels of the input.
   * @param outChannels - Number of filters.
   * @param kernelSize - One number, or [height, width].
   * @throws {@link ArgumentError} for sizes below 1, groups that do not divide the channels, or unknown options.
   */
  constructor(inChannels: number, outChannels: number, kernelSize: Size2d, options: Conv2dOptions = {}) {
    super();
    const { init, biasInit, ...plain } = readOptions(options, conv2dOptions);
    this.inChannels = checkInteger(inChannels, 'inChannels', 1, 2 ** 31 - 1);
    this.outChannels = checkInteger(outChannels, 'outChannels', 1, 2 ** 31 - 1);
    this.kernelSize = checkSize2d(kernelSize, 'kernelSize', 1);
    this.#options = plain;
    ({ stride: this.stride, padding: this.padding, dilation: this.dilation, groups: this.groups } = plain);
    checkGroups(this.groups, this.inChannels, this.outChannels);
    this.#chosen = init !== undefined;
    const shape = [...this.kernelSize, this.inChannels / this.groups, this.outChannels];
    this.weight = new Parameter(shape, { init: init ?? new He() });
    this.bias = plain.bias ? new Parameter([this.outChannels], { init: biasInit }) : null;
  }

  forward(x: Tensor): Tensor {
    const { bias: _, ...options } = this.#options;
    return conv2d(Tensor.check(x, 'x') as Tensor, this.weight, this.bias, options);
  }

  /** @internal */
  override followedBy(hint: InitializerHint): void {
    if (!this.#chosen && hint === 'xavier') this.weight.init = new Xavier();
  }

  /** @internal */
  override get pytorchItems(): Readonly<Record<string, PyTorchItem>> {
    return kernelItems;
  }

  override config(): unknown {
    const { inChannels, outChannels, kernelSize } = this;
    return { inChannels, outChannels, kernelSize, ...this.#options };
  }

  /** The layer that `config()` describes. */
  static fromConfig(config: { inChannels: number; outChannels: number; kernelSize: Size2d } & Conv2dOptions): Conv2d {
    const { inChannels, outChannels, kernelSize, ...options } = config;
    return new Conv2d(inChannels, outChannels, kernelSize, options);
  }
}

/**
 * Transposed convolution over images [N, H, W, in] (see {@link convTranspose2d}): the usual learned upsampling.
 *
 * The weight is [kernel height, kernel width, out / groups, in]: that of the convolution that it transposes.
 *
 * @example
 * ```ts
 * import { ConvTranspose2d, ones } from 'nodegrad';
 * new ConvTranspose2d(16, 8, 4, { stride: 2, padding: 1 }).forward(ones([1, 7, 7, 16])).shape; // [1, 14, 14, 8]
 * ```
 */
export class ConvTranspose2d extends Layer {
  /** Shape [kernel height, kernel width, out / groups, in]. */
  readonly weight: Parameter;
  /** Shape [out], or null without a bias. */
  readonly bias: Parameter | null;
  /** Channels of the input. */
  readonly inChannels: number;
  /** Channels of the output. */
  readonly outChannels: number;
  /** Height and width of the kernel. */
  readonly kernelSize: readonly [number, number];
  /** Step between windows in the output. */
  readonly stride: readonly [number, number];
  /** Rows and columns taken off around the result. */
  readonly padding: readonly [number, number];
  /** Rows and columns added below and to the right. */
  readonly outputPadding: readonly [number, number];
  /** Distance between taps. */
  readonly dilation: readonly [number, number];
  /** Groups of channels. */
  readonly groups: number;
  readonly #options: Omit<ReadOptions<typeof convTranspose2dOptions>, 'init' | 'biasInit'>;

  /**
   * @param inChannels - Channels of the input.
   * @param outChannels - Channels of the output.
   * @param kernelSize - One number, or [height, width].
   * @throws {@link ArgumentError} for sizes below 1, groups that do not divide the channels, or unknown options.
   */
  constructor(inChannels: number, outChannels: number, kernelSize: Size2d, options: ConvTranspose2dOptions = {}) {
    super();
    const { init = new He({ mode: 'fanOut' }), biasInit, ...plain } = readOptions(options, convTranspose2dOptions);
    this.inChannels = checkInteger(inChannels, 'inChannels', 1, 2 ** 31 - 1);
    this.outChannels = checkInteger(outChannels, 'outChannels', 1, 2 ** 31 - 1);
    this.kernelSize = checkSize2d(kernelSize, 'kernelSize', 1);
    this.#options = plain;
    ({ stride: this.stride, padding: this.padding, outputPadding: this.outputPadding, dilation: this.dilation, groups: this.groups } = plain);
    checkGroups(this.groups, this.inChannels, this.outChannels);
    const shape = [...this.kernelSize, this.outChannels / this.groups, this.inChannels];
    this.weight = new Parameter(shape, { init });
    this.bias = plain.bias ? new Parameter([this.outChannels], { init: biasInit }) : null;
  }

  forward(x: Tensor): Tensor {
    const { bias: _, ...options } = this.#options;
    return convTranspose2d(Tensor.check(x, 'x') as Tensor, this.weight, this.bias, options);
  }

  /** @internal */
  override get pytorchItems(): Readonly<Record<string, PyTorchItem>> {
    return kernelItems;
  }

  override config(): unknown {
    const { inChannels, outChannels, kernelSize } = this;
    return { inChannels, outChannels, kernelSize, ...this.#options };
  }

  /** The layer that `config()` describes. */
  static fromConfig(config: { inChannels: number; outChannels: number; kernelSize: Size2d } & ConvTranspose2dOptions): ConvTranspose2d {
    const { inChannels, outChannels, kernelSize, ...options } = config;
    return new ConvTranspose2d(inChannels, outChannels, kernelSize, options);
  }
}

registerLayers({ Conv2d, ConvTranspose2d });
