// Convolution and pooling along sequences [N, T, C]: those of images, one row high.

import type { FloatDType } from '../dtype.js';
import { ArgumentError, ShapeError, checkFlag, checkInteger, checkOptions, describeShape, expected } from '../errors.js';
import { Zeros } from '../initializers/constant.js';
import { He } from '../initializers/he.js';
import { type Initializer, initializer } from '../initializers/initializer.js';
import { Xavier } from '../initializers/xavier.js';
import { conv2d } from '../ops/convolution.js';
import { avgPool2d, maxPool2d } from '../ops/pooling.js';
import { type Check, type OptionList, type ReadOptions, flag, integer, readOptions } from '../options.js';
import { Parameter } from '../parameter.js';
import { Tensor } from '../tensor.js';
import { type InitializerHint, Layer, type PyTorchItem } from './layer.js';
import { registerLayers } from './registry.js';

/** Options of {@link Conv1d}. */
export interface Conv1dOptions {
  /** Step between windows. Default 1. */
  stride?: number;
  /** Zeros around the sequence: a number, [before, after], `'same'` or `'valid'`; [(k − 1)·dilation, 0] for a causal one. Default 0. */
  padding?: number | readonly [number, number] | 'same' | 'valid';
  /** Distance between the taps of a kernel. Default 1. */
  dilation?: number;
  /** Groups that inputs and outputs are split into. Default 1. */
  groups?: number;
  /** Whether to add a bias. Default true. */
  bias?: boolean;
  /** First weights. Default: Xavier when tanh or sigmoid follows in a Sequential, else He. */
  init?: Initializer;
  /** First biases. Default zeros. */
  biasInit?: Initializer;
}

const padding: Check<'same' | readonly [number, number]> = (value, argument) => {
  if (value === 'same') return 'same';
  if (value === 'valid') return [0, 0];
  if (!Array.isArray(value)) {
    if (typeof value === 'string') throw new ArgumentError(expected("a number, [before, after], 'same' or 'valid'", argument, value));
    const zeros = checkInteger(value, argument, 0);
    return [zeros, zeros];
  }
  if (value.length !== 2) throw new ArgumentError(expected('[before, after]', argument, value));
  return [checkInteger(value[0], `${argument}[0]`, 0), checkInteger(value[1], `${argument}[1]`, 0)];
};

const conv1dOptions = {
  stride: [1, integer(1)],
  padding: [[0, 0], padding],
  dilation: [1, integer(1)],
  groups: [1, integer(1)],
  bias: [true, flag],
  init: [undefined, initializer],
  biasInit: [new Zeros(), initializer],
} satisfies OptionList<Conv1dOptions>;

/** Sequences as images one row high, through `body`, and back. */
function asRow<D extends FloatDType>(name: string, x: Tensor<D>, channels: number | null, body: (row: Tensor<D>) => Tensor<D>): Tensor<D> {
  const { shape } = Tensor.check(x, 'x');
  if (shape.length !== 3 || (channels !== null && shape[2] !== channels)) {
    const hint = shape.length === 3 && shape[1] === channels ? '. Is it [N, C, T]? nodegrad keeps channels last: x.transpose([0, 2, 1])' : '';
    throw new ShapeError(`[${name}] expected sequences [N, T, ${channels ?? 'C'}], received shape ${describeShape(shape)}${hint}`);
  }
  const y = body(x.reshape([shape[0], 1, shape[1], shape[2]]));
  return y.reshape([y.shape[0], y.shape[2], y.shape[3]]);
}

/**
 * Convolution along sequences [N, T, in] → [N, T′, out]: {@link Conv2d} with a kernel one row high.
 *
 * The weight is [kernel, in / groups, out]; PyTorch stores [out, in / groups, kernel], and its sequences are [N, C, T].
 *
 * @example
 * ```ts
 * import { Conv1d, ones } from 'nodegrad';
 * new Conv1d(8, 16, 3, { padding: 'same' }).forward(ones([4, 100, 8])).shape; // [4, 100, 16]
 * ```
 */
export class Conv1d extends Layer {
  /** Shape [kernel, in / groups, out]. */
  readonly weight: Parameter;
  /** Shape [out], or null without a bias. */
  readonly bias: Parameter | null;
  /** Channels of the input. */
  readonly inChannels: number;
  /** Number of filters. */
  readonly outChannels: number;
  /** Length of the kernel. */
  readonly kernelSize: number;
  readonly #options: Omit<ReadOptions<typeof conv1dOptions>, 'init' | 'biasInit'>;
  readonly #chosen: boolean;

  /**
   * @param inChannels - Channels of the input.
   * @param outChannels - Number of filters.
   * @param kernelSize - Length of the kernel.
   * @throws {@link ArgumentError} for sizes below 1, groups that do not divide the channels, or unknown options.
   */
  constructor(inChannels: number, outChannels: number, kernelSize: number, options: Conv1dOptions = {}) {
    super();
    const { init, biasInit, ...plain } = readOptions(options, conv1dOptions);
    this.inChannels = checkInteger(inChannels, 'inChannels', 1, 2 ** 31 - 1);
    this.outChannels = checkInteger(outChannels, 'outChannels', 1, 2 ** 31 - 1);
    this.kernelSize = checkInteger(kernelSize, 'kernelSize', 1, 2 ** 31 - 1);
    this.#options = plain;
    const { groups } = plain;
    if (inChannels % groups !== 0 || outChannels % groups !== 0)
      throw new ArgumentError(`options.groups must divide the ${inChannels} input and ${outChannels} output channels, received ${groups}`);
    this.#chosen = init !== undefined;
    this.weight = new Parameter([kernelSize, inChannels / groups, outChannels], { init: init ?? new He() });
    this.bias = plain.bias ? new Parameter([outChannels], { init: biasInit }) : null;
  }

  /** @throws {@link ShapeError} for other channels, or a sequence that is shorter than the kernel. */
  forward(x: Tensor): Tensor {
    const { stride, padding: zeros, dilation, groups } = this.#options;
    const weight = this.weight.reshape([1, ...this.weight.shape]);
    return asRow('conv1d', x, this.inChannels, (row) =>
      conv2d(row, weight, this.bias, {
        stride: [1, stride],
        padding: zeros === 'same' ? zeros : [[0, 0], zeros],
        dilation: [1, dilation],
        groups,
      }),
    );
  }

  /** @internal */
  override followedBy(hint: InitializerHint): void {
    if (!this.#chosen && hint === 'xavier') this.weight.init = new Xavier();
  }

  /** @internal */
  override get pytorchItems(): Readonly<Record<string, PyTorchItem>> {
    return { weight: { axes: [2, 1, 0] } };
  }

  override config(): unknown {
    const { inChannels, outChannels, kernelSize } = this;
    return { inChannels, outChannels, kernelSize, ...this.#options };
  }
  /** The layer that `config()` describes. */
  static fromConfig(config: { inChannels: number; outChannels: number; kernelSize: number } & Conv1dOptions): Conv1d {
    const { inChannels, outChannels, kernelSize, ...options } = config;
    return new Conv1d(inChannels, outChannels, kernelSize, options);
  }
}

/** Options of {@link MaxPool1d}. */
export interface MaxPool1dOptions {
  /** Step between windows. Default: the size of the window. */
  stride?: number;
  /** Places added at both ends. Default 0. */
  padding?: number;
  /** Whether a last window that reaches beyond the padding counts. Default false. */
  ceilMode?: boolean;
}

/** Options of {@link AvgPool1d}. */
export interface AvgPool1dOptions extends MaxPool1dOptions {
  /** Whether places in the padding count in the divisor. Default true, as in PyTorch. */
  countIncludePad?: boolean;
}

interface Windows {
  readonly kernelSize: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];
  readonly ceilMode: boolean;
}

function windowsOf(kernelSize: number, { stride, padding: places, ceilMode }: MaxPool1dOptions): Windows {
  const size = checkInteger(kernelSize, 'kernelSize', 1, 2 ** 31 - 1);
  const pad = checkInteger(places ?? 0, 'options.padding', 0);
  if (2 * pad > size) throw new ArgumentError(expected(`at most half of the window's ${size}`, 'options.padding', places));
  return {
    kernelSize: [1, size],
    stride: [1, checkInteger(stride ?? size, 'options.stride', 1)],
    padding: [0, pad],
    ceilMode: checkFlag(ceilMode ?? false, 'options.ceilMode'),
  };
}

const flat = ({
  kernelSize,
  stride,
  padding: pad,
  ceilMode,
}: Windows): { kernelSize: number; stride: number; padding: number; ceilMode: boolean } => ({
  kernelSize: kernelSize[1],
  stride: stride[1],
  padding: pad[1],
  ceilMode,
});

/**
 * The maximum of each window along sequences [N, T, C]; see {@link MaxPool2d}.
 *
 * @example
 * ```ts
 * import { MaxPool1d, ones } from 'nodegrad';
 * new MaxPool1d(2).forward(ones([4, 100, 8])).shape; // [4, 50, 8]
 * ```
 */
export class MaxPool1d extends Layer {
  readonly #windows: Windows;

  /**
   * @param kernelSize - Length of the window, at most 256.
   * @throws {@link ArgumentError} for a padding above half of the window or an unknown option.
   */
  constructor(kernelSize: number, options: MaxPool1dOptions = {}) {
    super();
    this.#windows = windowsOf(kernelSize, checkOptions<MaxPool1dOptions>(options, 'options', ['stride', 'padding', 'ceilMode']));
  }

  /** @throws {@link ShapeError} for anything but [N, T, C]. */
  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    const { kernelSize, ...options } = this.#windows;
    return asRow('maxPool1d', x, null, (row) => maxPool2d(row, kernelSize, options));
  }
  override get initializerHint(): 'through' {
    return 'through';
  }
  override config(): unknown {
    return flat(this.#windows);
  }
  /** The layer that `config()` describes. */
  static fromConfig({ kernelSize, ...options }: MaxPool1dOptions & { kernelSize: number }): MaxPool1d {
    return new MaxPool1d(kernelSize, options);
  }
}

/**
 * The mean of each window along sequences [N, T, C]; see {@link AvgPool2d}.
 *
 * @example
 * ```ts
 * import { AvgPool1d, ones } from 'nodegrad';
 * new AvgPool1d(4).forward(ones([4, 100, 8])).shape; // [4, 25, 8]
 * ```
 */
export class AvgPool1d extends Layer {
  readonly #windows: Windows;
  readonly #countIncludePad: boolean;

  /**
   * @param kernelSize - Length of the window.
   * @throws {@link ArgumentError} for a padding above half of the window or an unknown option.
   */
  constructor(kernelSize: number, options: AvgPool1dOptions = {}) {
    super();
    const given = checkOptions<AvgPool1dOptions>(options, 'options', ['stride', 'padding', 'ceilMode', 'countIncludePad']);
    this.#windows = windowsOf(kernelSize, given);
    this.#countIncludePad = checkFlag(given.countIncludePad ?? true, 'options.countIncludePad');
  }

  /** @throws {@link ShapeError} for anything but [N, T, C]. */
  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    const { kernelSize, ...options } = this.#windows;
    return asRow('avgPool1d', x, null, (row) => avgPool2d(row, kernelSize, { ...options, countIncludePad: this.#countIncludePad }));
  }
  override get initializerHint(): 'through' {
    return 'through';
  }
  override config(): unknown {
    return { ...flat(this.#windows), countIncludePad: this.#countIncludePad };
  }
  /** The layer that `config()` describes. */
  static fromConfig({ kernelSize, ...options }: AvgPool1dOptions & { kernelSize: number }): AvgPool1d {
    return new AvgPool1d(kernelSize, options);
  }
}

registerLayers({ Conv1d, MaxPool1d, AvgPool1d });
