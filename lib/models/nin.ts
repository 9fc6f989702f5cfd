// Network in Network: convolutions with 1×1 convolutions behind them, and the mean over all positions as the score. Assembly only.

import { Normal } from '../initializers/initializer.js';
import { ReLU } from '../layers/activations.js';
import { Conv2d } from '../layers/convolution.js';
import type { AnyLayer } from '../layers/layer.js';
import { AvgPool2d, GlobalAvgPool2d, MaxPool2d } from '../layers/pooling.js';
import { Sequential } from '../layers/sequential.js';
import { Dropout } from '../layers/shape.js';
import { complete } from './image-model.js';

/** Options of {@link networkInNetwork}. */
export interface NetworkInNetworkOptions {
  /** Outputs. Default 10. */
  classes?: number;
  /** Channels of the images. Default 3. */
  inputChannels?: number;
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
  const { classes, inputChannels, width, dropout } = complete<Required<NetworkInNetworkOptions>>(
    options,
    { classes: 10, inputChannels: 3, width: 192, dropout: 0.5 },
    ['dropout'],
  );
  const part = (channels: number, kernel: number, filters: readonly [number, number, number]): AnyLayer[] =>
    filters.flatMap((count, i) => [
      new Conv2d(i === 0 ? channels : filters[i - 1], count, i === 0 ? kernel : 1, { padding: i === 0 ? (kernel - 1) / 2 : 0 }),
      new ReLU(),
    ]);
  const halves = { stride: 2, ceilMode: true };
  const last = part(width, 3, [width, width, classes]).slice(0, -2);
  return new Sequential([
    ...part(inputChannels, 5, [width, Math.round((width * 5) / 6), Math.round(width / 2)]),
    new MaxPool2d(3, halves),
    new Dropout(dropout),
    ...part(Math.round(width / 2), 5, [width, width, width]),
    new AvgPool2d(3, halves),
    new Dropout(dropout),
    ...last,
    new Conv2d(width, classes, 1, { init: new Normal({ std: 0.05 }) }),
    new ReLU(),
    new GlobalAvgPool2d(),
  ]);
}
