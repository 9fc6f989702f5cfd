// Operators of ONNX that are layers here: how they run, with their inputs in the order that nodegrad has.

import { ArgumentError } from '../../errors.js';
import { BatchNorm2d } from '../../layers/batch-norm.js';
import type { AnyLayer } from '../../layers/layer.js';
import type { RecurrentCell } from '../../layers/recurrent-cells.js';
import { sequenceMask } from '../../ops/recurrent.js';
import { stack } from '../../ops/shape.js';
import type { AnyTensor, Tensor } from '../../tensor.js';
import { Held, type StepContext, input, text } from '../held.js';

/** Runs an operator by its layers. */
export type LayerStep = (context: StepContext, layers: readonly AnyLayer[]) => Held | readonly Held[];

const ofImages: LayerStep = (context, [layer]) => Held.last(layer.forward(input(context, 0).last) as AnyTensor);

const ofRows: LayerStep = (context, [layer]) => Held.plain(layer.forward(input(context, 0).floats) as AnyTensor);

// One mean and variance per channel, the second axis of the file.
const batchNorm: LayerStep = (context, [layer]) => {
  const held = input(context, 0);
  const { shape } = held;
  if (layer instanceof BatchNorm2d) return Held.last(layer.forward(held.last) as AnyTensor);
  if (shape.length === 2) return Held.plain(layer.forward(held.floats) as AnyTensor);
  if (shape.length === 4) {
    const { last } = held;
    return Held.last((layer.forward(last.reshape([shape[0], shape[2] * shape[3], shape[1]])) as AnyTensor).reshape(last.shape));
  }
  if (shape.length !== 3) throw new ArgumentError(`batch normalization of ${shape.length} axes has no form here`);
  return Held.plain((layer.forward(held.floats.transpose([0, 2, 1])) as AnyTensor).transpose([0, 2, 1]));
};

const embedding: LayerStep = (context, [layer]) => Held.plain(layer.forward(input(context, 1).indices) as AnyTensor);

const dropout: LayerStep = (context, [layer]) => {
  const held = input(context, 0);
  return held.isLast ? Held.last(layer.forward(held.last) as AnyTensor) : Held.plain(layer.forward(held.plain) as AnyTensor);
};

// [time, batch, in] with a direction or two; outputs [time, directions, batch, hidden], states [directions, batch, hidden].
const recurrent: LayerStep = (context, layers) => {
  const cells = layers as readonly RecurrentCell[];
  const x = input(context, 0).floats.transpose([1, 0, 2]);
  const [, time] = x.shape;
  const lengths = context.inputs[4] ?? null;
  const mask = lengths === null ? null : (sequenceMask(lengths.indices, time) as AnyTensor);
  const direction = text(context.node, 'direction', 'forward');
  const first = [context.inputs[5] ?? null, context.inputs[6] ?? null].filter((held) => held !== null);
  const results = cells.map((cell, d) => {
    const own = first.map(({ floats }) => floats.slice(d, d + 1).reshape(floats.shape.slice(1)));
    return cell.run(x, own.length === 0 ? null : (own as Tensor[]), mask, direction === 'reverse' || d === 1);
  });
  const all = stack(
    results.map(({ output }) => output.transpose([1, 0, 2])),
    1,
  );
  const states = results[0].state.map((_, i) => stack(results.map(({ state }) => state[i])));
  return [all, ...states].map((tensor) => Held.plain(tensor as AnyTensor));
};

/** Operators with weights in layers. */
export const layerSteps: Readonly<Record<string, LayerStep>> = {
  Conv: ofImages,
  ConvTranspose: ofImages,
  Gemm: ofRows,
  MatMul: ofRows,
  LayerNormalization: ofRows,
  BatchNormalization: batchNorm,
  Gather: embedding,
  Dropout: dropout,
  RNN: recurrent,
  LSTM: recurrent,
  GRU: recurrent,
};
