// A stack of layers.

import { ArgumentError, checkList, expected } from '../errors.js';
import type { Tensor } from '../tensor.js';
import { checkLayer } from './check.js';
import { type AnyLayer, Layer } from './layer.js';
import { type LayerDescription, buildLayer, describeLayer, registerLayer } from './registry.js';
import { Conv2d } from './convolution.js';
import { Linear } from './linear.js';
import { BatchNorm } from './norm.js';
import { Dropout, Flatten } from './shape.js';

/**
 * Layers one after the other: `layers[n](… layers[0](x))`. Paths are `0.weight`, `2.bias`, as in PyTorch.
 *
 * @example
 * ```ts
 * import { Flatten, Linear, ReLU, Sequential } from 'nodegrad';
 * const model = new Sequential([new Flatten(), new Linear(784, 256), new ReLU(), new Linear(256, 10)]);
 * console.log(model.summary({ inputShape: [28, 28, 1] }));
 * ```
 */
export class Sequential extends Layer {
  /** The layers in their order. */
  readonly layers: readonly AnyLayer[];

  /** @throws {@link ArgumentError} for anything but an array of layers. */
  constructor(layers: readonly AnyLayer[]) {
    super();
    this.layers = Array.from(checkList(layers, 'layers', 'an array of layers'), (layer: unknown, i) => checkLayer(layer, `layers[${i}]`));
  }

  forward(x: Tensor): Tensor {
    let value = x;
    for (const layer of this.layers) value = layer.forward(value) as Tensor;
    return value;
  }

  override children(): Map<string, AnyLayer> {
    return new Map(this.layers.map((layer, i) => [String(i), layer]));
  }

  override chooseInitializers(): void {
    this.layers.forEach((layer, i) => {
      if (!(layer instanceof Linear || layer instanceof Conv2d)) return;
      const next = this.layers.slice(i + 1).find((item) => !(item instanceof Flatten || item instanceof Dropout || item instanceof BatchNorm));
      layer.followedBy(next?.initializerHint ?? null);
    });
  }

  override config(): unknown {
    return { layers: this.layers.map(describeLayer) };
  }
  /** The stack that `config()` describes. */
  static fromConfig(config: { layers: LayerDescription[] }): Sequential {
    if (!Array.isArray(config.layers)) throw new ArgumentError(expected('an array of layer descriptions', 'layers', config.layers));
    return new Sequential(config.layers.map(buildLayer));
  }
}

registerLayer(Sequential);
