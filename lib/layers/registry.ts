// Architecture as data: layer classes by name, for save, load and clone. A layer that stands in several places is one layer again.

import { context, within } from '../context.js';
import { ArgumentError, describe, describeShape, expected } from '../errors.js';
import { isOurs, keepName, keepNames } from '../names.js';
import type { AnyTensor } from '../tensor.js';
import { join, replaceItem } from './fields.js';
import type { AnyLayer } from './layer.js';
import { furtherPaths, itemsOf } from './state.js';

/** A layer as JSON, or the number of one that was described before. */
export type LayerDescription =
  | DescribedLayer
  | {
      /** Number (`id`) of the layer that stands here, too. */
      readonly same: number;
    };

/** A layer's class and constructor arguments as JSON. */
export interface DescribedLayer {
  /** Name that the class is registered under. */
  type: string;
  /** What its `config()` gave. */
  config: unknown;
  /** Number of a layer that stands in several places. */
  id?: number;
}

/** A model as JSON: its outermost layer, and parameters and buffers of several layers by their paths. */
export type ModelDescription = LayerDescription & { tied?: Record<string, string> };

/** A layer class that can be built from its description; see {@link registerLayer}. */
export type LayerConstructor = {
  /** Builds a layer from what `config()` of another gave. */
  fromConfig(config: never): AnyLayer;
};

const classes = new Map<string, LayerConstructor>();
const names = new Map<unknown, string>();
let noConfig: unknown;

/** @internal The `config()` that layers have which give none. */
export function setNoConfig(config: () => unknown): void {
  noConfig = config;
}

/**
 * Makes a class of your own known to `save`, `load` and `clone`, under a name that stands in files: it needs `config()`, which gives its
 * constructor arguments as JSON, and a static `fromConfig(config)`. The name is given as a text because bundlers rename classes.
 *
 * @param type - The class.
 * @param name - Its name in files, summaries and logs.
 * @throws {@link ArgumentError} when the class lacks `fromConfig` or has that of a layer of this library, when `fromConfig` takes a config
 *   that no `config()` gives, or when the name is missing or taken.
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
 * registerLayer(Scale, 'Scale');
 * ```
 */
export function registerLayer(type: LayerConstructor, name: string): void {
  checkClass(type, name);
  checkFaithful(type, name);
  enter(type, name);
}

/** Refuses a class that would come back as another one, or without its constructor arguments. */
function checkFaithful(type: LayerConstructor, name: string): void {
  let owner: unknown = type;
  while (!Object.hasOwn(owner as object, 'fromConfig')) owner = Object.getPrototypeOf(owner);
  if (owner !== type && isOurs(owner as object)) {
    const parent = names.get(owner);
    throw new ArgumentError(
      `layer class '${name}' has the fromConfig() of ${parent}, which builds a ${parent}: give it a static fromConfig(config) that returns a new ${name}`,
    );
  }
  if (type.fromConfig.length > 0 && (type as unknown as { prototype?: Partial<AnyLayer> }).prototype?.config === noConfig) {
    throw new ArgumentError(
      `layer class '${name}' has a fromConfig(config) and no config() to give it one: add the method config(), which returns the constructor's arguments as JSON, or let fromConfig() take nothing`,
    );
  }
}

function checkClass(type: LayerConstructor, name: string): void {
  const candidate = type as unknown;
  if (typeof candidate !== 'function' || typeof (candidate as { fromConfig?: unknown }).fromConfig !== 'function') {
    const own = typeof candidate === 'function' && candidate.name !== '' ? candidate.name : 'Net';
    const hint = `Where its constructor takes no arguments: static fromConfig() { return new ${own}(); }`;
    throw new ArgumentError(expected('a class with a static fromConfig()', 'type', candidate, hint));
  }
  if (typeof name !== 'string' || name === '') {
    const own = candidate.name;
    throw new ArgumentError(
      expected(
        'the name that the class has in files',
        'name',
        name,
        `Bundlers rename classes, so give it as a text: registerLayer(${own}, '${own}')`,
      ),
    );
  }
}

function enter(type: LayerConstructor, name: string): void {
  if ((classes.get(name) ?? type) !== type) throw new ArgumentError(`another layer class is already registered under the name '${name}'`);
  if ((names.get(type) ?? name) !== name) throw new ArgumentError(`this class is already registered under the name '${names.get(type)}'`);
  classes.set(name, type);
  names.set(type, name);
  keepName(type, name);
}

/** @internal {@link registerLayer} for several: `registerLayers({ ReLU, Tanh })`. */
export function registerLayers(types: Readonly<Record<string, unknown>>): void {
  for (const [name, type] of Object.entries(types)) enter(type as LayerConstructor, name);
  keepNames(types);
}

// ---- describe ----

/** @internal The architecture of a layer as JSON, within {@link describeModel}. */
export function describeLayer(layer: AnyLayer): LayerDescription {
  const { describing } = context;
  if (describing === null) return describeModel(layer);
  const before = describing.layers.get(layer);
  if (before !== undefined) {
    before.id ??= describing.shared++;
    return { same: before.id };
  }
  const type = names.get(layer.constructor);
  if (type === undefined) {
    const { name } = layer.constructor;
    throw new ArgumentError(
      `layer class '${name}' cannot be described: give it static fromConfig() { return new ${name}(); }, and config() where its constructor takes arguments, ` +
        `and call registerLayer(${name}, '${name}'). Weights alone need neither: writeSafetensors(path, model.stateDict()), and model.load(path)`,
    );
  }
  const description: DescribedLayer = { type, config: {} };
  describing.layers.set(layer, description);
  description.config = layer.config() ?? {};
  return description;
}

/** @internal The architecture of a model as JSON. */
export function describeModel(model: AnyLayer): ModelDescription {
  return within('describing', { layers: new Map(), shared: 0 }, () => {
    const description = describeLayer(model);
    const tied = furtherPaths(model, model.namedLayers());
    return tied.size === 0 ? description : { ...description, tied: Object.fromEntries(tied) };
  });
}

// ---- build ----

/** @internal Builds the layer that a description names, within {@link buildModel}. */
export function buildLayer(description: unknown): AnyLayer {
  const { building } = context;
  if (building === null) return buildModel(description);
  if (typeof description !== 'object' || description === null)
    throw new ArgumentError(expected('a layer description', 'description', description));
  const { type, config, id, same } = description as Partial<DescribedLayer> & { same?: number };
  if (same !== undefined) {
    const layer = building.get(same);
    if (layer == null) throw new ArgumentError(`the architecture refers to layer ${String(same).slice(0, 20)}, which is not there before`);
    return layer;
  }
  const known = typeof type === 'string' ? classes.get(type) : undefined;
  if (known === undefined)
    throw new ArgumentError(`unknown layer class ${JSON.stringify(String(type).slice(0, 60))}: call registerLayer() for it first`);
  if (id !== undefined) building.set(id, null);
  const layer = known.fromConfig(config as never);
  if ((layer as AnyLayer | undefined)?.constructor !== (known as unknown)) {
    const given = (layer as unknown) instanceof Object ? layer.constructor.name : layer;
    throw new ArgumentError(`fromConfig() of layer class '${type}' must return a new ${type}, and returned ${describe(given)}`);
  }
  if (id !== undefined) building.set(id, layer);
  return layer;
}

/** @internal Builds the model that a description names. */
export function buildModel(description: unknown): AnyLayer {
  return within('building', new Map(), () => {
    const model = buildLayer(description);
    const { tied } = description as ModelDescription;
    if (typeof tied === 'object' && tied !== null) for (const [path, known] of Object.entries(tied)) tie(model, path, known);
    return model;
  });
}

// Puts the item that is known by one path in another place, too.
function tie(model: AnyLayer, path: string, known: string): void {
  const layers = [...model.namedLayers()].map(([at, layer]) => [at, layer, itemsOf(layer)] as const);
  const find = (wanted: string): readonly [AnyLayer, AnyTensor] | undefined => {
    for (const [at, layer, items] of layers) for (const [name, item] of items) if (join(at, name) === wanted) return [layer, item];
    return undefined;
  };
  const [from, to] = [find(path), find(known)];
  if (from === undefined || to === undefined || describeShape(from[1].shape) !== describeShape(to[1].shape)) {
    throw new ArgumentError(`the architecture ties '${path}' to '${known}', and has no two values of one shape there`);
  }
  if (from[1] !== to[1]) replaceItem(from[0], from[1], to[1]);
}
