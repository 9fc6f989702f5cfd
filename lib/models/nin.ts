// Network in Network: convolutions with 1×1 convolutions behind them, and the mean over all positions as the score. Assembly only.

import { checkInteger } from '../errors.js';
import { Normal } from '../initializers/normal.js';
import { ReLU } from '../layers/activations.js';
import { Conv2d } from '../layers/convolution.js';
import type { AnyLayer } from '../layers/layer.js';
import { AvgPool2d, GlobalAvgPool2d, MaxPool2d } from '../layers/pooling.js';
import { Sequential } from './sequential.js';
import { Dropout } from '../layers/dropout.js';
import { complete } from './image-model.js';

/** Options of {@link networkInNetwork}. */
export interface NetworkInNetworkOptions {
  /** Outputs. Default 10. */
  classes?: number;
  /** Height and width of the images, at least 4. Default 32. */
  imageSize?: number;
  /** Channels of the images. Default 3. */
  channels?: number;
  /** Filters of the widest convolutions, the others in proportion; a multiple of 6. Default 192. */
  width?: number;
  /** Probability of dropping between the three parts. Default 0.5. */
  dropout?: number;
}

/**
 * Network in Network for images of 32×32 (Lin, Chen, Yan 2014): 966,986 parameters, no fully connected layer. Course row M16.
 *
 * @throws {@link ArgumentError} for wrong options.
 * @example
 * ```ts
 * import { networkInNetwork, ones } from 'nodegrad';
 * networkInNetwork().forward(ones([2, 32, 32, 3])).shape; // [2, 10]
 * ```
 */
export function networkInNetwork(options: NetworkInNetworkOptions = {}): Sequential {
  const { classes, imageSize, channels, width, dropout } = complete<Required<NetworkInNetworkOptions>>(
    options,
    { classes: 10, imageSize: 32, channels: 3, width: 192, dropout: 0.5 },
    ['dropout'],
  );
  checkInteger(imageSize, 'options.imageSize', 4);
  const [narrower, narrow] = [Math.round((width * 5) / 6), Math.round(width / 2)];
  const conv = (from: number, to: number, kernel: number, init?: Normal): AnyLayer[] => [
    new Conv2d(from, to, kernel, { padding: (kernel - 1) / 2, ...(init && { init }) }),
    new ReLU(),
  ];
  const halves = { stride: 2, ceilMode: true };
  return new Sequential(
    [
      ...conv(channels, width, 5),
      ...conv(width, narrower, 1),
      ...conv(narrower, narrow, 1),
      new MaxPool2d(3, halves),
      new Dropout(dropout),
      ...conv(narrow, width, 5),
      ...conv(width, width, 1),
      ...conv(width, width, 1),
      new AvgPool2d(3, halves),
      new Dropout(dropout),
      ...conv(width, width, 3),
      ...conv(width, width, 1),
      ...conv(width, classes, 1, new Normal({ std: 0.05 })),
      new GlobalAvgPool2d(),
    ],
    { inputShape: [imageSize, imageSize, channels] },
  );
}
