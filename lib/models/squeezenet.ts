// SqueezeNet: fire modules instead of wide convolutions, and no fully connected layer. Assembly only.

import { checkChoice } from '../errors.js';
import { He } from '../initializers/he.js';
import { Normal } from '../initializers/normal.js';
import { ReLU } from '../layers/activations.js';
import { Conv2d } from '../layers/convolution.js';
import { Layer } from '../layers/layer.js';
import { GlobalAvgPool2d, MaxPool2d } from '../layers/pooling.js';
import { registerLayers } from '../layers/registry.js';
import { Sequential } from './sequential.js';
import { Dropout } from '../layers/dropout.js';
import { relu } from '../ops/activations.js';
import { concat } from '../ops/shape.js';
import type { Tensor } from '../tensor.js';
import { ImageModel, type ImageModelOptions, complete } from './image-model.js';

// The first weights of all convolutions but the last, as torchvision has them.
const init = new He({ distribution: 'uniform' });

/** Sizes of a {@link Fire} module. */
export interface FireOptions {
  /** Channels of the input. */
  inChannels: number;
  /** Filters of the 1×1 convolution that squeezes. */
  squeeze: number;
  /** Filters of each of the two convolutions that expand. */
  expand: number;
}

/**
 * The fire module of SqueezeNet (Iandola et al. 2016): a 1×1 convolution to few channels, then 1×1 and 3×3 convolutions side by side.
 *
 * @example
 * ```ts
 * import { Fire, ones } from 'nodegrad';
 * new Fire({ inChannels: 96, squeeze: 16, expand: 64 }).forward(ones([1, 8, 8, 96])).shape; // [1, 8, 8, 128]
 * ```
 */
export class Fire extends Layer {
  /** 1×1, to few channels. */
  readonly squeeze: Conv2d;
  /** 1×1, beside expand3x3. */
  readonly expand1x1: Conv2d;
  /** 3×3, beside expand1x1. */
  readonly expand3x3: Conv2d;

  /** @throws {@link ArgumentError} for wrong options. */
  constructor(options: FireOptions) {
    super();
    const { inChannels, squeeze, expand } = complete<FireOptions, keyof FireOptions>(options, {}, [], ['inChannels', 'squeeze', 'expand']);
    this.squeeze = new Conv2d(inChannels, squeeze, 1, { init });
    this.expand1x1 = new Conv2d(squeeze, expand, 1, { init });
    this.expand3x3 = new Conv2d(squeeze, expand, 3, { padding: 1, init });
  }

  forward(x: Tensor): Tensor {
    const narrow = relu(this.squeeze.forward(x));
    return concat([relu(this.expand1x1.forward(narrow)), relu(this.expand3x3.forward(narrow))], -1);
  }

  override config(): unknown {
    return { inChannels: this.squeeze.inChannels, squeeze: this.squeeze.outChannels, expand: this.expand1x1.outChannels };
  }
  /** The module that `config()` describes. */
  static fromConfig(config: FireOptions): Fire {
    return new Fire(config);
  }
}

/** Options of {@link squeezenet}. */
export interface SqueezeNetOptions extends ImageModelOptions {
  /** `'1.1'` (default) needs less than half of the multiply-accumulates of `'1.0'`, the paper's. */
  version?: '1.0' | '1.1';
  /** Filters of the first convolution of version 1.1; all others in proportion. A multiple of 4. Default 64. */
  width?: number;
  /** Probability of dropping before the last convolution. Default 0.5. */
  dropout?: number;
}

/**
 * SqueezeNet; see {@link squeezenet}.
 *
 * @example
 * ```ts
 * import { SqueezeNet } from 'nodegrad';
 * new SqueezeNet({ classes: 10 });
 * ```
 */
export class SqueezeNet extends ImageModel<Required<SqueezeNetOptions>> {
  /** Convolution, fire modules and pooling. */
  readonly features: Sequential;
  /** A 1×1 convolution with a filter per class, and the mean over all positions. */
  readonly classifier: Sequential;

  /** @throws {@link ArgumentError} for wrong options. */
  constructor(options: SqueezeNetOptions = {}) {
    const full = complete<Required<SqueezeNetOptions>>(
      options,
      { version: '1.1', classes: 1000, imageSize: 224, channels: 3, width: 64, dropout: 0.5 },
      ['dropout'],
    );
    checkChoice(full.version, 'options.version', ['1.0', '1.1']);
    super(full, full.version === '1.0' ? 21 : 17);
    const { version, classes, channels, width, dropout } = full;
    const pool = (): MaxPool2d => new MaxPool2d(3, { stride: 2, ceilMode: true });
    const sized = (channels: number): number => Math.max(1, Math.round((channels * width) / 64));
    const fire = (inChannels: number, squeeze: number, expand: number): Fire =>
      new Fire({ inChannels: sized(inChannels), squeeze: sized(squeeze), expand: sized(expand) });
    this.features = new Sequential(
      version === '1.0'
        ? [
            new Conv2d(channels, sized(96), 7, { stride: 2, init }),
            new ReLU(),
            pool(),
            fire(96, 16, 64),
            fire(128, 16, 64),
            fire(128, 32, 128),
            pool(),
            fire(256, 32, 128),
            fire(256, 48, 192),
            fire(384, 48, 192),
            fire(384, 64, 256),
            pool(),
            fire(512, 64, 256),
          ]
        : [
            new Conv2d(channels, sized(64), 3, { stride: 2, init }),
            new ReLU(),
            pool(),
            fire(64, 16, 64),
            fire(128, 16, 64),
            pool(),
            fire(128, 32, 128),
            fire(256, 32, 128),
            pool(),
            fire(256, 48, 192),
            fire(384, 48, 192),
            fire(384, 64, 256),
            fire(512, 64, 256),
          ],
    );
    const last = new Conv2d(sized(512), classes, 1, { init: new Normal({ std: 0.01 }) });
    this.classifier = new Sequential([new Dropout(dropout), last, new ReLU(), new GlobalAvgPool2d()]);
  }

  forward(x: Tensor): Tensor {
    return this.classifier.forward(this.features.forward(x));
  }

  /** The network that `config()` describes. */
  static fromConfig(config: SqueezeNetOptions): SqueezeNet {
    return new SqueezeNet(config);
  }
}

/**
 * SqueezeNet (Iandola et al. 2016): the accuracy of AlexNet with a fiftieth of its parameters. Version 1.1 has 1,235,496, version 1.0
 * 1,248,424. Course row M27.
 *
 * @throws {@link ArgumentError} for wrong options.
 * @example
 * ```ts
 * import { squeezenet } from 'nodegrad';
 * squeezenet({ version: '1.0', classes: 10 });
 * ```
 */
export function squeezenet(options: SqueezeNetOptions = {}): SqueezeNet {
  return new SqueezeNet(options);
}

registerLayers({ Fire, SqueezeNet });
