// Layers of a program as plain data, how they become layers of nodegrad, and those that only old or broken programs have.

import {
  type AnyLayer,
  BatchNorm1d,
  BatchNorm2d,
  Conv2d,
  Dropout,
  Embedding,
  Flatten,
  GRU,
  type Initializer,
  Layer,
  LayerNorm,
  Linear,
  LSTM,
  MaxPool2d,
  Orthogonal,
  Parameter,
  RNN,
  Tensor,
  Xavier,
  Zeros,
  type ActivationName,
  activation,
  dropout,
  GlobalAvgPool2d,
  LeakyReLU,
  ReLU,
  ELU,
  SELU,
  Sigmoid,
  Tanh,
  softmax,
  stack,
} from '../../lib/index.js';

/** Activations that programs name; `softmax` is over the last axis. */
export type Activation = 'relu' | 'sigmoid' | 'tanh' | 'leakyRelu' | 'elu' | 'selu' | 'softmax';

/** A layer as plain data; sizes that come in follow from the layer before. */
export type LayerSpec =
  | Activation
  | 'flatten'
  | 'batchNorm'
  | 'layerNorm'
  | 'globalAvgPool'
  | { readonly linear: number; readonly bias?: false }
  | { readonly conv: number; readonly kernelSize: number; readonly same?: true }
  | { readonly maxPool: number }
  | { readonly dropout: number /** Also in evaluation: a fault. */; readonly always?: true }
  | { readonly rnn: number; readonly all?: true }
  | { readonly lstm: number; readonly all?: true /** Steps of this value are padding. */; readonly masks?: number }
  | { readonly gru: number; readonly all?: true }
  /** A gated unit with another activation than tanh, step by step. */
  | { readonly gated: number; readonly activation: 'relu' | 'sigmoid'; readonly all?: true }
  /** One row again and again, [n, features] → [n, times, features]. */
  | { readonly repeat: number }
  | { readonly embedding: number; readonly features: number };

/** First values: by the rule, or of one spread. `default` is nodegrad's own choice. */
export type InitSpec =
  | 'default'
  | 'glorot'
  | 'he'
  | 'lecun'
  | 'zeros'
  | { readonly uniform: number }
  | { readonly normal: number }
  | { readonly truncated: number };

/** Softmax over the last axis, as a layer: nodegrad has none, because its losses take logits. */
class Softmax extends Layer {
  forward(x: Tensor): Tensor {
    return softmax(x);
  }
}

/** Dropout that does not know evaluation. */
class AlwaysDropout extends Layer {
  readonly masks = this.stream('dropout');
  constructor(readonly p: number) {
    super();
  }
  forward(x: Tensor): Tensor {
    return dropout(x, this.p, { random: this.masks });
  }
}

class Repeat extends Layer {
  constructor(readonly times: number) {
    super();
  }
  forward(x: Tensor): Tensor {
    return stack(
      Array.from({ length: this.times }, () => x),
      1,
    );
  }
}

/** [n, time, 1] → the last state of each sequence, whose steps of one value are padding at its end. */
class MaskedLSTM extends Layer {
  readonly inner: LSTM;
  constructor(
    inFeatures: number,
    hidden: number,
    readonly padding: number,
  ) {
    super();
    this.inner = new LSTM(inFeatures, hidden, { returns: 'last' });
  }
  forward(x: Tensor): Tensor {
    const [rows, time] = x.shape;
    return this.inner.forward(x, { mask: x.slice([0, 0, 0], [rows, time, 1]).reshape([rows, time]).notEqual(this.padding) });
  }
}

/**
 * A recurrent unit with an update gate, h ← z·h + (1 − z)·f(x·W + h·R + b), where f is what a program had in the place of tanh. It stands for
 * an LSTM or a GRU of which a user has changed the activation.
 */
class GatedUnit extends Layer {
  readonly inputWeight: Parameter;
  readonly recurrentWeight: Parameter;
  readonly bias: Parameter;
  constructor(
    inFeatures: number,
    readonly hidden: number,
    readonly activation: 'relu' | 'sigmoid',
    readonly all: boolean,
  ) {
    super();
    this.inputWeight = new Parameter([inFeatures, 2 * hidden], { init: new Xavier({ distribution: 'uniform' }) });
    this.recurrentWeight = new Parameter([hidden, 2 * hidden], { init: new Orthogonal() });
    this.bias = new Parameter([2 * hidden], { init: new Zeros() });
  }
  forward(x: Tensor): Tensor {
    const [rows, time, features] = x.shape;
    const { hidden } = this;
    let state = Tensor.from(new Float32Array(rows * hidden), [rows, hidden]);
    const outputs: Tensor[] = [];
    for (let step = 0; step < time; step++) {
      const input = x.slice([0, step, 0], [rows, step + 1, features]).reshape([rows, features]);
      const sum = input.matmul(this.inputWeight).add(state.matmul(this.recurrentWeight)).add(this.bias);
      const [gate, candidate] = sum.split(2, 1) as [Tensor, Tensor];
      const keep = activation('sigmoid')(gate);
      state = state.mul(keep).add(activation(this.activation as ActivationName)(candidate).mul(keep.neg().add(1)));
      outputs.push(state);
    }
    return this.all ? stack(outputs, 1) : state;
  }
}

const activations: Readonly<Record<Activation, () => AnyLayer>> = {
  relu: () => new ReLU(),
  sigmoid: () => new Sigmoid(),
  tanh: () => new Tanh(),
  leakyRelu: () => new LeakyReLU({ negativeSlope: 0.1 }),
  elu: () => new ELU(),
  selu: () => new SELU(),
  softmax: () => new Softmax(),
};

/** Whether a layer is an activation. */
export const isActivation = (layer: LayerSpec): layer is Activation => typeof layer === 'string' && layer in activations;

/** A layer, and the shape of an example behind it. */
export function buildLayer(
  spec: LayerSpec,
  shape: readonly number[],
  init: Initializer | undefined,
  biasInit: Initializer | undefined,
): [AnyLayer, number[]] {
  const features = shape.at(-1) ?? 1;
  const first = { ...(init && { init }), ...(biasInit && { biasInit }) };
  const along = (size: number, all: true | undefined): number[] => (all ? [shape[0], size] : [size]);
  const returns = (all: true | undefined) => ({ returns: all ? ('all' as const) : ('last' as const) });
  if (typeof spec === 'string') {
    if (isActivation(spec)) return [activations[spec](), [...shape]];
    if (spec === 'flatten') return [new Flatten(), [shape.reduce((a, b) => a * b, 1)]];
    if (spec === 'globalAvgPool') return [new GlobalAvgPool2d(), [features]];
    if (spec === 'layerNorm') return [new LayerNorm(features), [...shape]];
    return [shape.length === 3 ? new BatchNorm2d(features) : new BatchNorm1d(features), [...shape]];
  }
  if ('linear' in spec)
    return [new Linear(features, spec.linear, { ...first, ...(spec.bias === false && { bias: false }) }), [...shape.slice(0, -1), spec.linear]];
  if ('conv' in spec) {
    const { conv, kernelSize, same } = spec;
    const layer = new Conv2d(features, conv, kernelSize, { ...first, ...(same && { padding: 'same' as const }) });
    return [layer, [...shape.slice(0, 2).map((size) => (same ? size : size - kernelSize + 1)), conv]];
  }
  if ('maxPool' in spec) return [new MaxPool2d(spec.maxPool), [...shape.slice(0, 2).map((size) => Math.floor(size / spec.maxPool)), features]];
  if ('dropout' in spec) return [spec.always ? new AlwaysDropout(spec.dropout) : new Dropout(spec.dropout), [...shape]];
  if ('rnn' in spec) return [new RNN(features, spec.rnn, returns(spec.all)), along(spec.rnn, spec.all)];
  if ('gru' in spec) return [new GRU(features, spec.gru, returns(spec.all)), along(spec.gru, spec.all)];
  if ('gated' in spec) return [new GatedUnit(features, spec.gated, spec.activation, spec.all === true), along(spec.gated, spec.all)];
  if ('repeat' in spec) return [new Repeat(spec.repeat), [spec.repeat, features]];
  if ('embedding' in spec) return [new Embedding(spec.embedding, spec.features), [...shape, spec.features]];
  if (spec.masks !== undefined) return [new MaskedLSTM(features, spec.lstm, spec.masks), [spec.lstm]];
  return [new LSTM(features, spec.lstm, returns(spec.all)), along(spec.lstm, spec.all)];
}
