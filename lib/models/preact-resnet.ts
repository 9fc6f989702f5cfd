// Residual networks with the activation before each convolution, and their wide form, for images of 32×32. Assembly only.

import { checkChoice, checkInteger, checkObject } from '../errors.js';
import { He } from '../initializers/he.js';
import type { Conv2d } from '../layers/convolution.js';
import type { Linear } from '../layers/linear.js';
import { BatchNorm2d } from '../layers/batch-norm.js';
import { GlobalAvgPool2d } from '../layers/pooling.js';
import { registerLayers } from '../layers/registry.js';
import { Sequential } from './sequential.js';
import { relu } from '../ops/activations.js';
import type { Tensor } from '../tensor.js';
import { PreActBlock, type Shortcut } from './blocks.js';
import { ImageModel, type ImageModelOptions, classifier, complete, convolution, formOf } from './image-model.js';
import { blocksOf } from './resnet.js';

/** Options of {@link PreActResNet}. */
export interface PreActResNetOptions extends ImageModelOptions {
  /** Two 3×3 convolutions a block, or 1×1, 3×3, 1×1. Default `'bottleneck'`. */
  block?: 'basic' | 'bottleneck';
  /** Blocks of each of the three stages. Default 18. */
  blocks?: number;
  /** Filters of the first convolution. Default 16. */
  width?: number;
  /** Filters of the stages are 16, 32 and 64 times this (where `width` is 16). Default 1. */
  widthFactor?: number;
  /** How blocks that change the shape bring their input along: a 1×1 convolution (B) or zeros (A). Default B. */
  shortcut?: Shortcut;
  /** Probability of dropping between the convolutions of a block. Default 0. */
  dropout?: number;
  /** Which count of connections the first weights follow. Default `'fanOut'`; Wide ResNets have `'fanIn'`. */
  fanMode?: 'fanOut' | 'fanIn';
  /** Whether each block runs again for its gradient, see {@link recompute}: less memory, the same bits, about a third more work. Default false. */
  recompute?: boolean;
}

/**
 * A pre-activation residual network; see {@link preactResnet} and {@link cifarWideResnet}.
 *
 * @example
 * ```ts
 * import { PreActResNet } from 'nodegrad';
 * new PreActResNet({ block: 'basic', blocks: 2 });
 * ```
 */
export class PreActResNet extends ImageModel<Required<PreActResNetOptions>> {
  /** The first convolution. */
  readonly conv1: Conv2d;
  /** The first stage. */
  readonly layer1: Sequential;
  /** The second stage. */
  readonly layer2: Sequential;
  /** The third stage. */
  readonly layer3: Sequential;
  /** Behind the last block. */
  readonly norm: BatchNorm2d;
  /** The mean over all positions. */
  readonly avgpool = new GlobalAvgPool2d();
  /** Scores of the classes. */
  readonly fc: Linear;

  /** @throws {@link ArgumentError} for wrong options. */
  constructor(options: PreActResNetOptions = {}) {
    const full = complete<Required<PreActResNetOptions>>(
      options,
      {
        block: 'bottleneck',
        blocks: 18,
        classes: 10,
        imageSize: 32,
        channels: 3,
        width: 16,
        widthFactor: 1,
        shortcut: 'B',
        dropout: 0,
        fanMode: 'fanOut',
        recompute: false,
      },
      ['dropout'],
    );
    checkInteger(full.blocks, 'options.blocks', 1, 4096);
    checkChoice(full.block, 'options.block', ['basic', 'bottleneck']);
    checkChoice(full.shortcut, 'options.shortcut', ['A', 'B']);
    checkChoice(full.fanMode, 'options.fanMode', ['fanOut', 'fanIn']);
    super(full);
    const { block, blocks, classes, channels, width, widthFactor, shortcut, dropout, fanMode, recompute } = full;
    this.conv1 = convolution(channels, width, 3);
    let inChannels = width;
    const stage = (index: number): Sequential => {
      const filters = width * widthFactor * (1 << index);
      const outChannels = block === 'basic' ? filters : 4 * filters;
      const made: PreActBlock[] = [];
      for (let i = 0; i < blocks; i++) {
        made.push(new PreActBlock({ inChannels, channels: filters, outChannels, stride: index > 0 && i === 0 ? 2 : 1, shortcut, dropout }));
        inChannels = outChannels;
      }
      return new Sequential(made, { recompute });
    };
    this.layer1 = stage(0);
    this.layer2 = stage(1);
    this.layer3 = stage(2);
    this.norm = new BatchNorm2d(inChannels);
    this.fc = classifier(inChannels, classes);
    if (fanMode === 'fanIn') {
      for (const [path, parameter] of this.namedParameters()) if (path !== 'fc.weight' && parameter.rank === 4) parameter.init = new He();
    }
  }

  forward(x: Tensor): Tensor {
    const images = this.layer3.forward(this.layer2.forward(this.layer1.forward(this.conv1.forward(x))));
    return this.fc.forward(this.avgpool.forward(relu(this.norm.forward(images))));
  }

  /** The network that `config()` describes. */
  static fromConfig(config: PreActResNetOptions): PreActResNet {
    return new PreActResNet(config);
  }
}

/** Options of {@link preactResnet}. */
export interface PreActDepthOptions extends Omit<PreActResNetOptions, 'blocks' | 'block'> {
  /** Weight layers: 9n + 2 of bottlenecks, such as 164 (default) and 1001; 110 is made of basic blocks, with shortcuts A. */
  depth?: number;
}

/**
 * Pre-activation ResNet-110, 164 or 1001 (He et al. 2016, "Identity Mappings"): 1,703,258 parameters at depth 164. Course row M17.
 *
 * @throws {@link ArgumentError} for a depth that no such network has, or other wrong options.
 * @example
 * ```ts
 * import { preactResnet } from 'nodegrad';
 * preactResnet({ depth: 164, classes: 100 });
 * ```
 */
export function preactResnet(options: PreActDepthOptions = {}): PreActResNet {
  const { depth = 164, ...rest } = checkObject<PreActDepthOptions>(options, 'options');
  if (depth === 110) return new PreActResNet({ shortcut: 'A', ...formOf(rest, { block: 'basic', blocks: 18 }) });
  return new PreActResNet(formOf(rest, { block: 'bottleneck', blocks: blocksOf(depth, 9, 2) }));
}

/** Options of {@link cifarWideResnet}. */
export interface WideResNetOptions extends Omit<PreActResNetOptions, 'blocks' | 'block' | 'fanMode'> {
  /** Convolutions, projection shortcuts included: 6n + 4. Default 28. */
  depth?: number;
}

/**
 * Wide ResNet (Zagoruyko & Komodakis 2016): few blocks, many filters; WRN-28-10 has 36,479,194 parameters. Course rows M18, M19.
 *
 * The name counts projection shortcuts and leaves out the fully connected layer: 28 = 1 + 24 + 3. The paper's recipe: momentum 0.9 by
 * Nesterov, weight decay 5e-4, learning rate 0.1, times 0.2 after epochs 60, 120 and 160 of 200.
 *
 * @throws {@link ArgumentError} for a depth that is not 6n + 4, or other wrong options.
 * @example
 * ```ts
 * import { cifarWideResnet } from 'nodegrad';
 * cifarWideResnet({ depth: 16, widthFactor: 8, dropout: 0.3 });
 * ```
 */
export function cifarWideResnet(options: WideResNetOptions = {}): PreActResNet {
  const { depth = 28, widthFactor = 10, ...rest } = checkObject<WideResNetOptions>(options, 'options');
  return new PreActResNet({ widthFactor, ...formOf(rest, { block: 'basic', blocks: blocksOf(depth, 6, 4), fanMode: 'fanIn' }) });
}

registerLayers({ PreActResNet });
