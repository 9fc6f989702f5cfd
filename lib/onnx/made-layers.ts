// Layers out of operators of ONNX with constant weights: what they are made with, and the values that they get.

import { ArgumentError, describeShape } from '../errors.js';
import { BatchNorm1d, BatchNorm2d } from '../layers/batch-norm.js';
import { Conv2d, ConvTranspose2d } from '../layers/convolution.js';
import { Dropout } from '../layers/dropout.js';
import { Embedding } from '../layers/embedding.js';
import { LayerNorm } from '../layers/group-norm.js';
import type { AnyLayer } from '../layers/layer.js';
import { Linear } from '../layers/linear.js';
import { GRUCell, LSTMCell, RNNCell } from '../layers/recurrent-cells.js';
import type { AnyTensor } from '../tensor.js';
import { type PlanNode, int, ints, text } from './held.js';
import { permuted } from './values.js';
import type { Weights } from './weights.js';

/** A layer, and how it gets its values once it has memory. */
export interface MadeLayer {
  readonly layer: AnyLayer;
  readonly fill: () => void;
}

/** What a maker knows of an operator. */
export interface Made {
  readonly node: PlanNode;
  /** Constant inputs by place; null for those that come from elsewhere, or are left out. */
  readonly weights: readonly (Weights | null)[];
  /** How many axes the first input has, where that is known. */
  readonly rank: number | null;
}

type Maker = (made: Made) => MadeLayer[] | null;

const pair = (list: readonly number[]): [number, number] => [list[0], list[1]];

/** Numbers of a constant with its axes in another order. */
const reordered = ({ shape, data }: Weights, order: readonly number[]): Float32Array =>
  permuted({ shape, memory: data }, order) as Float32Array;

/** Checks how many numbers a constant has. */
function sized(weights: Weights | null | undefined, size: number, what: string): Float32Array | null {
  if (weights == null) return null;
  if (weights.data.length !== size) throw new ArgumentError(`${what} has shape ${describeShape(weights.shape)}, ${size} numbers were expected`);
  return weights.data as Float32Array;
}

const put = (item: AnyTensor | null, values: ArrayLike<number> | null): void => {
  if (item !== null && values !== null) item.data.set(values);
};

function padding(node: PlanNode): 'same' | [[number, number], [number, number]] {
  const auto = text(node, 'auto_pad', 'NOTSET');
  if (auto === 'SAME_UPPER') return 'same';
  if (auto !== 'NOTSET' && auto !== 'VALID') throw new ArgumentError(`auto_pad '${auto}' has no form here`);
  const pads = auto === 'VALID' ? [0, 0, 0, 0] : ints(node, 'pads', [0, 0, 0, 0]);
  if (pads.length !== 4) throw new ArgumentError(`pads [${pads}] are not those of an image`);
  return [[pads[0], pads[2]], [pads[1], pads[3]]]; // biome-ignore format: one line
}

const imagesOnly = ({ shape }: Weights): void => {
  if (shape.length !== 4)
    throw new ArgumentError(`a convolution by weights ${describeShape(shape)} has no form here: those of images have four axes`);
};

const conv: Maker = ({ node, weights: [, w, b] }) => {
  if (w == null) return null;
  imagesOnly(w);
  const [out, inner, ...kernel] = w.shape;
  const groups = int(node, 'group', 1);
  const layer = new Conv2d(inner * groups, out, pair(kernel), {
    stride: pair(ints(node, 'strides', [1, 1])),
    dilation: pair(ints(node, 'dilations', [1, 1])),
    padding: padding(node),
    groups,
    bias: b != null,
  });
  const [values, bias] = [reordered(w, [2, 3, 1, 0]), sized(b, out, 'the bias')];
  return [{ layer, fill: () => (put(layer.weight, values), put(layer.bias, bias)) }];
};

const convTranspose: Maker = ({ node, weights: [, w, b] }) => {
  if (w == null) return null;
  imagesOnly(w);
  const [channels, each, ...kernel] = w.shape;
  const groups = int(node, 'group', 1);
  const frame = padding(node);
  if (frame === 'same' || node.attributes.output_shape !== undefined)
    throw new ArgumentError('a size of the result in place of padding has no form here');
  const more = ints(node, 'output_padding', [0, 0]);
  // Ours takes as much off behind as before, and adds what is too much.
  const outputPadding = pair(frame.map(([before, behind], d) => more[d] + before - behind));
  const layer = new ConvTranspose2d(channels, each * groups, pair(kernel), {
    stride: pair(ints(node, 'strides', [1, 1])),
    dilation: pair(ints(node, 'dilations', [1, 1])),
    padding: [frame[0][0], frame[1][0]],
    outputPadding,
    groups,
    bias: b != null,
  });
  const [values, bias] = [reordered(w, [2, 3, 1, 0]), sized(b, each * groups, 'the bias')];
  return [{ layer, fill: () => (put(layer.weight, values), put(layer.bias, bias)) }];
};

function linear(w: Weights, isTransposed: boolean, b: Weights | null | undefined): MadeLayer[] {
  const [inner, out] = isTransposed ? [w.shape[1], w.shape[0]] : w.shape;
  const layer = new Linear(inner, out, { bias: b != null });
  const values = isTransposed ? reordered(w, [1, 0]) : w.data;
  const bias = sized(b, out, 'the bias');
  return [{ layer, fill: () => (put(layer.weight, values), put(layer.bias, bias)) }];
}

const gemm: Maker = ({ node, weights: [a, w, c] }) => {
  const isPlain = int(node, 'transA', 0) === 0 && int(node, 'alpha', 1) === 1 && int(node, 'beta', 1) === 1;
  if (!isPlain || a !== null || w == null || w.isFixed || w.shape.length !== 2) return null;
  const isTransposed = int(node, 'transB', 0) === 1;
  const out = w.shape[isTransposed ? 0 : 1];
  if (node.inputs.length > 2 && node.inputs[2] !== '' && c?.data.length !== out) return null;
  return linear(w, isTransposed, c);
};

// A third input is the bias of an addition behind it.
const matmul: Maker = ({ weights: [a, w, b] }) => (a !== null || w == null || w.isFixed || w.shape.length !== 2 ? null : linear(w, false, b));

const all = (weights: Weights, value: number): boolean => weights.data.every((one) => one === value);

const batchNorm: Maker = ({ node, weights: [, scale, bias, mean, variance], rank }) => {
  if (scale == null || bias == null || mean == null || variance == null) return null;
  if (int(node, 'training_mode', 0) !== 0) throw new ArgumentError('it was exported in training mode: export it in evaluation mode');
  const features = scale.data.length;
  const affine = !(scale.isFixed && all(scale, 1) && all(bias, 0));
  const options = { eps: int(node, 'epsilon', 1e-5), momentum: 1 - int(node, 'momentum', 0.9), affine };
  const layer = rank === 4 ? new BatchNorm2d(features, options) : new BatchNorm1d(features, options);
  const values = [scale, bias, mean, variance].map((one) => sized(one, features, 'a row of numbers'));
  const fill = (): void => {
    for (const [i, item] of [layer.weight, layer.bias, layer.runningMean, layer.runningVar].entries()) put(item as AnyTensor | null, values[i]);
  };
  return [{ layer, fill }];
};

const layerNorm: Maker = ({ node, weights: [, scale, bias] }) => {
  const isLast = int(node, 'axis', -1) === -1 && scale?.shape.length === 1;
  if (scale == null || !isLast || (bias == null && (node.inputs[2] ?? '') !== '')) return null;
  const affine = !(scale.isFixed && all(scale, 1));
  if (!affine && bias != null) return null;
  const layer = new LayerNorm(scale.data.length, { eps: int(node, 'epsilon', 1e-5), affine });
  const [weight, shift] = [scale.data, sized(bias, scale.data.length, 'the bias')];
  return [{ layer, fill: () => (put(layer.weight, weight), put(layer.bias, shift)) }];
};

const embedding: Maker = ({ node, weights: [table, index] }) => {
  if (table == null || index !== null || table.isFixed || table.shape.length !== 2 || int(node, 'axis', 0) !== 0) return null;
  const layer = new Embedding(table.shape[0], table.shape[1]);
  return [{ layer, fill: () => put(layer.weight, table.data) }];
};

const dropout: Maker = ({ node, weights: [, ratio] }) => {
  const layer = new Dropout(ratio?.data[0] ?? int(node, 'ratio', 0.5));
  return [{ layer, fill: () => {} }];
};

/** Numbers of one direction, [gates · hidden, columns], as [columns, gates · hidden] with the gates in our order. */
function ours(data: Float32Array, at: number, columns: number, hidden: number, order: readonly number[]): Float32Array {
  const width = order.length * hidden;
  const made = new Float32Array(columns * width);
  for (const [to, from] of order.entries())
    for (let unit = 0; unit < hidden; unit++)
      for (let i = 0; i < columns; i++) made[i * width + to * hidden + unit] = data[at + (from * hidden + unit) * columns + i];
  return made;
}

/** Where our gates stand in ONNX: i, f, g, o among i, o, f, c; r, z, n among z, r, h. */
const gateOrders: Readonly<Record<string, readonly number[]>> = { RNN: [0], LSTM: [0, 2, 3, 1], GRU: [1, 0, 2] };

const recurrent: Maker = ({ node, weights: [, w, r, b] }) => {
  if (w == null || r == null || (b == null && (node.inputs[3] ?? '') !== '')) return null;
  const order = gateOrders[node.op];
  const refused = ['clip', 'input_forget', 'layout'].filter((name) => int(node, name, 0) !== 0);
  if (refused.length > 0 || (node.inputs[7] ?? '') !== '')
    throw new ArgumentError(`${refused[0] ?? 'peepholes'} of a recurrent layer has no form here`);
  const [directions, width, features] = w.shape;
  const hidden = width / order.length;
  const wanted = [directions, width, hidden].join();
  if (w.shape.length !== 3 || directions > 2 || !Number.isInteger(hidden) || r.shape.join() !== wanted)
    throw new ArgumentError(`weights ${describeShape(w.shape)} and ${describeShape(r.shape)} do not fit each other`);
  const bias = sized(b, directions * 2 * width, 'the bias');
  const activations = activationsOf(node);
  const resetAfter = int(node, 'linear_before_reset', 0) === 1;
  return Array.from({ length: directions }, (_, d) => {
    const options = { bias: bias !== null };
    const layer =
      node.op === 'RNN'
        ? new RNNCell(features, hidden, { ...options, activation: activations === 'relu' ? 'relu' : 'tanh' })
        : node.op === 'LSTM'
          ? new LSTMCell(features, hidden, options)
          : new GRUCell(features, hidden, { ...options, resetAfter });
    const fill = (): void => {
      put(layer.inputWeight, ours(w.data as Float32Array, d * width * features, features, hidden, order));
      put(layer.recurrentWeight, ours(r.data as Float32Array, d * width * hidden, hidden, hidden, order));
      if (bias === null) return;
      const [input, state] = [0, width].map((at) => ours(bias, d * 2 * width + at, 1, hidden, order));
      // Two biases that are added are one here, but for that of the candidate behind a reset.
      const isApart = layer instanceof GRUCell && layer.recurrentBias !== null;
      const kept = isApart ? width - hidden : width;
      put(
        layer.bias,
        input.map((value, i) => (i < kept ? value + state[i] : value)),
      );
      if (isApart) put(layer.recurrentBias, state.subarray(kept));
    };
    return { layer, fill };
  });
};

function activationsOf(node: PlanNode): 'relu' | null {
  const given = node.attributes.activations as readonly string[] | undefined;
  if (given === undefined) return null;
  const names = given.map((name) => String(name).toLowerCase());
  const usual: Readonly<Record<string, readonly string[]>> = { RNN: ['tanh'], LSTM: ['sigmoid', 'tanh', 'tanh'], GRU: ['sigmoid', 'tanh'] };
  if (node.op === 'RNN' && names.every((name) => name === 'relu')) return 'relu';
  const own = usual[node.op];
  if (names.some((name, i) => name !== own[i % own.length]))
    throw new ArgumentError(`activations ${given.join(', ')} of a recurrent layer have no form here`);
  return null;
}

/** What makes layers of operators, by their names; null where the operator has no constant weights and is an operation. */
export const makers: Readonly<Record<string, Maker>> = {
  Conv: conv,
  ConvTranspose: convTranspose,
  Gemm: gemm,
  MatMul: matmul,
  BatchNormalization: batchNorm,
  LayerNormalization: layerNorm,
  Gather: embedding,
  Dropout: dropout,
  RNN: recurrent,
  LSTM: recurrent,
  GRU: recurrent,
};
