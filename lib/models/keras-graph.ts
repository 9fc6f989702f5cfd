// The architecture in a file of Keras, as a model of ours with its weights.

import { ArgumentError, FileFormatError, describe } from '../errors.js';
import { isPlainObject } from '../foreign.js';
import { join } from '../layers/fields.js';
import type { AnyLayer } from '../layers/layer.js';
import { withoutGradients } from '../ops/emit.js';
import type { AnyTensor } from '../tensor.js';
import { valuesOf } from './keras-counterparts.js';
import type { KerasConfig, KerasFile, KerasLayer } from './keras-file.js';
import { makers } from './keras-layers.js';
import type { KerasPart, Settings } from './keras-maker.js';
import { KerasModel, type KerasNode, type KerasPlan } from './keras-model.js';

/** A value in the graph: its name, and how many axes it has. */
interface Value {
  readonly name: string;
  readonly rank: number;
}
/** What is called with values: a layer, or a model inside the model. */
type Callable = (given: readonly (Value | number)[], call: Settings) => readonly Value[];

/** Models in models, at most. */
const maxDepth = 32;
/** What a call may say and does not matter here, or is looked at by a maker. */
const knownCall = ['training', 'mask', 'use_causal_mask', 'return_attention_scores'];

/**
 * Builds the model that a file describes.
 *
 * @param source - The file, for messages.
 * @param scores - Whether a softmax or sigmoid at the end is left out.
 * @throws {ArgumentError} for what has no counterpart here: the layer is named; {FileFormatError} for a graph that is none, or a file of weights alone
 */
export function kerasModel({ config, layers }: KerasFile, source: string, scores = false): KerasModel {
  if (config === null)
    throw new ArgumentError(`${source} holds weights without an architecture: build the model, and give it first, loadKeras(model, path)`);
  const builder = new Builder(source, layers);
  const { plan, made, state } = builder.build(config, scores);
  const model = new KerasModel(plan, made);
  model.loadStateDict(state, { strict: false });
  for (const layer of builder.frozen) layer.freeze();
  return model;
}

class Builder {
  readonly frozen: AnyLayer[] = [];
  readonly #source: string;
  readonly #left: KerasLayer[];
  readonly #layers = new Map<string, AnyLayer>();
  readonly #nodes: KerasNode[] = [];
  readonly #state = new Map<string, AnyTensor>();
  readonly #inputs: { name: string; shape: readonly (number | null)[] }[] = [];
  #depth = 0;

  constructor(source: string, layers: readonly KerasLayer[]) {
    this.#source = source;
    this.#left = [...layers];
  }

  build(config: KerasConfig, scores: boolean): { plan: KerasPlan; made: Map<string, AnyLayer>; state: Map<string, AnyTensor> } {
    const inputs = this.#inputsOf(config);
    const made = this.#modelOf(config, '')(inputs, {});
    const names = outputNames(config.config.output_layers) ?? ['output'];
    if (made.length === 0 || made.length !== names.length) this.#broken('its outputs are not those of its layers');
    const values = made.map(({ name }) => (scores ? this.#scoresOf(name) : name));
    const used = new Set<string | number>([...values, ...this.#nodes.flatMap(({ inputs: taken }) => taken)]);
    const nodes = this.#nodes.filter(({ output }) => used.has(output));
    return {
      plan: { inputs: this.#inputs, outputs: names.map((name, i) => [name, values[i]] as const), nodes },
      made: this.#layers,
      state: this.#state,
    };
  }

  /** What a softmax or a sigmoid was made of. */
  #scoresOf(value: string): string {
    const node = this.#nodes.find(({ output }) => output === value);
    const isProbability = node?.op === 'softmax' || (node?.op === 'activation' && node.options?.name === 'sigmoid');
    return isProbability ? String(node.inputs[0]) : value;
  }

  #broken(what: string): never {
    throw new FileFormatError(`${this.#source}: not a model of Keras: ${what}`);
  }

  #inputsOf({ class_name: kind, config }: KerasConfig): Value[] {
    const layers = config.layers ?? this.#broken('it has no layers');
    const wanted = kind === 'Sequential' ? [firstInput(layers)] : referencesIn(config.input_layers).map(({ layer }) => layer);
    return wanted.map((name) => {
      const found = layers.find((layer) => nameOf(layer) === name);
      // A Sequential without an input layer says the shape in its first layer, as Keras 2 does, or in itself.
      const { batch_shape: own, batch_input_shape: old = own } = (found ?? layers[0] ?? this.#broken('it has no layers')).config as Settings;
      const shape = old ?? config.build_input_shape;
      if (!Array.isArray(shape) || shape.length === 0 || !shape.every((size) => size === null || (Number.isInteger(size) && size > 0)))
        this.#broken(`the shape of its input is ${JSON.stringify(shape)}`);
      this.#inputs.push({ name: name ?? 'input', shape: shape.slice(1) });
      return { name: name ?? 'input', rank: shape.length };
    });
  }

  /** A model, whose layers are made at once, and called as often as it is. */
  #modelOf({ class_name: kind, config }: KerasConfig, prefix: string): Callable {
    const { layers = this.#broken(`${describe(config.name)} has no layers`) } = config;
    if (++this.#depth > maxDepth) this.#broken('models stand inside of each other without end');
    const callables = new Map<string, Callable>();
    for (const layer of layers) {
      const name = nameOf(layer);
      if (name === '' || callables.has(name)) this.#broken(`the name ${describe(name)} is that of several layers, or of none`);
      callables.set(name, this.#callableOf(layer, prefix));
    }
    this.#depth--;
    if (kind === 'Sequential')
      return (given) =>
        [...callables.values()].reduce<readonly (Value | number)[]>((values, call) => call(values, {}), given) as readonly Value[];
    return (given) => this.#follow(config, callables, given);
  }

  /** The nodes of a functional model, each when its inputs are there. */
  #follow(config: KerasConfig['config'], callables: ReadonlyMap<string, Callable>, given: readonly (Value | number)[]): readonly Value[] {
    const known = new Map<string, readonly Value[]>();
    const at = ({ layer, node }: Reference): string => `${node} ${layer}`;
    for (const [i, reference] of referencesIn(config.input_layers).entries()) known.set(at(reference), [given[i] as Value]);
    const waiting = (config.layers ?? []).flatMap((layer) =>
      (Array.isArray(layer.inbound_nodes) ? layer.inbound_nodes : []).map((node, index) => ({
        layer: nameOf(layer),
        index,
        ...callOf(node, () => this.#broken(`the call of ${describe(nameOf(layer))}`)),
      })),
    );
    const valueOf = (one: Reference | number): Value | number =>
      typeof one === 'number' ? one : (known.get(at(one))?.[one.output] ?? this.#broken(`${describe(one.layer)} has no output ${one.output}`));
    while (waiting.length > 0) {
      const next = waiting.findIndex(({ given: all }) => all.every((one) => typeof one === 'number' || known.has(at(one))));
      if (next < 0) this.#broken(`nothing makes what ${describe(waiting[0].layer)} takes`);
      const [{ layer, index, given: all, call }] = waiting.splice(next, 1);
      known.set(at({ layer, node: index, output: 0 }), (callables.get(layer) as Callable)(all.map(valueOf), call));
    }
    return referencesIn(config.output_layers).map(
      (one) => valueOf(known.has(at(one)) ? one : this.#broken(`nothing makes ${describe(one.layer)}`)) as Value,
    );
  }

  #callableOf(layer: KerasConfig, prefix: string): Callable {
    const { class_name: kind, config } = layer;
    const name = nameOf(layer);
    const path = prefix === '' ? name : `${prefix}/${name}`;
    if (config.layers !== undefined) return this.#modelOf(layer, path);
    if (kind === 'InputLayer') return (given) => given as readonly Value[];
    const weights: KerasLayer[] = [];
    while (this.#left[0]?.name === name) weights.push(this.#left.shift() as KerasLayer);
    const refuse = (what: string): never => {
      throw new ArgumentError(
        `${this.#source}: layer ${describe(path)} (${kind}) has no counterpart here: ${what}. Build the model yourself, and give it first: loadKeras(model, path)`,
      );
    };
    const maker = Object.hasOwn(makers, kind) ? makers[kind] : refuse('the class is not known');
    const settings = config as unknown as Settings;
    let parts: { readonly parts: readonly KerasPart[]; readonly rank?: number } | null = null;
    let [count, isCausal] = [0, false];
    return (given, call) => {
      for (const [key, value] of Object.entries(call)) if (!knownCall.includes(key) && value !== null) refuse(`it is called with ${key}`);
      if (call.mask != null || call.return_attention_scores === true) refuse('it is called with a mask, or asked for attention scores');
      const first = given.find((one) => typeof one !== 'number');
      if (first === undefined) return refuse('it is called without a tensor');
      if (parts === null) {
        isCausal = call.use_causal_mask === true;
        parts = maker({ settings, rank: first.rank, weights, call, refuse });
        for (const [i, part] of parts.parts.entries()) this.#keep(part, parts.parts.length > 1 && i > 0 ? `${path}/${i}` : path, settings);
      }
      if ((call.use_causal_mask === true) !== isCausal) refuse('it is called with a causal mask and without');
      const output = `${path}${count === 0 ? '' : `:${count}`}`;
      count += 1;
      const last = this.#call(parts.parts, given, path, output);
      return [{ name: last, rank: parts.rank ?? first.rank }];
    };
  }

  /** Takes a layer into the model. */
  #keep({ layer, weights, isFixed = false }: KerasPart, path: string, { trainable = true }: Settings): void {
    if (layer === undefined) return;
    this.#layers.set(path, layer);
    if (trainable === false || isFixed) this.frozen.push(layer);
    if (weights === undefined) return;
    for (const [name, value] of withoutGradients(() => valuesOf(path, layer, weights))) this.#state.set(join(path, name), value);
  }

  /** The nodes of a chain; gives the name of what the last one makes. */
  #call(parts: readonly KerasPart[], given: readonly (Value | number)[], path: string, output: string): string {
    let inputs = given.map((one) => (typeof one === 'number' ? one : one.name));
    for (const [i, { layer, op = 'layer', options }] of parts.entries()) {
      const own = parts.length > 1 && i > 0 ? `${path}/${i}` : path;
      const made = i === parts.length - 1 ? output : `${output}/${i}`;
      this.#nodes.push({
        op,
        ...(layer !== undefined && { layer: own }),
        inputs,
        output: `= ${made}`,
        ...(options !== undefined && { options }),
      });
      inputs = [`= ${made}`];
    }
    return inputs.find((one) => typeof one === 'string') as string;
  }
}

/** Where a value stands: which call of which layer, and which of its outputs. */
interface Reference {
  readonly layer: string;
  readonly node: number;
  readonly output: number;
}

const nameOf = (layer: KerasConfig): string => String(layer.config.name ?? layer.name ?? '');

const firstInput = (layers: readonly KerasConfig[]): string | null => (layers[0]?.class_name === 'InputLayer' ? nameOf(layers[0]) : null);

const isReference = (value: unknown): value is [string, number, number] =>
  Array.isArray(value) && typeof value[0] === 'string' && Number.isInteger(value[1]) && Number.isInteger(value[2]);

/** References in a list, a list of lists, or by name. */
function referencesIn(value: unknown): Reference[] {
  if (isReference(value)) return [{ layer: value[0], node: value[1], output: value[2] }];
  if (Array.isArray(value)) return value.flatMap(referencesIn);
  return isPlainObject(value) ? Object.values(value).flatMap(referencesIn) : [];
}

/** Names of outputs: those that were given, or of the layers, none of which comes twice. */
function outputNames(value: unknown): string[] | null {
  if (value === undefined) return null;
  if (isPlainObject(value)) return Object.keys(value);
  const names = referencesIn(value).map(({ layer }) => layer);
  return names.map((name, i) => (names.indexOf(name) === i ? name : `${name}_${i}`));
}

/** What a layer is called with: Keras 3 writes arguments, Keras 2 a list of references with options behind each. */
function callOf(node: unknown, refuse: () => never): { given: (Reference | number)[]; call: Settings } {
  if (Array.isArray(node)) {
    const list = isReference(node) ? [node] : node;
    if (list.length === 0 || !list.every(isReference)) refuse();
    const [, , , call = {}] = list[0] as unknown as [string, number, number, unknown];
    return { given: referencesIn(list), call: isPlainObject(call) ? call : {} };
  }
  if (!isPlainObject(node) || !Array.isArray(node.args)) return refuse();
  const tensors = (value: unknown): (Reference | number)[] => {
    if (value === null || value === undefined) return [];
    if (typeof value === 'number') return [value];
    if (Array.isArray(value)) return value.flatMap(tensors);
    const history =
      isPlainObject(value) && value.class_name === '__keras_tensor__' && isPlainObject(value.config) ? value.config.keras_history : null;
    return isReference(history) ? referencesIn(history) : refuse();
  };
  return { given: tensors(node.args), call: isPlainObject(node.kwargs) ? node.kwargs : {} };
}
