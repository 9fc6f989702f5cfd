// VGG: stacks of 3×3 convolutions and pooling, with and without batch norm. Assembly only.

import { ArgumentError, expected } from '../errors.js';
import { He } from '../initializers/he.js';
import { Normal } from '../initializers/normal.js';
import { ReLU } from '../layers/activations.js';
import { Conv2d } from '../layers/convolution.js';
import type { AnyLayer } from '../layers/layer.js';
import { Linear } from '../layers/linear.js';
import { BatchNorm2d } from '../layers/batch-norm.js';
import { AdaptiveAvgPool2d, MaxPool2d } from '../layers/pooling.js';
import { registerLayers } from '../layers/registry.js';
import { Sequential } from './sequential.js';
import { Dropout } from '../layers/dropout.js';
import { Flatten } from '../layers/shape.js';
import type { Tensor } from '../tensor.js';
import { ImageModel, type ImageModelOptions, checkHidden, classifier, complete, formOf, pooledTo } from './image-model.js';

/** Options of the VGG networks. */
export interface VggOptions extends ImageModelOptions {
  /** Whether each convolution is followed by batch norm. Default false. */
  batchNorm?: boolean;
  /** Filters of the first convolution; later ones have up to eight times as many. Default 64. */
  width?: number;
  /** Units of the hidden fully connected layers. Default [4096, 4096]. */
  hidden?: readonly number[];
  /** Probability of dropping in the fully connected layers. Default 0.5. */
  dropout?: number;
}

/** Options of {@link Vgg}. */
export interface VggModelOptions extends VggOptions {
  /** Weight layers: 11, 13, 16 or 19. */
  depth: number;
}

// Convolutions before each pooling.
const stages: Readonly<Record<number, readonly number[]>> = {
  11: [1, 1, 2, 2, 2],
  13: [2, 2, 2, 2, 2],
  16: [2, 2, 3, 3, 3],
  19: [2, 2, 4, 4, 4],
};

// Convolutions of 3×3 with pooling after each stage.
function stack(images: number, widths: readonly number[], counts: readonly number[], batchNorm: boolean, bias: boolean): AnyLayer[] {
  const layers: AnyLayer[] = [];
  let channels = images;
  counts.forEach((count, stage) => {
    for (let i = 0; i < count; i++) {
      layers.push(new Conv2d(channels, widths[stage], 3, { padding: 1, bias, init: new He({ mode: 'fanOut' }) }));
      if (batchNorm) layers.push(new BatchNorm2d(widths[stage]));
      layers.push(new ReLU());
      channels = widths[stage];
    }
    layers.push(new MaxPool2d(2));
  });
  return layers;
}

/**
 * VGG (Simonyan & Zisserman 2014); see {@link vgg16}.
 *
 * @example
 * ```ts
 * import { Vgg } from 'nodegrad';
 * new Vgg({ depth: 11, classes: 10 });
 * ```
 */
export class Vgg extends ImageModel<Required<VggModelOptions>> {
  /** Convolutions and pooling. */
  readonly features: Sequential;
  /** 7×7 means, of images that leave another size. */
  readonly avgpool = new AdaptiveAvgPool2d(7);
  /** Images to rows. */
  readonly flatten = new Flatten();
  /** Fully connected layers. */
  readonly classifier: Sequential;

  /** @throws {@link ArgumentError} for wrong options. */
  constructor(options: VggModelOptions) {
    const full = complete<Required<VggModelOptions>, 'depth'>(
      options,
      { classes: 1000, imageSize: 224, channels: 3, batchNorm: false, width: 64, hidden: [4096, 4096], dropout: 0.5 },
      ['dropout'],
      ['depth'],
    );
    super(full, 32);
    const { depth, classes, channels, batchNorm, width, hidden, dropout } = full;
    const counts = stages[depth];
    if (counts === undefined) throw new ArgumentError(expected('11, 13, 16 or 19', 'options.depth', depth));
    const widths = [1, 2, 4, 8, 8].map((factor) => factor * width);
    this.features = new Sequential(stack(channels, widths, counts, batchNorm, true));
    const init = new Normal({ std: 0.01 });
    const layers: AnyLayer[] = [];
    let features = 49 * 8 * width;
    for (const units of checkHidden(hidden)) {
      layers.push(new Linear(features, units, { init }), new ReLU(), new Dropout(dropout));
      features = units;
    }
    this.classifier = new Sequential([...layers, classifier(features, classes)]);
  }

  forward(x: Tensor): Tensor {
    return this.classifier.forward(this.flatten.forward(pooledTo(this.features.forward(x), this.avgpool)) as Tensor);
  }

  /** The network that `config()` describes. */
  static fromConfig(config: VggModelOptions): Vgg {
    return new Vgg(config);
  }
}

/**
 * VGG-11: 132,863,336 parameters. See {@link vgg16}.
 *
 * @throws {@link ArgumentError} for wrong options.
 * @example
 * ```ts
 * import { vgg11 } from 'nodegrad';
 * vgg11({ classes: 10, batchNorm: true });
 * ```
 */
export function vgg11(options: VggOptions = {}): Vgg {
  return new Vgg(formOf(options, { depth: 11 }));
}

/**
 * VGG-13: 133,047,848 parameters. See {@link vgg16}.
 *
 * @throws {@link ArgumentError} for wrong options.
 * @example
 * ```ts
 * import { vgg13 } from 'nodegrad';
 * vgg13({ classes: 10 });
 * ```
 */
export function vgg13(options: VggOptions = {}): Vgg {
  return new Vgg(formOf(options, { depth: 13 }));
}

/**
 * VGG-16 (configuration D; Simonyan & Zisserman 2014, second in ImageNet 2014): 13 convolutions, all 3×3, and 3 fully connected layers;
 * 138,357,544 parameters. Course rows M05–M08, P39, P40.
 *
 * Weights start as in the networks that batch norm made trainable from scratch: He by fan-out in convolutions, N(0, 0.01) behind them.
 *
 * @throws {@link ArgumentError} for wrong options.
 * @example
 * ```ts
 * import { vgg16 } from 'nodegrad';
 * console.log(vgg16().summary());
 * ```
 */
export function vgg16(options: VggOptions = {}): Vgg {
  return new Vgg(formOf(options, { depth: 16 }));
}

/**
 * VGG-19 (configuration E): 143,667,240 parameters. See {@link vgg16}. Course row M05.
 *
 * @throws {@link ArgumentError} for wrong options.
 * @example
 * ```ts
 * import { vgg19 } from 'nodegrad';
 * vgg19({ batchNorm: true });
 * ```
 */
export function vgg19(options: VggOptions = {}): Vgg {
  return new Vgg(formOf(options, { depth: 19 }));
}

/** Options of {@link cifarVgg}. */
export interface CifarVggOptions {
  /** Outputs. Default 10. */
  classes?: number;
  /** Height and width of the images, a multiple of 8. Default 32. */
  imageSize?: number;
  /** Channels of the images. Default 3. */
  channels?: number;
  /** Filters of the first convolution. Default 64. */
  width?: number;
  /** Units of the hidden layers. Default [512]. */
  hidden?: readonly number[];
}

/**
 * A VGG for small images: six 3×3 convolutions with batch norm (64-64, 128-128, 256-256), pooling after each pair, a hidden layer of 512.
 *
 * @throws {@link ArgumentError} for wrong options.
 * @example
 * ```ts
 * import { cifarVgg, ones } from 'nodegrad';
 * cifarVgg().forward(ones([2, 32, 32, 3])).shape; // [2, 10]
 * ```
 */
export function cifarVgg(options: CifarVggOptions = {}): Sequential {
  const defaults = { classes: 10, imageSize: 32, channels: 3, width: 64, hidden: [512] };
  const { classes, imageSize, channels, width, hidden } = complete<Required<CifarVggOptions>>(options, defaults);
  if (imageSize % 8 !== 0) throw new ArgumentError(`expected \`options.imageSize\` to be a multiple of 8, received ${imageSize}`);
  const side = imageSize / 8;
  const layers: AnyLayer[] = [];
  let features = side * side * 4 * width;
  for (const units of checkHidden(hidden)) {
    layers.push(new Linear(features, units), new ReLU());
    features = units;
  }
  return new Sequential(
    [
      ...stack(
        channels,
        [1, 2, 4].map((factor) => factor * width),
        [2, 2, 2],
        true,
        false,
      ),
      new Flatten(),
      ...layers,
      new Linear(features, classes),
    ],
    { inputShape: [imageSize, imageSize, channels] },
  );
}

registerLayers({ Vgg });
