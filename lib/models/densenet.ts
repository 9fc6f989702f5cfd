// DenseNet: every layer of a block reads the outputs of all before it. Assembly only.

import { ArgumentError, checkChoice, checkFlag, checkInteger, checkObject, expected, mergeOptions } from '../errors.js';
import { He } from '../initializers/he.js';
import { Conv2d } from '../layers/convolution.js';
import { type AnyLayer, Layer } from '../layers/layer.js';
import type { Linear } from '../layers/linear.js';
import { BatchNorm2d } from '../layers/batch-norm.js';
import { AvgPool2d, GlobalAvgPool2d, MaxPool2d } from '../layers/pooling.js';
import { ReLU } from '../layers/activations.js';
import { registerLayers } from '../layers/registry.js';
import { Dropout } from '../layers/dropout.js';
import { relu } from '../ops/activations.js';
import { concat } from '../ops/shape.js';
import type { Tensor } from '../tensor.js';
import { NamedStack } from './blocks.js';
import { ImageModel, type ImageModelOptions, checkStages, classifier, complete, formOf } from './image-model.js';
import { blocksOf } from './resnet.js';

const plain = (inChannels: number, outChannels: number, kernel: number, stride = 1): Conv2d =>
  new Conv2d(inChannels, outChannels, kernel, { stride, padding: (kernel - 1) / 2, bias: false, init: new He() });

/** Sizes of a {@link DenseLayer}. */
export interface DenseLayerOptions {
  /** Channels of the input. */
  inChannels: number;
  /** Channels that the layer adds (k). */
  growthRate: number;
  /** Filters of a 1×1 convolution before the 3×3 one, in units of `growthRate`; 0 for none. Default 4. */
  bottleneck?: number;
  /** Probability of dropping behind each convolution. Default 0. */
  dropout?: number;
}

/**
 * A layer of a dense block (Huang et al. 2017): `y = [x, f(x)]`, k more channels. Course row M25.
 *
 * @example
 * ```ts
 * import { DenseLayer, ones } from 'nodegrad';
 * new DenseLayer({ inChannels: 24, growthRate: 12 }).forward(ones([2, 8, 8, 24])).shape; // [2, 8, 8, 36]
 * ```
 */
export class DenseLayer extends Layer {
  /** Before conv1. */
  readonly norm1: BatchNorm2d;
  /** 1×1, or 3×3 without a bottleneck. */
  readonly conv1: Conv2d;
  /** Before conv2. */
  readonly norm2: BatchNorm2d | null;
  /** 3×3 behind a bottleneck. */
  readonly conv2: Conv2d | null;
  /** Drops in training. */
  readonly dropout: Dropout | null;
  readonly #options: Required<DenseLayerOptions>;

  /** @throws {@link ArgumentError} for wrong options. */
  constructor(options: DenseLayerOptions) {
    super();
    this.#options = complete<Required<DenseLayerOptions>, 'inChannels' | 'growthRate'>(
      options,
      { bottleneck: 4, dropout: 0 },
      ['dropout'],
      ['inChannels', 'growthRate'],
      ['bottleneck'],
    );
    const { inChannels, growthRate, bottleneck, dropout } = this.#options;
    const inner = bottleneck * growthRate;
    this.norm1 = new BatchNorm2d(inChannels);
    this.conv1 = bottleneck > 0 ? plain(inChannels, inner, 1) : plain(inChannels, growthRate, 3);
    this.norm2 = bottleneck > 0 ? new BatchNorm2d(inner) : null;
    this.conv2 = bottleneck > 0 ? plain(inner, growthRate, 3) : null;
    this.dropout = dropout > 0 ? new Dropout(dropout) : null;
  }

  forward(x: Tensor): Tensor {
    const drop = (value: Tensor): Tensor => this.dropout?.forward(value) ?? value;
    let added = drop(this.conv1.forward(relu(this.norm1.forward(x))));
    if (this.norm2 !== null && this.conv2 !== null) added = drop(this.conv2.forward(relu(this.norm2.forward(added))));
    return concat([x, added], -1);
  }

  override config(): unknown {
    return { ...this.#options };
  }
  /** The layer that `config()` describes. */
  static fromConfig(config: DenseLayerOptions): DenseLayer {
    return new DenseLayer(config);
  }
}

/** Options of {@link DenseNet}. */
export interface DenseNetOptions extends ImageModelOptions {
  /** Whether the net begins with a 7×7 convolution and pooling, for images of 224, or with a 3×3 convolution. Default `'large'`. */
  stem?: 'large' | 'small';
  /** Layers of each dense block. Default [6, 12, 24, 16]. */
  blocks?: readonly number[];
  /** Channels that each layer adds (k). Default 32. */
  growthRate?: number;
  /** Filters of the first convolution. Default 64. */
  width?: number;
  /** Filters of the 1×1 convolutions in units of `growthRate`; 0 for none. Default 4. */
  bottleneck?: number;
  /** What part of the channels passes between blocks. Default 0.5. */
  compression?: number;
  /** Probability of dropping behind each convolution of a dense layer. Default 0. */
  dropout?: number;
}

/**
 * DenseNet (Huang et al. 2017); see {@link densenet121} and {@link cifarDensenet}.
 *
 * @example
 * ```ts
 * import { DenseNet } from 'nodegrad';
 * new DenseNet({ stem: 'small', blocks: [4, 4], growthRate: 12 });
 * ```
 */
export class DenseNet extends ImageModel<Required<DenseNetOptions>> {
  /** Convolutions, dense blocks and transitions. */
  readonly features: NamedStack;
  /** The mean over all positions. */
  readonly avgpool = new GlobalAvgPool2d();
  /** Scores of the classes. */
  readonly classifier: Linear;

  /** @throws {@link ArgumentError} for wrong options. */
  constructor(options: DenseNetOptions = {}) {
    const isSmall = options?.stem === 'small';
    const full = complete<Required<DenseNetOptions>>(
      options,
      {
        stem: 'large',
        blocks: [6, 12, 24, 16],
        classes: isSmall ? 10 : 1000,
        imageSize: isSmall ? 32 : 224,
        channels: 3,
        growthRate: 32,
        width: 64,
        bottleneck: 4,
        compression: 0.5,
        dropout: 0,
      },
      ['compression', 'dropout'],
      [],
      ['bottleneck'],
    );
    checkChoice(full.stem, 'options.stem', ['large', 'small']);
    const counts = checkStages(full.blocks, 'options.blocks');
    // Halved between blocks, and before them twice where the stem is large.
    const halved = 1 << (counts.length - 1);
    super(full, isSmall ? halved : 4 * halved - 3);
    const { classes, channels, growthRate, width, bottleneck, compression, dropout } = full;
    const layers: Record<string, AnyLayer> = { conv0: plain(channels, width, isSmall ? 3 : 7, isSmall ? 1 : 2) };
    if (!isSmall)
      Object.assign(layers, { norm0: new BatchNorm2d(width), relu0: new ReLU(), pool0: new MaxPool2d(3, { stride: 2, padding: 1 }) });
    let features = width;
    counts.forEach((count, i) => {
      const block: Record<string, AnyLayer> = {};
      for (let layer = 1; layer <= count; layer++) {
        block[`denselayer${layer}`] = new DenseLayer({ inChannels: features, growthRate, bottleneck, dropout });
        features += growthRate;
      }
      layers[`denseblock${i + 1}`] = new NamedStack(block);
      if (i === counts.length - 1) return;
      const passed = Math.floor(features * compression);
      if (passed === 0) {
        throw new ArgumentError(
          expected(`at least 1/${features}, to leave a channel behind block ${i + 1},`, 'options.compression', compression),
        );
      }
      layers[`transition${i + 1}`] = new NamedStack({
        norm: new BatchNorm2d(features),
        relu: new ReLU(),
        conv: plain(features, passed, 1),
        pool: new AvgPool2d(2),
      });
      features = passed;
    });
    Object.assign(layers, { [`norm${counts.length + 1}`]: new BatchNorm2d(features), relu: new ReLU() });
    this.features = new NamedStack(layers);
    this.classifier = classifier(features, classes);
  }

  forward(x: Tensor): Tensor {
    return this.classifier.forward(this.avgpool.forward(this.features.forward(x)));
  }

  /** The network that `config()` describes. */
  static fromConfig(config: DenseNetOptions): DenseNet {
    return new DenseNet(config);
  }
}

/**
 * DenseNet-121 (Huang et al. 2017): 7,978,856 parameters. Course rows M25, M26.
 *
 * @throws {@link ArgumentError} for wrong options.
 * @example
 * ```ts
 * import { densenet121 } from 'nodegrad';
 * densenet121({ classes: 10 });
 * ```
 */
export function densenet121(options: ImageModelOptions = {}): DenseNet {
  return new DenseNet(formOf(options, { blocks: [6, 12, 24, 16] }));
}

/**
 * DenseNet-161, with k = 48: 28,681,000 parameters. See {@link densenet121}.
 *
 * @throws {@link ArgumentError} for wrong options.
 * @example
 * ```ts
 * import { densenet161 } from 'nodegrad';
 * densenet161({ classes: 10 });
 * ```
 */
export function densenet161(options: ImageModelOptions = {}): DenseNet {
  return new DenseNet(formOf(options, { blocks: [6, 12, 36, 24], growthRate: 48, width: 96 }));
}

/**
 * DenseNet-169: 14,149,480 parameters. See {@link densenet121}.
 *
 * @throws {@link ArgumentError} for wrong options.
 * @example
 * ```ts
 * import { densenet169 } from 'nodegrad';
 * densenet169({ classes: 10 });
 * ```
 */
export function densenet169(options: ImageModelOptions = {}): DenseNet {
  return new DenseNet(formOf(options, { blocks: [6, 12, 32, 32] }));
}

/**
 * DenseNet-201: 20,013,928 parameters. See {@link densenet121}.
 *
 * @throws {@link ArgumentError} for wrong options.
 * @example
 * ```ts
 * import { densenet201 } from 'nodegrad';
 * densenet201({ classes: 10 });
 * ```
 */
export function densenet201(options: ImageModelOptions = {}): DenseNet {
  return new DenseNet(formOf(options, { blocks: [6, 12, 48, 32] }));
}

/** Options of {@link cifarDensenet}. */
export interface CifarDenseNetOptions extends Omit<DenseNetOptions, 'stem' | 'blocks' | 'bottleneck' | 'compression'> {
  /** Weight layers: 6n + 4 with bottlenecks, 3n + 4 without. Default 100. */
  depth?: number;
  /** Bottlenecks, and half of the channels between blocks (DenseNet-BC). Default true. */
  compress?: boolean;
}

/**
 * DenseNet-BC for images of 32×32: by default L = 100, k = 12, with 769,162 parameters; or, with `compress: false`, the plain DenseNet.
 * The first convolution has 2k filters, or 16 in the plain form.
 *
 * @throws {@link ArgumentError} for a depth that no such network has, or other wrong options.
 * @example
 * ```ts
 * import { cifarDensenet } from 'nodegrad';
 * cifarDensenet({ depth: 40, growthRate: 12, compress: false }); // 1,019,722 parameters
 * ```
 */
export function cifarDensenet(options: CifarDenseNetOptions = {}): DenseNet {
  const { depth = 100, growthRate = 12, compress = true, ...rest } = checkObject<CifarDenseNetOptions>(options, 'options');
  checkFlag(compress, 'options.compress');
  const count = blocksOf(depth, compress ? 6 : 3, 4);
  const width = compress ? 2 * checkInteger(growthRate, 'options.growthRate', 1, 2 ** 16) : 16;
  return new DenseNet({
    growthRate,
    ...formOf(mergeOptions({ width }, rest), {
      stem: 'small',
      blocks: [count, count, count],
      bottleneck: compress ? 4 : 0,
      compression: compress ? 0.5 : 1,
    }),
  });
}

registerLayers({ DenseLayer, DenseNet });
