// Which layer holds which, and the random streams that follow from it: a layer draws its own numbers, whoever calls it.

import { ArgumentError, expected } from '../errors.js';
import type { Parameter } from '../parameter.js';
import { Random } from '../random.js';
import { type Birth, noteBirth } from '../seed.js';
import { join } from './fields.js';
import type { AnyLayer } from './layer.js';

/** What a layer's streams are named by, once its model is settled. */
interface Key {
  readonly seed: number;
  /** Place in the model that first needed numbers of the layer. */
  readonly path: string;
  /** Tells the models of one seed apart; '' for the first one. */
  readonly model: string;
}

interface Lineage {
  readonly birth: Birth;
  /** The layer that was found to hold this one first; null when there is none, or when the key is known. */
  holder: AnyLayer | null;
  key: Key | null;
  /** Names of the streams that the layer has asked for. */
  readonly streams: Set<string>;
}

const lineages = new WeakMap<AnyLayer, Lineage>();
const owners = new WeakMap<Parameter, AnyLayer>();

// Layers whose holders are looked for: those without a key that were made in this job of the event loop. When it ends, all constructors
// have run, and nothing can have been collected yet: what is found does not depend on the garbage collector.
const recent = new Set<AnyLayer>();

/** Notes that a layer was made; called by its constructor, before it has any fields. */
export function noteLayer(layer: AnyLayer): void {
  lineages.set(layer, { birth: noteBirth(), holder: null, key: null, streams: new Set() });
  if (recent.size === 0) {
    void Promise.resolve().then(() => {
      findHolders();
      recent.clear();
    });
  }
  recent.add(layer);
}

const lineageOf = (layer: AnyLayer): Lineage => lineages.get(layer) as Lineage;

// A layer whose constructor threw, or is still running, may not be ready to be asked.
function held(layer: AnyLayer): { layers: Iterable<AnyLayer>; parameters: Iterable<Parameter> } {
  try {
    return { layers: layer.children().values(), parameters: layer.ownParameters().values() };
  } catch {
    return { layers: [], parameters: [] };
  }
}

function findHolders(): void {
  for (const layer of recent) {
    const { layers, parameters } = held(layer);
    for (const parameter of parameters) if (!owners.has(parameter)) owners.set(parameter, layer);
    for (const child of layers) {
      const lineage = lineageOf(child);
      // A child may know its parent in a field, too.
      if (lineage.holder === null && lineage.key === null && topOf(layer) !== child) lineage.holder = layer;
    }
  }
}

function topOf(layer: AnyLayer): AnyLayer {
  let top = layer;
  for (let above: AnyLayer | null = layer; above !== null; above = lineageOf(above).holder) top = above;
  return top;
}

/** The outermost layer that holds `layer`: its model. A layer that has its key already is one by itself. */
export function modelOf(layer: AnyLayer): AnyLayer {
  if (lineageOf(layer).key !== null) return layer;
  findHolders();
  return topOf(layer);
}

/** The layer that a parameter belongs to; undefined for one that stands alone. */
export function ownerOf(parameter: Parameter): AnyLayer | undefined {
  findHolders();
  return owners.get(parameter);
}

/**
 * Gives all layers in `model` their keys for good: the seed in force when the layer was made, its path, and the number of the model, which is
 * how many layers and parameters had been made since `setSeed` before the first one of its layers. A layer that another model was found to
 * hold first gets its key there.
 */
export function claim(model: AnyLayer): void {
  const layers = model.namedLayers();
  const without = [...layers].filter(([, layer]) => lineageOf(layer).key === null);
  if (without.length === 0) return;
  findHolders();
  const inside = new Set(layers.values());
  const own: typeof without = [];
  const elsewhere = new Set<AnyLayer>();
  for (const [path, layer] of without) {
    const top = topOf(layer);
    if (inside.has(top)) own.push([path, layer]);
    else elsewhere.add(top);
  }
  for (const other of elsewhere) claim(other);
  // Which activation follows decides where first values come from: containers say so, once.
  for (const [, layer] of own) layer.chooseInitializers();
  const first = new Map<number, number>();
  for (const [, layer] of own) {
    const { era, number } = lineageOf(layer).birth;
    first.set(era, Math.min(number, first.get(era) ?? number));
  }
  for (const [path, layer] of own) {
    const lineage = lineageOf(layer);
    const { seed, era } = lineage.birth;
    const number = first.get(era) as number;
    const key = { seed, path, model: number === 0 ? '' : `#${number}` };
    lineage.key = key;
    lineage.holder = null;
    recent.delete(layer);
    for (const [name, parameter] of layer.ownParameters()) parameter.origin ??= { seed, stream: join(path, name) + key.model };
  }
}

/** A generator of the layer's own, see {@link Layer.stream}. */
export function streamOf(layer: AnyLayer, name: string): Random {
  const { streams } = lineageOf(layer);
  if (typeof name !== 'string' || streams.has(name))
    throw new ArgumentError(expected('a name that no other stream of this layer has', 'name', name));
  streams.add(name);
  return Random.later(() => {
    const lineage = lineageOf(layer);
    if (lineage.key === null) claim(modelOf(layer));
    const { seed, path, model } = lineage.key as unknown as Key;
    return { seed, stream: `${name}:${path}${model}` };
  });
}
