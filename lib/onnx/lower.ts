// From the graph of a file to a plan that runs here: constants are told apart from weights, operators with weights become layers.

import { TextDecoder } from 'node:util';
import { ArgumentError, FileFormatError } from '../errors.js';
import type { AnyLayer } from '../layers/layer.js';
import { type PlanAttributes, type PlanNode, isCausalMask } from './held.js';
import { foldRecurrent, fuseAttention, fuseGelu, fuseLinear } from './lower-patterns.js';
import { makers } from './made-layers.js';
import type { OnnxParts, PlanInput, PlanNumbers } from './onnx-model.js';
import { PlanNodes } from './plan-nodes.js';
import type { AttributeMessage, GraphMessage, ModelMessage, NodeMessage, ValueMessage } from './schema.js';
import { steps } from './steps/index.js';
import { layerSteps } from './steps/layers.js';
import { permuted } from './values.js';
import { type External, type Weights, weightsOf } from './weights.js';

/** More numbers than a plan holds as text; what is more is a constant of its own. */
const mostInPlan = 4096;

/** Inputs of operators that are numbers to know. */
const wanted: Readonly<Record<string, readonly number[]>> = { Resize: [1, 2, 3], Upsample: [1], Pad: [2], Clip: [1, 2] };

/** Parts of a model, and what gives them their values once they have memory. */
export interface Lowered {
  readonly parts: OnnxParts;
  readonly fills: readonly (() => void)[];
  readonly weights: ReadonlyMap<string, Weights>;
  readonly constants: ReadonlyMap<string, Weights>;
}

/** Makes a plan of a file. */
export function lower(message: ModelMessage, source: string, external: External, isLast: boolean): Lowered {
  const { graph } = message;
  if (graph?.node === undefined || graph.output === undefined) throw new FileFormatError(`${source}: is no ONNX model: it has no graph`);
  if ((graph.sparseInitializer?.length ?? 0) > 0) throw new FileFormatError(`${source}: has sparse weights, which nodegrad does not read`);
  if ((message.functions?.length ?? 0) > 0)
    throw new FileFormatError(`${source}: has functions of its own, which nodegrad does not read: export it with its functions inlined`);
  const lowering = new Lowering(graph, source, external);
  return lowering.run(versionOf(message, source), isLast, message);
}

function versionOf({ opsetImport = [] }: ModelMessage, source: string): number {
  const version = opsetImport.find(({ domain = '' }) => domain === '' || domain === 'ai.onnx')?.version;
  if (version === undefined || !(version >= 7 && version <= 26))
    throw new FileFormatError(`${source}: expected version 7 to 26 of the operators, received ${version ?? 'none'}`);
  return version;
}

class Lowering {
  readonly source: string;
  readonly #graph: GraphMessage;
  readonly #known = new Map<string, Weights>();
  readonly nodes = new PlanNodes();

  constructor(graph: GraphMessage, source: string, external: External) {
    this.#graph = graph;
    this.source = source;
    for (const tensor of graph.initializer ?? []) {
      const name = tensor.name ?? '';
      this.#known.set(name, weightsOf(tensor, `${source}: weight '${name}'`, external, false));
    }
    for (const [i, node] of (graph.node ?? []).entries()) this.#take(node, i, external);
  }

  /** Refuses the file for a node. */
  refuse({ name, op }: Pick<PlanNode, 'name' | 'op'>, why: string): never {
    throw new FileFormatError(`${this.source}: node '${name}' (${op}) ${why}`);
  }

  /** The numbers of a constant or weight; null for what is computed. */
  constant(name: string): Weights | null {
    return this.#known.get(name) ?? null;
  }

  /** Notes the numbers of a value that nodes would make. */
  know(name: string, weights: Weights): void {
    this.#known.set(name, weights);
  }

  isOutput(name: string): boolean {
    return (this.#graph.output ?? []).some((output) => output.name === name);
  }

  #take(node: NodeMessage, i: number, external: External): void {
    const { input = [], output = [], opType: op = '', domain = '' } = node;
    const name = node.name === undefined || node.name === '' ? `${op}_${i}` : node.name;
    if (domain !== '' && domain !== 'ai.onnx') this.refuse({ name, op }, `is an operator of ${domain}, which nodegrad does not read`);
    const constant = (): Weights => this.#constantOf(node, name, external);
    if (op === 'Constant') {
      this.#known.set(output[0], constant());
      return;
    }
    const isKnown = Object.hasOwn(steps, op) || Object.hasOwn(layerSteps, op) || op === 'Erf';
    if (!isKnown) this.refuse({ name, op }, 'is an operator that nodegrad has no form for; the guide on ONNX lists those that it has');
    const given = this.#known.get(input[0] ?? '');
    if (op === 'Identity' && given !== undefined && !this.isOutput(output[0])) {
      this.#known.set(output[0], given);
      return;
    }
    const attributes = op === 'ConstantOfShape' ? this.#filling(node, name, external) : this.#attributes(node, name);
    const made: PlanNode = { op, name, inputs: input, outputs: output, attributes, layers: [] };
    // Weights that are turned round once, such as those of linear layers.
    const order = attributes.perm as readonly number[] | undefined;
    if (
      op === 'Transpose' &&
      given !== undefined &&
      order?.length === given.shape.length &&
      new Set(order).size === order.length &&
      !this.isOutput(output[0])
    ) {
      const shape = order.map((axis) => given.shape[axis]);
      if (shape.some((dimension) => dimension === undefined)) this.refuse(made, `has no permutation of ${given.shape.length} axes`);
      const data = permuted({ shape: given.shape, memory: given.data }, order) as Float32Array;
      this.#known.set(output[0], { ...given, shape, data, exact: given.exact === null ? null : Array.from(data) });
      return;
    }
    if (op === 'Trilu' && given !== undefined && given.shape.length >= 2 && !this.#isOutputOf(node)) {
      this.#known.set(output[0], this.#triangle(made, given));
      return;
    }
    this.nodes.push(made);
  }

  #isOutputOf({ output = [] }: NodeMessage): boolean {
    return output.some((name) => this.isOutput(name));
  }

  /** A triangle of a constant, which masks are made of. */
  #triangle({ attributes, inputs }: PlanNode, given: Weights): Weights {
    const [rows, columns] = given.shape.slice(-2);
    const from = this.constant(inputs[1] ?? '')?.data[0] ?? 0;
    const keeps = (i: number): boolean => {
      const place = (i % columns) - (Math.floor(i / columns) % rows);
      return attributes.upper === 0 ? place <= from : place >= from;
    };
    const data = given.data.map((value: number, i: number) => (keeps(i) ? value : 0));
    return { ...given, data, exact: given.exact === null ? null : Array.from(data) };
  }

  #constantOf({ attribute = [] }: NodeMessage, name: string, external: External): Weights {
    const [one] = attribute;
    const where = `${this.source}: constant '${name}'`;
    if (one?.t !== undefined) return weightsOf(one.t, where, external, true);
    const floats = one?.floats ?? (one?.f === undefined ? null : [one.f]);
    const shape = one?.floats === undefined && one?.ints === undefined ? [] : [(one.floats ?? one.ints ?? []).length];
    if (floats !== null) return { shape, data: Float32Array.from(floats), exact: null, isFixed: true };
    const whole = one?.ints ?? (one?.i === undefined ? null : [one.i]);
    if (whole === null) throw new FileFormatError(`${where} has no numbers`);
    return { shape, data: Int32Array.from(whole), exact: whole, isFixed: true };
  }

  #filling({ attribute = [] }: NodeMessage, name: string, external: External): PlanAttributes {
    const tensor = attribute.find((one) => one.name === 'value')?.t;
    if (tensor === undefined) return { value: 0, isReal: 1 };
    const { data, exact } = weightsOf(tensor, `${this.source}: constant '${name}'`, external, true);
    const [value = 0] = data;
    // JSON has no ∞.
    return { value: Number.isFinite(value) ? value : String(value), isReal: exact === null ? 1 : 0 };
  }

  #attributes({ attribute = [], opType: op = '' }: NodeMessage, name: string): PlanAttributes {
    return Object.fromEntries(attribute.map((one) => [one.name ?? '', this.#attribute(one, { name, op })]));
  }

  #attribute(one: AttributeMessage, node: Pick<PlanNode, 'name' | 'op'>): PlanAttributes[string] {
    const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
    if (one.ints !== undefined || one.type === 7) return one.ints ?? [];
    if (one.floats !== undefined || one.type === 6) return one.floats ?? [];
    if (one.strings !== undefined || one.type === 8) return (one.strings ?? []).map(text);
    if (one.s !== undefined || one.type === 3) return text(one.s ?? new Uint8Array());
    if (one.i !== undefined || one.type === 2) return one.i ?? 0;
    if (one.f !== undefined || one.type === 1) return one.f ?? 0;
    return this.refuse(node, `has attribute '${one.name ?? ''}' of a kind that nodegrad does not read`);
  }

  run(version: number, isLast: boolean, { metadataProps = [] }: ModelMessage): Lowered {
    foldRecurrent(this, version);
    fuseGelu(this);
    fuseLinear(this);
    fuseAttention(this);
    this.#prune();
    const layers = new Map<string, AnyLayer>();
    const fills: (() => void)[] = [];
    const ranks = new Map<string, number>();
    for (const { name, type } of this.#inputs()) {
      const dims = type?.tensorType?.shape?.dim;
      if (dims !== undefined) ranks.set(name ?? '', dims.length);
    }
    const byKey = new Map<string, readonly string[]>();
    const taken = new Set<string>(ranks.keys());
    for (const { name } of this.#inputs()) taken.add(name ?? '');
    const nodes = this.nodes.all.map((node) => {
      for (const from of node.inputs)
        if (from !== '' && !taken.has(from) && !this.#known.has(from)) this.refuse(node, `reads '${from}' before anything makes it`);
      for (const to of node.outputs) taken.add(to);
      const rank = rankOf(node, ranks);
      for (const to of node.outputs) if (rank !== null) ranks.set(to, rank);
      return this.#withLayers(node, ranks.get(node.inputs[0]) ?? null, byKey, layers, fills);
    });
    for (const { name = '' } of this.#graph.output ?? [])
      if (!taken.has(name) && !this.#known.has(name)) throw new FileFormatError(`${this.source}: output '${name}' is made by no node`);
    return {
      ...this.#parts(nodes, version, isLast, Object.fromEntries(metadataProps.map(({ key = '', value = '' }) => [key, value])), layers),
      fills,
    };
  }

  /** Whether a constant is what operators want to know, such as a factor of sizes, and no weight. */
  #isNumber(name: string): boolean {
    return this.nodes.readers(name).every(({ op, inputs }) => inputs.every((one, i) => one !== name || wanted[op]?.includes(i) === true));
  }

  /** What comes in: older files list weights among their inputs. */
  #inputs(): readonly ValueMessage[] {
    return (this.#graph.input ?? []).filter(({ name = '' }) => !this.#known.has(name));
  }

  #prune(): void {
    const needed = new Set((this.#graph.output ?? []).map(({ name = '' }) => name));
    for (const node of this.nodes.all.reverse()) {
      if (!node.outputs.some((name) => needed.has(name))) this.nodes.remove(node);
      else for (const name of node.inputs) if (!this.#known.has(name)) needed.add(name);
    }
  }

  /** The node with its layers, where its weights are its own. */
  #withLayers(
    node: PlanNode,
    rank: number | null,
    byKey: Map<string, readonly string[]>,
    layers: Map<string, AnyLayer>,
    fills: (() => void)[],
  ): PlanNode {
    const maker = makers[node.op];
    if (maker === undefined) return node;
    const key = keyOf(node);
    const before = byKey.get(key);
    if (before !== undefined) return { ...node, layers: before };
    const weights = node.inputs.map((name) => (name === '' ? null : this.constant(name)));
    // What others use in another way is a weight of the model.
    const isShared = node.inputs.some(
      (name, i) => weights[i]?.isFixed === false && this.nodes.readers(name).some((reader) => keyOf(reader) !== key),
    );
    let made = null;
    try {
      made = isShared && Object.hasOwn(steps, node.op) ? null : maker({ node, weights, rank });
    } catch (error) {
      if (!(error instanceof ArgumentError)) throw error;
      this.refuse(node, `is one that nodegrad does not read: ${error.message}`);
    }
    if (made === null) {
      if (!Object.hasOwn(steps, node.op)) this.refuse(node, 'has weights that are computed, and nodegrad reads those that are constants');
      return node;
    }
    const base = nameOf(node);
    const names = made.map(({ layer, fill }, i) => {
      let name = made.length === 1 ? base : `${base}.${i}`;
      for (let k = 1; layers.has(name); k++) name = `${base}_${k}`;
      layers.set(name, layer);
      fills.push(fill);
      return name;
    });
    byKey.set(key, names);
    return { ...node, layers: names };
  }

  #parts(
    nodes: readonly PlanNode[],
    version: number,
    isLast: boolean,
    metadata: Record<string, string>,
    layers: ReadonlyMap<string, AnyLayer>,
  ): Omit<Lowered, 'fills'> {
    const numbers: Record<string, PlanNumbers> = {};
    const [weights, constants] = [new Map<string, Weights>(), new Map<string, Weights>()];
    const outputs = (this.#graph.output ?? []).map(({ name = '' }) => name);
    const read = new Set([...nodes.flatMap((node) => (node.layers.length > 0 ? layerInputs(node) : node.inputs)), ...outputs]);
    for (const name of read) {
      const held = this.constant(name);
      if (held === null) continue;
      const { shape, data, exact, isFixed } = held;
      // A causal mask is no weight, whatever exporters make of it.
      const isTrained = exact === null && !isFixed && shape.length > 0 && !isCausalMask(shape, data, 'add');
      if (isTrained && !this.#isNumber(name)) weights.set(name, held);
      else if (data.length > mostInPlan) constants.set(name, held);
      else
        numbers[name] = { shape, isReal: exact === null, data: Array.from(exact ?? data, (one) => (Number.isFinite(one) ? one : String(one))) };
    }
    const inputs = this.#inputs().map(({ name = '', type }): PlanInput => {
      const dims = type?.tensorType?.shape?.dim;
      const shape = dims?.map(({ dimValue, dimParam }) => (dimParam === undefined ? (dimValue ?? null) : null)) ?? null;
      return { name, shape, ...(isWhole(type?.tensorType?.elemType) && { isWhole: true }) };
    });
    const shapes = (of: ReadonlyMap<string, Weights>) => Object.fromEntries([...of].map(([name, { shape }]) => [name, shape]));
    const kinds = Object.fromEntries(
      [...constants].map(([name, { shape, exact, data }]) => {
        const [dtype, form] = exact === null ? (['float32', 'add'] as const) : (['int32', 'truth'] as const);
        return [name, { shape, dtype, ...(isCausalMask(shape, data, form) && { isCausal: true }) }];
      }),
    );
    const plan = { version, inputs, outputs, nodes, numbers, isLast, metadata };
    return { parts: { plan, layers, weights: shapes(weights), constants: kinds }, weights, constants };
  }
}

export type { Lowering };

/** Whether an element type of ONNX is one of whole numbers or truth values: uint8 to int64, bool, uint32, uint64. */
const isWhole = (type: number | undefined): boolean => type !== undefined && [2, 3, 4, 5, 6, 7, 9, 12, 13].includes(type);

/** Inputs of a layer's operator that its layers do not hold. */
function layerInputs({ op, inputs }: PlanNode): readonly string[] {
  if (op === 'Gather') return inputs.slice(1, 2);
  return ['RNN', 'LSTM', 'GRU'].includes(op) ? [inputs[0], ...inputs.slice(4, 7)] : inputs.slice(0, 1);
}

/** Equal for operators that are one layer in two places. */
function keyOf({ op, inputs, attributes }: PlanNode): string {
  const weights = op === 'Gather' ? inputs.slice(0, 1) : inputs.slice(1, 4);
  return op === 'Dropout' ? `${op}:${inputs[0]}` : JSON.stringify([op, weights, attributes]);
}

/** What a layer is called: as its weights are, without what they are. */
function nameOf({ op, name, inputs }: PlanNode): string {
  const own = (op === 'Gather' ? inputs.slice(0, 1) : inputs.slice(1, 3))
    .map((one) => one.replace(/[._]?(weight|bias|kernel|W|R|B)$/, '').replace(/[^\w.]+/g, '_'))
    // Numbered names of exporters say less than the node's.
    .find((one) => one !== '' && !/^(onnx_|val_|_)/.test(one));
  return (op === 'Dropout' ? null : own) ?? (name.replace(/[^\w.]+/g, '_').replace(/^_+|_+$/g, '') || op);
}

/** How many axes a node's first output has, as far as that is plain to see. */
function rankOf({ op, inputs }: PlanNode, ranks: ReadonlyMap<string, number>): number | null {
  if (['Conv', 'ConvTranspose', 'MaxPool', 'AveragePool', 'GlobalAveragePool', 'GlobalMaxPool', 'LRN', 'Resize'].includes(op)) return 4;
  if (op === 'Flatten' || op === 'Gemm') return 2;
  const isSame = ['Add', 'Mul', 'Sub', 'Div', 'Concat', 'Transpose', 'BatchNormalization', 'Dropout', 'Pad', 'Identity'].includes(op);
  const isMap = Object.hasOwn(steps, op) && inputs.length === 1 && !['Reshape', 'Squeeze', 'Unsqueeze', 'Shape', 'Size', 'Gather'].includes(op);
  return isSame || isMap || op === 'Clip' ? (ranks.get(inputs[0]) ?? null) : null;
}
