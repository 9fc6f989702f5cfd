// Residual networks with the activation behind the sum: ResNet, ResNeXt, Wide ResNet-50, for large and for small images. Assembly only.

import { ArgumentError, checkChoice, checkInteger, checkObject, expected } from '../errors.js';
import type { Conv2d } from '../layers/convolution.js';
import type { Linear } from '../layers/linear.js';
import { BatchNorm2d } from '../layers/batch-norm.js';
import { GlobalAvgPool2d, MaxPool2d } from '../layers/pooling.js';
import { registerLayers } from '../layers/registry.js';
import { Sequential } from './sequential.js';
import { relu } from '../ops/activations.js';
import type { Tensor } from '../tensor.js';
import { BasicBlock, Bottleneck, type Shortcut } from './blocks.js';
import { ImageModel, type ImageModelOptions, checkStages, classifier, complete, convolution, formOf } from './image-model.js';

/** Options of the residual networks. */
export interface ResNetOptions extends ImageModelOptions {
  /** Filters of the first stage. Default 64, 16 for the networks of small images. */
  width?: number;
  /** How blocks that change the shape bring their input along: a 1×1 convolution (B) or zeros (A). Default B, A for small images. */
  shortcut?: Shortcut;
  /** Whether the factors of each block's last batch norm start at zero. Default false. */
  zeroInit?: boolean;
  /** Probability that a training step leaves the last block out (stochastic depth); those before rise from 0 to it in a line. Default 0. */
  dropPath?: number;
  /** Whether each block runs again for its gradient, see {@link recompute}: less memory, the same bits, about a third more work. Default false. */
  recompute?: boolean;
}

/** Options of the residual networks that are made of bottlenecks. */
export interface BottleneckNetOptions extends ResNetOptions {
  /** Where a bottleneck steps: in its 3×3 convolution (default), or in the first 1×1 one, as the paper has it. */
  strideIn?: '3x3' | '1x1';
}

/** Options of {@link ResNet}; `groups`, `widthPerGroup` and `strideIn` are those of bottlenecks. */
export interface ResNetModelOptions extends BottleneckNetOptions {
  /** `'large'` begins with a 7×7 convolution and pooling, for images of 224; `'small'` with a 3×3 convolution, for images of 32. */
  stem?: 'large' | 'small';
  /** Default `'basic'`. */
  block?: 'basic' | 'bottleneck';
  /** Blocks of each stage. */
  blocks?: readonly number[];
  /** Groups of the 3×3 convolution of a bottleneck. Default 1. */
  groups?: number;
  /** Filters of each group in the first stage, where `width` is 64. Default 64. */
  widthPerGroup?: number;
}

/**
 * A residual network (He et al. 2015); see {@link resnet50}.
 *
 * @example
 * ```ts
 * import { ResNet } from 'nodegrad';
 * new ResNet({ stem: 'small', blocks: [1, 1, 1] });
 * ```
 */
export class ResNet extends ImageModel<Required<ResNetModelOptions>> {
  /** The first convolution. */
  readonly conv1: Conv2d;
  /** Behind conv1. */
  readonly bn1: BatchNorm2d;
  /** Pooling behind the first convolution; null for small images. */
  readonly maxpool: MaxPool2d | null;
  /** The first stage. */
  readonly layer1: Sequential;
  /** The second stage. */
  readonly layer2: Sequential | null;
  /** The third stage. */
  readonly layer3: Sequential | null;
  /** The fourth stage. */
  readonly layer4: Sequential | null;
  /** The mean over all positions. */
  readonly avgpool = new GlobalAvgPool2d();
  /** Scores of the classes. */
  readonly fc: Linear;

  /** @throws {@link ArgumentError} for wrong options. */
  constructor(options: ResNetModelOptions = {}) {
    const isSmall = options?.stem === 'small';
    const isBasic = (options?.block ?? 'basic') === 'basic';
    const bottleneck = { groups: 1, widthPerGroup: 64, strideIn: '3x3' } as const;
    const full = complete<Required<ResNetModelOptions>>(
      options,
      {
        stem: 'large',
        block: 'basic',
        blocks: [2, 2, 2, 2],
        classes: isSmall ? 10 : 1000,
        imageSize: isSmall ? 32 : 224,
        channels: 3,
        width: isSmall ? 16 : 64,
        shortcut: isSmall ? 'A' : 'B',
        ...((isBasic ? {} : bottleneck) as typeof bottleneck),
        zeroInit: false,
        dropPath: 0,
        recompute: false,
      },
      ['dropPath'],
    );
    checkChoice(full.stem, 'options.stem', ['large', 'small']);
    checkChoice(full.block, 'options.block', ['basic', 'bottleneck']);
    checkChoice(full.shortcut, 'options.shortcut', ['A', 'B']);
    const counts = checkStages(full.blocks, 'options.blocks', 4);
    super(full);
    const { classes, channels, width, groups, widthPerGroup, shortcut, strideIn, zeroInit, dropPath, recompute } = full;
    this.conv1 = isSmall ? convolution(channels, width, 3) : convolution(channels, width, 7, { stride: 2 });
    this.bn1 = new BatchNorm2d(width);
    this.maxpool = isSmall ? null : new MaxPool2d(3, { stride: 2, padding: 1 });
    const total = counts.reduce((sum, count) => sum + count, 0);
    let inChannels = width;
    let at = 0;
    const stages = counts.map((count, stage) => {
      const planes = width * (1 << stage);
      // Filters of the inner convolutions, and of what leaves the block.
      const inner = isBasic ? planes : Math.floor((planes * widthPerGroup) / 64) * groups;
      const outChannels = isBasic ? planes : 4 * planes;
      const blocks: (BasicBlock | Bottleneck)[] = [];
      for (let i = 0; i < count; i++) {
        at += 1;
        const sizes = { inChannels, channels: inner, outChannels, stride: stage > 0 && i === 0 ? 2 : 1 };
        const common = { ...sizes, shortcut, zeroInit, dropPath: (at / total) * dropPath };
        blocks.push(isBasic ? new BasicBlock(common) : new Bottleneck({ ...common, groups, strideIn }));
        inChannels = outChannels;
      }
      return new Sequential(blocks, { recompute });
    });
    this.layer1 = stages[0];
    this.layer2 = stages[1] ?? null;
    this.layer3 = stages[2] ?? null;
    this.layer4 = stages[3] ?? null;
    this.fc = classifier(inChannels, classes);
  }

  forward(x: Tensor): Tensor {
    const first = relu(this.bn1.forward(this.conv1.forward(x)));
    let value = this.maxpool?.forward(first) ?? first;
    for (const stage of [this.layer1, this.layer2, this.layer3, this.layer4]) value = stage?.forward(value) ?? value;
    return this.fc.forward(this.avgpool.forward(value));
  }

  /** The network that `config()` describes. */
  static fromConfig(config: ResNetModelOptions): ResNet {
    return new ResNet(config);
  }
}

/**
 * ResNet-18 (He et al. 2015): 11,689,512 parameters. See {@link resnet50}.
 *
 * @throws {@link ArgumentError} for wrong options.
 * @example
 * ```ts
 * import { resnet18 } from 'nodegrad';
 * resnet18({ classes: 10 });
 * ```
 */
export function resnet18(options: ResNetOptions = {}): ResNet {
  return new ResNet(formOf(options, { block: 'basic', blocks: [2, 2, 2, 2] }));
}

/**
 * ResNet-34 (He et al. 2015): 21,797,672 parameters. See {@link resnet50}.
 *
 * @throws {@link ArgumentError} for wrong options.
 * @example
 * ```ts
 * import { resnet34 } from 'nodegrad';
 * resnet34({ classes: 10 });
 * ```
 */
export function resnet34(options: ResNetOptions = {}): ResNet {
  return new ResNet(formOf(options, { block: 'basic', blocks: [3, 4, 6, 3] }));
}

/**
 * ResNet-50 (He et al. 2015, first in ImageNet 2015): 25,557,032 parameters. Course rows M12–M15.
 *
 * The step of a stage is in its first 3×3 convolution, as torchvision and most others have it since ("v1.5"); `strideIn: '1x1'` is the
 * paper's. The paper's recipe: batch norm behind each convolution, He's weights by fan-out, momentum 0.9, weight decay 1e-4, learning rate
 * 0.1 divided by 10 on the way, no dropout.
 *
 * @throws {@link ArgumentError} for wrong options.
 * @example
 * ```ts
 * import { resnet50 } from 'nodegrad';
 * resnet50({ classes: 10 });
 * ```
 */
export function resnet50(options: BottleneckNetOptions = {}): ResNet {
  return new ResNet(formOf(options, { block: 'bottleneck', blocks: [3, 4, 6, 3] }));
}

/**
 * ResNet-101 (He et al. 2015): 44,549,160 parameters. See {@link resnet50}.
 *
 * @throws {@link ArgumentError} for wrong options.
 * @example
 * ```ts
 * import { resnet101 } from 'nodegrad';
 * resnet101({ classes: 10 });
 * ```
 */
export function resnet101(options: BottleneckNetOptions = {}): ResNet {
  return new ResNet(formOf(options, { block: 'bottleneck', blocks: [3, 4, 23, 3] }));
}

/**
 * ResNet-152 (He et al. 2015): 60,192,808 parameters, 152 weight layers. See {@link resnet50}. Course row M12.
 *
 * @throws {@link ArgumentError} for wrong options.
 * @example
 * ```ts
 * import { resnet152 } from 'nodegrad';
 * resnet152({ classes: 10 });
 * ```
 */
export function resnet152(options: BottleneckNetOptions = {}): ResNet {
  return new ResNet(formOf(options, { block: 'bottleneck', blocks: [3, 8, 36, 3] }));
}

/**
 * ResNeXt-50 32x4d (Xie et al. 2017): 32 groups of 4 filters; 25,028,904 parameters. See {@link resnet50}. Course rows M20, M21.
 *
 * @throws {@link ArgumentError} for wrong options.
 * @example
 * ```ts
 * import { resnext50 } from 'nodegrad';
 * resnext50({ classes: 10 });
 * ```
 */
export function resnext50(options: BottleneckNetOptions = {}): ResNet {
  return new ResNet(formOf(options, { block: 'bottleneck', blocks: [3, 4, 6, 3], groups: 32, widthPerGroup: 4 }));
}

/**
 * ResNeXt-101 32x4d (Xie et al. 2017): 44,177,704 parameters. See {@link resnet50}.
 *
 * @throws {@link ArgumentError} for wrong options.
 * @example
 * ```ts
 * import { resnext101 } from 'nodegrad';
 * resnext101({ classes: 10 });
 * ```
 */
export function resnext101(options: BottleneckNetOptions = {}): ResNet {
  return new ResNet(formOf(options, { block: 'bottleneck', blocks: [3, 4, 23, 3], groups: 32, widthPerGroup: 4 }));
}

/**
 * Wide ResNet-50-2 (Zagoruyko & Komodakis 2016): bottlenecks twice as wide inside; 68,883,240 parameters. Course row M19.
 *
 * @throws {@link ArgumentError} for wrong options.
 * @example
 * ```ts
 * import { wideResnet50 } from 'nodegrad';
 * wideResnet50({ classes: 10 });
 * ```
 */
export function wideResnet50(options: BottleneckNetOptions = {}): ResNet {
  return new ResNet(formOf(options, { block: 'bottleneck', blocks: [3, 4, 6, 3], widthPerGroup: 128 }));
}

/** Options of {@link cifarResnet}. */
export interface CifarResNetOptions extends ResNetOptions {
  /** Weight layers, 6n + 2: 20 (default), 32, 44, 56, 110, 1202. */
  depth?: number;
}

/**
 * ResNet-20, 32, 44, 56, 110 for images of 32×32 (He et al. 2015, section 4.2): three stages of 16, 32 and 64 filters, shortcuts without
 * parameters. 269,722 parameters at depth 20. `dropPath: 0.5` is stochastic depth (Huang et al. 2016; course rows M22, F11): a block
 * that is skipped costs a compiled step no time.
 *
 * The paper's recipe: momentum 0.9, weight decay 1e-4, learning rate 0.1, divided by 10 after 32,000 and 48,000 of 64,000 steps of 128.
 * Depth 110 starts at 0.01, until the training error is below 80 % (about 400 steps).
 *
 * @throws {@link ArgumentError} for a depth that is not 6n + 2, or other wrong options.
 * @example
 * ```ts
 * import { cifarResnet, ones } from 'nodegrad';
 * cifarResnet({ depth: 20 }).forward(ones([2, 32, 32, 3])).shape; // [2, 10]
 * ```
 */
export function cifarResnet(options: CifarResNetOptions = {}): ResNet {
  const { depth = 20, ...rest } = checkObject<CifarResNetOptions>(options, 'options');
  const count = blocksOf(depth, 6, 2);
  return new ResNet(formOf(rest, { stem: 'small', block: 'basic', blocks: [count, count, count] }));
}

/** Options of {@link cifarResnext}. */
export interface CifarResNeXtOptions extends Omit<BottleneckNetOptions, 'width'> {
  /** Weight layers, 9n + 2. Default 29. */
  depth?: number;
  /** Groups. Default 8. */
  groups?: number;
  /** Filters of each group in the first stage. Default 64. */
  widthPerGroup?: number;
}

/**
 * ResNeXt-29 for images of 32×32 (Xie et al. 2017): by default 8x64d, 34,426,698 parameters. Course row M20.
 *
 * @throws {@link ArgumentError} for a depth that is not 9n + 2, or other wrong options.
 * @example
 * ```ts
 * import { cifarResnext } from 'nodegrad';
 * cifarResnext({ groups: 16 }); // 68,155,210 parameters
 * ```
 */
export function cifarResnext(options: CifarResNeXtOptions = {}): ResNet {
  const { depth = 29, groups = 8, ...rest } = checkObject<CifarResNeXtOptions>(options, 'options');
  const count = blocksOf(depth, 9, 2);
  return new ResNet({
    shortcut: 'B',
    groups,
    ...formOf(rest, { width: 64, stem: 'small', block: 'bottleneck', blocks: [count, count, count] }),
  });
}

/** @internal Blocks per stage of a network of `depth` weight layers, of which `around` are outside of blocks. */
export function blocksOf(depth: unknown, perBlocks: number, around: number): number {
  const count = (checkInteger(depth, 'options.depth', 1) - around) / perBlocks;
  if (count < 1 || !Number.isInteger(count)) {
    throw new ArgumentError(expected(`a depth of ${perBlocks}n + ${around}`, 'options.depth', depth));
  }
  return count;
}

registerLayers({ ResNet });
