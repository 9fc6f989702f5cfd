// What GoogLeNet is made of: convolution units, inception modules, auxiliary classifiers.

import { ArgumentError, checkChoice, checkObject, expected } from '../errors.js';
import { He } from '../initializers/he.js';
import { Xavier } from '../initializers/xavier.js';
import { Conv2d } from '../layers/convolution.js';
import { Layer } from '../layers/layer.js';
import { Linear } from '../layers/linear.js';
import { BatchNorm2d } from '../layers/batch-norm.js';
import { AdaptiveAvgPool2d, AvgPool2d, MaxPool2d } from '../layers/pooling.js';
import { registerLayers } from '../layers/registry.js';
import { Sequential } from './sequential.js';
import { Dropout } from '../layers/dropout.js';
import { Flatten } from '../layers/shape.js';
import { relu } from '../ops/activations.js';
import { concat } from '../ops/shape.js';
import type { Tensor } from '../tensor.js';
import { checkStages, classifier, complete } from './image-model.js';

/** Sizes of a {@link ConvolutionUnit}. */
export interface ConvolutionUnitOptions {
  /** Channels of the input. */
  inChannels: number;
  /** Filters. */
  outChannels: number;
  /** Height and width of the kernel. */
  kernelSize: number;
  /** Step between windows. Default 1. */
  stride?: number;
  /** Batch norm (eps 1e-3) instead of a bias. Default true. */
  batchNorm?: boolean;
}

/**
 * A convolution that keeps the size at stride 1, with batch norm or a bias, and ReLU: `relu(bn(x ∗ w))`.
 *
 * @example
 * ```ts
 * import { ConvolutionUnit, ones } from 'nodegrad';
 * new ConvolutionUnit({ inChannels: 3, outChannels: 8, kernelSize: 3 }).forward(ones([2, 8, 8, 3])).shape; // [2, 8, 8, 8]
 * ```
 */
export class ConvolutionUnit extends Layer {
  /** The convolution. */
  readonly conv: Conv2d;
  /** Behind the convolution. */
  readonly bn: BatchNorm2d | null;
  readonly #options: Required<ConvolutionUnitOptions>;

  /** @throws {@link ArgumentError} for wrong options. */
  constructor(options: ConvolutionUnitOptions) {
    super();
    this.#options = complete<Required<ConvolutionUnitOptions>, 'inChannels' | 'outChannels' | 'kernelSize'>(
      options,
      { stride: 1, batchNorm: true },
      [],
      ['inChannels', 'outChannels', 'kernelSize'],
    );
    const { inChannels, outChannels, kernelSize, stride, batchNorm } = this.#options;
    const init = batchNorm ? new He() : new Xavier();
    this.conv = new Conv2d(inChannels, outChannels, kernelSize, { stride, padding: (kernelSize - 1) / 2, bias: !batchNorm, init });
    this.bn = batchNorm ? new BatchNorm2d(outChannels, { eps: 1e-3 }) : null;
  }

  forward(x: Tensor): Tensor {
    const y = this.conv.forward(x);
    return relu(this.bn?.forward(y) ?? y);
  }

  override config(): unknown {
    return { ...this.#options };
  }
  /** The layer that `config()` describes. */
  static fromConfig(config: ConvolutionUnitOptions): ConvolutionUnit {
    return new ConvolutionUnit(config);
  }
}

/** Sizes of an {@link Inception} module. */
export interface InceptionOptions {
  /** Channels of the input. */
  inChannels: number;
  /** Filters: 1×1; 1×1 and 3×3 behind it; 1×1 and the large one behind it; 1×1 behind pooling. */
  filters: readonly [number, number, number, number, number, number];
  /** Size of the large kernel: 5, or 3 as torchvision has it. Default 5. */
  kernelSize?: number;
  /** Batch norm instead of biases. Default true. */
  batchNorm?: boolean;
}

/**
 * The inception module (Szegedy et al. 2015): convolutions of 1×1, 3×3 and 5×5 and pooling side by side. Course row M09.
 *
 * @example
 * ```ts
 * import { Inception, ones } from 'nodegrad';
 * new Inception({ inChannels: 192, filters: [64, 96, 128, 16, 32, 32] }).forward(ones([2, 8, 8, 192])).shape; // [2, 8, 8, 256]
 * ```
 */
export class Inception extends Layer {
  /** 1×1. */
  readonly branch1: ConvolutionUnit;
  /** 1×1, then 3×3. */
  readonly branch2: Sequential;
  /** 1×1, then the large kernel. */
  readonly branch3: Sequential;
  /** Pooling, then 1×1. */
  readonly branch4: Sequential;
  readonly #options: Required<InceptionOptions>;

  /** @throws {@link ArgumentError} for wrong options. */
  constructor(options: InceptionOptions) {
    super();
    const { filters, ...others } = checkObject<InceptionOptions>(options, 'options');
    if (checkStages(filters, 'options.filters', 6).length !== 6)
      throw new ArgumentError(expected('6 whole numbers', 'options.filters', filters));
    const full = complete<Required<Omit<InceptionOptions, 'filters'>>, 'inChannels'>(
      others,
      { kernelSize: 5, batchNorm: true },
      [],
      ['inChannels'],
    );
    this.#options = { ...full, filters };
    const { inChannels, kernelSize, batchNorm } = full;
    const unit = (from: number, to: number, size: number): ConvolutionUnit =>
      new ConvolutionUnit({ inChannels: from, outChannels: to, kernelSize: size, batchNorm });
    this.branch1 = unit(inChannels, filters[0], 1);
    this.branch2 = new Sequential([unit(inChannels, filters[1], 1), unit(filters[1], filters[2], 3)]);
    this.branch3 = new Sequential([unit(inChannels, filters[3], 1), unit(filters[3], filters[4], kernelSize)]);
    this.branch4 = new Sequential([new MaxPool2d(3, { stride: 1, padding: 1, ceilMode: true }), unit(inChannels, filters[5], 1)]);
  }

  forward(x: Tensor): Tensor {
    return concat(
      [this.branch1, this.branch2, this.branch3, this.branch4].map((branch: Layer) => branch.forward(x)),
      -1,
    );
  }

  override config(): unknown {
    return { ...this.#options };
  }
  /** The module that `config()` describes. */
  static fromConfig(config: InceptionOptions): Inception {
    return new Inception(config);
  }
}

/** Sizes of an {@link AuxiliaryHead}. */
export interface AuxiliaryHeadOptions {
  /** Channels of the input. */
  inChannels: number;
  /** Outputs. */
  classes: number;
  /** Half of the filters of the convolution, a 16th of the hidden units. */
  width: number;
  /** Batch norm instead of a bias. Default true. */
  batchNorm?: boolean;
  /** `'adaptive'`: means over a grid of 4×4; `'windows'`: over windows of 5×5, step 3, which are 4×4 of an image of 14×14. Default `'adaptive'`. */
  pooling?: 'adaptive' | 'windows';
}

/**
 * An auxiliary classifier: 4×4 means, a 1×1 convolution of 128 filters, two fully connected layers.
 *
 * @example
 * ```ts
 * import { AuxiliaryHead, ones } from 'nodegrad';
 * new AuxiliaryHead({ inChannels: 512, classes: 10, width: 64, batchNorm: true }).forward(ones([2, 14, 14, 512])).shape; // [2, 10]
 * ```
 */
export class AuxiliaryHead extends Layer {
  /** To 4×4. */
  readonly avgpool: Layer;
  /** The convolution. */
  readonly conv: ConvolutionUnit;
  /** Images to rows. */
  readonly flatten = new Flatten();
  /** The hidden layer. */
  readonly fc1: Linear;
  /** Drops in training. */
  readonly dropout = new Dropout(0.7);
  /** Scores of the classes. */
  readonly fc2: Linear;
  readonly #options: Required<AuxiliaryHeadOptions>;

  /** @throws {@link ArgumentError} for wrong options. */
  constructor(options: AuxiliaryHeadOptions) {
    super();
    this.#options = complete<Required<AuxiliaryHeadOptions>, 'inChannels' | 'classes' | 'width'>(
      options,
      { batchNorm: true, pooling: 'adaptive' },
      [],
      ['inChannels', 'classes', 'width'],
    );
    const { inChannels, classes, width, batchNorm, pooling } = this.#options;
    checkChoice(pooling, 'options.pooling', ['adaptive', 'windows']);
    this.avgpool = pooling === 'adaptive' ? new AdaptiveAvgPool2d(4) : new AvgPool2d(5, { stride: 3 });
    this.conv = new ConvolutionUnit({ inChannels, outChannels: 2 * width, kernelSize: 1, batchNorm });
    this.fc1 = new Linear(32 * width, 16 * width);
    this.fc2 = classifier(16 * width, classes);
  }

  forward(x: Tensor): Tensor {
    const flat = this.flatten.forward(this.conv.forward(this.avgpool.forward(x))) as Tensor;
    return this.fc2.forward(this.dropout.forward(relu(this.fc1.forward(flat))));
  }

  override config(): unknown {
    return { ...this.#options };
  }
  /** The head that `config()` describes. */
  static fromConfig(config: AuxiliaryHeadOptions): AuxiliaryHead {
    return new AuxiliaryHead(config);
  }
}

registerLayers({ ConvolutionUnit, Inception, AuxiliaryHead });
