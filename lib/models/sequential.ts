// A stack of layers as a model.

import { ArgumentError, checkFlag, checkList, checkOptions, expected } from '../errors.js';
import { type Tensor, checkShape } from '../tensor.js';
import { Model } from '../training/model.js';
import { checkLayer } from '../layers/check.js';
import { hintOf, passHints } from '../layers/hints.js';
import type { AnyLayer, InitializerHint } from '../layers/layer.js';
import { recompute } from '../layers/recompute.js';
import { type LayerDescription, buildLayer, describeLayer, registerLayers } from '../layers/registry.js';

/** Options of {@link Sequential}. */
export interface SequentialOptions {
  /** Shape of one example, for `summary` and {@link multiplyAccumulates}: [height, width, channels] of an image. */
  inputShape?: readonly number[];
  /** Whether each of the layers is a block that runs again for its gradient, see {@link recompute}: less memory for more work. Default false. */
  recompute?: boolean;
}

/**
 * Layers one after the other: `layers[n](… layers[0](x))`. Paths are `0.weight`, `2.bias`, as in PyTorch.
 *
 * @example
 * ```ts
 * import { Flatten, Linear, ReLU, Sequential } from 'nodegrad';
 * const layers = [new Flatten(), new Linear(784, 256), new ReLU(), new Linear(256, 10)];
 * console.log(new Sequential(layers, { inputShape: [28, 28, 1] }).summary());
 * ```
 */
export class Sequential extends Model {
  /** The layers in their order. */
  readonly layers: readonly AnyLayer[];
  /** Shape of one example, where it was said. */
  readonly inputShape: readonly number[] | null;
  /** Whether each layer runs again for its gradient. */
  readonly recompute: boolean;

  /** @throws {@link ArgumentError} for anything but an array of layers, {@link ShapeError} for an input shape that is none. */
  constructor(layers: readonly AnyLayer[], options: SequentialOptions = {}) {
    super();
    const { inputShape, recompute: again = false } = checkOptions<SequentialOptions>(options, 'options', ['inputShape', 'recompute']);
    this.recompute = checkFlag(again, 'options.recompute');
    this.inputShape = inputShape === undefined ? null : checkShape(inputShape, 'options.inputShape');
    this.layers = Array.from(checkList(layers, 'layers', 'an array of layers'), (layer: unknown, i) => checkLayer(layer, `layers[${i}]`));
  }

  /** @throws {@link ArgumentError} for a second argument: one value goes from layer to layer. */
  forward(x: Tensor, ...more: never[]): Tensor {
    if (more.some((one) => one !== undefined))
      throw new ArgumentError(
        'a Sequential hands one value from layer to layer, received a second one, such as a mask: give it to each layer in forward() of a class of your own',
      );
    let value = x;
    for (const layer of this.layers) value = this.recompute ? recompute(layer, value) : (layer.forward(value) as Tensor);
    return value;
  }

  /** Goes through the layers. */
  [Symbol.iterator](): IterableIterator<AnyLayer> {
    return this.layers.values();
  }

  override children(): Map<string, AnyLayer> {
    return new Map(this.layers.map((layer, i) => [String(i), layer]));
  }

  override get initializerHint(): InitializerHint {
    return hintOf(this.layers);
  }

  override followedBy(hint: InitializerHint): void {
    passHints(this.layers, hint);
  }

  override chooseInitializers(): void {
    passHints(this.layers, null);
  }

  override config(): unknown {
    const { inputShape, recompute: again } = this;
    return { layers: this.layers.map(describeLayer), ...(inputShape !== null && { inputShape }), ...(again && { recompute: true }) };
  }
  /** The stack that `config()` describes. */
  static fromConfig({ layers, ...options }: { layers: LayerDescription[] } & SequentialOptions): Sequential {
    if (!Array.isArray(layers)) throw new ArgumentError(expected('an array of layer descriptions', 'layers', layers));
    return new Sequential(layers.map(buildLayer), options);
  }
}

registerLayers({ Sequential });
