// What a rule is: how one operation of a forward pass becomes nodes of a graph.

import { ArgumentError } from '../../errors.js';
import type { Step } from '../forward.js';
import { type Attributes, type Graph, type Value, channelsFirst } from '../graph.js';

/** One operation whose tensors have their places in the graph. */
export interface Call extends Step<Value> {
  /** The operation that made a tensor: for what ONNX has as one operator. */
  readonly maker: (value: Value) => Call | null;
  /** The integers of the same operation in each of several passes; its own alone where no axis but that of the examples is free. */
  readonly intsOfAll: readonly (readonly number[])[];
}

/** Writes the nodes of an operation, and names its outputs. */
export type Rule = (graph: Graph, call: Call) => void;

/** Rules by the names of operations. */
export type Rules = Readonly<Record<string, Rule>>;

/** Refuses what ONNX cannot say. */
export function refuse({ op, path }: Call, why: string): never {
  const where = path === '' ? '' : ` in layer '${path}'`;
  throw new ArgumentError(`the model cannot be exported: operation '${op}'${where} ${why}`);
}

/** Writes an operator that works on each number by itself, in whatever order of axes its inputs stand in. */
export function elementwise(graph: Graph, call: Call, make: (names: readonly string[]) => string, inputs = call.inputs): void {
  const [output] = call.outputs;
  if (inputs.some((input) => input.shape.length === 4 && graph.isFirst(input)) && output.shape.length === 4) {
    output.first = make(inputs.map((input) => besideFirst(graph, input)));
  } else output.plain = make(inputs.map((input) => graph.plain(input)));
}

/** A tensor that is broadcast beside images whose channels come first. */
function besideFirst(graph: Graph, value: Value): string {
  const { shape } = value;
  if (shape.length === 4) return graph.first(value);
  if (shape.every((dimension) => dimension === 1)) return graph.plain(value);
  const whole = [...new Array<number>(4 - shape.length).fill(1), ...shape];
  const dims = channelsFirst.map((axis) => whole[axis]);
  // [C] and [W, C] of ones else: the numbers lie in the same order.
  if (whole[1] * whole[2] === 1 || whole[3] === 1) {
    return value.constant === null ? graph.reshape(graph.plain(value), dims) : graph.constant(value, undefined, dims);
  }
  return graph.transpose(graph.reshape(graph.plain(value), whole), channelsFirst);
}

/** The rule of an operator that takes the same inputs. */
export const same =
  (opType: string, attributes: Attributes = {}): Rule =>
  (graph, call) =>
    elementwise(graph, call, (names) => graph.node(opType, names, attributes));

/** The number of elements of a shape. */
export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, dimension) => product * dimension, 1);
