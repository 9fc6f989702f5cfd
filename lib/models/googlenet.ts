// GoogLeNet: inception modules, with auxiliary classifiers on the way; the paper's form and torchvision's. Assembly only.

import { ArgumentError, checkChoice, checkObject, expected } from '../errors.js';
import { He, Xavier } from '../initializers/initializer.js';
import { Conv2d } from '../layers/convolution.js';
import { Layer } from '../layers/layer.js';
import { Linear } from '../layers/linear.js';
import { LocalResponseNorm } from '../layers/local-response-norm.js';
import { BatchNorm2d } from '../layers/norm.js';
import { AdaptiveAvgPool2d, GlobalAvgPool2d, MaxPool2d } from '../layers/pooling.js';
import { registerLayer } from '../layers/registry.js';
import { Sequential } from '../layers/sequential.js';
import { Dropout, Flatten } from '../layers/shape.js';
import { relu } from '../ops/activations.js';
import { concat } from '../ops/shape.js';
import type { Tensor } from '../tensor.js';
import { ImageModel, type ImageModelOptions, checkStages, classifier, complete } from './image-model.js';

/** Sizes of a {@link ConvolutionUnit}. */
export interface ConvolutionUnitOptions {
  /** Channels of the input. */
  inChannels: number;
  /** Filters. */
  outChannels: number;
  /** Height and width of the kernel. */
  kernel: number;
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
 * new ConvolutionUnit({ inChannels: 3, outChannels: 8, kernel: 3 }).forward(ones([2, 8, 8, 3])).shape; // [2, 8, 8, 8]
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
    this.#options = complete<Required<ConvolutionUnitOptions>, 'inChannels' | 'outChannels' | 'kernel'>(
      options,
      { stride: 1, batchNorm: true },
      [],
      ['inChannels', 'outChannels', 'kernel'],
    );
    const { inChannels, outChannels, kernel, stride, batchNorm } = this.#options;
    const init = batchNorm ? new He() : new Xavier();
    this.conv = new Conv2d(inChannels, outChannels, kernel, { stride, padding: (kernel - 1) / 2, bias: !batchNorm, init });
    this.bn = batchNorm ? new BatchNorm2d(outChannels, { eps: 1e-3 }) : null;
  }

  forward(x: Tensor): Tensor {
    const y = this.conv.forward(x);
    return relu(this.bn?.forward(y) ?? y);
  }

  override config(): unknown {
    return this.#options;
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
  kernel?: number;
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
      { kernel: 5, batchNorm: true },
      [],
      ['inChannels'],
    );
    this.#options = { ...full, filters };
    const { inChannels, kernel, batchNorm } = full;
    const unit = (from: number, to: number, size: number): ConvolutionUnit =>
      new ConvolutionUnit({ inChannels: from, outChannels: to, kernel: size, batchNorm });
    this.branch1 = unit(inChannels, filters[0], 1);
    this.branch2 = new Sequential([unit(inChannels, filters[1], 1), unit(filters[1], filters[2], 3)]);
    this.branch3 = new Sequential([unit(inChannels, filters[3], 1), unit(filters[3], filters[4], kernel)]);
    this.branch4 = new Sequential([new MaxPool2d(3, { stride: 1, padding: 1, ceilMode: true }), unit(inChannels, filters[5], 1)]);
  }

  forward(x: Tensor): Tensor {
    return concat(
      [this.branch1, this.branch2, this.branch3, this.branch4].map((branch: Layer) => branch.forward(x)),
      -1,
    );
  }

  override config(): unknown {
    return this.#options;
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
}

/**
 * An auxiliary classifier: means of 4×4, a 1×1 convolution of 128 filters, two fully connected layers.
 *
 * @example
 * ```ts
 * import { AuxiliaryHead, ones } from 'nodegrad';
 * new AuxiliaryHead({ inChannels: 512, classes: 10, width: 64, batchNorm: true }).forward(ones([2, 14, 14, 512])).shape; // [2, 10]
 * ```
 */
export class AuxiliaryHead extends Layer {
  /** The mean over all positions. */
  readonly avgpool = new AdaptiveAvgPool2d(4);
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
      { batchNorm: true },
      [],
      ['inChannels', 'classes', 'width'],
    );
    const { inChannels, classes, width, batchNorm } = this.#options;
    this.conv = new ConvolutionUnit({ inChannels, outChannels: 2 * width, kernel: 1, batchNorm });
    this.fc1 = new Linear(32 * width, 16 * width);
    this.fc2 = classifier(16 * width, classes);
  }

  forward(x: Tensor): Tensor {
    const flat = this.flatten.forward(this.conv.forward(this.avgpool.forward(x))) as Tensor;
    return this.fc2.forward(this.dropout.forward(relu(this.fc1.forward(flat))));
  }

  override config(): unknown {
    return this.#options;
  }
  /** The head that `config()` describes. */
  static fromConfig(config: AuxiliaryHeadOptions): AuxiliaryHead {
    return new AuxiliaryHead(config);
  }
}

/** Options of {@link googlenet}. */
export interface GoogLeNetOptions extends ImageModelOptions {
  /**
   * `'paper'` (default): biases, response normalization, 5×5 kernels. `'torchvision'`: batch norm, and 3×3 kernels in place of 5×5, a
   * mistake that its weights depend on. `'batch-norm'`: batch norm and 5×5 kernels.
   */
  form?: 'paper' | 'torchvision' | 'batch-norm';
  /** Whether there are two auxiliary classifiers, for training. Default false. */
  auxiliary?: boolean;
  /** Filters of the first convolution, all others in proportion; a multiple of 4. Default 64. */
  width?: number;
  /** Probability of dropping before the last layer. Default 0.4 in the paper's form, else 0.2. */
  dropout?: number;
}

// By module: 1×1, before 3×3, 3×3, before 5×5, 5×5, behind pooling.
const modules = {
  inception3a: [64, 96, 128, 16, 32, 32],
  inception3b: [128, 128, 192, 32, 96, 64],
  inception4a: [192, 96, 208, 16, 48, 64],
  inception4b: [160, 112, 224, 24, 64, 64],
  inception4c: [128, 128, 256, 24, 64, 64],
  inception4d: [112, 144, 288, 32, 64, 64],
  inception4e: [256, 160, 320, 32, 128, 128],
  inception5a: [256, 160, 320, 32, 128, 128],
  inception5b: [384, 192, 384, 48, 128, 128],
} as const;

/**
 * GoogLeNet; see {@link googlenet}.
 *
 * @example
 * ```ts
 * import { GoogLeNet } from 'nodegrad';
 * new GoogLeNet({ classes: 10 });
 * ```
 */
export class GoogLeNet extends ImageModel<Required<GoogLeNetOptions>> {
  /** The first convolution. */
  readonly conv1: ConvolutionUnit;
  /** The second convolution. */
  readonly conv2: ConvolutionUnit;
  /** The third convolution. */
  readonly conv3: ConvolutionUnit;
  /** Inception module. */
  readonly inception3a: Inception;
  /** Inception module. */
  readonly inception3b: Inception;
  /** Inception module. */
  readonly inception4a: Inception;
  /** Inception module. */
  readonly inception4b: Inception;
  /** Inception module. */
  readonly inception4c: Inception;
  /** Inception module. */
  readonly inception4d: Inception;
  /** Inception module. */
  readonly inception4e: Inception;
  /** Inception module. */
  readonly inception5a: Inception;
  /** Inception module. */
  readonly inception5b: Inception;
  /** Reads module 4a; null without auxiliary classifiers. */
  readonly aux1: AuxiliaryHead | null;
  /** Reads module 4d. */
  readonly aux2: AuxiliaryHead | null;
  /** Poolings, in their order. */
  readonly pools: readonly MaxPool2d[];
  /** Response normalization behind the first pooling and the third convolution; null with batch norm. */
  readonly norm: LocalResponseNorm | null;
  /** The mean over all positions. */
  readonly avgpool = new GlobalAvgPool2d();
  /** Drops in training. */
  readonly dropout: Dropout;
  /** Scores of the classes: the one fully connected layer of the main path. */
  readonly fc: Linear;

  /** @throws {@link ArgumentError} for wrong options. */
  constructor(options: GoogLeNetOptions = {}) {
    const isPaper = (options?.form ?? 'paper') === 'paper';
    const full = complete<Required<GoogLeNetOptions>>(
      options,
      { form: 'paper', classes: 1000, inputSize: 224, inputChannels: 3, auxiliary: false, width: 64, dropout: isPaper ? 0.4 : 0.2 },
      ['dropout'],
    );
    checkChoice(full.form, 'options.form', ['paper', 'torchvision', 'batch-norm']);
    super(full);
    const { form, classes, inputChannels, auxiliary, width, dropout } = full;
    const sized = (channels: number): number => Math.max(1, Math.round((channels * width) / 64));
    const batchNorm = !isPaper;
    const unit = (inChannels: number, outChannels: number, kernel: number, stride = 1): ConvolutionUnit =>
      new ConvolutionUnit({ inChannels, outChannels, kernel, stride, batchNorm });
    this.conv1 = unit(inputChannels, width, 7, 2);
    this.conv2 = unit(width, width, 1);
    this.conv3 = unit(width, sized(192), 3);
    let inChannels = sized(192);
    const made = {} as Record<keyof typeof modules, Inception>;
    for (const [name, sizes] of Object.entries(modules)) {
      const filters = sizes.map(sized) as unknown as InceptionOptions['filters'];
      made[name as keyof typeof modules] = new Inception({ inChannels, filters, kernel: form === 'torchvision' ? 3 : 5, batchNorm });
      inChannels = filters[0] + filters[2] + filters[4] + filters[5];
    }
    this.inception3a = made.inception3a;
    this.inception3b = made.inception3b;
    this.inception4a = made.inception4a;
    this.inception4b = made.inception4b;
    this.inception4c = made.inception4c;
    this.inception4d = made.inception4d;
    this.inception4e = made.inception4e;
    this.inception5a = made.inception5a;
    this.inception5b = made.inception5b;
    const head = (count: number): AuxiliaryHead | null =>
      auxiliary ? new AuxiliaryHead({ inChannels: count, classes, width, batchNorm }) : null;
    this.aux1 = head(sized(192) + sized(208) + sized(48) + sized(64));
    this.aux2 = head(sized(112) + sized(288) + 2 * sized(64));
    const last = isPaper ? 3 : 2;
    this.pools = [3, 3, 3, last].map((kernel) => new MaxPool2d(kernel, { stride: 2, ceilMode: true }));
    this.norm = isPaper ? new LocalResponseNorm(5) : null;
    this.dropout = new Dropout(dropout);
    this.fc = classifier(inChannels, classes);
  }

  forward(x: Tensor): Tensor {
    return this.#run(x, null);
  }

  /**
   * Scores of the main classifier, then of the two auxiliary ones: for a loss such as `main + 0.3·(first + second)`.
   *
   * @example
   * ```ts
   * import { CrossEntropyLoss, Tensor, googlenet, ones } from 'nodegrad';
   * const model = googlenet({ auxiliary: true, width: 8, classes: 5 });
   * const loss = new CrossEntropyLoss();
   * const target = Tensor.from(Int32Array.of(1, 2));
   * const [main, first, second] = model.heads(ones([2, 224, 224, 3])).map((scores) => loss.forward(scores, target));
   * main.add(first.add(second).mul(0.3)).backward();
   * ```
   */
  heads(x: Tensor): [Tensor, ...Tensor[]] {
    this.prepare();
    const auxiliary: Tensor[] = [];
    return [this.#run(x, auxiliary), ...auxiliary];
  }

  // What the auxiliary heads make of it goes into `auxiliary`, where that is asked for.
  #run(x: Tensor, auxiliary: Tensor[] | null): Tensor {
    const [pool1, pool2, pool3, pool4] = this.pools;
    const norm = (value: Tensor): Tensor => this.norm?.forward(value) ?? value;
    const second = this.conv2.forward(norm(pool1.forward(this.conv1.forward(x))));
    const early = pool2.forward(norm(this.conv3.forward(second)));
    const a = this.inception4a.forward(pool3.forward(this.inception3b.forward(this.inception3a.forward(early))));
    if (auxiliary !== null && this.aux1 !== null) auxiliary.push(this.aux1.forward(a));
    const d = this.inception4d.forward(this.inception4c.forward(this.inception4b.forward(a)));
    if (auxiliary !== null && this.aux2 !== null) auxiliary.push(this.aux2.forward(d));
    const late = this.inception5a.forward(pool4.forward(this.inception4e.forward(d)));
    return this.fc.forward(this.dropout.forward(this.avgpool.forward(this.inception5b.forward(late))));
  }

  /** The network that `config()` describes. */
  static fromConfig(config: GoogLeNetOptions): GoogLeNet {
    return new GoogLeNet(config);
  }
}

/**
 * GoogLeNet (Szegedy et al. 2015, first in ImageNet 2014): 22 weight layers, 6,998,552 parameters without the auxiliary classifiers.
 * The forward pass is the main path; {@link GoogLeNet.heads} gives the auxiliary scores as well. Course rows M09–M11, P41, P42.
 *
 * @throws {@link ArgumentError} for wrong options.
 * @example
 * ```ts
 * import { googlenet } from 'nodegrad';
 * googlenet({ form: 'torchvision' }); // 6,624,904 parameters
 * ```
 */
export function googlenet(options: GoogLeNetOptions = {}): GoogLeNet {
  return new GoogLeNet(options);
}

for (const layer of [ConvolutionUnit, Inception, AuxiliaryHead, GoogLeNet]) registerLayer(layer as never);
