// Rules of normalization, softmax and matrix products.

import { type Graph, type Value, channelsFirst, real } from '../graph.js';
import { type Call, type Rule, type Rules, refuse, sizeOf } from './rule.js';

const matmul: Rule = (graph, call) => {
  const [a, b, bias] = call.inputs;
  const [, , , transposeA, transposeB] = call.ints;
  const [output] = call.outputs;
  if (a.shape.length === 2 && (bias !== undefined || transposeA + transposeB > 0)) {
    const inputs = [graph.plain(a), graph.plain(b), ...(bias === undefined ? [] : [graph.plain(bias)])];
    output.plain = graph.node('Gemm', inputs, { transA: transposeA, transB: transposeB });
    return;
  }
  const product = graph.node('MatMul', [graph.plain(a), graph.plain(b)]);
  output.plain = bias === undefined ? product : graph.node('Add', [product, graph.plain(bias)]);
};

/** γ or β, or what stands for one that is absent. */
function orAll(graph: Graph, value: Value, size: number, absent: number): string {
  return sizeOf(value.shape) === 0 ? graph.reals(new Array<number>(size).fill(absent), value.dtype) : graph.plain(value);
}

const batchNorm: Rule = (graph, call) => {
  const [x, mean, variance, gamma, beta] = call.inputs;
  const [, channels] = call.ints;
  const [output] = call.outputs;
  if (mean.constant === null || variance.constant === null)
    refuse(call, 'normalizes by the statistics of the batch: give it trackRunningStats');
  const operands = [orAll(graph, gamma, channels, 1), orAll(graph, beta, channels, 0), graph.plain(mean), graph.plain(variance)];
  const make = (name: string): string => graph.node('BatchNormalization', [name, ...operands], { epsilon: real(call.reals[0]) });
  if (x.shape.length === 4) output.first = make(graph.first(x));
  else if (x.shape.length === 2) output.plain = make(graph.plain(x));
  else output.plain = graph.reshape(make(graph.reshape(graph.plain(x), [sizeOf(x.shape) / channels, channels])), x.shape);
};

const groupNorm: Rule = (graph, call) => {
  const [x, gamma, beta] = call.inputs;
  const [examples, positions, channels, groups, centred] = call.ints;
  const [eps] = call.reals;
  const [output] = call.outputs;
  if (centred === 0) output.plain = meanSquare(graph, call);
  else if (groups === 1 && positions === 1) {
    const scale = orAll(graph, gamma, channels, 1);
    const inputs = [graph.plain(x), scale, ...(sizeOf(beta.shape) === 0 ? [] : [graph.plain(beta)])];
    // The last axis has the channels, but where a tensor of one axis is one example.
    output.plain = graph.node('LayerNormalization', inputs, { axis: -1, epsilon: real(eps) });
  } else {
    const isImage = x.shape.length === 4;
    // The channels of a group side by side, over all positions.
    const first = isImage ? graph.first(x) : graph.transpose(graph.reshape(graph.plain(x), [examples, positions, channels]), [0, 2, 1]);
    const rows = graph.reshape(first, [examples, groups, (channels / groups) * positions]);
    const units = [graph.reals(new Array<number>(groups).fill(1), x.dtype), graph.reals(new Array<number>(groups).fill(0), x.dtype)];
    const normal = graph.node('InstanceNormalization', [rows, ...units], { epsilon: real(eps) });
    const back = isImage ? channelsFirst.map((axis) => x.shape[axis]) : [examples, channels, positions];
    let made = graph.reshape(normal, back);
    const each = isImage ? [channels, 1, 1] : [channels, 1];
    if (sizeOf(gamma.shape) > 0) made = graph.node('Mul', [made, shaped(graph, gamma, each)]);
    if (sizeOf(beta.shape) > 0) made = graph.node('Add', [made, shaped(graph, beta, each)]);
    if (isImage) output.first = made;
    else output.plain = graph.reshape(graph.transpose(made, [0, 2, 1]), x.shape);
  }
};

const shaped = (graph: Graph, value: Value, dims: readonly number[]): string =>
  value.constant === null ? graph.reshape(graph.plain(value), dims) : graph.constant(value, undefined, dims);

// x / √(mean of x² + eps), which ONNX has no operator for.
function meanSquare(graph: Graph, call: Call): string {
  const [x, gamma, beta] = call.inputs;
  const [, positions, , groups] = call.ints;
  if (groups !== 1 || positions !== 1) refuse(call, 'divides groups by their mean square, which has no form in ONNX yet');
  const name = graph.plain(x);
  const mean = graph.node('ReduceMean', [graph.node('Mul', [name, name])], { axes: [-1], keepdims: 1 });
  let made = graph.node('Div', [name, graph.node('Sqrt', [graph.node('Add', [mean, graph.scalar(call.reals[0], x)])])]);
  if (sizeOf(gamma.shape) > 0) made = graph.node('Mul', [made, graph.plain(gamma)]);
  if (sizeOf(beta.shape) > 0) made = graph.node('Add', [made, graph.plain(beta)]);
  return made;
}

const softmax =
  (opType: string): Rule =>
  (graph, { inputs: [x], outputs: [y] }) => {
    y.plain = graph.node(opType, [graph.plain(x)], { axis: -1 });
  };

/** Products, normalization, softmax. */
export const normRules: Rules = {
  matmul,
  batch_norm: batchNorm,
  group_norm: groupNorm,
  softmax: softmax('Softmax'),
  log_softmax: softmax('LogSoftmax'),
};
