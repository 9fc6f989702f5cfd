// AlexNet: the one-column form, and that of 2012 with groups and response normalization. Assembly only.

import { checkChoice } from '../errors.js';
import { Constant } from '../initializers/constant.js';
import { He } from '../initializers/he.js';
import type { Initializer } from '../initializers/initializer.js';
import { Normal } from '../initializers/normal.js';
import { ReLU } from '../layers/activations.js';
import { Conv2d } from '../layers/convolution.js';
import type { AnyLayer } from '../layers/layer.js';
import { Linear } from '../layers/linear.js';
import { LocalResponseNorm } from '../layers/local-response-norm.js';
import { AdaptiveAvgPool2d, MaxPool2d } from '../layers/pooling.js';
import { registerLayers } from '../layers/registry.js';
import { Sequential } from './sequential.js';
import { Dropout } from '../layers/dropout.js';
import { Flatten } from '../layers/shape.js';
import type { Tensor } from '../tensor.js';
import { ImageModel, type ImageModelOptions, checkHidden, classifier, complete, pooledTo } from './image-model.js';

/** Options of {@link alexnet}. */
export interface AlexNetOptions extends ImageModelOptions {
  /** `'one-column'` (torchvision's; default), or `'2012'`: 96-256-384-384-256 filters and response normalization. */
  form?: 'one-column' | '2012';
  /** Whether convolutions 2, 4 and 5 are in two groups, one for each of the GPUs of then; an option of the form of 2012. Default true. */
  grouped?: boolean;
  /** Units of the hidden fully connected layers. Default [4096, 4096]. */
  hidden?: readonly number[];
  /** Probability of dropping in the fully connected layers. Default 0.5. */
  dropout?: number;
}

/**
 * AlexNet; see {@link alexnet}.
 *
 * @example
 * ```ts
 * import { AlexNet } from 'nodegrad';
 * new AlexNet({ classes: 10 });
 * ```
 */
export class AlexNet extends ImageModel<Required<AlexNetOptions>> {
  /** Convolutions and pooling. */
  readonly features: Sequential;
  /** 6×6 means, of images that leave another size. */
  readonly avgpool = new AdaptiveAvgPool2d(6);
  /** Images to rows. */
  readonly flatten = new Flatten();
  /** Fully connected layers. */
  readonly classifier: Sequential;

  /** @throws {@link ArgumentError} for wrong options. */
  constructor(options: AlexNetOptions = {}) {
    const isOld = options?.form === '2012';
    const full = complete<Required<AlexNetOptions>>(
      options,
      {
        form: 'one-column',
        classes: 1000,
        imageSize: isOld ? 227 : 224,
        channels: 3,
        hidden: [4096, 4096],
        dropout: 0.5,
        ...((isOld && { grouped: true }) as { grouped: boolean }),
      },
      ['dropout'],
    );
    checkChoice(full.form, 'options.form', ['one-column', '2012']);
    super(full, isOld ? 67 : 63);
    const { classes, channels, grouped, hidden, dropout } = full;
    const groups = grouped ? 2 : 1;
    const init = (scale: number): Initializer => (isOld ? new Normal({ std: scale }) : new He());
    const bias = (value: number): Initializer => new Constant(isOld ? value : 0);
    const pool = (): AnyLayer => new MaxPool2d(3, { stride: 2 });
    const conv = (from: number, to: number, kernel: number, value: number, parts = 1): AnyLayer[] => [
      new Conv2d(from, to, kernel, { padding: (kernel - 1) / 2, groups: parts, init: init(0.01), biasInit: bias(value) }),
      new ReLU(),
    ];
    const first = (filters: number, padding: number): AnyLayer[] => [
      new Conv2d(channels, filters, 11, { stride: 4, padding, init: init(0.01) }),
      new ReLU(),
    ];
    this.features = new Sequential(
      isOld
        ? [
            ...first(96, 0),
            new LocalResponseNorm(5),
            pool(),
            ...conv(96, 256, 5, 1, groups),
            new LocalResponseNorm(5),
            pool(),
            ...conv(256, 384, 3, 0),
            ...conv(384, 384, 3, 1, groups),
            ...conv(384, 256, 3, 1, groups),
            pool(),
          ]
        : [
            ...first(64, 2),
            pool(),
            ...conv(64, 192, 5, 0),
            pool(),
            ...conv(192, 384, 3, 0),
            ...conv(384, 256, 3, 0),
            ...conv(256, 256, 3, 0),
            pool(),
          ],
    );
    const layers: AnyLayer[] = [];
    let features = 36 * 256;
    for (const units of checkHidden(hidden)) {
      layers.push(new Dropout(dropout), new Linear(features, units, { init: init(0.005), biasInit: bias(1) }), new ReLU());
      features = units;
    }
    this.classifier = new Sequential([...layers, classifier(features, classes)]);
  }

  forward(x: Tensor): Tensor {
    return this.classifier.forward(this.flatten.forward(pooledTo(this.features.forward(x), this.avgpool)) as Tensor);
  }

  /** The network that `config()` describes. */
  static fromConfig(config: AlexNetOptions): AlexNet {
    return new AlexNet(config);
  }
}

/**
 * AlexNet (Krizhevsky, Sutskever, Hinton 2012, first in ImageNet 2012). The one-column form (Krizhevsky 2014, as torchvision has it) has
 * 61,100,840 parameters, the form of 2012 has 60,965,224. Course rows M03, M04.
 *
 * @throws {@link ArgumentError} for wrong options.
 * @example
 * ```ts
 * import { alexnet } from 'nodegrad';
 * alexnet({ form: '2012', grouped: false }).parameterCount(); // 62378344
 * ```
 */
export function alexnet(options: AlexNetOptions = {}): AlexNet {
  return new AlexNet(options);
}

registerLayers({ AlexNet });
