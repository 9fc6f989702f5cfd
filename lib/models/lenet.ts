// LeNet-5, for digits of 28×28 or 32×32 pixels: the modern form, that of 1998, and Caffe's; and a small network beside it. Assembly only.

import { ArgumentError, checkChoice, checkInteger, expected } from '../errors.js';
import { Zeros } from '../initializers/constant.js';
import { Uniform } from '../initializers/uniform.js';
import { Xavier } from '../initializers/xavier.js';
import { ReLU } from '../layers/activations.js';
import { Conv2d } from '../layers/convolution.js';
import { Layer } from '../layers/layer.js';
import { Linear } from '../layers/linear.js';
import { BatchNorm2d } from '../layers/batch-norm.js';
import { MaxPool2d } from '../layers/pooling.js';
import { registerLayers } from '../layers/registry.js';
import { Sequential } from './sequential.js';
import { Dropout } from '../layers/dropout.js';
import { Flatten } from '../layers/shape.js';
import { tanh } from '../ops/activations.js';
import { avgPool2d } from '../ops/pooling.js';
import { concat } from '../ops/shape.js';
import { Parameter } from '../parameter.js';
import type { Tensor } from '../tensor.js';
import { classifier, complete } from './image-model.js';

/** Options of {@link lenet5}. */
export interface Lenet5Options {
  /** `'modern'`, `'1998'` or `'caffe'`. Default `'modern'`. */
  form?: 'modern' | '1998' | 'caffe';
  /** Outputs. The form of 1998 has no such option: it gives the 84 values of its layer F6, whose output codes are fixed. Default 10. */
  classes?: number;
  /** Height and width, 28 or 32: images of 28 are padded to 32, but for Caffe's form. Default 28. */
  imageSize?: number;
  /** Channels of the images. Default 1. */
  channels?: number;
}

// What goes into each of the 16 maps of C3, as runs of neighbours among six maps in a ring (table I of the paper).
const connections: readonly (readonly (readonly [number, number])[])[] = [
  ...[0, 1, 2, 3, 4, 5].map((first) => [[first, 3]] as const),
  ...[0, 1, 2, 3, 4, 5].map((first) => [[first, 4]] as const),
  [
    [0, 2],
    [3, 2],
  ],
  [
    [1, 2],
    [4, 2],
  ],
  [
    [2, 2],
    [5, 2],
  ],
];

/** A squashing function as the paper has it: `1.7159·tanh(2x/3)`. */
const squash = (x: Tensor): Tensor => tanh(x.mul(2 / 3)).mul(1.7159);

/**
 * LeNet's trained subsampling: the sum of 2×2 pixels times a factor of the map, plus a bias of the map, squashed.
 *
 * @example
 * ```ts
 * import { Subsampling, ones } from 'nodegrad';
 * new Subsampling(6).forward(ones([1, 28, 28, 6])).shape; // [1, 14, 14, 6]
 * ```
 */
export class Subsampling extends Layer {
  /** Shape [channels]. */
  readonly weight: Parameter;
  /** Shape [channels]. */
  readonly bias: Parameter;

  /**
   * @param channels - Number of maps.
   * @throws {@link ArgumentError} for anything but a whole number of at least 1.
   */
  constructor(readonly channels: number) {
    super();
    checkInteger(channels, 'channels', 1);
    this.weight = new Parameter([channels], { init: new Uniform({ low: 0.2, high: 0.3 }) });
    this.bias = new Parameter([channels], { init: new Zeros() });
  }

  forward(x: Tensor): Tensor {
    return squash(avgPool2d(x, 2).mul(4).mul(this.weight).add(this.bias));
  }

  override config(): unknown {
    return { channels: this.channels };
  }
  /** The layer that `config()` describes. */
  static fromConfig({ channels }: { channels: number }): Subsampling {
    return new Subsampling(channels);
  }
}

/**
 * LeNet's layer C3: 16 maps, each made from three, four or all of six (60 kernels of 5×5).
 *
 * @example
 * ```ts
 * import { SparseConvolution, ones } from 'nodegrad';
 * new SparseConvolution().forward(ones([1, 14, 14, 6])).shape; // [1, 10, 10, 16]
 * ```
 */
export class SparseConvolution extends Layer {
  /** Maps 0 to 5, each from three neighbours. */
  readonly threes = new Conv2d(18, 6, 5, { groups: 6, init: new Xavier({ mode: 'fanIn' }) });
  /** Maps 6 to 14, each from four. */
  readonly fours = new Conv2d(36, 9, 5, { groups: 9, init: new Xavier({ mode: 'fanIn' }) });
  /** Map 15, from all. */
  readonly all = new Conv2d(6, 1, 5, { init: new Xavier({ mode: 'fanIn' }) });

  forward(x: Tensor): Tensor {
    const [n, h, w] = x.shape;
    const ring = concat([x, x.slice([0, 0, 0, 0], [n, h, w, 3])], -1);
    const run = ([first, count]: readonly [number, number]): Tensor => ring.slice([0, 0, 0, first], [n, h, w, first + count]);
    const maps = connections.map((runs) => runs.map(run));
    const three = this.threes.forward(concat(maps.slice(0, 6).flat(), -1));
    const four = this.fours.forward(concat(maps.slice(6).flat(), -1));
    return concat([three, four, this.all.forward(x)], -1);
  }
  /** The layer that `config()` describes. */
  static fromConfig(): SparseConvolution {
    return new SparseConvolution();
  }
}

/**
 * The squashing function of LeNet as a layer.
 *
 * @example
 * ```ts
 * import { Squash, ones } from 'nodegrad';
 * new Squash().forward(ones([1])).item(); // 1.0000…
 * ```
 */
export class Squash extends Layer {
  forward(x: Tensor): Tensor {
    return squash(x);
  }
  override get initializerHint(): 'xavier' {
    return 'xavier';
  }
  /** The layer that `config()` describes. */
  static fromConfig(): Squash {
    return new Squash();
  }
}

/**
 * LeNet-5 (LeCun, Bottou, Bengio, Haffner 1998). Course row M02.
 *
 * The modern form has ReLU, max pooling and a full layer C3: 61,706 parameters. `'1998'` has the paper's sparse C3, trained subsampling
 * and squashing function: 60,000 parameters, 84 outputs. `'caffe'` is the 20-50-500 network of Caffe's MNIST example: 431,080.
 *
 * @throws {@link ArgumentError} for wrong options.
 * @example
 * ```ts
 * import { lenet5, ones } from 'nodegrad';
 * lenet5().forward(ones([8, 28, 28, 1])).shape; // [8, 10]
 * ```
 */
export function lenet5(options: Lenet5Options = {}): Sequential {
  const { form, classes, imageSize, channels } = complete<Required<Lenet5Options>>(options, {
    form: 'modern',
    classes: 10,
    imageSize: 28,
    channels: 1,
  });
  checkChoice(form, 'options.form', ['modern', '1998', 'caffe']);
  if (imageSize !== 28 && (imageSize !== 32 || form === 'caffe')) {
    throw new ArgumentError(`expected \`options.imageSize\` to be ${form === 'caffe' ? '28' : '28 or 32'}, received ${imageSize}`);
  }
  if (form === '1998' && options.classes !== undefined) {
    throw new ArgumentError(expected('nothing, since the form of 1998 has 84 outputs,', 'options.classes', options.classes));
  }
  const padding = imageSize === 28 ? 2 : 0;
  const shape = { inputShape: [imageSize, imageSize, channels] };
  if (form === 'caffe') {
    return new Sequential(
      [
        new Conv2d(channels, 20, 5, { init: new Xavier() }),
        new MaxPool2d(2),
        new Conv2d(20, 50, 5, { init: new Xavier() }),
        new MaxPool2d(2),
        new Flatten(),
        new Linear(800, 500),
        new ReLU(),
        new Linear(500, classes),
      ],
      shape,
    );
  }
  if (form === '1998') {
    const init = new Xavier({ mode: 'fanIn' });
    return new Sequential(
      [
        new Conv2d(channels, 6, 5, { padding, init }),
        new Squash(),
        new Subsampling(6),
        new SparseConvolution(),
        new Squash(),
        new Subsampling(16),
        new Conv2d(16, 120, 5, { init }),
        new Squash(),
        new Flatten(),
        new Linear(120, 84, { init }),
        new Squash(),
      ],
      shape,
    );
  }
  return new Sequential(
    [
      new Conv2d(channels, 6, 5, { padding }),
      new ReLU(),
      new MaxPool2d(2),
      new Conv2d(6, 16, 5),
      new ReLU(),
      new MaxPool2d(2),
      new Conv2d(16, 120, 5),
      new ReLU(),
      new Flatten(),
      new Linear(120, 84),
      new ReLU(),
      new Linear(84, classes),
    ],
    shape,
  );
}

/** Options of {@link smallConvNet}. */
export interface SmallConvNetOptions {
  /** Outputs. Default 10. */
  classes?: number;
  /** Height and width of the images, at least 4. Default 28. */
  imageSize?: number;
  /** Channels of the images. Default 1. */
  channels?: number;
  /** Filters of the first convolution; the second has twice as many. Default 16. */
  width?: number;
  /** Probability of dropping before the last layer. Default 0.25. */
  dropout?: number;
}

/**
 * Two convolutions with batch norm, ReLU and pooling, then one hidden layer: small digits in seconds. Course row M31.
 *
 * @throws {@link ArgumentError} for wrong options.
 * @example
 * ```ts
 * import { ones, smallConvNet } from 'nodegrad';
 * smallConvNet().forward(ones([8, 28, 28, 1])).shape; // [8, 10]
 * ```
 */
export function smallConvNet(options: SmallConvNetOptions = {}): Sequential {
  const { classes, imageSize, channels, width, dropout } = complete<Required<SmallConvNetOptions>>(
    options,
    { classes: 10, imageSize: 28, channels: 1, width: 16, dropout: 0.25 },
    ['dropout'],
  );
  // What two poolings leave of a side.
  const side = Math.floor(checkInteger(imageSize, 'options.imageSize', 4) / 4);
  const stage = (from: number, to: number) => [
    new Conv2d(from, to, 3, { padding: 1, bias: false }),
    new BatchNorm2d(to),
    new ReLU(),
    new MaxPool2d(2),
  ];
  return new Sequential(
    [
      ...stage(channels, width),
      ...stage(width, 2 * width),
      new Flatten(),
      new Linear(side * side * 2 * width, 128),
      new ReLU(),
      new Dropout(dropout),
      classifier(128, classes),
    ],
    { inputShape: [imageSize, imageSize, channels] },
  );
}

registerLayers({ Subsampling, SparseConvolution, Squash });
