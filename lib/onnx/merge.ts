// One graph out of several, which are the same but for sizes: what differs among them is computed from the shapes of what comes in.

import { Buffer } from 'node:buffer';
import { ArgumentError } from '../errors.js';
import type { FreeAxis } from './free-axes.js';
import type { Graph } from './graph.js';
import { type DimensionMessage, type NodeMessage, type TensorMessage, type ValueMessage, elementTypes } from './schema.js';

/** times · (product of axes) / over + plus. */
interface Formula {
  readonly axes: readonly FreeAxis[];
  readonly times: number;
  readonly over: number;
  readonly plus: number;
}

/** The largest divisor that a formula may have. */
const mostOver = 64;

/** A number of each pass as a formula of the axes; null where none of these is one. */
export function formulaOf(values: readonly number[], axes: readonly FreeAxis[]): Formula | null {
  const products = [...axes.map((axis) => [axis]), ...axes.flatMap((one, i) => axes.slice(i).map((other) => [one, other]))];
  const found = products.flatMap((list): Formula[] => {
    const product = values.map((_, pass) => list.reduce((made, { sizes }) => made * sizes[pass], 1));
    const other = product.findIndex((value) => value !== product[0]);
    if (other < 0) return [];
    const slope = (values[other] - values[0]) / (product[other] - product[0]);
    for (let over = 1; over <= mostOver; over++) {
      const times = Math.round(slope * over);
      const rest = over * values[0] - times * product[0];
      const isExact = values.every((value, pass) => over * value === times * product[pass] + rest);
      if (times !== 0 && isExact && Number.isInteger(rest / over)) return [{ axes: list, times, over, plus: rest / over }];
    }
    return [];
  });
  return found.find(({ plus }) => plus === 0) ?? found[0] ?? null;
}

/** A formula as the name of a dimension. */
function textOf({ axes, times, over, plus }: Formula): string {
  const product = [...(times === 1 ? [] : [String(times)]), ...axes.map(({ name }) => name)].join('*');
  const divided = over === 1 ? product : `${product}/${over}`;
  return plus === 0 ? divided : `${divided} ${plus < 0 ? '-' : '+'} ${Math.abs(plus)}`;
}

/** What a graph is written with: nodes, and what stands at its ends. */
export interface Written {
  readonly graph: Graph;
  readonly inputs: readonly ValueMessage[];
  readonly outputs: readonly ValueMessage[];
}

/**
 * Makes the first of several graphs, one for each pass, one for all sizes of the axes.
 *
 * @throws {ArgumentError} for what depends on a size in a way that no node computes; the message names the layer.
 */
export function merge(written: readonly Written[], axes: readonly FreeAxis[], layout: string): Written {
  const [{ graph, inputs, outputs }] = written;
  const merging = new Merging(
    written.map((one) => one.graph),
    axes,
    inputs,
    layout,
  );
  merging.run();
  const freed = (of: (one: Written) => readonly ValueMessage[]) => (_: ValueMessage, i: number) =>
    withFreeDimensions(
      written.map((one) => of(one)[i]),
      axes,
    );
  return { graph, inputs: inputs.map(freed((one) => one.inputs)), outputs: outputs.map(freed((one) => one.outputs)) };
}

/** An input or output, whose dimensions that differ have names. */
function withFreeDimensions(values: readonly ValueMessage[], axes: readonly FreeAxis[]): ValueMessage {
  const dims = values.map(({ type }) => type?.tensorType?.shape?.dim ?? []);
  const [{ name, type }] = values;
  const dim = dims[0].map((first, d): DimensionMessage => {
    const sizes = dims.map((list) => list[d].dimValue);
    if (sizes.every((size) => size === first.dimValue)) return first;
    const formula = formulaOf(sizes as number[], axes);
    return { dimParam: formula === null ? `${name}_${d}` : textOf(formula) };
  });
  return { name, type: { tensorType: { ...type?.tensorType, shape: { dim } } } };
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, dimension) => product * dimension, 1);

const areEqual = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

/** The first elements along each axis, out of the bytes of a tensor. */
function cropped(bytes: Uint8Array, from: readonly number[], to: readonly number[]): Uint8Array {
  const row = from.length === 0 ? 0 : bytes.length / from[0];
  if (from.length === 0 || sizeOf(from.slice(1)) === sizeOf(to.slice(1))) return bytes.subarray(0, row * (to[0] ?? 1));
  const rows = Array.from({ length: to[0] }, (_, i) => cropped(bytes.subarray(i * row, (i + 1) * row), from.slice(1), to.slice(1)));
  const made = new Uint8Array(rows.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const one of rows) {
    made.set(one, at);
    at += one.length;
  }
  return made;
}

/** The largest of several tensors, where the others are its first elements; −1 where there is none. */
function largestOf(tensors: readonly Required<TensorMessage>[]): number {
  const [{ dims, dataType }] = tensors;
  if (tensors.some((one) => one.dims.length !== dims.length || one.dataType !== dataType)) return -1;
  const at = tensors.findIndex((one) => one.dims.every((size, d) => tensors.every((other) => other.dims[d] <= size)));
  if (at < 0) return -1;
  const whole = tensors[at];
  return tensors.every((one) => areEqual(cropped(whole.rawData, whole.dims, one.dims), one.rawData)) ? at : -1;
}

class Merging {
  readonly #graphs: readonly Graph[];
  readonly #graph: Graph;
  readonly #axes: readonly FreeAxis[];
  /** Where the size of an axis is read: name of an input in the file, and its axis there. */
  readonly #sources = new Map<FreeAxis, readonly [name: string, axis: number]>();
  /** What nodes have made, the latest last. */
  readonly #made: string[] = [];
  /** What stands in the place of constants. */
  readonly #renamed = new Map<string, string>();

  constructor(graphs: readonly Graph[], axes: readonly FreeAxis[], inputs: readonly ValueMessage[], layout: string) {
    this.#graphs = graphs;
    [this.#graph] = graphs;
    this.#axes = axes;
    for (const axis of axes) {
      const [{ input, axis: own }] = axis.places;
      const { name = '', type } = inputs[input];
      // Of images with their channels first, [N, H, W, C] is [N, C, H, W].
      const rank = type?.tensorType?.shape?.dim?.length;
      const isFirst = rank === 4 && layout === 'NCHW';
      this.#sources.set(axis, [name, isFirst ? own + 1 : own]);
    }
  }

  run(): void {
    const nodes = this.#graphs.map((graph) => graph.nodes.splice(0));
    const weights = this.#graphs.map((graph) => graph.initializers.splice(0));
    for (const [i] of weights[0].entries()) this.#weight(weights.map((list) => list[i] as Required<TensorMessage>));
    for (const [i, node] of nodes[0].entries()) {
      const all = nodes.map((list) => list[i]);
      const path =
        node.opType === 'Constant' ? (this.#graph.paths.get(node.name ?? '') ?? '') : (node.name ?? '').split('/').slice(0, -1).join('/');
      this.#graph.path = path;
      if (node.opType === 'Constant') this.#constant(node, all, path);
      else {
        if (all.some((other) => !isSameNode(node, other)))
          this.#refuse(path, `operator ${node.opType} would be another one for other sizes, and a file has one for all`);
        this.#graph.nodes.push({ ...node, input: node.input?.map((name) => this.#renamed.get(name) ?? name) });
      }
      for (const name of node.output ?? []) if (this.#graph.shapes.has(name)) this.#made.push(name);
    }
    this.#graph.path = '';
  }

  #refuse(path: string, what: string): never {
    const names = this.#axes.map(({ name }) => `'${name}'`).join(' and ');
    throw new ArgumentError(`the model cannot be exported with a free ${names}: ${path === '' ? '' : `in layer '${path}' `}${what}`);
  }

  /** A weight; where passes take more or less of it, the largest, of which a part is taken. */
  #weight(all: readonly Required<TensorMessage>[]): void {
    const [first] = all;
    const at = largestOf(all);
    if (at < 0) this.#refuse(first.name.split('.').slice(0, -1).join('.'), `the weight '${first.name}' would be another one for other sizes`);
    this.#graph.initializers.push({ ...all[at], name: first.name });
    this.#takePart(first.name, all, '');
  }

  /** Names a part of a tensor, as large as it is in each pass. */
  #takePart(name: string, all: readonly Required<TensorMessage>[], path: string): void {
    const [{ dims }] = all;
    const axes = dims.flatMap((size, d) => (all.every((one) => one.dims[d] === size) ? [] : [d]));
    if (axes.length === 0) return;
    const ends = this.#sizes(
      axes.map((d) => all.map((one) => one.dims[d])),
      path,
    );
    const begins = this.#ints(axes.map(() => 0));
    this.#renamed.set(name, this.#graph.node('Slice', [name, begins, ends, this.#ints(axes)]));
  }

  #constant(node: NodeMessage, nodes: readonly NodeMessage[], path: string): void {
    const all = nodes.map(({ attribute }) => attribute?.[0].t as Required<TensorMessage>);
    const [name] = node.output as [string];
    const [{ dims, dataType, rawData }] = all;
    const isSameShape = all.every((one) => one.dims.join() === dims.join());
    if (isSameShape && all.every((one) => areEqual(one.rawData, rawData))) {
      const known = rawData.length > mostShared ? name : this.#graph.once(`${dataType}:${dims}:${rawData}`, () => name);
      if (known === name) this.#graph.nodes.push(node);
      else this.#renamed.set(name, known);
      return;
    }
    const numbers = isSameShape && dims.length <= 1 ? all.map(numbersOf) : null;
    if (numbers !== null && (dataType === elementTypes.int64 || numbers[0].length === 1)) {
      const list = this.#sizes(
        numbers[0].map((_, i) => numbers.map((values) => values[i])),
        path,
      );
      const shaped = dims.length === 1 ? list : this.#graph.node('Squeeze', [list, this.#ints([0])]);
      this.#renamed.set(name, dataType === elementTypes.int64 ? shaped : this.#graph.node('Cast', [shaped], { to: dataType }));
      return;
    }
    const at = largestOf(all);
    if (at < 0) this.#refuse(path, 'constants are others for other sizes, and a file has one of each');
    this.#graph.nodes.push({ ...node, attribute: nodes[at].attribute });
    this.#takePart(name, all, path);
  }

  #ints(values: readonly number[]): string {
    return this.#graph.once(`sizes:${values}`, () => this.#graph.ints(values));
  }

  /** Numbers of each pass as an operand [count]. */
  #sizes(list: readonly (readonly number[])[], path: string): string {
    return this.#graph.once(`sizes:${list.join(';')}:${list.length}`, () => {
      const parts: string[] = [];
      for (let i = 0; i < list.length; i++) {
        const run: number[] = [];
        for (; i < list.length && list[i].every((value) => value === list[i][0]); i++) run.push(list[i][0]);
        if (run.length > 0) parts.push(this.#ints(run));
        if (i < list.length) parts.push(this.#size(list[i], path));
      }
      return parts.length === 1 ? parts[0] : this.#graph.node('Concat', parts, { axis: 0 });
    });
  }

  #size(values: readonly number[], path: string): string {
    return this.#graph.once(`size:${values}`, () => {
      const formula = formulaOf(values, this.#axes);
      if (formula === null) return this.#sizeOfMade(values, path);
      const { axes, times, over, plus } = formula;
      let made = axes
        .map((axis) => this.#dimension(...(this.#sources.get(axis) as [string, number])))
        .reduce((a, b) => this.#graph.node('Mul', [a, b]));
      if (times !== 1) made = this.#graph.node('Mul', [made, this.#ints([times])]);
      if (over !== 1) made = this.#graph.node('Div', [made, this.#ints([over])]);
      return plus === 0 ? made : this.#graph.node('Add', [made, this.#ints([plus])]);
    });
  }

  /** The size of an axis, [1]. */
  #dimension(name: string, axis: number): string {
    const shape = this.#graph.once(`shape:${name}`, () => this.#graph.node('Shape', [name]));
    return this.#graph.once(`shape:${name}:${axis}`, () => this.#graph.node('Gather', [shape, this.#ints([axis])], { axis: 0 }));
  }

  /** What no formula gives, such as the rows behind a convolution with a stride, is read off what was made: a size, or a product of two. */
  #sizeOfMade(values: readonly number[], path: string): string {
    for (const name of this.#made.toReversed()) {
      const shapes = this.#graphs.map((graph) => graph.shapes.get(name) as readonly number[]);
      for (const [d] of shapes[0].entries()) {
        for (let other = d; other < shapes[0].length; other++) {
          const product = shapes.map((shape) => shape[d] * (other === d ? 1 : shape[other]));
          const times = values[0] / product[0];
          if (!Number.isInteger(times) || values.some((value, pass) => value !== times * product[pass])) continue;
          let made = this.#dimension(name, d);
          if (other !== d) made = this.#graph.node('Mul', [made, this.#dimension(name, other)]);
          return times === 1 ? made : this.#graph.node('Mul', [made, this.#ints([times])]);
        }
      }
    }
    this.#refuse(path, `a number depends on sizes in a way that has no formula: ${values.join(', ')}`);
  }
}

/** Bytes of constants that are shared where they are equal. */
const mostShared = 64;

function isSameNode(one: NodeMessage, other: NodeMessage): boolean {
  const parts = ({ opType, input, output, attribute }: NodeMessage): unknown => [opType, input, output, attribute];
  return JSON.stringify(parts(one)) === JSON.stringify(parts(other));
}

/** The numbers of a tensor that was written here. */
function numbersOf({ dataType, rawData }: Required<TensorMessage>): number[] {
  const { buffer } = rawData.slice();
  if (dataType === elementTypes.int64) return Array.from(new BigInt64Array(buffer), Number);
  if (dataType === elementTypes.float64) return Array.from(new Float64Array(buffer));
  if (dataType === elementTypes.int32) return Array.from(new Int32Array(buffer));
  return dataType === elementTypes.float32 ? Array.from(new Float32Array(buffer)) : Array.from(rawData);
}
