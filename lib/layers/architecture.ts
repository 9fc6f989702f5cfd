// What a model is made of, as a picture shows it: steps one after the other, branches side by side, blocks in frames, repetitions folded.

import { type Op, definedOp, mapKind } from '../ops/define.js';
import type { Box, Chain, Family, Step } from '../pictures/architecture.js';
import type { AnyTensor } from '../tensor.js';
import { type Call, type CallTree, type Run, callsOf, isCall } from './calls.js';
import { ChainBuilder } from './chain.js';
import type { AnyLayer } from './layer.js';

/** How a model is taken apart. */
export interface ArchitectureSettings {
  /** Layers inside of so many others are opened, deeper ones are boxes. */
  readonly depth: number;
  /** Whether equal neighbours become one with a number. */
  readonly fold: boolean;
  /** Whether paths are shown. */
  readonly names?: boolean;
}

/** Containers that are nothing but what they contain. */
const transparent = ['Sequential', 'NamedStack'];
/** Arguments that say what comes in: two layers that differ in nothing else are repetitions. */
const incoming = ['inChannels', 'inFeatures', 'channels', 'features', 'inputShape'];

/** The steps of a model for inputs of that shape. */
export function architectureOf(model: AnyLayer, inputShape: readonly number[], settings: ArchitectureSettings): Chain {
  const tree = callsOf(model, inputShape);
  return new Taking(tree, settings).chainOf(tree.root, 0);
}

/** A node between the inputs of a call (0) and its outputs (the last): an operation, or a layer that was called. */
interface Node {
  readonly item: Call | Run | null;
  readonly from: Set<number>;
}

/** Nodes between two others. */
interface Part {
  readonly begin: number;
  readonly end: number;
  readonly inner: readonly number[];
  /** Whether there is a way from the one to the other beside them. */
  readonly isBranch: boolean;
}

class Taking {
  /** Layers whose parameters have been counted: a second call of one adds none. */
  readonly #counted = new Set<AnyTensor>();
  readonly #parameters = new Map<AnyLayer, ReadonlySet<AnyTensor>>();

  constructor(
    readonly tree: CallTree,
    readonly settings: ArchitectureSettings,
  ) {}

  chainOf(call: Call, depth: number): Chain {
    const nodes = this.#graphOf(call);
    const all = nodes.slice(1, -1).map((_, i) => i + 1);
    const chain = new ChainBuilder();
    this.#series(nodes, { begin: 0, end: nodes.length - 1, inner: all, isBranch: false }, depth, chain);
    return chain.finish(this.settings.fold);
  }

  /** What was called and run in a call, and where each gets its inputs from. */
  #graphOf(call: Call): Node[] {
    const nodes: Node[] = [{ item: null, from: new Set() }];
    const producers = new Map<AnyTensor, number>();
    const sourcesOf = (tensors: Iterable<AnyTensor>): Set<number> => {
      const sources = new Set<number>();
      for (const tensor of tensors) if (this.tree.carriesData(tensor)) sources.add(producers.get(tensor) ?? 0);
      return sources;
    };
    for (const item of call.items) {
      const { reads, writes } = effectsOf(item);
      const from = sourcesOf(reads);
      if (from.size === 0) continue; // made of weights or constants alone
      for (const tensor of writes) producers.set(tensor, nodes.length);
      nodes.push({ item, from });
    }
    const ends = sourcesOf(call.returned);
    const read = new Set(nodes.flatMap(({ from }) => [...from]));
    for (let i = 1; i < nodes.length; i++) if (!read.has(i)) ends.add(i);
    nodes.push({ item: null, from: ends });
    return withLongSums(nodes);
  }

  /** The nodes of a part, in the order in which they ran: cut where every way passes, side by side between. */
  #series(nodes: readonly Node[], part: Part, depth: number, chain: ChainBuilder): void {
    const { begin, end, inner, isBranch } = part;
    // The way past a branch is another branch.
    const leads = (from: number, to: number): boolean => nodes[to].from.has(from) && !(isBranch && from === begin && to === end);
    const farthest = (at: number): number => [...inner, end].reduce((far, other) => (leads(at, other) ? Math.max(far, other) : far), at);
    const cuts = [begin];
    let reach = farthest(begin);
    for (const at of inner) {
      if (reach <= at) cuts.push(at);
      reach = Math.max(reach, farthest(at));
    }
    cuts.push(end);
    for (const [i, to] of cuts.entries()) {
      if (i === 0) continue;
      const from = cuts[i - 1];
      const between = inner.filter((at) => at > from && at < to);
      if (between.length > 0) this.#fork(nodes, { begin: from, end: to, inner: between, isBranch: leads(from, to) }, depth, chain);
      if (to !== end) this.#node(nodes[to].item as Call | Run, to, depth, chain);
    }
  }

  #fork(nodes: readonly Node[], { begin, end, inner, isBranch: isDirect }: Part, depth: number, chain: ChainBuilder): void {
    const parts = componentsOf(nodes, inner);
    if (parts.length === 1 && !isDirect) {
      // Ways that cross: one below the other, with arcs.
      for (const at of inner) {
        for (const source of nodes[at].from) chain.way(source, at);
        this.#node(nodes[at].item as Call | Run, at, depth, chain);
      }
      for (const source of nodes[end].from) if (inner.includes(source)) chain.way(source, end);
      return;
    }
    const branches = parts.map((part) => {
      const branch = new ChainBuilder();
      this.#series(nodes, { begin, end, inner: part, isBranch: true }, depth, branch);
      return branch.finish(this.settings.fold);
    });
    if (isDirect) branches.push({ steps: [], arcs: [], gaps: [] });
    chain.push({ kind: 'fork', branches: toldApart(branches) });
  }

  #node(item: Call | Run, number: number, depth: number, chain: ChainBuilder): void {
    chain.begin(number);
    if (!isCall(item)) chain.push(boxOfRun(item));
    else if (transparent.includes(item.layer.constructor.name)) chain.splice(this.chainOf(item, depth));
    else if (!item.items.some(isCall) || depth >= this.settings.depth) chain.push(this.#boxOf(item));
    else chain.push(this.#frameOf(item, depth));
    chain.end(number);
  }

  #boxOf(call: Call): Box {
    const { layer, path } = call;
    const runs = runsOf(call);
    const { detail, key } = argumentsOf(layer);
    const isFrozen = this.#isFrozen(layer);
    return {
      kind: 'box',
      family: call.items.some(isCall) ? 'other' : familyOf(layer, runs),
      title: layer.constructor.name,
      detail: [detail, isFrozen ? 'frozen' : ''].filter((word) => word !== '').join(', '),
      notes: [],
      path,
      name: this.#nameOf(path),
      isFrozen,
      parameters: this.#parametersOf(layer),
      multiplyAccumulates: sum(runs.map((run) => run.multiplyAccumulates)),
      output: call.output,
      times: 1,
      key: isFrozen ? `${key} frozen` : key,
    };
  }

  #frameOf(call: Call, depth: number): Step {
    const { layer, path } = call;
    const parameters = this.#parametersOf(layer, false);
    const body = this.chainOf(call, depth + 1);
    // A frame around one box says nothing that the box does not.
    if (body.steps.length === 1 && body.steps[0].kind === 'box') return { ...body.steps[0], path, name: this.#nameOf(path) };
    const multiplyAccumulates = sum(runsOf(call).map((run) => run.multiplyAccumulates));
    const [name, isFrozen] = [this.#nameOf(path), this.#isFrozen(layer)];
    const title = layer.constructor.name;
    return { kind: 'frame', title, path, name, isFrozen, parameters, multiplyAccumulates, output: call.output, times: 1, body };
  }

  #nameOf(path: string): string {
    return this.settings.names === true ? path : '';
  }

  #isFrozen(layer: AnyLayer): boolean {
    const all = [...this.#parametersIn(layer)];
    return all.length > 0 && all.every(({ requiresGrad }) => !requiresGrad);
  }

  /** Parameters of a layer that no call before it has used. */
  #parametersOf(layer: AnyLayer, isCounted = true): number {
    const fresh = [...this.#parametersIn(layer)].filter((parameter) => !this.#counted.has(parameter));
    if (isCounted) for (const parameter of fresh) this.#counted.add(parameter);
    return sum(fresh.map(({ size }) => size));
  }

  /** `layer.parameters()` by what its children have: each layer of a deep model is asked once, and no path is made. */
  #parametersIn(layer: AnyLayer): ReadonlySet<AnyTensor> {
    const known = this.#parameters.get(layer);
    if (known !== undefined) return known;
    const found = new Set<AnyTensor>(layer.ownParameters().values());
    // Before its children: one of them may know it in a field.
    this.#parameters.set(layer, found);
    for (const child of layer.children().values()) for (const parameter of this.#parametersIn(child)) found.add(parameter);
    return found;
  }
}

/** What an item reads that it does not make, and what it makes: a layer that passes a tensor on makes it anew, for those behind it alone. */
function effectsOf(item: Call | Run): { reads: ReadonlySet<AnyTensor>; writes: ReadonlySet<AnyTensor> } {
  if (!isCall(item)) return { reads: new Set(item.reads), writes: new Set(item.writes) };
  const runs = runsOf(item);
  const made = new Set(runs.flatMap(({ writes }) => writes));
  const reads = new Set([...runs.flatMap((run) => run.reads), ...item.returned].filter((tensor) => !made.has(tensor)));
  return { reads, writes: new Set([...made, ...item.returned]) };
}

/** Branches of one box each that look alike get the names of their layers: query, key, value. */
function toldApart(branches: readonly Chain[]): Chain[] {
  const looks = branches.map(({ steps: [step, ...more] }) =>
    step?.kind === 'box' && more.length === 0 ? `${step.title} ${step.detail}` : null,
  );
  return branches.map((chain, i) => {
    if (looks[i] === null || looks.filter((look) => look === looks[i]).length === 1) return chain;
    const box = chain.steps[0] as Box;
    const name = box.path.split('.').at(-1) ?? '';
    return /^\d*$/.test(name) ? chain : { ...chain, steps: [{ ...box, detail: [box.detail, name].filter((word) => word !== '').join(', ') }] };
  });
}

/** Sums of sums, and joins of joins, as one of them all: the order in which they are added is no structure. */
function withLongSums(nodes: readonly Node[]): Node[] {
  const readers = nodes.map((_, at) => nodes.flatMap(({ from }, reader) => (from.has(at) ? [reader] : [])));
  const opOf = ({ item }: Node): string | null => (item === null || isCall(item) || item.isRectified ? null : item.op);
  const isPart = nodes.map((node, at) => {
    const [reader, ...more] = readers[at].map((each) => nodes[each].item);
    return ['add', 'concat'].includes(opOf(node) ?? '') && more.length === 0 && reader != null && !isCall(reader) && reader.op === opOf(node);
  });
  const numbers = new Map(nodes.flatMap((_, at) => (isPart[at] ? [] : [at])).map((at, i) => [at, i]));
  const sourcesOf = (at: number): number[] => (isPart[at] ? [...nodes[at].from].flatMap(sourcesOf) : [numbers.get(at) as number]);
  return nodes.filter((_, at) => !isPart[at]).map(({ item, from }) => ({ item, from: new Set([...from].flatMap(sourcesOf)) }));
}

/** Groups of nodes that depend on each other, in their order. */
function componentsOf(nodes: readonly Node[], members: readonly number[]): number[][] {
  const groups: number[][] = [];
  for (const at of members) {
    const near = groups.filter((group) => group.some((other) => nodes[at].from.has(other)));
    const merged = [...near.flat(), at].sort((a, b) => a - b);
    const rest = groups.filter((group) => !near.includes(group));
    groups.splice(0, groups.length, ...rest, merged);
  }
  return groups.sort((a, b) => a[0] - b[0]);
}

const sum = (numbers: readonly number[]): number => numbers.reduce((before, one) => before + one, 0);

const runsInside = new WeakMap<Call, readonly Run[]>();

/** What ran in a call, found once: each of the calls around it asks. */
function runsOf(item: Call | Run): readonly Run[] {
  if (!isCall(item)) return [item];
  const known = runsInside.get(item) ?? item.items.flatMap(runsOf);
  runsInside.set(item, known);
  return known;
}

// ---- boxes ----

const signs: Readonly<Record<string, string>> = { add: '+', sub: '−', mul: '×', div: '÷', concat: 'concat' };

function boxOfRun(run: Run): Box {
  const data = run.reads.length;
  const isJoin = data > 1 && run.op in signs;
  return {
    kind: 'box',
    family: isJoin ? 'join' : familyOfOps([run.op]),
    title: isJoin ? signs[run.op] : run.op.replaceAll('_', ' '),
    detail: '',
    notes: run.isRectified ? ['relu'] : [],
    path: '',
    name: '',
    isFrozen: false,
    parameters: 0,
    multiplyAccumulates: run.multiplyAccumulates,
    output: run.output,
    times: 1,
    key: run.op,
  };
}

function familyOf(layer: AnyLayer, runs: readonly Run[]): Family {
  if (/drop|noise/i.test(layer.constructor.name)) return 'dropout';
  return familyOfOps(
    runs.map(({ op }) => op),
    layer.parameters().length > 0,
  );
}

function familyOfOps(ops: readonly string[], isLearned = false): Family {
  const has = (pattern: RegExp): boolean => ops.some((op) => pattern.test(op));
  if (has(/^(rnn|lstm|gru|attention)$/)) return 'sequence';
  if (has(/^(conv2d|matmul|embed)/)) return 'weights';
  if (has(/norm/)) return 'norm';
  if (has(/pool|^take_pixels$/)) return 'pooling';
  if (isLearned) return 'weights';
  if (ops.length === 0) return 'shape';
  return ops.every((op) => op === 'prelu' || mapKind(definedOp(op) as unknown as Op<unknown>) === 'map') ? 'activation' : 'other';
}

/** What tells a layer from others of its class, and what its output's shape does not say anyhow. */
function argumentsOf(layer: AnyLayer): { detail: string; key: string } {
  let config: Record<string, unknown> = {};
  try {
    config = (layer.config() ?? {}) as Record<string, unknown>;
  } catch {
    // a layer of somebody's own that cannot be described
  }
  const { kernelSize, stride, groups, dilation, p, heads, outputSize, bidirectional, causal } = config;
  const isOther = (value: unknown, usual: unknown): boolean => value !== undefined && size(value) !== size(usual);
  const words = [
    kernelSize === undefined ? '' : size(kernelSize),
    isOther(stride, 1) && stride !== null ? `stride ${single(stride)}` : '',
    isOther(dilation, 1) ? `dilation ${single(dilation)}` : '',
    isOther(groups, 1) ? `${groups} groups` : '',
    outputSize === undefined ? '' : `to ${size(outputSize)}`,
    p === undefined ? '' : `p = ${p}`,
    heads === undefined ? '' : `${heads} heads`,
    bidirectional === true ? 'both ways' : '',
    causal === true ? 'causal' : '',
  ];
  const kept = Object.entries(config).filter(([name]) => !incoming.includes(name));
  return { detail: words.filter((word) => word !== '').join(', '), key: JSON.stringify(kept) };
}

/** Height and width: 3×3. */
function size(value: unknown): string {
  const [height, width] = Array.isArray(value) ? (value as unknown[]) : [value, value];
  return `${height}×${width}`;
}

const single = (value: unknown): string =>
  Array.isArray(value) && value.some((one) => one !== value[0]) ? size(value) : String([value].flat()[0]);
