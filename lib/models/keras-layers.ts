// What each class of layer of Keras is here: layers of ours and operations, one behind the other.

import { isPlainObject } from '../foreign.js';
import { MultiHeadAttention } from '../layers/attention.js';
import { BatchNorm1d, BatchNorm2d } from '../layers/batch-norm.js';
import { Conv2d, ConvTranspose2d } from '../layers/convolution.js';
import { Dropout, Dropout1d, Dropout2d, GaussianNoise } from '../layers/dropout.js';
import { Embedding } from '../layers/embedding.js';
import { GroupNorm, LayerNorm } from '../layers/group-norm.js';
import type { AnyLayer } from '../layers/layer.js';
import { Linear } from '../layers/linear.js';
import { AvgPool2d, GlobalAvgPool2d, GlobalMaxPool2d, MaxPool2d } from '../layers/pooling.js';
import { GRU, LSTM, RNN } from '../layers/recurrent.js';
import { Pad2d, Upsample2d } from '../layers/resample.js';
import { RMSNorm } from '../layers/rms-norm.js';
import { Flatten } from '../layers/shape.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import type { KerasLayer } from './keras-file.js';
import { activationOf, alone } from './keras-activations.js';
import {
  type Given,
  type KerasPart,
  type Made,
  type Maker,
  type Settings,
  axisOf,
  channelsLast,
  eps,
  frame,
  lastAxis,
  layerOf,
  only,
  operation,
  paddingOf,
  pair,
  rate,
  weightsOf,
  whole,
} from './keras-maker.js';

function convolution(given: Given, at: number, isDepthwise: boolean, isPointwise = false): KerasPart {
  only(given, channelsLast);
  const { weights, shape } = weightsOf(given, 4, at);
  const [height, width, inner, outer] = shape;
  const groups = isDepthwise ? inner : Number(given.settings.groups ?? 1);
  const [channels, filters] = isDepthwise ? [inner, inner * outer] : [inner * groups, outer];
  const layer = new Conv2d(channels, filters, [height, width], {
    ...(isPointwise ? {} : { stride: pair(given, 'strides', 1), dilation: pair(given, 'dilation_rate', 1), padding: paddingOf(given) }),
    groups,
    bias: weights.weights.length > 1,
  });
  return { layer, weights };
}

const activated = (given: Given, ...parts: readonly KerasPart[]): Made => ({
  parts: [...parts, ...activationOf(given.settings.activation, given)],
});

function transposed(given: Given): Made {
  only(given, { ...channelsLast, output_padding: null, dilation_rate: [1, 1] });
  const { weights, shape } = weightsOf(given, 4);
  const [height, width, filters, channels] = shape;
  const stride = pair(given, 'strides', 1);
  // Both give size · stride at least; of what there is more, 'same' cuts off half, the odd one behind.
  const excess = [height - stride[0], width - stride[1]];
  const outputPadding = excess.map((one) => Math.max(0, -one)) as [number, number];
  const cutOff = paddingOf(given) === 'same' ? excess.map((one) => Math.max(0, one)) : [0, 0];
  const layer = new ConvTranspose2d(channels, filters, [height, width], { stride, outputPadding, bias: weights.weights.length > 1 });
  const cut = cutOff.map((one) => [Math.floor(one / 2), Math.ceil(one / 2)]);
  return activated(given, { layer, weights }, ...(cut.flat().some((one) => one > 0) ? [{ op: 'crop', options: { cut } }] : []));
}

const pooling =
  (kind: 'max' | 'avg'): Maker =>
  (given) => {
    only(given, channelsLast);
    const kernelSize = pair(given, 'pool_size', 2);
    const stride = given.settings.strides == null ? kernelSize : pair(given, 'strides', 2);
    const op = kind === 'max' ? 'maxPoolSame' : 'avgPoolSame';
    if (paddingOf(given) === 'same') return { parts: [{ op, options: { kernelSize, stride } }] };
    return { parts: [{ layer: kind === 'max' ? new MaxPool2d(kernelSize, { stride }) : new AvgPool2d(kernelSize, { stride }) }] };
  };

const global =
  (make: () => AnyLayer, op: string): Maker =>
  (given) => {
    only(given, channelsLast);
    const keeps = given.settings.keepdims === true;
    return keeps ? { parts: [{ op, options: { axes: [1, 2], keepDims: true } }] } : { parts: [{ layer: make() }], rank: 2 };
  };

const overTime =
  (op: string): Maker =>
  (given) => {
    only(given, channelsLast);
    const keepDims = given.settings.keepdims === true;
    return { parts: [{ op, options: { axes: [1], keepDims } }], rank: keepDims ? 3 : 2 };
  };

const batchNorm: Maker = (given) => {
  lastAxis(given);
  const { weights, shape } = weightsOf(given, 1);
  const momentum = 1 - Number(given.settings.momentum ?? 0.99);
  const options = { eps: eps(given), momentum: Number(momentum.toPrecision(12)) };
  return { parts: [{ layer: given.rank === 4 ? new BatchNorm2d(shape[0], options) : new BatchNorm1d(shape[0], options), weights }] };
};

const recurrentKinds = ['SimpleRNN', 'LSTM', 'GRU'] as const;

/** Smallest variance of `Normalization`: there a deviation is at least 1e-7. */
const leastVariance = 1e-14;

/** A `Normalization`, whose figures are in its weights, or in its settings: a norm that is never trained. */
const normalization: Maker = (given) => {
  only(given, { invert: false });
  lastAxis(given);
  const own = ['mean', 'variance'].map((name) => given.settings[name]);
  const numbers = own.every((one) => Array.isArray(one))
    ? own.map((one) => (one as unknown[]).flat(8).map(Number))
    : (given.weights[0]?.weights ?? []).slice(0, 2).map(({ data }) => Array.from(data, Number));
  const [mean, variance] = numbers;
  if (!mean?.length || mean.length !== variance?.length) return given.refuse('it has no mean and variance');
  const weights = [mean, variance.map((one) => Math.max(one, leastVariance))].map((one) => Tensor.from(Float32Array.from(one)) as AnyTensor);
  const options = { eps: 0, affine: false };
  const layer = given.rank === 4 ? new BatchNorm2d(mean.length, options) : new BatchNorm1d(mean.length, options);
  return { parts: [{ layer, weights: { name: 'normalization', kind: 'batch_normalization', weights, epsilon: null }, isFixed: true }] };
};

/** A recurrent layer, or both directions of one. */
function recurrent(kind: string, given: Given, outer: Given = given): Made {
  const { settings } = given;
  const isBoth = outer !== given;
  only(given, { return_state: false, go_backwards: false, stateful: false, time_major: false });
  const [kernel] = (outer.weights[0]?.weights ?? []) as KerasLayer['weights'];
  if (kernel?.shape.length !== 2) given.refuse('a layer without its weights');
  const { units, use_bias: bias = true, activation = 'tanh', return_sequences: isSequence = false } = settings;
  const options = { bidirectional: isBoth, bias: bias === true, returns: isSequence === true ? ('all' as const) : ('last' as const) };
  const [inputs, hidden] = [kernel.shape[0], Number(units)];
  let layer: AnyLayer;
  if (kind === 'SimpleRNN') {
    if (activation !== 'tanh' && activation !== 'relu') given.refuse(`activation=${JSON.stringify(activation)}`);
    layer = new RNN(inputs, hidden, { ...options, activation: activation as 'tanh' | 'relu' });
  } else {
    only(given, { activation: 'tanh', recurrent_activation: 'sigmoid' });
    layer =
      kind === 'GRU' ? new GRU(inputs, hidden, { ...options, resetAfter: settings.reset_after === true }) : new LSTM(inputs, hidden, options);
  }
  return { parts: [{ layer, weights: outer.weights[0] }], rank: isSequence === true ? 3 : 2 };
}

const bidirectional: Maker = (given) => {
  only(given, { merge_mode: 'concat' });
  const inner = given.settings.layer;
  const isKnown = isPlainObject(inner) && isPlainObject(inner.config) && recurrentKinds.some((kind) => kind === inner.class_name);
  return isKnown
    ? recurrent(String(inner.class_name), { ...given, settings: inner.config as Settings }, given)
    : given.refuse('the layer inside');
};

const attention: Maker = (given) => {
  if (given.rank !== 3) given.refuse(`sequences of ${given.rank} axes`);
  if (JSON.stringify(given.settings.attention_axes) !== '[1]') only(given, { attention_axes: null });
  only(given, { output_shape: null });
  const { num_heads: heads, key_dim: depth, value_dim: value = depth, dropout = 0, use_bias: bias = true } = given.settings;
  const { weights, shape } = weightsOf(given, 3);
  if (value !== depth || shape[0] !== Number(heads) * Number(depth))
    given.refuse(`num_heads=${heads}, key_dim=${depth}, value_dim=${value} of ${shape[0]} features: heads share the features here`);
  const causal = given.call.use_causal_mask === true;
  const layer = new MultiHeadAttention(shape[0], Number(heads), { causal, dropout: Number(dropout), bias: bias === true });
  return { parts: [{ layer, weights, op: 'attention' }] };
};

const dense: Maker = (given) => {
  const { weights, shape } = weightsOf(given, 2);
  return activated(given, { layer: new Linear(shape[0], shape[1], { bias: weights.weights.length > 1 }), weights });
};

const embedding: Maker = (given) => {
  only(given, { mask_zero: false });
  const { weights, shape } = weightsOf(given, 2);
  return { parts: [{ layer: new Embedding(shape[0], shape[1]), weights }], rank: given.rank + 1 };
};

const timeDistributed: Maker = (given) => {
  const inner = given.settings.layer;
  if (!isPlainObject(inner) || !isPlainObject(inner.config) || inner.class_name !== 'Dense') return given.refuse('the layer inside');
  return dense({ ...given, settings: inner.config });
};

/** Makers by class. */
export const makers: Readonly<Record<string, Maker>> = {
  ...alone,
  Dense: dense,
  Conv2D: (given) => activated(given, convolution(given, 0, false)),
  DepthwiseConv2D: (given) => activated(given, convolution(given, 0, true)),
  SeparableConv2D: (given) => activated(given, convolution(given, 0, true), convolution(given, 1, false, true)),
  Conv2DTranspose: transposed,
  BatchNormalization: batchNorm,
  Normalization: normalization,
  LayerNormalization(given) {
    lastAxis(given);
    only(given, { rms_scaling: false });
    const { weights, shape } = weightsOf(given, 1);
    return { parts: [{ layer: new LayerNorm(shape[0], { eps: eps(given) }), weights }] };
  },
  GroupNormalization(given) {
    lastAxis(given);
    const { weights, shape } = weightsOf(given, 1);
    const { groups } = given.settings;
    return { parts: [{ layer: new GroupNorm(groups === -1 ? shape[0] : Number(groups), shape[0], { eps: eps(given) }), weights }] };
  },
  RMSNormalization(given) {
    lastAxis(given);
    const { weights, shape } = weightsOf(given, 1);
    return { parts: [{ layer: new RMSNorm(shape[0], { eps: Number(given.settings.epsilon ?? 1e-6) }), weights }] };
  },
  Embedding: embedding,
  MultiHeadAttention: attention,
  ...Object.fromEntries(recurrentKinds.map((kind): [string, Maker] => [kind, (given) => recurrent(kind, given)])),
  Bidirectional: bidirectional,
  TimeDistributed: timeDistributed,
  MaxPooling2D: pooling('max'),
  AveragePooling2D: pooling('avg'),
  GlobalAveragePooling2D: global(() => new GlobalAvgPool2d(), 'mean'),
  GlobalMaxPooling2D: global(() => new GlobalMaxPool2d(), 'max'),
  GlobalAveragePooling1D: overTime('mean'),
  GlobalMaxPooling1D: overTime('max'),
  Flatten: layerOf((given) => (only(given, channelsLast), new Flatten()), 2),
  Reshape: (given) => ({
    parts: [{ op: 'reshape', options: { shape: whole(given, 'target_shape') } }],
    rank: whole(given, 'target_shape').length + 1,
  }),
  Permute: (given) => ({ parts: [{ op: 'permute', options: { order: [0, ...whole(given, 'dims')] } }] }),
  Dropout(given) {
    const shape = given.settings.noise_shape ?? null;
    // One that drops whole examples, as some networks do with the branches of their blocks, is left out.
    if (Array.isArray(shape) && shape[0] === null && shape.slice(1).every((size) => size === 1)) return { parts: [] };
    only(given, { noise_shape: null });
    return { parts: [{ layer: new Dropout(rate(given)) }] };
  },
  SpatialDropout1D: layerOf((given) => new Dropout1d(rate(given))),
  SpatialDropout2D: layerOf((given) => (only(given, channelsLast), new Dropout2d(rate(given)))),
  GaussianNoise: layerOf((given) => new GaussianNoise(rate(given))),
  ActivityRegularization: () => ({ parts: [] }),
  Identity: () => ({ parts: [] }),
  ZeroPadding2D: layerOf((given) => (only(given, channelsLast), new Pad2d(frame(given, 'padding')))),
  Cropping2D: (given) => (only(given, channelsLast), { parts: [{ op: 'crop', options: { cut: frame(given, 'cropping') } }] }),
  UpSampling2D: layerOf((given) => {
    only(given, channelsLast);
    const mode = given.settings.interpolation ?? 'nearest';
    if (mode !== 'nearest' && mode !== 'bilinear') given.refuse(`interpolation=${JSON.stringify(mode)}`);
    return new Upsample2d({ scaleFactor: pair(given, 'size', 2), mode: mode as 'nearest' | 'bilinear' });
  }),
  Rescaling(given) {
    const { scale = 1, offset = 0 } = given.settings;
    if (typeof scale !== 'number' || typeof offset !== 'number') return given.refuse('a scale for each channel');
    return { parts: [{ op: 'rescale', options: { scale, offset } }] };
  },
  Add: operation('add'),
  Subtract: operation('subtract'),
  Multiply: operation('multiply'),
  TrueDivide: operation('divide'),
  Divide: operation('divide'),
  Average: operation('average'),
  Maximum: operation('maximum'),
  Minimum: operation('minimum'),
  Concatenate: (given) => ({ parts: [{ op: 'concat', options: axisOf(given) }] }),
};
