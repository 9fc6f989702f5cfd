// nodegrad's convolutional networks, built layer by layer from the words of a case, and their compiled training step.

import {
  type AnyLayer,
  BatchNorm2d,
  Conv2d,
  concat,
  Flatten,
  GlobalAvgPool2d,
  Layer,
  Linear,
  MaxPool2d,
  ReLU,
  recompute,
  Sequential,
  SGD,
  Tensor,
} from '../lib/index.js';
import { readFloats, readIntegers, readParameters } from './data.js';
import { stepping, trainingStep } from './perceptron.js';
import type { Work } from './protocol.js';
import type { NetworkLayer, NetworkWork } from './types.js';

/** Every `stride`-th pixel, and channels of zeros around those that are there. */
class Widen extends Layer {
  constructor(
    readonly stride: number,
    readonly before: number,
    readonly after: number,
  ) {
    super();
  }

  forward(x: Tensor): Tensor {
    const [n, height, width, channels] = x.shape;
    const { stride, before, after } = this;
    // Neighbours side by side in the channels, of which the first are kept.
    const cells = x.reshape([n, height / stride, stride, width / stride, stride * channels]);
    const kept = cells.slice([0, 0, 0, 0, 0], [n, height / stride, 1, width / stride, channels]);
    return kept.reshape([n, height / stride, width / stride, channels]).pad([
      [0, 0],
      [0, 0],
      [0, 0],
      [before, after],
    ]);
  }
}

/** Branches of one input, added or side by side in the channels. */
class Branches extends Layer {
  constructor(
    readonly join: 'sum' | 'concat',
    readonly branches: readonly Sequential[],
  ) {
    super();
  }

  forward(x: Tensor): Tensor {
    const results = this.branches.map((branch) => branch.forward(x));
    return this.join === 'concat' ? concat(results, 3) : results.reduce((sum, result) => sum.add(result));
  }
}

/** A block that runs again for its gradient. */
class Again extends Layer {
  constructor(readonly block: AnyLayer) {
    super();
  }

  forward(x: Tensor): Tensor {
    return recompute(this.block, x);
  }
}

function build(layers: readonly NetworkLayer[], again = false): Sequential {
  return new Sequential(layers.map((layer) => (again && layer.kind === 'sum' ? new Again(layerOf(layer)) : layerOf(layer))));
}

function layerOf(layer: NetworkLayer): AnyLayer {
  switch (layer.kind) {
    case 'conv': {
      const { stride, padding, bias } = layer;
      return new Conv2d(layer.inputs, layer.outputs, layer.kernel, { stride, padding, bias });
    }
    case 'norm':
      return new BatchNorm2d(layer.channels);
    case 'relu':
      return new ReLU();
    case 'max':
      return new MaxPool2d(layer.size, { stride: layer.stride, padding: layer.padding });
    case 'mean':
      return new GlobalAvgPool2d();
    case 'flatten':
      return new Flatten();
    case 'linear':
      return new Linear(layer.inputs, layer.outputs);
    case 'widen':
      return new Widen(layer.stride, layer.before, layer.after);
    default:
      return new Branches(
        layer.kind,
        layer.branches.map((branch) => build(branch)),
      );
  }
}

/** Steps one by one, awaited or by `sync`; `recompute`: awaited, and residual blocks run again for their gradients. */
export function network(work: NetworkWork, folder: string, variant: string): Pick<Work, 'check' | 'run'> {
  const { batch, batches, image, lr, momentum, checks } = work;
  const again = variant === 'recompute';
  const model = build(work.layers, again);
  readParameters(folder, model.parameters());
  const inputs = readFloats(folder, 'inputs.bin');
  const targets = readIntegers(folder, 'targets.bin');
  const size = batch * image[0] * image[1] * image[2];
  const x = Array.from({ length: batches }, (_, index) => Tensor.from(inputs.subarray(index * size, (index + 1) * size), [batch, ...image]));
  const y = Array.from({ length: batches }, (_, index) => Tensor.from(targets.subarray(index * batch, (index + 1) * batch), [batch]));
  return stepping(trainingStep(model, new SGD(model, { lr, momentum })), x, y, checks, again ? 'await' : variant, work.precision);
}
