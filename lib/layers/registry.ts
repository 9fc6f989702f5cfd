// Architecture as data: layer classes by name, for save, load and clone.

import { ArgumentError, expected } from '../errors.js';
import type { AnyLayer } from './layer.js';

/** A layer's class and constructor arguments as JSON. */
export interface LayerDescription {
  /** Name of the class. */
  type: string;
  /** What its `config()` gave. */
  config: unknown;
}

/** A layer class that can be built from its description; see {@link registerLayer}. */
export type LayerConstructor = {
  /** Name of the class. */
  readonly name: string;
  /** Builds a layer from what `config()` of another gave. */
  fromConfig(config: never): AnyLayer;
};

const registry = new Map<string, LayerConstructor>();

/**
 * Makes a class of your own known to `save`, `load` and `clone`: it needs `config()`, which gives its constructor arguments as JSON, and
 * a static `fromConfig(config)`.
 *
 * @throws {@link ArgumentError} when the class lacks `fromConfig` or its name is taken.
 * @example
 * ```ts
 * import { Layer, Tensor, registerLayer } from 'nodegrad';
 * class Scale extends Layer {
 *   constructor(readonly factor: number) {
 *     super();
 *   }
 *   forward(x: Tensor): Tensor {
 *     return x.mul(this.factor);
 *   }
 *   override config() {
 *     return { factor: this.factor };
 *   }
 *   static fromConfig(config: { factor: number }) {
 *     return new Scale(config.factor);
 *   }
 * }
 * registerLayer(Scale);
 * ```
 */
export function registerLayer(type: LayerConstructor): void {
  const candidate = type as unknown;
  if (typeof candidate !== 'function' || typeof (candidate as { fromConfig?: unknown }).fromConfig !== 'function') {
    throw new ArgumentError(expected('a class with a static fromConfig()', 'type', candidate));
  }
  const taken = registry.get(type.name);
  if (taken !== undefined && taken !== type) throw new ArgumentError(`another layer class is already registered under the name '${type.name}'`);
  registry.set(type.name, type);
}

/** @internal The architecture of a layer as JSON. */
export function describeLayer(layer: AnyLayer): LayerDescription {
  const type = layer.constructor.name;
  if (!registry.has(type)) {
    throw new ArgumentError(
      `layer class '${type}' cannot be described: give it config() and static fromConfig(), and call registerLayer(${type})`,
    );
  }
  return { type, config: layer.config() ?? {} };
}

/** @internal Builds the layer that a description names. */
export function buildLayer(description: unknown): AnyLayer {
  if (typeof description !== 'object' || description === null)
    throw new ArgumentError(expected('a layer description', 'description', description));
  const { type, config } = description as LayerDescription;
  const known = typeof type === 'string' ? registry.get(type) : undefined;
  if (known === undefined)
    throw new ArgumentError(`unknown layer class ${JSON.stringify(String(type).slice(0, 60))}: call registerLayer() for it first`);
  return known.fromConfig(config as never);
}
