// A small network with every kind of layer that images need, for tests that look at a whole run.

import {
  AvgPool2d,
  BasicBlock,
  BatchNorm2d,
  Conv2d,
  Dropout,
  Flatten,
  GroupNorm,
  Linear,
  MaxPool2d,
  ReLU,
  Sequential,
} from '../../lib/index.js';

/** Images of 16×16×3 to ten classes: convolutions of all algorithms, both poolings, both kinds of norms, a block that is sometimes left out. */
export function convNet(width = 16): Sequential {
  return new Sequential([
    new Conv2d(3, width, 3, { padding: 1, bias: false }),
    new BatchNorm2d(width),
    new ReLU(),
    new BasicBlock({ inChannels: width, channels: width, outChannels: width, dropPath: 0.3 }),
    new MaxPool2d(2),
    new BasicBlock({ inChannels: width, channels: 2 * width, outChannels: 2 * width, stride: 2 }),
    new Conv2d(2 * width, 2 * width, 3, { padding: 1, groups: 2 * width }),
    new GroupNorm(4, 2 * width),
    new Conv2d(2 * width, width, 1),
    new ReLU(),
    new AvgPool2d(2),
    new Flatten(),
    new Dropout(0.25),
    new Linear(4 * width, 10),
  ]);
}
