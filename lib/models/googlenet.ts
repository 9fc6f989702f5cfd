// GoogLeNet: inception modules, with auxiliary classifiers on the way; the paper's form and torchvision's. Assembly only.

import { checkChoice } from '../errors.js';
import type { Linear } from '../layers/linear.js';
import type { HasTrainingOutputs, ScoredOutput } from '../layers/outputs.js';
import { LocalResponseNorm } from '../layers/local-response-norm.js';
import { GlobalAvgPool2d, MaxPool2d } from '../layers/pooling.js';
import { registerLayers } from '../layers/registry.js';
import { Dropout } from '../layers/dropout.js';
import type { Tensor } from '../tensor.js';
import { ImageModel, type ImageModelOptions, classifier, complete } from './image-model.js';
import { AuxiliaryHead, ConvolutionUnit, Inception, type InceptionOptions } from './inception.js';

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
export class GoogLeNet extends ImageModel<Required<GoogLeNetOptions>> implements HasTrainingOutputs {
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
  // Where a forward pass puts the scores of the auxiliary classifiers, while somebody asks for them.
  #auxiliary: Tensor[] | null = null;

  /** @throws {@link ArgumentError} for wrong options. */
  constructor(options: GoogLeNetOptions = {}) {
    const isPaper = (options?.form ?? 'paper') === 'paper';
    const full = complete<Required<GoogLeNetOptions>>(
      options,
      { form: 'paper', classes: 1000, imageSize: 224, channels: 3, auxiliary: false, width: 64, dropout: isPaper ? 0.4 : 0.2 },
      ['dropout'],
    );
    checkChoice(full.form, 'options.form', ['paper', 'torchvision', 'batch-norm']);
    super(full, isPaper ? 31 : 15);
    const { form, classes, imageSize, channels, auxiliary, width, dropout } = full;
    const sized = (channels: number): number => Math.max(1, Math.round((channels * width) / 64));
    const batchNorm = !isPaper;
    const unit = (inChannels: number, outChannels: number, kernelSize: number, stride = 1): ConvolutionUnit =>
      new ConvolutionUnit({ inChannels, outChannels, kernelSize, stride, batchNorm });
    this.conv1 = unit(channels, width, 7, 2);
    this.conv2 = unit(width, width, 1);
    this.conv3 = unit(width, sized(192), 3);
    let inChannels = sized(192);
    const made = {} as Record<keyof typeof modules, Inception>;
    for (const [name, sizes] of Object.entries(modules)) {
      const filters = sizes.map(sized) as unknown as InceptionOptions['filters'];
      made[name as keyof typeof modules] = new Inception({ inChannels, filters, kernelSize: form === 'torchvision' ? 3 : 5, batchNorm });
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
    // The paper's windows fit images of 224, which are 14×14 here.
    const pooling = isPaper && Math.ceil(imageSize / 16) === 14 ? 'windows' : 'adaptive';
    const head = (count: number): AuxiliaryHead | null =>
      auxiliary ? new AuxiliaryHead({ inChannels: count, classes, width, batchNorm, pooling }) : null;
    this.aux1 = head(sized(192) + sized(208) + sized(48) + sized(64));
    this.aux2 = head(sized(112) + sized(288) + 2 * sized(64));
    const last = isPaper ? 3 : 2;
    this.pools = [3, 3, 3, last].map((kernelSize) => new MaxPool2d(kernelSize, { stride: 2, ceilMode: true }));
    this.norm = isPaper ? new LocalResponseNorm(5) : null;
    this.dropout = new Dropout(dropout);
    this.fc = classifier(inChannels, classes);
  }

  forward(x: Tensor): Tensor {
    const [pool1, pool2, pool3, pool4] = this.pools;
    const norm = (value: Tensor): Tensor => this.norm?.forward(value) ?? value;
    const second = this.conv2.forward(norm(pool1.forward(this.conv1.forward(x))));
    const early = pool2.forward(norm(this.conv3.forward(second)));
    const a = this.inception4a.forward(pool3.forward(this.inception3b.forward(this.inception3a.forward(early))));
    const d = this.inception4d.forward(this.inception4c.forward(this.inception4b.forward(a)));
    if (this.aux1 !== null && this.aux2 !== null) this.#auxiliary?.push(this.aux1.forward(a), this.aux2.forward(d));
    const late = this.inception5a.forward(pool4.forward(this.inception4e.forward(d)));
    return this.fc.forward(this.dropout.forward(this.avgpool.forward(this.inception5b.forward(late))));
  }

  /**
   * Scores of the main classifier, then of the two auxiliary ones. `fit` asks for them by itself; this is for training steps of one's
   * own, with a loss such as `main + 0.3·(first + second)`.
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
    const auxiliary: Tensor[] = [];
    this.#auxiliary = auxiliary;
    try {
      return [this.forward(x), ...auxiliary];
    } finally {
      this.#auxiliary = null;
    }
  }

  /** What `fit` scores: the main classifier, and the auxiliary ones with a factor of 0.3. */
  trainingOutputs(x: Tensor): ScoredOutput[] {
    return this.heads(x).map((scores, i) => [scores, i === 0 ? 1 : 0.3]);
  }

  /** The network that `config()` describes. */
  static fromConfig(config: GoogLeNetOptions): GoogLeNet {
    return new GoogLeNet(config);
  }
}

/**
 * GoogLeNet (Szegedy et al. 2015, first in ImageNet 2014): 22 weight layers, 6,998,552 parameters without the auxiliary classifiers.
 * Course rows M09–M11, P41, P42.
 *
 * The forward pass is the main path. With `auxiliary: true` the two auxiliary classifiers are trained with it: `fit` minimizes
 * `main + 0.3·(first + second)`, as the paper does, and reports the main loss.
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

registerLayers({ GoogLeNet });
