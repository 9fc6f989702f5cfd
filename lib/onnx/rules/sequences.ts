// Rules of attention and of recurrent layers. ONNX keeps time before the examples, and gates in another order.

import type { TypedArray } from '../../dtype.js';
import type { Attributes, Graph, Value } from '../graph.js';
import { elementTypes } from '../schema.js';
import { type Call, type Rule, type Rules, refuse, sizeOf } from './rule.js';

// softmax(q·kᵀ·scale)·v for each head, [N, T, F] as [N, heads, T, depth].
const attention: Rule = (graph, call) => {
  const [q, k, v, keep] = call.inputs;
  const [batch, queries, keys, heads, depth] = call.ints;
  const [scale] = call.reals;
  const split = (value: Value, length: number, perm: readonly number[]): string =>
    graph.transpose(graph.reshape(graph.plain(value), [batch, length, heads, depth]), perm);
  const scaled = graph.node('Mul', [split(q, queries, [0, 2, 1, 3]), graph.scalar(scale, q)]);
  let scores = graph.node('MatMul', [scaled, split(k, keys, [0, 2, 3, 1])]);
  const values = split(v, keys, [0, 2, 1, 3]);
  const mask = maskOf(graph, call);
  if (mask !== '') scores = graph.node('Where', [mask, scores, graph.scalar(-3.4028234663852886e38, q)]);
  let weights = graph.node('Softmax', [scores], { axis: -1 });
  // A query that sees no key gives zeros; under a causal mask alone each sees itself.
  if (sizeOf(keep.shape) > 0) weights = graph.node('Where', [mask, weights, graph.scalar(0, q)]);
  const mixed = graph.transpose(graph.node('MatMul', [weights, values]), [0, 2, 1, 3]);
  call.outputs[0].plain = graph.reshape(mixed, call.outputs[0].shape);
};

/** Which keys a query sees, [queries, keys] or [N, 1, queries or 1, keys]; '' for all. */
function maskOf(graph: Graph, { inputs: [, , , keep], ints: [, queries, keys, , , causal], path }: Call): string {
  const given = sizeOf(keep.shape) === 0 ? '' : graph.node('Unsqueeze', [graph.truth(keep), graph.ints([1, 2])]);
  if (causal === 0) return given;
  const past = pastOf(graph, queries, keys, path);
  return given === '' ? past : graph.node('And', [given, past]);
}

/** Which keys stand at a query's place or before it, [queries, keys]: as a constant, or computed where their number is free. */
function pastOf(graph: Graph, queries: number, keys: number, path: string): string {
  if (graph.isOneOfSeveral) {
    const rows = graph.node('Unsqueeze', [graph.range(queries), graph.ints([1])]);
    return graph.node('LessOrEqual', [graph.range(keys), rows]);
  }
  const sees = Uint8Array.from({ length: queries * keys }, (_, i) => (i % keys <= Math.floor(i / keys) ? 1 : 0));
  return graph.fixed(path === '' ? 'causal' : `${path}/causal`, 'bool', [queries, keys], sees);
}

/** The weights of one direction in the order of ONNX: [1, gates · hidden, in], [1, gates · hidden, hidden], [1, 2 · gates · hidden]. */
interface Weights {
  /** Name of what comes in, [batch, time, features]. */
  readonly x: string;
  readonly w: string;
  readonly r: string;
  readonly b: string;
}

/** Rows of blocks of `hidden` in another order, out of a matrix [features, gates · hidden]: its transpose. */
function gatesFirst(data: TypedArray, features: number, hidden: number, order: readonly number[]): Float32Array {
  const width = order.length * hidden;
  const made = new Float32Array(width * features);
  for (const [to, from] of order.entries())
    for (let unit = 0; unit < hidden; unit++)
      for (let i = 0; i < features; i++) made[(to * hidden + unit) * features + i] = data[i * width + from * hidden + unit];
  return made;
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array => new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);

/** What a matrix [rows, inner] times [inner, columns] is, added in float64. */
function product(a: TypedArray, b: TypedArray, rows: number, inner: number, columns: number): Float32Array {
  const made = new Float32Array(rows * columns);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) {
      let sum = 0;
      for (let k = 0; k < inner; k++) sum += a[i * inner + k] * b[k * columns + j];
      made[i * columns + j] = sum;
    }
  return made;
}

function constantOf(call: Call, value: Value, what: string): TypedArray {
  if (value.constant === null) refuse(call, `has ${what} that depend on the input, and ONNX wants constants`);
  if (value.dtype !== 'float32') refuse(call, `has ${what} of ${value.dtype}, and ONNX computes recurrent layers in float32`);
  return value.constant.memory as TypedArray;
}

/**
 * What the gates get of the inputs is a product that was made before; where it is one of constant weights it goes into the operator,
 * else the operator multiplies by the identity.
 */
function weightsOf(graph: Graph, call: Call, order: readonly number[], recurrent: TypedArray, recurrentBias: TypedArray | null): Weights {
  const [pre] = call.inputs;
  const hidden = call.ints[2];
  const width = order.length * hidden;
  const made = inputProduct(call);
  const features = made === null ? width : made.weight.shape[0];
  const inputWeight = made?.weight.constant?.memory as TypedArray | undefined;
  const bias = made?.bias?.constant?.memory as TypedArray | undefined;
  const path = call.path === '' ? '' : `${call.path}.`;
  // One cell may run in several places.
  const parts = [inputWeight, recurrent, bias, recurrentBias].map((memory) => (memory == null ? '' : graph.identity({ memory })));
  const weight = (name: string, dims: readonly number[], numbers: () => Float32Array): string =>
    graph.once(`${path}${name}:${parts}`, () => graph.initializer(`${path}${name}`, 'float32', dims, bytesOf(numbers())));
  const identity = (): Float32Array => Float32Array.from({ length: width * width }, (_, i) => (i % (width + 1) === 0 ? 1 : 0));
  const biases = (): Float32Array => {
    const b = new Float32Array(2 * width);
    if (bias !== undefined) b.set(gatesFirst(bias, 1, hidden, order));
    // That of the candidate alone: the last of the gates, in both orders.
    if (recurrentBias !== null) b.set(recurrentBias as Float32Array, 2 * width - hidden);
    return b;
  };
  return {
    x: made === null ? graph.plain(pre) : made.x,
    w: weight('W', [1, width, features], () => gatesFirst(inputWeight ?? identity(), features, hidden, order)),
    r: weight('R', [1, width, hidden], () => gatesFirst(recurrent, hidden, hidden, order)),
    b: bias === undefined && recurrentBias === null ? '' : weight('B', [1, 2 * width], biases),
  };

  function inputProduct(of: Call): { x: string; weight: Value; bias: Value | null } | null {
    let maker = of.maker(pre);
    // Without a bias: x as rows, their product, and back.
    if (maker?.op === 'view') maker = maker.maker(maker.inputs[0]);
    if (maker?.op !== 'matmul' || maker.ints[3] + maker.ints[4] !== 0 || maker.fused.map !== undefined) return null;
    const [x, weight, bias = null] = maker.inputs;
    if (weight.constant === null || (bias !== null && bias.constant === null) || sizeOf(x.shape) === 0) return null;
    const shape = [...pre.shape.slice(0, 2), x.shape[x.shape.length - 1]];
    return { x: x.shape.length === 3 ? graph.plain(x) : graph.reshape(graph.plain(x), shape), weight, bias };
  }
}

/** Lengths as ONNX wants them, out of the mask that they were made into; '' for none. */
function lengthsOf(graph: Graph, call: Call, mask: Value): string {
  if (sizeOf(mask.shape) === 0) return '';
  const maker = call.maker(mask);
  if (maker?.op !== 'sequence_mask')
    refuse(call, 'has a mask that was not made from lengths: pass `lengths`, or make the mask with sequenceMask(), which ONNX has a form for');
  return graph.plain(maker.inputs[0]);
}

/** Runs an operator over time, and names the outputs and the last states. */
function recurrent(
  graph: Graph,
  call: Call,
  opType: string,
  weights: Weights,
  mask: Value,
  first: readonly Value[],
  more: Attributes,
): string[] {
  const [batch, time, hidden, reversed] = call.ints;
  const states = first.map((state) => (sizeOf(state.shape) === 0 ? '' : graph.reshape(graph.plain(state), [1, batch, hidden])));
  const inputs = [graph.transpose(weights.x, [1, 0, 2]), weights.w, weights.r, weights.b, lengthsOf(graph, call, mask), ...states];
  while (inputs[inputs.length - 1] === '') inputs.pop();
  const direction = reversed === 1 ? 'reverse' : 'forward';
  const [all, ...last] = graph.nodeOf(opType, inputs, { hidden_size: hidden, direction, ...more }, 1 + first.length);
  // [time, 1, batch, hidden]
  const output = graph.reshape(graph.transpose(all, [2, 0, 1, 3]), [batch, time, hidden]);
  return [output, ...last.map((state) => graph.reshape(state, [batch, hidden]))];
}

const rnn: Rule = (graph, call) => {
  const [, w, initial, mask] = call.inputs;
  const weights = weightsOf(graph, call, [0], constantOf(call, w, 'weights'), null);
  const activations = { activations: call.ints[4] === 1 ? ['Relu'] : ['Tanh'] };
  [call.outputs[0].plain, call.outputs[1].plain] = recurrent(graph, call, 'RNN', weights, mask, [initial], activations);
};

// Ours: i, f, g, o; those of ONNX: i, o, f, c.
const lstmOrder = [0, 3, 1, 2];

const lstm: Rule = (graph, call) => {
  const [, w, projection, h, c, mask] = call.inputs;
  const [y, lastH, lastC] = call.outputs;
  const [batch, time, hidden, , projected] = call.ints;
  const own = constantOf(call, w, 'weights');
  if (projected === 0) {
    const weights = weightsOf(graph, call, lstmOrder, own, null);
    [y.plain, lastH.plain, lastC.plain] = recurrent(graph, call, 'LSTM', weights, mask, [h, c], {});
    return;
  }
  // A projection is a product of the state: multiplied into the weights that the state meets next.
  if (sizeOf(h.shape) > 0) refuse(call, 'has a projection and first states, which ONNX has no form for');
  const matrix = constantOf(call, projection, 'projections');
  const weights = weightsOf(graph, call, lstmOrder, product(matrix, own, hidden, projected, 4 * hidden), null);
  const [all, last, cells] = recurrent(graph, call, 'LSTM', weights, mask, [h, c], {});
  const project = (name: string): string => graph.node('MatMul', [name, graph.plain(projection)]);
  y.plain = graph.reshape(project(all), [batch, time, projected]);
  lastH.plain = project(last);
  lastC.plain = cells;
};

// Ours: r, z, n; those of ONNX: z, r, h.
const gru: Rule = (graph, call) => {
  const [, w, bias, initial, mask] = call.inputs;
  const resetAfter = call.ints[4];
  const after = sizeOf(bias.shape) === 0 ? null : constantOf(call, bias, 'biases');
  const weights = weightsOf(graph, call, [1, 0, 2], constantOf(call, w, 'weights'), after);
  const attributes = { linear_before_reset: resetAfter };
  [call.outputs[0].plain, call.outputs[1].plain] = recurrent(graph, call, 'GRU', weights, mask, [initial], attributes);
};

// What recurrent layers make of it are lengths; who else asks gets the mask.
const sequenceMask: Rule = (graph, call) => {
  const [[lengths], [y]] = [call.inputs, call.outputs];
  const [, time] = call.ints;
  const range = graph.isOneOfSeveral ? graph.node('Cast', [graph.range(time)], { to: elementTypes.int32 }) : stepsOf(graph, time);
  y.truth = graph.node('Less', [range, graph.node('Unsqueeze', [graph.plain(lengths), graph.ints([1])])]);
  y.plain = graph.node('Cast', [y.truth], { to: elementTypes.uint8 });
};

/** 0 … time − 1 as a constant, [1, time]. */
function stepsOf(graph: Graph, time: number): string {
  const steps = new Int32Array(time).map((_, i) => i);
  return graph.fixed('steps', 'int32', [1, time], new Uint8Array(steps.buffer));
}

/** Sequences. */
export const sequenceRules: Rules = { attention, rnn, lstm, gru, sequence_mask: sequenceMask };
