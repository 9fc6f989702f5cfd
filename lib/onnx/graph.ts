// The graph of a file while it is written: nodes, constants, and values that may stand in it in several orders of axes.

import { TextEncoder } from 'node:util';
import type { DType } from '../dtype.js';
import { ArgumentError } from '../errors.js';
import type { AnyTensor } from '../tensor.js';
import { type AttributeMessage, type ElementType, type NodeMessage, type TensorMessage, attributeTypes, elementTypes } from './schema.js';
import { permuted, rawBytes } from './values.js';

/** A tensor of the forward pass, and the names that it has in the graph. */
export interface Value {
  /** As it is in nodegrad, images channels last; a dimension that counts examples is a multiple of {@link Graph.marker}. */
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** Its numbers where they are the same for all inputs. */
  readonly constant: AnyTensor | null;
  /** Path of the parameter or buffer that it is. */
  readonly path: string | null;
  /** Name of the tensor with the axes in our order. */
  plain: string | null;
  /** Name of the same tensor with the channels behind the examples, [N, C, H, W]; of images only. */
  first: string | null;
  /** Name of the same as truth values; of what is compared only. */
  truth: string | null;
}

/** A number with a point: plain numbers among attributes are whole. */
export interface Real {
  readonly real: number;
}

/** Attributes of a node by name. */
export type Attributes = Readonly<Record<string, number | Real | string | readonly number[] | readonly string[] | undefined>>;

/** An attribute that is no whole number. */
export const real = (value: number): Real => ({ real: value });

/** From our order of an image's axes to that of ONNX, and back. */
export const channelsFirst = [0, 3, 1, 2] as const;
export const channelsLast = [0, 2, 3, 1] as const;

/** What is written: nodes in the order in which they run. */
export class Graph {
  readonly nodes: NodeMessage[] = [];
  readonly initializers: TensorMessage[] = [];
  /** The number of examples that the forward pass was traced with; 0 where the number is fixed. */
  readonly marker: number;
  /** Path of the layer whose operation is being written. */
  path = '';
  readonly #names = new Set<string>();
  /** Names of constants by what they hold. */
  readonly #known = new Map<string, string>();
  readonly #identities = new Map<object, number>();
  #examples: string | null = null;
  readonly #outputs = new Set<string>();
  /** Name of the first input, whose first axis counts examples. */
  input = '';
  /**
   * Whether this is one of several graphs, which are the same but for sizes: each number has a constant of its own then, as two of them may be equal in
   * one and differ in another.
   */
  readonly isOneOfSeveral: boolean;
  /** Shapes of what operations of the forward pass made, by name. */
  readonly shapes = new Map<string, readonly number[]>();
  /** Paths of the layers that constants were made for. */
  readonly paths = new Map<string, string>();

  constructor(marker: number, isOneOfSeveral = false) {
    this.marker = marker;
    this.isOneOfSeveral = isOneOfSeveral;
  }

  /** A name that nothing else has. */
  name(wanted: string): string {
    let name = wanted;
    for (let i = 1; this.#names.has(name); i++) name = `${wanted}_${i}`;
    this.#names.add(name);
    return name;
  }

  /** A node with one output; gives its name. */
  node(opType: string, inputs: readonly string[], attributes: Attributes = {}): string {
    return this.nodeOf(opType, inputs, attributes, 1)[0];
  }

  /** A node with several outputs. */
  nodeOf(opType: string, inputs: readonly string[], attributes: Attributes, outputs: number): string[] {
    const name = this.name(this.path === '' ? opType : `${this.path}/${opType}`);
    const output = Array.from({ length: outputs }, (_, i) => (i === 0 ? name : this.name(`${name}.${i}`)));
    const attribute = Object.entries(attributes).flatMap(([key, value]) => (value === undefined ? [] : [attributeOf(key, value)]));
    this.nodes.push({ input: [...inputs], output, name, opType, attribute });
    return output;
  }

  /** Numbers that are not trained: a node of their own, by which {@link loadOnnx} tells them from weights. */
  fixed(wanted: string, elementType: ElementType, dims: readonly number[], rawData: Uint8Array): string {
    const name = this.name(wanted);
    const t = { dims: [...dims], dataType: elementTypes[elementType], rawData };
    this.paths.set(name, this.path);
    this.nodes.push({ output: [name], name, opType: 'Constant', attribute: [{ name: 'value', t, type: attributeTypes.tensor }] });
    return name;
  }

  /** A weight. */
  initializer(wanted: string, elementType: ElementType, dims: readonly number[], rawData: Uint8Array): string {
    const name = this.name(wanted);
    this.initializers.push({ dims: [...dims], dataType: elementTypes[elementType], name, rawData });
    return name;
  }

  /** Whole numbers as a constant, the same for the same numbers. */
  ints(values: readonly number[], dims: readonly number[] = [values.length]): string {
    const raw = new BigInt64Array(values.map((value) => BigInt(value)));
    return this.#number(`int64:${dims}:${values}`, () =>
      this.fixed('constant', 'int64', dims, new Uint8Array(raw.buffer, raw.byteOffset, raw.byteLength)),
    );
  }

  /** Numbers as a constant, the same for the same numbers. */
  reals(values: readonly number[], dtype: DType, dims: readonly number[] = [values.length]): string {
    const data = dtype === 'float64' ? Float64Array.from(values) : Float32Array.from(values);
    return this.#number(`${dtype}:${dims}:${values}`, () =>
      this.fixed('constant', dtype as ElementType, dims, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
    );
  }

  /** One number of the type of a value, without axes. */
  scalar(value: number, { dtype }: { readonly dtype: DType }): string {
    return this.reals([value], dtype, []);
  }

  #number(key: string, make: () => string): string {
    return this.isOneOfSeveral ? make() : this.once(key, make);
  }

  /** What `make` gives, made once for each key. */
  once(key: string, make: () => string): string {
    let name = this.#known.get(key);
    if (name === undefined) this.#known.set(key, (name = make()));
    return name;
  }

  /** How many times the number of examples a dimension is; 0: it does not depend on them. */
  timesExamples(dimension: number): number {
    return this.marker > 0 && dimension % this.marker === 0 ? dimension / this.marker : 0;
  }

  /** A shape as an operand. `inferred`: one free dimension may be −1, which the operator works out. */
  dims(shape: readonly number[], inferred: boolean): string {
    const free = shape.filter((dimension) => this.timesExamples(dimension) > 0);
    if (free.length === 0) return this.ints(shape);
    if (inferred && free.length === 1) return this.ints(shape.map((dimension) => (this.timesExamples(dimension) > 0 ? -1 : dimension)));
    const parts = shape.map((dimension) => {
      const times = this.timesExamples(dimension);
      if (times === 0) return this.ints([dimension]);
      return times === 1 ? this.#countExamples() : this.node('Mul', [this.#countExamples(), this.ints([times])]);
    });
    return this.node('Concat', parts, { axis: 0 });
  }

  #countExamples(): string {
    this.#examples ??= this.node('Gather', [this.node('Shape', [this.input]), this.ints([0])], { axis: 0 });
    return this.#examples;
  }

  /** 0 … count − 1, int64. */
  range(count: number): string {
    return this.node('Range', [this.ints([0], []), this.ints([count], []), this.ints([1], [])]);
  }

  reshape(name: string, shape: readonly number[]): string {
    return this.node('Reshape', [name, this.dims(shape, true)]);
  }

  transpose(name: string, perm: readonly number[]): string {
    return this.node('Transpose', [name], { perm });
  }

  // ---- values ----

  /** Whether a value stands in the graph with its channels first only. */
  isFirst({ plain, first, constant }: Value): boolean {
    return plain === null && first !== null && constant === null;
  }

  /** The name of a value in our order of axes. */
  plain(value: Value): string {
    if (value.plain !== null) return value.plain;
    if (value.constant !== null) return (value.plain = this.constant(value));
    if (value.first !== null) return (value.plain = this.#moved(value.first, value.shape, channelsLast));
    if (value.truth !== null) return (value.plain = this.node('Cast', [value.truth], { to: elementTypes[value.dtype] }));
    throw new ArgumentError('a tensor was used that no operation of the forward pass has made');
  }

  /** The name of images with their channels behind the examples. */
  first(value: Value): string {
    if (value.first !== null) return value.first;
    if (value.constant !== null) return (value.first = this.constant(value, channelsFirst));
    const shape = channelsFirst.map((axis) => value.shape[axis]);
    return (value.first = this.#moved(this.plain(value), shape, channelsFirst));
  }

  // One row and column, or one channel: the numbers lie in the same order.
  #moved(name: string, shape: readonly number[], perm: readonly number[]): string {
    const made = perm === channelsFirst ? shape : perm.map((axis) => shapeFirst(shape)[axis]);
    const [, channels, height, width] = perm === channelsFirst ? made : shapeFirst(shape);
    if (height * width === 1 || channels === 1) return this.reshape(name, made);
    return this.transpose(name, perm);
  }

  /** The name of a comparison's result, or of a uint8 tensor that stands for one, as truth values. */
  truth(value: Value): string {
    value.truth ??= this.node('Cast', [this.plain(value)], { to: elementTypes.bool });
    return value.truth;
  }

  /** A constant tensor, its axes in another order, or its numbers as another shape. */
  constant(value: Value, order?: readonly number[], dims?: readonly number[]): string {
    const tensor = value.constant as AnyTensor;
    const shape = dims ?? (order === undefined ? tensor.shape : order.map((axis) => tensor.shape[axis]));
    const wanted = value.path ?? (this.path === '' ? 'constant' : `${this.path}/constant`);
    return this.once(`${wanted}:${this.identity(tensor)}:${order ?? ''}:${dims ?? ''}`, () => {
      const bytes = rawBytes(order === undefined ? tensor.memory : permuted(tensor, order));
      const type = tensor.dtype as ElementType;
      return value.path === null ? this.fixed(wanted, type, shape, bytes) : this.initializer(wanted, type, shape, bytes);
    });
  }

  /** A number for each array of numbers. */
  identity({ memory }: Pick<AnyTensor, 'memory'>): number {
    const known = this.#identities.get(memory) ?? this.#identities.size;
    this.#identities.set(memory, known);
    return known;
  }

  /** Remembers the shape of a value under its names. */
  note({ plain, first, truth, shape }: Value): void {
    for (const name of [plain, truth]) if (name !== null) this.shapes.set(name, shape);
    if (first !== null) this.shapes.set(first, shapeFirst(shape));
  }

  /** Gives what a node makes the name of an output; what no node makes, or is an output already, is copied. */
  rename(name: string, wanted: string): string {
    const node = this.nodes.find(({ output }) => output?.includes(name));
    const known = this.name(wanted);
    if (node === undefined || this.#outputs.has(name)) {
      this.nodes.push({ input: [name], output: [known], name: known, opType: 'Identity' });
    } else {
      for (const { input, output } of this.nodes)
        for (const list of [input, output]) for (const [i, one] of (list ?? []).entries()) if (one === name) (list as string[])[i] = known;
    }
    this.#outputs.add(known);
    const shape = this.shapes.get(name);
    if (shape !== undefined) this.shapes.set(known, shape);
    return known;
  }

  /** Leaves out what no output needs. */
  prune(outputs: readonly string[]): void {
    const needed = new Set(outputs);
    const kept: NodeMessage[] = [];
    for (const node of this.nodes.toReversed()) {
      if (!node.output?.some((name) => needed.has(name))) continue;
      kept.push(node);
      for (const name of node.input ?? []) needed.add(name);
    }
    this.nodes.splice(0, this.nodes.length, ...kept.reverse());
    const initializers = this.initializers.filter(({ name }) => needed.has(name as string));
    this.initializers.splice(0, this.initializers.length, ...initializers);
  }
}

const shapeFirst = (shape: readonly number[]): number[] => channelsFirst.map((axis) => shape[axis]);

function attributeOf(name: string, value: NonNullable<Attributes[string]>): AttributeMessage {
  if (typeof value === 'number') return { name, i: value, type: attributeTypes.int };
  if (typeof value === 'string') return { name, s: new TextEncoder().encode(value), type: attributeTypes.string };
  if (Array.isArray(value)) {
    const list = value as readonly (number | string)[];
    if (typeof list[0] === 'string')
      return { name, strings: list.map((text) => new TextEncoder().encode(String(text))), type: attributeTypes.strings };
    return { name, ints: list.map(Number), type: attributeTypes.ints };
  }
  return { name, f: (value as Real).real, type: attributeTypes.float };
}
