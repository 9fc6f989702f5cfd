// SqueezeNet: fire modules instead of wide convolutions, and no fully connected layer. Assembly only.

import { checkChoice } from '../errors.js';
import { He, Normal } from '../initializers/initializer.js';
import { ReLU } from '../layers/activations.js';
import { Conv2d } from '../layers/convolution.js';
import { GlobalAvgPool2d, MaxPool2d } from '../layers/pooling.js';
import { registerLayer } from '../layers/registry.js';
import { Sequential } from '../layers/sequential.js';
import { Dropout } from '../layers/shape.js';
import type { Tensor } from '../tensor.js';
import { Fire } from './blocks.js';
import { ImageModel, type ImageModelOptions, complete } from './image-model.js';

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
      { version: '1.1', classes: 1000, inputSize: 224, inputChannels: 3, width: 64, dropout: 0.5 },
      ['dropout'],
    );
    checkChoice(full.version, 'options.version', ['1.0', '1.1']);
    super(full);
    const { version, classes, inputChannels, width, dropout } = full;
    const init = new He({ distribution: 'uniform' });
    const pool = (): MaxPool2d => new MaxPool2d(3, { stride: 2, ceilMode: true });
    const sized = (channels: number): number => Math.max(1, Math.round((channels * width) / 64));
    const fire = (inChannels: number, squeeze: number, expand: number): Fire =>
      new Fire({ inChannels: sized(inChannels), squeeze: sized(squeeze), expand: sized(expand) });
    this.features = new Sequential(
      version === '1.0'
        ? [
            new Conv2d(inputChannels, sized(96), 7, { stride: 2, init }),
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
            new Conv2d(inputChannels, sized(64), 3, { stride: 2, init }),
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

registerLayer(SqueezeNet);
